"""The files of a run: NumPy, JSON and CSV, each whole at every moment.

    config.json    everything resolved, the classifier's names and fingerprint, versions, device
    metrics.csv    a row per chunk
    summary.json   where the run ended
    elites.npz     a row per elite; read by NumPy alone
    history.npz    per generation, thinned

Pictures and checkpoints lie beside them and are written elsewhere, and so does `.lock`, which is there while a process
writes into the folder (`files/lock.py`).
"""

import csv
import dataclasses
import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np

from qdfool.errors import InputError
from qdfool.files.atomic import atomic_write
from qdfool.files.lock import FolderLock
from qdfool.results.history import History, Metrics

CONFIG, METRICS, SUMMARY = "config.json", "metrics.csv", "summary.json"
ELITES, HISTORY, CHECKPOINTS = "elites.npz", "history.npz", "checkpoints"
PICTURES = ("gallery.png", "heatmap.png", "curves.png")
CLASSES, SHEETS = "classes.png", "gallery"
"""Of a run with many classes: a picture, and a folder of pages."""
OWN = (CONFIG, METRICS, SUMMARY, ELITES, HISTORY, CHECKPOINTS, *PICTURES, CLASSES, SHEETS)
"""Everything that a run writes."""
LARGE = 1 << 28
"""Bytes of arrays that are not compressed any more."""


def prepare(directory: Path, overwrite: bool) -> FolderLock:
    """Makes the folder of a new run, before any work is done, and locks it.

    Raises:
        InputError: it has a run in it and `overwrite` is not set, another run is writing into it, or it cannot be
            written to.
    """
    _check_free(directory, overwrite)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(directory)
        try:
            with atomic_write(directory / ".writable"):
                pass
            (directory / ".writable").unlink()
            for name in _check_free(directory, overwrite):  # Somebody may have run in it meanwhile.
                path = directory / name
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
        except BaseException:
            lock.release()
            raise
        return lock
    except OSError as error:
        raise InputError(
            f"Cannot write to {directory}: {error.strerror or error}. Expected a folder that can be made and "
            "written to; give another `out`."
        ) from error


def _check_free(directory: Path, overwrite: bool) -> list[str]:
    """What is to be thrown away."""
    found = [name for name in OWN if (directory / name).exists()]
    if found and not overwrite:
        raise InputError(
            f"{directory} has a run in it ({', '.join(found)}). Give another `out`, go on with `resume` "
            f"{directory}, or throw that run away with `overwrite`."
        )
    return found


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Writes a dict as indented JSON.

    Raises:
        OSError: it cannot be written.
    """
    with atomic_write(path) as file:
        file.write((json.dumps(values, indent=2) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON file of a run.

    Raises:
        InputError: it is missing or damaged.
    """
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(
            f"No {path.name} in {path.parent}. Expected the folder of a run, as `out` names it."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: {error}. Expected the file as the run wrote it.") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} is damaged: expected a JSON object, got {type(values).__name__}.")
    return values


def write_metrics(path: Path, rows: Sequence[Metrics]) -> None:
    """Writes a CSV row per chunk under a header.

    Raises:
        OSError: it cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in dataclasses.fields(Metrics))
    writer.writerows(dataclasses.astuple(row) for row in rows)
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())


def read_metrics(path: Path) -> list[Metrics]:
    """The rows of a CSV file; none where there is no file.

    Raises:
        InputError: it is damaged.
    """
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [_metrics(row) for row in csv.DictReader(file)]
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:
        raise InputError(f"{path} is damaged: {error}. Expected the file as the run wrote it.") from error


def _metrics(row: dict[str, str]) -> Metrics:
    return Metrics(**{name: kind(row[name]) for name, kind in get_type_hints(Metrics).items()})


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes arrays as .npz; the same arrays give the same bytes. What is large is not compressed: it is
    the random numbers of pixel genomes, which take long and become no smaller.

    Raises:
        OSError: it cannot be written.
    """
    with atomic_write(path) as file:
        large = sum(array.nbytes for array in arrays.values()) > LARGE
        (np.savez if large else np.savez_compressed)(file, allow_pickle=False, **arrays)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Reads an .npz file, refusing pickles.

    Raises:
        InputError: it is missing or damaged.
    """
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise InputError(
            f"No {path.name} in {path.parent}. Expected the folder of a run, as `out` names it."
        ) from error
    except MemoryError:
        raise
    except Exception as error:
        # NumPy, zipfile and zlib each fail in ways of their own: which, is decided by the damaged bytes.
        raise InputError(
            f"{path} is damaged ({type(error).__name__}: {error}). Expected the file as the run wrote it."
        ) from error


def write_history(path: Path, history: History) -> None:
    """Writes a history as .npz.

    Raises:
        OSError: it cannot be written.
    """
    write_arrays(path, dataclasses.asdict(history))


def read_history(path: Path) -> History:
    """Reads a history.

    Raises:
        InputError: it is missing or damaged.
    """
    arrays = read_arrays(path)
    missing = {field.name for field in dataclasses.fields(History)} - arrays.keys()
    if missing:
        raise InputError(f"{path} is damaged: it lacks {', '.join(sorted(missing))}.")
    return History(**arrays)
