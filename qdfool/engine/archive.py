"""The device's archive and how children get into it: pure functions over `Elites`.

Cell n of the archive is class n // G and grid cell n % G, where G is 1 for the class archive.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from qdfool.types import Array, Elites, Genome, Origin


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


def enter(elites: Elites, challengers: Elites, parents: Array, cell_index: Array) -> tuple[Elites, Array]:
    """Lets a batch of children compete, writes the winners into their cells and rewards their parents.

    Args:
        elites: the archive, N cells.
        challengers: as `insert` takes them.
        parents: [B] int32, cell of each child's parent; -1 for none.
        cell_index: [B] int32, grid cell of each child.

    Returns:
        The archive, and [N] bool, the cells that changed hands.
    """
    winner, won = compete(challengers.fitness, cell_index, elites.fitness)
    curiosity = reward_parents(elites.curiosity, parents, winner, won)
    return insert(elites._replace(curiosity=curiosity), challengers, winner, won), won


def compete(fitness: Array, cell_index: Array, incumbent: Array) -> tuple[Array, Array]:
    """Lets every child compete for every class, in the grid cell where its measures put it.

    The winner of a cell is the child with the highest fitness there; among equals the first of the
    batch, and the incumbent before any child. So the elites are those that one child after another,
    replacing on strictly higher fitness, would leave (Nguyen et al. 2015, supplement).

    Args:
        fitness: [B, K] log-odds; -inf for a child that must not win.
        cell_index: [B] int32, grid cell of each child, in [0, G).
        incumbent: [N] float32 fitness of the elites, N = K x G.

    Returns:
        [N] int32, the first best child of each cell (any number where no child came), and
        [N] bool, whether it replaces the incumbent.
    """
    winner, best = best_children(fitness, cell_index, incumbent.shape[0] // fitness.shape[1])
    return winner, best > incumbent


def best_children(fitness: Array, cell_index: Array, grid_cells: int) -> tuple[Array, Array]:
    """The best child of each cell, the first among equals.

    Args:
        fitness, cell_index: as `compete` takes them.
        grid_cells: G.

    Returns:
        [N] int32, its row in the batch (any number where no child came), and
        [N] float32, its fitness, -inf where no child came.
    """
    batch = fitness.shape[0]
    if grid_cells == 1:
        best, winner = fitness.max(axis=0), fitness.argmax(axis=0)
    else:
        best = jax.ops.segment_max(fitness, cell_index, grid_cells)
        contender = jnp.where(fitness == best[cell_index], jnp.arange(batch)[:, None], batch - 1)
        winner = jax.ops.segment_min(contender, cell_index, grid_cells)
        best, winner = best.T.reshape(-1), jnp.minimum(winner.T.reshape(-1), batch - 1)
    return winner.astype(jnp.int32), best


def insert(elites: Elites, challengers: Elites, winner: Array, won: Array) -> Elites:
    """Writes the winners into their cells, whole: every leaf of a cell comes from one child.

    The cost follows what changed: only the cells won are read and written.

    Args:
        elites: the archive, N cells.
        challengers: the children as elites [B, ...], but `fitness` [B, K]; `num_replacements` and `curiosity`
            are not read: a new elite adds one to its cell's replacements and starts with no curiosity.
        winner: [N] int32, row of the challenger for each cell.
        won: [N] bool, cells that change hands.
    """
    classes = challengers.fitness.shape[1]
    grid_cells = won.shape[0] // classes
    most_won = min(won.shape[0], challengers.fitness.size)
    (cells,) = jnp.nonzero(won, size=most_won, fill_value=won.shape[0])

    def replace(count: Array, elites: Elites) -> Elites:
        cell = cells[count]
        child = winner[cell]
        elite = jax.tree.map(lambda leaf: leaf[child], challengers)._replace(
            fitness=challengers.fitness[child, cell // grid_cells],
            num_replacements=elites.num_replacements[cell] + 1,
            curiosity=jnp.float32(0),
        )
        return jax.tree.map(lambda leaf, row: leaf.at[cell].set(row), elites, elite)

    return jax.lax.fori_loop(0, won.sum(), replace, elites)


def reward_parents(curiosity: Array, parents: Array, winner: Array, won: Array) -> Array:
    """Curiosity scores after a generation: +1 for each child that entered the archive, -0.5 for each
    that did not (Cully and Demiris 2018, section III-C).

    Args:
        curiosity: [N] float32.
        parents: [B] int32, cell of each child's parent; -1 for none.
        winner, won: what `compete` returned.
    """
    entered = jnp.zeros(parents.shape[0], bool).at[winner].max(won)
    reward = jnp.where(entered, 1.0, -0.5)
    cells = curiosity.shape[0]
    return curiosity.at[jnp.where(parents < 0, cells, parents)].add(reward, mode="drop")
