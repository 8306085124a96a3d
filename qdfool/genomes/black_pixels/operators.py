"""Operators on lists of black pixels.

A list is [L] int32: numbers of pixels, row * W + column, no pixel twice; H * W is a free slot. Crossovers are
`(key, first, second, *, height, width) -> child` and the mutation `(key, genome, *, settings) -> genome`, for one
individual.

None prefers a place of the image. Parents change roles by chance, and whatever the place of a pixel, it then has
an even chance to come over from the one parent that has it, and is certain to if both have it. (Only a list that
is full to the last slot loses some.) Lists without selection drift, and their ink stays uniform: a test.

Source: the Stack Exchange question on images at a CNN's decision boundary, with its three crossovers: "random
rectangular area swap between parents", "alternating column interchange", "direct black pixel crossover".
"""

import jax
import jax.numpy as jnp

from qdfool.genomes.pixels.mutation import changed_positions, random_cuts
from qdfool.types import Array, Genome, Key


def rectangle_swap(key: Key, first: Genome, second: Genome, *, height: int, width: int) -> Genome:
    """Takes the black pixels of a random rectangle from the second parent, those around it from the first."""
    vertical, horizontal = jax.random.split(key)
    top, bottom = random_cuts(vertical, height)
    left, right = random_cuts(horizontal, width)

    def within(entries: Array) -> Array:
        row, column = entries // width, entries % width  # a free slot's row is below the image
        return (top <= row) & (row < bottom) & (left <= column) & (column < right)

    free = height * width
    return _merged(jnp.where(within(first), free, first), jnp.where(within(second), second, free), free)


def alternating_columns(key: Key, first: Genome, second: Genome, *, height: int, width: int) -> Genome:
    """Takes the black pixels of every other column from the second parent, from column 0 or 1 on at random."""
    start = jax.random.randint(key, (), 0, 2)

    def within(entries: Array) -> Array:
        return entries % width % 2 == start

    free = height * width
    return _merged(jnp.where(within(first), free, first), jnp.where(within(second), second, free), free)


def single_point(key: Key, first: Genome, second: Genome, *, height: int, width: int) -> Genome:
    """Takes the list before a random cut from the first parent and after it from the second.

    The cut is at the same share of both, and only in what they do not have in common: pixels that both have are
    kept, once.
    """
    free = height * width

    def own(entries: Array, others: Array) -> tuple[Array, Array]:
        """Whether a pixel is in this list alone [L], and how far down among those it stands, in (0, 1)."""
        listed = jnp.zeros(free + 1, bool).at[others].set(True)
        alone = (entries != free) & ~listed[entries]
        return alone, (jnp.cumsum(alone) - 0.5) / jnp.maximum(jnp.sum(alone), 1)

    cut = jax.random.uniform(key, dtype=jnp.float32)
    first_alone, first_place = own(first, second)
    second_alone, second_place = own(second, first)
    stays = jnp.where(first_alone & (first_place >= cut), free, first)
    comes = jnp.where(second_alone & (second_place >= cut), second, free)
    return _merged(stays, comes, free)


def redraw(
    key: Key,
    genome: Genome,
    *,
    rate: Array | float,
    max_changes: int,
    height: int,
    width: int,
    margin: Array | float = 0.0,
) -> Genome:
    """Draws slots anew: with an even chance each becomes free, or a random pixel of the allowed section.

    Args:
        key: of this one mutation.
        genome: the parent.
        rate: chance of each slot to be drawn anew; may be traced.
        max_changes: the most slots that one call can change, from `mutation.max_changes`.
        height: H.
        width: W.
        margin: as in `random_pixels`; may be traced. Pixels that the parent has there may stay.
    """
    free = height * width
    place_key, which_key, pixel_key = jax.random.split(key, 3)
    positions = changed_positions(place_key, genome.shape[0], rate, max_changes)
    drawn = random_pixels(pixel_key, (max_changes,), height=height, width=width, margin=margin)
    drawn = jnp.where(jax.random.bernoulli(which_key, shape=(max_changes,)), drawn, free)
    changed = genome.at[positions].set(drawn, mode="drop", unique_indices=True, indices_are_sorted=True)
    return _distinct(changed, free)


def random_pixels(
    key: Key, shape: tuple[int, ...], *, height: int, width: int, margin: Array | float = 0.0
) -> Array:
    """Numbers of pixels of the allowed section, all alike; int32 of the shape given.

    Args:
        key: of this one draw.
        shape: () for a single one.
        height: H.
        width: W.
        margin: the share, below 0.5, of each side of the image in which no pixel may lie, in whole pixels
            rounded down; 0 allows all of it, 0.25 the middle half of the height and width. May be traced.
    """
    vertical, horizontal = jax.random.split(key)

    def along(key: Key, length: int) -> Array:
        left_out = jnp.floor(jnp.asarray(margin, jnp.float32) * length).astype(jnp.int32)
        return jax.random.randint(key, shape, left_out, length - left_out, jnp.int32)

    return along(vertical, height) * width + along(horizontal, width)


def _merged(stays: Genome, comes: Genome, free: int) -> Genome:
    """The entries of two lists that have no pixel in common, one list after the other; what finds no slot is left
    out."""
    entries = jnp.concatenate([stays, comes])
    slots, taken = stays.shape[0], entries != free
    slot = jnp.where(taken, jnp.cumsum(taken) - 1, slots)
    return jnp.full(slots, free, jnp.int32).at[slot].set(entries, mode="drop")


def _distinct(genome: Genome, free: int) -> Genome:
    """The list with every pixel in the first of its slots only."""
    slot = jnp.arange(genome.shape[0], dtype=jnp.int32)
    first = jnp.full(free + 1, genome.shape[0], jnp.int32).at[genome].min(slot)
    return jnp.where(first[genome] == slot, genome, free)
