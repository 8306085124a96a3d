"""Maps side by side, with one scale of colours."""

import math
import os
import textwrap
from collections.abc import Mapping

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from qdfool.analysis import style
from qdfool.errors import InputError


def density_maps(
    path: str | os.PathLike[str],
    maps: Mapping[str, ArrayLike],
    title: str,
    subtitle: str,
    colour_label: str,
    centre: float | None = None,
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

    Raises:
        InputError: there is no map, or one is not [H, W].
    """
    arrays = {name: np.asarray(values, np.float64) for name, values in maps.items()}
    if not arrays or any(values.ndim != 2 for values in arrays.values()):
        raise InputError(
            f"Maps must be [H, W], one or more; got {[list(values.shape) for values in arrays.values()]}."
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
    side = min(2.4, (style.WIDTH - 1.2) / columns)
    figure = Figure(figsize=(style.WIDTH, 1.1 + rows * (side + 0.35)))
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, (name, values) in zip(grid.flat, arrays.items(), strict=False):
        axes.imshow(values, norm=scale, cmap=colours, interpolation="nearest")
        axes.set_title("\n".join(textwrap.wrap(name, int(15 * side))), size=style.TEXT_SIZE - 0.5)
        axes.set(xticks=[], yticks=[])
    for axes in list(grid.flat)[len(arrays) :]:
        axes.set_visible(False)
    beyond = (bool((everything < low).any()), bool((everything > high).any()))
    ends = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}
    bar = figure.colorbar(
        ScalarMappable(scale, colours), ax=list(grid.flat), extend=ends[beyond], pad=0.02, aspect=30
    )
    bar.set_label(colour_label, size=style.TEXT_SIZE)
    bar.ax.tick_params(labelsize=style.TEXT_SIZE - 1)
    style.heading(figure, title, subtitle)
    style.save(figure, path)
