"""Box plots in groups."""

import math
import os
import textwrap
from collections.abc import Mapping, Sequence

import matplotlib
import matplotlib.colors
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import ArrayLike, NDArray

from qdfool.analysis import style
from qdfool.errors import InputError

MOST_BOXES = 66
"""Boxes side by side; more go into further rows."""


def boxes(
    path: str | os.PathLike[str],
    groups: Mapping[str, Sequence[ArrayLike]],
    title: str,
    subtitle: str,
    y_label: str,
    parts: Sequence[str] = (),
) -> None:
    """Draws box plots, grouped side by side, into the PNG `path`.

    A box reaches from the lower to the upper quartile, with the median across it; whiskers reach to the last
    value within 1.5 times its height, and what is beyond is drawn as dots.

    Args:
        path: where the picture goes; replaced when the new one is whole.
        groups: name to the values of each of its boxes: `[values]` for one, or one a generation.
        title: what is shown.
        subtitle: a quieter line below it.
        y_label: of the vertical axis.
        parts: what the boxes of a group are, in order; named at the right.

    Raises:
        InputError: there is no group, or a box without values.
    """
    values = {name: [np.ravel(np.asarray(box, np.float64)) for box in some] for name, some in groups.items()}
    if not values or any(not some or any(box.size == 0 for box in some) for some in values.values()):
        raise InputError("Box plots need a group or more, and values in each box.")
    most = max(len(some) for some in values.values())
    in_row = max(1, MOST_BOXES // most) if most > 1 else 20
    rows = math.ceil(len(values) / in_row)
    in_row = math.ceil(len(values) / rows)
    figure = Figure(figsize=(style.WIDTH, 1.4 + 2.9 * rows))
    grid = figure.subplots(rows, 1, sharey=True, squeeze=False)[:, 0]
    colours = [style.MEDIAN] if most == 1 else _shades(most)
    names = list(values)
    for axes, first in zip(grid, range(0, len(names), in_row), strict=True):
        shown = names[first : first + in_row]
        middles = []
        for place, name in enumerate(shown):
            width = 0.8 / most
            middle = place + width * (len(values[name]) - 1) / 2 - width * (most - 1) / 2
            middles.append(middle)
            for number, box in enumerate(values[name]):
                _draw_box(axes, box, place + width * (number - (most - 1) / 2), 0.75 * width, colours[number])
        style.dress(axes, "", y_label)
        axes.grid(axis="x", visible=False)
        axes.set_xlim(-0.6, in_row - 0.4)
        wide = 8.0 / in_row
        turned = max(len(name) for name in names) > 36 * wide
        letters = 26 if turned else max(6, int(12 * wide))
        axes.set_xticks(
            middles,
            ["\n".join(textwrap.wrap(name, letters)) for name in shown],
            rotation=35 if turned else 0,
            ha="right" if turned else "center",
            rotation_mode="anchor" if turned else "default",
            size=style.TEXT_SIZE - 1,
        )
    if parts:
        handles = [Patch(facecolor=colour, label=part) for colour, part in zip(colours, parts, strict=False)]
        figure.legend(
            handles=handles, loc="outside right center", frameon=False, fontsize=style.TEXT_SIZE - 0.5
        )
    style.heading(figure, title, subtitle)
    style.save(figure, path)


def _draw_box(axes: Axes, values: NDArray, place: float, width: float, colour: str) -> None:
    axes.boxplot(
        values,
        positions=[place],
        widths=width,
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": colour, "edgecolor": style.INK, "linewidth": 0.7},
        medianprops={"color": style.MINIMUM, "linewidth": 1.4},
        whiskerprops={"color": style.INK, "linewidth": 0.7},
        capprops={"color": style.INK, "linewidth": 0.7},
        flierprops={"marker": ".", "markersize": 2, "markeredgecolor": style.QUIET, "alpha": 0.6},
    )


def _shades(count: int) -> list[str]:
    """Colours from light to dark, for what follows one another."""
    shades = matplotlib.colormaps["Blues"](np.linspace(0.15, 0.8, count))
    return [matplotlib.colors.to_hex(shade) for shade in shades]
