"""Keeps a pyribs archive equal to the device's elites. The only importer of ribs.archives.

pyribs is what the user holds; it is not the hot loop. Only the cells that changed hands since the last
look are sent to it.
"""

from typing import Any

import jax
import numpy as np
from ribs.archives import CategoricalArchive, GridArchive

from qdfool.engine.objectives import confidence
from qdfool.types import Elites

FIELDS: dict[str, tuple[tuple[int, ...], Any]] = {
    "confidence": ((), np.float64),
    "birth_generation": ((), np.int32),
    "parent_class": ((), np.int32),
    "num_replacements": ((), np.int32),
}
"""Fields of the archive beside pyribs' own: see `qdfool.types.Elites`."""

AT_ONCE = 1 << 26
"""Bytes of genomes that are sent to pyribs at once."""

Archive = CategoricalArchive | GridArchive
"""What users hold: by class, or by class and measures."""


class RibsMirror:
    """A pyribs archive that follows the device's elites.

    Solutions are genomes, flat, in the genome's own dtype (float32 where its leaves differ); the objective
    is the log-odds of the cell's class. The measures of the class archive (a `CategoricalArchive`) are the
    class's name; those of the grid archive (a `GridArchive`) are the class index and the two measures.
    """

    def __init__(
        self,
        elites: Elites,
        class_names: tuple[str, ...],
        cells: tuple[int, ...] = (),
        ranges: tuple[tuple[float, float], ...] = (),
    ) -> None:
        self.class_names = class_names
        self.grid_cells = int(np.prod(cells, dtype=int))
        self._seen = np.zeros(elites.fitness.shape[0], np.int32)
        leaves = jax.tree.leaves(elites.genome)
        self._genome_bytes = sum(leaf.nbytes for leaf in leaves) // len(self._seen)
        dtypes = {leaf.dtype for leaf in leaves}
        settings: dict[str, Any] = {
            "solution_dim": sum(int(np.prod(leaf.shape[1:])) for leaf in leaves),
            "solution_dtype": dtypes.pop() if len(dtypes) == 1 else np.float32,
            "objective_dtype": np.float32,
            "extra_fields": FIELDS,
        }
        if cells:
            classes = len(class_names)
            self.archive: Archive = GridArchive(
                dims=[classes, *cells],
                ranges=[(-0.5, classes - 0.5), *ranges],
                measures_dtype=np.float32,
                **settings,
            )
        else:
            self.archive = CategoricalArchive(categories=[list(class_names)], **settings)

    def follow(self, elites: Elites) -> None:
        """Brings the archive up to date with the elites."""
        num_replacements = np.array(elites.num_replacements)
        (changed,) = np.nonzero(num_replacements != self._seen)
        # A part at a time: pyribs and the way to it hold several copies of what they are given.
        rows = max(1, AT_ONCE // self._genome_bytes)
        for start in range(0, len(changed), rows):
            self._add(elites, changed[start : start + rows])
        self._seen = num_replacements

    def _add(self, elites: Elites, changed: np.ndarray) -> None:
        rows = take(elites, changed)
        solution = np.concatenate(
            [np.asarray(leaf).reshape(len(changed), -1) for leaf in jax.tree.leaves(rows.genome)], axis=1
        )
        status = self.archive.add(
            solution,
            rows.fitness,
            self._measures(changed, np.asarray(rows.measures)),
            confidence=confidence(rows.fitness),
            birth_generation=rows.birth_generation,
            parent_class=rows.parent_class,
            num_replacements=rows.num_replacements,
        )["status"]
        # The device only ever replaces an elite by a better one, so pyribs must take every row.
        assert np.all(status > 0), "the pyribs archive and the device's elites have come apart"

    def _measures(self, cells: np.ndarray, measures: np.ndarray) -> np.ndarray:
        classes = cells // self.grid_cells
        if isinstance(self.archive, CategoricalArchive):
            return np.array([[self.class_names[index]] for index in classes], object)
        rows = np.concatenate([classes[:, None].astype(np.float32), measures], axis=1)
        # The device may fuse what NumPy rounds twice: a measure within an ulp of a boundary can fall on its
        # other side here. The device's cell is the one it competed in, so move the measure just inside.
        stray = self.archive.index_of(rows) != cells
        if stray.any():
            grid = np.array(self.archive.int_to_grid_index(cells[stray]))
            for axis, edges in enumerate(self.archive.boundaries):
                margin = 1e-4 * (edges[1] - edges[0])
                low, high = edges[grid[:, axis]] + margin, edges[grid[:, axis] + 1] - margin
                rows[stray, axis] = np.clip(rows[stray, axis], low, high)
        return rows


def take(elites: Elites, cells: np.ndarray) -> Elites:
    """Rows of the elites, on the host. Only these rows leave the device."""
    # Lengths are padded to powers of two, so that few programs are compiled for all lengths.
    padded = np.zeros(1 << max(0, int(len(cells) - 1).bit_length()), np.int32)
    padded[: len(cells)] = cells
    rows = jax.device_get(_gather(elites, padded))
    return jax.tree.map(lambda leaf: np.asarray(leaf[: len(cells)]), rows)


_gather = jax.jit(lambda elites, cells: jax.tree.map(lambda leaf: leaf[cells], elites))


def class_maps(archive: Archive) -> list[GridArchive]:
    """Each class of a grid archive as an archive of its own, over the two measures, whose objective is the
    confidence: what `ribs.visualize.grid_archive_heatmap` can draw."""
    assert isinstance(archive, GridArchive), "only a grid archive has measures to map"
    data: Any = archive.data(["confidence", "measures"], return_type="tuple")
    confidences, measures = data
    ranges = list(zip(archive.lower_bounds[1:], archive.upper_bounds[1:], strict=True))
    maps = []
    for index in range(archive.dims[0]):
        view = GridArchive(solution_dim=1, dims=archive.dims[1:].tolist(), ranges=ranges)
        own = np.round(measures[:, 0]).astype(int) == index
        if own.any():
            view.add(np.zeros((own.sum(), 1)), confidences[own], measures[own, 1:])
        maps.append(view)
    return maps
