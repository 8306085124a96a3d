"""Every class with its image, name and confidence, on one page."""

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qdfool.analysis import page, style


def gallery(
    path: str | os.PathLike[str],
    images: NDArray[np.uint8],
    names: Sequence[str],
    fitness: ArrayLike,
    title: str,
) -> None:
    """Draws the elite of each class, up to about a hundred, into the PNG `path`; `contact_sheets` draws more.

    Args:
        path: where the picture goes; replaced when the new one is whole.
        images: [K, H, W, C] uint8, grey (C = 1) or RGB (C = 3); the pixels of an empty class are ignored.
        names: K class names.
        fitness: [K] log-odds, -inf where the class is empty.
        title: what the page shows.

    Raises:
        InputError: the shapes do not agree.
    """
    images = np.asarray(images)
    fitness = page.checked_fitness(names, fitness, images)
    rows, columns = style.grid(len(images))
    cells = page.fit_cells(columns, *images.shape[1:3])
    figure, paper, top = page.new_page(rows * cells.row, title, page.summary(fitness))
    page.draw_cells(paper, cells, top, images, names, fitness)
    style.save(figure, path)
