"""A user's own encoding and operators, named as own_parts:attribute: an image of one brightness a row."""

import jax
import jax.numpy as jnp

from qdfool.types import Encoding


def jitter(key, genome):
    return jnp.clip(genome + 0.1 * jax.random.normal(key, genome.shape), 0, 1)


def average(key, first, second):
    return (first + second) / 2


def ones(key, genome):
    """A mutation whose outcome is known; of Python's numbers, which have no dtype of their own."""
    return jnp.broadcast_to(1.0, genome.shape)


def doubled(key, genome):
    return jnp.concatenate([genome, genome])


def fails(key, genome):
    raise KeyError("no such gene")


def stripes(image_shape):
    height = image_shape[0]
    return Encoding(
        "stripes",
        initialise=lambda key: jax.random.uniform(key, (height,)),
        decode=lambda genome: jnp.broadcast_to(genome[:, None, None], image_shape),
        mutations=(jitter,),
        crossovers=(average,),
    )


stripes_of_8 = stripes((8, 8, 1))
