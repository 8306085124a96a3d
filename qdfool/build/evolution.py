"""From a config to the functions that evolution is made of."""

from dataclasses import replace
from functools import lru_cache

import jax
import jax.numpy as jnp

from qdfool.build.defaults import with_defaults
from qdfool.build.devices import build_shares, check_devices
from qdfool.build.emitters import Parts, build_emitter
from qdfool.build.encoding import build_encoding
from qdfool.build.jax_settings import check_jax
from qdfool.build.measures import build_cell_index, build_measures, check_own_measures
from qdfool.build.reference import has_own_parts, is_reference, parts_of
from qdfool.build.target import Target
from qdfool.build.variation import build_variation
from qdfool.config import Config
from qdfool.engine.step import Evolution
from qdfool.keys import new_key
from qdfool.types import Array, Classifier, Image


def build_evolution(config: Config, classifier: Classifier, target: Target | None = None) -> Evolution:
    """The functions of a run, on the devices that are here unless a target is given.

    Runs that differ only in seed, budget or weights get the same functions, so that what one compiled serves all; but
    where parts are the user's own: what is in a function can change, with a variable of its module.

    Raises:
        InputError: an unknown name, parts that do not fit together, or devices that are not there; or JAX is set to
            refuse what is computed.
    """
    check_jax()
    config = with_defaults(config, classifier.image_shape)
    check_devices(config, classifier.traceable, target)
    alike = replace(
        config,
        seed=0,
        generations=None,
        evaluations=None,
        seconds=None,
        weights=None,
        chunk_seconds=1.0,
        checkpoint_every=0.0,
        seeds_at_once=0,
    )
    own = any(not isinstance(part, str) or is_reference(part) for part in parts_of(alike))
    build = _evolution if own else _cached_evolution
    return build(alike, classifier.image_shape, len(classifier.class_names), classifier.traceable)


def _evolution(config: Config, image_shape: tuple[int, int, int], classes: int, traceable: bool) -> Evolution:
    encoding = build_encoding(config, image_shape)
    measures = build_measures(config)
    check_own_measures(config, measures, image_shape)
    genome = jax.eval_shape(lambda: encoding.initialise(new_key(0)))  # So that no key is computed.
    vary, two_parents = build_variation(config, image_shape, genome)

    def measure(image: Image) -> Array:
        return jnp.array([part.measure(image) for part in measures], jnp.float32)

    def smooth_measure(image: Image) -> Array:
        return jnp.array([(part.smooth or part.measure)(image) for part in measures], jnp.float32)

    grid_cells = config.cells[0] * config.cells[1] if measures else 1
    parts = Parts(
        encoding=encoding,
        genome=genome,
        classes=classes,
        grid_cells=grid_cells,
        measures=len(measures),
        traceable=traceable,
        vary=vary,
        two_parents=two_parents,
        smooth_measure=smooth_measure,
    )
    # Levels are those of [0, 1]; where images are not rounded to them, the range of a user's own parts is the user's.
    is_image = _in_range if config.rounding else _is_finite
    return Evolution(
        classes=classes,
        grid_cells=grid_cells,
        batch_size=config.batch_size,
        initialise=encoding.initialise,
        decode=encoding.decode,
        emitter=build_emitter(config, parts),
        measure=measure,
        cell_index=build_cell_index(config, measures),
        decode_onto=encoding.decode_onto,
        encode=encoding.encode,
        competition=config.competition,
        is_image=is_image if has_own_parts(config) else None,
        shares=build_shares(config),
    )


def _in_range(image: Image) -> Array:
    return ((image >= 0) & (image <= 1)).all()


def _is_finite(image: Image) -> Array:
    return jnp.isfinite(image).all()


_cached_evolution = lru_cache(maxsize=16)(_evolution)
