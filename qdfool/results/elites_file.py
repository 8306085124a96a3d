"""`elites.npz`: a row per elite, in the order of their cells; and back to elites."""

from typing import Any

import jax
import numpy as np

from qdfool.types import Elites

ROWS = ("fitness", "birth_generation", "parent_class", "num_replacements", "curiosity")
"""Fields of the elites that the file holds under their own names."""
FORMER_NAMES = {"changes": "num_replacements"}
"""What fields were called in run folders of format 1."""


def to_rows(elites: Elites, cells: np.ndarray) -> dict[str, np.ndarray]:
    """The elites of these cells as arrays by name, a row each; of NumPy leaves.

    Genomes are not copied where every cell is occupied: they may be the most of what memory holds.
    """
    arrays = {name: getattr(elites, name)[cells] for name in ROWS}
    for name, leaf in _genome(elites).items():
        arrays[name] = leaf if len(cells) == len(leaf) else leaf[cells]
    if elites.measures.shape[1]:
        arrays["measures"] = elites.measures[cells]
    return arrays


def from_rows(empty: Elites, arrays: dict[str, np.ndarray]) -> Elites:
    """Elites from what `to_rows` gave and their `cell` [n], also under former names.

    Args:
        empty: an archive without elites, whose shapes and dtypes those of the arrays must be.
        arrays: by name.

    Raises:
        ValueError: an array is missing, or has another shape or dtype, or a cell is not one of the archive's.
    """
    arrays = {FORMER_NAMES.get(name, name): array for name, array in arrays.items()}
    elites: Elites = jax.tree.map(np.array, empty)
    cells = arrays.get("cell", np.zeros(0))
    size = len(elites.fitness)
    if cells.dtype.kind not in "iu" or cells.ndim != 1 or len(np.unique(cells)) != len(cells):
        raise ValueError("cell is not a list of different cells")
    if len(cells) and not 0 <= cells.min() <= cells.max() < size:
        raise ValueError(f"cells from {cells.min()} to {cells.max()} in an archive of {size}")
    wanted = {name: getattr(elites, name) for name in ROWS} | _genome(elites)
    if elites.measures.shape[1]:
        wanted["measures"] = elites.measures
    for name, leaf in wanted.items():
        if name not in arrays:
            raise ValueError(f"{name} is missing")
        found, expected = arrays[name], (len(cells), *leaf.shape[1:])
        if found.shape != expected or found.dtype != leaf.dtype:
            raise ValueError(
                f"{name} is {found.dtype} {list(found.shape)}, not {leaf.dtype} {list(expected)}"
            )
        leaf[cells] = found
    if not np.isfinite(elites.fitness[cells]).all():
        raise ValueError("fitness is not finite")
    return elites


def _genome(elites: Elites) -> dict[str, Any]:
    """The genome's leaves by their names in the file."""
    leaves = jax.tree_util.tree_leaves_with_path(elites.genome)
    return {"genome" + jax.tree_util.keystr(path): leaf for path, leaf in leaves}
