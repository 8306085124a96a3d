"""Mutations of images: one parent in, one child out.

Every mutation is `(key, genome, *, settings) -> genome` for one individual and keeps shape, dtype and range
of the genome [H, W, C]: float32 in [0, 1] (pixels) or uint8 in {0, 1} (binary). `rate` is the chance of each
gene to change, independent of the others; it may be traced, so that it can fall over the generations.
`max_changes` is static: the most genes that one call can change on a CPU, from `max_changes` of the highest rate.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from qdfool.errors import InputError, in_range
from qdfool.types import Array, Genome, Key

MOST_GENES = 2**30 - 2
"""Of a genome: the sum of two positions, or of a position and a number of changes, is an int32."""
FEW = 256
"""Changes of a genome whose positions are summed by a matrix product, which costs their square."""
EXACT = 2**24
"""What float32 counts to."""
BELOW_ONE = 1.0 - 2.0**-24
"""The greatest number below 1, and the least above -1, in float32."""
ABOVE_MINUS_ONE = -BELOW_ONE
SQUARE_ROOT_OF_TWO = math.sqrt(2.0)


def max_changes(size: int, rate: float) -> int:
    """The number of changes that a mutation of `size` genes has to make room for, at most `size`.

    Six standard deviations above the binomial's mean, and four more, because small counts are skewed. A
    mutation that would change more genes than that is cut short, with a probability below 1e-8.

    Raises:
        InputError: `rate` is outside [0, 1], or there are more genes than `changed_positions` can count.
    """
    _countable(size)
    in_range("mutation rate", rate, 0.0, 1.0)
    mean = size * rate
    return min(size, math.ceil(mean + 6.0 * math.sqrt(mean * (1.0 - rate)) + 4.0))


def _countable(size: int) -> None:
    if size > MOST_GENES:
        raise InputError(
            f"A genome has at most {MOST_GENES:,} genes; got {size:,}. Choose a smaller image, or the encoding 'cppn'."
        )


def changed_positions(key: Key, size: int, rate: Array | float, max_changes: int) -> Array:
    """Draws which of `size` genes change, each with probability `rate`, at a cost of `max_changes` draws.

    The gaps between the successes of independent trials are geometric, and a geometric number is an
    exponential one rounded: to draw the gaps is the same as to toss a coin for every gene, and cheaper
    (Devroye 1986, Non-Uniform Random Variate Generation, chapter X.2).

    Returns:
        [max_changes] int32, strictly increasing; a position of `size` or more means no gene (`mode="drop"`).

    Raises:
        InputError: `size` is more than int32 can count.
    """
    _countable(size)
    # Finest near 0, which the short gaps come from, so that small rates are met too; never 0 or 1.
    uniform = (jax.random.bits(key, (max_changes,)).astype(jnp.float32) + 0.5) * 2.0**-32
    waiting = -jnp.log1p(-jnp.minimum(uniform, BELOW_ONE))
    # In (1e-10, 17). The bounds below make every gap 1 at rate 1, and longer than any genome at rate 0.
    per_gene = jnp.clip(-jnp.log1p(-jnp.asarray(rate, jnp.float32)), 1e-30, 17.0)
    gaps = 1 + jnp.minimum(jnp.floor(waiting / per_gene), size).astype(jnp.int32)

    positions = _sums(gaps, size + 1) - 1
    return jnp.where(positions < size, positions, size + jnp.arange(max_changes))


def _sums(gaps: Array, most: int) -> Array:
    """[n] int32, the sum of the gaps until each, all of 1 to `most`; beyond `most`, any number that is, too."""
    count = gaps.shape[0]
    if count <= FEW and count * most < EXACT:
        # A product with ones: for all children together it is a single large one, which is faster than any sum on a
        # CPU, and exact.
        ones = np.triu(np.ones((count, count), np.float32))
        return jnp.dot(gaps.astype(jnp.float32), ones, precision=lax.Precision.HIGHEST).astype(jnp.int32)

    # Whole numbers, because float32 counts to 2**24 only; what is past the end stays there, and so does not overflow.
    def together(one: Array, other: Array) -> Array:
        return jnp.minimum(one + other, most)

    return lax.associative_scan(together, gaps)  # faster than cumsum on the CPU


def polynomial(key: Key, genome: Genome, *, rate: Array | float, eta: float, max_changes: int) -> Genome:
    """Adds a step in (-1, 1) of polynomial density, narrower for a greater index `eta`; clips to [0, 1].

    The simple form of Deb and Goyal 1996 (A combined genetic adaptive search for engineering design), which
    ignores the bounds: (2u)^(1/(eta+1)) - 1 for u < 1/2, else 1 - (2(1-u))^(1/(eta+1)). Its standard
    deviation is about 0.081 at eta 15. float32 only.
    """
    place_key, step_key = jax.random.split(key)

    def stepped(genes: Array, uniform: Array) -> Array:
        # The sign says which half of the density, the magnitude how far into it.
        side = 2.0 * uniform - 1.0
        remainder = jnp.exp(jnp.log(1.0 - jnp.abs(side)) / (eta + 1.0))  # a power; `**` is slower on the CPU
        return jnp.clip(genes + jnp.sign(side) * (1.0 - remainder), 0.0, 1.0)

    return _changed(place_key, step_key, genome, rate, max_changes, stepped)


def gaussian(
    key: Key, genome: Genome, *, rate: Array | float, sigma: Array | float, max_changes: int
) -> Genome:
    """Adds normal noise of standard deviation `sigma` and clips to [0, 1]. float32 only."""
    place_key, step_key = jax.random.split(key)

    def stepped(genes: Array, uniform: Array) -> Array:
        # As `jax.random.normal` has it: never -1, whose quantile is infinite.
        side = jnp.maximum(ABOVE_MINUS_ONE, 2.0 * uniform + ABOVE_MINUS_ONE)
        return jnp.clip(genes + sigma * (SQUARE_ROOT_OF_TWO * lax.erf_inv(side)), 0.0, 1.0)

    return _changed(place_key, step_key, genome, rate, max_changes, stepped)


def reset(key: Key, genome: Genome, *, rate: Array | float, max_changes: int) -> Genome:
    """Draws genes anew: uniform in [0, 1) for float32, a fair bit for uint8."""
    place_key, value_key = jax.random.split(key)
    if jnp.issubdtype(genome.dtype, jnp.integer):

        def drawn(genes: Array, uniform: Array) -> Array:
            return jax.random.bits(value_key, genes.shape, jnp.uint8) & 1

        return _changed(place_key, None, genome, rate, max_changes, drawn)
    return _changed(place_key, value_key, genome, rate, max_changes, lambda genes, uniform: uniform)


def bit_flip(key: Key, genome: Genome, *, rate: Array | float, max_changes: int) -> Genome:
    """Turns genes into their negative, 1 - gene.

    Source: the Stack Overflow question on evolving a seven with a CNN as the judge.
    """
    return _changed(key, None, genome, rate, max_changes, lambda genes, uniform: 1 - genes)


def block_flip(key: Key, genome: Genome, *, block: int) -> Genome:
    """Turns one random square of `block` x `block` pixels, wholly inside the image, into its negative.

    Source: an answer to the Stack Overflow question on evolving a seven, with blocks of 6 x 6.

    Raises:
        InputError: the square is larger than the image.
    """
    return jnp.where(random_square(key, genome.shape, block), 1 - genome, genome)


def swap(key: Key, genome: Genome) -> Genome:
    """Exchanges two random distinct pixels, all channels.

    Source: Timbe et al. 2021, Breaking CNNs (swap mutation).
    """
    height, width, channels = genome.shape
    pixels = genome.reshape(height * width, channels)
    first, second = random_cuts(key, height * width - 1)
    there, back = jnp.stack([first, second]), jnp.stack([second, first])
    return pixels.at[there].set(pixels[back]).reshape(genome.shape)


def inversion(key: Key, genome: Genome) -> Genome:
    """Reverses the order of the pixels between two random cuts, counted along the rows.

    Source: Timbe et al. 2021, Breaking CNNs (inversion mutation).
    """
    height, width, channels = genome.shape
    pixels = genome.reshape(height * width, channels)
    start, end = random_cuts(key, height * width)
    index = jnp.arange(height * width)
    between = (start <= index) & (index < end)
    return pixels[jnp.where(between, start + end - 1 - index, index)].reshape(genome.shape)


def random_cuts(key: Key, length: int) -> tuple[Array, Array]:
    """Two distinct whole numbers of 0 to `length`, both included, the lesser first; all pairs alike."""
    one, other = jax.random.split(key)
    first = jax.random.randint(one, (), 0, length + 1)
    # The second is drawn from the numbers that are left; nothing is left when the length is 0.
    second = jax.random.randint(other, (), 0, max(length, 1))
    second = jnp.minimum(second + (second >= first), length)
    return jnp.minimum(first, second), jnp.maximum(first, second)


def random_square(key: Key, shape: tuple[int, int, int], side: int) -> Array:
    """[H, W, 1] bool: a random square of `side` pixels, wholly inside an image of `shape` (H, W, C).

    Raises:
        InputError: the square is larger than the image, or smaller than one pixel.
    """
    height, width, _ = shape
    if not 1 <= side <= min(height, width):
        raise InputError(
            f"A square of {side} x {side} pixels does not fit into an image of {height} x {width}. "
            f"Choose a side from 1 to {min(height, width)}."
        )
    vertical, horizontal = jax.random.split(key)
    top = jax.random.randint(vertical, (), 0, height - side + 1)
    left = jax.random.randint(horizontal, (), 0, width - side + 1)
    return rectangle(shape, top, top + side, left, left + side)


def rectangle(
    shape: tuple[int, int, int], top: Array | int, bottom: Array | int, left: Array | int, right: Array | int
) -> Array:
    """[H, W, 1] bool: rows `top` to `bottom` and columns `left` to `right`, the second of each excluded."""
    rows = jnp.arange(shape[0])[:, None, None]
    columns = jnp.arange(shape[1])[None, :, None]
    return (top <= rows) & (rows < bottom) & (left <= columns) & (columns < right)


Change = Callable[[Array, Array], Array]
"""(genes, numbers uniform in [0, 1) of the same shape) to new genes, element by element."""


def _changed(
    key: Key, change_key: Key | None, genome: Genome, rate: Array | float, max_changes: int, change: Change
) -> Genome:
    """The genome [H, W, C] in which each gene has a chance of `rate` to become what `change` makes of it.

    What is random is drawn in the formulation that suits the platform that the program is compiled for.

    Args:
        key: for which genes change.
        change_key: for what they change to, on a CPU; None where `change` does without the numbers.
        genome: the parent.
        rate, max_changes: as the mutations take them.
        change: what becomes of genes.
    """
    return lax.platform_dependent(
        genome,
        cpu=lambda genome: few_changed(key, change_key, genome, rate, max_changes, change),
        default=lambda genome: side_by_side(key, genome, rate, change),
    )


def few_changed(
    key: Key, change_key: Key | None, genome: Genome, rate: Array | float, max_changes: int, change: Change
) -> Genome:
    """The CPU's formulation: what does not change is not touched.

    A pass over a large genome costs more than all its changes.
    """
    positions = changed_positions(key, genome.size, rate, max_changes)
    genes = genome.reshape(-1).at[positions]
    shape = positions.shape
    uniform = (
        jnp.zeros(shape, jnp.float32)
        if change_key is None
        else jax.random.uniform(change_key, shape, jnp.float32)
    )
    values = change(genes.get(mode="clip"), uniform)
    return genes.set(values, mode="drop", unique_indices=True, indices_are_sorted=True).reshape(genome.shape)


def side_by_side(key: Key, genome: Genome, rate: Array | float, change: Change) -> Genome:
    """The formulation for a GPU or TPU: a number drawn for each gene.

    Where single genes are addressed, a TPU lays the three colours of a pixel out as 128, and its compiler takes minutes
    over the sum of the gaps. To draw is most of what it costs, so that one number serves twice: a gene changes where it
    is below the rate, and then how far below is uniform too.
    """
    # Of all 32 bits, most finely near 0, where those are that change; never 1.
    drawn = jax.random.bits(key, genome.shape).astype(jnp.float32) * 2.0**-32
    drawn = jnp.minimum(drawn, BELOW_ONE)
    # At a rate of 0 none changes, and nothing may become NaN.
    uniform = jnp.minimum(drawn / jnp.maximum(jnp.asarray(rate, jnp.float32), 2.0**-32), BELOW_ONE)
    return jnp.where(drawn < rate, change(genome, uniform), genome)
