"""Winograd's filtering is the convolution that XLA computes, and so are its gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qdfool.classifiers import porting, winograd
from qdfool.classifiers.layers import CHANNELS_LAST, Formulation
from qdfool.classifiers.networks import architecture
from qdfool.classifiers.networks.vgg import VGG16
from qdfool.classifiers.winograd import FEWEST, Winograd
from qdfool.types import Array

WINOGRAD = Winograd()
NEAR = 1e-5
"""Relative and absolute; the values are of the order of 1."""
INPUTS, OUTPUTS = 48, 96
SAME, ONE = "SAME", ((1, 1), (1, 1))
UNEVEN = ((2, 0), (1, 2))
"""No two sides alike."""


def _given(shape: tuple[int, int, int], inputs: int = INPUTS, outputs: int = OUTPUTS) -> tuple[Array, ...]:
    keys = jax.random.split(jax.random.key(0), 3)
    kernel = jax.random.normal(keys[1], (3, 3, inputs, outputs)) / (9 * inputs) ** 0.5
    return jax.random.normal(keys[0], (*shape, inputs)), kernel, jax.random.normal(keys[2], (outputs,))


def _convolved(formulation: Formulation, padding):
    @jax.jit
    def convolved(features: Array, kernel: Array, bias: Array) -> Array:
        return formulation.convolve(features, kernel, bias, 1, padding, 1, jnp.tanh)

    return convolved


@pytest.fixture
def used(monkeypatch):
    """How often Winograd's filtering was traced."""
    times = []

    def counted(*arguments):
        times.append(arguments)
        return winograd_convolution(*arguments)

    winograd_convolution = winograd._convolution
    monkeypatch.setattr(winograd, "_convolution", counted)
    return times


@pytest.mark.parametrize(
    ("shape", "padding", "channels"),
    [
        ((4, 8, 8), ONE, (64, 64)),  # Maps of one kind, which are written where they were read.
        ((3, 7, 10), "VALID", (INPUTS, OUTPUTS)),
        ((1, 5, 4), UNEVEN, (INPUTS, OUTPUTS)),
        ((5, 1, 1), SAME, (INPUTS, OUTPUTS)),
    ],
)
def test_outputs_and_gradients_are_those_of_xlas_convolution(used, shape, padding, channels):
    given, both = _given(shape, *channels), []
    for formulation in (WINOGRAD, CHANNELS_LAST):
        outcome, back = jax.vjp(_convolved(formulation, padding), *given)
        of_outcome = jax.random.normal(jax.random.key(3), outcome.shape)
        both.append((outcome, *back(of_outcome)))
    assert used
    for found, right in zip(*both, strict=True):
        assert found.shape == right.shape
        assert np.abs(right).max() > 0.1
        np.testing.assert_allclose(found, right, rtol=NEAR, atol=NEAR * float(np.abs(right).max()))


@pytest.mark.parametrize(("most", "images"), [(1, 1), (2, 2), (100, 5)])
def test_pieces_of_a_batch_make_up_its_maps(monkeypatch, most, images):
    """A batch of 5, the last piece filled up."""
    features, kernel, bias = _given((5, 8, 8))
    right = _convolved(CHANNELS_LAST, ONE)(features, kernel, bias)
    of_an_image = winograd._transformed(features, kernel, ONE)
    assert of_an_image == 16 * 4 * 4 * (INPUTS + OUTPUTS)
    monkeypatch.setattr(winograd, "AT_ONCE", most * of_an_image)
    program = jax.jit(_convolved(WINOGRAD, ONE))
    lowered = program.lower(features, kernel, bias)
    assert f"tensor<{images}x10x10x{INPUTS}xf32>" in lowered.as_text()
    np.testing.assert_allclose(lowered.compile()(features, kernel, bias), right, rtol=NEAR, atol=NEAR)


@pytest.mark.release
def test_the_gradient_of_a_gradient(used):
    """Of maps of one kind, which are written where they were read."""
    features, kernel, bias = _given((2, 6, 6), 64, 64)

    def steepness(formulation: Formulation, features: Array) -> Array:
        def score(features: Array) -> Array:
            return jnp.sin(_convolved(formulation, ONE)(features, kernel, bias)).sum()

        return jnp.square(jax.grad(score)(features)).sum()

    found, right = (
        jax.grad(functools.partial(steepness, one))(features) for one in (WINOGRAD, CHANNELS_LAST)
    )
    assert used
    np.testing.assert_allclose(found, right, rtol=NEAR, atol=NEAR * float(np.abs(right).max()))


@pytest.mark.parametrize(
    ("shape", "inputs", "outputs", "stride", "window", "groups", "dtype", "padding"),
    [
        ((1, 8, 8), INPUTS, OUTPUTS, 2, (3, 3), 1, jnp.float32, ONE),
        ((1, 8, 8), INPUTS, OUTPUTS, 1, (3, 1), 1, jnp.float32, ONE),
        ((1, 8, 8), INPUTS, OUTPUTS, 1, (3, 3), 2, jnp.float32, ONE),
        ((1, 8, 8), INPUTS, OUTPUTS, 1, (3, 3), 1, jnp.bfloat16, ONE),
        ((1, 8, 8), 16, FEWEST // 16 - 1, 1, (3, 3), 1, jnp.float32, ONE),
        ((1, 514, 514), 16, 256, 1, (3, 3), 1, jnp.float32, ONE),
        ((0, 8, 8), INPUTS, OUTPUTS, 1, (3, 3), 1, jnp.float32, ONE),
        ((1, 2, 2), INPUTS, OUTPUTS, 1, (3, 3), 1, jnp.float32, "VALID"),
        ((1, 8, 8), INPUTS, OUTPUTS, 1, (3, 3), 1, jnp.float32, ((3, 0), (0, 0))),
        ((1, 8, 8), INPUTS, OUTPUTS, 1, (3, 3), 1, jnp.float32, ((0, 0), (0, -1))),
    ],
    ids=[
        "stride",
        "window",
        "groups",
        "bfloat16",
        "few channels",
        "a large map",
        "no image",
        "no output",
        "more zeros than are used",
        "less than the map",
    ],
)
def test_all_else_is_xlas_convolution(used, shape, inputs, outputs, stride, window, groups, dtype, padding):
    features = jax.ShapeDtypeStruct((*shape, inputs), dtype)
    kernel = jax.ShapeDtypeStruct((*window, inputs // groups, outputs), dtype)
    bias = jax.ShapeDtypeStruct((outputs,), dtype)
    texts = [
        jax.jit(functools.partial(one.convolve, stride=stride, padding=padding, groups=groups))
        .lower(features, kernel, bias)
        .as_text()
        for one in (WINOGRAD, CHANNELS_LAST)
    ]
    assert not used
    assert texts[0] == texts[1]


def test_of_vgg_all_but_the_first_two_layers_are_filtered(used):
    """Three channels are few, and a map of 224 x 224 is large."""
    variant = architecture("vgg16").variants[0]
    _, parameters = porting._network(variant.make)  # Their shapes.
    settings = {"variant": variant, "formulation": Winograd(8), "dtype": jnp.float32}
    images = jax.ShapeDtypeStruct((8, 224, 224, 3), jnp.float32)
    jax.eval_shape(functools.partial(porting._logits, **settings), parameters, images)
    assert len(used) == 11


def test_the_dense_layers_of_vgg_take_a_whole_batch(monkeypatch):
    """A few images at a time would read half a gigabyte of weights anew for each few."""
    variant, seen = architecture("vgg16").variants[0], []
    classify = VGG16.classify

    def watched(self: VGG16, maps: Array, formulation: Formulation) -> Array:
        seen.append(maps.shape)
        return classify(self, maps, formulation)

    monkeypatch.setattr(VGG16, "classify", watched)
    _, parameters = porting._network(variant.make)
    images = jax.ShapeDtypeStruct((16, 224, 224, 3), jnp.float32)
    settings = {"variant": variant, "formulation": Winograd(8), "dtype": jnp.float32}
    logits = jax.eval_shape(functools.partial(porting._logits, **settings), parameters, images)
    assert logits.shape == (16, 1000)
    assert seen == [(16, 7, 7, 512)]


def test_what_is_forward_through_a_gradient_is_refused():
    features, kernel, bias = _given((1, 4, 4))
    with pytest.raises(TypeError, match="custom_vjp"):
        jax.jvp(lambda features: _convolved(WINOGRAD, ONE)(features, kernel, bias), (features,), (features,))


@pytest.mark.parametrize(
    ("batch", "at_once", "size"), [(6, 8, 6), (16, 8, 8), (9, 8, 5), (7, 3, 3), (0, 8, 0)]
)
def test_a_network_takes_so_many_images_at_once(batch, at_once, size):
    """Pieces are as many as must be, all of a size, and a batch comes out as it went in."""
    images, seen = jax.random.uniform(jax.random.key(0), (batch, 4, 5, 3)), []

    def network(images: Array) -> Array:
        seen.append(images.shape[0])
        return images.sum((1, 2))

    def total(images: Array) -> Array:
        return jnp.square(Winograd(at_once).run(network, images)).sum()

    outputs = Winograd(at_once).run(network, images)
    assert set(seen) == {size}
    np.testing.assert_allclose(outputs, images.sum((1, 2)), rtol=NEAR)
    right = jax.grad(lambda images: jnp.square(images.sum((1, 2))).sum())(images)
    np.testing.assert_allclose(jax.grad(total)(images), right, rtol=NEAR)
