"""Confidence per class index, as in the figures of Nguyen, Yosinski and Clune (2015)."""

import os
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from qdfool.analysis import style
from qdfool.analysis.confidence import (
    CERTAIN,
    median_confidence,
    nine_scale,
    nine_ticks,
    nines,
    nines_label,
    percent,
)
from qdfool.errors import InputError, in_range

WINDOW = 51
"""Classes that the running median looks at, at most: the class and 25 to either side."""
BAND = "#f0e442"
OTHER = "#009e73"
"""Yellow and green of the palette of Okabe and Ito (2008)."""


def class_index_figure(
    path: str | os.PathLike[str],
    fitness: ArrayLike,
    title: str,
    bands: Mapping[str, tuple[int, int]] | None = None,
    reference: tuple[str, float] | None = None,
) -> None:
    """Draws the confidence of each class over its index, in percent and below in nines, into the PNG `path`.

    Args:
        path: where the picture goes; replaced when the new one is whole.
        fitness: [K] log-odds, -inf where the class is empty: such a class has no point, and no part in medians.
        title: what is shown.
        bands: first and last class of each group to shade, under the group's name: {"dogs and cats": (151, 285)}.
        reference: a confidence in [0, 1] to compare with and what it is: ("median of the paper", 0.8811).

    Raises:
        InputError: `fitness` is not [K] with K at least 1 or has a NaN, a band is not within the classes, or the
            reference is no confidence.
    """
    fitness, bands = np.asarray(fitness, np.float64), bands or {}
    if fitness.ndim != 1 or fitness.size == 0 or np.isnan(fitness).any():
        raise InputError(
            f"The figure needs fitness [classes], one class or more, without NaN; got {list(fitness.shape)}."
        )
    for name, (first, last) in bands.items():
        if not 0 <= first <= last < len(fitness):
            raise InputError(
                f"The band {name!r} must go from one of the {len(fitness)} classes to a later one; got "
                f"{first} to {last}."
            )
    if reference is not None:
        in_range(f"The reference {reference[0]!r}", reference[1], 0.0, 1.0)

    classes = np.flatnonzero(~np.isneginf(fitness))
    occupied = fitness[classes]
    figure = Figure(figsize=(style.WIDTH, 6.6), layout="constrained")
    linear, logarithmic = figure.subplots(2, 1, sharex=True)

    end = nine_scale(nines(occupied))
    panels = (
        (linear, lambda odds: 100 * np.exp(-np.logaddexp(0, -np.asarray(odds))), 100.0),
        (logarithmic, lambda odds: np.minimum(nines(odds), end), float(end)),
    )
    for axes, scale, top in panels:
        _shade(axes, bands)
        if len(classes):
            axes.plot(
                classes,
                scale(occupied),
                linestyle="",
                marker="o",
                markersize=3,
                color=style.MEDIAN,
                alpha=0.55,
                markeredgewidth=0,
                label="a class",
            )
            axes.plot(
                classes,
                scale(_running_median(occupied)),
                color=style.MINIMUM,
                linewidth=1.6,
                label="running median",
            )
            median = median_confidence(occupied)
            axes.axhline(
                float(scale(median)),
                color=style.INK,
                linewidth=1.1,
                linestyle="--",
                label=f"median, {percent(log_odds=median)}",
            )
        if reference is not None:
            with np.errstate(divide="ignore"):
                odds = np.log(reference[1]) - np.log1p(-reference[1])
            axes.axhline(
                float(scale(odds)),
                color=OTHER,
                linewidth=1.3,
                linestyle="-.",
                label=f"{reference[0]}, {percent(reference[1])}",
            )
        axes.set_ylim(-0.02 * top, 1.04 * top)
        axes.grid(axis="y", color=style.EMPTY, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=style.TEXT_SIZE)
    for name, (first, last) in bands.items():
        linear.annotate(
            name,
            ((first + last) / 2, 1),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="bottom",
            size=style.TEXT_SIZE,
            color=style.INK,
            parse_math=False,
        )
    linear.set_ylabel("confidence, %", size=style.TEXT_SIZE)
    places, labels = nine_ticks(end)
    if (nines(occupied) > end).any():
        labels[-1] = f"≥ {labels[-1]}"
    logarithmic.set_yticks(places, labels)
    logarithmic.set_ylabel("confidence, by its nines", size=style.TEXT_SIZE)
    logarithmic.set_xlabel("class index", size=style.TEXT_SIZE)
    logarithmic.set_xlim(-0.5, len(fitness) - 0.5)
    handles, texts = linear.get_legend_handles_labels()
    if handles:
        figure.legend(
            handles,
            texts,
            loc="outside lower center",
            ncols=len(handles),
            fontsize=style.TEXT_SIZE,
            frameon=False,
        )
    style.heading(figure, title, _subtitle(fitness, bands))
    style.save(figure, path)


def _shade(axes: Axes, bands: Mapping[str, tuple[int, int]]) -> None:
    for first, last in bands.values():
        axes.axvspan(first - 0.5, last + 0.5, color=BAND, alpha=0.3, linewidth=0, zorder=0)


def _running_median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """[n] the median of each value and its neighbours; a twentieth of them, fewer at the ends."""
    half = min(WINDOW // 2, len(values) // 40)
    return np.array([median_confidence(values[max(0, i - half) : i + half + 1]) for i in range(len(values))])


def _subtitle(fitness: NDArray[np.float64], bands: Mapping[str, tuple[int, int]]) -> str:
    """Classes that are certain, and the median within each band."""
    parts = [
        f"{int((nines(fitness) >= CERTAIN).sum()):,} of {len(fitness):,} classes with {nines_label(CERTAIN)}"
    ]
    for name, (first, last) in bands.items():
        inside = fitness[first : last + 1]
        inside = inside[~np.isneginf(inside)]
        if len(inside):
            parts.append(
                f"median of {name} ({first} to {last}) {percent(log_odds=median_confidence(inside))}"
            )
    empty = int(np.isneginf(fitness).sum())
    if empty:
        parts.append(f"{empty:,} empty")
    return ", ".join(parts)
