"""Measures: numbers that say what an image is like, whatever the classifier thinks of it.

Each is a pure function of one image [H, W, C] in [0, 1] and stays inside its range in float32 too. Colour is
first turned into luminance: the luma of ITU-R BT.601 (0.299 R + 0.587 G + 0.114 B) for three channels, else
the mean of the channels. Ink is what is bright, as in MNIST, where digits are white on black; `black_pixels` and
`black_eccentricity` are for black ink on white paper.
"""

import jax
import jax.numpy as jnp

from qdfool.types import Array, Image, Measure

SMOOTHNESS = 0.1
"""In luminance, of the step between what counts as dark and as bright, where it must have a derivative."""


def luminance_map(image: Image) -> Array:
    """[H, W] luminance of an image [H, W, C]."""
    if image.shape[-1] == 3:
        return jnp.sum(image * jnp.array([0.299, 0.587, 0.114]), axis=-1)
    return jnp.mean(image, axis=-1)


def ink(image: Image) -> Array:
    """Share of pixels brighter than 0.5."""
    return _unit(jnp.mean(luminance_map(image) > 0.5))


def smooth_ink(image: Image) -> Array:
    """`ink` with a derivative: a pixel counts by a sigmoid of its luminance, a quarter to three quarters where that is
    0.39 to 0.61."""
    return jnp.mean(jax.nn.sigmoid((luminance_map(image) - 0.5) / SMOOTHNESS))


def eccentricity(image: Image) -> Array:
    """Mean distance of the ink from the centre, every pixel weighted with its luminance.

    In units of a corner pixel's distance; 0 for an image without ink.
    """
    height, width, _ = image.shape
    down = jnp.arange(height) - (height - 1) / 2
    across = jnp.arange(width) - (width - 1) / 2
    distance = jnp.hypot(down[:, None], across[None, :])
    weight = luminance_map(image)
    # As if all the ink were in the corners; 0 for no ink, and for an image of one pixel.
    farthest = jnp.sum(weight) * jnp.max(distance)
    return _unit(jnp.sum(weight * distance) / jnp.where(farthest > 0.0, farthest, 1.0))


def black_pixels(image: Image) -> Array:
    """Share of pixels darker than 0.5."""
    return ink(1.0 - image)


def smooth_black_pixels(image: Image) -> Array:
    """`black_pixels` with a derivative: see `smooth_ink`."""
    return smooth_ink(1.0 - image)


def black_eccentricity(image: Image) -> Array:
    """Mean distance of what is dark from the centre, every pixel weighted with 1 less its luminance.

    In units of a corner pixel's distance; 0 for a white image.
    """
    return eccentricity(1.0 - image)


def symmetry(image: Image) -> Array:
    """1 less the mean absolute difference from the mirror image, left and right exchanged."""
    brightness = luminance_map(image)
    return _unit(1.0 - jnp.mean(jnp.abs(brightness - brightness[:, ::-1])))


def roughness(image: Image) -> Array:
    """Mean absolute difference of horizontal and vertical neighbours: the total variation per pair.

    0 for an image of one pixel.
    """
    height, width, _ = image.shape
    brightness = luminance_map(image)
    vertical = jnp.sum(jnp.abs(jnp.diff(brightness, axis=0)))
    horizontal = jnp.sum(jnp.abs(jnp.diff(brightness, axis=1)))
    pairs = (height - 1) * width + height * (width - 1)
    return _unit((vertical + horizontal) / max(pairs, 1))


def luminance(image: Image) -> Array:
    """Mean luminance."""
    return _unit(jnp.mean(luminance_map(image)))


def _unit(value: Array) -> Array:
    """Undoes what rounding may have added to a value of [0, 1]."""
    return jnp.clip(value, 0.0, 1.0)


MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure("ink", "share of pixels brighter than 0.5", 0.0, 1.0, ink, smooth_ink),
        Measure(
            "eccentricity", "mean distance of the ink from the centre; a corner is 1", 0.0, 1.0, eccentricity
        ),
        Measure(
            "black_pixels", "share of pixels darker than 0.5", 0.0, 1.0, black_pixels, smooth_black_pixels
        ),
        Measure(
            "black_eccentricity",
            "mean distance of what is dark from the centre; a corner is 1",
            0.0,
            1.0,
            black_eccentricity,
        ),
        Measure("symmetry", "1 less the mean difference from the mirror image", 0.0, 1.0, symmetry),
        Measure("roughness", "mean difference of neighbouring pixels", 0.0, 1.0, roughness),
        Measure("luminance", "mean brightness", 0.0, 1.0, luminance),
    )
}
"""By name. To add one, write a pure function of an image and list it here with its range."""
