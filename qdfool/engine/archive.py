"""The device's archive and how children get into it: pure functions over `Elites`.

Cell n of the archive is class n // G and grid cell n % G, where G is 1 for the class archive.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap

from qdfool.together import as_one_batch
from qdfool.types import Array, Elites, Genome, Origin

MOST_AT_ONCE = 64
"""Cells won that are written in one turn of a loop."""
BYTES_AT_ONCE = 1 << 18
"""What is written in one turn where elites are large."""


def empty(
    genome: Genome,
    classes: int,
    grid_cells: int,
    measures: int,
    numpy: Any = jnp,
    begins_with_pictures: bool = False,
) -> Elites:
    """An archive without elites.

    Args:
        genome: one individual's genome, or its shapes: says what a cell must hold.
        classes: K.
        grid_cells: G, cells of the grid per class.
        measures: M.
        numpy: what makes the arrays: jax.numpy, or NumPy for an archive on the host, where zeros take no memory until
            they are written to.
        begins_with_pictures: whether the elites have an origin.
    """
    cells = classes * grid_cells
    origin = Origin(numpy.full(cells, -1, numpy.int32), numpy.full(cells, numpy.nan, numpy.float32))
    return Elites(
        genome=jax.tree.map(lambda leaf: numpy.zeros((cells, *leaf.shape), leaf.dtype), genome),
        fitness=numpy.full(cells, -numpy.inf, numpy.float32),
        measures=numpy.full((cells, measures), numpy.nan, numpy.float32),
        birth_generation=numpy.full(cells, -1, numpy.int32),
        parent_class=numpy.full(cells, -1, numpy.int32),
        num_replacements=numpy.zeros(cells, numpy.int32),
        curiosity=numpy.zeros(cells, numpy.float32),
        origin=origin if begins_with_pictures else (),
    )


def occupied(fitness: Array | np.ndarray) -> Any:
    """[N] bool: the cells that have an elite, by their fitness [N]; of NumPy where the fitness is."""
    return fitness > -jnp.inf


class Winners(NamedTuple):
    """The best child of each of the M cells where children came, one row a cell."""

    cell: Array
    """[M] int32, each cell once, in rising order within a class; N where there is none."""
    child: Array
    """[M] int32, its row in the batch."""
    won: Array
    """[M] bool, whether the cell changes hands."""


def enter(elites: Elites, challengers: Elites, parents: Array, cell_index: Array) -> tuple[Elites, Array]:
    """Lets a batch of children compete, writes the winners into their cells and rewards their parents.

    Args:
        elites: the archive, N cells.
        challengers: as `insert` takes them.
        parents: [B] int32, cell of each child's parent; -1 for none.
        cell_index: [B] int32, grid cell of each child.

    Returns:
        The archive, and [K] int32, how many cells of each class changed hands.
    """
    winners = compete(challengers.fitness, cell_index, elites.fitness)
    curiosity = reward_parents(elites.curiosity, parents, winners.child, winners.won)
    elites = insert(elites._replace(curiosity=curiosity), challengers, winners)
    return elites, by_class(winners.won, challengers.fitness.shape[1])


def compete(fitness: Array, cell_index: Array, incumbent: Array) -> Winners:
    """Lets every child compete for every class, in the grid cell where its measures put it.

    The winner of a cell is the child with the highest fitness there; among equals the first of the
    batch, and the incumbent before any child. So the elites are those that one child after another,
    replacing on strictly higher fitness, would leave (Nguyen et al. 2015, supplement).

    Args:
        fitness: [B, K] log-odds; -inf for a child that must not win.
        cell_index: [B] int32, grid cell of each child, in [0, G).
        incumbent: [N] float32 fitness of the elites, N = K x G.
    """
    classes = fitness.shape[1]
    grid_cells = incumbent.shape[0] // classes
    place, places = where_children_came(cell_index, grid_cells)
    child, best = best_children(fitness, place, places.shape[0])
    cell = cells_of(places, classes, grid_cells)
    return Winners(cell, child, best > incumbent.at[cell].get(mode="fill", fill_value=jnp.inf))


def where_children_came(cell_index: Array, grid_cells: int) -> tuple[Array, Array]:
    """Numbers the grid cells where a batch came, so that what follows costs what the batch does, not the grid.

    Args:
        cell_index: [B] int32, grid cell of each child, in [0, G).
        grid_cells: G.

    Returns:
        [B] int32, the number of each child's grid cell, and
        [S] int32, the grid cell of each number, in rising order, G for numbers without one; S = min(B, G).
    """
    batch = cell_index.shape[0]
    if grid_cells <= batch:
        return cell_index, jnp.arange(grid_cells, dtype=jnp.int32)
    order = jnp.argsort(cell_index)
    rising = cell_index[order]
    number = jnp.cumsum(jnp.diff(rising, prepend=rising[:1]) != 0, dtype=jnp.int32)
    places = jnp.full(batch, grid_cells, jnp.int32).at[number].set(rising)
    return jnp.zeros_like(number).at[order].set(number), places


def cells_of(places: Array, classes: int, grid_cells: int) -> Array:
    """[K x S] int32, the cells of grid cells [S] in each class, class after class; N for the grid cell G."""
    cells = jnp.arange(classes, dtype=jnp.int32)[:, None] * grid_cells + places
    return jnp.where(places < grid_cells, cells, classes * grid_cells).reshape(-1)


def best_children(fitness: Array, place: Array, places: int) -> tuple[Array, Array]:
    """The best child of each cell, the first among equals.

    Args:
        fitness: [B, K], as `compete` takes it.
        place: [B] int32, in [0, S).
        places: S.

    Returns:
        [K x S] int32, its row in the batch (any number where no child came), and
        [K x S] float32, its fitness, -inf where no child came.
    """
    last = fitness.shape[0] - 1
    rows = jnp.arange(last + 1, dtype=jnp.int32)[:, None]
    if places == 1:
        # Two reductions of one kind each: XLA's argmax of a column is several times slower on a CPU.
        best = fitness.max(axis=0)
        return jnp.where(fitness == best, rows, last).min(axis=0), best
    best = jax.ops.segment_max(fitness, place, places)
    winner = jax.ops.segment_min(jnp.where(fitness == best[place], rows, last), place, places)
    return jnp.minimum(winner.T.reshape(-1), last), best.T.reshape(-1)


def by_class(won: Array, classes: int) -> Array:
    """[K] int32, how many of [K x S] cells changed hands in each class."""
    return won.reshape(classes, -1).sum(axis=1, dtype=jnp.int32)


@custom_vmap
def insert(elites: Elites, challengers: Elites, winners: Winners) -> Elites:
    """Writes the winners into their cells, whole: every leaf of a cell comes from one child, and only the cells won
    are written.

    Args:
        elites: the archive, N cells.
        challengers: the children as elites [B, ...], but `fitness` [B, K]; `num_replacements` and `curiosity`
            are not read: a new elite adds one to its cell's replacements and starts with no curiosity.
        winners: what `compete` returned.
    """
    grid_cells = elites.fitness.shape[0] // challengers.fitness.shape[1]
    return _write(elites, challengers, winners, winners.cell // grid_cells)


@insert.def_vmap
def _insert_into_several(
    archives: int, batched: Any, elites: Elites, challengers: Elites, winners: Winners
) -> tuple[Elites, Elites]:
    """`insert` of several archives [S, N, ...], as one of S x N cells, at most 2^31 - 1. What JAX makes of the loop by
    itself would copy every cell in every turn of it."""
    cells, batch = elites.fitness.shape[-1], challengers.fitness.shape[-2]
    grid_cells = cells // challengers.fitness.shape[-1]
    elites, challengers, winners = as_one_batch(archives, batched, (elites, challengers, winners))
    archive = jnp.repeat(jnp.arange(archives, dtype=jnp.int32), winners.won.shape[0] // archives)
    own = Winners(archive * cells + winners.cell, archive * batch + winners.child, winners.won)
    written = _write(elites, challengers, own, winners.cell // grid_cells)
    apart = jax.tree.map(lambda leaf: leaf.reshape(archives, cells, *leaf.shape[1:]), written)
    return apart, jax.tree.map(lambda _: True, apart)


def _write(elites: Elites, challengers: Elites, winners: Winners, class_index: Array) -> Elites:
    """`insert`, where each row of the winners says its class, [M] int32, in the formulation that suits the platform
    that the program is compiled for."""
    return jax.lax.platform_dependent(
        elites,
        challengers,
        winners,
        class_index,
        cuda=all_at_once,
        rocm=all_at_once,
        default=few_at_a_time,
    )


def few_at_a_time(elites: Elites, challengers: Elites, winners: Winners, class_index: Array) -> Elites:
    """The formulation for a CPU or TPU: turns for the cells won, so that the cost follows what changed. In a turn go as
    many as are little to copy, because a turn costs by itself too."""
    cells, rows = elites.fitness.shape[0], winners.won.shape[0]
    elite_bytes = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(elites)) // cells
    at_once = min(rows, MOST_AT_ONCE, max(1, BYTES_AT_ONCE // elite_bytes))
    (changing,) = jnp.nonzero(winners.won, size=-(-rows // at_once) * at_once, fill_value=rows)

    def replace(turn: Array, elites: Elites) -> Elites:
        row = jax.lax.dynamic_slice_in_dim(changing, turn * at_once, at_once)
        # The last turn may have fewer: the others go beyond the last cell, which is nowhere.
        cell = winners.cell.at[row].get(mode="fill", fill_value=cells)
        elite = _elites(elites, challengers, cell, winners.child[row], class_index[row])
        return jax.tree.map(lambda leaf, rows: leaf.at[cell].set(rows, mode="drop"), elites, elite)

    return jax.lax.fori_loop(0, -(-winners.won.sum() // at_once), replace, elites)


def all_at_once(elites: Elites, challengers: Elites, winners: Winners, class_index: Array) -> Elites:
    """The formulation for a GPU, where a turn of a loop waits for the host: what has not won is written nowhere."""
    cells, rows = elites.fitness.shape[0], winners.won.shape[0]
    # Beyond the last cell, and each elsewhere: no two writes meet.
    cell = jnp.where(winners.won, winners.cell, cells + jnp.arange(rows, dtype=jnp.int32))
    elite = _elites(elites, challengers, winners.cell, winners.child, class_index)
    return jax.tree.map(
        lambda leaf, rows: leaf.at[cell].set(rows, mode="drop", unique_indices=True), elites, elite
    )


def _elites(elites: Elites, challengers: Elites, cell: Array, child: Array, class_index: Array) -> Elites:
    """What the cells [M] would hold if each went to its child [M]; or one cell and one child."""
    return jax.tree.map(lambda leaf: leaf[child], challengers)._replace(
        fitness=challengers.fitness[child, class_index],
        num_replacements=elites.num_replacements[cell] + 1,
        curiosity=jnp.zeros_like(child, jnp.float32),
    )


def reward_parents(curiosity: Array, parents: Array, child: Array, won: Array) -> Array:
    """Curiosity scores after a generation: +1 for each child that entered the archive, -0.5 for each
    that did not (Cully and Demiris 2018, section III-C).

    Args:
        curiosity: [N] float32.
        parents: [B] int32, cell of each child's parent; -1 for none.
        child: [M] int32, the best child of each of M cells.
        won: [M] bool, whether it entered.
    """
    entered = jnp.zeros(parents.shape[0], bool).at[child].max(won)
    reward = jnp.where(entered, 1.0, -0.5)
    cells = curiosity.shape[0]
    return curiosity.at[jnp.where(parents < 0, cells, parents)].add(reward, mode="drop")
