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
    return lax.platform_dependent(values, cpu=_nearest_by_a_sum, default=jnp.round)


def _nearest_by_a_sum(values: Array) -> Array:
    """In a third of the time that a CPU takes to round images.

    A number so large has no bits for a fraction, and its sum with a value is rounded as any sum is. `reduce_precision`,
    which keeps all bits, keeps XLA from leaving out both steps; and `minimum`, which changes no level, keeps LLVM from
    joining the sum to the product before it, whose rounding would be left out.
    """
    return lax.reduce_precision(jnp.minimum(values, NO_FRACTION) + NO_FRACTION, 8, 23) - NO_FRACTION


@round_to_levels.defjvp
def _straight_through(primals: tuple[Image], tangents: tuple[Image]) -> tuple[Image, Image]:
    return round_to_levels(primals[0]), tangents[0]


def to_uint8(image: Image) -> Array:
    """The image's levels as uint8, ready to be written as a PNG."""
    return jnp.round(image * LEVELS).astype(jnp.uint8)
