"""LeNet for MNIST, as in the paper and as Caffe's example has it.

Two convolutions, each followed by max pooling and by no non-linearity of its own, then two dense layers
with a ReLU between them: 431,080 parameters.

Sources:
    Nguyen, Yosinski and Clune 2015 (arXiv 1412.1897), section 2.1, "MNIST DNN".
    LeCun, Bottou, Bengio and Haffner 1998, in the variant that Caffe calls `lenet`.
"""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from qdfool.classifiers import weights as weight_files
from qdfool.classifiers.layers import exactly
from qdfool.errors import InputError, shown
from qdfool.types import Array, Classifier, Image, Key, Parameters

NAME = "lenet"
IMAGE_SHAPE = (28, 28, 1)
CLASS_NAMES = tuple("0123456789")
PRETRAINED = Path(__file__).parent / "pretrained" / "lenet.safetensors"
PIXEL_SCALES = {"pixel/255": 1.0, "pixel/256": 255 / 256}
"""What an image in [0, 1] is multiplied by, for each `preprocessing` that a weights file may name."""


@jax.custom_vjp
def max_pool(images: Array) -> Array:
    """Largest value of every 2 x 2 window, [B, H, W, C] to [B, H/2, W/2, C]; ties share the gradient."""
    return nnx.max_pool(images, (2, 2), (2, 2))


def _max_pool_forward(images: Array) -> tuple[Array, Array]:
    return max_pool(images), images


def _max_pool_backward(images: Array, gradient: Array) -> tuple[Array]:
    # As a window reduction pooling is fastest forwards, but XLA's gradient of it is several times slower on a
    # CPU than the gradient of the same maximum over a reshaped array.
    batch, height, width, channels = images.shape
    windows = (batch, height // 2, 2, width // 2, 2, channels)
    _, pull_back = jax.vjp(lambda x: x.reshape(windows).max((2, 4)), images)
    return pull_back(gradient)


max_pool.defvjp(_max_pool_forward, _max_pool_backward)


def convolution(images: Array, kernel: Array, strides: Sequence[int], padding: Any, **settings: Any) -> Array:
    """`jax.lax.conv_general_dilated`, unpadded and of stride 1, [B, H, W, C] and [h, w, C, C'].

    Where the gradient of the images alone is asked for, it is a convolution with the kernel turned about: the same
    that JAX has, which XLA's CPU backend makes twenty times slower within a loop. Where the kernel learns, it is
    JAX's own.
    """

    def convolve(images: Array, kernel: Array) -> Array:
        return jax.lax.conv_general_dilated(images, kernel, strides, padding, **settings)

    def forward(images: Any, kernel: Any) -> tuple[Array, tuple[Array | None, Array]]:
        learns = images.value if kernel.perturbed else None
        return convolve(images.value, kernel.value), (learns, kernel.value)

    def backward(kept: tuple[Array | None, Array], gradient: Array) -> tuple[Array, Array]:
        images, kernel = kept
        if images is not None:
            return jax.vjp(convolve, images, kernel)[1](gradient)
        height, width = kernel.shape[:2]
        around = [(height - 1, height - 1), (width - 1, width - 1)]
        turned = kernel[::-1, ::-1].swapaxes(2, 3)
        moved = jax.lax.conv_general_dilated(gradient, turned, strides, around, **settings)
        return moved, jnp.zeros_like(kernel)

    with_gradient = jax.custom_vjp(convolve)
    with_gradient.defvjp(forward, backward, symbolic_zeros=True)
    return with_gradient(images, kernel)


class LeNet(nnx.Module):
    """Conv 5x5x20, max pool, conv 5x5x50, max pool, dense 500, ReLU, dense 10."""

    def __init__(self, classes: int = 10, *, rngs: nnx.Rngs):
        self.conv1 = nnx.Conv(1, 20, (5, 5), padding="VALID", conv_general_dilated=convolution, rngs=rngs)
        self.conv2 = nnx.Conv(20, 50, (5, 5), padding="VALID", conv_general_dilated=convolution, rngs=rngs)
        self.ip1 = nnx.Linear(4 * 4 * 50, 500, rngs=rngs)
        self.ip2 = nnx.Linear(500, classes, rngs=rngs)

    def __call__(self, images: Image) -> Array:
        """[B, 28, 28, 1] preprocessed images to logits [B, K]."""
        hidden = max_pool(self.conv1(images))
        hidden = max_pool(self.conv2(hidden))
        hidden = hidden.reshape(hidden.shape[0], -1)  # rows in (H, W, C) order
        return self.ip2(nnx.relu(self.ip1(hidden)))


@functools.cache
def _network(classes: int = 10) -> tuple[nnx.GraphDef, Parameters]:
    graph, state = nnx.split(nnx.eval_shape(lambda: LeNet(classes, rngs=nnx.Rngs(0))))
    return graph, nnx.to_pure_dict(state)


def initialise(key: Key, classes: int = 10) -> Parameters:
    """Random parameters of a network with K classes: weights LeCun-normal, biases 0.

    Returns:
        A dict of dicts of float32 arrays.
    """
    _, state = nnx.split(LeNet(classes, rngs=nnx.Rngs(key)))
    return nnx.to_pure_dict(state)


def logits(parameters: Parameters, images: Image, *, pixel_scale: float = 1.0) -> Array:
    """Images [B, 28, 28, 1] in [0, 1], multiplied by `pixel_scale`, to logits [B, K]."""
    graph, _ = _network(parameters["ip2"]["bias"].shape[0])
    with exactly():
        return nnx.merge(graph, parameters)(images * pixel_scale)


def classifier(weights: Path | None = None) -> Classifier:
    """LeNet with the packaged weights, or with those of a file.

    The file may be one that `python -m qdfool.train lenet` wrote, or the network of the paper's authors. Its
    metadata says how it wants its pixels: `preprocessing` is `pixel/255` or `pixel/256`.

    Args:
        weights: a safetensors file.

    Raises:
        InputError: the file is missing, damaged, of another network, holds NaN, or its preprocessing is
            unknown.
    """
    path = PRETRAINED if weights is None else weights
    tensors, metadata = weight_files.read(path)
    _, expected = _network()
    parameters = weight_files.fill(expected, tensors, path)
    preprocessing = metadata.get("preprocessing")
    if preprocessing not in PIXEL_SCALES:
        raise InputError(
            f"The metadata of {path} must have a 'preprocessing' out of {', '.join(PIXEL_SCALES)}; "
            f"got {shown(preprocessing)}. Say there how the network was trained."
        )
    return Classifier(
        name=NAME,
        image_shape=IMAGE_SHAPE,
        class_names=CLASS_NAMES,
        parameters=parameters,
        logits=_scaled_logits(PIXEL_SCALES[preprocessing]),
        fingerprint=weight_files.fingerprint(path),
    )


@functools.cache
def _scaled_logits(pixel_scale: float) -> Callable[[Parameters, Image], Array]:
    """The same function for every network of one scale, so that what was compiled for one serves all."""
    return functools.partial(logits, pixel_scale=pixel_scale)
