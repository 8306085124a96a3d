"""The 256 levels of an 8-bit image: what is seen is what was scored."""

import jax
import jax.numpy as jnp
from jax import lax

from qdfool.types import Array, Image

LEVELS = 255
"""The brightest of the 256 levels."""
NO_FRACTION = 1.5 * 2.0**23
"""A float32 from which the next one, up or down, is 1 away."""


@jax.custom_jvp
def round_to_levels(image: Image) -> Image:
    """The image as a PNG would give it back: each value the nearest k / 255, still float32 in [0, 1].

    Its derivative is that of the identity (straight through, Bengio et al. 2013), because the true one is 0.
    """
    # XLA turns k / 255 into k * (1 / 255), which for half of the levels is an ulp off what a reader of the
    # PNG computes. 1 / 255 = 1 / 256 + 1 / 65280: the first product is exact and the second too small to
    # round the sum wrongly, for each of the 256 levels (a test tries them all).
    level = _nearest(image * LEVELS)
    return level * (1 / 256) + level * (1 / 65280)


def _nearest(values: Array) -> Array:
    """The nearest whole number to each value of 0 to 255, of two the even one."""
    # On a CPU `round` takes twice as long. A number so large has no bits for a fraction, and its sum with a value is
    # rounded as any sum is; `reduce_precision`, which keeps all bits, keeps XLA from leaving out both steps.
    return lax.platform_dependent(
        values,
        cpu=lambda values: lax.reduce_precision(values + NO_FRACTION, 8, 23) - NO_FRACTION,
        default=jnp.round,
    )


@round_to_levels.defjvp
def _straight_through(primals: tuple[Image], tangents: tuple[Image]) -> tuple[Image, Image]:
    return round_to_levels(primals[0]), tangents[0]


def to_uint8(image: Image) -> Array:
    """The image's levels as uint8, ready to be written as a PNG."""
    return jnp.round(image * LEVELS).astype(jnp.uint8)
