"""The gradient that is written by hand is the one that JAX derives of XLA's convolution."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from qdfool.classifiers import batch_minor
from qdfool.classifiers.batch_minor import BATCH_MINOR
from qdfool.classifiers.layers import CHANNELS_LAST, Activation, Conv, Formulation
from qdfool.classifiers.padding import Padded
from qdfool.types import Array

NEAR = 1e-4
"""Relative and absolute."""
SAME = "SAME"
UNEVEN = ((2, 0), (1, 2))
"""Rows above and below, columns left and right: no two axes alike, and more than a kernel of 3 x 3 needs."""


def _normal(name: int, *shape: int) -> Array:
    return jax.random.normal(jax.random.key(name), shape)


def _convolved(
    formulation: Formulation, groups: int, stride: int, padding, activation: Activation = nnx.identity
):
    """The convolution as a function of images, kernel and bias, its outcome [B, H, W, C]."""

    def convolved(images: Array, kernel: Array, bias: Array) -> Array:
        features = formulation.enter(images)
        outcome = formulation.convolve(features, kernel, bias, stride, padding, groups, activation)
        return formulation.leave(outcome)

    return convolved


# Depthwise; a sum of planes, of the first layer and 1 x 1; a matrix product.
@pytest.mark.parametrize(
    ("inputs", "outputs", "window", "groups", "stride", "padding"),
    [
        (5, 5, (3, 3), 5, 1, SAME),
        (5, 5, (3, 2), 5, 1, (*UNEVEN[:1], (0, 1))),
        (5, 5, (3, 3), 5, 1, ((3, 1), (0, 4))),
        (5, 5, (3, 3), 5, 2, SAME),
        (5, 5, (3, 3), 5, 2, UNEVEN),
        (5, 5, (3, 2), 5, 3, "VALID"),
        (5, 5, (5, 5), 5, 2, ((2, 2), (2, 2))),
        (1, 1, (3, 3), 1, 2, SAME),
        (3, 7, (3, 3), 1, 1, UNEVEN),
        (3, 7, (3, 3), 1, 2, SAME),
        (3, 7, (3, 3), 1, 2, ((1, 1), (1, 1))),
        (3, 7, (2, 3), 1, 3, UNEVEN),
        (6, 20, (1, 1), 1, 1, SAME),
        (6, 4, (1, 1), 1, 2, "VALID"),
        (20, 6, (1, 1), 1, 1, SAME),
        (20, 6, (1, 1), 1, 1, UNEVEN),
    ],
)
def test_gradients_of_images_kernel_and_bias(inputs, outputs, window, groups, stride, padding):
    given = (
        _normal(0, 3, 11, 14, inputs),
        _normal(1, *window, inputs // groups, outputs),
        _normal(2, outputs),
    )
    both = []
    for formulation in (BATCH_MINOR, CHANNELS_LAST):
        convolved = _convolved(formulation, groups, stride, padding, jnp.tanh)
        of_outcome = _normal(3, *jax.eval_shape(convolved, *given).shape)
        both.append(jax.jit(lambda of, *given, f=convolved: jax.vjp(f, *given)[1](of))(of_outcome, *given))
    for found, right in zip(*both, strict=True):
        assert np.abs(right).max() > 0.1
        np.testing.assert_allclose(found, right, rtol=NEAR, atol=NEAR)


class Three(nnx.Module):
    """One of each: the first layer, a depthwise convolution, a matrix product."""

    def __init__(self) -> None:
        self.first = Conv(3, 24, 3, stride=2, padding=SAME, activation=nnx.relu6)
        self.depthwise = Conv(24, 24, 3, padding=1, groups=24, activation=nnx.relu6)
        self.last = Conv(24, 5)

    def __call__(self, images: Array, formulation: Formulation) -> Array:
        features = self.depthwise(self.first(formulation.enter(images), formulation), formulation)
        return formulation.mean(self.last(features, formulation))


@pytest.fixture
def three():
    """Of a formulation: the scores [B] of images, and parameters to go with it."""
    graph, state = nnx.split(Three())
    leaves, structure = jax.tree.flatten(state)
    filled = [_normal(index, *leaf.shape) for index, leaf in enumerate(leaves)]

    def scores(formulation: Formulation, images: Array, parameters: nnx.State) -> Array:
        def network(piece: Array) -> Array:
            return nnx.merge(graph, parameters)(piece, formulation)

        return jnp.sin(formulation.run(network, images)).sum(1)

    return scores, jax.tree.unflatten(structure, filled)


def test_gradients_through_pieces_of_a_batch(three):
    scores, parameters = three
    images = _normal(9, BATCH_MINOR.images_at_once + 3, 9, 9, 3)
    both = []
    for formulation in (BATCH_MINOR, CHANNELS_LAST):

        def total(images, parameters, formulation=formulation):
            return scores(formulation, images, parameters).sum()

        both.append(jax.jit(jax.grad(total, (0, 1)))(images, parameters))
    for found, right in zip(*map(jax.tree.leaves, both), strict=True):
        assert np.abs(right).max() > 0.01
        np.testing.assert_allclose(found, right, rtol=NEAR, atol=NEAR)


@pytest.mark.release
def test_gradients_of_gradients_an_image_at_a_time(three):
    scores, parameters = three

    def steepness(formulation: Formulation, image: Array) -> Array:
        gradient = jax.grad(lambda image: scores(formulation, image[None], parameters)[0])(image)
        return (gradient**2).sum()

    images = _normal(9, 2, 9, 9, 3)
    found, right = (
        jax.jit(jax.vmap(jax.grad(functools.partial(steepness, formulation))))(images)
        for formulation in (BATCH_MINOR, CHANNELS_LAST)
    )
    assert np.abs(right).max() > 0.01
    np.testing.assert_allclose(found, right, rtol=NEAR, atol=NEAR)


@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (2, SAME)])
def test_the_wide_map_of_an_inverted_bottleneck_is_computed_in_parts(stride, padding, monkeypatch):
    """With the same outcome and gradients as layer by layer."""
    expand = Conv(4, 12, activation=jnp.tanh)
    depthwise = Conv(12, 12, 3, stride=stride, padding=padding, groups=12, activation=nnx.relu6)
    graph, state = nnx.split((expand, depthwise, Conv(12, 5, activation=nnx.silu)))
    leaves, structure = jax.tree.flatten(state)
    filled = [_normal(index, *leaf.shape) for index, leaf in enumerate(leaves)]
    parameters, images = jax.tree.unflatten(structure, filled), _normal(9, 3, 7, 6, 4)

    def outcome(images: Array, parameters: nnx.State, formulation: Formulation) -> Array:
        features = formulation.enter(images)
        return formulation.leave(formulation.inverted_bottleneck(features, *nnx.merge(graph, parameters)))

    channel = 4 * 3 * 7 * 6
    monkeypatch.setattr(batch_minor, "MOST_BYTES", 5 * channel)
    in_parts = functools.partial(outcome, formulation=BATCH_MINOR)
    for formulation in (BATCH_MINOR, Padded(BATCH_MINOR, "zero")):
        program = jax.make_jaxpr(functools.partial(outcome, formulation=formulation))(images, parameters)
        assert "length=3" in str(program)
    found, back = jax.jit(functools.partial(jax.vjp, in_parts))(images, parameters)
    right, right_back = jax.vjp(functools.partial(outcome, formulation=CHANNELS_LAST), images, parameters)
    np.testing.assert_allclose(found, right, rtol=NEAR, atol=NEAR)
    given = _normal(10, *right.shape)
    for one, other in zip(*map(jax.tree.leaves, (jax.jit(back)(given), right_back(given))), strict=True):
        assert np.abs(other).max() > 0.1
        np.testing.assert_allclose(one, other, rtol=NEAR, atol=NEAR)


@pytest.mark.parametrize(
    ("channels", "size", "parts"), [(12, 1, 1), (12, 10, 2), (12, 25, 6), (7, 10, 7), (3, 90, 3)]
)
def test_channels_go_through_in_as_few_parts_as_are_not_too_large(channels, size, parts, monkeypatch):
    monkeypatch.setattr(batch_minor, "MOST_BYTES", 60)
    assert batch_minor._parts(channels, size) == parts


def test_a_gradient_that_is_not_a_number_stays_with_its_image():
    convolved = _convolved(BATCH_MINOR, 4, 1, SAME)
    given = _normal(0, 3, 5, 5, 4), _normal(1, 3, 3, 1, 4), _normal(2, 4)
    of_outcome = jnp.ones((3, 5, 5, 4)).at[0].set(jnp.nan)
    of_images, _, _ = jax.jit(lambda of, *given: jax.vjp(convolved, *given)[1](of))(of_outcome, *given)
    assert np.isnan(of_images[0]).all()
    assert np.isfinite(of_images[1:]).all()


@pytest.mark.parametrize("pool", ["max_pool", "mean_pool"])
@pytest.mark.parametrize("formulation", [BATCH_MINOR, CHANNELS_LAST], ids=["batch minor", "channels last"])
def test_gradients_of_pools(formulation, pool):
    images = _normal(0, 2, 5, 5, 3)
    weights = _normal(1, 2, 2, 2, 3)

    def pooled(images: Array) -> Array:
        outcome = getattr(formulation, pool)(formulation.enter(images), 2, 2, "VALID")
        return outcome if formulation is CHANNELS_LAST else outcome.transpose(3, 1, 2, 0)

    def plain(images: Array) -> Array:
        windows = images[:, :4, :4].reshape(2, 2, 2, 2, 2, 3)
        return windows.max((2, 4)) if pool == "max_pool" else windows.mean((2, 4))

    found, right = (
        jax.jit(jax.grad(lambda images, f=f: (f(images) * weights).sum()))(images) for f in (pooled, plain)
    )
    np.testing.assert_allclose(found, right, rtol=NEAR, atol=NEAR)
