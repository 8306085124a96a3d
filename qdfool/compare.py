"""Runs side by side: `python -m qdfool.compare RUN RUN ... --out DIR`."""

if __name__ == "__main__":  # Before the imports, which take a second; `start` has them made as it likes.
    from qdfool.cli.start import start

    start("qdfool.compare")

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from qdfool import analysis
from qdfool.analysis.charts import Band
from qdfool.analysis.report import write_report
from qdfool.cli.exits import run_and_exit
from qdfool.cli.options import read
from qdfool.errors import InputError, named, printable
from qdfool.results import run_folder
from qdfool.results.comparison import (
    Difference,
    Group,
    as_json,
    compared,
    curves,
    differences,
    left_out,
    read_groups,
)
from qdfool.results.comparison_report import difference_text, figure_text, report_of
from qdfool.results.over_seeds import intervals
from qdfool.results.rows import are_rows, read_rows

COMPARISON, CURVES = "comparison.json", "curves.png"


@dataclass(frozen=True)
class CommandLine:
    """Compares runs. Those that differ in their seed alone are repeats of one setting; settings are compared figure by
    figure, paired by seed where they share seeds, and corrected for the number of comparisons.
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN...")] = ()
    """Run folders, or folders of several seeds; or JSON files of benchmarks, with a row for each setting and seed."""
    out: Path | None = None
    """Folder for report.html, comparison.json and curves.png."""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Replace the comparison that is in the folder."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and ends the process; `qdfool.cli.exits.run_and_exit` has the exit codes."""
    run_and_exit(
        "qdfool.compare",
        lambda: _main(list(sys.argv[1:] if arguments is None else arguments)),
        after_disk_trouble="The runs are as they were; make room or give another --out.",
    )


def _main(arguments: list[str]) -> None:
    command = read(CommandLine, arguments, prog="python -m qdfool.compare")
    if command.out is None:
        raise InputError("No folder for the comparison: give one with --out.")
    _check_free(command.out, command.overwrite)
    of_runs = not are_rows(command.runs)
    groups = read_groups(command.runs) if of_runs else read_rows(command.runs)
    found = differences(groups)
    x, lines = curves(groups) if of_runs else (np.zeros(0), {})
    command.out.mkdir(parents=True, exist_ok=True)
    run_folder.write_json(command.out / COMPARISON, as_json(groups, found))
    (command.out / CURVES).unlink(missing_ok=True)  # That of what is replaced.
    if of_runs:
        _draw(command.out / CURVES, x, lines["median_confidence"])
    again = shlex.join(
        ["python", "-m", "qdfool.compare", *map(str, command.runs), "--out", str(command.out), "--overwrite"]
    )
    write_report(command.out / run_folder.REPORT, report_of(groups, found, x, lines, command.out, again))
    print(printable_lines(as_text(groups, found)))
    if missing := left_out(groups):
        print(missing)
    left = [run_folder.REPORT, COMPARISON, *([CURVES] if of_runs else [])]
    print(f"{', '.join(left[:-1])} and {left[-1]} are in {printable(str(command.out))}/")


def _draw(path: Path, x: np.ndarray, bands: Mapping[str, Band]) -> None:
    analysis.lines(
        path,
        x,
        bands,
        "Median confidence",
        "median over the runs, and the 95 % interval of that median",
        "evaluations",
        "median confidence over the classes",
        (0.0, 1.0),
        log_x=True,
    )


def _check_free(out: Path, overwrite: bool) -> None:
    run_folder.check_name(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file. Give a folder with --out.")
    if (out / run_folder.CONFIG).exists():
        raise InputError(f"{out} is a run folder. Give another folder with --out.")
    if (out / run_folder.AUDIT).exists():
        raise InputError(f"{out} is the folder of an audit. Give another folder with --out.")
    there = [name for name in (COMPARISON, run_folder.REPORT, CURVES) if (out / name).exists()]
    if there and not _is_comparison(out):
        raise InputError(
            f"{out} holds no comparison, but what one would write over: {', '.join(there)}. Give another folder with "
            "--out."
        )
    if there and not overwrite:
        raise InputError(f"{out} has a comparison already. Give another --out, or --overwrite.")


def _is_comparison(out: Path) -> bool:
    try:
        return {"schema", "groups", "differences"} <= run_folder.read_json(out / COMPARISON).keys()
    except InputError:
        return False


def printable_lines(text: str) -> str:
    """Text of several lines, each as a terminal may have it."""
    return "\n".join(map(printable, text.split("\n")))


def as_text(groups: Sequence[Group], found: Sequence[Difference]) -> str:
    """Two Markdown tables: what each setting came to, and what differs."""
    figures = [intervals([one.figures for one in group.members]) for group in groups]
    shared = [name for name in compared(groups) if any(name in row for row in figures)]
    rows = [["setting", "runs", *map(named, shared)]]
    for group, row in zip(groups, figures, strict=True):
        rows.append(
            [group.name, str(len(group.members)), *(figure_text(name, row.get(name)) for name in shared)]
        )
    table = [["figure", "setting", "than", "difference (95 %)", "p, adjusted", "beyond chance"]]
    for one in found:
        difference, kind, p = difference_text(one)
        beyond = {None: "?", True: "yes", False: "no"}[one.beyond_chance]
        table.append([named(one.figure), one.group, one.than, f"{difference}, {kind}", p, beyond])
    tables = [rows, *([table] if found else [])]
    return "\n\n".join(_table(table) for table in tables)


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *body])
