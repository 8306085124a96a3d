"""Confidence, QD score and coverage against evaluations."""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import ArrayLike, NDArray

from qdfool.analysis import style
from qdfool.analysis.confidence import (
    CERTAIN,
    nine_scale,
    nine_ticks,
    nines_of_confidence,
    percent,
)
from qdfool.errors import InputError

Band = tuple[ArrayLike, ArrayLike, ArrayLike]
"""Median, low and high over seeds, each [T]."""


def curves(
    path: str | os.PathLike[str],
    evaluations: ArrayLike,
    median: ArrayLike,
    minimum: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    qd_score: ArrayLike,
    coverage: ArrayLike,
    title: str,
    evaluations_a_generation: int | None = None,
) -> None:
    """Draws how a run went, one point a chunk, into the PNG `path`.

    Args:
        path: where the picture goes; replaced when the new one is whole.
        evaluations: [T] images scored so far, rising.
        median: [T] median confidence over the occupied cells, in [0, 1]; NaN is left out, here and below.
        minimum: [T] lowest confidence.
        low: [T] 5 % quantile of the confidence.
        high: [T] 95 % quantile of the confidence.
        qd_score: [T] sum of the confidence over cells.
        coverage: [T] occupied cells as a fraction, in [0, 1].
        title: what is shown.
        evaluations_a_generation: what one is charged; with it the top axis counts generations.

    Raises:
        InputError: there is no point, or the columns differ in length.
    """
    columns = {
        "evaluations": evaluations,
        "median": median,
        "minimum": minimum,
        "low": low,
        "high": high,
        "qd_score": qd_score,
        "coverage": coverage,
    }
    series = {name: np.asarray(column, np.float64) for name, column in columns.items()}
    lengths = {name: len(column) for name, column in series.items()}
    if len(set(lengths.values())) != 1 or not lengths["evaluations"]:
        raise InputError(f"Curves need one point or more, and as many of each; got {lengths}.")

    x = series["evaluations"]
    lines = [
        _Line(
            "median", style.MEDIAN, series["median"], series["low"], series["high"], "5 % to 95 % of classes"
        ),
        _Line("lowest", style.MINIMUM, series["minimum"]),
    ]
    score, covered = (_Line("", style.INK, series[name]) for name in ("qd_score", "coverage"))
    subtitle = (
        f"after {x[-1]:,.0f} evaluations: median {percent(series['median'][-1])}, "
        f"lowest {percent(series['minimum'][-1])}"
    )
    _draw(path, x, lines, score, covered, title, subtitle, evaluations_a_generation)


def seed_curves(
    path: str | os.PathLike[str],
    evaluations: ArrayLike,
    median: Band,
    minimum: Band,
    qd_score: Band,
    coverage: Band,
    title: str,
    seeds: int,
    evaluations_a_generation: int | None = None,
) -> None:
    """Draws how the runs of several seeds went, each quantity as its median over seeds within a band, into the PNG
    `path`.

    Args:
        path: where the picture goes; replaced when the new one is whole.
        evaluations: [T] images scored so far, rising.
        median: of each run's median confidence, in [0, 1]; the band is from the 5 % to the 95 % quantile over seeds.
        minimum: of each run's lowest confidence.
        qd_score: of each run's sum of the confidence over cells.
        coverage: of each run's occupied cells as a fraction, in [0, 1].
        title: what is shown.
        seeds: how many.
        evaluations_a_generation: what one is charged; with it the top axis counts generations.

    Raises:
        InputError: there is no point, or the columns differ in length.
    """
    x = np.asarray(evaluations, np.float64)
    bands = {"median": median, "lowest": minimum, "QD score": qd_score, "coverage": coverage}
    columns = {name: [np.asarray(column, np.float64) for column in band] for name, band in bands.items()}
    lengths = {name: [len(column) for column in band] for name, band in columns.items()}
    if not len(x) or any(length != len(x) for band in lengths.values() for length in band):
        raise InputError(f"Curves need one point or more, and as many of each; got {len(x)} and {lengths}.")

    def line(name: str, colour: str, label: str = "") -> _Line:
        middle, low, high = columns[name]
        return _Line(label, colour, middle, low, high, "5 % to 95 % of seeds")

    lines = [
        line("median", style.MEDIAN, "median of the classes"),
        line("lowest", style.MINIMUM, "lowest class"),
    ]
    score, covered = line("QD score", style.INK), line("coverage", style.INK)
    subtitle = (
        f"after {x[-1]:,.0f} evaluations, median over {seeds:,} seeds: median {percent(columns['median'][0][-1])}, "
        f"lowest {percent(columns['lowest'][0][-1])}"
    )
    _draw(path, x, lines, score, covered, title, subtitle, evaluations_a_generation)


class _Line(NamedTuple):
    name: str
    colour: str
    middle: NDArray[np.float64]
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None
    band: str = ""
    """Name of what lies between low and high."""


def _draw(
    path: str | os.PathLike[str],
    x: NDArray[np.float64],
    lines: Sequence[_Line],
    score: _Line,
    covered: _Line,
    title: str,
    subtitle: str,
    evaluations_a_generation: int | None,
) -> None:
    """Three panels over the evaluations: confidences by their nines, QD score, coverage."""
    lines = [
        line._replace(
            **{
                name: nines_of_confidence(column)
                for name, column in (("middle", line.middle), ("low", line.low), ("high", line.high))
                if column is not None
            }
        )
        for line in lines
    ]
    nines = np.concatenate([c for line in lines for c in (line.middle, line.low, line.high) if c is not None])
    top = nine_scale(nines)
    places, labels = nine_ticks(top)
    if (nines > top).any():
        labels[-1] = f"≥ {labels[-1]}"

    figure = Figure(figsize=(style.WIDTH, 6.6), layout="constrained")
    confidence_axes, score_axes, covered_axes = figure.subplots(3, 1, sharex=True, height_ratios=[2.2, 1, 1])
    for line in lines:
        _draw_band(confidence_axes, x, line, top)
    for line in lines:
        _draw_line(confidence_axes, x, line, top)
    if top >= CERTAIN:
        confidence_axes.axhline(CERTAIN, color=style.QUIET, linewidth=0.8, linestyle=":")
    confidence_axes.set_yticks(places, labels)
    confidence_axes.set_ylim(0, top * 1.03)
    confidence_axes.set_ylabel("confidence")
    confidence_axes.legend(loc="best", fontsize=style.TEXT_SIZE, frameon=False)
    for axes, line in ((score_axes, score), (covered_axes, covered)):
        _draw_band(axes, x, line)
        _draw_line(axes, x, line)
    score_axes.set_ylabel("QD score\n(sum of confidence\nover cells)")
    score_axes.set_ylim(bottom=0)
    covered_axes.set_ylabel("coverage\n(share of cells\noccupied)")
    covered_axes.set_ylim(0, 1.05)
    covered_axes.set_xlabel("evaluations")
    covered_axes.set_xlim(0, x[-1] * 1.02)
    covered_axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    for axes in (confidence_axes, score_axes, covered_axes):
        axes.grid(color=style.EMPTY, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=style.TEXT_SIZE)
        axes.yaxis.label.set_size(style.TEXT_SIZE)
        axes.xaxis.label.set_size(style.TEXT_SIZE)
    if evaluations_a_generation is not None:
        upper = confidence_axes.secondary_xaxis(
            "top", functions=(lambda e: e / evaluations_a_generation, lambda g: g * evaluations_a_generation)
        )
        upper.set_xlabel("generation", size=style.TEXT_SIZE)
        upper.tick_params(labelsize=style.TEXT_SIZE)
        upper.xaxis.set_major_locator(MaxNLocator(integer=True))
        upper.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    style.heading(figure, title, subtitle)
    style.save(figure, path)


def _draw_band(axes: Axes, x: NDArray[np.float64], line: _Line, top: float = np.inf) -> None:
    if line.low is None or line.high is None:
        return
    low, high = np.minimum(line.low, top), np.minimum(line.high, top)
    axes.fill_between(x, low, high, color=line.colour, alpha=0.2, linewidth=0, label=line.band)
    if len(x) == 1:
        axes.vlines(x, low, high, color=line.colour, alpha=0.2, linewidth=6)


def _draw_line(axes: Axes, x: NDArray[np.float64], line: _Line, top: float = np.inf) -> None:
    middle = np.minimum(line.middle, top)
    if len(x) == 1:
        axes.plot(x, middle, color=line.colour, label=line.name, marker="o", markersize=5)
    else:
        axes.plot(x, middle, color=line.colour, label=line.name, linewidth=1.8)
