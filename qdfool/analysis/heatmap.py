"""Maps coloured by confidence: class against generation, and the cells of a grid archive, class by class."""

import os
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import ArrayLike, NDArray

from qdfool.analysis import style
from qdfool.analysis.confidence import (
    CERTAIN,
    LogOddsScale,
    fitting_scale,
    log_odds,
    median_confidence,
    nines,
    nines_label,
    percent,
)
from qdfool.errors import InputError

MOST_NAMED_CLASSES = 100
"""Classes of a heatmap that are named, each in its own row of text."""
HEIGHT_WITHOUT_NAMES = 9.6
"""Inches, the height of a heatmap without names: a thousand classes have a row of pixels or more each."""


def class_heatmap(
    path: str | os.PathLike[str],
    generations: ArrayLike,
    fitness: ArrayLike,
    names: Sequence[str],
    title: str,
) -> None:
    """Draws how the confidence of each class grew, class against generation, into the PNG `path`.

    Each row of `fitness` is shown from its generation until the next. The colours are spaced by log-odds, over
    the confidences that there are; a dot, and the number at the right, say when a class first had 99.99 %. Of
    more than `MOST_NAMED_CLASSES` the picture has a fixed height, without names, dots and numbers, and its rows
    are sorted: the class that ends highest is at the top.

    Args:
        path: where the picture goes; replaced when the new one is whole.
        generations: [T] integers, rising; need not be evenly spaced.
        fitness: [T, K] log-odds, -inf where the class is empty.
        names: K class names.
        title: what is shown.

    Raises:
        InputError: the shapes do not agree, there is no row, or the generations do not rise.
    """
    generations, fitness = np.asarray(generations), np.asarray(fitness, np.float64)
    if fitness.shape != (generations.size, len(names)) or fitness.size == 0:
        raise InputError(
            f"A heatmap needs at least one row and class, and fitness [generations, classes]; got "
            f"{generations.size} generations, {len(names)} names and fitness {list(fitness.shape)}."
        )
    if (np.diff(generations) <= 0).any():
        raise InputError("The generations of a heatmap must rise: sort the rows and drop repeated ones.")

    classes = len(names)
    order = class_order(fitness)
    fitness = fitness[:, order]
    values = np.where(np.isneginf(fitness), np.nan, fitness)
    scale = fitting_scale(values)
    certain: NDArray[np.bool_] = np.asarray(nines(fitness) >= CERTAIN)
    reached: NDArray[np.bool_] = np.asarray(certain.any(axis=0))
    first = generations[certain.argmax(axis=0)]

    row = float(np.clip(0.34 - 0.002 * classes, 0.14, 0.32))
    height = 1.6 + max(1.9, row * classes) if classes <= MOST_NAMED_CLASSES else HEIGHT_WITHOUT_NAMES
    figure = Figure(figsize=(style.WIDTH, height))
    axes = figure.add_subplot(facecolor=style.EMPTY)
    axes.set_xlabel("generation", size=style.TEXT_SIZE)
    axes.tick_params(axis="x", labelsize=style.TEXT_SIZE)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    borders = np.arange(classes + 1) - 0.5
    colours, shown = Normalize(scale.low, scale.high), np.clip(values, scale.low, scale.high)
    if classes <= MOST_NAMED_CLASSES:
        axes.pcolormesh(_edges(generations), borders, shown.T, norm=colours, cmap=style.COLOURS)
        axes.set_ylabel("class", size=style.TEXT_SIZE)
        _name_rows(axes, names, first, reached, row)
    else:
        # An image, whose drawing costs by the pixel: a mesh would hold a polygon for each of a million cells.
        axes.pcolorfast(_edges(generations), borders, shown.T, norm=colours, cmap=style.COLOURS)
        axes.set_ylabel(
            "classes, sorted by their last confidence: the highest at the top", size=style.TEXT_SIZE
        )
        ranks = [1, *range(100, classes + 1, 100)]
        axes.set_yticks([rank - 1 for rank in ranks], [f"{rank:,}" for rank in ranks], size=style.TEXT_SIZE)
    axes.set_ylim(classes - 0.5, -0.5)

    summary = f"{reached.sum():,} of {classes:,} classes reached {nines_label(CERTAIN)}"
    if reached.any():
        summary += f", the last of them in generation {first[reached].max():,}"
    if classes > MOST_NAMED_CLASSES:
        summary += f"; median at the end {percent(log_odds=median_confidence(fitness[-1]))}"
    if np.isnan(values).any():
        summary += "; grey: no elite yet"
    style.heading(figure, title, summary)
    _colour_bar(figure, axes, scale, values)
    style.save(figure, path)


def class_order(fitness: NDArray[np.float64]) -> NDArray[np.intp]:
    """[K] the classes in the order of a heatmap's rows, from the top; `fitness` is [T, K] log-odds.

    Up to `MOST_NAMED_CLASSES` are named, and in the order of their indices. More are sorted by the last row of
    `fitness`, the highest first; among equals, the lower index first.
    """
    classes = fitness.shape[1]
    return np.arange(classes) if classes <= MOST_NAMED_CLASSES else np.argsort(-fitness[-1], kind="stable")


def grid_heatmaps(
    path: str | os.PathLike[str],
    maps: Sequence[Any],
    names: Sequence[str],
    measure_names: Sequence[str],
    title: str,
) -> None:
    """Draws the grid archive of each class over its two measures, side by side, into the PNG `path`.

    Args:
        path: where the picture goes; replaced when the new one is whole.
        maps: K `ribs` GridArchives over the same two measures, whose objective is the confidence in [0, 1].
        names: K class names.
        measure_names: names of the two measures, horizontal first.
        title: what is shown.

    Raises:
        InputError: there is no map, or not as many names as maps, or not two measures.
    """
    if len(maps) == 0 or len(maps) != len(names) or len(measure_names) != 2:
        raise InputError(
            f"Measure maps need a class or more, as many names, and two measures; got {len(maps)} maps, "
            f"{len(names)} names and measures {list(measure_names)}."
        )
    # Only here: it takes as long to import as all else that a run of the class archive needs.
    from ribs.visualize import grid_archive_heatmap

    rows, columns = style.grid(len(maps))
    frames = [archive.data(["index", "objective"], return_type="pandas") for archive in maps]
    values = log_odds(np.concatenate([frame["objective"].to_numpy() for frame in frames]))
    scale = fitting_scale(values)
    for frame in frames:
        frame["objective"] = np.clip(log_odds(frame["objective"].to_numpy()), scale.low, scale.high)
    width = (style.WIDTH - 1.9) / columns
    size = float(np.clip(5.5 * width, 6.5, style.TEXT_SIZE))

    figure = Figure(figsize=(style.WIDTH, 1.5 + rows * (min(width, 3.5) + 0.35)))
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes, archive, frame, name in zip(grid.flat, maps, frames, names, strict=False):
        axes.set_facecolor(style.EMPTY)
        grid_archive_heatmap(
            archive,
            axes,
            df=frame,
            cmap=matplotlib.colormaps[style.COLOURS],
            vmin=scale.low,
            vmax=scale.high,
            cbar=None,
        )
        axes.set_title(
            f"{style.shorten(name, 72 * 0.9 * width, size)}\n{100 * archive.stats.coverage:.0f} %",
            size=size,
            color=style.INK,
            parse_math=False,
        )
        axes.tick_params(labelsize=size)
    figure.supxlabel(measure_names[0], size=style.TEXT_SIZE, parse_math=False)
    figure.supylabel(measure_names[1], size=style.TEXT_SIZE, parse_math=False)
    style.heading(
        figure,
        title,
        "a map for each class, with its coverage (share of cells with an elite); grey: empty cell",
    )
    _colour_bar(figure, list(grid.flat), scale, values)
    style.save(figure, path)


def _name_rows(
    axes: Axes, names: Sequence[str], first: NDArray, reached: NDArray[np.bool_], row: float
) -> None:
    """Names at the left; a dot in each row, and a number at the right, for the generation `first` where `reached`.

    Rows are `row` inches high.
    """
    classes = range(len(names))
    size = min(style.TEXT_SIZE, 72 * row * 0.75)
    shown = [style.shorten(name, 130, size) for name in names]
    axes.set_yticks(classes, shown, size=size, parse_math=False)
    axes.plot(
        first[reached],
        np.flatnonzero(reached),
        linestyle="",
        marker="o",
        markersize=min(5.5, 72 * row * 0.4),
        markerfacecolor="white",
        markeredgecolor="black",
        markeredgewidth=0.8,
        clip_on=False,
    )
    right = axes.secondary_yaxis("right")
    dates = [f"{int(generation):,}" if yes else "-" for generation, yes in zip(first, reached, strict=True)]
    right.set_yticks(classes, dates, size=size)
    right.tick_params(length=0)
    right.set_ylabel(f"first at {nines_label(CERTAIN)}, generation (dot)", size=style.TEXT_SIZE)


def _edges(generations: NDArray) -> NDArray[np.float64]:
    """[T + 1] borders of the columns: the last row is as wide as a usual step."""
    step = float(np.median(np.diff(generations))) if len(generations) > 1 else 1.0
    return np.append(generations, generations[-1] + step).astype(np.float64)


def _colour_bar(figure: Figure, axes: Any, scale: LogOddsScale, values: NDArray) -> None:
    """A colour bar of confidences, with an arrow at an end that values [any] are past."""
    below, above = bool((values < scale.low).any()), bool((values > scale.high).any())
    ends = {(True, True): "both", (True, False): "min", (False, True): "max"}.get((below, above), "neither")
    colours = ScalarMappable(Normalize(scale.low, scale.high), style.COLOURS)
    bar = figure.colorbar(colours, ax=axes, extend=ends, pad=0.02)
    bar.set_ticks(scale.ticks, labels=scale.labels, size=style.TEXT_SIZE)
    bar.set_label("confidence, spaced by its log-odds", size=style.TEXT_SIZE)
