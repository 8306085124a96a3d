"""What repeats in an image, and where its copies are: autocorrelation, and then one element looked for everywhere."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import fft, ndimage

BROAD = 1 / 8
"""Standard deviation of the blur, as a share of the image's side, that is taken away first: what is broader is
shading, no element."""
REACH = 2 / 5
"""Share of the sides up to which displacements are tried: no three copies are farther apart."""
WINDOW, WINDOWS = 2 / 3, 3
"""Of an image that does not repeat as a whole: share of its sides that a window has, and windows down and across."""
AGAIN = 0.5
"""Correlation of the image with itself, moved, from which on it repeats."""
BETWEEN = 0.25
"""On every way from no displacement to that of a repeat the correlation must fall below this: else the image is smooth,
and does not repeat."""
AT_PEAK = 0.95
"""Displacements that have this share of the highest correlation around them are as good as that."""
SHORTEST = (4, 1 / 28)
"""The nearest displacement that counts: pixels, and as a share of the side; the larger of the two."""
ALIKE = 0.5
"""Correlation with the element from which on a place is a copy of it."""
APART = 0.75
"""Copies are at least so many periods apart, down or across."""
CORE = 0.5
"""Side of the patch that is taken for a copy, in periods: what lies between copies is as large."""
FLAT = 1e-6
"""Mean square of a patch, less its mean, below which it shows nothing: a quarter of one of 256 levels."""


class Repeats(NamedTuple):
    """What repeats in an image, and where."""

    strength: float
    """Correlation of the image with itself, moved by the period; 0 where nothing repeats."""
    period: float
    """Pixels to the nearest repeat; 0 where nothing repeats."""
    patch: tuple[int, int]
    """Height and width of the patch that is taken for a copy. Where the image is the same all along one side (stripes),
    the patch reaches from border to border."""
    places: np.ndarray
    """[n, 2] int, the upper left pixel of each copy's patch, the most alike first; the first is the element itself."""


NOTHING = Repeats(0.0, 0.0, (0, 0), np.zeros((0, 2), int))


def repeats(image: np.ndarray) -> Repeats:
    """What repeats in an image [H, W, C] in [0, 1], or `NOTHING`.

    The image less its broad shading is correlated with itself at all displacements up to `REACH` of its sides; if it
    does not repeat, so are its windows, of which the one that repeats most counts. The period is the nearest
    displacement, apart from the ridge around none, with a correlation of `AGAIN` or more. The element is the square of
    one period where the image, or window, and its moved self have most in common, in contrast as in kind; its copies
    are the places in all of the image, best ones first, that correlate with it by `ALIKE` or more.
    """
    sides = np.array(image.shape[:2])
    detail = image - ndimage.gaussian_filter(image, (*(BROAD * sides), 0))
    shortest = max(SHORTEST[0], SHORTEST[1] * sides.max())
    again = None
    for share, count in ((1.0, 1), (WINDOW, WINDOWS)):
        if again is None or not again.strength:
            again = max(
                (_repeat(detail, *part, shortest) for part in _parts(sides, share, count)), key=_strength
            )
    assert again is not None
    if not again.strength:
        return NOTHING
    period = float(np.hypot(*again.move))
    element = np.where(again.endless, sides, round(period))
    patch = np.where(again.endless, sides, max(2, int(CORE * period)))
    apart = np.where(again.endless, sides, max(2, round(APART * period)))
    corner = again.corner + _element(again.part, again.move, element, period)
    template = detail[corner[0] : corner[0] + element[0], corner[1] : corner[1] + element[1]]
    # The element may stick out of the image, as long as its core does not.
    first = element - 1 - (element - patch) // 2
    down, across = first + sides - patch + 1
    alike = correlation(template, detail)[first[0] : down, first[1] : across]
    return Repeats(again.strength, period, (int(patch[0]), int(patch[1])), _best_apart(alike, apart))


def correlation(element: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Pearson's correlation of an element with an image at every displacement, over the pixels that both have there.

    Source: D. Padfield, "Masked Object Registration in the Fourier Domain", IEEE Transactions on Image Processing
    21(5), 2012, pp. 2706-2718.

    Args:
        element: [h, w, C].
        image: [H, W, C]. All channels count together, each less its own mean.

    Returns:
        [h + H - 1, w + W - 1]; at (h - 1 + y, w - 1 + x) the element's upper left pixel is on the image's (y, x). 0
        where one of both is flat.
    """
    rows, columns = np.add(element.shape[:2], image.shape[:2]) - 1
    shape = [int(fft.next_fast_len(int(side), True) or side) for side in (rows, columns)]

    def spectrum(planes: np.ndarray) -> np.ndarray:
        return np.fft.rfft2(planes, shape, axes=(0, 1))

    def summed(product: np.ndarray) -> np.ndarray:
        return np.fft.irfft2(product, shape, axes=(0, 1))[:rows, :columns]

    first, second = element[::-1, ::-1] - element.mean((0, 1)), image - image.mean((0, 1))
    one, other = spectrum(first), spectrum(second)
    ones = [spectrum(np.ones((*part.shape[:2], 1))) for part in (first, second)]
    pixels = np.round(summed(ones[0] * ones[1]))
    means = summed(one * ones[1]) / pixels, summed(other * ones[0]) / pixels
    squares = [
        summed(spectrum((part**2).sum(2, keepdims=True)) * all_of_the_other)[..., 0] / pixels[..., 0]
        for part, all_of_the_other in ((first, ones[1]), (second, ones[0]))
    ]
    together = summed((one * other).sum(2)) / pixels[..., 0] - (means[0] * means[1]).sum(2)
    spread = [square - (mean**2).sum(2) for square, mean in zip(squares, means, strict=True)]
    shows = np.minimum(*spread) > FLAT
    return np.where(shows, together / np.sqrt(np.where(shows, spread[0] * spread[1], 1.0)), 0.0)


class _Again(NamedTuple):
    """That a part of an image repeats."""

    strength: float
    """0 where it does not."""
    move: np.ndarray
    """[2] the displacement of the nearest repeat."""
    endless: np.ndarray
    """[2] bool, whether the image is the same all along each of its sides."""
    corner: np.ndarray
    """[2] the part's upper left pixel."""
    part: np.ndarray
    """[h, w, C]."""


def _strength(again: _Again) -> float:
    return again.strength


def _parts(sides: np.ndarray, share: float, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Corners and sides of count x count windows with so large a share of the sides."""
    size = (share * sides).astype(int)
    rows, columns = (np.linspace(0, room, count).astype(int) for room in sides - size)
    return ((np.array([row, column]), size) for row in rows for column in columns)


def _repeat(detail: np.ndarray, corner: np.ndarray, size: np.ndarray, shortest: float) -> _Again:
    """How a part of an image repeats, if it does."""
    part = detail[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]]
    reach = (REACH * size).astype(int)
    (top, left), (down, across) = size - 1 - reach, size + reach
    near = correlation(part, part)[top:down, left:across]
    ridges = np.zeros(near.shape, int)
    ndimage.label(near >= BETWEEN, output=ridges)
    peaks = np.array(ndimage.maximum(near, ridges, np.arange(ridges.max() + 1)))
    moves = np.moveaxis(np.indices(near.shape), 0, -1) - reach
    distance = np.hypot(moves[..., 0], moves[..., 1])
    good = (
        (ridges > 0) & (ridges != ridges[tuple(reach)]) & (near >= AGAIN) & (near >= AT_PEAK * peaks[ridges])
    )
    good &= distance >= shortest
    if not good.any():
        return _Again(0.0, np.zeros(2, int), np.zeros(2, bool), corner, part)
    move = moves[np.unravel_index(np.argmin(np.where(good, distance, np.inf)), near.shape)]
    along = np.array([near[:, reach[1]].min(), near[reach[0]].min()])
    endless = (along >= BETWEEN) & (size == detail.shape[:2])
    return _Again(float(near[tuple(reach + move)]), move, endless, corner, part)


def _element(detail: np.ndarray, move: np.ndarray, element: np.ndarray, period: float) -> np.ndarray:
    """[2] the upper left pixel of the element: around where the detail and its moved self have most in common."""
    sides = np.array(detail.shape[:2])
    start, end = np.maximum(0, -move), sides - np.maximum(0, move)
    here = detail[start[0] : end[0], start[1] : end[1]]
    there = detail[start[0] + move[0] : end[0] + move[0], start[1] + move[1] : end[1] + move[1]]
    common = np.zeros(tuple(sides))
    common[start[0] : end[0], start[1] : end[1]] = (here * there).sum(2)
    around = ndimage.gaussian_filter(common, period / 4, mode="constant")
    # An element that reaches from border to border is where the mean over that side says.
    for axis in np.flatnonzero(element == sides):
        around = np.broadcast_to(around.mean(axis, keepdims=True), around.shape)
    half, last = element // 2, sides - element
    inside = around[half[0] : half[0] + last[0] + 1, half[1] : half[1] + last[1] + 1]
    return np.array(np.unravel_index(np.argmax(inside), inside.shape))


def _best_apart(alike: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """[n, 2] places with `ALIKE` or more, the best first, none nearer to one before than `apart` down and across."""
    left, places = alike.copy(), []
    while left.size:
        row, column = np.unravel_index(np.argmax(left), left.shape)
        if left[row, column] < ALIKE:
            break
        places.append((row, column))
        above, before = max(0, row - apart[0] + 1), max(0, column - apart[1] + 1)
        left[above : row + apart[0], before : column + apart[1]] = -np.inf
    return np.array(places, int).reshape(-1, 2)
