"""Maps side by side, with one scale of colours."""

import math
import os
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from qdfool.analysis import style
from qdfool.errors import InputError

LARGEST = 3.6
"""Inches of a map's side, at most."""
BAR = 1.2
"""Inches that the scale of colours takes."""


def density_maps(
    path: str | os.PathLike[str],
    maps: Mapping[str, ArrayLike],
    title: str,
    subtitle: str,
    colour_label: str,
    centre: float | None = None,
    names: Sequence[str] | None = None,
    axes: tuple[str, str] = ("", ""),
) -> None:
    """Draws maps side by side with one scale of colours into the PNG `path`.

    Args:
        path: where the picture goes; replaced when the new one is whole.
        maps: name to [H, W], of one or several sizes.
        title: what is shown.
        subtitle: a quieter line below it.
        colour_label: what the colours mean.
        centre: a value from which the colours part to either side, such as 1 for a density relative to the
            uniform one; without it they run from the lowest to the highest.
        names: of the rows and columns of all maps, which are matrices then; by default they have none.
        axes: what columns and rows are.

    Raises:
        InputError: there is no map, or one is not [H, W], or has other rows or columns than names.
    """
    arrays = {name: np.asarray(values, np.float64) for name, values in maps.items()}
    if not arrays or any(values.ndim != 2 for values in arrays.values()):
        raise InputError(
            f"Maps must be [H, W], one or more; got {[list(values.shape) for values in arrays.values()]}."
        )
    if names is not None and any(values.shape != (len(names), len(names)) for values in arrays.values()):
        raise InputError(
            f"Maps with {len(names)} names must have as many rows and columns; got "
            f"{[list(values.shape) for values in arrays.values()]}."
        )
    everything = np.concatenate([values.ravel() for values in arrays.values()])
    everything = everything[np.isfinite(everything)]
    low, high = (everything.min(), everything.max()) if everything.size else (0.0, 1.0)
    colours, scale = style.COLOURS, Normalize(low, high)
    if centre is not None:
        # A single far-off pixel must not fade all the others.
        far = max(float(np.quantile(np.abs(everything - centre), 0.995)) if everything.size else 0, 1e-9)
        high, low = max(centre + far, centre + 1e-9), min(max(low, centre - far), centre - 1e-9)
        colours, scale = style.PARTED, TwoSlopeNorm(centre, low, high)
    columns = min(5, len(arrays))
    rows = math.ceil(len(arrays) / columns)
    side = min(LARGEST, (style.WIDTH - BAR) / columns)
    size_of_names = style.TEXT_SIZE - 1.5
    said = [style.measured(name, size_of_names) / 72 for name in names or () if name]
    widest = max(said, default=0.0)
    upright = widest * len(said) > 0.8 * side
    below = (widest if upright else 0.15 * bool(said)) + 0.2 * bool(axes[0])
    height = 1.1 + rows * (side + 0.35 + below)
    figure = Figure(figsize=(style.fitting_width(BAR + columns * side), height))
    grid = figure.subplots(rows, columns, squeeze=False)
    for number, (area, (name, values)) in enumerate(zip(grid.flat, arrays.items(), strict=False)):
        first = number % columns == 0
        area.imshow(values, norm=scale, cmap=colours, interpolation="nearest")
        area.set_title("\n".join(textwrap.wrap(name, int(15 * side))), size=style.TEXT_SIZE - 0.5)
        area.set_xticks(range(len(names or ())), names or (), rotation=90 if upright else 0)
        area.set_yticks(range(len(names or ())), names or ())
        area.tick_params(length=0, labelsize=size_of_names, labelleft=first)
        area.set_xlabel(axes[0], size=style.TEXT_SIZE - 0.5)
        area.set_ylabel(axes[1] if first else "", size=style.TEXT_SIZE - 0.5)
    for area in list(grid.flat)[len(arrays) :]:
        area.set_visible(False)
    beyond = (bool((everything < low).any()), bool((everything > high).any()))
    ends = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}
    bar = figure.colorbar(
        ScalarMappable(scale, colours), ax=list(grid.flat), extend=ends[beyond], pad=0.02, aspect=30
    )
    bar.set_label(colour_label, size=style.TEXT_SIZE)
    bar.ax.tick_params(labelsize=style.TEXT_SIZE - 1)
    style.heading(figure, title, subtitle)
    style.save(figure, path)
