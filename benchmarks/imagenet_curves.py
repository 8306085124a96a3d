"""Runs on ImageNet side by side: `python -m benchmarks.imagenet_curves FOLDER...`.

Prints a table of the median confidence over the 1,000 classes against evaluations, and draws the curves: what
docs/papers.md shows. The folders are those of `python -m qdfool.run imagenet-cppn` and `imagenet-direct`.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from matplotlib.figure import Figure

import qdfool
from benchmarks.report import write
from qdfool.analysis import percent
from qdfool.engine.objectives import confidence
from qdfool.errors import InputError
from qdfool.results.history import SURE, VERY_SURE

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")


@dataclass(frozen=True)
class Options:
    """Compares runs on a network of many classes."""

    folders: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Run folders."""
    evaluations: tuple[int, ...] = (10_000, 30_000, 100_000, 300_000, 1_000_000)
    """Where the table looks."""
    picture: Path | None = None
    """PNG for the curves."""
    json: Path | None = None
    """File for the rows, under a header of machine and versions."""


@dataclass(frozen=True)
class Row:
    """A run after so many evaluations."""

    preset: str
    classifier: str
    seed: int
    batch_size: int
    evaluations: int
    median_confidence: float
    low_confidence: float
    """5 % quantile over classes."""
    high_confidence: float
    """95 % quantile."""
    classes_at_99: int
    classes_at_9999: int
    seconds: float
    """Seconds of evolution that the whole run took."""


def main() -> None:
    """Reads, prints, draws and writes what was asked for."""
    options = tyro.cli(Options, prog="python -m benchmarks.imagenet_curves")
    try:
        if not options.folders:
            raise InputError("Give one run folder or more.")
        runs = [qdfool.load(folder) for folder in options.folders]
    except InputError as error:
        print(f"imagenet_curves: {error}", file=sys.stderr)
        sys.exit(2)
    rows = [row for run in runs for row in table(run, options.evaluations)]
    print("| run | evaluations | median confidence | 5 % to 95 % of classes | >= 99 % | >= 99.99 % |")
    print("| --- | --- | --- | --- | --- | --- |")
    for row in rows:
        print(
            f"| {row.preset} | {row.evaluations:,} | {percent(row.median_confidence)} | "
            f"{percent(row.low_confidence)} to {percent(row.high_confidence)} | {row.classes_at_99} | "
            f"{row.classes_at_9999} |"
        )
    if options.picture:
        draw(options.picture, runs)
    if options.json:
        write(options.json, rows)


def table(run: qdfool.Result, evaluations: tuple[int, ...]) -> list[Row]:
    """The run at the last record before each number of evaluations, and at its end."""
    done = run.config.charges().of(run.history.generation.astype(np.int64))
    places = [int(np.flatnonzero(done <= e)[-1]) for e in evaluations if done[0] <= e < done[-1]]
    rows = []
    for place in (*places, len(done) - 1):
        sure = confidence(run.history.fitness[place])
        low, median, high = np.quantile(sure, [0.05, 0.5, 0.95])
        rows.append(
            Row(
                preset=run.config.preset,
                classifier=run.config.classifier,
                seed=run.config.seed,
                batch_size=run.config.batch_size,
                evaluations=int(done[place]),
                median_confidence=float(median),
                low_confidence=float(low),
                high_confidence=float(high),
                classes_at_99=int((sure >= SURE).sum()),
                classes_at_9999=int((sure >= VERY_SURE).sum()),
                seconds=run.seconds,
            )
        )
    return rows


def draw(path: Path, runs: list[qdfool.Result]) -> None:
    """The curves of median confidence, with the middle nine tenths of the classes shaded."""
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    for run, colour in zip(runs, COLOURS, strict=False):
        evaluations = run.config.charges().of(run.history.generation.astype(np.int64))
        low, median, high = 100 * np.quantile(confidence(run.history.fitness), [0.05, 0.5, 0.95], axis=1)
        axes.fill_between(evaluations, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(evaluations, median, color=colour, linewidth=2, label=f"{run.config.preset}, median")
    axes.set_xscale("log")
    axes.set_xlabel("evaluations")
    axes.set_ylabel("confidence in per cent")
    axes.set_ylim(0, 101)
    axes.set_title(
        f"{runs[0].config.classifier}: confidence over 1,000 classes (shaded: 5 % to 95 % of them)",
        fontsize=11,
    )
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
