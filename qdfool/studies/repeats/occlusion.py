"""Where in an image a network looks: a grey square slides over it, and the log-odds fall.

Source: M. D. Zeiler and R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 4.2.
"""

import numpy as np

GREY = 128
"""Level of the square."""


def corners(side: int, square: int, steps: int) -> np.ndarray:
    """[steps] upper or left pixels of the square, evenly spaced from border to border."""
    return np.round(np.linspace(0, side - square, steps)).astype(int)


def slid(image: np.ndarray, square: int, steps: int) -> np.ndarray:
    """[steps * steps, H, W, C] the image with the square at each place, row by row."""
    places = [
        (row, column)
        for row in corners(image.shape[0], square, steps)
        for column in corners(image.shape[1], square, steps)
    ]
    images = np.repeat(image[None], len(places), 0)
    for one, (row, column) in zip(images, places, strict=True):
        one[row : row + square, column : column + square] = GREY
    return images


def looked_at(falls: np.ndarray, shape: tuple[int, ...], square: int) -> np.ndarray:
    """[H, W] how much each pixel is looked at: the mean fall of the log-odds over the squares that cover it.

    Args:
        falls: [steps, steps] by how much each square lowers the log-odds; where it raises them counts as 0.
        shape: (H, W, ...) of the image.
        square: its side in pixels.
    """
    total, times = np.zeros(shape[:2]), np.zeros(shape[:2])
    for row, down in enumerate(corners(shape[0], square, len(falls))):
        for column, across in enumerate(corners(shape[1], square, len(falls))):
            where = slice(down, down + square), slice(across, across + square)
            total[where] += max(falls[row, column], 0.0)
            times[where] += 1
    return total / np.maximum(times, 1)


def density(looked: np.ndarray, where: np.ndarray) -> float:
    """How much is looked at a part of an image, by area, against the whole of it: 1 is as much as anywhere.

    Args:
        looked: [H, W] at least 0.
        where: [H, W] bool.

    Returns:
        NaN where nothing is looked at, or the part is empty.
    """
    if not where.any() or not looked.any():
        return float("nan")
    return float(looked[where].mean() / looked.mean())
