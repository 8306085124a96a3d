"""What a study says of several seeds: means with intervals, and which factor matters."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

LEVEL = 0.95
"""Of every interval."""


class Interval(NamedTuple):
    """A mean over seeds with its 95 % interval."""

    mean: float
    low: float
    high: float
    seeds: int

    def __str__(self) -> str:
        """As `0.532 ± 0.041`, with the digits that the half-width leaves meaningful."""
        half = (self.high - self.low) / 2
        if not np.isfinite(half):
            return f"{self.mean:.4g} ± ?"
        size = half if half > 0 else abs(self.mean)
        digits = 3 if size == 0 else int(np.clip(1 - np.floor(np.log10(size)), 0, 6))
        return f"{self.mean:,.{digits}f} ± {half:,.{digits}f}"

    def excludes(self, value: float) -> bool:
        """Whether `value` lies outside the interval."""
        return not self.low <= value <= self.high


def interval(values: ArrayLike) -> Interval:
    """The mean of one value per seed with its Student t interval, which takes them as normal.

    Args:
        values: [S]. With one value, or none, there is no interval: its bounds are NaN.
    """
    values = np.asarray(values, np.float64).ravel()
    if len(values) < 2:
        mean = float(values[0]) if len(values) else float("nan")
        return Interval(mean, float("nan"), float("nan"), len(values))
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    mean = float(values.mean())
    return Interval(mean, mean - half, mean + half, len(values))


def bands(values: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, low and high [T] of [S, T]: an interval per column, for a chart."""
    columns = [interval(column) for column in np.asarray(values, np.float64).T]
    mean, low, high, _ = np.array(columns).T
    return mean, low, high


class Effect(NamedTuple):
    """What one factor, or several together, explain of a variance."""

    name: str
    """Names of the factors, joined by " x "."""
    squares: float
    """Sum of squares."""
    freedom: int
    """Degrees of freedom."""
    share: float
    """Of the total sum of squares (eta squared), in [0, 1]."""
    ratio: float
    """F, mean square to that of the residual."""
    chance: float
    """Probability of such an F or a larger one if the factor had no effect."""


def variance_analysis(values: ArrayLike, names: Sequence[str]) -> list[Effect]:
    """Analysis of variance of a full factorial design with as many values in every cell.

    Fisher's, fixed effects, all interactions; the sums of squares are orthogonal because the design is balanced.

    Args:
        values: an axis per factor, and a last one of repetitions, at least two.
        names: of the factors.

    Returns:
        The main effects, then the interactions, then the residual, whose ratio and chance are NaN.
    """
    values = np.asarray(values, np.float64)
    factors = range(len(names))
    every, total = values.mean(), float(((values - values.mean()) ** 2).sum())
    within = float(((values - values.mean(-1, keepdims=True)) ** 2).sum())
    freedom_within = int(np.prod(values.shape[:-1])) * (values.shape[-1] - 1)
    parts: dict[tuple[int, ...], np.ndarray] = {(): np.full(values.shape, every)}
    found = []
    for count in range(1, len(names) + 1):
        for chosen in itertools.combinations(factors, count):
            others = tuple(axis for axis in range(values.ndim) if axis not in chosen)
            part = np.broadcast_to(values.mean(others, keepdims=True), values.shape)
            for fewer in range(count):
                for subset in itertools.combinations(chosen, fewer):
                    part = part - parts[subset]
            parts[chosen] = part
            squares = float((part**2).sum())
            freedom = int(np.prod([values.shape[factor] - 1 for factor in chosen]))
            ratio = (squares / freedom) / (within / freedom_within) if within > 0 else float("inf")
            found.append(
                Effect(
                    " x ".join(names[factor] for factor in chosen),
                    squares,
                    freedom,
                    squares / total if total > 0 else 0.0,
                    ratio,
                    float(stats.f.sf(ratio, freedom, freedom_within)),
                )
            )
    nothing = float("nan")
    share = within / total if total > 0 else 0.0
    return [*found, Effect("residual (seeds)", within, freedom_within, share, nothing, nothing)]
