"""The files of a run: NumPy, JSON and CSV, each whole at every moment.

    config.json    everything resolved, the classifier's names and fingerprint, versions, device
    metrics.csv    a row per chunk, thinned
    summary.json   where the run ended
    elites.npz     a row per elite; read by NumPy alone
    history.npz    per generation, thinned

Pictures and checkpoints lie beside them and are written elsewhere, and so does `.lock`, which is there while a process
writes into the folder (`files/lock.py`). A folder of several seeds has such a folder for each, as `seed7`, and over
them a `config.json`, `summary.json` and `curves.png` of its own.
"""

import contextlib
import csv
import dataclasses
import io
import json
import math
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_type_hints

from qdfool.config import check_seeds
from qdfool.config.kinds import check_kind
from qdfool.errors import InputError, shown, text_of
from qdfool.files.atomic import atomic_write
from qdfool.files.lock import FolderLock
from qdfool.files.regular import open_regular
from qdfool.results.history import Metrics, MetricsLog

CONFIG, METRICS, SUMMARY = "config.json", "metrics.csv", "summary.json"
ELITES, HISTORY, CHECKPOINTS = "elites.npz", "history.npz", "checkpoints"
PICTURES = ("gallery.png", "heatmap.png", "curves.png")
CLASSES, SHEETS = "classes.png", "gallery"
"""Of a run with many classes: a picture, and a folder of pages."""
REPORT, PARTIAL, INSPECTED = "report.html", "report-partial.html", "inspected"
"""The page of a run; what `python -m qdfool.inspect` writes beside it where it can show less than that may; and a
folder of what it saves of single elites."""
PAGES = (REPORT, PARTIAL)
OWN = (CONFIG, METRICS, SUMMARY, ELITES, HISTORY, CHECKPOINTS, *PICTURES, CLASSES, SHEETS, *PAGES, INSPECTED)
"""Everything that a run writes; first what says that it is a run's."""
FOLDERS = (CHECKPOINTS, SHEETS, INSPECTED)
"""What of that are folders."""
NUMBERS = (CONFIG, METRICS, SUMMARY, ELITES, HISTORY, CHECKPOINTS)
"""What of that audits and comparisons have not."""
AUDIT = "audit.json"
"""Of the folder of an audit, which is none of a run."""
GROUPS = ("settings", "classifier", "versions")
"""What the `config.json` of every run has."""
SEEDS = "seeds"
"""Key under which the `config.json` of a folder of several seeds lists them."""
LARGEST_NUMBER = 1 << 63
"""Above what metrics say."""
LONGEST_METRICS = 1 << 27
"""Bytes of a `metrics.csv` that is read, many times those of one that is written."""
LONGEST_JSON, DEEPEST_JSON = 1 << 24, 32
"""Bytes and levels of a JSON file that is read: thousands of classes with long names are a tenth of it."""

_WRITTEN = re.compile(r"[0-9][0-9.]{0,30}(e[+-]?[0-9]{1,3})?", re.ASCII)
_KINDS = get_type_hints(Metrics)


def name_of_seed(seed: object) -> str:
    """Of the run folder of one of several seeds."""
    return f"seed{seed}"


def folder_given(setting: str, given: object) -> Path:
    """The folder that a user's Python names.

    Raises:
        InputError: it is no name, or an empty one, which `Path` takes for the working directory.
    """
    if not isinstance(given, str | os.PathLike) or not os.fspath(given):
        raise InputError(
            f"`{setting}` must be the name of a folder; got {shown(given)}. That of the working directory is '.'."
        )
    return Path(given)


def prepare(directory: Path, overwrite: bool, seeds: Sequence[int] = ()) -> FolderLock:
    """Makes the folder of a new run, before any work is done, and locks it; of several seeds, with an empty folder in
    it for each.

    Raises:
        InputError: it has a run in it and `overwrite` is not set, another run is writing into it, or it cannot be
            written to.
    """
    check_kind("overwrite", overwrite, bool)
    check_name(directory)
    try:
        str(directory.absolute()).encode()
    except UnicodeError as error:
        raise InputError(
            f"Checkpoints cannot be written to {directory.absolute()}: Orbax takes names in UTF-8, and this is none. "
            "Give another `out`."
        ) from error
    former = folders_of_seeds(directory, seeds)
    for folder in (directory, *former):
        _check_free(folder, overwrite)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(directory)
        try:
            with atomic_write(directory / ".writable"):
                pass
            (directory / ".writable").unlink()
            throw_away(former, overwrite)
            _clear(directory, overwrite)
            for seed in seeds:
                (directory / name_of_seed(seed)).mkdir(exist_ok=True)
        except BaseException:
            lock.release()
            raise
        return lock
    except OSError as error:
        raise InputError(
            f"Cannot write to {directory}: {error.strerror or error}. Expected a folder that can be made and "
            "written to; give another `out`."
        ) from error


def folders_of_seeds(directory: Path, seeds: Sequence[int] = ()) -> list[Path]:
    """Those that are there, of these seeds and of those that the folder says it has. What is only called alike is none
    of ours."""
    try:
        listed = read_json(directory / CONFIG).get(SEEDS)
        former = check_seeds(listed) if isinstance(listed, list) else ()
    except InputError:
        former = ()
    folders = [directory / name_of_seed(seed) for seed in dict.fromkeys([*seeds, *former])]
    return [folder for folder in map(no_link, folders) if folder.is_dir()]


def throw_away(folders: Sequence[Path], overwrite: bool = True) -> None:
    """Throws away the runs in folders, and each folder that nothing else is in; nothing, where one of them may not be.

    Raises:
        InputError: one is in use, has what no run wrote, or has a run and `overwrite` is not set.
    """
    with contextlib.ExitStack() as held:
        there = [folder for folder in folders if _check_free(folder, overwrite)]
        for folder in there:
            held.callback(FolderLock(folder).release)
        for folder in there:
            _clear(folder, overwrite)
    for folder in folders:
        with contextlib.suppress(OSError):  # Something else is in it.
            folder.rmdir()


def _clear(directory: Path, overwrite: bool) -> None:
    # Somebody may have run in it meanwhile. `config.json` goes last: what is left without it is taken for somebody
    # else's.
    for name in reversed(_check_free(directory, overwrite)):
        path = directory / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _check_free(directory: Path, overwrite: bool) -> list[str]:
    """What is to be thrown away."""
    found = [name for name in OWN if os.path.lexists(directory / name)]
    if found and not is_of_a_run(directory):
        raise InputError(
            f"{directory} has no whole {CONFIG} of a run, but what a run would write over: {', '.join(found)}. Move "
            "them away, or give another `out`."
        )
    if found and not overwrite:
        raise InputError(
            f"{directory} has a run in it ({', '.join(found)}). Give another `out`{_way_on(directory)}; `overwrite` "
            "would throw that run away, also one that ended before it saved anything."
        )
    return found


def _way_on(directory: Path) -> str:
    """How a run that is there can go on, as a message adds it; nothing, where it has nothing to go on from."""
    with contextlib.suppress(InputError):
        if SEEDS in read_json(directory / CONFIG):
            return f", or go on with `resume_seeds` {directory}"
    return f", or go on with `resume` {directory}" if (directory / CHECKPOINTS).is_dir() else ""


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
        InputError: it is missing or damaged: no JSON object, too large or too deep, with a name twice in a group, with
            a number that is not finite, or with text that is none.
    """
    check_name(path)
    try:
        return json_of(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        folder = path.parent.absolute()  # "." would end a sentence.
        missing = f"No {path.name} in {folder}" if folder.is_dir() else f"No folder {folder}"
        if folder.is_file():
            missing = f"{folder} is a file"
        if path.name == CONFIG and (folder / AUDIT).exists():
            missing = f"{folder} is the folder of an audit, which has its runs in folders of their own"
        raise InputError(f"{missing}. Expected the folder of a run, as `out` names it.") from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} is damaged: {text_of(error)}. Expected the file as the run wrote it."
        ) from error


def read_summary(path: Path) -> dict[str, Any]:
    """Reads the `summary.json` of a run.

    Raises:
        InputError: as `read_json`; where the run is there, and it alone is missing, it says how to go on.
    """
    if not path.exists() and (path.parent / CONFIG).exists():
        folder = path.parent.absolute()
        raise InputError(
            f"No {path.name} in {folder}: its run goes on, or ended before it saved its results. If it has a "
            f"checkpoint, `resume` {folder} goes on with it."
        )
    return read_json(path)


def json_of(path: Path) -> dict[str, Any]:
    """As `read_json`, of which it is the strict reading.

    Raises:
        ValueError: it is damaged.
        OSError: it is missing, a folder, or cannot be read.
    """
    with open_regular(path) as file:
        content = file.read(LONGEST_JSON + 1)
    if len(content) > LONGEST_JSON:
        raise ValueError(f"it has more than {LONGEST_JSON:,} bytes")
    try:
        values = json.loads(content, object_pairs_hook=_group, parse_constant=_refuse, parse_float=_finite)
    except RecursionError as error:
        raise ValueError(str(error)) from error
    if not isinstance(values, dict):
        raise ValueError(f"expected a JSON object, got {type(values).__name__}")
    _check_depth(values)
    return values


def _group(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    group = dict(pairs)
    if len(group) < len(pairs):
        count = Counter(name for name, _ in pairs)
        raise ValueError(f"{shown(count.most_common(1)[0][0])} is there twice in one group")
    return group


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _finite(text: str) -> float:
    if math.isfinite(number := float(text)):
        return number
    raise ValueError(f"the number {text[:20]} is too large")


def _check_depth(values: Any) -> None:
    """Checks that groups and lists are few levels deep, and that all text can be written again."""
    level = [values]
    for _ in range(DEEPEST_JSON):
        below: list[Any] = []
        for value in level:
            if isinstance(value, str):
                value.encode()  # A lone half of a pair of codes is no text.
            elif isinstance(value, dict):
                below += [*value, *value.values()]
            elif isinstance(value, list):
                below += value
        if not below:
            return
        level = below
    raise ValueError(f"it is more than {DEEPEST_JSON} levels deep")


def no_link(folder: Path) -> Path:
    """A folder within a run folder, that is there or not. Were it a link, the run would write into another one.

    Raises:
        InputError: it is a link.
    """
    if folder.is_symlink():
        raise InputError(f"{folder} is a link. Expected a folder that lies where it is named; move it there.")
    return folder


def has_run(directory: Path) -> bool:
    """Whether there is a run in a folder, or what is left of one; pages and pictures alone may be of an audit or a
    comparison, or of somebody else."""
    return any(os.path.lexists(directory / name) for name in NUMBERS)


def is_of_a_run(directory: Path) -> bool:
    """Whether its `config.json` is that of a run, whole. Others have files and folders of these names too, as a model
    that was downloaded: they are not thrown away."""
    try:
        values = read_json(directory / CONFIG)
    except InputError:
        return False
    return all(isinstance(values.get(group), dict) for group in GROUPS)


def check_files(directory: Path) -> None:
    """Checks that no folder is in the place of a file that a run writes.

    Raises:
        InputError: there is one.
    """
    for name in OWN:
        if name not in FOLDERS and (directory / name).is_dir():
            raise InputError(
                f"{directory / name} is a folder, where a run writes a file of that name. Move it away, or bring the "
                "file back."
            )


def check_name(path: Path) -> None:
    """Checks that there can be a file or folder of a name.

    Raises:
        InputError: it has a null character.
    """
    if "\0" in str(path):
        raise InputError(
            f"No file or folder can be called {shown(str(path))}: it has a null character. Leave it away."
        )


def write_metrics(path: Path, rows: Sequence[Metrics]) -> None:
    """Writes a CSV row for each of metrics under a header.

    Raises:
        OSError: it cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in dataclasses.fields(Metrics))
    log = rows if isinstance(rows, MetricsLog) else MetricsLog(rows)
    writer.writerows(log.tuples())
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())


def read_metrics(path: Path) -> list[Metrics]:
    """The rows of a CSV file; none where there is no file.

    Raises:
        InputError: it is damaged: another header, a row that lacks a number or has one that no run writes, or too
            large.
    """
    if not os.path.lexists(path):
        return []
    names = [field.name for field in dataclasses.fields(Metrics)]
    try:
        with io.TextIOWrapper(open_regular(path), encoding="utf-8", newline="") as file:
            if os.fstat(file.fileno()).st_size > LONGEST_METRICS:
                raise ValueError(f"it has more than {LONGEST_METRICS:,} bytes")
            rows = csv.reader(file, strict=True)
            header = next(rows, [])
            if header != names:
                raise ValueError(f"its header is {shown(','.join(header))}, not {','.join(names)}")
            return [_metrics(dict(zip(names, row, strict=True))) for row in rows]
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:
        raise InputError(
            f"{path} is damaged: {text_of(error)}. Expected the file as the run wrote it, or none: all else of the run "
            "does without."
        ) from error


def _metrics(row: dict[str, str]) -> Metrics:
    return Metrics(**{name: _number(kind, name, row[name]) for name, kind in _KINDS.items()})


def _number(kind: Callable[[str], Any], name: str, text: str) -> Any:
    # Python also reads 1_0, spaces and the digits of other scripts.
    if _WRITTEN.fullmatch(text) and 0 <= (number := kind(text)) < LARGEST_NUMBER:
        return number
    raise ValueError(f"{name} is {shown(text)}")
