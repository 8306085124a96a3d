"""The layers that networks are made of, and the formulations in which they are computed.

A network is defined once, in Flax NNX; how its feature maps lie in memory is an argument of its call. All
formulations compute the same numbers, up to rounding (tests compare them):

    CHANNELS_LAST  [B, H, W, C] and XLA's own convolution: the fast one on a GPU or TPU
    Winograd       [B, H, W, C], a few images at a time: on a CPU the faster one for 3 x 3 convolutions
    BATCH_MINOR    [C, H, W, B] and sums of products: on a CPU many times faster where a network's
                   convolutions are depthwise or 1 x 1, which XLA's CPU convolution is slow at

Networks only infer: a batch normalisation is folded into the convolution before it when weights are read, so
every convolution has a bias.
"""

import contextlib
import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax

from qdfool.types import Array, Image

Padding = str | tuple[tuple[int, int], tuple[int, int]]
"""Zeros before and after, vertically and horizontally; or "SAME" (as TensorFlow pads) or "VALID"."""


UNPADDED = ("VALID", ((0, 0), (0, 0)))

Activation = Callable[[Array], Array]
"""Of each value of a map."""


class Formulation(Protocol):
    """How feature maps lie in memory, and what is computed on them."""

    channel_axis: int

    def run(self, network: Callable[[Image], Array], images: Image) -> Array:
        """The outputs [B, ...] of a network for images [B, H, W, C]."""
        ...

    def enter(self, images: Image) -> Array:
        """Images [B, H, W, C] to a feature map."""
        ...

    def leave(self, features: Array) -> Array:
        """A feature map to [B, H, W, C], the inverse of `enter`."""
        ...

    def convolve(
        self,
        features: Array,
        kernel: Array,
        bias: Array,
        stride: int,
        padding: Padding,
        groups: int,
        activation: Activation = nnx.identity,
    ) -> Array:
        """Convolves with a kernel [h, w, C / groups, C'], adds a bias [C'] and activates."""
        ...

    def inverted_bottleneck(
        self, features: Array, expand: "Conv | None", depthwise: "Conv", project: "Conv"
    ) -> Array:
        """Expands a map to many channels, convolves each by itself, and projects them to few, by a kernel of 1 x 1 and
        stride 1 (Sandler et al. 2018, arXiv 1801.04381); without `expand` the map has the many channels."""
        ...

    def max_pool(self, features: Array, window: int, stride: int, padding: Padding) -> Array:
        """Largest value of every window; what is padded never wins."""
        ...

    def mean_pool(self, features: Array, window: int, stride: int, padding: Padding) -> Array:
        """Mean of every window over the values that are there; what is padded does not count."""
        ...

    def mean(self, features: Array) -> Array:
        """Mean over the map: [B, C]."""
        ...


class ChannelsLast:
    """Feature maps [B, H, W, C] and XLA's own convolution."""

    channel_axis = 3

    def run(self, network: Callable[[Image], Array], images: Image) -> Array:
        """The whole batch at once."""
        return network(images)

    def enter(self, images: Image) -> Array:
        """The images as they are."""
        return images

    def leave(self, features: Array) -> Array:
        """The map as it is."""
        return features

    def convolve(
        self,
        features: Array,
        kernel: Array,
        bias: Array,
        stride: int,
        padding: Padding,
        groups: int,
        activation: Activation = nnx.identity,
    ) -> Array:
        """See `Formulation.convolve`."""
        if kernel.shape[:3] == features.shape[1:] and padding in UNPADDED:
            # A dense layer. Turned so, XLA's CPU backend does not lay the kernel out anew for every batch, which took
            # more than a quarter of AlexNet's time at 16 images; elsewhere it is the same product.
            flat = features.reshape(features.shape[0], -1)
            product = lax.dot_general(flat.T, kernel.reshape(flat.shape[1], -1), (((0,), (0,)), ((), ())))
            outcome = product[:, None, None, :]
        else:
            outcome = lax.conv_general_dilated(
                features,
                kernel,
                (stride, stride),
                padding,
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
                feature_group_count=groups,
            )
        return activation(bias + outcome)

    def inverted_bottleneck(
        self, features: Array, expand: "Conv | None", depthwise: "Conv", project: "Conv"
    ) -> Array:
        """See `Formulation.inverted_bottleneck`."""
        return in_turn((expand, depthwise, project), features, self)

    def max_pool(self, features: Array, window: int, stride: int, padding: Padding) -> Array:
        """See `Formulation.max_pool`. Of equal values in a window one has the gradient, or on a CPU several."""
        shape, strides = (1, window, window, 1), (1, stride, stride, 1)

        def of_windows(features: Array) -> Array:
            return _windows(features, -jnp.inf, lax.max, shape, strides, padding)

        pads = _pads(padding, features, shape, strides)[1:3]
        within = all(
            before == 0 and window <= size and (size + after - window) // stride * stride + window <= size
            for size, (before, after) in zip(features.shape[1:3], pads, strict=True)
        )
        if not within:
            return of_windows(features)
        # A CPU takes the larger of whole maps several times faster.
        larger = functools.partial(_larger, window=window, stride=stride)
        return lax.platform_dependent(features, cpu=larger, default=of_windows)

    def mean_pool(self, features: Array, window: int, stride: int, padding: Padding) -> Array:
        """See `Formulation.mean_pool`."""
        shape, strides = (1, window, window, 1), (1, stride, stride, 1)
        counted = jnp.ones((1, *features.shape[1:3], 1), features.dtype)
        total = _windows(features, 0.0, lax.add, shape, strides, padding)
        return total / _windows(counted, 0.0, lax.add, shape, strides, padding)

    def mean(self, features: Array) -> Array:
        """See `Formulation.mean`."""
        return features.mean((1, 2))


def _larger(features: Array, window: int, stride: int) -> Array:
    """The largest of the maps [B, H', W', C] that the places of a window meet."""
    height, width = ((size - window) // stride * stride + 1 for size in features.shape[1:3])
    met = [
        features[:, row : row + height : stride, column : column + width : stride]
        for row, column in itertools.product(range(window), repeat=2)
    ]
    return functools.reduce(jnp.maximum, met)


def _windows(
    features: Array,
    start: float,
    combine: object,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: Padding,
) -> Array:
    pads = _pads(padding, features, window, strides)
    # A constant of NumPy's: by its value JAX knows a maximum or a sum, which have a gradient, even while it traces.
    constant = np.asarray(start, features.dtype)
    # Its annotations know no NumPy.
    return lax.reduce_window(features, constant, combine, window, strides, pads)  # type: ignore[arg-type]


def _pads(
    padding: Padding, features: Array, window: tuple[int, ...], strides: tuple[int, ...]
) -> Sequence[tuple[int, int]]:
    """What is put before and after each axis."""
    if isinstance(padding, str):
        return lax.padtype_to_pads(features.shape, window, strides, padding)
    spatial = [axis for axis, size in enumerate(window) if size > 1]
    pads = [(0, 0)] * 4
    for axis, pad in zip(spatial, padding, strict=True):
        pads[axis] = pad
    return pads


def exactly() -> contextlib.AbstractContextManager[Any]:
    """A context in which products of float32 are traced as such: a GPU or TPU would otherwise round them.

    A CPU never does, and its program is the same with and without.
    """
    return jax.default_matmul_precision("highest")


CHANNELS_LAST: Formulation = ChannelsLast()


class Conv(nnx.Module):
    """A convolution with bias and activation, its kernel [h, w, C / groups, C'], zeros until it is filled.

    A dense layer on a map is a convolution as large as the map, without padding.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        window: int | tuple[int, int] = 1,
        *,
        stride: int = 1,
        padding: Padding | int = 0,
        groups: int = 1,
        activation: Activation = nnx.identity,
    ) -> None:
        height, width = (window, window) if isinstance(window, int) else window
        shape = (height, width, inputs // groups, outputs)
        self.kernel = nnx.Param(jnp.zeros(shape))
        self.bias = nnx.Param(jnp.zeros(outputs))
        self.stride = stride
        self.padding: Padding = (
            ((padding, padding), (padding, padding)) if isinstance(padding, int) else padding
        )
        self.groups = groups
        self.activation = activation

    def __call__(self, features: Array, formulation: Formulation) -> Array:
        """Feature map to feature map."""
        return self.with_weights(features, formulation, self.kernel[...], self.bias[...], self.groups)

    def with_weights(
        self, features: Array, formulation: Formulation, kernel: Array, bias: Array, groups: int
    ) -> Array:
        """The same with other weights, as with those of some of its channels."""
        return formulation.convolve(
            features, kernel, bias, self.stride, self.padding, groups, self.activation
        )


def in_turn(layers: "Sequence[Conv | None]", features: Array, formulation: Formulation) -> Array:
    """A map through layers one after another, of which some may be missing."""
    for layer in layers:
        features = features if layer is None else layer(features, formulation)
    return features


class Divided(nnx.Module):
    """A network whose dense layers have most of its weights: they take a whole batch, and so are read once for it,
    even where the convolutions before them take a few images at a time."""

    def maps(self, images: Array, formulation: Formulation) -> Array:
        """Preprocessed images [B, H, W, 3] to what the dense layers take, [B, h, w, C]."""
        raise NotImplementedError

    def classify(self, maps: Array, formulation: Formulation) -> Array:
        """What `maps` returned to logits [B, 1000]."""
        raise NotImplementedError

    def __call__(self, images: Array, formulation: Formulation) -> Array:
        """Preprocessed images [B, H, W, 3] to logits [B, 1000]."""
        return self.classify(self.maps(images, formulation), formulation)


class Dense(nnx.Module):
    """A dense layer with bias on [B, C]; its kernel [C, C']."""

    def __init__(self, inputs: int, outputs: int) -> None:
        self.kernel = nnx.Param(jnp.zeros((inputs, outputs)))
        self.bias = nnx.Param(jnp.zeros(outputs))

    def __call__(self, features: Array) -> Array:
        """[B, C] to [B, C']."""
        return features @ self.kernel[...] + self.bias[...]
