"""Every measure stays inside its range and has the values that can be worked out by hand."""

from dataclasses import replace
from typing import Any

import fake
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdfool.build import build_evolution, with_defaults
from qdfool.errors import InputError
from qdfool.measures import MEASURES, luminance_map
from qdfool.types import Measure

# Compiled once a shape, and so only a few shapes: compiling is what takes the time.
ALL = jax.jit(lambda image: {name: measure.measure(image) for name, measure in MEASURES.items()})
QUICK = settings(max_examples=40, deadline=None)
LUMA = np.array([0.299, 0.587, 0.114])


def image_of(rows, channels=1):
    return np.repeat(np.array(rows, np.float32)[..., None], channels, axis=-1)


def random_image(seed, shape):
    return np.random.default_rng(seed).random(shape, np.float32)


@pytest.mark.parametrize("name", MEASURES)
def test_contract(name):
    measure = MEASURES[name]
    images = random_image(0, (20, 9, 12, 3))
    values = np.asarray(jax.jit(jax.vmap(measure.measure))(images))
    assert measure.name == name
    assert measure.description
    assert values.shape == (20,)
    assert values.dtype == np.float32
    assert len(np.unique(values)) > 5
    np.testing.assert_allclose(ALL(images[4])[name], values[4], atol=1e-6)


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("kind", ["grey", "black", "white"])
def test_gradients_are_finite_and_say_something(name, kind):
    """In the form for emitters that follow them."""
    form = MEASURES[name].smooth or MEASURES[name].measure
    image = {"grey": random_image(1, (9, 12, 3)), "black": np.zeros((9, 12, 3)), "white": np.ones((9, 12, 3))}
    gradient = np.asarray(jax.grad(form)(jnp.asarray(image[kind], jnp.float32)))
    assert np.isfinite(gradient).all()
    if kind == "grey":
        assert (gradient != 0).mean() > 0.5


@pytest.mark.parametrize("name", [name for name, measure in MEASURES.items() if measure.smooth])
def test_smooth_forms_are_near_the_exact_ones(name):
    """Where no pixel is near the threshold; of noise they are at most a tenth apart, and rise and fall together."""
    exact, smooth = MEASURES[name].measure, MEASURES[name].smooth
    assert smooth is not None
    levels = np.linspace(0, 1, 21)
    sorted_noise = random_image(2, (28, 28, 1))
    clear = [np.where(sorted_noise < level, 0.02, 0.98).astype(np.float32) for level in levels]
    grey = [np.clip(sorted_noise + level - 0.5, 0, 1).astype(np.float32) for level in levels]
    for images, apart in ((clear, 0.01), (grey, 0.1)):
        both = np.array([(exact(image), smooth(image)) for image in map(jnp.asarray, images)])
        assert np.abs(both[:, 0] - both[:, 1]).max() < apart
        assert (np.diff(both[:, 1]) * np.sign(both[-1, 0] - both[0, 0]) >= 0).all()


@QUICK
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.sampled_from([(1, 1, 1), (1, 4, 2), (9, 1, 3), (8, 7, 4), (28, 28, 1)]),
    kind=st.sampled_from(["grey", "black and white", "black", "white", "faint"]),
)
def test_range(seed, shape, kind):
    image = random_image(seed, shape)
    image = {
        "grey": image,
        "black and white": np.round(image),
        "black": np.zeros_like(image),
        "white": np.ones_like(image),
        "faint": image * np.float32(1e-38),
    }[kind]
    for name, value in ALL(image).items():
        assert MEASURES[name].low <= float(value) <= MEASURES[name].high, name


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[0, 0], [0, 0]], {"ink": 0, "eccentricity": 0, "symmetry": 1, "roughness": 0, "luminance": 0}),
        ([[1, 1], [1, 1]], {"ink": 1, "eccentricity": 1, "symmetry": 1, "roughness": 0, "luminance": 1}),
        ([[1, 0], [0, 1]], {"ink": 0.5, "symmetry": 0, "roughness": 1, "luminance": 0.5}),
        ([[0, 0, 0], [0, 1, 0], [0, 0, 0]], {"ink": 1 / 9, "eccentricity": 0, "roughness": 4 / 12}),
        ([[0, 0, 0], [0, 0, 0], [0, 0, 0.4]], {"ink": 0, "eccentricity": 1, "luminance": 0.4 / 9}),
        ([[0.2, 0.8, 0.5]], {"ink": 1 / 3, "symmetry": 0.8, "roughness": 0.45, "luminance": 0.5}),
        ([[0.7]], {"ink": 1, "eccentricity": 0, "symmetry": 1, "roughness": 0, "luminance": 0.7}),
    ],
)
def test_known_values(rows, expected, channels):
    values = ALL(image_of(rows, channels))
    for name, value in expected.items():
        assert values[name] == pytest.approx(value, abs=1e-6), name


@pytest.mark.parametrize("channels", [1, 3])
def test_black_measures_are_those_of_the_negative(channels):
    paper = np.ones((5, 7), np.float32)
    white = ALL(image_of(paper, channels))
    assert (white["black_pixels"], white["black_eccentricity"]) == (0, 0)
    paper[0, 0] = paper[2, 3] = 0
    inked = ALL(image_of(paper, channels))
    assert inked["black_pixels"] == pytest.approx(2 / 35)
    # A corner and the centre.
    assert inked["black_eccentricity"] == pytest.approx(0.5, abs=1e-6)
    image = random_image(0, (6, 5, channels))
    there, here = ALL(1 - image), ALL(image)
    assert there["black_pixels"] == here["ink"]
    assert there["black_eccentricity"] == pytest.approx(float(here["eccentricity"]), abs=1e-6)


def test_eccentricity_weighs_ink():
    # Twice as much ink in a corner of 3 x 5 as at the middle of an edge.
    image = image_of([[0.8, 0, 0, 0, 0], [0, 0, 0, 0, 0.4], [0, 0, 0, 0, 0]])
    corner = np.hypot(1, 2)
    assert ALL(image)["eccentricity"] == pytest.approx((2 * corner + 2) / 3 / corner, abs=1e-6)


def test_colour_is_weighed_as_luma():
    image = random_image(0, (4, 5, 3))
    np.testing.assert_allclose(luminance_map(jnp.asarray(image)), image @ LUMA, atol=1e-6)
    green, blue = np.zeros((2, 4, 5, 3), np.float32)
    green[..., 1], blue[..., 2] = 1, 1
    assert ALL(green)["ink"] == 1
    assert ALL(blue)["ink"] == 0
    assert ALL(blue)["luminance"] == pytest.approx(0.114, abs=1e-6)


@QUICK
@given(seed=st.integers(0, 2**32 - 1))
def test_mirroring_changes_no_measure(seed):
    image = random_image(seed, (8, 7, 4))
    mirrored = ALL(image[:, ::-1])
    for name, value in ALL(image).items():
        assert mirrored[name] == pytest.approx(float(value), abs=1e-6), name


@pytest.mark.parametrize("archive", ["class", "grid"])
def test_runs_that_differ_in_their_seed_share_their_functions(small, archive):
    config = replace(small, archive=archive)
    evolution = build_evolution(config, fake.classifier)
    assert build_evolution(replace(config, seed=1, generations=3), fake.classifier) is evolution
    assert build_evolution(replace(config, batch_size=13), fake.classifier) is not evolution


@pytest.mark.parametrize("own", ["fake:darkness", fake.darkness], ids=["named", "object"])
def test_a_measure_of_ones_own_may_be_another_the_next_time(small, own):
    config = replace(small, archive="grid", measures=(own, "ink"))
    evolution = build_evolution(config, fake.classifier)
    assert build_evolution(config, fake.classifier) is not evolution


MEASURE: Any = Measure
"""Of which no type checker sees what it is made of."""


def fails(image):
    raise ZeroDivisionError("in a measure")


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        (
            MEASURE("mine", "", 0, 1, fails),
            r"mine failed on an image \[8, 8, 1\]: ZeroDivisionError: in a measure",
        ),
        (
            MEASURE("mine", "", 0, 1, lambda image: float(image.mean())),
            "mine failed on an image .*Concretization",
        ),
        (MEASURE("mine", "", 0, 1, lambda image: image.mean((0, 1))), r"mine makes float32\[1\] of an image"),
        (MEASURE("mine", "", 0, 1, lambda image: None), "mine makes nothing of an image"),
        (MEASURE("mine", "", 0, 1, lambda image: image.mean(), smooth=fails), "mine failed on an image"),
        (
            MEASURE("", "", 0, 1, lambda image: image.mean()),
            "A measure of your own, 'Measure', has an empty name",
        ),
        (MEASURE(3, "", 0, 1, lambda image: image.mean()), "is named 3, of type int"),
        (MEASURE("ink", "", 0, 1, lambda image: image.mean()), "Both measures are called 'ink'"),
        (MEASURE("mine", "", None, 1, lambda image: image.mean()), "range from None to 1"),
        (MEASURE("mine", "", 0, 1, lambda image: [image.mean()]), r"mine makes float32\[\] of an image"),
    ],
)
def test_a_measure_of_ones_own_that_is_none_is_refused(small, measure, said):
    config = replace(small, archive="grid", cells=(3, 3), measures=(measure, "ink"))
    with pytest.raises(InputError, match=said):
        build_evolution(with_defaults(config, fake.SHAPE), fake.classifier)
