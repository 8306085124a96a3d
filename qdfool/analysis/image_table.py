"""Images in labelled rows, each with a line or two below it."""

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qdfool.analysis import page, style
from qdfool.errors import InputError

LABEL = 1.75
"""Inches that the labels of the rows take."""
LARGEST = 1.15
"""Inches from one column to the next, at most."""
LINES = 3
"""Of a label, a caption or a column's title, at most."""

Row = tuple[str, Sequence[ArrayLike], Sequence[str]]
"""A label, images, and as many captions; no captions at all, or an empty one, leave the space blank."""


def image_table(
    path: str | os.PathLike[str],
    rows: Sequence[Row],
    title: str,
    subtitle: str,
    column_titles: Sequence[str] | None = None,
) -> None:
    """Draws rows of images, each row with its label at the left, into the PNG `path`.

    Args:
        path: where the picture goes; replaced when the new one is whole.
        rows: label, images and captions. Images are [H, W] or [H, W, C], C = 1 or 3, uint8 or float in [0, 1];
            they may differ in size, and rows in length.
        title: what is shown.
        subtitle: a quieter line below it.
        column_titles: one for each column, above the first row.

    Raises:
        InputError: there is no image, there are more or fewer captions than images, or what is given is no
            image.
    """
    images = [[as_levels(image) for image in row[1]] for row in rows]
    columns = max((len(row) for row in images), default=0)
    if columns == 0:
        raise InputError("An image table needs an image or more; got none.")
    for (label, _, captions), row in zip(rows, images, strict=True):
        if captions and len(captions) != len(row):
            raise InputError(
                f"The row {label!r} has {len(row)} images and {len(captions)} captions; give one for each, or none."
            )
    if column_titles is not None and len(column_titles) != columns:
        raise InputError(f"{columns} columns need as many titles; got {len(column_titles)}.")

    cell = min(LARGEST, (style.WIDTH - 2 * page.MARGIN - LABEL) / columns)
    size = float(np.clip(8.5 * cell, 6.0, style.TEXT_SIZE - 1))
    line = 1.4 * size / 72
    printed = [
        [page.printed_size(image.shape[0], image.shape[1], 0.92 * cell) for image in row] for row in images
    ]
    heights = [max((height for _, height in row), default=0.4) for row in printed]
    shown = [
        [style.wrapped(text, 72 * cell, size, most=LINES) for text in captions] for _, _, captions in rows
    ]
    lines = [max((text.count("\n") + 1 for text in texts if text), default=0) for texts in shown]
    titles = [style.wrapped(text, 72 * cell, size, most=LINES) for text in column_titles or ()]
    over = line * max((text.count("\n") + 1 for text in titles), default=0) + (0.06 if titles else 0)
    row_heights = [height + 0.05 + count * line + 0.1 for height, count in zip(heights, lines, strict=True)]

    left = page.MARGIN + LABEL
    figure, paper, top = page.new_page(
        over + sum(row_heights) + 0.1,
        title,
        subtitle,
        style.fitting_width(left + columns * cell + page.MARGIN),
    )
    top += over
    text = {"color": style.INK, "size": size, "parse_math": False}
    for column, name in enumerate(titles):
        paper.text(left + (column + 0.46) * cell, top - 0.06, name, ha="center", va="bottom", **text)
    for number, (label, _, _) in enumerate(rows):
        size_of_label = style.TEXT_SIZE - 0.5
        paper.text(
            page.MARGIN,
            top + heights[number] / 2,
            style.wrapped(label, 72 * (LABEL - 0.1), size_of_label, most=LINES),
            va="center",
            color=style.INK,
            size=size_of_label,
            parse_math=False,
            linespacing=1.15,
        )
        for column, (image, (width, height)) in enumerate(zip(images[number], printed[number], strict=True)):
            x = left + column * cell + (0.92 * cell - width) / 2
            page.print_image(paper, image, x, top, width, height)
            if shown[number]:
                paper.text(
                    left + (column + 0.46) * cell,
                    top + heights[number] + 0.04,
                    shown[number][column],
                    ha="center",
                    va="top",
                    **text,
                )
        top += row_heights[number]
    style.save(figure, path)


def as_levels(image: ArrayLike) -> NDArray[np.uint8]:
    """An image [H, W] or [H, W, C], uint8 or float in [0, 1], as [H, W, C] uint8.

    Raises:
        InputError: it is no image of one or three channels, or a value is outside [0, 1].
    """
    array = np.asarray(image)
    array = array[..., None] if array.ndim == 2 else array
    if array.ndim != 3 or array.shape[-1] not in (1, 3) or array.size == 0:
        raise InputError(
            f"An image must be [H, W] or [H, W, 1 or 3]; got an array of shape {list(array.shape)}."
        )
    if array.dtype == np.uint8:
        return array
    # Not the opposite comparison: NaN is outside as well.
    if not ((array >= 0) & (array <= 1)).all():
        raise InputError(
            f"An image of {array.dtype} must lie in [0, 1]; divide levels by 255, or give uint8."
        )
    return np.round(array.astype(np.float64) * 255).astype(np.uint8)
