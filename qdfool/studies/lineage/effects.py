"""What the units say: who descends from whom, against chance; and one way to compete against the other."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from qdfool.analysis.statistics import Interval, beyond_chance, interval
from qdfool.engine.objectives import confidence
from qdfool.results.history import VERY_SURE
from qdfool.studies.lineage.conditions import Setting
from qdfool.studies.study import Figures

NEAR = 10
"""Classes of ImageNet whose indices differ by so many at most stand near one another."""
DRAWS = 200
"""Of chance, where it is drawn."""
PARTS = 10
"""Of a run, one after another, equally long."""


class Descent(NamedTuple):
    """Who descends from whom in the runs of a setting; shares are over all cells won after the first generation."""

    won: Interval
    """Cells won in a run."""
    per_child: Interval
    """Cells that a child won, of those that won any."""
    switched: Interval
    """Share of the cells won by children of another class."""
    uniform: float
    """What chance would give: every cell is the parent equally often, and its children win everywhere alike."""
    by_children: Interval
    """What it would give if each class had its own number of winning children."""
    less: Interval
    """By how much less is switched than `uniform`."""
    less_by_children: Interval
    """And than `by_children`, seed by seed."""
    early: Interval
    """`switched` in the first part of the run."""
    late: Interval
    """And in the last; of seeds in which cells were won in it."""
    last: Interval
    """Share of the elites at the end whose parent was of another class."""
    top: Interval
    """Share of the winning children that have their parents in the tenth of the classes with the most of them."""
    top_by_luck: Interval
    """The same if each child that won had its parent drawn uniformly."""


def descent(found: Figures) -> Descent:
    """Of the units of a setting, stacked [S, ...], in which children compete for every class."""
    wins, winners = found["wins"], found["winners"]
    classes = wins.shape[1]
    share, uniform, children = switched(wins), 1 - 1 / classes, switched_by_children(wins, winners)
    parts = switched_in_parts(found["won"], found["switched"])
    parent = found["parent_class"]
    of_a_parent = parent >= 0
    last = (of_a_parent & (parent != np.arange(classes))).sum(axis=1) / of_a_parent.sum(axis=1)
    drawn = np.random.default_rng(0)
    luck = [
        np.mean([top_tenth(drawn.multinomial(count, np.full(classes, 1 / classes))) for _ in range(DRAWS)])
        for count in winners.sum(axis=1)
    ]
    return Descent(
        won=interval(found["won"].sum(axis=1)),
        per_child=interval(wins.sum(axis=(1, 2)) / winners.sum(axis=1)),
        switched=interval(share),
        uniform=uniform,
        by_children=interval(children),
        less=interval(uniform - share),
        less_by_children=interval(children - share),
        early=_of_known(parts[:, 0]),
        late=_of_known(parts[:, -1]),
        last=interval(last),
        top=interval([top_tenth(counts) for counts in winners]),
        top_by_luck=interval(luck),
    )


def switched(wins: np.ndarray) -> np.ndarray:
    """[S] share of the cells won that a child of another class won, of wins [S, K, K], parents in rows."""
    own = np.trace(wins, axis1=1, axis2=2)
    return 1 - own / wins.sum(axis=(1, 2))


def switched_by_children(wins: np.ndarray, winners: np.ndarray) -> np.ndarray:
    """[S] the share that would be, if each cell was won by any of the winning children [S, K], whatever its class."""
    of_class, parents = wins.sum(axis=1), winners / winners.sum(axis=1, keepdims=True)
    return 1 - (of_class * parents).sum(axis=1) / of_class.sum(axis=1)


def against_chance(wins: np.ndarray) -> np.ndarray:
    """[K, K] wins of all seeds together, over those of chance: every class's cells won by children of all alike."""
    pooled = wins.sum(axis=0).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return pooled * len(pooled) / pooled.sum(axis=0)


def others_against_chance(wins: np.ndarray, block: int = 1) -> np.ndarray:
    """[K / block, K / block] wins of all seeds together by children of other classes, over those of chance: of
    each class's cells that they won as many by those of every other class. By blocks; NaN where none are expected."""
    switches = without_own(wins).sum(axis=0).astype(np.float64)
    classes = len(switches)
    by_chance = np.where(np.eye(classes, dtype=bool), 0, switches.sum(axis=0) / (classes - 1))
    shape = (classes // block, block, classes // block, block)
    found, expected = (values.reshape(shape).sum(axis=(1, 3)) for values in (switches, by_chance))
    with np.errstate(invalid="ignore", divide="ignore"):
        return found / expected


def given(wins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[S, K] cells of other classes that each class's children won, and [S, K] those that chance would give: what
    children of another class win is won by those of each other class equally often."""
    switches = without_own(wins).astype(np.float64)
    taken, classes = switches.sum(axis=1), wins.shape[1]
    return switches.sum(axis=2), (taken.sum(axis=1, keepdims=True) - taken) / (classes - 1)


def near(wins: np.ndarray, reach: int = NEAR) -> np.ndarray:
    """[S] cells won by children of other classes whose index is within `reach`, over those that chance would give."""
    switches, index = without_own(wins).astype(np.float64), np.arange(wins.shape[1])
    beside = (np.abs(index[:, None] - index) <= reach) & (index[:, None] != index)
    expected = (switches.sum(axis=1) * beside.sum(axis=0) / (len(index) - 1)).sum(axis=1)
    return (switches * beside).sum(axis=(1, 2)) / expected


def without_own(wins: np.ndarray) -> np.ndarray:
    """Wins [S, K, K] but for those of children of the same class."""
    return wins * ~np.eye(wins.shape[1], dtype=bool)


def top_tenth(counts: np.ndarray) -> float:
    """Share that the tenth of the entries [K] with the most have of all, of one entry at least."""
    return float(np.sort(counts)[::-1][: max(1, len(counts) // 10)].sum() / counts.sum())


def switched_in_parts(won: np.ndarray, switches: np.ndarray) -> np.ndarray:
    """[S, PARTS] share of the cells won, [S, G], that a child of another class won, by the part of the run; NaN where
    none was won."""
    numbers = [
        [part.sum(axis=1) for part in np.array_split(values, PARTS, axis=1)] for values in (switches, won)
    ]
    with np.errstate(invalid="ignore"):
        return (np.array(numbers[0]) / np.array(numbers[1])).T


class Comparison(NamedTuple):
    """A figure with both ways to compete."""

    all: Interval
    parent: Interval
    gain: Interval
    """The first less the second, seed by seed."""
    reached: tuple[int, int] | None
    """Seeds that reached what is waited for, with each; None where nothing is."""
    told: bool
    """Whether they differ beyond chance."""
    rises: bool
    """Whether more is better."""

    @property
    def verdict(self) -> str:
        """What it says of goal switching."""
        if not self.told:
            return "not told apart"
        return "helps" if (self.gain.mean > 0) == self.rises else "hinders"


LAST: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "median log-odds": lambda fitness: np.median(fitness, axis=1),
    "lowest log-odds": lambda fitness: fitness.min(axis=1),
    "median confidence": lambda fitness: np.median(confidence(fitness), axis=1),
}
"""Of the log-odds [S, K] at the end; more is better."""
UNTIL: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "evaluations until the median is 99.99 %": lambda sure: np.median(sure, axis=2),
    "evaluations until every class is 99.99 %": lambda sure: sure.min(axis=2),
}
"""Of the confidences [S, G, K] to what must be 99.99 % [S, G]; fewer evaluations are better."""


def comparisons(
    chosen: Mapping[str, Setting], found: Mapping[tuple[str, str], Figures]
) -> dict[tuple[str, str], Comparison]:
    """By setting and figure; what is beyond chance is so for all of them together. What no seed reached, with either
    way, is left out; a seed that did not reach it counts as its whole budget, which is less than it would take."""
    made: dict[tuple[str, str], Comparison] = {}
    for name, setting in chosen.items():
        both = found[name, "all"]["fitness"], found[name, "parent"]["fitness"]
        for figure, of in LAST.items():
            one, other = (of(fitness[:, -1]) for fitness in both)
            made[name, figure] = _comparison(one, other, None, True)
        for figure, sure in UNTIL.items():
            one, other = (
                evaluations_until(sure(confidence(fitness)) >= VERY_SURE, setting.batch_size)
                for fitness in both
            )
            counts = (int(np.isfinite(one).sum()), int(np.isfinite(other).sum()))
            if any(counts):
                filled = [np.nan_to_num(values, nan=setting.evaluations) for values in (one, other)]
                made[name, figure] = _comparison(filled[0], filled[1], counts, False)
    told = beyond_chance({key: each.gain.p_value(0) for key, each in made.items()})
    return {key: each._replace(told=told[key]) for key, each in made.items()}


def evaluations_until(reached: np.ndarray, batch_size: int) -> np.ndarray:
    """[S] evaluations until it is so for the first time, [S, G] by generation; NaN where it never is."""
    first = (reached.argmax(axis=1) + 1) * batch_size
    return np.where(reached.any(axis=1), first, np.nan)


def _comparison(
    one: np.ndarray, other: np.ndarray, reached: tuple[int, int] | None, rises: bool
) -> Comparison:
    return Comparison(interval(one), interval(other), interval(one - other), reached, False, rises)


def _of_known(values: np.ndarray) -> Interval:
    return interval(values[np.isfinite(values)])
