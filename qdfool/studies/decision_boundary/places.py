"""Where ink lies: how far from the nearest edge, how far from the centre, and how dense against uniform."""

from collections.abc import Sequence

import numpy as np

RINGS = (0.0, 0.125, 0.25, 0.5, 0.75, 1.0)
"""Bounds of rings by depth; the last ring, the middle, is closed."""
ANNULI = (0.0, 0.25, 0.5, 0.75, 1.0, 1.2, 1.5)
"""Bounds of annuli by radius; from 1 on they lie in the corners only."""
OUTER = 0.25
"""Depth below which a pixel is in the outer ring: an eighth of the side along each edge, 44 % of a square."""
MIDDLE = 0.5
"""Depth from which a pixel is in the middle half of height and width, 25 % of a square."""


def depth(height: int, width: int) -> np.ndarray:
    """[H, W] distance of each pixel's centre to the nearest edge; 0 is the edge, 1 the middle line of the image.

    In units of half the height for the upper and lower edge, half the width for the others.
    """
    down, across = _from_middle(height), _from_middle(width)
    return 1.0 - np.maximum(np.abs(down)[:, None], np.abs(across)[None, :])


def radius(height: int, width: int) -> np.ndarray:
    """[H, W] distance of each pixel's centre to that of the image; 1 is the middle of an edge, 1.41 a corner."""
    return np.hypot(_from_middle(height)[:, None], _from_middle(width)[None, :])


def density(ink: np.ndarray, place: np.ndarray, bounds: Sequence[float]) -> np.ndarray:
    """Ink per area between bounds, relative to uniform: 1 where a part has as much of the ink as of the area.

    Args:
        ink: [H, W], at least 0.
        place: [H, W], such as `depth`.
        bounds: [n + 1] rising; the last part includes its upper bound.

    Returns:
        [n]; NaN where there is no ink at all, or no pixel between two bounds.
    """
    number = np.clip(np.searchsorted(bounds, place, side="right") - 1, 0, len(bounds) - 2)
    pixels = np.bincount(number.ravel(), minlength=len(bounds) - 1)
    found = np.bincount(number.ravel(), weights=np.asarray(ink, np.float64).ravel(), minlength=len(pixels))
    with np.errstate(invalid="ignore", divide="ignore"):
        return found / np.sum(ink) / (pixels / place.size)


def outer_density(ink: np.ndarray) -> float:
    """Ink per area in the outer ring, relative to uniform; NaN without ink."""
    return float(density(ink, depth(*ink.shape), (0.0, OUTER, 1.0))[0])


def middle_density(ink: np.ndarray) -> float:
    """Ink per area in the middle half, relative to uniform; NaN without ink."""
    return float(density(ink, depth(*ink.shape), (0.0, MIDDLE, 1.0))[1])


def _from_middle(length: int) -> np.ndarray:
    """[length] signed distance from the middle; an edge is at 1, the outermost pixels' centres half a pixel within."""
    return (2.0 * np.arange(length) + 1.0 - length) / length
