"""Named points."""

import os
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from numpy.typing import NDArray

from qdfool.analysis import style
from qdfool.errors import InputError

SIZE = style.TEXT_SIZE - 1


def scatter(
    path: str | os.PathLike[str],
    points: Mapping[str, tuple[float, float]],
    title: str,
    subtitle: str,
    x_label: str,
    y_label: str,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
) -> None:
    """Draws points with their names near them into the PNG `path`.

    Args:
        path: where the picture goes; replaced when the new one is whole.
        points: name to x and y.
        title: what is shown.
        subtitle: a quieter line below it.
        x_label: of the horizontal axis.
        y_label: of the vertical axis.
        x_range: ends of the horizontal axis; by default those of the data.
        y_range: ends of the vertical axis.

    Raises:
        InputError: there is no point, or one is not finite.
    """
    places = np.array([[float(value) for value in point] for point in points.values()]).reshape(-1, 2)
    if not len(points) or not np.isfinite(places).all():
        raise InputError(f"A scatter needs a point or more, all finite; got {dict(points)}.")
    figure = Figure(figsize=(style.WIDTH, 5.6))
    axes = figure.add_subplot()
    axes.scatter(*places.T, s=42, color=style.MEDIAN, edgecolors="white", linewidths=0.8, zorder=3)
    axes.margins(0.12)
    axes.set(**{} if x_range is None else {"xlim": x_range}, **{} if y_range is None else {"ylim": y_range})
    style.dress(axes, x_label, y_label)
    style.heading(figure, title, subtitle)
    figure.draw_without_rendering()  # what is where is known only after the layout
    _name_points(axes, places, list(points))
    style.save(figure, path)


def _name_points(axes: Axes, places: NDArray, names: list[str]) -> None:
    """A name beside each point, where it covers the fewest points and names; a thin line leads to far ones."""
    points_of_pixel = 72 / axes.figure.dpi
    dots = axes.transData.transform(places) * points_of_pixel
    frame = np.array(axes.get_window_extent().extents) * points_of_pixel
    font = FontProperties(size=SIZE)
    taken = [np.array([x - 4, y - 4, x + 4, y + 4]) for x, y in dots]
    for (x, y), place, name in zip(dots, places, names, strict=True):
        width, height, _ = text_to_path.get_text_width_height_descent(name, font, ismath=False)
        best = None
        for far in (7.0, 16.0, 28.0, 42.0, 60.0, 80.0):
            for angle in (0, 180, 90, 270, 40, 140, 220, 320):
                across, up = np.cos(np.radians(angle)), np.sin(np.radians(angle))
                middle = np.array([x + across * (far + width / 2), y + up * (far + height / 2)])
                half = np.array([width / 2, height / 2])
                box = np.concatenate([middle - half, middle + half])
                box += [-1, -1.5, 1, 1.5]
                cost = sum(_shared(box, other) for other in taken) + 10 * _outside(box, frame) + 0.5 * far
                if best is None or cost < best[0]:
                    best = cost, middle, box, far
        assert best is not None
        _, middle, box, far = best
        taken.append(box)
        axes.annotate(
            name,
            place,
            xytext=tuple(middle - (x, y)),
            textcoords="offset points",
            ha="center",
            va="center",
            size=SIZE,
            color=style.INK,
            parse_math=False,
            arrowprops={"arrowstyle": "-", "color": style.QUIET, "linewidth": 0.6, "shrinkB": 4}
            if far > 7
            else None,
        )


def _shared(box: NDArray, other: NDArray) -> float:
    """Square points that two boxes (left, bottom, right, top) share."""
    sides = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    return float(np.prod(np.maximum(sides, 0)))


def _outside(box: NDArray, frame: NDArray) -> float:
    """Points by which a box leaves the frame."""
    return float(np.maximum(frame[:2] - box[:2], 0).sum() + np.maximum(box[2:] - frame[2:], 0).sum())
