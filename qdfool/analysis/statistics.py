"""What is said of several seeds: means with intervals, what differs beyond chance, which factor matters."""

import itertools
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

LEVEL = 0.95
"""Confidence level of every interval; 1 - LEVEL is the significance level of every test."""
ROUNDING = 1e-12
"""Relative: values that are no further apart are the same."""
Name = TypeVar("Name", bound=Hashable)


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
        """Whether `value` lies outside the interval; False where a bound or the value is NaN: nothing is known. Where
        all seeds are the same, whether their number alone says so (`p_value`)."""
        if self._are_the_same(value):
            return self.p_value(value) < 1 - LEVEL
        return self.low > value or self.high < value

    def p_value(self, value: float) -> float:
        """Two-sided p-value of Student's t test that the true mean is `value`; NaN where nothing is known.

        It is below 1 - LEVEL exactly where the interval excludes the value. Of seeds that are all the same Student's t
        would be certain, however few they are: there it is the sign test's, that all lie on one side of the value.
        """
        half, apart = (self.high - self.low) / 2, abs(self.mean - value)
        if not np.isfinite(half + apart):
            return float("nan")
        if self._are_the_same(value):
            return 1.0 if apart <= ROUNDING * abs(value) else 2.0 ** (1 - self.seeds)
        critical = stats.t.ppf((1 + LEVEL) / 2, self.seeds - 1)
        return float(2 * stats.t.sf(critical * apart / half, self.seeds - 1))

    def _are_the_same(self, value: float) -> bool:
        """Whether the seeds differ by no more than rounding."""
        return (self.high - self.low) / 2 <= ROUNDING * max(abs(self.mean), abs(value))


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


def holm(p_values: ArrayLike) -> np.ndarray:
    """P-values [n] adjusted for their number by Holm's step-down method.

    Rejecting what is below a level makes, whatever depends on what, at least one false rejection with at most that
    probability. NaN stays NaN and does not count.

    Source: S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics
    6(2), 1979, pp. 65-70.
    """
    values = np.asarray(p_values, np.float64)
    order = np.argsort(values)[: np.isfinite(values).sum()]  # NaN is sorted last
    adjusted = np.full(values.shape, np.nan)
    stepped = values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return adjusted


def beyond_chance(p_values: Mapping[Name, float]) -> dict[Name, bool]:
    """Which of several comparisons, that together answer one question, are beyond chance.

    At LEVEL for all of them together (`holm`): among many, an interval may exclude what its mean does not differ
    from beyond chance. False where nothing is known.
    """
    adjusted = holm(list(p_values.values()))
    return {name: bool(p < 1 - LEVEL) for name, p in zip(p_values, adjusted, strict=True)}


def rank_correlation_by_seed(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """[S] Spearman's rank correlation over conditions, one for each seed, of two figures [V, S].

    An interval of these says how far the seeds agree on these conditions. It says nothing of other conditions.
    NaN where a figure is the same in all conditions.
    """
    ranks = [stats.rankdata(values, axis=0) for values in (first, second)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.array(
            [np.corrcoef(one, other)[0, 1] for one, other in zip(*(r.T for r in ranks), strict=True)]
        )


class Effect(NamedTuple):
    """What one factor, or several together, explain of a variance."""

    name: str
    """Names of the factors, joined by " x "."""
    sum_of_squares: float
    df: int
    """Degrees of freedom."""
    eta_squared: float
    """Share of the total sum of squares, in [0, 1]."""
    f_value: float
    """Mean square over that of the residual."""
    p_value: float
    """Probability of such an F or a larger one if there were no effect."""


BLOCK, RESIDUAL = "seeds (block)", "residual"


def variance_analysis(values: ArrayLike, names: Sequence[str]) -> list[Effect]:
    """Analysis of variance of a full factorial design in randomised blocks: every seed runs every cell once.

    Fixed effects, all interactions of the factors. The seeds are a block: what is common to all cells of a seed,
    such as the population that it begins with, is neither an effect nor in the residual, which has
    (cells - 1)(seeds - 1) degrees of freedom. The sums of squares are orthogonal because the design is balanced.

    Source: R. A. Fisher, "The Design of Experiments", 1935, chapter IV.

    Args:
        values: an axis per factor, and a last one of seeds, at least two.
        names: of the factors.

    Returns:
        The main effects, then the interactions, then the block, then the residual, whose F and p-value are NaN; those
        of all are where the values are the same, or nothing but rounding is left as residual.
    """
    values = np.asarray(values, np.float64)
    factors = range(len(names))
    parts: dict[tuple[int, ...], np.ndarray] = {(): np.full(values.shape, values.mean())}
    found: list[tuple[str, float, int]] = []
    for count in range(1, len(names) + 1):
        for chosen in itertools.combinations(factors, count):
            others = tuple(axis for axis in range(values.ndim) if axis not in chosen)
            part = np.broadcast_to(values.mean(others, keepdims=True), values.shape)
            for fewer in range(count):
                for subset in itertools.combinations(chosen, fewer):
                    part = part - parts[subset]
            parts[chosen] = part
            df = int(np.prod([values.shape[factor] - 1 for factor in chosen]))
            found.append((" x ".join(names[factor] for factor in chosen), float((part**2).sum()), df))
    block = values.mean(tuple(factors), keepdims=True) - values.mean()
    cells, seeds = int(np.prod(values.shape[:-1])), values.shape[-1]
    found.append((BLOCK, float((block**2).sum() * cells), seeds - 1))
    within = values - values.mean(-1, keepdims=True) - block
    residual, df_residual = float((within**2).sum()), (cells - 1) * (seeds - 1)
    total = float(((values - values.mean()) ** 2).sum())
    rounding = values.size * (ROUNDING * float(np.abs(values).max())) ** 2
    if total <= rounding:
        # All values are the same but for rounding: nothing has an effect, and nothing can be tested.
        names_and_df = [(name, df) for name, _, df in found] + [(RESIDUAL, df_residual)]
        return [Effect(name, 0.0, df, 0.0, float("nan"), float("nan")) for name, df in names_and_df]

    def effect(name: str, squares: float, df: int) -> Effect:
        f_value = (squares / df) / (residual / df_residual) if residual > rounding else float("nan")
        return Effect(
            name, squares, df, squares / total, f_value, float(stats.f.sf(f_value, df, df_residual))
        )

    last = effect(RESIDUAL, residual, df_residual)
    return [*(effect(*row) for row in found), last._replace(f_value=float("nan"), p_value=float("nan"))]
