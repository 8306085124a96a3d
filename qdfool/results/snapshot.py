"""The elites of one moment of a run, as a value, although the run's buffers are overwritten when it goes on."""

import functools
from typing import Any

import jax
import numpy as np

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
        self.fitness = np.array(elites.fitness)
        """[N] float32, log-odds of each cell's class; -inf where the cell is empty."""

    @functools.cached_property
    def elites(self) -> Elites:
        """All of the elites, NumPy leaves."""
        elites = jax.tree.map(_own, self._shared)
        self._shared = None
        return elites

    def take(self, cells: np.ndarray) -> Elites:
        """The elites of some cells [n], NumPy leaves [n, ...]."""
        return take(self.elites if self._shared is None else self._shared, cells)


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
