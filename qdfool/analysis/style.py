"""The look that all pictures share, and how they reach the disk."""

import math
import os
import textwrap
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from qdfool.files.atomic import atomic_write

WIDTH = 9.0
"""Inches: as wide as a README shows. Pictures of few images or maps are less wide."""
NARROWEST = 6.0
"""Inches that a picture is wide at least: its heading has as few lines as may be."""
SIDE = 0.13
"""Inches from the left end to a heading."""
DPI = 150

COLOURS = "viridis"
"""Readable by the colour-blind, and in grey."""
INK = "#222222"
QUIET = "#666666"
"""Text that is read second."""
EMPTY = "#dddddd"
"""A cell without an elite."""
MEDIAN = "#0072b2"
MINIMUM = "#d55e00"
"""Blue and vermilion of the colour-blind safe palette of Okabe and Ito (2008)."""
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#222222")
"""The same palette, but yellow, which is hard to see on white: what belongs together has one colour."""
DASHES = ("-", (0, (5, 1.6)), (0, (1.2, 1.2)))
"""When the colours are used up, they begin again with the next of these."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
PARTED = "PuOr_r"
"""Colours that part to either side of a centre."""

TITLE_SIZE = 13.0
TEXT_SIZE = 9.5
"""Points."""


def shorten(text: str, width: float, size: float, weight: str = "normal") -> str:
    """`text`, on one line, with an ellipsis for what does not fit in `width` points at font size `size`."""
    text = " ".join(text.split())
    if measured(text, size, weight) <= width:
        return text
    length = len(text)
    while length > 1 and measured(text[:length].rstrip(" ,") + "…", size, weight) > width:
        length -= 1
    return text[:length].rstrip(" ,") + "…"


def wrapped(text: str, width: float, size: float, weight: str = "normal", most: int | None = None) -> str:
    """`text` broken at its spaces into lines that fit in `width` points, also at its own line breaks.

    A word that is too wide for a line is shortened; so is the last of `most` lines if there would be more.
    """
    lines = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".lstrip()
            if line and measured(longer, size, weight) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    if most is not None and len(lines) > most:
        lines[most - 1 :] = [" ".join(lines[most - 1 :])]
    return "\n".join(shorten(line, width, size, weight) for line in lines)


def measured(text: str, size: float, weight: str = "normal") -> float:
    """How wide `text` is on one line, in points, at font size `size`."""
    font = FontProperties(size=size, weight=weight)
    return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]


def fitting_width(needed: float) -> float:
    """Inches that a picture is wide whose contents need so many."""
    return min(WIDTH, max(NARROWEST, needed))


def heading_lines(title: str, subtitle: str, width: float) -> tuple[str, str]:
    """Both, broken into lines that fit `width` inches."""
    return wrapped(title, 72 * width, TITLE_SIZE, "bold"), wrapped(subtitle, 72 * width, TEXT_SIZE)


def heading(figure: Figure, title: str, subtitle: str) -> None:
    """Puts a title and a quieter line below it at the top left; the axes are laid out in the room below."""
    width, height = figure.get_size_inches()
    title, subtitle = heading_lines(title, subtitle, width - 2 * SIDE)
    room = 0.12 + title.count("\n") * 0.22 + subtitle.count("\n") * 0.16 + 0.24 + 0.24
    figure.text(
        SIDE / width,
        1 - 0.12 / height,
        title,
        size=TITLE_SIZE,
        weight="bold",
        color=INK,
        va="top",
        parse_math=False,
    )
    figure.text(
        SIDE / width,
        1 - (room - 0.02) / height,
        subtitle,
        size=TEXT_SIZE,
        color=QUIET,
        va="bottom",
        parse_math=False,
    )
    figure.set_layout_engine("constrained", rect=(0, 0, 1, 1 - room / height))


def dress(axes: Axes, x_label: str, y_label: str) -> None:
    """Labels of both axes, quiet lines behind the data, no box around it."""
    axes.set_axisbelow(True)
    axes.grid(color=EMPTY, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=TEXT_SIZE - 0.5)
    axes.set_xlabel(x_label, size=TEXT_SIZE)
    axes.set_ylabel(y_label, size=TEXT_SIZE)


def name_series(figure: Figure, *axes: Axes) -> None:
    """The names of what was drawn in `axes` with a label, each name once, at the right of the figure."""
    named = {}
    for one in axes:
        for handle, label in zip(*one.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    legend = figure.legend(
        named.values(),
        [textwrap.fill(label, 30) for label in named],
        loc="outside right center",
        frameon=False,
        fontsize=TEXT_SIZE - 0.5,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)  # A name from outside may have dollars.


def grid(classes: int) -> tuple[int, int]:
    """Rows and columns for so many classes: at most ten columns, rows about equally full (10: 2 x 5)."""
    columns = min(10, max(5, math.ceil(math.sqrt(classes))))
    rows = math.ceil(classes / columns)
    return rows, math.ceil(classes / rows)


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Writes `figure` as a PNG to `path`: whole or not at all, an older picture stays until then."""
    with atomic_write(Path(path)) as file:
        figure.savefig(file, format="png", dpi=DPI, facecolor="white")
