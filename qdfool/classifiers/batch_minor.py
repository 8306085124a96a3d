"""The CPU's formulation: feature maps [C, H, W, B], the batch as the minor axis.

XLA's CPU convolution takes a depthwise or a 1 x 1 kernel one image at a time. With the images side by side a
1 x 1 convolution is one matrix product, and a depthwise one nine products of shifted maps with a number per
channel, all over vectors of images. A batch is cut into pieces as wide as a vector register.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from qdfool.classifiers.layers import CHANNELS_LAST, Padding
from qdfool.types import Array, Image

PIECE = 8
"""Images side by side."""
FEW, FEWER = 32, 16
"""Products in a sum up to which adding them one by one is faster than a matrix product: of a kernel that
would have to be laid out for it first, and of a 1 x 1 one."""


class BatchMinor:
    """Feature maps [C, H, W, B]."""

    channel_axis = 0

    def run(self, network: Callable[[Image], Array], images: Image) -> Array:
        """The network over pieces of the batch, the last of them filled up."""
        batch = images.shape[0]
        filled = jnp.pad(images, ((0, -batch % PIECE), (0, 0), (0, 0), (0, 0)))
        outputs = lax.map(network, filled.reshape(-1, PIECE, *images.shape[1:]))
        return outputs.reshape(-1, *outputs.shape[2:])[:batch]

    def enter(self, images: Image) -> Array:
        """The images with the batch moved to the end."""
        return images.transpose(3, 1, 2, 0)

    def convolve(
        self, features: Array, kernel: Array, bias: Array, stride: int, padding: Padding, groups: int
    ) -> Array:
        """See `Formulation.convolve`."""
        height, width, inputs, outputs = kernel.shape
        if groups == features.shape[0] == outputs:
            sum_up = _depthwise
        elif groups == 1 and height * width * inputs <= (FEW if height * width > 1 else FEWER):
            sum_up = _one_by_one
        elif groups == height == width == stride == 1:
            product = kernel[0, 0].T @ features.reshape(inputs, -1)
            return product.reshape(outputs, *features.shape[1:]) + bias[:, None, None, None]
        else:
            moved = features.transpose(3, 1, 2, 0)
            moved = CHANNELS_LAST.convolve(moved, kernel, bias, stride, padding, groups)
            return moved.transpose(3, 1, 2, 0)
        padded = _padded(features, (height, width), stride, padding)
        return _apart(lambda padded: sum_up(padded, kernel, stride) + bias[:, None, None, None], padded)

    def max_pool(self, features: Array, window: int, stride: int, padding: Padding) -> Array:
        """See `Formulation.max_pool`."""
        return self._by_channels_last("max_pool", features, window, stride, padding)

    def mean_pool(self, features: Array, window: int, stride: int, padding: Padding) -> Array:
        """See `Formulation.mean_pool`."""
        return self._by_channels_last("mean_pool", features, window, stride, padding)

    def mean(self, features: Array) -> Array:
        """See `Formulation.mean`."""
        return features.mean((1, 2)).T

    def _by_channels_last(self, pool: str, features: Array, *settings: Any) -> Array:
        moved = getattr(CHANNELS_LAST, pool)(features.transpose(3, 1, 2, 0), *settings)
        return moved.transpose(3, 1, 2, 0)


def _depthwise(padded: Array, kernel: Array, stride: int) -> Array:
    """A sum of maps, each times a number per channel."""
    total = jnp.zeros((), padded.dtype)
    for row, column, shifted in _shifted(padded, kernel.shape, stride):
        total += shifted * kernel[row, column, 0][:, None, None, None]
    return total


def _one_by_one(padded: Array, kernel: Array, stride: int) -> Array:
    """A sum of planes, each times a number per output channel."""
    total = jnp.zeros((), padded.dtype)
    for row, column, shifted in _shifted(padded, kernel.shape, stride):
        for channel, plane in enumerate(shifted):
            total += plane * kernel[row, column, channel][:, None, None, None]
    return total


def _padded(features: Array, window: tuple[int, int], stride: int, padding: Padding) -> Array:
    if isinstance(padding, str):
        down, across = lax.padtype_to_pads(features.shape[1:3], window, (stride, stride), padding)
    else:
        down, across = padding
    return jnp.pad(features, ((0, 0), down, across, (0, 0)))


def _shifted(padded: Array, shape: tuple[int, ...], stride: int) -> Iterator[tuple[int, int, Array]]:
    """For each row and column of a kernel, the values of the map that it meets."""
    height, width = shape[:2]
    rows = (padded.shape[1] - height) // stride * stride + 1
    columns = (padded.shape[2] - width) // stride * stride + 1
    for row in range(height):
        for column in range(width):
            yield row, column, padded[:, row : row + rows : stride, column : column + columns : stride]


def _apart(function: Callable[[Array], Array], features: Array) -> Array:
    """`function(features)`, computed apart from what comes before and after it.

    XLA would otherwise merge the layers into one loop and compute each value of one layer anew for every
    value of the next that needs it: ten times the work for three depthwise layers. A barrier does not keep
    the CPU backend from it; a branch does. Its condition cannot be known beforehand and always holds, unless
    the values are broken, and then so is the outcome.
    """
    outcome = jax.eval_shape(function, features)
    whole = features.reshape(-1)[0] > -jnp.inf
    return lax.cond(whole, function, lambda _: jnp.full(outcome.shape, jnp.nan, outcome.dtype), features)


BATCH_MINOR = BatchMinor()
