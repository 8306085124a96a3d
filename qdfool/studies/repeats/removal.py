"""Copies are taken away, one after the other, and so are patches between them: images whose confidence is asked."""

import numpy as np
from scipy import ndimage

from qdfool.studies.repeats.detection import Repeats

FILLS = ("blur", "border")
"""What takes the place of a patch; see `background`."""
ARMS = ("copies", "between")
"""What is taken away: copies, or as many patches of the same size that touch no copy."""
COUNTS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""Numbers of copies kept at which the confidence is asked, beside all of them."""
TRIES = 8
"""How often room for patches between the copies is looked for."""


def schedule(copies: int) -> list[int]:
    """Numbers of copies kept, falling: all of them, then those of `COUNTS`."""
    return [copies, *sorted((count for count in COUNTS if count < copies), reverse=True)]


def background(image: np.ndarray, period: float, fill: str) -> np.ndarray:
    """[H, W, C] uint8 of which patches are put into an image [H, W, C] uint8.

    `blur`: the image, blurred by a standard deviation of one period, in which the pattern is gone and the local mean
    remains. `border`: everywhere the median colour of the outermost pixels.
    """
    if fill == "blur":
        levels = ndimage.gaussian_filter(image.astype(np.float64), (period, period, 0))
        return np.round(levels).astype(np.uint8)
    outermost = np.concatenate([image[0], image[-1], image[1:-1, 0], image[1:-1, -1]])
    return np.broadcast_to(np.round(np.median(outermost, 0)).astype(np.uint8), image.shape)


def between(found: Repeats, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """[m, 2] random places of patches that touch no copy nor one another, as many as there are copies; fewer where
    there is no room."""
    most = np.zeros((0, 2), int)
    height, width = found.patch
    for _ in range(TRIES):
        free = np.ones((shape[0] - height + 1, shape[1] - width + 1), bool)
        for place in found.places:
            _occupy(free, place, found.patch)
        places: list[np.ndarray] = []
        while len(places) < len(found.places) and (left := np.argwhere(free)).size:
            places.append(random.choice(left))
            _occupy(free, places[-1], found.patch)
        if len(places) > len(most):
            most = np.array(places)
        if len(most) == len(found.places):
            break
    return most


def _occupy(free: np.ndarray, place: np.ndarray, patch: tuple[int, int]) -> None:
    """Marks what places a patch at this one leaves no room for."""
    (row, column), (height, width) = place, patch
    free[max(0, row - height + 1) : row + height, max(0, column - width + 1) : column + width] = False


def without(image: np.ndarray, ground: np.ndarray, places: np.ndarray, patch: tuple[int, int]) -> np.ndarray:
    """The image with the background in the place of the patches [n, 2]; a new one."""
    changed = image.copy()
    for row, column in places:
        where = slice(row, row + patch[0]), slice(column, column + patch[1])
        changed[where] = ground[where]
    return changed


def covered(shape: tuple[int, ...], places: np.ndarray, patch: tuple[int, int]) -> np.ndarray:
    """[H, W] bool, where the patches are."""
    mask = np.zeros(shape[:2], bool)
    for row, column in places:
        mask[row : row + patch[0], column : column + patch[1]] = True
    return mask


def removed(
    image: np.ndarray, found: Repeats, controls: np.ndarray, orders: list[list[np.ndarray]]
) -> np.ndarray:
    """All images that are asked for of one image [H, W, C] uint8.

    Args:
        image: as it was evolved.
        found: its copies, n of them.
        controls: [m, 2] of the patches between them, m >= n - 1.
        orders: for each order of removal the permutations of the copies and of the controls: what is first goes first.

    Returns:
        [orders, fills, arms, T, H, W, C] uint8, for the T numbers of `schedule(n)`.
    """
    steps = schedule(len(found.places))
    grounds = [background(image, found.period, fill) for fill in FILLS]

    def arms(ground: np.ndarray, order: list[np.ndarray]) -> list[list[np.ndarray]]:
        return [
            [without(image, ground, places[turn[: steps[0] - kept]], found.patch) for kept in steps]
            for places, turn in zip((found.places, controls), order, strict=True)
        ]

    return np.array([[arms(ground, order) for ground in grounds] for order in orders])
