"""Confidence as people read it: by its nines.

The confidences of fooling images crowd just below 1, where a linear scale shows nothing and rounding to
"100 %" would be untrue. So pictures count nines, -log10(1 - confidence): 90 % has one, 99.99 % has four.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qdfool.errors import in_range

MOST_NINES = 7
"""Where scales and labels end: 99.99999 %."""
CERTAIN = 4
"""Nines of 99.99 %, from which on a class counts as fooled."""


def nines(log_odds: ArrayLike) -> NDArray[np.float64]:
    """Nines of a confidence given as log-odds: log10(1 + exp(log_odds)), exact where the confidence is not.

    Any shape; 0 for -inf, inf for inf.
    """
    return np.logaddexp(0.0, np.asarray(log_odds, np.float64)) / math.log(10)


def nines_of_confidence(confidence: ArrayLike) -> NDArray[np.float64]:
    """Nines of confidences in [0, 1]: -log10(1 - confidence), any shape; inf where it has rounded to 1."""
    with np.errstate(divide="ignore"):
        return -np.log10(1.0 - np.asarray(confidence, np.float64))


def percent(confidence: float | None = None, log_odds: float | None = None) -> str:
    """A confidence as text that never says more than is true: 0.99996 is "99.996 %".

    Digits are cut, not rounded, after the first that is not a nine, and at least one decimal is shown. Past
    `MOST_NINES` it reads "> 99.99999 %".

    Args:
        confidence: in [0, 1]; not looked at where `log_odds` is given.
        log_odds: the same as log-odds, which still tells confidences apart that round to 1.

    Raises:
        InputError: the confidence is outside [0, 1], or NaN, or neither is given.
    """
    if log_odds is not None:
        confidence = float(np.exp(-np.logaddexp(0.0, -log_odds)))
        missing = float(np.exp(-np.logaddexp(0.0, log_odds)))
    else:
        confidence = math.nan if confidence is None else float(confidence)
        missing = 1.0 - confidence
    in_range("confidence", confidence, 0.0, 1.0)
    rounding = 1e-6  # 1 - 0.999 is a little more than 0.001, and still reads as three nines
    if missing < 10.0**-MOST_NINES * (1 - rounding):
        return f"> {nines_label(MOST_NINES)}"
    if 0 < confidence < 0.001:
        return "< 0.1 %"
    decimals = max(1, -math.floor(math.log10(missing)) - 2)
    units = math.ceil(missing * 100 * 10**decimals * (1 - rounding))
    if units == 10 and decimals > 1:
        units, decimals = 1, decimals - 1
    return f"{(100 * 10**decimals - units) / 10**decimals:.{decimals}f} %"


def nines_label(count: int) -> str:
    """The confidence with `count` nines, as the label of a tick: 0 is "0 %", 1 "90 %", 4 "99.99 %"."""
    digits = "9" * count
    return ("0", "90")[count] + " %" if count < 2 else f"{digits[:2]}{'.' * (count > 2)}{digits[2:]} %"


def nine_ticks(top: int) -> tuple[list[float], list[str]]:
    """Places and labels of the ticks on a scale of nines from 0 to `top`; a short scale also has 50 %."""
    places = [float(count) for count in range(top + 1)]
    labels = [nines_label(count) for count in range(top + 1)]
    if top <= 3:
        places.insert(1, math.log10(2))
        labels.insert(1, "50 %")
    return places, labels


def nine_scale(values: NDArray[np.float64]) -> int:
    """The whole number of nines, 1 to `MOST_NINES`, at which a scale for `values` ends; NaN is ignored."""
    known = values[~np.isnan(values)]
    return int(np.clip(np.ceil(known.max()), 1, MOST_NINES)) if known.size else 1
