"""A user's own encoding and operators, named as own_parts:attribute: an image of one brightness a row."""

import jax
import jax.numpy as jnp

from qdfool.types import Emitter, Encoding


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


def stripes_of_whole_numbers(image_shape):
    def decode(genome):
        return jnp.broadcast_to(genome[:, None, None].astype(jnp.float32), image_shape)

    return Encoding(
        "whole numbers",
        initialise=lambda key: jax.random.randint(key, image_shape[:1], 0, 2),
        decode=decode,
        mutations=(lambda key, genome: 1 - genome,),
        differentiable=decode,
    )


def copies(size, encoding):
    """An emitter of copies of the elites, which counts its generations."""

    def emit(key, generation, state, elites, score):
        cells = jax.random.randint(key, (size,), 0, elites.fitness.shape[0])
        return jax.tree.map(lambda leaf: leaf[cells], elites.genome), cells, state

    return Emitter(lambda genome: jnp.int32(0), emit, lambda state, *_: state + 1)


def mirrors(size, encoding):
    """Copies of the elites, which looks at both measures."""

    def emit(key, generation, state, elites, score):
        children, cells, state = copies(size, encoding).emit(key, generation, state, elites, score)
        return children, jnp.where(elites.measures[cells, 1] > 0, cells, 0), state

    def update(state, elites, children, parents, outcome):
        return state + (outcome.measures[0, 1] > 0)

    return Emitter(lambda genome: jnp.int32(0), emit, update)


def no_emitter(size, encoding):
    return 7


def too_few(size, encoding):
    return copies(size - 1, encoding)


def growing(size, encoding):
    def emit(key, generation, state, elites, score):
        children, cells, _ = copies(size, encoding).emit(key, generation, state, elites, score)
        return children, cells, jnp.concatenate([state, state])

    return Emitter(lambda genome: jnp.zeros(1), emit)


def fails_when_told(size, encoding):
    def update(state, elites, children, parents, outcome):
        raise KeyError("no such outcome")

    return Emitter(lambda genome: (), copies(size, encoding).emit, update)


def beyond(size, encoding):
    """Pixels brighter than white."""

    def emit(key, generation, state, elites, score):
        children, cells, state = copies(size, encoding).emit(key, generation, state, elites, score)
        return children + 1, cells, state

    return Emitter(lambda genome: jnp.int32(0), emit)


def of_no_numbers(size, encoding):
    """Pixels that are NaN."""

    def emit(key, generation, state, elites, score):
        children, cells, state = copies(size, encoding).emit(key, generation, state, elites, score)
        return children * jnp.nan, cells, state

    return Emitter(lambda genome: jnp.int32(0), emit)


def orphans(size, encoding):
    """Of parents that the archive has no cell for."""

    def emit(key, generation, state, elites, score):
        children, cells, state = copies(size, encoding).emit(key, generation, state, elites, score)
        return children, cells + elites.fitness.shape[0], state

    return Emitter(lambda genome: jnp.int32(0), emit)


def strays(size, encoding):
    """Of parents before the first cell."""

    def emit(key, generation, state, elites, score):
        children, cells, state = copies(size, encoding).emit(key, generation, state, elites, score)
        return children, -2 - cells, state

    return Emitter(lambda genome: jnp.int32(0), emit)


def keeps_a_key(size, encoding):
    return Emitter(lambda genome: jax.random.key(0), copies(size, encoding).emit)


def failing(size, encoding):
    raise KeyError("no such emitter")
