"""The list of an image's black pixels as its genome.

Source: the Stack Exchange question on images at a CNN's decision boundary (cats of few black pixels on white),
whose authors encode an image "to a reduced form that only kept track of the black pixels".
"""

from collections.abc import Callable

import jax.numpy as jnp

from qdfool.types import Array, Encoding, Genome, Image, Key


def black_pixels(
    image_shape: tuple[int, int, int], first: Callable[[Key], Array], *, capacity: int, inverted: bool = False
) -> Encoding:
    """Genomes [L] int32: numbers of pixels, row * W + column, no pixel twice; H * W is a free slot.

    A slot's place in the list says nothing of the pixel's place in the image. A random genome has a single
    pixel; what the list has not is white, in all channels.

    Args:
        image_shape: (H, W, C).
        first: draws the pixel [] int32 that a random genome has.
        capacity: L, the most black pixels that an image can have.
        inverted: white pixels on black.
    """
    height, width, _ = image_shape
    free = height * width

    def initialise(key: Key) -> Genome:
        return jnp.full(capacity, free, jnp.int32).at[0].set(first(key))

    def decode(genome: Genome) -> Image:
        paper, ink = (0.0, 1.0) if inverted else (1.0, 0.0)
        pixels = jnp.full(free, paper, jnp.float32).at[genome].set(ink, mode="drop")
        return jnp.broadcast_to(pixels.reshape(height, width, 1), image_shape)

    return Encoding("black_pixels", initialise, decode)
