"""The CPU's formulation: feature maps [C, H, W, B], the batch as the minor axis.

XLA's CPU convolution takes a depthwise or a 1 x 1 kernel one image at a time. With the images side by side a
1 x 1 convolution is one matrix product, and a depthwise one nine products of shifted maps with a number per
channel, all over vectors of images. A batch is cut into pieces of eight images, and a map that would be
larger than the caches into parts of its channels.

The gradient is written by hand, in the same layout, because the one that JAX derives of such sums costs several times
as much. It is that of `jax.grad`; `jax.jvp` is refused.
"""

import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from qdfool.classifiers.layers import CHANNELS_LAST, Activation, Conv, Padding, in_turn
from qdfool.types import Array, Image

MOST_BYTES = 8_000_000
"""Bytes of the wide map of an inverted bottleneck that are computed at once."""
FEW = 32
"""Products in a sum up to which adding them one by one is faster than XLA's convolution."""


Pads = tuple[tuple[int, int], tuple[int, int]]
"""Zeros before and after, vertically and horizontally."""
Sums = Callable[[Array, Array, int, int], Array]
"""(padded map, kernel, stride, apart) to the map of a convolution without its bias. `apart` places of the third axis
are a column: those of all its images, or one where images have an axis of their own."""


@dataclass(frozen=True)
class BatchMinor:
    """Feature maps [C, H, W, B]."""

    images_at_once: int = 8
    """That a network takes side by side."""
    channel_axis = 0

    def run(self, network: Callable[[Image], Array], images: Image) -> Array:
        """The network over pieces of the batch, the last of them filled up."""
        batch = images.shape[0]
        filled = jnp.pad(images, ((0, -batch % self.images_at_once), (0, 0), (0, 0), (0, 0)))
        outputs = lax.map(network, filled.reshape(-1, self.images_at_once, *images.shape[1:]))
        return outputs.reshape(-1, *outputs.shape[2:])[:batch]

    def enter(self, images: Image) -> Array:
        """The images with the batch moved to the end."""
        return images.transpose(3, 1, 2, 0)

    def leave(self, features: Array) -> Array:
        """The map with the batch moved to the front."""
        return features.transpose(3, 1, 2, 0)

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
        height, width, inputs, outputs = kernel.shape
        if groups == features.shape[0] == outputs:
            sum_up = _depthwise
        elif groups == height == width == stride == 1:
            sum_up = _product
        elif groups == 1 and height * width * inputs <= FEW:
            sum_up = _one_by_one
        else:
            moved = features.transpose(3, 1, 2, 0)
            moved = CHANNELS_LAST.convolve(moved, kernel, bias, stride, padding, groups, activation)
            return moved.transpose(3, 1, 2, 0)
        if isinstance(padding, str):
            down, across = lax.padtype_to_pads(
                features.shape[1:3], (height, width), (stride, stride), padding
            )
            padding = (down, across)
        return _convolution(features, kernel, bias, Manner(stride, padding, sum_up, activation))

    def inverted_bottleneck(
        self, features: Array, expand: Conv | None, depthwise: Conv, project: Conv
    ) -> Array:
        """See `Formulation.inverted_bottleneck`. Where the wide map is large, its channels go through in parts that
        stay in the caches, and the projections of the parts are added up."""
        wide, outputs = project.kernel.shape[2:]
        if expand is None or (parts := _parts(wide, features[0].nbytes)) == 1:
            return in_turn((expand, depthwise, project), features, self)

        def part(total: Array, weights: Any) -> tuple[Array, None]:
            expanding, convolving, projecting = weights
            expanded = expand.with_weights(features, self, *expanding, groups=1)
            convolved = depthwise.with_weights(expanded, self, *convolving, groups=wide // parts)
            return total + _product(convolved, projecting, 1, 1), None

        def in_parts(weights: Array) -> Array:
            """[..., C] to [parts, ..., C / parts]."""
            return jnp.moveaxis(weights.reshape(*weights.shape[:-1], parts, -1), -2, 0)

        expanding, convolving = (
            (in_parts(layer.kernel[...]), in_parts(layer.bias[...])) for layer in (expand, depthwise)
        )
        projecting = project.kernel[...].reshape(1, 1, parts, -1, outputs).transpose(2, 0, 1, 3, 4)
        whole = jax.eval_shape(lambda: in_turn((expand, depthwise, project), features, self))
        begun = jnp.broadcast_to(_of_channels(project.bias[...], 4), whole.shape)
        total, _ = lax.scan(part, begun, (expanding, convolving, projecting))
        return project.activation(total)

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


def _parts(channels: int, size: int) -> int:
    """As few parts of channels, of so many bytes each, as are not above `MOST_BYTES`."""
    most = max(1, MOST_BYTES // size)
    return next(
        parts for parts in range(1, channels + 1) if channels % parts == 0 and channels // parts <= most
    )


Residuals = tuple[Array, Array, Callable[[Array], tuple[Array]]]
"""Features, kernel, and from the gradient of what was activated to that of what was not."""


class Manner(NamedTuple):
    """How a convolution is computed, beside its arrays."""

    stride: int
    pads: Pads
    sum_up: Sums
    activation: Activation


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _convolution(features: Array, kernel: Array, bias: Array, manner: Manner) -> Array:
    """A convolution by `_depthwise`, `_one_by_one` or `_product`, and its activation."""
    return _convolved(features, kernel, bias, *manner)


def _convolved(
    features: Array,
    kernel: Array,
    bias: Array,
    stride: int,
    pads: Pads,
    sum_up: Sums,
    activation: Activation,
) -> Array:
    padded = _padded(features, pads)
    height, width = kernel.shape[:2]
    rows, columns = (padded.shape[1] - height) // stride + 1, (padded.shape[2] - width) // stride + 1
    apart = 1
    if stride == 1:
        # Every column is met, so the images of all columns can be one axis, along which a compiler makes vectors. An
        # axis of eight images alone it takes for a loop to be written out, value by value.
        apart = features.shape[3]
        padded = padded.reshape(*padded.shape[:2], -1)

    def activated(padded: Array) -> Array:
        # Here, and not by whoever comes next: that would be one more way through memory.
        total = sum_up(padded, kernel, stride, apart)
        return activation(total + _of_channels(bias, total.ndim))

    outcome = (
        activated(padded) if sum_up is _product else apart_from_others(activated, padded, witness=features)
    )
    return outcome.reshape(-1, rows, columns, features.shape[3])


def _depthwise(padded: Array, kernel: Array, stride: int, apart: int) -> Array:
    """A sum of maps, each times a number per channel."""
    total = jnp.zeros((), padded.dtype)
    for row, column, shifted in _shifted(padded, kernel.shape, stride, apart):
        total += shifted * _of_channels(kernel[row, column, 0], shifted.ndim)
    return total


def _one_by_one(padded: Array, kernel: Array, stride: int, apart: int) -> Array:
    """A sum of planes, each times a number per output channel."""
    total = jnp.zeros((), padded.dtype)
    for row, column, shifted in _shifted(padded, kernel.shape, stride, apart):
        for channel, plane in enumerate(shifted):
            total += plane * _of_channels(kernel[row, column, channel], shifted.ndim)
    return total


def _product(padded: Array, kernel: Array, stride: int, apart: int) -> Array:
    """A matrix product, which is what a 1 x 1 kernel of stride 1 amounts to."""
    product = kernel[0, 0].T @ padded.reshape(padded.shape[0], -1)
    return product.reshape(-1, *padded.shape[1:])


def _of_channels(values: Array, axes: int) -> Array:
    """Numbers [C] beside maps with so many axes, of which the first is C."""
    return values.reshape(-1, *[1] * (axes - 1))


def _padded(features: Array, pads: Pads) -> Array:
    return jnp.pad(features, ((0, 0), *pads, (0, 0)))


def _shifted(
    padded: Array, shape: tuple[int, ...], stride: int, apart: int = 1
) -> Iterator[tuple[int, int, Array]]:
    """For each row and column of a kernel, the values of the map that it meets."""
    height, width = shape[:2]
    rows = (padded.shape[1] - height) // stride * stride + 1
    places = (padded.shape[2] - (width - 1) * apart - 1) // stride * stride + 1
    for row in range(height):
        for column in range(width):
            place = column * apart
            yield row, column, padded[:, row : row + rows : stride, place : place + places : stride]


def _convolution_and_residuals(
    features: Array, kernel: Array, bias: Array, manner: Manner
) -> tuple[Array, Residuals]:
    total = _convolved(features, kernel, bias, *manner._replace(activation=nnx.identity))
    outcome, back = jax.vjp(manner.activation, total)
    return outcome, (features, kernel, back)


def _gradients(manner: Manner, residuals: Residuals, of_outcome: Array) -> tuple[Array, Array, Array]:
    """Those of features, kernel and bias, from that of the outcome; XLA drops what nobody asks for."""
    stride, pads, sum_up, _ = manner
    features, kernel, back = residuals
    (of_outcome,) = back(of_outcome)
    depthwise = sum_up is _depthwise
    of_features = _of_features(of_outcome, kernel, stride, pads, features.shape, depthwise)
    of_kernel = _of_kernel(of_outcome, _padded(features, pads), kernel.shape, stride, depthwise)
    return of_features, of_kernel, of_outcome.sum((1, 2, 3))


_convolution.defvjp(_convolution_and_residuals, _gradients)


def _of_features(
    of_outcome: Array, kernel: Array, stride: int, pads: Pads, shape: tuple[int, ...], depthwise: bool
) -> Array:
    """The gradient of every output, spread over the inputs [C, H, W, B] that it came from.

    A row of the padded map met those rows of the kernel that leave the same remainder when divided by the stride, and
    so a column. Each of these stride x stride phases of the map is a sum of its own; at the end they are interleaved.
    """
    height, width, inputs, outputs = kernel.shape
    channels, _, _, batch = shape
    down, across = pads
    if depthwise and stride == 1 and max(down) < height and max(across) < width:
        # A convolution of the same kind, with the kernel turned about.
        around = (height - 1 - down[0], height - 1 - down[1]), (width - 1 - across[0], width - 1 - across[1])
        nothing = jnp.zeros(channels, kernel.dtype)
        return _convolved(of_outcome, kernel[::-1, ::-1], nothing, 1, around, _depthwise, nnx.identity)
    spread = of_outcome
    if not depthwise:
        # What each place of the kernel hands to each of its inputs, all outputs summed.
        products = kernel.reshape(-1, outputs) @ of_outcome.reshape(outputs, -1)
        spread = products.reshape(-1, *of_outcome.shape[1:])
    above, left = (height - 1) // stride, (width - 1) // stride
    rows, columns = (-(-(size + sum(pad)) // stride) for size, pad in zip(shape[1:3], pads, strict=True))
    below, right = rows - of_outcome.shape[1], columns - of_outcome.shape[2]

    def handed(padded: Array, row: int, column: int) -> Array:
        """What this place of the kernel hands to its phase."""
        top, first = above - row // stride, left - column // stride
        met = padded[:, top : top + rows, first : first + columns]
        if depthwise:
            return met * kernel[row, column, 0][:, None, None, None]
        return met.reshape(height, width, inputs, rows, columns, batch)[row, column]

    def phases(padded: Array) -> Array:
        zeros = jnp.zeros((channels, rows, columns, batch), padded.dtype)
        sums = dict.fromkeys(itertools.product(range(stride), repeat=2), zeros)
        for row, column in itertools.product(range(height), range(width)):
            sums[row % stride, column % stride] += handed(padded, row, column)
        return jnp.stack(list(sums.values())).reshape(stride, stride, *zeros.shape)

    padded = _padded(spread, ((above, below), (left, right)))
    # A 1 x 1 kernel meets each value once: nothing could be computed anew.
    apart = phases(padded) if height == width == 1 else apart_from_others(phases, padded, witness=of_outcome)
    whole = apart.transpose(2, 3, 0, 4, 1, 5).reshape(channels, rows * stride, columns * stride, batch)
    (top, _), (first, _) = pads
    return whole[:, top : top + shape[1], first : first + shape[2]]


def _of_kernel(
    of_outcome: Array, padded: Array, shape: tuple[int, ...], stride: int, depthwise: bool
) -> Array:
    """The gradient of every output, times the input that each place of the kernel met there."""
    sums = "chwb,chwb->c" if depthwise else "ihwb,ohwb->io"
    places = [jnp.einsum(sums, shifted, of_outcome) for _, _, shifted in _shifted(padded, shape, stride)]
    return jnp.stack(places).reshape(shape)


def apart_from_others(
    function: Callable[[Any], Any], features: Any, witness: Array, fill: Array | float = 0.0
) -> Any:
    """`function(features)`, computed apart from what comes before and after it.

    XLA would otherwise merge the layers into one loop and compute each value of one layer anew for every
    value of the next that needs it: ten times the work for three depthwise layers. A barrier does not keep
    the CPU backend from it; a branch does. Nor can a matrix product that follows become part of the loop then, which
    would walk the map as a matrix and gather value by value what lies side by side, three times slower.
    The condition always holds: whatever the first value of `witness` is, zero times it is not 1. XLA must not know that
    value, as it knows a zero of the padding. The branch that is never taken has `fill` everywhere: under
    `jax.shard_map`, which tells devices apart, a value of `features`; a number costs a MobileNet a tenth less.
    """

    def never(features: Any) -> Any:
        outcome = jax.eval_shape(function, features)
        return jax.tree.map(lambda leaf: jnp.full(leaf.shape, fill).astype(leaf.dtype), outcome)

    return lax.cond(witness.reshape(-1)[0] * 0 != 1, function, never, features)


BATCH_MINOR = BatchMinor()
