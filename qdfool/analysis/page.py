"""Pages of images, each with its name and its confidence below: what gallery, sheets and overview are made of.

Lengths are inches, and a page is an Axes in that unit with its origin top left; sizes of text are points.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from qdfool.analysis import style
from qdfool.analysis.confidence import CERTAIN, median_confidence, nines, nines_label, percent
from qdfool.errors import InputError

MARGIN = 0.2
LARGEST_CELL = 2.87
"""Three cells side by side fill the page."""

Images = NDArray[np.uint8] | Callable[[NDArray[np.intp]], NDArray[np.uint8]]
"""[K, H, W, C] the images of all classes, or what gives those of the classes [n] it is asked for."""


@dataclass(frozen=True)
class Cells:
    """The lengths of a grid of cells, the same for every image of a page."""

    columns: int
    cell: float
    """From one column to the next."""
    width: float
    """Of a printed image."""
    height: float
    """Of a printed image."""
    size: float
    """Of the text."""

    @property
    def line(self) -> float:
        """Height of a line of text."""
        return 1.45 * self.size / 72

    @property
    def row(self) -> float:
        """From one row to the next."""
        return self.height + 2 * self.line + 0.16


def fit_cells(columns: int, height: int, width: int) -> Cells:
    """The largest cells that let `columns` images of height x width pixels stand side by side."""
    cell = min(LARGEST_CELL, (style.WIDTH - 2 * MARGIN) / columns)
    printed_width, printed_height = printed_size(height, width, 0.93 * cell)
    return Cells(columns, cell, printed_width, printed_height, float(np.clip(5.5 * cell, 6.5, 11)))


def new_page(
    height: float, title: str, subtitle: str, width: float = style.WIDTH
) -> tuple[Figure, Axes, float]:
    """A page with a heading, and `height` inches below it; the third is how far down these begin."""
    title, subtitle = style.heading_lines(title, subtitle, width - 2 * MARGIN)
    top = 0.86 + 0.24 * title.count("\n") + 0.16 * subtitle.count("\n")
    figure = Figure(figsize=(width, top + height))
    page = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(top + height, 0))
    page.axis("off")
    page.text(
        MARGIN,
        0.15,
        title,
        size=style.TITLE_SIZE,
        color=style.INK,
        weight="bold",
        va="top",
        parse_math=False,
    )
    page.text(
        MARGIN,
        top - 0.2,
        subtitle,
        size=style.TEXT_SIZE,
        color=style.QUIET,
        va="bottom",
        parse_math=False,
    )
    return figure, page, top


def draw_cells(
    page: Axes,
    cells: Cells,
    top: float,
    images: NDArray[np.uint8],
    names: Sequence[str],
    fitness: NDArray[np.float64],
    classes: NDArray[np.intp] | None = None,
) -> None:
    """Draws images row by row, from `top` down, each with its name and confidence.

    Args:
        page: of `new_page`.
        cells: of `fit_cells`, for these images.
        top: inches.
        images: [n, H, W, C] uint8.
        names: n names.
        fitness: [n] log-odds; -inf is drawn as an empty box.
        classes: [n] class indices, put before the confidences.
    """
    left = (style.WIDTH - cells.columns * cells.cell) / 2 + (cells.cell - cells.width) / 2
    for index, (image, name, value) in enumerate(zip(images, names, fitness, strict=True)):
        x = left + index % cells.columns * cells.cell
        y = top + index // cells.columns * cells.row
        empty = np.isneginf(value)
        _draw_image(page, cells, None if empty else image, x, y)
        centre = x + cells.width / 2
        page.text(
            centre,
            y + cells.height + 0.04,
            style.shorten(name, 72 * 0.97 * cells.cell, cells.size, "bold"),
            size=cells.size,
            color=style.INK,
            weight="bold",
            ha="center",
            va="top",
            parse_math=False,
        )
        label = "-" if empty else percent(log_odds=value)
        page.text(
            centre,
            y + cells.height + 0.04 + cells.line,
            label if classes is None else f"{classes[index]}: {label}",
            size=0.92 * cells.size,
            color=style.QUIET,
            ha="center",
            va="top",
        )


def checked_fitness(names: Sequence[str], fitness: ArrayLike, images: Images | None = None) -> NDArray:
    """[K] float64, the fitness of as many classes as there are names and, in an array, images.

    Raises:
        InputError: there is no class, the numbers differ, a value is NaN, or the array is not of images.
    """
    fitness = np.asarray(fitness, np.float64)
    if images is not None and not callable(images):
        checked_images(images, len(images))
        if fitness.shape != (len(images),) or len(names) != len(images):
            raise InputError(
                f"{len(images)} images need as many names and fitness values; got {len(names)} names and "
                f"fitness of shape {list(fitness.shape)}."
            )
    if fitness.shape != (len(names),) or len(names) == 0:
        raise InputError(
            f"A picture of classes needs one class or more, and fitness [classes]; got {len(names)} names and "
            f"fitness of shape {list(fitness.shape)}."
        )
    if np.isnan(fitness).any():
        raise InputError("The fitness of a class is NaN: log-odds must be numbers, -inf where it is empty.")
    return fitness


def checked_images(images: NDArray, count: int) -> NDArray[np.uint8]:
    """`images` themselves: [count, H, W, C] uint8.

    Raises:
        InputError: they are not that.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or images.dtype != np.uint8 or 0 in images.shape:
        raise InputError(
            f"A gallery needs images [K, H, W, 1 or 3] of uint8; got {list(images.shape)} of {images.dtype}."
        )
    if len(images) != count:
        raise InputError(f"Asked for the images of {count} classes; got {len(images)}.")
    return images


def images_of(images: Images, classes: NDArray[np.intp]) -> NDArray[np.uint8]:
    """[n, H, W, C] the images of `classes` [n].

    Raises:
        InputError: what `images` gives does not have that shape.
    """
    return checked_images(images(classes) if callable(images) else images[classes], len(classes))


def summary(fitness: NDArray[np.float64], levels: Sequence[int] = (CERTAIN,)) -> str:
    """One line: classes with so many nines, the median and the lowest confidence, empty classes.

    Args:
        fitness: [K] log-odds, -inf where the class is empty; median and lowest are those of the others.
        levels: the numbers of nines to count at.
    """
    occupied = fitness[~np.isneginf(fitness)]
    if not len(occupied):
        return f"all {len(fitness):,} classes are empty"
    counts = [f"{int((nines(occupied) >= level).sum()):,}" for level in levels]
    counts[0] += f" of {len(fitness):,} classes"
    parts = [f"{count} with at least {nines_label(n)}" for count, n in zip(counts, levels, strict=True)]
    parts += [
        f"median {percent(log_odds=median_confidence(occupied))}",
        f"lowest {percent(log_odds=occupied.min())}",
    ]
    if len(occupied) < len(fitness):
        parts.append(f"{len(fitness) - len(occupied):,} empty")
    return "confidence: " + ", ".join(parts)


def print_image(
    page: Axes, image: NDArray[np.uint8], x: float, y: float, width: float, height: float
) -> None:
    """An image [H, W, 1 or 3] on a page, its top left corner at x and y, in a thin frame."""
    rgb = image if image.shape[-1] == 3 else np.repeat(image, 3, axis=-1)
    limits = page.get_xlim(), page.get_ylim()
    page.imshow(
        _shrunk(rgb, round(height * style.DPI), round(width * style.DPI)),
        extent=(x, x + width, y + height, y),
        aspect="auto",
        interpolation="nearest",
    )
    # imshow turns the axes to the image's extent.
    page.set(xlim=limits[0], ylim=limits[1])
    page.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor="#999999", linewidth=0.6))


def _draw_image(page: Axes, cells: Cells, image: NDArray[np.uint8] | None, x: float, y: float) -> None:
    """One image, or a hatched box for None, in a thin frame."""
    width, height = cells.width, cells.height
    if image is not None:
        print_image(page, image, x, y, width, height)
        return
    page.add_patch(Rectangle((x, y), width, height, facecolor="#f2f2f2", edgecolor=style.EMPTY, hatch="//"))
    page.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor="#999999", linewidth=0.6))
    page.text(
        x + width / 2,
        y + height / 2,
        "empty",
        size=cells.size,
        color=style.QUIET,
        ha="center",
        va="center",
    )


def _shrunk(rgb: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """An image with more pixels than are printed, each printed one the mean of the area it covers."""
    if rgb.shape[0] <= height and rgb.shape[1] <= width:
        return rgb
    return np.asarray(Image.fromarray(rgb).resize((max(1, width), max(1, height)), Image.Resampling.BOX))


def printed_size(height: int, width: int, room: float) -> tuple[float, float]:
    """Width and height in inches of an image that fits `room`, its pixels all of the same whole size."""
    scale = room * style.DPI / max(height, width)
    scale = math.floor(scale) if scale >= 1 else scale
    return scale * width / style.DPI, scale * height / style.DPI
