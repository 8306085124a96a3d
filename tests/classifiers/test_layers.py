"""A convolution is XLA's, also where it is computed as a product."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from qdfool.classifiers.layers import CHANNELS_LAST, Conv


@pytest.mark.parametrize(
    ("window", "groups", "stride", "padding"),
    [
        ((3, 3), 2, 2, ((1, 1), (1, 1))),
        ((7, 9), 1, 1, "VALID"),
        ((7, 9), 1, 1, ((0, 0), (0, 0))),
        ((7, 9), 1, 1, "SAME"),
    ],
)
def test_convolutions_and_their_gradients_are_those_of_xla(window, groups, stride, padding):
    def normal(name, *shape):
        return jax.random.normal(jax.random.key(name), shape)

    def of_xla(features, kernel, bias):
        form = ("NHWC", "HWIO", "NHWC")
        return bias + lax.conv_general_dilated(
            features, kernel, (stride, stride), padding, dimension_numbers=form, feature_group_count=groups
        )

    def ours(features, kernel, bias):
        return CHANNELS_LAST.convolve(features, kernel, bias, stride, padding, groups)

    def with_gradient(convolve):
        return lambda *given: (
            convolve(*given),
            jax.grad(lambda *given: jnp.sin(convolve(*given)).sum(), (0, 1, 2))(*given),
        )

    given = (normal(0, 2, 7, 9, 4), normal(1, *window, 4 // groups, 6), normal(2, 6))
    found, expected = (jax.tree.leaves(jax.jit(with_gradient(one))(*given)) for one in (ours, of_xla))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("padding", ["VALID", "SAME", ((0, 1), (0, 1)), ((1, 1), (0, 1))])
@pytest.mark.parametrize("size", [6, 7])
def test_largest_values_of_windows(size, padding):
    """Windows that end with the map, before it, and beyond it."""
    features = np.random.default_rng(size).normal(size=(2, size, 9, 3)).astype(np.float32)
    found = jax.jit(lambda features: CHANNELS_LAST.max_pool(features, 3, 2, padding))(features)
    pads = lax.padtype_to_pads((size, 9), (3, 3), (2, 2), padding) if isinstance(padding, str) else padding
    padded = np.pad(features, ((0, 0), *pads, (0, 0)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))[:, ::2, ::2]
    np.testing.assert_array_equal(found, windows.max((-2, -1)))


def test_gradients_of_largest_values():
    features = np.random.default_rng(0).normal(size=(2, 7, 9, 3)).astype(np.float32)

    def plain(features):
        return lax.reduce_window(features, -np.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "VALID")

    def pooled(features):
        return CHANNELS_LAST.max_pool(features, 3, 2, "VALID")

    found, right = (
        jax.jit(jax.grad(lambda x, f=f: jnp.sum(jnp.sin(f(x)))))(features) for f in (pooled, plain)
    )
    np.testing.assert_allclose(found, right, rtol=1e-6, atol=1e-6)


def test_a_convolution_has_the_groups_that_it_was_given():
    """With as many outputs a group as there are."""
    grouped = Conv(8, 16, 3, groups=2)
    found = jax.eval_shape(lambda features: grouped(features, CHANNELS_LAST), jnp.ones((1, 5, 6, 8)))
    assert found.shape == (1, 3, 4, 16)
