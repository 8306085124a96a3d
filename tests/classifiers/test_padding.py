"""Convolutions padded with the map's own values, in both layouts, against NumPy."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from qdfool.classifiers import porting
from qdfool.classifiers.batch_minor import BATCH_MINOR
from qdfool.classifiers.layers import CHANNELS_LAST, Conv
from qdfool.classifiers.networks import architecture
from qdfool.classifiers.padding import Mode, Padded

FORMULATIONS = {"channels last": CHANNELS_LAST, "batch minor": BATCH_MINOR}
NUMPY: dict[Mode, Any] = {"zero": "constant", "reflect": "reflect", "edge": "edge", "wrap": "wrap"}
MODES: list[Mode] = list(NUMPY)
LAYERS = {
    "depthwise": (3, 6, 6),
    "few products": (3, 1, 1),
    "many products": (3, 6, 1),
    "1 x 1": (1, 6, 1),
    "5 x 5": (5, 6, 2),
}
"""Side of the kernel, input channels, groups."""


def convolution(images, kernel, bias, stride, pads, groups, mode):
    """In float64, window by window."""
    padded = np.pad(images.astype(np.float64), ((0, 0), *pads, (0, 0)), mode=NUMPY[mode])
    side, outputs = kernel.shape[0], kernel.shape[3]
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(1, 2))
    windows = windows[:, ::stride, ::stride]
    each, shared = outputs // groups, images.shape[3] // groups
    parts = [
        np.einsum(
            "bhwcij,ijcd->bhwd",
            windows[:, :, :, group * shared : (group + 1) * shared],
            kernel[:, :, :, group * each : (group + 1) * each],
        )
        for group in range(groups)
    ]
    return np.concatenate(parts, axis=3) + bias


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("layer", LAYERS)
def test_a_convolution_is_padded_as_numpy_pads(layer, formulation, mode):
    side, inputs, groups = LAYERS[layer]
    normal = np.random.default_rng(0).normal
    outputs = inputs if groups == inputs > 1 else 4
    kernel = jnp.array(normal(size=(side, side, inputs // groups, outputs)), jnp.float32)
    bias = jnp.array(normal(size=outputs), jnp.float32)
    formulated = Padded(FORMULATIONS[formulation], mode)
    images = jnp.array(normal(size=(8, 6, 7, inputs)), jnp.float32)
    for stride, padding in ((1, "VALID"), (2, "SAME"), (2, ((1, 2), (0, 1)))):
        pads = padding
        if isinstance(padding, str):
            pads = lax.padtype_to_pads((6, 7), (side, side), (stride, stride), padding)
        # As the network does it, but for the pieces of the batch.
        found = formulated.convolve(formulated.enter(images), kernel, bias, stride, padding, groups)
        found = np.asarray(found if formulated.channel_axis == 3 else found.transpose(3, 1, 2, 0))
        expected = convolution(
            np.asarray(images), np.asarray(kernel), np.asarray(bias), stride, pads, groups, mode
        )
        np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_a_single_row_has_nothing_to_mirror_and_is_repeated(formulation):
    kernel, bias = jnp.ones((3, 3, 1, 1)), jnp.zeros(1)
    image = jnp.array([[[[1.0], [2.0], [4.0]]]])
    formulated = Padded(FORMULATIONS[formulation], "reflect")
    found = formulated.convolve(formulated.enter(image), kernel, bias, 1, "SAME", 1)
    # Mirrored along the row, repeated across it.
    expected = [3 * (2 + 1 + 2), 3 * (1 + 2 + 4), 3 * (2 + 4 + 2)]
    np.testing.assert_allclose(np.ravel(found), expected)


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_an_inverted_bottleneck_is_padded_as_its_convolution_is(formulation):
    normal = np.random.default_rng(0).normal
    layers = [Conv(2, 4), Conv(4, 4, 3, padding=1, groups=4, activation=jnp.tanh), Conv(4, 3)]
    for layer in layers:
        for weights in (layer.kernel, layer.bias):
            weights[...] = jnp.array(normal(size=weights.shape), jnp.float32)
    formulated = Padded(FORMULATIONS[formulation], "wrap")
    images = jnp.array(normal(size=(2, 5, 6, 2)), jnp.float32)
    found = formulated.leave(formulated.inverted_bottleneck(formulated.enter(images), *layers))
    expected = np.asarray(images)
    for layer, groups, pads in zip(layers, (1, 4, 1), (0, 1, 0), strict=True):
        kernel, bias = np.asarray(layer.kernel[...]), np.asarray(layer.bias[...])
        expected = convolution(expected, kernel, bias, 1, ((pads, pads), (pads, pads)), groups, "wrap")
        expected = np.asarray(layer.activation(jnp.asarray(expected)))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_pools_and_means_are_those_of_the_formulation():
    images = jax.random.uniform(jax.random.key(0), (8, 5, 5, 3))
    for formulation in FORMULATIONS.values():
        padded = Padded(formulation, "reflect")
        features = formulation.enter(images)
        np.testing.assert_array_equal(padded.leave(padded.enter(images)), images)
        for pool in ("max_pool", "mean_pool"):
            settings = (features, 3, 2, ((1, 1), (1, 1)))
            np.testing.assert_array_equal(
                getattr(padded, pool)(*settings), getattr(formulation, pool)(*settings)
            )
        np.testing.assert_array_equal(padded.mean(features), formulation.mean(features))


def test_on_a_torus_no_place_is_special():
    """Shifted by its strides, an image is to a network of wrapped maps what it was."""
    network = porting.classifier(
        architecture("mobilenet_v1_025"),
        "random",
        image_size=64,
        formulation=Padded(CHANNELS_LAST, "wrap"),
    )
    image = np.random.default_rng(0).random((64, 64, 3), np.float32)
    images = np.stack([np.roll(image, shift, (0, 1)) for shift in ((0, 0), (32, 0), (32, 32), (5, 0))])
    found = np.asarray(jax.jit(network.logits)(network.parameters, images))
    scale = abs(found).max()
    np.testing.assert_allclose(found[1:3], found[[0, 0]], atol=1e-5 * scale)
    assert abs(found[3] - found[0]).max() > 1e-2 * scale


@pytest.mark.slow
def test_a_whole_network_in_both_layouts():
    """Also down to a map of one pixel, where nothing can be mirrored."""
    images = np.random.default_rng(0).random((3, 32, 32, 3), np.float32)
    found = {}
    for mode, (name, formulation) in itertools.product(MODES, FORMULATIONS.items()):
        network = porting.classifier(
            architecture("mobilenet_v1_025"), "random", image_size=32, formulation=Padded(formulation, mode)
        )
        found[mode, name] = np.asarray(jax.jit(network.logits)(network.parameters, images))
    scale = {mode: abs(found[mode, "channels last"]).max() for mode in MODES}
    for mode in MODES:
        np.testing.assert_allclose(
            found[mode, "channels last"], found[mode, "batch minor"], atol=1e-5 * scale[mode]
        )
    for one, other in itertools.combinations(MODES, 2):
        assert abs(found[one, "batch minor"] - found[other, "batch minor"]).max() > 0.1 * scale[one]
    network = porting.classifier(architecture("mobilenet_v1_025"), "random", image_size=32)
    as_it_is = jax.jit(network.logits)(network.parameters, images)
    np.testing.assert_allclose(found["zero", "channels last"], as_it_is, atol=1e-6 * scale["zero"])
