"""The elites of one moment of a run, as a value, although the run's buffers are overwritten when it goes on; or as a
file has them."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from qdfool.engine.archive import occupied
from qdfool.types import Elites


class Snapshot:
    """The elites of one moment of a run.

    Large genomes make a copy dear (1,000 of 150,528 pixels are 600 MB), and who looks at a run after every chunk
    mostly wants the figures. So only the fitness is copied at once; all of it when `elites` is asked for, or when
    the run goes on while somebody still holds the snapshot.
    """

    def __init__(self, elites: Elites) -> None:
        """Of NumPy leaves that nobody overwrites, or of a run's buffers, which may be until the run goes on."""
        self._shared: Elites | None = elites
        self._fitness = np.array(elites.fitness)
        self.size = len(self._fitness)
        """N, the cells of the archive."""

    @property
    def fitness(self) -> np.ndarray:
        """[N] float32, log-odds of each cell's class; -inf where the cell is empty."""
        return self._fitness

    @functools.cached_property
    def elites(self) -> Elites:
        """All of the elites, N cells, NumPy leaves."""
        elites = jax.tree.map(_own, self._shared)
        self._shared = None
        return elites

    def cells(self) -> np.ndarray:
        """[n] the occupied cells, in ascending order."""
        return np.flatnonzero(occupied(self._fitness))

    def fitness_of(self, cells: np.ndarray) -> np.ndarray:
        """[n] float32, the fitness in some cells [n]."""
        return self._fitness[cells]

    def take(self, cells: np.ndarray) -> Elites:
        """The elites of some cells [n], NumPy leaves [n, ...]."""
        return take(self.elites if self._shared is None else self._shared, cells)


class SparseSnapshot(Snapshot):
    """The elites of a file, which has a row for each occupied cell. The empty cells take no memory until `elites` or
    `fitness` is asked for: a grid may have millions, in a file of some bytes."""

    def __init__(self, rows: Elites, cells: np.ndarray, size: int, empty: Callable[[int], Elites]) -> None:
        """Takes the rows as they are.

        Args:
            rows: NumPy leaves [n, ...].
            cells: [n] of the rows, in ascending order.
            size: N.
            empty: makes so many cells without elites, of NumPy leaves.
        """
        self._rows, self._cells, self.size, self._empty = rows, cells.astype(np.int64), size, empty

    @property
    def fitness(self) -> np.ndarray:
        """As `Snapshot.fitness`."""
        return np.asarray(self.elites.fitness)

    @functools.cached_property
    def elites(self) -> Elites:
        """As `Snapshot.elites`."""
        if len(self._cells) == self.size:
            return self._rows
        return _put(self._empty(self.size), self._cells, self._rows)

    def cells(self) -> np.ndarray:
        """As `Snapshot.cells`."""
        return self._cells

    def fitness_of(self, cells: np.ndarray) -> np.ndarray:
        """As `Snapshot.fitness_of`."""
        fitness = np.full(len(cells), -np.inf, np.float32)
        there = np.isin(cells, self._cells)
        fitness[there] = self._rows.fitness[np.searchsorted(self._cells, cells[there])]
        return fitness

    def take(self, cells: np.ndarray) -> Elites:
        """As `Snapshot.take`."""
        row = np.searchsorted(self._cells, cells)
        there = np.isin(cells, self._cells)
        if there.all():
            return take(self._rows, row)
        return _put(self._empty(len(cells)), np.flatnonzero(there), take(self._rows, row[there]))


def _put(elites: Elites, cells: np.ndarray, rows: Elites) -> Elites:
    """Elites of NumPy leaves, overwritten by the rows in their cells."""
    for leaf, some in zip(jax.tree.leaves(elites), jax.tree.leaves(rows), strict=True):
        leaf[cells] = some
    return elites


def take(elites: Elites, cells: np.ndarray) -> Elites:
    """Rows of the elites, on the host. Only these rows leave the device."""
    if isinstance(elites.fitness, np.ndarray):
        return jax.tree.map(lambda leaf: leaf[cells], elites)
    # Lengths are padded to powers of two, so that few programs are compiled for all lengths.
    padded = np.zeros(1 << max(0, int(len(cells) - 1).bit_length()), np.int32)
    padded[: len(cells)] = cells
    rows = jax.device_get(_gather(elites, padded))
    return jax.tree.map(lambda leaf: np.asarray(leaf[: len(cells)]), rows)


_gather = jax.jit(lambda elites, cells: jax.tree.map(lambda leaf: leaf[cells], elites))


def _own(leaf: Any) -> np.ndarray:
    return leaf if isinstance(leaf, np.ndarray) else np.array(leaf)
