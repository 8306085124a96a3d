"""Confidence as people read it: by its nines.

The confidences of fooling images crowd just below 1, where a linear scale shows nothing and rounding to
"100 %" would be untrue. So pictures count nines, -log10(1 - confidence): 90 % has one, 99.99 % has four. What
also has to show how confidence grew from nearly nothing, as heatmaps do, is on a scale of log-odds.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qdfool.errors import in_range

MOST_NINES = 7
"""Where scales and labels end: 99.99999 %."""
MOST_FINE_TICKS = 9
"""Labels of a scale of log-odds, beyond which it has only 1 %, 10 %, 50 %, 90 %, 99 % and so on."""
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


def log_odds(confidence: ArrayLike) -> NDArray[np.float64]:
    """Log-odds of confidences in [0, 1]: log(p / (1 - p)), any shape; -inf at 0, inf where it has rounded to 1."""
    p = np.asarray(confidence, np.float64)
    with np.errstate(divide="ignore"):
        return np.log(p) - np.log1p(-p)


def median_confidence(log_odds: ArrayLike) -> float:
    """The log-odds of the median of confidences, which are given by theirs [n], n >= 1.

    Of an even number it is the mean of the two in the middle as confidences, which is another than as log-odds.
    """
    rising = np.sort(np.asarray(log_odds, np.float64))
    middle = rising[(len(rising) - 1) // 2 : len(rising) // 2 + 1]
    # The sum of the confidences to that of what they lack of 1, both without rounding to 1.
    return float(
        np.logaddexp.reduce(-np.logaddexp(0, -middle)) - np.logaddexp.reduce(-np.logaddexp(0, middle))
    )


@dataclass(frozen=True)
class LogOddsScale:
    """A scale of confidences, evenly spaced by log-odds: 1 %, 10 %, 50 %, 90 % and 99 % all stand apart."""

    low: float
    """Log-odds at which it begins."""
    high: float
    """Log-odds at which it ends, above `low`."""
    ticks: tuple[float, ...]
    """Log-odds of its labels, rising."""
    labels: tuple[str, ...]
    """The confidences at the ticks: "0.1 %", "99.99 %"."""


def fitting_scale(values: ArrayLike) -> LogOddsScale:
    """The scale that fits what is there: between the round confidences around all but the outermost values.

    The hundredth of the values at either end is left out, so that no few of them decide what is seen of the
    others. Ends are confidences such as 0.1 %, 0.2 %, 0.5 %, 1 % ... 50 % ... 99 %, 99.5 %, 99.8 %, 99.9 %, and
    within `MOST_NINES` nines of 0 and of 1.

    Args:
        values: log-odds, any shape; NaN is left out. Without a value, the scale is from 10 % to 90 %.
    """
    levels, labels, coarse = _levels()
    known = np.asarray(values, np.float64)
    known = np.clip(known[~np.isnan(known)], levels[0], levels[-1])
    low, high = np.quantile(known, [0.01, 0.99]) if known.size else log_odds([0.1, 0.9])
    rounding = 1e-9
    first = min(int(np.searchsorted(levels, low + rounding, side="right")) - 1, len(levels) - 2)
    last = max(int(np.searchsorted(levels, high - rounding)), first + 1)
    shown = list(range(first, last + 1))
    if len(shown) > MOST_FINE_TICKS:
        shown = [index for index in shown if coarse[index]]
    return LogOddsScale(
        float(levels[first]),
        float(levels[last]),
        tuple(float(levels[index]) for index in shown),
        tuple(labels[index] for index in shown),
    )


def _levels() -> tuple[NDArray[np.float64], list[str], list[bool]]:
    """Round confidences as log-odds, rising; their labels; and which of them a long scale has."""
    steps = [(digit, power) for power in range(1, MOST_NINES + 1) for digit in (5, 2, 1)]
    shares = [digit * 10.0**-power for digit, power in steps]
    small = [
        f"{100 * share:.{max(0, power - 2)}f} %" for share, (_, power) in zip(shares, steps, strict=True)
    ]
    large = [
        f"{100 - 100 * share:.{max(0, power - 2)}f} %"
        for share, (_, power) in zip(shares, steps, strict=True)
    ]
    coarse = [digit == 1 or share == 0.5 for share, (digit, _) in zip(shares, steps, strict=True)]
    odds = log_odds(shares)
    # Both halves begin with 50 %, which is wanted once.
    return np.concatenate([odds[::-1], -odds[1:]]), small[::-1] + large[1:], coarse[::-1] + coarse[1:]


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
    rounding = 2e-15  # 1 - 0.999 is a little more than 0.001, and still reads as three nines
    if missing < 10.0**-MOST_NINES - rounding:
        return f"> {nines_label(MOST_NINES)}"
    if 0 < confidence < 0.001:
        return "< 0.1 %"
    decimals = max(1, -math.floor(math.log10(missing)) - 2)
    units = math.ceil((missing - rounding) * 100 * 10**decimals)
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
