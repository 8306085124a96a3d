"""Confidence, QD score and coverage against evaluations."""

import os

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import ArrayLike

from qdfool.analysis import style
from qdfool.analysis.confidence import (
    CERTAIN,
    nine_scale,
    nine_ticks,
    nines_of_confidence,
    percent,
)
from qdfool.errors import InputError


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
    batch_size: int | None = None,
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
        batch_size: evaluations in a generation; with it the top axis counts generations.

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
    quality = {name: nines_of_confidence(series[name]) for name in ("median", "minimum", "low", "high")}
    top = nine_scale(np.concatenate(list(quality.values())))
    places, labels = nine_ticks(top)
    if any((nines > top).any() for nines in quality.values()):
        labels[-1] = f"≥ {labels[-1]}"
    quality = {name: np.minimum(nines, top) for name, nines in quality.items()}
    look = {"marker": "o", "markersize": 5} if len(x) == 1 else {"linewidth": 1.8}

    figure = Figure(figsize=(style.WIDTH, 6.6), layout="constrained")
    confidence, score, covered = figure.subplots(3, 1, sharex=True, height_ratios=[2.2, 1, 1])
    confidence.fill_between(
        x,
        quality["low"],
        quality["high"],
        color=style.MEDIAN,
        alpha=0.2,
        linewidth=0,
        label="5 % to 95 % of classes",
    )
    if len(x) == 1:
        confidence.vlines(x, quality["low"], quality["high"], color=style.MEDIAN, alpha=0.2, linewidth=6)
    confidence.plot(x, quality["median"], color=style.MEDIAN, label="median", **look)
    confidence.plot(x, quality["minimum"], color=style.MINIMUM, label="lowest", **look)
    if top >= CERTAIN:
        confidence.axhline(CERTAIN, color=style.QUIET, linewidth=0.8, linestyle=":")
    confidence.set_yticks(places, labels)
    confidence.set_ylim(0, top * 1.03)
    confidence.set_ylabel("confidence")
    confidence.legend(loc="lower right", fontsize=style.TEXT_SIZE, frameon=False)
    score.plot(x, series["qd_score"], color=style.INK, **look)
    score.set_ylabel("QD score\n(sum of confidence\nover cells)")
    score.set_ylim(bottom=0)
    covered.plot(x, series["coverage"], color=style.INK, **look)
    covered.set_ylabel("coverage\n(share of cells\noccupied)")
    covered.set_ylim(0, 1.05)
    covered.set_xlabel("evaluations")
    covered.set_xlim(0, x[-1] * 1.02)
    covered.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    for axes in (confidence, score, covered):
        axes.grid(color=style.EMPTY, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=style.TEXT_SIZE)
        axes.yaxis.label.set_size(style.TEXT_SIZE)
        axes.xaxis.label.set_size(style.TEXT_SIZE)
    if batch_size is not None:
        upper = confidence.secondary_xaxis(
            "top", functions=(lambda e: e / batch_size, lambda g: g * batch_size)
        )
        upper.set_xlabel("generation", size=style.TEXT_SIZE)
        upper.tick_params(labelsize=style.TEXT_SIZE)
        upper.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    style.heading(
        figure,
        title,
        f"after {x[-1]:,.0f} evaluations: median {percent(series['median'][-1])}, "
        f"lowest {percent(series['minimum'][-1])}",
    )
    style.save(figure, path)
