"""Config to functions: every name works, what does not fit is refused."""

from dataclasses import replace

import fake
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qdfool.build import (
    CROSSOVERS,
    ENCODINGS,
    MUTATIONS,
    SELECTIONS,
    build_classifier,
    build_encoding,
    build_evolution,
)
from qdfool.check import InputError
from qdfool.config import Crossover, Mutation, Selection
from qdfool.engine.step import ask, start, step
from qdfool.measures import MEASURES


def after(config, generations=4):
    evolution = build_evolution(config, fake.classifier)
    state = start(evolution, jax.random.key(0))
    advance = jax.jit(lambda s: step(evolution, fake.classifier.logits, fake.classifier.parameters, s))
    record = None
    for _ in range(generations):
        state, record = advance(state)
    assert record is not None
    return evolution, state, record


def valid_genomes(state, encoding):
    genomes = np.asarray(state.children)
    if encoding == "binary":
        return genomes.dtype == np.uint8 and set(np.unique(genomes)) <= {0, 1}
    return genomes.dtype == np.float32 and genomes.min() >= 0 and genomes.max() <= 1


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", MUTATIONS)
def test_every_mutation_evolves_or_is_refused(small, encoding, name):
    config = replace(small, encoding=encoding, mutation=Mutation(operators=(name,), block=3, probability=0.9))
    if encoding not in MUTATIONS[name][1]:
        with pytest.raises(InputError, match=f"The mutation '{name}' does not work on the encoding 'binary'"):
            build_evolution(config, fake.classifier)
        return
    _, state, record = after(config)
    assert valid_genomes(state, encoding)
    assert record.invalid == 0


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", CROSSOVERS)
def test_every_crossover_evolves_or_is_refused(small, encoding, name):
    config = replace(
        small,
        encoding=encoding,
        mutation=Mutation(operators=()),
        crossover=Crossover(operators=(name,), patch=3, probability=0.9),
    )
    if encoding not in CROSSOVERS[name][1]:
        with pytest.raises(
            InputError, match=f"The crossover '{name}' does not work on the encoding 'binary'"
        ):
            build_evolution(config, fake.classifier)
        return
    _, state, _ = after(config)
    assert valid_genomes(state, encoding)


@pytest.mark.parametrize("name", SELECTIONS)
def test_every_selection_evolves(small, name):
    _, state, _ = after(replace(small, selection=Selection(name, tournament_size=3)))
    parents = np.asarray(state.parents)
    assert parents.min() >= 0
    assert parents.max() < 4


def test_operators_compose(small):
    mutation = Mutation(operators=("polynomial", "swap", "block_flip"), block=2)
    crossover = Crossover(operators=("uniform", "rectangle_swap", "arithmetic"))
    _, state, record = after(replace(small, mutation=mutation, crossover=crossover))
    assert valid_genomes(state, "pixels")
    assert np.isfinite(record.fitness).all()


def test_the_rate_is_halved_again_and_again(small):
    config = replace(small, mutation=Mutation(operators=("bit_flip",), rate=0.5, halve_every=10))
    evolution = build_evolution(config, fake.classifier)
    genome = jnp.zeros(fake.SHAPE)

    def share(generation):
        keys = jax.random.split(jax.random.key(1), 500)
        children = jax.vmap(lambda key: evolution.vary(key, jnp.int32(generation), genome, None))(keys)
        return float(children.mean())

    shares = [share(generation) for generation in (0, 9, 10, 25)]
    np.testing.assert_allclose(shares, [0.5, 0.5, 0.25, 0.125], atol=0.02)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_images_have_the_levels_of_a_png(small, encoding):
    mutation = Mutation(operators=("bit_flip",))
    evolution = build_evolution(replace(small, encoding=encoding, mutation=mutation), fake.classifier)
    images = np.asarray(ask(start(evolution, jax.random.key(0))))
    levels = np.round(images * 255).astype(np.uint8)
    np.testing.assert_array_equal(images, levels.astype(np.float32) / 255)


def test_rounding_can_be_turned_off(small):
    encoding = build_encoding(replace(small, rounding=False), fake.SHAPE)
    genome = encoding.initialise(jax.random.key(0))
    np.testing.assert_array_equal(encoding.decode(genome), genome)


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_places_every_image(small, name):
    config = replace(small, archive="grid", measures=(name, "luminance"), cells=(5, 4))
    evolution = build_evolution(config, fake.classifier)
    for image in (
        jnp.zeros(fake.SHAPE),
        jnp.ones(fake.SHAPE),
        jax.random.uniform(jax.random.key(0), fake.SHAPE),
    ):
        cell, valid = evolution.place(evolution.measure(image))
        assert valid
        assert 0 <= cell < 20


def test_a_measure_of_ones_own(small):
    config = replace(small, archive="grid", measures=("fake:darkness", "ink"), cells=(4, 4))
    _, state, record = after(config)
    assert record.invalid == 0
    genome, measures = state.elites.genome, np.asarray(state.elites.measures)
    occupied = np.isfinite(np.asarray(state.elites.fitness))
    darkness = 1 - np.round(np.asarray(genome) * 255).mean(axis=(1, 2, 3)) / 255
    np.testing.assert_allclose(measures[occupied, 0], darkness[occupied], atol=1e-5)


def test_a_measure_beyond_its_range_makes_the_child_invalid(small):
    config = replace(small, archive="grid", measures=("fake:out_of_range", "ink"))
    evolution, state, record = after(config, 1)
    assert record.invalid == evolution.batch_size
    assert not np.isfinite(np.asarray(state.elites.fitness)).any()


REFUSED = {
    "Unknown classifier 'lanet'. Did you mean 'lenet'": {"classifier": "lanet"},
    "Unknown encoding 'pixel'. Did you mean 'pixels'": {"encoding": "pixel"},
    "Unknown mutation 'gausian'. Did you mean 'gaussian'": {"mutation": Mutation(operators=("gausian",))},
    "Unknown crossover 'unifrm'. Did you mean 'uniform'": {"crossover": Crossover(operators=("unifrm",))},
    "Unknown selection 'rank'. Did you mean 'ranking'": {"selection": Selection("rank")},
    "Unknown measure 'inc'. Did you mean 'ink'": {"archive": "grid", "measures": ("inc", "symmetry")},
    "is of type function. Expected a qdfool.Measure": {"archive": "grid", "measures": ("fake:logits", "ink")},
    "--ranges gives ink from 0.2 to 1.5": {"archive": "grid", "ranges": (0.2, 1.5, 0, 1)},
    "--ranges gives eccentricity from 0.9 to 0.1": {"archive": "grid", "ranges": (0, 1, 0.9, 0.1)},
    "--mutation.block must be at most the image's side, 8": {
        "mutation": Mutation(operators=("block_flip",), block=9)
    },
    "--crossover.patch must be at most the image's side": {"crossover": Crossover(operators=("patch_copy",))},
    "Cannot import 'no_such_module'": {"classifier": "no_such_module:logits"},
    "Unknown attribute of fake 'logit'. Did you mean 'logits'": {"classifier": "fake:logit"},
    "Expected package.module:attribute": {"classifier": "fake:"},
    "--weights goes with a classifier of --list": {"classifier": "fake:logits", "weights": "x.safetensors"},
}


def build(config):
    if config.classifier != "lenet":
        build_classifier(config)
    return build_evolution(config, fake.classifier)


@pytest.mark.parametrize("message", REFUSED)
def test_what_does_not_fit_is_refused(small, message):
    with pytest.raises(InputError) as caught:
        build(replace(small, **REFUSED[message]))
    assert message in str(caught.value)
