"""Every class of many with its image, index, name and confidence, on numbered pages."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from qdfool.analysis import page, style
from qdfool.errors import InputError

COLUMNS = 10


def contact_sheets(
    directory: str | os.PathLike[str],
    images: page.Images,
    names: Sequence[str],
    fitness: ArrayLike,
    title: str,
    per_page: int = 100,
) -> list[Path]:
    """Draws the elite of each class, in the order of their indices, into `gallery-01.png`, `gallery-02.png`, ...

    Args:
        directory: where the pages go, made if missing; each replaces an older one when it is whole.
        images: [K, H, W, C] uint8, grey (C = 1) or RGB (C = 3); the pixels of an empty class are ignored. Or a
            function from class indices [n] to their images, which is asked for a page at a time.
        names: K class names.
        fitness: [K] log-odds, -inf where the class is empty.
        title: what the pages show; each adds its classes.
        per_page: images on a page, in rows of ten.

    Returns:
        The pages, in order.

    Raises:
        InputError: the shapes do not agree, there is no class, or `per_page` is less than one.
    """
    fitness = page.checked_fitness(names, fitness, images)
    if per_page < 1:
        raise InputError(f"A page needs at least one image; got per_page = {per_page}.")
    classes = len(fitness)
    pages = math.ceil(classes / per_page)
    digits = max(2, len(str(pages)))
    paths = []
    for number in range(pages):
        first, last = number * per_page, min((number + 1) * per_page, classes)
        shown = np.arange(first, last)
        pixels = page.images_of(images, shown)
        heading = f"{title}: classes {first} to {last - 1} of {classes:,}"
        cells = page.fit_cells(COLUMNS, *pixels.shape[1:3])
        rows = math.ceil(len(shown) / COLUMNS)
        figure, paper, top = page.new_page(rows * cells.row, heading, page.summary(fitness[shown]))
        page.draw_cells(paper, cells, top, pixels, names[first:last], fitness[shown], shown)
        path = Path(directory, f"gallery-{number + 1:0{digits}d}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        style.save(figure, path)
        paths.append(path)
    return paths
