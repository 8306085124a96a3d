"""Elites as a pyribs archive: what users hold. The only importer of ribs.archives."""

from typing import Any

import jax
import numpy as np
from ribs.archives import CategoricalArchive, GridArchive

from qdfool.build.measures import GRID_EPSILON
from qdfool.engine.archive import occupied
from qdfool.engine.objectives import confidence
from qdfool.results.snapshot import take
from qdfool.types import Elites

FIELDS: dict[str, tuple[tuple[int, ...], Any]] = {
    "confidence": ((), np.float64),
    "birth_generation": ((), np.int32),
    "parent_class": ((), np.int32),
    "num_replacements": ((), np.int32),
}
"""Fields of the archive beside pyribs' own: see `qdfool.types.Elites`."""

GENOME_BYTES_PER_ADD = 1 << 26
"""Bytes of genomes that pyribs is given at once: it holds several copies of them."""
MARGIN = 1e-4
"""How far inside its cell, in cells, a measure is put that pyribs would count to the next one."""

Archive = CategoricalArchive | GridArchive
"""What users hold: by class, or by class and measures."""


def to_archive(
    elites: Elites,
    class_names: tuple[str, ...],
    cells: tuple[int, ...] = (),
    ranges: tuple[tuple[float, float], ...] = (),
) -> Archive:
    """The elites as a pyribs archive.

    Solutions are genomes, flat, in the genome's own dtype (float32 where its leaves differ); the objective is the
    log-odds of the cell's class. The measures of the class archive (a `CategoricalArchive`) are the class's
    name; those of the grid archive (a `GridArchive`) are the class index and the two measures.

    Args:
        elites: N cells, NumPy leaves.
        class_names: K names.
        cells: of the grid, along each measure; none for the class archive.
        ranges: (low, high) of each measure.
    """
    indices = np.flatnonzero(occupied(elites.fitness))
    leaves = jax.tree.leaves(elites.genome)
    dtypes = {leaf.dtype for leaf in leaves}
    settings: dict[str, Any] = {
        "solution_dim": sum(int(np.prod(leaf.shape[1:])) for leaf in leaves),
        "solution_dtype": dtypes.pop() if len(dtypes) == 1 else np.float32,
        "objective_dtype": np.float32,
        "extra_fields": FIELDS,
    }
    archive: Archive
    if cells:
        classes = len(class_names)
        # In float64, where every float32 measure keeps its value and even a fine grid's cell has room.
        archive = GridArchive(
            dims=[classes, *cells],
            ranges=[(-0.5, classes - 0.5), *ranges],
            epsilon=GRID_EPSILON,
            measures_dtype=np.float64,
            **settings,
        )
        measures = _measures(archive, indices, np.asarray(elites.measures)[indices])
    else:
        archive = CategoricalArchive(categories=[list(class_names)], **settings)
        measures = np.array([[class_names[index]] for index in indices], object)
    genome_bytes = sum(leaf.nbytes // len(leaf) for leaf in leaves)
    part = max(1, GENOME_BYTES_PER_ADD // genome_bytes)
    for first in range(0, len(indices), part):
        rows = take(elites, indices[first : first + part])
        flat = [leaf.reshape(len(leaf), -1) for leaf in jax.tree.leaves(rows.genome)]
        archive.add(
            np.concatenate(flat, axis=1),
            rows.fitness,
            measures[first : first + part],
            confidence=confidence(rows.fitness),
            birth_generation=rows.birth_generation,
            parent_class=rows.parent_class,
            num_replacements=rows.num_replacements,
        )
    return archive


def _measures(archive: GridArchive, cells: np.ndarray, measures: np.ndarray) -> np.ndarray:
    """[n, 3] class index and measures of the elites in these cells, so that pyribs finds the same cells."""
    classes = cells // int(np.prod(archive.dims[1:]))
    rows = np.concatenate([classes[:, None], measures], axis=1, dtype=np.float64)
    # The device computes cells in float32 and may fuse what NumPy rounds twice: a measure at a boundary can fall on
    # its other side here. The device's cell is the one that it competed in, so the measure is moved just inside.
    stray = archive.index_of(rows) != cells
    grid = archive.int_to_grid_index(cells[stray])
    low, high = _sides(archive, grid)
    moved = np.clip(rows[stray], low, high)
    cell_size = archive.interval_size / archive.dims
    too_far = np.abs(moved - rows[stray]) > cell_size / 2
    rows[stray] = moved
    if too_far.any() or not np.array_equal(archive.index_of(rows), cells):
        raise ValueError("measures lie in other cells of the grid than their elites")
    return rows


def _sides(archive: GridArchive, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Just inside the sides of cells [n, 3]; the outermost cells have no outer side."""
    size, dims = archive.interval_size, archive.dims
    # By index_of's formula, int((dims * (measure - low) + epsilon) / size).
    low, high = (
        archive.lower_bounds + ((grid + inside) * size - GRID_EPSILON) / dims
        for inside in (MARGIN, 1 - MARGIN)
    )
    return np.where(grid == 0, -np.inf, low), np.where(grid == dims - 1, np.inf, high)


def class_maps(archive: Archive) -> list[GridArchive]:
    """Each class of a grid archive as an archive of its own, over the two measures, whose objective is the
    confidence: what `ribs.visualize.grid_archive_heatmap` can draw."""
    assert isinstance(archive, GridArchive), "only a grid archive has measures to map"
    data: Any = archive.data(["confidence", "measures"], return_type="tuple")
    confidences, measures = data
    ranges = list(zip(archive.lower_bounds[1:], archive.upper_bounds[1:], strict=True))
    maps = []
    for index in range(archive.dims[0]):
        view = GridArchive(
            solution_dim=1, dims=archive.dims[1:].tolist(), ranges=ranges, epsilon=GRID_EPSILON
        )
        own = np.round(measures[:, 0]).astype(int) == index
        if own.any():
            view.add(np.zeros((own.sum(), 1)), confidences[own], measures[own, 1:])
        maps.append(view)
    return maps
