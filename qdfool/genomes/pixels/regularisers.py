"""Regularisers of gradient ascent: what keeps an image from being noise.

Each takes a genome [H, W, C] float32 in [0, 1] and is written for one individual. Grey, 0.5, is nothing: what the
papers call 0, because they subtract the mean image. Source: Yosinski et al. 2015 (Understanding neural networks
through deep visualization), section 3.1; the decay is that of Nguyen et al. 2015 (supplement) too.
"""

import functools

import jax.numpy as jnp

from qdfool.types import Array, Genome

GREY = 0.5
"""What an image fades to."""
WIDEST = 3
"""Standard deviations to either side that a blur reaches."""


def decay(genome: Genome, share: float) -> Genome:
    """Every gene nearer to grey, by a share of its distance."""
    return GREY + (1.0 - share) * (genome - GREY)


def blur(genome: Genome, sigma: float) -> Genome:
    """Convolved with a Gaussian of `sigma` pixels; beyond its edge an image goes on as it is there."""
    reach = max(1, round(WIDEST * sigma))
    distance = jnp.arange(-reach, reach + 1)
    weights = jnp.exp(-0.5 * (distance / sigma) ** 2)
    weights = weights / weights.sum()
    line_blur = functools.partial(jnp.convolve, v=weights, mode="valid", precision="highest")
    for axis in (0, 1):
        pad = [(reach, reach) if axis == dimension else (0, 0) for dimension in range(3)]
        padded = jnp.pad(genome, pad, mode="edge")
        genome = jnp.apply_along_axis(line_blur, axis, padded)
    return genome


def clip_values(genome: Genome, share: float) -> Genome:
    """The share of the pixels that are nearest to grey, by the length of their difference from it, becomes grey."""
    return _clipped(genome, jnp.linalg.norm(genome - GREY, axis=2, keepdims=True), share)


def clip_contributions(genome: Genome, gradient: Genome, share: float) -> Genome:
    """The share of the pixels whose return to grey would cost least, to first order, becomes grey.

    Args:
        genome: the image.
        gradient: of the log-odds with respect to it.
        share: of the pixels.
    """
    contribution = jnp.abs(((genome - GREY) * gradient).sum(axis=2, keepdims=True))
    return _clipped(genome, contribution, share)


def _clipped(genome: Genome, size: Array, share: float) -> Genome:
    return jnp.where(size < jnp.quantile(size, share), GREY, genome)
