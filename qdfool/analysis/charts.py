"""Charts of numbers that are already summed up: a mean with the low and the high end of its interval."""

import itertools
import math
import os
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from qdfool.analysis import style
from qdfool.errors import InputError

Band = tuple[ArrayLike, ArrayLike, ArrayLike]
"""Mean, low and high, each [T]."""


def lines(
    path: str | os.PathLike[str],
    x: ArrayLike,
    series: Mapping[str, Band],
    title: str,
    subtitle: str,
    x_label: str,
    y_label: str,
    y_range: tuple[float, float] | None = None,
    log_x: bool = False,
) -> None:
    """Draws lines with the bands of their intervals, and their names at the right, into the PNG `path`.

    Args:
        path: where the picture goes; replaced when the new one is whole.
        x: [T] rising.
        series: name to mean, low and high [T]; NaN is left out.
        title: what is shown.
        subtitle: a quieter line below it.
        x_label: of the horizontal axis.
        y_label: of the vertical axis.
        y_range: its ends; by default those of the data.
        log_x: whether the horizontal axis is logarithmic.

    Raises:
        InputError: there is no series, or one has not as many points as `x`.
    """
    figure = Figure(figsize=(style.WIDTH, max(4.2, 1.2 + 0.4 * len(series))))
    axes = figure.add_subplot()
    _draw_bands(axes, np.asarray(x, np.float64), series, list(series))
    style.dress(axes, x_label, y_label)
    if log_x:
        axes.set_xscale("log")
    if y_range is not None:
        axes.set_ylim(*y_range)
    style.name_series(figure, axes)
    style.heading(figure, title, subtitle)
    style.save(figure, path)


def line_panels(
    path: str | os.PathLike[str],
    x: ArrayLike,
    panels: Mapping[str, Mapping[str, Band]],
    title: str,
    subtitle: str,
    x_label: str,
    y_label: str,
    y_range: tuple[float, float] | None = None,
    log_x: bool = False,
) -> None:
    """Draws a small chart of lines for each panel, all with the same axes, into the PNG `path`.

    Args:
        path: where the picture goes; replaced when the new one is whole.
        x: [T] rising.
        panels: name of the panel to its series, as for `lines`; a name keeps its colour in all panels.
        title: what is shown.
        subtitle: a quieter line below it.
        x_label: of the horizontal axes.
        y_label: of the vertical axes.
        y_range: their ends; by default those of the data.
        log_x: whether the horizontal axes are logarithmic.

    Raises:
        InputError: there is no panel or series, or one has not as many points as `x`.
    """
    if not panels:
        raise InputError("A chart needs a panel or more; got none.")
    names = list(dict.fromkeys(name for series in panels.values() for name in series))
    columns = min(4, len(panels)) if len(panels) != 4 else 2
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(style.WIDTH, 1.3 + 1.9 * rows))
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes, (name, series) in zip(grid.flat, panels.items(), strict=False):
        _draw_bands(axes, np.asarray(x, np.float64), series, names, width=1.4)
        style.dress(axes, "", "")
        axes.set_title("\n".join(textwrap.wrap(name, 28)), size=style.TEXT_SIZE - 0.5, color=style.INK)
        if log_x:
            axes.set_xscale("log")
    if y_range is not None:
        grid.flat[0].set_ylim(*y_range)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_visible(False)
        # What stands above an empty place is the lowest of its column.
    for axes in grid.flat[len(panels) - columns : len(panels)] if rows > 1 else ():
        axes.tick_params(labelbottom=True)
    figure.supxlabel(x_label, size=style.TEXT_SIZE)
    figure.supylabel(y_label, size=style.TEXT_SIZE)
    if len(names) > 1:
        style.name_series(figure, *grid.flat)
    style.heading(figure, title, subtitle)
    style.save(figure, path)


def intervals(
    path: str | os.PathLike[str],
    labels: Sequence[str],
    means: ArrayLike,
    lows: ArrayLike,
    highs: ArrayLike,
    title: str,
    subtitle: str,
    x_label: str,
    reference: float | None = None,
    groups: Sequence[str] | None = None,
) -> None:
    """Draws a dot and an interval for each label, from the top down, into the PNG `path`.

    Args:
        path: where the picture goes; replaced when the new one is whole.
        labels: what each dot is. Equal labels that follow one another share a row.
        means: where it stands, as many as labels.
        lows: low end of its interval.
        highs: high end.
        title: what is shown.
        subtitle: a quieter line below it.
        x_label: of the horizontal axis.
        reference: where a vertical line goes.
        groups: what each dot belongs to, told by colour and shape.

    Raises:
        InputError: there is no label, or not as many of each.
    """
    columns = [np.asarray(column, np.float64) for column in (means, lows, highs)]
    member = list(groups) if groups is not None else [""] * len(labels)
    if (
        not len(labels)
        or {column.shape for column in columns} != {(len(labels),)}
        or len(member) != len(labels)
    ):
        raise InputError(
            f"Intervals need a label or more, and as many means, lows, highs and groups; got {len(labels)} "
            f"labels and {[column.size for column in columns]}, {len(member)}."
        )
    row = np.cumsum([0] + [before != after for before, after in itertools.pairwise(labels)])
    kinds = list(dict.fromkeys(member))
    shared = row[-1] + 1 < len(labels)
    figure = Figure(figsize=(style.WIDTH, 1.5 + max(0.3, 0.17 * len(kinds) * shared) * (row[-1] + 1)))
    axes = figure.add_subplot()
    if reference is not None:
        axes.axvline(reference, color=style.QUIET, linewidth=1, linestyle="--", zorder=1)
    for number, kind in enumerate(kinds):
        mine = np.array([of == kind for of in member])
        mean, low, high = (column[mine] for column in columns)
        place = row[mine] + (0.6 * ((number + 0.5) / len(kinds) - 0.5) if shared else 0.0)
        axes.errorbar(
            mean,
            place,
            xerr=np.maximum([mean - low, high - mean], 0),
            fmt=style.MARKERS[number % len(style.MARKERS)],
            color=style.SERIES[number % len(style.SERIES)],
            markersize=5.5,
            elinewidth=1.6,
            label=kind,
        )
    style.dress(axes, x_label, "")
    axes.set_ylim(row[-1] + 0.6, -0.6)
    axes.set_yticks(*zip(*dict(zip(row.tolist(), labels, strict=True)).items(), strict=True))
    axes.tick_params(axis="y", length=0)
    if len(kinds) > 1:
        style.name_series(figure, axes)
    style.heading(figure, title, subtitle)
    style.save(figure, path)


def _draw_bands(
    axes: Axes, x: NDArray, series: Mapping[str, Band], names: Sequence[str], width: float = 1.8
) -> None:
    """Each of the series in the colour of its place among `names`."""
    if not series:
        raise InputError("A chart needs a series or more; got none.")
    for name, band in series.items():
        mean, low, high = (np.asarray(column, np.float64) for column in band)
        if not mean.shape == low.shape == high.shape == x.shape or x.ndim != 1:
            raise InputError(
                f"The series {name!r} must have as many points as x, {list(x.shape)}; got mean, low and high of "
                f"{list(mean.shape)}, {list(low.shape)}, {list(high.shape)}."
            )
        number = names.index(name)
        colour = style.SERIES[number % len(style.SERIES)]
        dashes = style.DASHES[number // len(style.SERIES) % len(style.DASHES)]
        if len(x) == 1:
            axes.errorbar(
                x, mean, np.maximum([mean - low, high - mean], 0), fmt="o", color=colour, label=name
            )
            continue
        axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(x, mean, color=colour, linestyle=dashes, linewidth=width, label=name)
    if len(x) > 1:
        axes.set_xlim(x[0], x[-1])
