"""What the first generation looks like: images of noise."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from qdfool.genomes.levels import LEVELS
from qdfool.types import Image, Key


def uniform_noise(image_shape: tuple[int, int, int]) -> Callable[[Key], Image]:
    """Every value uniform in [0, 1] (Nguyen et al. 2015, section 2.3). All such images are alike in their
    measures: half of it is ink, evenly spread."""
    return lambda key: jax.random.uniform(key, image_shape, jnp.float32)


def grey_noise(image_shape: tuple[int, int, int]) -> Callable[[Key], Image]:
    """Grey with normal noise of one level: where the gradient ascent of Nguyen et al. 2015 begins, whose program adds
    N(0, 1) to the mean image, which is grey here."""
    return lambda key: 0.5 + jax.random.normal(key, image_shape, jnp.float32) / LEVELS


def varied_noise(image_shape: tuple[int, int, int]) -> Callable[[Key], Image]:
    """Noise that differs from image to image in how much ink it has and where: a seed for grid archives.

    Each image draws a share of ink uniformly in [0, 1], and a disc around the centre, of a radius uniform
    between nothing and the corners; the noise fills the disc or all but the disc, the rest is black.
    """
    height, width, channels = image_shape
    down = jnp.arange(height) - (height - 1) / 2
    across = jnp.arange(width) - (width - 1) / 2
    distance = jnp.hypot(down[:, None], across)[:, :, None]

    def initialise(key: Key) -> Image:
        ink_key, radius_key, side_key, bright_key, value_key = jax.random.split(key, 5)
        ink = jax.random.uniform(ink_key, dtype=jnp.float32)
        within = distance <= jax.random.uniform(radius_key, dtype=jnp.float32) * distance.max()
        filled = within == jax.random.bernoulli(side_key)
        bright = jax.random.uniform(bright_key, (height, width, 1), jnp.float32) < ink
        value = jax.random.uniform(value_key, (height, width, channels), jnp.float32, minval=0.0, maxval=0.5)
        return jnp.where(filled, value + 0.5 * bright, 0.0)

    return initialise
