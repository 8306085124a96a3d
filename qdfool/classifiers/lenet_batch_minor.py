"""LeNet on a CPU, the batch as the minor axis: loops over vectors of images.

The first convolution, of one channel, is a sum of shifted images, of which each value is used as soon as it is there:
its four places in a window of the pooling are never written. The second is Winograd's minimal filtering along rows:
of 8 neighbouring inputs come 4 outputs by 8 products where 20 were needed, and each of the eight is one matrix product
over channels, rows and images. Two rows of outputs, a window of the pooling, are computed together. It loses no
digits: logits of noise, up to 10, are at most 3.9e-6 from those of 64 bits, with XLA's convolutions 5.0e-6.

Sources:
    Lavin and Gray 2015 (Fast algorithms for convolutional neural networks, arXiv 1509.09308), F(4, 5), with the
    points 0, 1, -1, 2, -2, 1/2, -1/2 and infinity.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap

from qdfool.classifiers.batch_minor import apart_from_others
from qdfool.types import Array, Image

WINDOW = 5
"""Rows and columns of both kernels."""
POOL = 2
"""Rows and columns of a window of the pooling."""
TILE = 4
"""Outputs of a tile, across."""
FED = TILE + WINDOW - 1
"""Inputs of a tile, across."""
AT_ONCE = 512
"""Images that are computed at once at most: of more the products would leave the caches."""
LANES = 16
"""Images that a register holds; a batch is filled up to a multiple."""


class Weights(NamedTuple):
    """Of the layers up to the hidden units: kernels [5, 5, C, C'] and [C, C'], and biases [C']."""

    kernel1: Array
    bias1: Array
    kernel2: Array
    bias2: Array
    dense: Array
    dense_bias: Array


@custom_vmap
def hidden(weights: Weights, images: Image) -> Array:
    """Images [B, 28, 28, 1] to the hidden units before their ReLU, [B, 500]; those of an image are the same, bit for
    bit, whatever images are beside it, and however many."""
    batch = len(images)
    pieces = max(1, -(-batch // AT_ONCE))
    size = max(1, -(-batch // (pieces * LANES))) * LANES
    filled = jnp.pad(images, ((0, pieces * size - batch), (0, 0), (0, 0), (0, 0)))
    rows = filled.reshape(pieces * size, -1)

    def layer(function: Callable[[Array], Array], maps: Array) -> Array:
        return apart_from_others(function, maps, witness=rows)

    def side_by_side(rows: Array, piece: Array | int) -> Array:
        taken = lax.dynamic_slice_in_dim(rows, piece * size, size)
        return taken.T.reshape(*images.shape[1:3], size)

    def of_piece(piece: Array | int) -> Array:
        maps = layer(lambda rows: side_by_side(rows, piece), rows)
        maps = layer(lambda maps: _first(weights.kernel1, weights.bias1, maps), maps)
        maps = layer(lambda maps: _second(weights.kernel2, weights.bias2, maps), maps)
        return maps.reshape(-1, size).T @ weights.dense + weights.dense_bias

    if pieces == 1:
        return of_piece(0)[:batch]
    return lax.map(of_piece, jnp.arange(pieces)).reshape(pieces * size, -1)[:batch]


@hidden.def_vmap
def _of_many(many: int, batched: Sequence[Any], weights: Weights, images: Image) -> tuple[Array, bool]:
    """Of several batches: one large batch where they meet the same weights, otherwise one after another."""
    if not any(batched[0]):
        units = hidden(weights, images.reshape(-1, *images.shape[2:]))
        return units.reshape(many, -1, units.shape[1]), True

    def one(index: Array) -> Array:
        taken = jax.tree.map(
            lambda leaf, own: leaf[index] if own else leaf, (weights, images), tuple(batched)
        )
        return hidden(*taken)

    return lax.map(one, jnp.arange(many)), True


def _first(kernel: Array, bias: Array, images: Array) -> Array:
    """Images [H, W, B] to pooled maps [H', W', C', B]."""
    height, width = ((size - WINDOW) // POOL * POOL + 1 for size in images.shape[:2])
    places = []
    for below, right in product(range(POOL), repeat=2):
        total = jnp.zeros((), images.dtype)
        for row, column in product(range(WINDOW), repeat=2):
            top, left = below + row, right + column
            shifted = images[top : top + height : POOL, left : left + width : POOL]
            total += shifted[:, :, None] * kernel[row, column, 0][:, None]
        places.append(total)
    return _largest(places) + bias[:, None]


def _second(kernel: Array, bias: Array, maps: Array) -> Array:
    """Maps [H, W, C, B] to pooled maps [H', W', C', B]."""
    height, width, inputs, batch = maps.shape
    outputs = kernel.shape[3]
    tiles, windows = (width - WINDOW + 1) // TILE, (height - WINDOW + 1) // POOL
    met = POOL + WINDOW - 1  # rows that a window of the pooling meets
    fed = [_of_inputs([maps[:, TILE * tile + place] for place in range(FED)]) for tile in range(tiles)]

    def product_of(point: int, kernel: Array) -> Array:
        rows = [
            jnp.stack([fed[tile][point][POOL * window : POOL * window + met] for tile in range(tiles)], 2)
            for window in range(windows)
        ]
        beside = jnp.stack(rows, 2).reshape(met * inputs, -1)
        return (kernel @ beside).reshape(POOL, outputs, windows, tiles, batch)

    columns = _of_outputs([product_of(*each) for each in enumerate(_of_kernel(kernel))])
    pooled = [_largest([*columns[place], *columns[place + 1]]) for place in range(0, TILE, POOL)]
    beside = jnp.stack(pooled, 3).reshape(outputs, windows, tiles * len(pooled), batch)
    return (beside + bias[:, None, None, None]).transpose(1, 2, 0, 3)


def _largest(maps: Sequence[Array]) -> Array:
    largest, *others = maps
    for other in others:
        largest = jnp.maximum(largest, other)
    return largest


def _of_kernel(kernel: Array) -> Array:
    """A kernel [5, 5, C, C'] transformed, G of the source: for each of 8 points a matrix from the rows that a window of
    the pooling meets, and channels, to its rows of outputs, and channels: [8, 2 C', 6 C]."""
    inputs, outputs = kernel.shape[2:]
    a, b, c, d, e = (kernel[:, column] for column in range(WINDOW))
    # For each two points of opposite signs the values of the kernel's polynomial there, over the distances of a point
    # from all others.
    parts = [
        (-2 / 9 * (a + c + e), -2 / 9 * (b + d)),
        (1 / 90 * (a + 4 * c + 16 * e), 1 / 90 * (2 * b + 8 * d)),
        (32 / 45 * (a + c / 4 + e / 16), 32 / 45 * (b / 2 + d / 8)),
    ]
    points = jnp.stack([-a, *(both for even, odd in parts for both in (even + odd, even - odd)), e])
    rows = points.transpose(0, 3, 1, 2)  # [8, C', 5, C]
    of_rows = [jnp.pad(rows, ((0, 0), (0, 0), (row, POOL - 1 - row), (0, 0))) for row in range(POOL)]
    return jnp.stack(of_rows, 1).reshape(FED, POOL * outputs, (POOL + WINDOW - 1) * inputs)


def _of_inputs(fed: Sequence[Array]) -> list[Array]:
    """The transform of 8 neighbours, B^T of the source; points of opposite signs share their even and odd parts."""
    a, b, c, d, e, f, g, h = fed
    parts = [
        (c + g - 4.25 * e, b + f - 4.25 * d),
        (0.25 * c - 1.25 * e + g, 0.5 * b - 2.5 * d + 2 * f),
        (4 * c - 5 * e + g, 2 * b - 2.5 * d + 0.5 * f),
    ]
    pairs = [both for even, odd in parts for both in (even + odd, even - odd)]
    return [g - a + 5.25 * (c - e), *pairs, h - b + 5.25 * (d - f)]


def _of_outputs(products: Sequence[Array]) -> list[Array]:
    """The four outputs, A^T of the source: the powers of the points times the products."""
    zero, one, minus_one, two, minus_two, half, minus_half, infinity = products
    sums = one + minus_one, two + minus_two, half + minus_half
    differences = one - minus_one, two - minus_two, half - minus_half
    return [
        zero + sums[0] + sums[1] + sums[2],
        differences[0] + 2 * differences[1] + 0.5 * differences[2],
        sums[0] + 4 * sums[1] + 0.25 * sums[2],
        differences[0] + 8 * differences[1] + 0.125 * differences[2] + infinity,
    ]
