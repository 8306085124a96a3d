"""How well scores tell real images from fooling ones. Real is the positive side, and what the higher scores are for."""

import numpy as np
from numpy.typing import ArrayLike

from qdfool.errors import InputError

PASSING = 0.95
"""Share of real images that a monitor lets pass: the true positives at which its false positives are counted."""


def standing(real: ArrayLike, fooling: ArrayLike) -> np.ndarray:
    """[m] the share of real images that score higher than each of the fooling ones, ties counting half.

    Its mean is the AUROC; for one image it is the AUROC of that image alone.

    Args:
        real: [n] scores of real images.
        fooling: [m] scores of the others.

    Raises:
        InputError: there are none of one kind, or a score is NaN.
    """
    known, given = _ordered(real, "real"), _numbers(fooling, "fooling")
    below, above = (np.searchsorted(known, given, side=side) for side in ("left", "right"))
    return 1.0 - (below + above) / (2 * len(known))


def auroc(real: ArrayLike, fooling: ArrayLike) -> float:
    """Area under the receiver operating characteristic: the chance that a real image scores higher than a fooling one.

    1: the detector tells all apart; 0.5: it tells nothing; below, it takes fooling images for more real than real ones.

    Raises:
        InputError: as `standing`.
    """
    return float(standing(real, fooling).mean())


def threshold(real: ArrayLike, passing: float = PASSING) -> float:
    """The highest score that at least the share `passing` of the real images have or exceed.

    Raises:
        InputError: there are none, or a score is NaN.
    """
    known = _ordered(real, "real")
    # The least number of images that are such a share; what is a whole number is not rounded up.
    count = int(np.ceil(round(passing * len(known), 9)))
    return float(known[len(known) - max(count, 1)])


def false_positives(real: ArrayLike, fooling: ArrayLike, passing: float = PASSING) -> float:
    """The share of fooling images that pass a monitor which lets the share `passing` of the real ones pass.

    Raises:
        InputError: as `standing`.
    """
    return float((_numbers(fooling, "fooling") >= threshold(real, passing)).mean())


def _ordered(scores: ArrayLike, kind: str) -> np.ndarray:
    return np.sort(_numbers(scores, kind))


def _numbers(scores: ArrayLike, kind: str) -> np.ndarray:
    values = np.asarray(scores, np.float64).ravel()
    if values.size == 0 or np.isnan(values).any():
        raise InputError(
            f"Expected a score for each of one or more {kind} images; got "
            f"{'a score that is NaN' if values.size else 'none'}."
        )
    return values
