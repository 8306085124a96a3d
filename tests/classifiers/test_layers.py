"""The formulation of convolutions for XLA's CPU backend is its own convolution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qdfool.classifiers.layers import CHANNELS_LAST, CHANNELS_LAST_ON_CPU


@pytest.mark.parametrize(
    ("window", "groups", "stride", "padding"),
    [
        ((3, 3), 1, 1, ((1, 1), (1, 1))),
        ((3, 2), 1, 1, ((2, 0), (1, 2))),
        ((5, 1), 2, 1, "SAME"),
        ((3, 3), 1, 2, ((1, 1), (1, 1))),
        ((3, 3), 1, 1, "VALID"),
        ((1, 1), 1, 1, ((0, 0), (0, 0))),
        ((1, 1), 1, 2, "VALID"),
        ((1, 1), 2, 1, "VALID"),
        ((7, 9), 1, 1, "VALID"),
    ],
)
def test_convolutions_and_their_gradients_are_those_of_xla(window, groups, stride, padding):
    def normal(name, *shape):
        return jax.random.normal(jax.random.key(name), shape)

    given = (normal(0, 2, 7, 9, 4), normal(1, *window, 4 // groups, 6), normal(2, 6))

    def convolved(formulation):
        def both(*given):
            outcome = formulation.convolve(*given, stride, padding, groups)
            return outcome, jax.grad(
                lambda *given: jnp.sin(formulation.convolve(*given, stride, padding, groups)).sum()
            )(*given)

        return jax.jit(both)(*given)

    for found, expected in zip(
        jax.tree.leaves(convolved(CHANNELS_LAST_ON_CPU)),
        jax.tree.leaves(convolved(CHANNELS_LAST)),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
