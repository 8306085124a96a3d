"""Config to functions: every name works, what does not fit is refused."""

from dataclasses import replace
from functools import cache, partial

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
    with_batch_size,
    with_defaults,
)
from qdfool.build.variation import build_variation
from qdfool.classifiers import porting
from qdfool.classifiers.batch_minor import BATCH_MINOR
from qdfool.classifiers.layers import CHANNELS_LAST
from qdfool.classifiers.networks import architecture
from qdfool.config import BlackPixels, Cppn, Crossover, Emitters, Mutation, Selection
from qdfool.engine import selection
from qdfool.engine.emitters.variation import variation
from qdfool.engine.step import ask, init, step
from qdfool.errors import InputError
from qdfool.measures import MEASURES
from qdfool.types import Measure


def after(config, generations=4):
    evolution = build_evolution(config, fake.classifier)
    state = init(evolution, jax.random.key(0))
    advance = jax.jit(lambda s: step(evolution, fake.classifier.logits, fake.classifier.parameters, s))
    record = None
    for _ in range(generations):
        state, record = advance(state)
    assert record is not None
    return evolution, state, record


def valid_genomes(state, encoding):
    if encoding == "cppn":
        return all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.children))
    genomes = np.asarray(state.children)
    if encoding == "black_pixels":
        listed = [row[row < 64] for row in genomes]
        distinct = all(len(set(row)) == len(row) for row in listed)
        return genomes.dtype == np.int32 and genomes.min() >= 0 and genomes.max() <= 64 and distinct
    if encoding == "binary":
        return genomes.dtype == np.uint8 and set(np.unique(genomes)) <= {0, 1}
    return genomes.dtype == np.float32 and genomes.min() >= 0 and genomes.max() <= 1


def with_mutation(config, encoding, name):
    return replace(config, encoding=encoding, mutation=Mutation(operators=(name,), block=3, probability=0.9))


def with_crossover(config, encoding, name):
    crossover = Crossover(operators=(name,), patch=3, probability=0.9)
    return replace(config, encoding=encoding, mutation=Mutation(operators=()), crossover=crossover)


def variation_of(config):
    """How a child comes from its parents, and whether it has two."""
    genome = jax.eval_shape(build_encoding(config, fake.SHAPE).initialise, jax.random.key(0))
    return build_variation(with_defaults(config, fake.SHAPE), fake.SHAPE, genome)


@cache
def operators_of(config, encoding):
    """The evolution with each operator of an encoding, and one program for all of them: (number of the operator,
    state) to the next generation."""
    configs = {
        name: of_config(config, encoding, name)
        for table, of_config in ((MUTATIONS, with_mutation), (CROSSOVERS, with_crossover))
        for name in table
        if encoding in table[name][1]
    }
    evolutions = {name: build_evolution(one, fake.classifier) for name, one in configs.items()}
    # Mutations do not look at the second parent.
    varies = [
        vary
        if two_parents
        else lambda key, generation, first, _, vary=vary: vary(key, generation, first, None)
        for vary, two_parents in map(variation_of, configs.values())
    ]

    @jax.jit
    def advance(which, state):
        vary = partial(jax.lax.switch, which, varies)
        emitter = variation(config.batch_size, selection.uniform, vary, two_parents=True)
        one = replace(next(iter(evolutions.values())), emitter=emitter)
        return step(one, fake.classifier.logits, fake.classifier.parameters, state)

    return evolutions, advance


def evolved_by(config, encoding, name, generations=4):
    evolutions, advance = operators_of(config, encoding)
    state = init(evolutions[name], jax.random.key(0))
    record = None
    for _ in range(generations):
        state, record = advance(list(evolutions).index(name), state)
    assert record is not None
    return evolutions[name], state, record


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", MUTATIONS)
def test_every_mutation_evolves_or_is_refused(small, encoding, name):
    if encoding not in MUTATIONS[name][1]:
        with pytest.raises(
            InputError, match=f"The mutation '{name}' does not work on the encoding '{encoding}'"
        ):
            build_evolution(with_mutation(small, encoding, name), fake.classifier)
        return
    _, state, record = evolved_by(small, encoding, name)
    assert not variation_of(with_mutation(small, encoding, name))[1]
    assert valid_genomes(state, encoding)
    assert not record.invalid.any()


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", CROSSOVERS)
def test_every_crossover_evolves_or_is_refused(small, encoding, name):
    if encoding not in CROSSOVERS[name][1]:
        with pytest.raises(
            InputError, match=f"The crossover '{name}' does not work on the encoding '{encoding}'"
        ):
            build_evolution(with_crossover(small, encoding, name), fake.classifier)
        return
    _, state, _ = evolved_by(small, encoding, name)
    assert variation_of(with_crossover(small, encoding, name))[1]
    assert valid_genomes(state, encoding)


@pytest.mark.slow
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
    config = replace(small, mutation=Mutation(operators=("bit_flip",), rate=0.5, halve_every=120))
    assert config.batch_size == 12
    vary, _ = variation_of(config)
    genome = jnp.zeros(fake.SHAPE)

    @jax.jit
    def share(generation):
        keys = jax.random.split(jax.random.key(1), 500)
        return jax.vmap(lambda key: vary(key, generation, genome, None))(keys).mean()

    shares = [share(generation) for generation in (0, 9, 10, 25)]
    np.testing.assert_allclose(shares, [0.5, 0.5, 0.25, 0.125], atol=0.02)


@pytest.mark.parametrize(
    "late",
    [
        {"mutation": Mutation(halve_every=10**15)},
        {"emitters": Emitters(("variation", "gradient_ascent"), turns=(10**15,))},
    ],
    ids=["halve_every", "turns"],
)
def test_what_comes_after_the_last_generation_that_there_can_be_never_comes(small, late):
    _, state, _ = after(replace(small, **late))
    assert valid_genomes(state, "pixels")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_images_have_the_levels_of_a_png(small, encoding):
    own = {"cppn": "cppn", "black_pixels": "pixel_redraw"}
    mutation = Mutation(operators=(own.get(encoding, "bit_flip"),))
    evolution = build_evolution(replace(small, encoding=encoding, mutation=mutation), fake.classifier)
    images = np.asarray(ask(init(evolution, jax.random.key(0))))
    levels = np.round(images * 255).astype(np.uint8)
    np.testing.assert_array_equal(images, levels.astype(np.float32) / 255)


def test_rounding_can_be_turned_off(small):
    encoding = build_encoding(replace(small, rounding=False), fake.SHAPE)
    genome = jax.jit(encoding.initialise)(jax.random.key(0))
    np.testing.assert_array_equal(encoding.decode(genome), genome)


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_places_every_image(small, name):
    config = replace(
        small, archive="grid", measures=(name, "ink" if name == "luminance" else "luminance"), cells=(5, 4)
    )
    evolution = build_evolution(config, fake.classifier)
    for image in (
        jnp.zeros(fake.SHAPE),
        jnp.ones(fake.SHAPE),
        jax.random.uniform(jax.random.key(0), fake.SHAPE),
    ):
        cell, valid = evolution.cell_index(evolution.measure(image))
        assert valid
        assert 0 <= cell < 20


def test_a_measure_of_ones_own(small):
    config = replace(small, archive="grid", measures=("fake:darkness", "ink"), cells=(4, 4))
    _, state, record = after(config)
    assert not record.invalid.any()
    genome, measures = state.elites.genome, np.asarray(state.elites.measures)
    occupied = np.isfinite(np.asarray(state.elites.fitness))
    darkness = 1 - np.round(np.asarray(genome) * 255).mean(axis=(1, 2, 3)) / 255
    np.testing.assert_allclose(measures[occupied, 0], darkness[occupied], atol=1e-5)


def test_a_measure_beyond_its_range_makes_the_child_invalid(small):
    config = replace(small, archive="grid", measures=("fake:out_of_range", "ink"))
    evolution, state, record = after(config, 1)
    assert record.invalid.tolist() == [0, evolution.batch_size, 0]
    assert not np.isfinite(np.asarray(state.elites.fitness)).any()


REFUSED = {
    "Unknown classifier 'lanet'. Did you mean 'lenet'": {"classifier": "lanet"},
    "Unknown encoding 'pixel'. Did you mean 'pixels'": {"encoding": "pixel"},
    "Unknown mutation 'gausian'. Did you mean 'gaussian'": {"mutation": Mutation(operators=("gausian",))},
    "Unknown crossover 'unifrm'. Did you mean 'uniform'": {"crossover": Crossover(operators=("unifrm",))},
    "Unknown selection 'rank'. Did you mean 'ranking'": {"selection": Selection("rank")},
    "Unknown measure 'inc'. Did you mean 'ink'": {"archive": "grid", "measures": ("inc", "symmetry")},
    "is of type function. Expected a qdfool.Measure": {"archive": "grid", "measures": ("fake:logits", "ink")},
    "`ranges` gives ink from 0.2 to 1.5": {"archive": "grid", "ranges": (0.2, 1.5, 0, 1)},
    "`ranges` gives eccentricity from 0.9 to 0.1": {"archive": "grid", "ranges": (0, 1, 0.9, 0.1)},
    "`mutation.block` must be at most the image's side, 8": {
        "mutation": Mutation(operators=("block_flip",), block=9)
    },
    "`crossover.patch` must be at most the image's side": {
        "crossover": Crossover(operators=("patch_copy",), patch=9)
    },
    "Cannot import 'no_such_module'": {"classifier": "no_such_module:logits"},
    "Unknown attribute of fake 'logit'. Did you mean 'logits'": {"classifier": "fake:logit"},
    "Expected package.module:attribute": {"classifier": "fake:"},
    "`weights` goes with one of qdfool's own": {"classifier": "fake:logits", "weights": "x.safetensors"},
    "`precision` goes with one of qdfool's own": {"classifier": "fake:logits", "precision": "bfloat16"},
    "`cppn.nodes` must be at least 5 (4 inputs and 1 outputs); got 4": {
        "encoding": "cppn",
        "cppn": Cppn(nodes=4),
    },
    "`cppn.connections` must be at least 4 (each input to each output); got 3": {
        "encoding": "cppn",
        "cppn": Cppn(connections=3),
    },
    "`black_pixels.capacity` must be at most the pixels of an image, 8 x 8 = 64; got 65": {
        "encoding": "black_pixels",
        "black_pixels": BlackPixels(capacity=65),
    },
    "Unknown activation function 'sin'. Did you mean 'sine'": {
        "encoding": "cppn",
        "cppn": Cppn(activations=("sin",)),
    },
    "`cppn.activations` needs one or more of sine": {"encoding": "cppn", "cppn": Cppn(activations=())},
    "Unknown classifier 'resnet19'. Did you mean 'resnet18'": {"classifier": "resnet19"},
    "No published weights of mobilenet_v1_025 are known": {
        "classifier": "mobilenet_v1_025",
        "weights": "hub",
    },
    "resnet18 takes square colour images": {
        "classifier": "resnet18",
        "weights": "random",
        "image_shape": (224, 200, 3),
    },
    "squeezenet1_1 takes images of at least": {
        "classifier": "squeezenet1_1",
        "weights": "random",
        "image_shape": (8, 8, 3),
    },
    "alexnet takes images of 224 x 224": {
        "classifier": "alexnet",
        "weights": "random",
        "image_shape": (256, 256, 3),
    },
    "Ten crops are cut from images at least as large": {
        "classifier": "mobilenet_v1_025",
        "weights": "random",
        "objective": "ten-crop",
        "crop_from": 200,
    },
    "the groups 'even' and 'low' overlap in class 2": {"group": ("even=0,2", "low=1,2")},
    "a class in the group 'odd=1,11' must be between 0 and 9; got 11": {"group": ("odd=1,11",)},
}


def build(config):
    if config.classifier != "lenet" or config.group:
        build_classifier(config)
    return build_evolution(config, fake.classifier)


@pytest.mark.parametrize("message", REFUSED)
def test_what_does_not_fit_is_refused(small, message):
    with pytest.raises(InputError) as caught:
        build(replace(small, **REFUSED[message]))
    assert message in str(caught.value)


def test_groups_and_crops_are_views_of_the_same_network(small):
    network = {"classifier": "mobilenet_v1_025", "weights": "random", "image_shape": (32, 32, 3)}
    whole = build_classifier(replace(small, **network))
    viewed = build_classifier(
        replace(small, **network, objective="ten-crop", crop_from=40, group=("cat=281-285",))
    )
    assert viewed.image_shape == (40, 40, 3)
    assert viewed.class_names == ("cat", "rest")
    images = np.random.default_rng(0).random((2, 40, 40, 3), np.float32)
    crops = [
        images[:, top : top + 32, left : left + 32][:, :, ::step]
        for top, left in ((0, 0), (0, 8), (8, 0), (8, 8), (4, 4))
        for step in (1, -1)
    ]
    called = jax.jit(whole.logits)
    softmax = np.mean([jax.nn.softmax(called(whole.parameters, crop)) for crop in crops], axis=0)
    found = jax.nn.softmax(jax.jit(viewed.logits)(viewed.parameters, images))
    np.testing.assert_allclose(found[:, 0], softmax[:, 281:286].sum(axis=1), rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("formulated", ["mobilenet_v1_025", "mobilenet_v2"])
def test_both_formulations_of_a_network_agree(formulated):
    images = np.random.default_rng(0).random((11, 64, 64, 3), np.float32)
    found = []
    for formulation in (BATCH_MINOR, CHANNELS_LAST):
        network = porting.classifier(
            architecture(formulated), "random", image_size=64, formulation=formulation
        )
        found.append(np.asarray(jax.jit(network.logits)(network.parameters, images)))
    np.testing.assert_allclose(found[0], found[1], atol=1e-5 * abs(found[1]).max())


def test_a_batch_size_is_chosen_where_none_is_given(small):
    network = build_classifier(
        replace(small, classifier="mobilenet_v1_025", weights="random", image_shape=(64, 64, 3))
    )
    chosen = with_batch_size(replace(small, batch_size=0), network).batch_size
    assert chosen == with_batch_size(replace(small, batch_size=0), network).batch_size
    assert chosen & (chosen - 1) == 0
    assert 1 <= chosen <= 512
    assert with_batch_size(replace(small, batch_size=7), network).batch_size == 7


@pytest.mark.parametrize("high", [float("inf"), float("nan")])
def test_a_measure_without_bounds_is_refused(small, high):
    endless = Measure("endless", "no bound", 0.0, high, lambda image: image.sum())
    with pytest.raises(InputError, match="endless"):
        build_evolution(replace(small, archive="grid", measures=("ink", endless)), fake.classifier)
