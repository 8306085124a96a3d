"""What a config leaves open follows its encoding and its images; a user's own parts need no table."""

import json
from dataclasses import replace

import fake
import jax
import jax.numpy as jnp
import numpy as np
import own_parts
import pytest

import qdfool
from qdfool.build import DEFAULT_MUTATIONS, ENCODINGS, build_encoding, build_evolution, with_defaults
from qdfool.build.variation import build_variation
from qdfool.config import (
    BlackPixels,
    Config,
    Crossover,
    Emitters,
    GradientArborescence,
    Mutation,
    differences,
    from_dict,
    to_dict,
)
from qdfool.errors import InputError
from qdfool.presets import PRESETS, preset
from qdfool.types import Encoding


@pytest.mark.parametrize(
    ("name", "shape"), [*((name, (8, 8, 1)) for name in PRESETS), ("mnist-grid", (40, 30, 3))]
)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_goes_with_every_preset_and_image(encoding, name, shape):
    config = preset(name, encoding=encoding, batch_size=8)
    suited = {"gradient_ascent": ("pixels", "cppn"), "gradient_arborescence": ("pixels",)}
    if any(encoding not in suited.get(str(name), ENCODINGS) for name in config.emitters.operators):
        with pytest.raises(InputError, match=f"'gradient_.* the encoding '{encoding}' "):
            build_evolution(config, replace(fake.classifier, image_shape=shape))
        return
    evolution = build_evolution(config, replace(fake.classifier, image_shape=shape))
    # Traced, not compiled: the operators take the genomes that the encoding makes.
    genome = jax.eval_shape(evolution.initialise, jax.random.key(0))
    vary, two_parents = build_variation(with_defaults(config, shape), shape, genome)
    parents = (genome, genome if two_parents else None)
    child = jax.eval_shape(vary, jax.random.key(0), jnp.int32(0), *parents)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), child) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), genome
    )
    assert with_defaults(config, shape).mutation.operators == DEFAULT_MUTATIONS[encoding]


def test_what_a_config_leaves_open_is_what_it_was():
    pixels = with_defaults(preset("mnist-grid"), (28, 28, 1))
    assert pixels.mutation == Mutation(operators=("polynomial",), rate=0.1, block=6)
    assert pixels.crossover == Crossover(operators=("rectangle_swap", "iso_line"), patch=9)
    assert pixels.black_pixels.capacity == 512
    binary = with_defaults(preset("mnist-binary"), (28, 28, 1))
    assert binary.mutation == Mutation(operators=("bit_flip",), rate=0.005, block=6)
    assert with_defaults(binary, (28, 28, 1)) == binary


@pytest.mark.parametrize(
    ("batch", "population", "charged"),
    [(200, 10, 280), (256, 8, 384), (7, 7, 11), (22, 11, 30), (26, 13, 34)],
)
def test_branches_are_as_many_as_divide_the_batch(batch, population, charged):
    config = with_defaults(preset("mnist-grid", batch_size=batch), (28, 28, 1))
    assert config.gradient_arborescence.population == population
    assert config.charges().costs[0] == charged


def test_branches_divide_the_children_of_their_own_emitter():
    emitters = Emitters(("variation", "gradient_arborescence"), shares=(1, 3))
    config = with_defaults(preset("mnist-grid", batch_size=48, emitters=emitters), (28, 28, 1))
    assert config.gradient_arborescence.population == 9


def test_what_is_given_stays():
    config = Config(
        encoding="binary",
        mutation=Mutation(operators=("swap",), rate=0.3, block=2),
        crossover=Crossover(operators=("uniform",), patch=4),
        black_pixels=BlackPixels(capacity=7),
        emitters=Emitters(("variation", "gradient_ascent"), shares=(3.0, 1.0), evaluations_per_child=(1, 2)),
        gradient_arborescence=GradientArborescence(population=3),
    )
    assert with_defaults(config, (8, 8, 1)) == config


def test_sizes_that_are_not_given_fit_the_image():
    small = with_defaults(Config(crossover=Crossover(operators=("patch_copy",))), (4, 5, 1))
    assert (small.mutation.block, small.crossover.patch, small.black_pixels.capacity) == (4, 4, 20)


@pytest.mark.parametrize(
    ("settings", "listed"),
    [
        (
            {"encoding": "binary", "mutation": {"operators": ("polynomial",)}},
            "Those that do: reset, bit_flip, block_flip, swap, inversion. Name one of them, or leave "
            "`mutation.operators` away.",
        ),
        (
            {"encoding": "black_pixels", "crossover": {"operators": ("iso_line",)}},
            "Those that do: list_rectangle_swap, list_alternating_columns, pixel_list.",
        ),
        ({"encoding": "cppn", "crossover": {"operators": ("uniform",)}}, "Those that do: none."),
    ],
)
def test_an_operator_that_is_named_and_does_not_suit_is_refused_with_those_that_do(settings, listed):
    with pytest.raises(InputError) as caught:
        build_evolution(preset("mnist-direct", **settings), fake.classifier)
    assert listed in str(caught.value)


def test_a_run_has_its_settings_resolved(small):
    from qdfool.results.run import Run

    config = Run(replace(small, encoding="binary", black_pixels=BlackPixels()), fake.classifier).config
    assert config.mutation.operators == ("bit_flip",)
    assert (config.mutation.rate, config.black_pixels.capacity) == (0.005, 64)


@pytest.mark.parametrize("mutation", [own_parts.ones, "own_parts:ones"])
@pytest.mark.parametrize("encoding", [own_parts.stripes, own_parts.stripes_of_8, "own_parts:stripes"])
def test_an_encoding_and_a_mutation_of_ones_own(small, encoding, mutation):
    config = replace(small, encoding=encoding, mutation=Mutation(operators=(mutation,)))
    evolution = build_evolution(config, fake.classifier)
    genome = jax.jit(evolution.initialise)(jax.random.key(0))
    vary, _ = build_variation(with_defaults(config, fake.SHAPE), fake.SHAPE, genome)
    child = vary(jax.random.key(1), jnp.int32(0), genome, None)
    assert (child.shape, child.dtype, child.weak_type) == ((8,), jnp.float32, False)
    np.testing.assert_array_equal(child, 1)
    image = np.asarray(evolution.decode(genome))
    np.testing.assert_array_equal(image, np.broadcast_to(image[:, :1], fake.SHAPE))
    np.testing.assert_array_equal(image * 255, np.round(image * 255))


def test_an_encoding_of_ones_own_has_its_own_operators(small):
    config = replace(small, encoding=own_parts.stripes, crossover=Crossover(operators=None))
    resolved = with_defaults(config, fake.SHAPE)
    assert resolved.mutation.operators == (own_parts.jitter,)
    assert resolved.crossover.operators == (own_parts.average,)
    genome = jax.eval_shape(build_encoding(config, fake.SHAPE).initialise, jax.random.key(0))
    assert build_variation(resolved, fake.SHAPE, genome)[1]


def test_a_crossover_of_ones_own_joins_both_parents(small):
    config = replace(
        small,
        mutation=Mutation(operators=()),
        crossover=Crossover(operators=("own_parts:average",)),
    )
    genome = jax.ShapeDtypeStruct(fake.SHAPE, jnp.float32)
    vary, _ = build_variation(with_defaults(config, fake.SHAPE), fake.SHAPE, genome)
    child = vary(jax.random.key(1), jnp.int32(0), jnp.zeros(fake.SHAPE), jnp.ones(fake.SHAPE))
    np.testing.assert_array_equal(child, 0.5)


def test_a_run_of_ones_own_parts_is_saved_and_loaded(small, tmp_path, monkeypatch):
    monkeypatch.setattr(
        qdfool.Result, "draw", lambda self, directory, classifier=None: None
    )  # pictures take long
    config = replace(
        small,
        generations=2,
        archive="grid",
        cells=(3, 3),
        encoding=own_parts.stripes,
        measures=(fake.darkness, "luminance"),
    )
    result = qdfool.evolve(config, fake.classifier)
    result.save(tmp_path / "run")
    settings = json.loads((tmp_path / "run/config.json").read_text())["settings"]
    assert settings["encoding"] == "own_parts:stripes"
    assert settings["measures"] == ["fake:darkness", "luminance"]
    assert settings["mutation"]["operators"] == ["own_parts:jitter"]
    np.testing.assert_array_equal(qdfool.load(tmp_path / "run").images(), result.images())


def not_an_image(image_shape):
    return Encoding("flat", lambda key: jnp.zeros(3), lambda genome: genome)


REFUSED = {
    r"The mutation doubled must return a genome like its parents, float32\[8, 8, 1\]; it returns "
    r"float32\[16, 8, 1\]": {"mutation": Mutation(operators=(own_parts.doubled,))},
    r"The mutation fails failed on a genome of float32\[8, 8, 1\]: KeyError": {
        "mutation": Mutation(operators=(own_parts.fails,))
    },
    r"The mutation fake:not_a_classifier is of type int. Expected a function \(key, genome\) to genome": {
        "mutation": Mutation(operators=("fake:not_a_classifier",))
    },
    "The crossover jitter failed on a genome": {"crossover": Crossover(operators=(own_parts.jitter,))},
    "Expected a qdfool.Encoding, or a function": {"encoding": "fake:not_a_classifier"},
    r"The encoding not_an_image must draw one image, float32\[8, 8, 1\]; it draws float32\[3\]": {
        "encoding": not_an_image,
        "mutation": Mutation(operators=()),
    },
    "The encoding bare has no mutations of its own: give `mutation.operators`": {
        "encoding": Encoding("bare", jax.random.normal, lambda genome: jnp.zeros(fake.SHAPE)),
    },
    "The mutation cppn failed on a genome": {
        "encoding": own_parts.stripes,
        "mutation": Mutation(operators=("cppn",)),
    },
    "is of type function. Expected a qdfool.Measure": {
        "archive": "grid",
        "measures": (own_parts.jitter, "ink"),
    },
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_part_of_ones_own_that_does_not_fit_is_refused(small, message):
    with pytest.raises(InputError, match=message):
        build_evolution(replace(small, **REFUSED[message]), fake.classifier)


def test_an_object_that_no_module_has_is_written_by_name_and_asked_for():
    def local(key, genome):
        return genome

    own = Encoding("mine", jax.random.normal, lambda genome: genome)
    config = Config(
        generations=1, encoding=own, mutation=Mutation(operators=(local, "swap", own_parts.jitter))
    )
    values = json.loads(json.dumps(to_dict(config)))
    assert values["encoding"] == {"object": "mine"}
    assert values["mutation"]["operators"] == [{"object": "local"}, "swap", "own_parts:jitter"]
    with pytest.raises(InputError, match="`encoding` was the object 'mine', which no module"):
        from_dict(values)
    with pytest.raises(InputError, match=r"`mutation.operators` was the object 'local'"):
        from_dict(values, replace(config, mutation=Mutation()))
    assert differences(from_dict(values, config), config) == []
    assert from_dict(values, config).encoding is own
    assert hash(config) == hash(replace(config))
