"""What the units say: how sure networks are of what was evolved, how soon, and by how much that is less than before."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from qdfool.analysis.statistics import Interval, beyond_chance, interval
from qdfool.engine.objectives import confidence
from qdfool.results.history import SURE, VERY_SURE
from qdfool.studies.retraining.conditions import BEFORE
from qdfool.studies.study import Figures

LEVELS = {"99 %": SURE, "99.99 %": VERY_SURE}
"""Confidences that evaluations are counted until."""
PAPER = (
    99.99,
    97.42,
    99.83,
    72.52,
    97.55,
    99.68,
    76.13,
    99.96,
    99.51,
    99.48,
    98.62,
    99.97,
    99.93,
    99.15,
    99.15,
)
"""The paper's medians of CPPNs in per cent, as readers recall them, unverified. The first is read here as that of the
network before retraining."""
HOLDS = 0.5
"""Median confidence below which a network withstands what was evolved against it: less is no more than a guess."""
SLOWER = 2.0
"""From so many times the evaluations on, an attack counts as slower."""
Of = tuple[str, int, str]
"""Defence (or `BEFORE`), round, and way to fool."""


class Fooled(NamedTuple):
    """What became of images evolved against a network, by seed [S]."""

    median: np.ndarray
    """Median confidence over the digits, at the end."""
    lowest: np.ndarray
    sure: np.ndarray
    """Digits of which the network is at least 99 % sure."""
    very_sure: np.ndarray
    """99.99 %."""
    until_median: dict[str, np.ndarray]
    """By level: evaluations until the median has it; NaN where it never does."""
    until_all: dict[str, np.ndarray]
    """And until every digit has."""
    budget: int
    """Evaluations in all."""
    log_odds: np.ndarray
    """[S, 10] at the end."""


class Tested(NamedTuple):
    """What a network is worth on the test digits, by seed [S]."""

    error: np.ndarray
    """Share that it does not call what they are."""
    refused: np.ndarray
    """Share that it calls fooling."""
    real: np.ndarray
    """Median confidence in what they are."""


def fooled(units: Sequence[Figures]) -> Fooled:
    """Of the units of all seeds."""
    sure = np.stack([confidence(unit["fitness"]) for unit in units])  # [S, T, 10]
    evaluations = units[0]["evaluations"]
    last = sure[:, -1]
    return Fooled(
        median=np.median(last, axis=1),
        lowest=last.min(axis=1),
        sure=(last >= SURE).sum(axis=1),
        very_sure=(last >= VERY_SURE).sum(axis=1),
        until_median={
            name: until(np.median(sure, axis=2) >= level, evaluations) for name, level in LEVELS.items()
        },
        until_all={name: until(sure.min(axis=2) >= level, evaluations) for name, level in LEVELS.items()},
        budget=int(evaluations[-1]),
        log_odds=np.stack([unit["fitness"][-1].astype(np.float64) for unit in units]),
    )


def until(reached: np.ndarray, evaluations: np.ndarray) -> np.ndarray:
    """[S] evaluations until it is so for the first time, of [S, T] after `evaluations` [T]; NaN where it never is."""
    return np.where(reached.any(axis=1), evaluations[reached.argmax(axis=1)], np.nan)


def tested(units: Sequence[Figures]) -> Tested:
    """Of the units of all seeds."""
    return Tested(
        np.array([float(unit["error"]) for unit in units]),
        np.array([float(unit["refused"]) for unit in units]),
        np.array([float(np.median(confidence(unit["real"]))) for unit in units]),
    )


def before(of: Of) -> Of:
    """The same way against the network of round 0."""
    return (BEFORE, 0, of[2])


class Change(NamedTuple):
    """Log-odds less those of the same way in round 0."""

    by_digit: Interval
    """Over the ten digits, each the mean over the seeds."""
    told: bool
    """Whether it is beyond chance, among all that are tested together."""


def changes(found: Mapping[Of, Fooled], asked: Sequence[Of]) -> dict[Of, Change]:
    """Of several that answer one question together (Holm); digit by digit, and of the seeds that both have."""
    values = {}
    for of in asked:
        now, then = found[of].log_odds, found[before(of)].log_odds
        values[of] = interval((now - then[: len(now)]).mean(axis=0))
    told = beyond_chance({of: value.p_value(0) for of, value in values.items()})
    return {of: Change(value, told[of]) for of, value in values.items()}


def ratio(now: Fooled, then: Fooled, level: str = "99 %") -> float:
    """How many times the evaluations of round 0 it takes until the median is at a level, mean over the seeds that both
    have; infinite where a seed never gets there, NaN where round 0 does not."""
    each = now.until_median[level] / then.until_median[level][: len(now.median)]
    if np.isnan(then.until_median[level][: len(now.median)]).any():
        return float("nan")
    return float("inf") if np.isnan(each).any() else float(each.mean())


def verdict(now: Fooled, then: Fooled, enough: float = SURE) -> str:
    """What is left of a way to fool, by the means over the seeds: `fails`, `is weaker`, `is slower`, or `works`.

    `enough` is the median confidence from which on it is not weaker; see `enough_for`.
    """
    median = float(now.median.mean())
    if median < HOLDS:
        return "fails"
    if median < enough:
        return "is weaker"
    return "is slower" if ratio(now, then) >= SLOWER else "works"


def enough_for(worth: Tested) -> float:
    """The median confidence that fools a network: 99 %, or what it has in real digits, where that is less."""
    return min(SURE, float(worth.real.mean()))


class Findings(NamedTuple):
    """All units of a call, counted."""

    fooled: Mapping[Of, Fooled]
    tested: Mapping[tuple[str, int], Tested]
    """By defence and round."""

    def at(self, defence: str, number: int, way: str) -> Fooled:
        """What became of a way to fool against the network of a round; round 0 is the same of all defences."""
        return self.fooled[(defence, number, way) if number else (BEFORE, 0, way)]

    def network(self, defence: str, number: int) -> Tested:
        """What the network of a round is worth."""
        return self.tested[(defence, number) if number else (BEFORE, 0)]


def findings(
    networks: Sequence[Mapping[tuple[str, int], Figures]], fooled_by: Sequence[Mapping[Of, Figures]]
) -> Findings:
    """Of the units of all seeds; what only the first seeds have is of these."""
    return Findings(
        {of: fooled([seed[of] for seed in fooled_by if of in seed]) for of in fooled_by[0]},
        {of: tested([seed[of] for seed in networks if of in seed]) for of in networks[0]},
    )
