"""From a config to the emitter of its batches."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from qdfool.build.encoding import alike, shapes
from qdfool.build.reference import is_reference, named_object
from qdfool.build.selection import build_selection
from qdfool.build.step_rules import build_point_rule, build_regulariser, build_step_rule
from qdfool.build.strategies import build_coefficient_strategy, build_strategy
from qdfool.config import MOST_GENERATIONS, Config, name_of
from qdfool.engine.archive import empty
from qdfool.engine.emitters.evolution_strategy import evolution_strategy
from qdfool.engine.emitters.gradient_arborescence import adapted_arborescence, random_arborescence
from qdfool.engine.emitters.gradient_ascent import gradient_ascent
from qdfool.engine.emitters.in_turn import in_turn
from qdfool.engine.emitters.mixed import mixed
from qdfool.engine.emitters.variation import variation
from qdfool.errors import OWN, InputError, code_of_a_user, known_name, shown
from qdfool.keys import new_key
from qdfool.types import Array, Emitter, EmitterMaker, Encoding, Genome, Image, Key, Outcome


@dataclass(frozen=True)
class Parts:
    """What emitters are made of, beside the settings of their own."""

    encoding: Encoding
    genome: Genome
    """Shapes and dtypes of a genome."""
    classes: int
    """K."""
    grid_cells: int
    """G."""
    measures: int
    """M."""
    traceable: bool
    """Whether JAX can trace the classifier."""
    vary: Callable[[Key, Array, Genome, Genome | None], Genome]
    """(key, generation, first parent, second parent) to a child."""
    two_parents: bool
    """Whether `vary` reads the second parent."""
    smooth_measure: Callable[[Image], Array]
    """An image to its measures [M], in a form that has derivatives."""


def _variation(config: Config, parts: Parts, size: int) -> Emitter:
    select = build_selection(config, config.selection.operator)
    return variation(size, select, parts.vary, parts.two_parents, config.devices)


def _evolution_strategy(config: Config, parts: Parts, size: int) -> Emitter:
    settings, count = config.evolution_strategy, config.evolution_strategy.strategies
    _check_real("evolution_strategy", parts)
    if size % count or size // count < 2:
        raise InputError(
            f"`evolution_strategy.strategies` must divide the emitter's {size} children into populations of two or "
            f"more; got {count}. Change it, `batch_size`, or `emitters.shares`."
        )
    return evolution_strategy(
        parts.classes * parts.grid_cells,
        parts.grid_cells,
        parts.encoding,
        parts.genome,
        build_strategy(settings, parts.genome, size // count, config.devices),
        strategies=count,
        population=size // count,
        ranking=settings.ranking,
        threshold=settings.threshold,
        learning_rate=settings.learning_rate,
        devices=config.devices,
    )


def _gradient_ascent(config: Config, parts: Parts, size: int) -> Emitter:
    settings = config.gradient_ascent
    _check_gradients("gradient_ascent", parts)
    if size % settings.lengths:
        raise InputError(
            f"`gradient_ascent.lengths` must divide the emitter's {size} children; got {settings.lengths}. Change it, "
            "`batch_size`, or `emitters.shares`."
        )
    return gradient_ascent(
        size,
        parts.grid_cells,
        parts.encoding,
        build_selection(config, settings.selection),
        build_step_rule(settings),
        steps=settings.steps,
        sigma=settings.sigma,
        lengths=settings.lengths,
        regularise=build_regulariser(settings, parts.encoding),
        devices=config.devices,
    )


def _gradient_arborescence(config: Config, parts: Parts, size: int) -> Emitter:
    settings = config.gradient_arborescence
    _check_real("gradient_arborescence", parts)
    _check_gradients("gradient_arborescence", parts)
    if config.archive != "grid":
        raise InputError(
            "The emitter 'gradient_arborescence' follows the gradients of measures, and the archive 'class' has none. "
            "Choose the archive 'grid', or the emitter 'gradient_ascent'."
        )
    population = settings.population
    assert population is not None  # with_defaults
    if size % population or (settings.coefficients == "adapted" and population < 2):
        raise InputError(
            f"`gradient_arborescence.population` must divide the emitter's {size} children, and be 2 or more where "
            f"coefficients are adapted; got {population}. Change it, `batch_size`, or `emitters.shares`."
        )
    of_all = (parts.grid_cells, parts.encoding, parts.genome, parts.smooth_measure)
    counts = {"points": size // population, "population": population, "devices": config.devices}
    if settings.coefficients == "random":
        return random_arborescence(*of_all, sigma=settings.sigma, **counts)
    return adapted_arborescence(
        *of_all,
        build_coefficient_strategy(settings.sigma, population, coefficients=1 + len(config.measures)),
        build_point_rule(settings),
        **counts,
    )


def _check_real(emitter: str, parts: Parts) -> None:
    if not all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in jax.tree.leaves(parts.genome)):
        raise InputError(
            f"The emitter {shown(emitter)} needs genomes of real numbers; those of the encoding "
            f"{shown(parts.encoding.name)} have others. Choose the encoding 'pixels', or the emitter 'variation' "
            "(`emitters.operators`)."
        )


def _check_gradients(emitter: str, parts: Parts) -> None:
    if parts.encoding.differentiable is None:
        raise InputError(
            f"The emitter {shown(emitter)} follows gradients, and the encoding {shown(parts.encoding.name)} has none. "
            "Choose one that has, such as 'pixels', or the emitter 'variation' (`emitters.operators`)."
        )
    if not any(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in jax.tree.leaves(parts.genome)):
        raise InputError(
            f"The emitter {shown(emitter)} follows gradients by real numbers, and genomes of the encoding "
            f"{shown(parts.encoding.name)} have none. Choose one whose genomes have, such as 'pixels', or the emitter "
            "'variation' (`emitters.operators`)."
        )
    if not parts.traceable:
        raise InputError(
            f"The emitter {shown(emitter)} follows gradients through the classifier, which JAX cannot trace. Choose "
            "the emitter 'variation' (`emitters.operators`), or give the classifier as a function of JAX arrays."
        )


EMITTERS: dict[str, tuple[str, Callable[[Config, Parts, int], Emitter]]] = {
    "variation": ("mutation and crossover of selected elites, as in the paper", _variation),
    "evolution_strategy": (
        "strategies that adapt to where the archive improves: CMA-ME, CMA-MAE",
        _evolution_strategy,
    ),
    "gradient_ascent": ("steps uphill on the log-odds of an elite's class", _gradient_ascent),
    "gradient_arborescence": (
        "branches along the gradients of objective and measures: OMG-MEGA, CMA-MEGA; for grids",
        _gradient_arborescence,
    ),
}


def build_emitter(config: Config, parts: Parts) -> Emitter:
    """The emitter of a config: those that it names, each with its share of the batch, or one after another.

    Raises:
        InputError: an unknown name, an emitter that does not go with the encoding, the classifier or the size of its
            share, or one of the user's own that fails or returns something else.
    """
    operators, shares = config.emitters.operators, config.emitters.shares
    emitters = []
    for index, (part, size) in enumerate(
        zip(operators, config.emitters.sizes(config.batch_size), strict=True)
    ):
        if shares is not None and not shares[index]:
            continue
        if not size:
            raise InputError(
                f"A batch of {config.batch_size} leaves no child to the emitter {shown(name_of(part))}. Give a larger "
                "`batch_size`, or other `emitters.shares`."
            )
        if isinstance(part, str) and not is_reference(part):
            _, make = EMITTERS[known_name("emitter", part, EMITTERS, OWN)]
            emitters.append((make(config, parts, size), size))
        else:
            emitters.append((_own_emitter(part, parts, size), size))
    if config.emitters.turns is not None:
        order = [operators.index(operator) for operator in operators]
        several = sorted(set(order))
        turns = [several.index(number) for number in order]
        firsts = [min(first, MOST_GENERATIONS) for first in config.charges().firsts]
        return in_turn([emitters[number][0] for number in several], firsts, turns)
    return mixed([(emitter, size // config.devices) for emitter, size in emitters])


def _own_emitter(part: str | EmitterMaker, parts: Parts, size: int) -> Emitter:
    name, make = name_of(part), named_object(part) if isinstance(part, str) else part
    if not callable(make) or isinstance(make, type):
        raise InputError(
            f"The emitter {name} is of type {type(make).__name__}. Expected a function (children, encoding) to a "
            "qdfool.Emitter."
        )
    with code_of_a_user(f"The emitter {name} failed on {size} genomes of {shapes(parts.genome)}"):
        emitter = make(size, parts.encoding)
        if not isinstance(emitter, Emitter):
            raise InputError(
                f"The emitter {name} must make a qdfool.Emitter; it makes a {type(emitter).__name__}."
            )
        children, parents, before, after = jax.eval_shape(lambda: _tried(emitter, size, parts))
    if any(jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in jax.tree.leaves(before)):
        raise InputError(
            f"The emitter {name} keeps a typed key, and a checkpoint holds numbers: let its state have "
            "`jax.random.key_data(key)`, of which `jax.random.wrap_key_data` makes a key again."
        )
    expected = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((size, *leaf.shape), leaf.dtype), parts.genome)
    bred = (children, parents), (expected, jax.ShapeDtypeStruct((size,), jnp.int32))
    if not alike(*bred):
        raise InputError(
            f"The emitter {name} must emit {size} genomes and their parents' cells, {shapes(bred[1])}; it emits "
            f"{shapes(bred[0])}."
        )
    if not alike(before, after):
        raise InputError(
            f"The emitter {name} must keep the kind of its state; it began with {shapes(before) or 'none'} and came "
            f"to {shapes(after) or 'none'}."
        )
    return emitter


def _tried(emitter: Emitter, size: int, parts: Parts) -> tuple[Any, ...]:
    """Children, parents, and the state before and after a generation: nothing is computed where it is only traced."""
    genome = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), parts.genome)
    elites = empty(genome, parts.classes, parts.grid_cells, parts.measures)
    score = (lambda images: jnp.zeros((images.shape[0], parts.classes))) if parts.traceable else None
    before = emitter.init(genome)
    children, parents, state = emitter.emit(new_key(0), jnp.int32(1), before, elites, score)
    by_class = jnp.zeros((size, parts.classes))
    outcome = Outcome(by_class, jnp.zeros((size, parts.measures)), jnp.zeros(size, jnp.int32), by_class)
    return children, parents, before, emitter.update(state, elites, children, parents, outcome)
