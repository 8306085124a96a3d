"""Selections: which cells the parents of a generation come from.

Every selection is `(key, elites, size, **settings) -> [size] int32`: cells drawn with replacement among the
occupied ones, of which there must be one. A child that won k cells stands in each of
them, and so counts k times, as in Nguyen, Yosinski and Clune 2015. Those that look at the fitness alone take the
population of a genetic algorithm as well, whose cells are its individuals.
"""

import math
from typing import Protocol

import jax
import jax.numpy as jnp
from jax import lax

from qdfool.engine.archive import occupied
from qdfool.types import Array, Elites, Key

BLOCK = 64
"""Cells that are counted together."""
CERTAIN = math.log(0.9999 / 0.0001)
"""Log-odds of 99.99 %."""


class Scored(Protocol):
    """An archive or a population: whatever has the fitness of its cells."""

    @property
    def fitness(self) -> Array:
        """[N] float32, higher is better; -inf where the cell is empty."""
        ...


def uniform(key: Key, elites: Scored, size: int) -> Array:
    """Every occupied cell has the same chance: the choice of Nguyen, Yosinski and Clune 2015."""
    return _drawn(key, occupied(elites.fitness), size)


def fitness_proportional(key: Key, elites: Scored, size: int) -> Array:
    """A cell's chance is proportional to the confidence of its elite, sigmoid(fitness).

    Taken relative to the best one, and so never 0 / 0, however unsure all are. Source: Timbe et al. 2021,
    Breaking CNNs (fitness proportion selection, there with a fitness of their own).
    """
    log_confidence = jax.nn.log_sigmoid(elites.fitness)
    return _proportional(key, elites, jnp.exp(log_confidence - jnp.max(log_confidence)), size)


def proportional(key: Key, elites: Scored, size: int) -> Array:
    """A cell's chance is proportional to its fitness, which must not be negative; all alike if all are 0.

    For populations whose fitness is no log-odds. Source: Holland 1975 (Adaptation in natural and artificial
    systems); as the fitness proportion selection of Timbe et al. 2021, Breaking CNNs, has it.
    """
    total = jnp.sum(jnp.where(elites.fitness > 0.0, elites.fitness, 0.0))
    return _proportional(key, elites, jnp.where(total > 0.0, elites.fitness, 1.0), size)


def tournament(key: Key, elites: Scored, size: int, *, tournament_size: int = 20) -> Array:
    """The fittest of `tournament_size` occupied cells, drawn uniformly with replacement.

    Of equals, the first drawn wins. Source: Timbe et al. 2021, Breaking CNNs (tournament selection of 20).
    """
    drawn = _drawn(key, occupied(elites.fitness), size * tournament_size)
    entrants = drawn.reshape(size, tournament_size)
    winner = jnp.argmax(elites.fitness[entrants], axis=1)
    return jnp.take_along_axis(entrants, winner[:, None], axis=1)[:, 0]


def ranking(key: Key, elites: Scored, size: int) -> Array:
    """A cell's chance is proportional to the rank of its elite: 1 for the worst, n for the best of n.

    Of equals, the one in the later cell ranks higher. Source: Timbe et al. 2021, Breaking CNNs (ranking
    selection).
    """
    worst_first = jnp.argsort(elites.fitness, stable=True).astype(jnp.int32)
    count = jnp.sum(occupied(elites.fitness))
    # The greater of two distinct numbers of 0 to n is r with a probability proportional to r.
    one, other = jax.random.split(key)
    first = jax.random.randint(one, (size,), 0, count + 1)
    second = jax.random.randint(other, (size,), 0, count)
    rank = jnp.maximum(first, second + (second >= first))
    return worst_first[elites.fitness.shape[0] - count + rank - 1]


def curiosity(key: Key, elites: Elites, size: int, *, least: float = 0.01) -> Array:
    """A cell's chance grows with its curiosity score, which rewards parents whose children made it in.

    Cully and Demiris 2018 (Quality and diversity optimization: a unifying modular framework), section III-C.
    Scores may be negative, so the weight is the distance from the lowest score, plus the share `least` (above
    0) of the distance from the lowest to the highest: every elite keeps a chance, and equals the same one.
    """
    present = occupied(elites.fitness)
    lowest = jnp.min(elites.curiosity, where=present, initial=jnp.inf)
    spread = jnp.max(elites.curiosity, where=present, initial=-jnp.inf) - lowest
    weight = elites.curiosity - lowest + jnp.where(spread > 0.0, least * spread, 1.0)
    return _proportional(key, elites, weight, size)


def lowest(key: Key, elites: Scored, size: int) -> Array:
    """The elites of the lowest fitness, the lowest first; all of them in turn where there are fewer than `size`.

    Draws nothing: for emitters that draw themselves, and go where most is left to be won.
    """
    lowest_first = jnp.argsort(jnp.where(occupied(elites.fitness), elites.fitness, jnp.inf), stable=True)
    return lowest_first[jnp.arange(size) % jnp.sum(occupied(elites.fitness))].astype(jnp.int32)


def unsure(key: Key, elites: Scored, size: int) -> Array:
    """The elites below 99.99 % in a random order, all of them in turn where there are fewer than `size`; where none is
    below, all elites.

    What is certain is followed no more: where the gradient ascent of Nguyen et al. 2015 (section 3.3) stops.
    """
    present = occupied(elites.fitness)
    below = present & (elites.fitness < CERTAIN)
    wanted = jnp.where(jnp.any(below), below, present)
    order = jnp.argsort(jnp.where(wanted, jax.random.uniform(key, present.shape, jnp.float32), jnp.inf))
    return order[jnp.arange(size) % jnp.sum(wanted)].astype(jnp.int32)


def _drawn(key: Key, present: Array, size: int) -> Array:
    """[size] int32, cells drawn uniformly, with replacement, of those that are present [N].

    By blocks, so that a large archive is read once and written nowhere.
    """
    counts = _by_block(present)
    ends = jnp.cumsum(counts)
    number = jax.random.randint(key, (size,), 0, ends[-1])
    block = _first_above(ends, number)
    cells = block[:, None] * BLOCK + jnp.arange(BLOCK, dtype=jnp.int32)
    there = present.at[cells].get(mode="fill", fill_value=False)
    before = jnp.cumsum(there, axis=1) <= (number - ends[block] + counts[block])[:, None]
    return (block * BLOCK + before.sum(axis=1)).astype(jnp.int32)


def _by_block(present: Array) -> Array:
    """[ceil(N / BLOCK)] int32, how many of each BLOCK cells are present, [N] bool."""
    whole, rest = jnp.split(present, [present.shape[0] // BLOCK * BLOCK])
    counts = lax.platform_dependent(
        whole.reshape(-1, BLOCK),
        cpu=_counted_by_a_product,
        default=lambda blocks: blocks.sum(axis=1, dtype=jnp.int32),
    )
    return jnp.append(counts, rest.sum(dtype=jnp.int32)) if rest.size else counts


def _counted_by_a_product(blocks: Array) -> Array:
    """[n] int32, how many of each row are true, [n, BLOCK] bool: exact, and on a CPU several times faster than a sum
    of whole numbers."""
    ones = jnp.ones(BLOCK, jnp.float32)
    return jnp.dot(blocks.astype(jnp.float32), ones, precision=lax.Precision.HIGHEST).astype(jnp.int32)


def _occupied_cells(elites: Scored) -> tuple[Array, Array]:
    """[N] int32, the occupied cells first, in order, and their number, []."""
    present = occupied(elites.fitness)
    (cells,) = jnp.nonzero(present, size=present.shape[0], fill_value=0)
    return cells.astype(jnp.int32), jnp.sum(present)


def _proportional(key: Key, elites: Scored, weights: Array, size: int) -> Array:
    """[size] int32, occupied cells with chances proportional to `weights` [N]; the others' are ignored."""
    cells, count = _occupied_cells(elites)
    # Empty cells are left out, instead of weighing 0: rounding in the sums can then never pick one.
    present = jnp.arange(cells.shape[0]) < count
    sums = jnp.cumsum(jnp.where(present, weights[cells], 0.0))
    drawn = _first_above(sums, jax.random.uniform(key, (size,), jnp.float32) * sums[-1])
    return cells[jnp.minimum(drawn, count - 1)]


def _first_above(rising: Array, values: Array) -> Array:
    """[size] int32, where in the rising numbers [N] the first is that is above each value [size]; N if none is."""
    # Unrolled: on a GPU a turn of a loop waits for the host.
    return jnp.searchsorted(rising, values, side="right", method="scan_unrolled")
