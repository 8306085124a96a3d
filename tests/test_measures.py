"""Every measure stays inside its range and has the values that can be worked out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdfool import measures
from qdfool.measures import MEASURES

QUICK = settings(max_examples=40, deadline=None)
LUMA = np.array([0.299, 0.587, 0.114])


def image_of(rows, channels=1):
    return jnp.asarray(np.repeat(np.array(rows, np.float32)[..., None], channels, axis=-1))


@pytest.mark.parametrize("name", MEASURES)
def test_contract(name):
    measure = MEASURES[name]
    images = jax.random.uniform(jax.random.key(0), (20, 9, 12, 3))
    values = jax.jit(jax.vmap(measure.measure))(images)
    assert measure.name == name
    assert measure.description
    assert values.shape == (20,)
    assert values.dtype == jnp.float32
    assert len(np.unique(values)) > 5
    np.testing.assert_allclose(measure.measure(images[4]), values[4], atol=1e-6)


@QUICK
@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    channels=st.sampled_from([1, 2, 3, 4]),
    kind=st.sampled_from(["grey", "black and white", "black", "white", "faint"]),
)
def test_range(seed, height, width, channels, kind):
    image = jax.random.uniform(jax.random.key(seed), (height, width, channels))
    if kind == "black and white":
        image = jnp.round(image)
    image = {"black": jnp.zeros_like(image), "white": jnp.ones_like(image), "faint": image * 1e-38}.get(
        kind, image
    )
    for measure in MEASURES.values():
        assert measure.low <= float(measure.measure(image)) <= measure.high, measure.name


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
    for name, value in expected.items():
        assert MEASURES[name].measure(image_of(rows, channels)) == pytest.approx(value, abs=1e-6), name


def test_eccentricity_weighs_ink():
    # Twice as much ink in a corner of 3 x 5 as at the middle of an edge.
    image = jnp.zeros((3, 5, 1)).at[0, 0].set(0.8).at[1, 4].set(0.4)
    corner = np.hypot(1, 2)
    assert measures.eccentricity(image) == pytest.approx((2 * corner + 2) / 3 / corner, abs=1e-6)


def test_colour_is_weighed_as_luma():
    image = np.random.default_rng(0).random((4, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(measures.luminance_map(jnp.asarray(image)), image @ LUMA, atol=1e-6)
    green, blue = jnp.zeros((4, 4, 3)).at[..., 1].set(1), jnp.zeros((4, 4, 3)).at[..., 2].set(1)
    assert measures.ink(green) == 1
    assert measures.ink(blue) == 0
    assert measures.luminance(blue) == pytest.approx(0.114, abs=1e-6)


@QUICK
@given(seed=st.integers(0, 2**32 - 1))
def test_mirroring_changes_no_measure(seed):
    image = jax.random.uniform(jax.random.key(seed), (6, 7, 1))
    for measure in MEASURES.values():
        assert measure.measure(image[:, ::-1]) == pytest.approx(float(measure.measure(image)), abs=1e-6)
