"""The gradient of LeNet's hidden units with respect to images, in the formulation of `lenet_batch_minor`.

Each layer is gone through backwards, from what was the largest in each window of a pooling on. The second
convolution is linear: its gradient is its transforms and products turned about. What the first hands to the images is
one matrix product, and the sum of what the places of its kernel hand to each pixel.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from qdfool.classifiers.lenet_batch_minor import (
    FED,
    POOL,
    TILE,
    WINDOW,
    Layer,
    Weights,
    by_pieces,
    dense,
    first,
    of_inputs,
    of_kernel,
    of_outputs,
    one_batch,
    rows_of_windows,
    second,
)
from qdfool.types import Array, Image

AT_ONCE = 128
"""Images whose gradient is computed at once at most: of more what is handed to them would leave the caches."""
POOLED = (4, 4, 50)
"""What the dense layer is given of an image, [H, W, C]."""


@one_batch
def hidden_and_largest(weights: Weights, images: Image) -> tuple[Array, Array]:
    """The hidden units of images [B, 28, 28, 1], see `lenet_batch_minor.hidden`; and which values of the windows of the
    second pooling were the largest, [B, 800] uint8, which `gradient` is to be given."""

    def of_piece(layer: Layer, images: Array) -> tuple[Array, Array]:
        maps = layer(lambda images: first(weights, images)[0], images)
        maps, largest = second(layer, weights, maps)
        return dense(weights, maps), largest.reshape(-1, images.shape[2]).T

    return by_pieces(of_piece, images)


@one_batch
def gradient(weights: Weights, images: Image, largest: Array, of_hidden: Array) -> Array:
    """The gradient of images [B, 28, 28, 1], from that of their hidden units, [B, 500].

    Values of a window that tie share it, as with XLA's maximum. In the second pooling rounding decides where they
    would tie, as where an image is of one grey: its filtering computes the columns of a tile in different ways.
    """

    def of_piece(layer: Layer, images: Array, largest: Array, of_hidden: Array) -> Array:
        batch = images.shape[2]
        of_pooled = (weights.dense @ of_hidden.T).reshape(*POOLED, batch)
        largest = largest.T.reshape(*POOLED, batch)
        of_fed = layer(lambda both: _through_products(weights.kernel2, *both), (of_pooled, largest))
        of_maps = layer(_through_fed, of_fed)
        largest = layer(lambda images: first(weights, images)[1], images)
        handed = layer(lambda both: _handed(weights.kernel1, *both), (of_maps, largest))
        return layer(_gathered, handed).reshape(-1, batch).T

    return by_pieces(of_piece, images, largest, of_hidden, at_once=AT_ONCE).reshape(images.shape)


def _shares(of_pooled: Array, largest: Array) -> list[Array]:
    """Of the gradient of each window, what each of its four places has; those that tie share it."""
    bits = [(largest >> place) & 1 for place in range(POOL * POOL)]
    each = of_pooled / sum(bits[1:], bits[0]).astype(of_pooled.dtype)
    return [jnp.where(bit > 0, each, 0) for bit in bits]


def _through_products(kernel: Array, of_pooled: Array, largest: Array) -> Array:
    """The gradient of the inputs of the second convolution's products, [8, H, C, tiles, B], from that of what becomes
    of them, [H', W', C', B]."""
    windows, across, outputs, batch = of_pooled.shape
    tiles, of_tile = POOL * across // TILE, TILE // POOL
    rows = [
        share.reshape(windows, tiles, of_tile, outputs, batch).transpose(2, 3, 0, 1, 4)
        for share in _shares(of_pooled, largest)
    ]
    # By column of a tile: [2, C', windows, tiles, B], two rows of outputs.
    columns = [
        jnp.stack([rows[column % POOL][column // POOL], rows[POOL + column % POOL][column // POOL]])
        for column in range(TILE)
    ]
    of_products = jnp.stack(_turned_about(of_outputs, columns)).reshape(FED, POOL * outputs, -1)
    of_rows = of_kernel(kernel).swapaxes(1, 2) @ of_products
    fed = (FED, POOL * windows + WINDOW - 1, kernel.shape[2], tiles, batch)
    (of_fed,) = jax.linear_transpose(rows_of_windows, jax.ShapeDtypeStruct(fed, of_rows.dtype))(of_rows)
    return of_fed


def _through_fed(of_fed: Array) -> Array:
    """The gradient of maps [H, W, C, B], from that of the inputs of the products, [8, H, C, tiles, B]. Tiles meet where
    one has its last inputs and the next its first."""
    met: list[Array] = []
    for tile in range(of_fed.shape[3]):
        places = _turned_about(of_inputs, list(of_fed[:, :, :, tile]))
        shared = len(met) and WINDOW - 1
        both = zip(met[len(met) - shared :], places, strict=False)
        met[len(met) - shared :] = [one + other for one, other in both]
        met += places[shared:]
    return jnp.stack(met, 1)


def _turned_about(
    transform: Callable[[Sequence[Array]], list[Array]], gradient: Sequence[Array]
) -> list[Array]:
    """From the gradient of what a transform of eight arrays gives to that of what it takes."""
    taken = [jax.ShapeDtypeStruct(gradient[0].shape, gradient[0].dtype)] * FED
    return jax.linear_transpose(transform, taken)(list(gradient))[0]


def _handed(kernel: Array, of_pooled: Array, largest: Array) -> Array:
    """From the gradient of what the first convolution makes of images, [H', W', C', B], to what each place of its
    kernel hands to them: [25, 2 H', 2 W', B]."""
    height, width, outputs, batch = of_pooled.shape
    shares = jnp.stack(_shares(of_pooled, largest)).reshape(POOL, POOL, *of_pooled.shape)
    maps = shares.transpose(4, 2, 0, 3, 1, 5).reshape(outputs, -1)
    return (kernel.reshape(-1, outputs) @ maps).reshape(-1, POOL * height, POOL * width, batch)


def _gathered(handed: Array) -> Array:
    """The gradient of images [H, W, B], the sum of what the places of the kernel hand to each pixel."""
    around = WINDOW - 1
    padded = jnp.pad(handed, ((0, 0), (around, around), (around, around), (0, 0)))
    height, width = handed.shape[1] + around, handed.shape[2] + around
    total = jnp.zeros((), handed.dtype)
    for place, each in enumerate(padded):
        top, left = around - place // WINDOW, around - place % WINDOW
        total += each[top : top + height, left : left + width]
    return total
