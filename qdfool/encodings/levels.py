"""The 256 levels of an 8-bit image: what is seen is what was scored."""

import jax.numpy as jnp

from qdfool.types import Array, Image

LEVELS = 255
"""The brightest of the 256 levels."""


def round_to_levels(image: Image) -> Image:
    """The image as a PNG would give it back: each value the nearest k / 255, still float32 in [0, 1]."""
    return jnp.round(image * LEVELS) / LEVELS


def to_uint8(image: Image) -> Array:
    """The image's levels as uint8, ready to be written as a PNG."""
    return jnp.round(image * LEVELS).astype(jnp.uint8)
