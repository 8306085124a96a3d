"""Many classes on one page: how their confidences are distributed, and a few of them to look at."""

import math
import os
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from qdfool.analysis import page, style
from qdfool.analysis.confidence import CERTAIN, nine_scale, nine_ticks, nines, nines_label

COLUMNS = 10
SAMPLE = 20
"""Classes in the sample, which depends on their number alone: the same in every run."""
BINS_PER_NINE = 4
LEVELS = (2, CERTAIN)
"""Nines that are counted and marked: 99 % and 99.99 %."""
HISTOGRAM = 2.9
"""Inches, with its labels."""
CAPTION = 0.3


def overview(
    path: str | os.PathLike[str],
    images: page.Images,
    names: Sequence[str],
    fitness: ArrayLike,
    title: str,
) -> None:
    """Draws the distribution of the confidence, the classes where it is highest and lowest, and a sample.

    The sample are up to twenty classes evenly spaced by index. Empty classes are counted, and shown in the
    sample only.

    Args:
        path: where the PNG goes; replaced when the new one is whole.
        images: [K, H, W, C] uint8, grey (C = 1) or RGB (C = 3); the pixels of an empty class are ignored. Or a
            function from class indices [n] to their images, which is asked once, for those that are shown.
        names: K class names.
        fitness: [K] log-odds, -inf where the class is empty.
        title: what the page shows.

    Raises:
        InputError: the shapes do not agree, or there is no class.
    """
    fitness = page.checked_fitness(names, fitness, images)
    sections = _sections(fitness)
    shown = np.unique(np.concatenate(list(sections.values())))
    pixels = page.images_of(images, shown)
    cells = page.fit_cells(COLUMNS, *pixels.shape[1:3])
    heights = [CAPTION + math.ceil(len(classes) / COLUMNS) * cells.row for classes in sections.values()]
    figure, paper, top = page.new_page(HISTOGRAM + sum(heights), title, page.summary(fitness, LEVELS))
    _histogram(figure, fitness, top)
    top += HISTOGRAM
    for (caption, classes), height in zip(sections.items(), heights, strict=True):
        _caption(paper, caption, top)
        rows = np.searchsorted(shown, classes)
        chosen = [names[int(index)] for index in classes]
        page.draw_cells(paper, cells, top + CAPTION, pixels[rows], chosen, fitness[classes], classes)
        top += height
    style.save(figure, path)


def sample_classes(classes: int) -> NDArray[np.intp]:
    """[n] up to `SAMPLE` class indices, evenly spaced from 0: every 50th of 1,000."""
    count = min(SAMPLE, classes)
    return np.arange(count) * classes // count


def _sections(fitness: NDArray[np.float64]) -> dict[str, NDArray[np.intp]]:
    """The classes to show, under their captions; ties in the order of the indices."""
    occupied = np.flatnonzero(~np.isneginf(fitness))
    best = occupied[np.argsort(-fitness[occupied], kind="stable")][:COLUMNS]
    worst = occupied[np.argsort(fitness[occupied], kind="stable")][:COLUMNS]
    sample = sample_classes(len(fitness))
    sections = {
        f"The {len(best)} classes with the highest confidence, highest first": best,
        f"The {len(worst)} classes with the lowest confidence, lowest first": worst,
        f"A sample of {len(sample)} classes, evenly spaced and the same in every run": sample,
    }
    return {caption: classes for caption, classes in sections.items() if len(classes)}


def _caption(paper: Axes, caption: str, top: float) -> None:
    paper.text(
        page.MARGIN, top + 0.1, caption, size=style.TEXT_SIZE, color=style.INK, weight="bold", va="center"
    )


def _histogram(figure: Figure, fitness: NDArray[np.float64], top: float) -> None:
    """Classes by confidence, a quarter of a nine to a bar, the last with all that is past the scale."""
    height = figure.get_figheight()
    left, right, above, below = 0.75, 0.6, 0.3, 0.62
    axes = figure.add_axes(
        (
            left / style.WIDTH,
            1 - (top + HISTOGRAM - below) / height,
            1 - (left + right) / style.WIDTH,
            (HISTOGRAM - above - below) / height,
        )
    )
    values = nines(fitness[~np.isneginf(fitness)])
    end = max(CERTAIN, nine_scale(values))
    counts, edges = np.histogram(np.minimum(values, end), bins=np.linspace(0, end, end * BINS_PER_NINE + 1))
    bars = axes.bar(
        edges[:-1], counts, width=1 / BINS_PER_NINE, align="edge", color=style.MEDIAN, edgecolor="white"
    )
    axes.bar_label(bars, [f"{count:,}" if count else "" for count in counts], size=7, color=style.QUIET)
    for row, level in enumerate(LEVELS):
        axes.axvline(level, color=style.MINIMUM, linewidth=1.2, linestyle="--")
        axes.annotate(
            f" {int((values >= level).sum()):,} with {nines_label(level)} or more ",
            (level, 1),
            xycoords=("data", "axes fraction"),
            # One above the other: on a short axis they would touch.
            xytext=(0, 3 + 12 * row),
            textcoords="offset points",
            ha="right" if level > end / 2 else "left",
            size=style.TEXT_SIZE - 1,
            color=style.MINIMUM,
        )
    places, labels = nine_ticks(end)
    if (values > end).any():
        labels[-1] = f"≥ {labels[-1]}"
    axes.set_xticks(places, labels)
    axes.set_xlim(0, end)
    axes.set_ylim(0, max(1, counts.max()) * 1.12)
    axes.set_xlabel("confidence", size=style.TEXT_SIZE)
    axes.set_ylabel("classes", size=style.TEXT_SIZE)
    axes.tick_params(labelsize=style.TEXT_SIZE - 1)
    axes.spines[["top", "right"]].set_visible(False)
