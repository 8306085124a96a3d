"""Every class with its image, name and confidence, on one page."""

import math
import os
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from qdfool.analysis import style
from qdfool.analysis.confidence import CERTAIN, nines, nines_label, percent
from qdfool.check import InputError

MARGIN = 0.2
LARGEST_CELL = 2.87
"""Inches, as all lengths here: three cells side by side fill the page."""


def gallery(
    path: str | os.PathLike[str],
    images: NDArray[np.uint8],
    names: Sequence[str],
    fitness: ArrayLike,
    title: str,
) -> None:
    """Draws the elite of each class, up to about a hundred, into the PNG `path`.

    Args:
        path: where the picture goes; replaced when the new one is whole.
        images: [K, H, W, C] uint8, grey (C = 1) or RGB (C = 3); the pixels of an empty class are ignored.
        names: K class names.
        fitness: [K] log-odds, -inf where the class is empty.
        title: what the page shows.

    Raises:
        InputError: the shapes do not agree.
    """
    images, fitness = np.asarray(images), np.asarray(fitness, np.float64)
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or images.dtype != np.uint8 or len(images) == 0:
        raise InputError(
            f"A gallery needs images [K, H, W, 1 or 3] of uint8; got {list(images.shape)} of {images.dtype}."
        )
    if fitness.shape != (len(images),) or len(names) != len(images):
        raise InputError(
            f"{len(images)} images need as many names and fitness values; got {len(names)} names and fitness "
            f"of shape {list(fitness.shape)}."
        )
    style.save(_page(images, names, fitness, title), path)


def _page(images: NDArray[np.uint8], names: Sequence[str], fitness: NDArray, title: str) -> Figure:
    """One page: a heading and a grid of cells, in an Axes whose unit is the inch, with the origin top left."""
    rows, columns = style.grid(len(images))
    cell = min(LARGEST_CELL, (style.WIDTH - 2 * MARGIN) / columns)
    width, height = _printed_size(images.shape[1], images.shape[2], 0.93 * cell)
    size = float(np.clip(5.5 * cell, 6.5, 11))
    line = 1.45 * size / 72
    row = height + 2 * line + 0.16
    heading = style.title_lines(title)
    top = 0.62 + 0.24 * (heading.count("\n") + 1)
    bottom = top + rows * row

    figure = Figure(figsize=(style.WIDTH, bottom))
    page = figure.add_axes((0, 0, 1, 1), xlim=(0, style.WIDTH), ylim=(bottom, 0))
    page.axis("off")
    left = (style.WIDTH - columns * cell) / 2
    gap = (cell - width) / 2
    page.text(
        MARGIN,
        0.15,
        heading,
        size=style.TITLE_SIZE,
        color=style.INK,
        weight="bold",
        va="top",
        parse_math=False,
    )
    page.text(MARGIN, top - 0.2, _summary(fitness), size=style.TEXT_SIZE, color=style.QUIET, va="bottom")
    for index, (image, name, value) in enumerate(zip(images, names, fitness, strict=True)):
        x = left + index % columns * cell + gap
        y = top + index // columns * row
        empty = np.isneginf(value)
        _image(page, None if empty else image, x, y, width, height, size)
        centre = x + width / 2
        page.text(
            centre,
            y + height + 0.04,
            style.shorten(name, 72 * 0.97 * cell, size, "bold"),
            size=size,
            color=style.INK,
            weight="bold",
            ha="center",
            va="top",
            parse_math=False,
        )
        label = "-" if empty else percent(log_odds=value)
        page.text(
            centre,
            y + height + 0.04 + line,
            label,
            size=0.92 * size,
            color=style.QUIET,
            ha="center",
            va="top",
        )
    return figure


def _image(page: Axes, image: NDArray | None, x: float, y: float, width: float, height: float, size: float):
    """One image, or a hatched box for None, in a thin frame."""
    if image is None:
        page.add_patch(
            Rectangle((x, y), width, height, facecolor="#f2f2f2", edgecolor=style.EMPTY, hatch="//")
        )
        page.text(
            x + width / 2, y + height / 2, "empty", size=size, color=style.QUIET, ha="center", va="center"
        )
    else:
        rgb = image if image.shape[-1] == 3 else np.repeat(image, 3, axis=-1)
        enlarged = width * style.DPI >= image.shape[1]
        limits = page.get_xlim(), page.get_ylim()
        page.imshow(
            rgb,
            extent=(x, x + width, y + height, y),
            aspect="auto",
            interpolation="nearest" if enlarged else "antialiased",
        )
        # imshow turns the axes to the image's extent.
        page.set(xlim=limits[0], ylim=limits[1])
    page.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor="#999999", linewidth=0.6))


def _printed_size(height: int, width: int, room: float) -> tuple[float, float]:
    """Width and height in inches of an image that fits `room`, its pixels all of the same whole size."""
    scale = room * style.DPI / max(height, width)
    scale = math.floor(scale) if scale >= 1 else scale
    return scale * width / style.DPI, scale * height / style.DPI


def _summary(fitness: NDArray) -> str:
    """One line: how many classes are certain, the median and the lowest confidence."""
    occupied = fitness[~np.isneginf(fitness)]
    if not len(occupied):
        return f"all {len(fitness)} classes are empty"
    certain = int((nines(occupied) >= CERTAIN).sum())
    parts = [
        f"{certain} of {len(fitness)} classes with at least {nines_label(CERTAIN)}",
        f"median {percent(log_odds=float(np.median(occupied)))}",
        f"lowest {percent(log_odds=occupied.min())}",
    ]
    if len(occupied) < len(fitness):
        parts.append(f"{len(fitness) - len(occupied)} empty")
    return "confidence: " + ", ".join(parts)
