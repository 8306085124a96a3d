"""Operators on lists of black pixels.

A list is [L] int32: numbers of pixels, row * W + column, no pixel twice; H * W is a free slot. Crossovers are
`(key, first, second, *, height, width) -> child` and the mutation `(key, genome, *, settings) -> genome`, for one
individual. None prefers a place of the image: the mutation and the list crossover treat all pixels of the
allowed section alike, and the crossovers by area take what is there from one parent or the other (a test
lets them drift).

Source: the Stack Exchange question on images at a CNN's decision boundary, with its three crossovers: "random
rectangular area swap between parents", "alternating column interchange", "direct black pixel crossover".
"""

import jax
import jax.numpy as jnp

from qdfool.operators.mutation import changed_positions, random_cuts
from qdfool.types import Array, Genome, Key


def rectangle_swap(key: Key, first: Genome, second: Genome, *, height: int, width: int) -> Genome:
    """Takes the black pixels of a random rectangle from the second parent, those around it from the first."""
    vertical, horizontal = jax.random.split(key)
    top, bottom = random_cuts(vertical, height)
    left, right = random_cuts(horizontal, width)

    def within(entries: Array) -> Array:
        row, column = entries // width, entries % width
        return (top <= row) & (row < bottom) & (left <= column) & (column < right)

    return _joined(first, second, within(first), within(second), height * width)


def alternating_columns(key: Key, first: Genome, second: Genome, *, height: int, width: int) -> Genome:
    """Takes the black pixels of every other column from the second parent, from column 0 or 1 on at random."""
    start = jax.random.randint(key, (), 0, 2)

    def within(entries: Array) -> Array:
        return entries % width % 2 == start

    return _joined(first, second, within(first), within(second), height * width)


def single_point(key: Key, first: Genome, second: Genome, *, height: int, width: int) -> Genome:
    """Takes the slots before a random cut from the first parent and the rest from the second.

    Either parent gives at least one slot. A pixel that comes from both is kept once.
    """
    slots = first.shape[0]
    cut = jax.random.randint(key, (), 1, max(slots, 2))
    return _distinct(jnp.where(jnp.arange(slots) < cut, first, second), height * width)


def redraw(
    key: Key,
    genome: Genome,
    *,
    rate: Array | float,
    most: int,
    height: int,
    width: int,
    margin: Array | float = 0.0,
) -> Genome:
    """Draws slots anew: with an even chance each becomes free, or a random pixel of the allowed section.

    Args:
        key: spent.
        genome: the parent.
        rate: chance of each slot to be drawn anew; may be traced.
        most: the most slots that one call can change, from `mutation.most_changes`.
        height: H.
        width: W.
        margin: as in `random_pixels`; may be traced. Pixels that the parent has there may stay.
    """
    free = height * width
    place, which, pixel = jax.random.split(key, 3)
    positions = changed_positions(place, genome.shape[0], rate, most)
    drawn = random_pixels(pixel, (most,), height=height, width=width, margin=margin)
    drawn = jnp.where(jax.random.bernoulli(which, shape=(most,)), drawn, free)
    changed = genome.at[positions].set(drawn, mode="drop", unique_indices=True, indices_are_sorted=True)
    return _distinct(changed, free)


def random_pixels(
    key: Key, shape: tuple[int, ...], *, height: int, width: int, margin: Array | float = 0.0
) -> Array:
    """Numbers of pixels of the allowed section, all alike; int32 of the shape given.

    Args:
        key: spent.
        shape: () for a single one.
        height: H.
        width: W.
        margin: the share, below 0.5, of each side of the image in which no pixel may lie, in whole pixels
            rounded down; 0 allows all of it, 0.25 the middle half of the height and width. May be traced.
    """
    vertical, horizontal = jax.random.split(key)

    def along(key: Key, length: int) -> Array:
        left_out = jnp.floor(jnp.asarray(margin, jnp.float32) * length).astype(jnp.int32)
        return jax.random.randint(key, shape, left_out, length - left_out)

    return along(vertical, height) * width + along(horizontal, width)


def _joined(first: Genome, second: Genome, out: Array, into: Array, free: int) -> Genome:
    """The first list without the entries `out` [L], with the entries `into` [L] of the second.

    Entries keep their slots where they can, so that relatives have the same pixel in the same slot, which the
    single-point crossover lives on. Others move to free slots; what finds none is left out.
    """
    stays = jnp.where(out, free, first)
    comes = jnp.where(into, second, free)
    child = jnp.where(stays == free, comes, stays)
    # The first entry that met an occupied slot goes to the first slot that is vacant, and so on.
    met, vacant = (stays != free) & (comes != free), child == free
    slots = first.shape[0]
    vacancy = (
        jnp.full(slots, slots)
        .at[jnp.where(vacant, jnp.cumsum(vacant) - 1, slots)]
        .set(jnp.arange(slots), mode="drop")
    )
    place = jnp.where(met, vacancy[jnp.cumsum(met) - 1], slots)
    return child.at[place].set(comes, mode="drop")


def _distinct(genome: Genome, free: int) -> Genome:
    """The list with every pixel in the first of its slots only."""
    slot = jnp.arange(genome.shape[0], dtype=jnp.int32)
    first = jnp.full(free + 1, genome.shape[0], jnp.int32).at[genome].min(slot)
    return jnp.where(first[genome] == slot, genome, free)
