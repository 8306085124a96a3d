"""`elites.npz`: a row per elite, in the order of their cells; and back to elites, when all of it agrees."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from qdfool.engine.objectives import confidence
from qdfool.files.digest import digest_of
from qdfool.results import npz
from qdfool.results.npz import Header
from qdfool.results.snapshot import Snapshot, SparseSnapshot
from qdfool.types import Elites, Origin

SCHEMA = 1
"""Version of what the file holds, in its array `schema_version`."""
SEAL = {"schema_version": Header(np.dtype(np.int32), ()), "sha256": Header(np.dtype(np.uint8), (32,))}
"""Arrays that a file of a former version lacks: its version, and the digest of all others."""
ROWS = ("fitness", "birth_generation", "parent_class", "num_replacements", "curiosity")
"""Fields of the elites that the file holds under their own names."""
ORIGIN = "origin_"
"""What the names of the origin's leaves begin with, of a run that began with pictures."""
GENOME = "genome"
"""What the names of the genome's leaves begin with."""
FORMER_NAMES = {"changes": "num_replacements"}
"""What fields were called in run folders of format 1."""
TOLERANCE = 1e-6
"""Between the confidence in the file and that of the fitness."""


def to_rows(elites: Elites, cells: np.ndarray) -> dict[str, np.ndarray]:
    """The elites of these cells as arrays by name, a row each; of NumPy leaves.

    Genomes are not copied where every cell is occupied: they may be the most of what memory holds.
    """
    return {
        name: leaf if len(cells) == len(leaf) and name.startswith(GENOME) else leaf[cells]
        for name, leaf in _leaves(elites).items()
    }


def sealed(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of a file with its `schema_version` [] int32 and the `sha256` [32] uint8 of all of them."""
    versioned = {**arrays, "schema_version": np.array(SCHEMA, np.int32)}
    return {**versioned, "sha256": _digest(versioned)}


def read(
    path: Path,
    empty: Callable[[int], Elites],
    size: int,
    classes: int,
    image_shape: tuple[int, int, int],
    placed: Callable[[np.ndarray, np.ndarray], np.ndarray],
    check_genomes: Callable[[Any], None],
    generations: int,
) -> Snapshot:
    """The elites of a file of this or a former version.

    Args:
        path: the file.
        empty: makes so many cells without elites, of NumPy leaves, whose shapes and dtypes those of the file must be.
        size: cells of the archive.
        classes: K.
        image_shape: (H, W, C).
        placed: from measures [n, M] and grid cells [n] to [n] bool, whether they lie there.
        check_genomes: raises a ValueError if genomes, NumPy leaves [n, ...], are none of the run's.
        generations: that the run has had.

    Raises:
        InputError: the file is missing or damaged, or what it holds is of another run, another version, or does not
            agree with itself: a cell, class, confidence, count or fitness that cannot be.
    """
    shapes = empty(0)
    arrays = npz.read(path, lambda headers: _expected(headers, shapes, size, image_shape))
    with npz.fitting(path):
        check_seal(arrays)
        # The images are only there to be looked at: they are drawn again from the genomes.
        arrays = {FORMER_NAMES.get(name, name): array for name, array in arrays.items() if name != "images"}
        cells = arrays["cell"]
        check_fields(arrays, classes)
        _check_agreement(arrays, size, classes)
        if "measures" in arrays and not placed(arrays["measures"], cells % (size // classes)).all():
            raise ValueError("measures lie in other cells of the grid than their elites")
        if (arrays["birth_generation"] > generations).any():
            raise ValueError(
                f"birth_generation is beyond the {generations:,} generations of summary.json (a run that was ended "
                "while it wrote them agrees again when it was resumed)"
            )
        names, tree = _leaves(shapes), jax.tree.structure(shapes.genome)
        genome = jax.tree.unflatten(tree, [arrays[name] for name in names if name.startswith(GENOME)])
        check_genomes(genome)
    fields: dict[str, Any] = {"measures": np.zeros((len(cells), 0), np.float32), **arrays}
    origin = Origin._make(fields[f"{ORIGIN}{name}"] for name in Origin._fields) if shapes.origin else ()
    rows = Elites(genome=genome, origin=origin, **{name: fields[name] for name in (*ROWS, "measures")})
    return SparseSnapshot(rows, cells, size, empty)


def check_seal(arrays: dict[str, np.ndarray]) -> None:
    """Checks version and digest of a file's arrays, of which the digest is taken out; a former version had none.

    Raises:
        ValueError: it is of another version, or damaged.
    """
    if "sha256" in arrays:
        if arrays["schema_version"] != SCHEMA:
            raise ValueError(f"its schema version is {arrays['schema_version']}, not {SCHEMA}")
        if not np.array_equal(arrays.pop("sha256"), _digest(arrays)):
            raise ValueError("its arrays are not those that its sha256 was computed of")


def _expected(
    headers: Mapping[str, Header], empty: Elites, size: int, image_shape: tuple[int, int, int]
) -> dict[str, Header]:
    shape = headers["cell"].shape if "cell" in headers else ()
    if len(shape) != 1 or not 0 <= shape[0] <= size:
        raise ValueError(f"cell is not a list of at most {size:,} cells")
    expected = {
        "images": Header(np.dtype(np.uint8), (*shape, *image_shape)),
        "confidence": Header(np.dtype(np.float64), shape),
        "class_index": Header(np.dtype(np.int32), shape),
        "cell": Header(np.dtype(np.int32), shape),
    }
    for name, leaf in _leaves(empty).items():
        expected[name] = Header(np.dtype(leaf.dtype), (*shape, *leaf.shape[1:]))
    for former, name in FORMER_NAMES.items():
        if former in headers:
            expected[former] = expected.pop(name)
    # Both or neither.
    return {**expected, **(SEAL if SEAL.keys() & headers.keys() else {})}


def _check_agreement(arrays: Mapping[str, np.ndarray], size: int, classes: int) -> None:
    """Checks what the arrays of a file say against each other; of `size` cells."""
    cells, fitness = arrays["cell"], arrays["fitness"]
    if (np.diff(cells) <= 0).any():
        raise ValueError("cell is not a list of different cells in ascending order")
    if len(cells) and not 0 <= cells[0] <= cells[-1] < size:
        raise ValueError(f"cells from {cells[0]} to {cells[-1]} in an archive of {size}")
    for name, found in {
        "class_index is not that of cell": arrays["class_index"] == cells // (size // classes),
        "confidence is not that of fitness": abs(arrays["confidence"] - confidence(fitness)) <= TOLERANCE,
    }.items():
        if not found.all():
            raise ValueError(f"{name}, in row {int(np.argmin(found))}")


def check_fields(arrays: Mapping[str, np.ndarray], classes: int) -> None:
    """Checks that elites, a row [n] each, have fields that elites can have; those of `ROWS`, and of the origin if any.

    Raises:
        ValueError: they have not.
    """
    fitness = arrays["fitness"]
    picture, distance = (arrays.get(f"{ORIGIN}{name}", np.zeros(len(fitness))) for name in Origin._fields)
    for name, found in {
        "fitness is not finite": np.isfinite(fitness),
        "origin_picture is below -1": picture >= -1,
        "origin_distance is not from 0 to 1": ((distance >= 0) & (distance <= 1)) | (picture == -1),
        "birth_generation is below 0": arrays["birth_generation"] >= 0,
        f"parent_class is not from -1 to {classes - 1}": (arrays["parent_class"] >= -1)
        & (arrays["parent_class"] < classes),
        "num_replacements is below 1": arrays["num_replacements"] >= 1,
        "curiosity is not finite": np.isfinite(arrays["curiosity"]),
    }.items():
        if not found.all():
            raise ValueError(f"{name}, in row {int(np.argmin(found))}")


def _digest(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """[32] uint8, as `elites.npz` holds it."""
    return np.frombuffer(digest_of(arrays), np.uint8)


def _leaves(elites: Elites) -> dict[str, Any]:
    """The leaves of elites by their names in the file."""
    genome = {
        GENOME + jax.tree_util.keystr(path): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(elites.genome)
    }
    measures = {"measures": elites.measures} if elites.measures.shape[1] else {}
    origin = (
        {f"{ORIGIN}{name}": leaf for name, leaf in elites.origin._asdict().items()} if elites.origin else {}
    )
    return {name: getattr(elites, name) for name in ROWS} | genome | measures | origin
