"""Results of benchmarks as groups to compare: JSON files with a row for each setting and seed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qdfool.errors import InputError, listed, named, printable, shown
from qdfool.results import run_folder
from qdfool.results.comparison import Group, Member, in_order
from qdfool.results.over_seeds import MOST_FIGURES, numbers

ROWS, SEED = "rows", "seed"
MOST_ROWS = 10_000
FILE = "results"
"""The setting that a file is, where there are several."""


def are_rows(paths: Sequence[Path]) -> bool:
    """Whether paths are files of rows and no folders of runs.

    Raises:
        InputError: some are, others are not.
    """
    files = [path for path in paths if path.suffix == ".json" and path.is_file()]
    if files and len(files) < len(paths):
        raise InputError(
            f"{files[0]} is a file of results, and not all others are. Give run folders, or files, not both."
        )
    return bool(files)


def read_rows(paths: Sequence[Path]) -> list[Group]:
    """What the rows of files have, by their settings: the texts in a row, and the file.

    Args:
        paths: of JSON files with `rows`, each an object with a whole number `seed`, texts that say what was measured,
            and numbers, which are its figures. Lists, groups and truth values in it are not looked at.

    Raises:
        InputError: a file is damaged, has no such rows, or several with the same texts and the same seed.
    """
    stems = [path.stem for path in paths]
    alike: dict[tuple[tuple[str, str], ...], list[Member]] = {}
    for path, stem in zip(paths, stems, strict=True):
        rows = _rows(path)
        # In any row: what another one lacks is said to be left out.
        names = tuple(
            dict.fromkeys(
                name
                for row in rows
                for name, value in row.items()
                if name != SEED and not isinstance(value, str | list | dict | bool)
            )
        )
        for row in rows:
            texts = {name: value for name, value in row.items() if isinstance(value, str)}
            if len(paths) > 1:
                texts[FILE] = stem if stems.count(stem) == 1 else str(path)
            figures = numbers({name: value for name, value in row.items() if name in names})
            odd = tuple(name for name in names if name in row and name not in figures)
            member = Member(path, row[SEED], None, 0, figures, odd, names)
            alike.setdefault(tuple(sorted(texts.items())), []).append(member)
    settings = [dict(key) for key in alike]
    return [
        Group(_name(one, settings, paths[0].stem), in_order(members), one)
        for one, members in zip(settings, alike.values(), strict=True)
    ]


def _rows(path: Path) -> list[dict[str, Any]]:
    """Those of a file, each with its seed."""
    rows = run_folder.read_json(path).get(ROWS)
    if (
        not isinstance(rows, list)
        or not 0 < len(rows) <= MOST_ROWS
        or not all(isinstance(row, dict) for row in rows)
    ):
        raise InputError(
            f"{path} has no results to compare. Expected `{ROWS}`, a list of 1 to {MOST_ROWS:,} objects."
        )
    for row in rows:
        seed = row.get(SEED)
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise InputError(
                f"{path} has a row without a seed: {shown(seed)}. Only rows of one seed each can be compared; this one "
                f"has {listed(row, 10)}."
            )
        if len(row) > MOST_FIGURES:
            raise InputError(
                f"{path} has a row of {len(row):,} figures. At most {MOST_FIGURES} are compared."
            )
    return rows


def _name(one: dict[str, str], settings: Sequence[dict[str, str]], stem: str) -> str:
    """What tells a setting from the others."""
    texts = [value for key, value in one.items() if any(other.get(key) != value for other in settings)]
    return ", ".join(map(named, texts)) or printable(stem)
