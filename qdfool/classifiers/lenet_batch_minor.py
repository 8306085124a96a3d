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

import functools
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap

from qdfool.classifiers.batch_minor import apart_from_others
from qdfool.together import as_one_batch
from qdfool.types import Array, Image

WINDOW = 5
"""Rows and columns of both kernels."""
POOL = 2
"""Rows and columns of a window of the pooling."""
TILE = 4
"""Outputs of a tile, across."""
FED = TILE + WINDOW - 1
"""Inputs of a tile, across."""
AT_ONCE = 256
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


Layer = Callable[[Callable[[Any], Any], Any], Any]
"""(function, maps) to what the function makes of them, computed apart from other layers."""
Function = TypeVar("Function", bound=Callable[..., Any])


def one_batch(function: Function) -> Function:
    """A function of weights and arrays [B, ...] that takes several batches, under `vmap`, as one large batch where they
    meet the same weights; otherwise one after another. Called by hand it is compiled once for each size."""
    batch = custom_vmap(jax.jit(function))

    @batch.def_vmap
    def _(many: int, batched: Sequence[Any], weights: Weights, *arrays: Array) -> tuple[Any, Any]:
        def one(index: Array) -> Any:
            own = jax.tree.map(
                lambda leaf, has: leaf[index] if has else leaf, (weights, *arrays), tuple(batched)
            )
            return batch(*own)

        if any(batched[0]):
            found = lax.map(one, jnp.arange(many))
        else:
            joined = batch(weights, *as_one_batch(many, tuple(batched[1:]), arrays))
            found = jax.tree.map(lambda leaf: leaf.reshape(many, len(leaf) // many, *leaf.shape[1:]), joined)
        return found, jax.tree.map(lambda _: True, found)

    return batch  # pyright: ignore[reportReturnType]


@one_batch
def hidden(weights: Weights, images: Image) -> Array:
    """Images [B, 28, 28, 1] to the hidden units before their ReLU, [B, 500]; those of an image are the same, bit for
    bit, whatever images are beside it, and however many."""

    def of_piece(layer: Layer, images: Array) -> Array:
        maps = layer(lambda images: first(weights, images)[0], images)
        maps, _ = second(layer, weights, maps)
        return dense(weights, maps)

    return by_pieces(of_piece, images)


def by_pieces(of_piece: Callable[..., Any], images: Image, *others: Array, at_once: int = AT_ONCE) -> Any:
    """What a function makes of a batch, in pieces that are filled up.

    Args:
        of_piece: (layer, images [H, W, n], others [n, ...]) to arrays [n, ...].
        images: [B, H, W, 1].
        others: [B, ...].
        at_once: images of a piece at most.
    """
    batch, height, width, _ = images.shape
    pieces = max(1, -(-batch // at_once))
    size = max(1, -(-batch // (pieces * LANES))) * LANES
    missing = pieces * size - batch
    rows, *filled = (
        jnp.pad(array, ((0, missing), *((0, 0) for _ in array.shape[1:]))) for array in (images, *others)
    )
    rows = rows.reshape(pieces * size, height * width)

    def layer(function: Callable[[Any], Any], maps: Any) -> Any:
        return apart_from_others(function, maps, witness=rows, fill=rows[0, 0])

    def of_number(piece: Array | int) -> Any:
        def taken(array: Array) -> Array:
            return lax.dynamic_slice_in_dim(array, piece * size, size)

        side_by_side = layer(lambda rows: taken(rows).T.reshape(height, width, size), rows)
        return of_piece(layer, side_by_side, *map(taken, filled))

    if pieces == 1:
        found = of_number(0)
    else:
        found = lax.map(of_number, jnp.arange(pieces))
        found = jax.tree.map(lambda leaf: leaf.reshape(pieces * size, *leaf.shape[2:]), found)
    return jax.tree.map(lambda leaf: leaf[:batch], found)


def dense(weights: Weights, maps: Array) -> Array:
    """Pooled maps [H, W, C, B] to the hidden units before their ReLU, [B, 500]."""
    return maps.reshape(-1, maps.shape[3]).T @ weights.dense + weights.dense_bias


def first(weights: Weights, images: Array) -> tuple[Array, Array]:
    """Images [H, W, B] to pooled maps [H', W', C', B], and which value of each window was the largest, see
    `_pooled`."""
    kernel = weights.kernel1
    height, width = ((size - WINDOW) // POOL * POOL + 1 for size in images.shape[:2])
    places = []
    for below, right in product(range(POOL), repeat=2):
        total = jnp.zeros((), images.dtype)
        for row, column in product(range(WINDOW), repeat=2):
            top, left = below + row, right + column
            shifted = images[top : top + height : POOL, left : left + width : POOL]
            total += shifted[:, :, None] * kernel[row, column, 0][:, None]
        places.append(total)
    pooled, largest = _pooled(places)
    return pooled + weights.bias1[:, None], largest


def second(layer: Layer, weights: Weights, maps: Array) -> tuple[Array, Array]:
    """Maps [H, W, C, B] to pooled maps [H', W', C', B], and which value of each window was the largest, see
    `_pooled`."""
    fed = layer(_fed, maps)
    return layer(lambda fed: _of_fed(weights, fed), fed)


def _fed(maps: Array) -> Array:
    """Maps [H, W, C, B] to the inputs of the products: at each point of each tile, [8, H, C, tiles, B]."""
    tiles = (maps.shape[1] - WINDOW + 1) // TILE
    at_points = [
        jnp.stack(of_inputs([maps[:, TILE * tile + place] for place in range(FED)])) for tile in range(tiles)
    ]
    return jnp.stack(at_points, 3)


def _of_fed(weights: Weights, fed: Array) -> tuple[Array, Array]:
    _, height, _, tiles, batch = fed.shape
    outputs, windows = weights.kernel2.shape[3], (height - WINDOW + 1) // POOL
    products = of_kernel(weights.kernel2) @ rows_of_windows(fed)
    columns = of_outputs(list(products.reshape(FED, POOL, outputs, windows, tiles, batch)))
    beside = []
    for place in range(0, TILE, POOL):
        left, right = columns[place], columns[place + 1]
        beside.append(_pooled([left[0], right[0], left[1], right[1]]))

    def in_order(pooled: Sequence[Array]) -> Array:
        """[C', H', tiles, B] of the windows of a tile to [H', W', C', B]."""
        maps = jnp.stack(pooled, 3).reshape(outputs, windows, tiles * len(pooled), batch)
        return maps.transpose(1, 2, 0, 3)

    pooled, largest = (in_order(each) for each in zip(*beside, strict=True))
    return pooled + weights.bias2[:, None], largest


def rows_of_windows(fed: Array) -> Array:
    """The inputs of the products, [8, H, C, tiles, B], to matrices [8, 6 C, windows x tiles x B]: of six rows come two
    rows of outputs, a window of the pooling."""
    met = POOL + WINDOW - 1
    points, height, channels = fed.shape[:3]
    rows = [fed[:, top : top + met] for top in range(0, height - met + 1, POOL)]
    return jnp.stack(rows, 3).reshape(points, met * channels, -1)


def _pooled(places: Sequence[Array]) -> tuple[Array, Array]:
    """The largest of what is at the four places of a window, row after row, and, uint8, a bit for each that is it."""
    largest = functools.reduce(jnp.maximum, places)
    bits = [(place == largest).astype(jnp.uint8) << number for number, place in enumerate(places)]
    return largest, functools.reduce(jnp.bitwise_or, bits)


def of_kernel(kernel: Array) -> Array:
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


def of_inputs(fed: Sequence[Array]) -> list[Array]:
    """The transform of 8 neighbours, B^T of the source; points of opposite signs share their even and odd parts."""
    a, b, c, d, e, f, g, h = fed
    parts = [
        (c + g - 4.25 * e, b + f - 4.25 * d),
        (0.25 * c - 1.25 * e + g, 0.5 * b - 2.5 * d + 2 * f),
        (4 * c - 5 * e + g, 2 * b - 2.5 * d + 0.5 * f),
    ]
    pairs = [both for even, odd in parts for both in (even + odd, even - odd)]
    return [g - a + 5.25 * (c - e), *pairs, h - b + 5.25 * (d - f)]


def of_outputs(products: Sequence[Array]) -> list[Array]:
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
