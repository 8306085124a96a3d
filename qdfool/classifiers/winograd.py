"""A CPU's formulation for networks of ordinary convolutions: a few images at a time, and Winograd's minimal filtering.

A network takes as many images at once as keep its maps in the caches, and what it needs of memory below the size that a
system clears anew for every call.

Of each tile of 2 x 2 outputs of a 3 x 3 convolution the 4 x 4 inputs are transformed by sums, multiplied with a kernel
that was transformed likewise, and transformed back: 16 products where the convolution has 36. They are 16 matrix
products, each over all tiles and channels, and take most of the time. Source: Lavin and Gray 2015 (Fast algorithms for
convolutional neural networks, arXiv 1509.09308), F(2 x 2, 3 x 3).

What is transformed has four times as many numbers as a map, so images go through it in pieces of their own.
Convolutions of large maps or between few channels, which are mostly passes through memory, stay XLA's. Larger tiles
would save more products, but lose digits.

The gradient is written by hand, in the same way. It is that of `jax.grad`; `jax.jvp` is refused.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from qdfool.classifiers.layers import CHANNELS_LAST, Activation, ChannelsLast, Padding
from qdfool.types import Array, Image

TILE = 2
"""Outputs of a tile, down and across."""
FED = TILE + 2
"""Inputs of a tile, down and across."""
AT_ONCE = 4_000_000
"""Transformed numbers of inputs and outputs, of 4 bytes, that a piece has at most; it has one image at least."""
LARGEST = 2**24
"""Transformed numbers that one image has at most."""
FEWEST = 64 * 64
"""Input channels times output channels."""

Pads = tuple[tuple[int, int], tuple[int, int]]
"""Zeros before and after, vertically and horizontally."""
Transformed = Sequence[Sequence[Array]]
"""Of a kernel, [C, C'] for each of the inputs of a tile, row after row."""


@dataclass(frozen=True)
class Winograd(ChannelsLast):
    """Feature maps [B, H, W, C], as `ChannelsLast` but for 3 x 3 convolutions of stride 1 between many channels."""

    images_at_once: int = 8
    """That a network takes at most."""

    def run(self, network: Callable[[Image], Array], images: Image) -> Array:
        """The network over pieces of the batch, all of a size, the last of them filled up."""
        if len(images) <= self.images_at_once:
            return network(images)
        outputs = lax.map(network, _in_pieces(images, self.images_at_once))
        return outputs.reshape(-1, *outputs.shape[2:])[: len(images)]

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
        if isinstance(padding, str):
            down, across = lax.padtype_to_pads(
                features.shape[1:3], kernel.shape[:2], (stride, stride), padding
            )
            padding = (down, across)
        if (*kernel.shape[:2], stride, groups) != (3, 3, 1, 1) or not _suits(features, kernel, padding):
            return super().convolve(features, kernel, bias, stride, padding, groups, activation)
        outcome: Array = _convolution(features, kernel, padding, False)
        return activation(bias + outcome)


def _suits(features: Array, kernel: Array, pads: Pads) -> bool:
    """Whether a convolution is worth the transforms, and one that these can do. Their digits are enough for float32
    alone; its gradient is padded with 2 less each pad, which must not be negative either."""
    *_, inputs, outputs = kernel.shape
    possible = features.dtype == jnp.float32 and all(0 <= side <= 2 for pad in pads for side in pad)
    if not possible or not len(features) or min(_tiles(features, pads)) < 1:
        return False
    return inputs * outputs >= FEWEST and _transformed(features, kernel, pads) <= LARGEST


def _tiles(features: Array, pads: Pads) -> tuple[int, int]:
    """Tiles of an image, down and across."""
    down, across = (
        -(-(size + sum(pad) - 2) // TILE) for size, pad in zip(features.shape[1:3], pads, strict=True)
    )
    return down, across


def _transformed(features: Array, kernel: Array, pads: Pads) -> int:
    """Transformed numbers of an image."""
    down, across = _tiles(features, pads)
    return FED * FED * down * across * sum(kernel.shape[2:])


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _convolution(features: Array, kernel: Array, pads: Pads, turned: bool) -> Array:
    """A 3 x 3 convolution of stride 1 without its bias: [B, H, W, C] and [3, 3, C, C'] to [B, H', W', C']; or with the
    kernel turned about, from maps of C' channels to maps of C."""
    return _by_tiles(features, kernel, pads, _of_kernel_turned if turned else _of_kernel)


def _forward(features: Array, kernel: Array, pads: Pads, turned: bool) -> tuple[Array, tuple[Array, Array]]:
    return _convolution(features, kernel, pads, turned), (features, kernel)


def _backward(pads: Pads, turned: bool, kept: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    """Of the features it is a convolution of the same kind, with the kernel turned about."""
    features, kernel = kept
    (above, below), (left, right) = pads
    around = ((2 - above, 2 - below), (2 - left, 2 - right))
    of_features: Array = _convolution(gradient, kernel, around, not turned)

    def plain(kernel: Array) -> Array:
        kernel = kernel[::-1, ::-1].swapaxes(2, 3) if turned else kernel
        return CHANNELS_LAST.convolve(features, kernel, jnp.zeros(kernel.shape[3]), 1, pads, 1)

    _, back = jax.vjp(plain, kernel)
    return of_features, *back(gradient)


_convolution.defvjp(_forward, _backward)


def _by_tiles(features: Array, kernel: Array, pads: Pads, transform: Callable[[Array], Transformed]) -> Array:
    """`_convolution`, or the gradient of its features, with a kernel that is to be transformed."""
    (above, below), (left, right) = pads
    batch, height, width, _ = features.shape
    height, width = height + above + below - 2, width + left + right - 2
    down, across = _tiles(features, pads)
    # The last tiles are filled up with zeros.
    padding = ((0, 0), (above, below + down * TILE - height), (left, right + across * TILE - width), (0, 0))

    def piece(features: Array) -> Array:
        # Here, and not before the pieces: XLA would hold the transformed kernels of all layers at once.
        own, features = lax.optimization_barrier((kernel, features))
        return _of_tiles(jnp.pad(features, padding), transform(own))[:, :height, :width]

    maps = _each(piece, _in_pieces(features, max(1, AT_ONCE // _transformed(features, kernel, pads))))
    return maps.reshape(-1, *maps.shape[2:])[:batch]


def _in_pieces(images: Array, most: int) -> Array:
    """[pieces, n, ...]: as few as must be of at most so many, all of a size, the last filled up with zeros."""
    batch, rest = images.shape[0], images.shape[1:]
    pieces = -(-batch // most)
    size = -(-batch // pieces)
    filled = jnp.pad(images, ((0, pieces * size - batch), *((0, 0) for _ in rest)))
    return filled.reshape(pieces, size, *rest)


def _each(piece: Callable[[Array], Array], features: Array) -> Array:
    """`lax.map`, but with no zeros to begin with: XLA makes them once for all layers, and copies them for each; and of
    so many turns as XLA does not know: it writes a loop of one out, and holds its transformed kernels as above."""
    outputs, turns = jax.eval_shape(piece, features[0]), lax.optimization_barrier(jnp.int32(len(features)))
    if outputs.shape == features.shape[1:]:
        return lax.fori_loop(0, turns, lambda place, maps: maps.at[place].set(piece(maps[place])), features)
    begun = jnp.full((len(features), *outputs.shape), features.reshape(-1)[0])
    return lax.fori_loop(0, turns, lambda place, maps: maps.at[place].set(piece(features[place])), begun)


def _of_tiles(padded: Array, kernel: Transformed) -> Array:
    """A padded map [n, 2 T + 2, 2 S + 2, C] to [n, 2 T, 2 S, C'], of T x S tiles."""
    images, height, width, inputs = padded.shape
    down, across, outputs = (height - 2) // TILE, (width - 2) // TILE, kernel[0][0].shape[1]

    def product(fed: Array, kernel: Array) -> Array:
        return (fed.reshape(-1, inputs) @ kernel).reshape(images, down, across, outputs)

    sums = []
    for part, kernels in zip(_of_inputs(_strided(padded, down, axis=1)), kernel, strict=True):
        fed = _of_inputs(_strided(part, across, axis=2))
        sums.append(_of_outputs([product(*both) for both in zip(fed, kernels, strict=True)]))
    by_column = [jnp.stack(_of_outputs([row[column] for row in sums]), axis=2) for column in range(TILE)]
    # [n, T, 2, S, 2, C']
    return jnp.stack(by_column, axis=4).reshape(images, TILE * down, TILE * across, outputs)


def _strided(padded: Array, tiles: int, axis: int) -> list[Array]:
    """What all tiles have at each of the places of a tile, along an axis."""
    ends = (place + TILE * tiles - 1 for place in range(FED))
    return [lax.slice_in_dim(padded, place, end, stride=TILE, axis=axis) for place, end in enumerate(ends)]


def _of_inputs(fed: Sequence[Array]) -> list[Array]:
    """The transform of four inputs in a row or a column, B^T of the source."""
    first, second, third, fourth = fed
    return [first - third, second + third, third - second, second - fourth]


def _of_outputs(products: Sequence[Array]) -> list[Array]:
    """The two outputs that four products in a row or a column stand for, A^T of the source."""
    first, second, third, fourth = products
    return [first + second + third, second - third - fourth]


def _of_kernel(kernel: Array) -> list[list[Array]]:
    """A kernel [3, 3, C, C'] transformed: four rows of four [C, C'], G of the source from both sides."""

    def transformed(weights: Sequence[Array]) -> list[Array]:
        first, second, third = weights
        return [first, 0.5 * (first + second + third), 0.5 * (first - second + third), third]

    rows = transformed([kernel[row] for row in range(3)])
    return [transformed([row[column] for column in range(3)]) for row in rows]


def _of_kernel_turned(kernel: Array) -> list[list[Array]]:
    """The same of a kernel that is turned about, from outputs to inputs: four rows of four [C', C]."""
    return [[part.T for part in row] for row in _of_kernel(kernel[::-1, ::-1])]
