"""What a study is, and the workbench it works at: its seeds, its data, its units, its report."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from qdfool.data import mnist
from qdfool.errors import InputError, in_range, text_of, there_and_here
from qdfool.files.atomic import atomic_write
from qdfool.results.run_folder import read_json
from qdfool.studies.origin import differences, origin
from qdfool.studies.report import Report

FEWEST_SEEDS, MOST_SEEDS = 2, 100
"""A study speaks of several seeds, always."""
UNITS, SETTINGS, REPORT, RESULTS = "units", "study.json", "report.md", "results.json"
Figures = dict[str, np.ndarray]
"""What a unit found, by name."""


@dataclass(frozen=True)
class NoSettings:
    """A study without options of its own."""


class Study(NamedTuple):
    """One account that can be re-run."""

    name: str
    line: str
    """What it asks."""
    title: str
    """Of its report."""
    seeds: int
    """Without --seeds."""
    quick_seeds: int
    """Without --seeds, with --quick."""
    settings: Any
    """A frozen dataclass with the study's own options, at their defaults. Its `check()`, if it has one, raises
    InputError."""
    run: Callable[["Workbench"], None]


class Workbench:
    """What a study works at.

    A unit is one condition with one seed. Each is saved in a file as soon as it is done, and read from there
    when the study is run again: an interrupted study goes on at the unit where it stopped. A unit of other code,
    data, weights or versions (`origin.py`), and one that is damaged, is computed again, and the log says why.
    """

    def __init__(
        self,
        study: Study,
        out: Path,
        *,
        settings: Any,
        seeds: int | None = None,
        quick: bool = False,
        data: Path | None = None,
        weights: Path | None = None,
        overwrite: bool = False,
        log: Callable[[str], None] = print,
    ) -> None:
        """Prepares the folder; nothing is computed.

        Raises:
            InputError: `seeds` or a setting is out of range, or the folder holds units of other settings, or it could
                not be written to.
        """
        seeds = (study.quick_seeds if quick else study.seeds) if seeds is None else seeds
        in_range("--seeds", seeds, FEWEST_SEEDS, MOST_SEEDS)
        if hasattr(settings, "check"):
            settings.check()
        self.study, self.out, self.settings, self.quick = study, out, settings, quick
        self.seeds = range(seeds)
        self.report = Report(study.title)
        self.results: dict[str, Any] = {}
        """What results.json will hold: nested dicts of numbers, arrays and intervals."""
        self.seconds = 0.0
        """That the units took, compilation included, also those of an earlier, interrupted call."""
        self._data, self._weights, self._log = data, weights, log
        self._origin = origin()
        self._mnist: mnist.Mnist | None = None
        self._done, self._expected = 0, 0
        self._count = threading.Lock()
        units = out / UNITS
        for folder in (out, units):
            if folder.exists() and not folder.is_dir():
                raise InputError(f"{folder} is a file. Expected a folder, or a new name, with --out.")
        if units.exists() and any(units.iterdir()) and not (units / SETTINGS).is_file():
            raise InputError(
                f"{units} exists and is not of a study: it has no {SETTINGS}. Give another folder with --out."
            )
        check_can_be_written(units, "--out")
        if overwrite:
            shutil.rmtree(units, ignore_errors=True)
        self._check_settings()

    def expect(self, units: int) -> None:
        """Says how many units there will be, for the progress."""
        self._expected += units

    def unit(
        self, condition: str, seed: int, compute: Callable[[], Mapping[str, Any]], *, inputs: str = ""
    ) -> Figures:
        """What `compute` returned: now, or when this unit was computed before.

        Args:
            condition: lower-case words joined by hyphens; with the seed it names the unit.
            seed: from 0.
            compute: to a dict of arrays and numbers.
            inputs: fingerprint of what the unit depends on beside the settings, the code and the data, such as
                weights.
        """
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", condition):
            raise ValueError(f"A condition is of lower-case words joined by hyphens; got {condition!r}.")
        path = self.out / UNITS / f"{condition}-seed{seed}.npz"
        made_with = {**self._origin, "inputs": inputs}
        found, fault = _read_unit(path, made_with)
        if found is None:
            start = time.perf_counter()
            figures = {name: np.asarray(value) for name, value in compute().items()}
            extra = {
                "_seconds": np.float64(time.perf_counter() - start),
                "_origin": np.str_(json.dumps(made_with)),
            }
            self._claim()
            with atomic_write(path) as file:
                np.savez_compressed(file, allow_pickle=False, **figures, **extra)
            found, _ = _read_unit(path, made_with)
            assert found is not None
            how = f"{float(found['_seconds']):.1f} s"
            if fault:
                how += f", computed again: the saved unit {fault}"
        else:
            how = "saved before"
        found.pop("_origin")
        of = f"/{self._expected}" if self._expected else ""
        with self._count:
            self._done += 1
            self.seconds += float(found.pop("_seconds"))
            self._log(f"{self.study.name} [{self._done}{of}] {condition}, seed {seed}: {how}")
        return found

    def units(
        self,
        condition: str,
        compute: Callable[[int], Mapping[str, Any]],
        *,
        inputs: str = "",
        workers: int = 1,
    ) -> Figures:
        """A condition's units for all seeds, stacked: every figure has a leading axis of seeds [S, ...].

        `workers` seeds are computed at once, in threads: for runs on a CPU that keep one core busy.
        """

        def one(seed: int) -> Figures:
            return self.unit(condition, seed, lambda: compute(seed), inputs=inputs)

        if workers == 1:
            found = [one(seed) for seed in self.seeds]
        else:
            pool = ThreadPoolExecutor(workers)
            try:
                found = list(pool.map(one, self.seeds))
            finally:
                # After an interrupt, those that run are finished and saved; those that wait are not begun.
                pool.shutdown(cancel_futures=True)
        return {name: np.stack([figures[name] for figures in found]) for name in found[0]}

    def picture(self, name: str) -> Path:
        """Where the picture `name`, without ending, goes."""
        return self.out / f"{self.study.name}-{name}.png"

    def mnist(self) -> mnist.Mnist:
        """MNIST, from --data, $QDFOOL_DATA or the cache.

        Raises:
            InputError: it is nowhere and cannot be fetched; says what to put where.
        """
        if self._mnist is None:
            self._mnist = mnist.load(mnist.find(self._data))
        return self._mnist

    def weights(self, name: str) -> Path:
        """The weights file `name` in --weights or $QDFOOL_WEIGHTS.

        Raises:
            InputError: it is not there; says what to put where.
        """
        set_to = os.environ.get("QDFOOL_WEIGHTS")
        folder = self._weights or (Path(set_to) if set_to else None)
        if folder is None:
            raise InputError(
                f"The study {self.study.name} needs {name}. Put it into a folder and name that with --weights, or "
                "in the environment variable QDFOOL_WEIGHTS; docs/networks.md says where it is published. "
                "--quick needs none."
            )
        if not (folder / name).is_file():
            raise InputError(
                f"There is no {name} in {folder}. Expected that file there (docs/networks.md says where it is "
                "published), or another folder with --weights. --quick needs none."
            )
        return folder / name

    def write_results(self) -> Path:
        """Writes results.json: the same numbers whenever the study is run again."""
        content = {
            "study": self.study.name,
            "quick": self.quick,
            "seeds": len(self.seeds),
            "settings": asdict(self.settings),
            "results": self.results,
        }
        path = self.out / RESULTS
        with atomic_write(path) as file:
            file.write((json.dumps(_plain(content), indent=1, allow_nan=False) + "\n").encode())
        return path

    def _ours(self) -> dict[str, Any]:
        """What units of one folder have in common."""
        return _plain(
            {
                "study": self.study.name,
                "version": version("qdfool"),
                "quick": self.quick,
                "settings": asdict(self.settings),
            }
        )

    def _check_settings(self) -> None:
        """Units of one folder are of the same settings."""
        path = self.out / UNITS / SETTINGS
        if not path.is_file() or not any(path.parent.glob("*.npz")):
            return
        if differing := there_and_here(read_json(path), self._ours()):
            raise InputError(
                f"{self.out} holds units of other settings ({differing}). Give another folder with "
                "--out, or throw them away with --overwrite."
            )

    def _claim(self) -> None:
        """Says in the folder whose units it holds, before the first of them is written."""
        path = self.out / UNITS / SETTINGS
        with self._count:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as file:
                file.write((json.dumps(self._ours(), indent=1) + "\n").encode())


def check_can_be_written(folder: Path, option: str) -> None:
    """Refuses a folder that could not be made or written to, before hours are spent; makes nothing.

    Raises:
        InputError: it could not; names the option that gave it.
    """
    try:
        place = folder.absolute()
        while not os.path.lexists(place):
            place = place.parent
        with contextlib.suppress(FileNotFoundError):
            folder.stat()
        with tempfile.TemporaryFile(dir=place):
            pass
    except (OSError, ValueError) as error:  # A ValueError is of a path with a null byte.
        raise InputError(
            f"Cannot write to {folder}: {text_of(error)}. Expected a folder that can be made and written to, with "
            f"{option}."
        ) from error


def fingerprint(*arrays: np.ndarray) -> str:
    """SHA-256 of arrays: what a unit depends on."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _read_unit(path: Path, made_with: Mapping[str, str]) -> tuple[Figures | None, str]:
    """A unit that is whole and was made with the same; else None, and why not, empty where there is no file."""
    if not path.is_file():
        return None, ""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            figures = dict(arrays)
        if "_origin" not in figures:
            return None, "does not say what it was made with"
        others = differences(json.loads(str(figures["_origin"])), made_with)
    except Exception:  # whatever is wrong with the file, the remedy is the same: compute it again
        return None, "is damaged"
    return (None, f"is of {others}") if others else (figures, "")


def _plain(value: Any) -> Any:
    """Dicts, lists, numbers and text, ready for JSON; NaN and infinities are null."""
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value
