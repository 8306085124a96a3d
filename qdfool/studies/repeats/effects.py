"""From units to figures: what copies, and patches between them, do to the confidence; where the network looks."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from qdfool.analysis.statistics import Interval, beyond_chance, interval
from qdfool.engine.objectives import confidence
from qdfool.studies.repeats.conditions import Unit
from qdfool.studies.repeats.occlusion import density, looked_at
from qdfool.studies.repeats.removal import ARMS, FILLS, covered
from qdfool.studies.study import Figures

COPIES, BETWEEN = range(len(ARMS))
GRID = np.linspace(0, 1, 11)
"""Shares of the copies beyond the first that are gone, at which courses are drawn."""
FALL = 0.1
"""A fall of the confidence that one sees."""
KEPT = (1, 2, 3, 4, 8, 16, 32)
"""Numbers of copies kept that the table has."""
ByFill = Mapping[str, Interval]


class Course(NamedTuple):
    """How sure the network is of one image as its copies go; means over the orders of removal."""

    kept: np.ndarray
    """[T] falling to 1 and 0."""
    log_odds: np.ndarray
    """[fills, arms, T]."""
    confidence: np.ndarray
    """[fills, arms, T]."""
    called: np.ndarray
    """[fills, arms, T] share of the orders in which the class has the highest logit."""

    def at(self, count: int) -> int:
        """The step at which so many copies are kept."""
        return int(np.flatnonzero(self.kept == count)[0])

    def loss(self) -> np.ndarray:
        """[fills, arms] by how much the log-odds are lower with one copy kept than with all."""
        return self.log_odds[..., 0] - self.log_odds[..., self.at(1)]

    def fall(self) -> np.ndarray:
        """[fills, arms] by how much the confidence is lower with one copy kept than with all."""
        return self.confidence[..., 0] - self.confidence[..., self.at(1)]


def courses(gone: Figures) -> list[Course]:
    """Those of a seed's images that were followed."""
    found = []
    for kept, odds, called in zip(gone["kept"], gone["log_odds"], gone["called"], strict=True):
        steps = int((kept >= 0).sum())
        odds = odds[..., :steps].astype(np.float64)
        found.append(
            Course(kept[:steps], odds.mean(0), confidence(odds).mean(0), called[..., :steps].mean(0))
        )
    return found


MEASURES: dict[str, Callable[[Course], np.ndarray]] = {
    "all kept": lambda c: c.confidence[:, COPIES, 0],
    "one kept": lambda c: c.confidence[:, COPIES, c.at(1)],
    "as many patches gone": lambda c: c.confidence[:, BETWEEN, c.at(1)],
    "none kept": lambda c: c.confidence[:, COPIES, c.at(0)],
    "loss": lambda c: c.loss()[:, COPIES],
    "loss between": lambda c: c.loss()[:, BETWEEN],
    "difference": lambda c: c.loss()[:, COPIES] - c.loss()[:, BETWEEN],
    "losing": lambda c: c.loss()[:, COPIES] > 0,
    "losing between": lambda c: c.loss()[:, BETWEEN] > 0,
    "losing more": lambda c: c.loss()[:, COPIES] > c.loss()[:, BETWEEN],
    "falling": lambda c: c.fall()[:, COPIES] >= FALL,
    "falling between": lambda c: c.fall()[:, BETWEEN] >= FALL,
    "first": lambda c: c.log_odds[:, COPIES, c.at(1)] - c.log_odds[:, COPIES, c.at(0)],
    "further": lambda c: c.loss()[:, COPIES] / (c.kept[0] - 1),
    "called with one": lambda c: c.called[:, COPIES, c.at(1)],
    "called with none": lambda c: c.called[:, COPIES, c.at(0)],
    "steadiness": lambda c: np.array([_rank_correlation(c.kept, odds) for odds in c.log_odds[:, COPIES]]),
}
"""A figure of an image, [fills]."""


def _rank_correlation(kept: np.ndarray, odds: np.ndarray) -> float:
    """Spearman's, of the log-odds with the number of copies kept, one or more; 0 where they do not change."""
    some = kept >= 1
    if not np.ptp(odds[some]):
        return 0.0
    return float(np.corrcoef(stats.rankdata(kept[some]), stats.rankdata(odds[some]))[0, 1])


class Effects(NamedTuple):
    """A setting's figures: means over the images of a seed, with intervals over seeds."""

    images: int
    """Followed, of all seeds together."""
    by_measure: Mapping[str, ByFill]
    """Measure to fill to interval."""
    by_kept: Mapping[int, tuple[int, Mapping[str, tuple[Interval, Interval, Interval]]]]
    """Copies kept to the number of images that have more, and to fill: confidence with all kept, with so many, and with
    as many patches gone between the copies."""
    courses: Mapping[str, Mapping[str, np.ndarray]]
    """Fill to arm to the mean confidence of each seed [S, grid]."""
    course_of_odds: Mapping[str, Mapping[str, np.ndarray]]
    """The same of how much lower the log-odds are than with all copies."""
    looks: Mapping[str, Interval]
    """Where the network looks; `looks_of` says what."""


def effects_of(units: Sequence[Unit], square: int) -> Effects:
    """The figures of a setting."""
    followed = [courses(unit.removal) for unit in units]
    by_measure = {}
    for name, measure in MEASURES.items():
        values = np.array([_mean([measure(course) for course in some], len(FILLS)) for some in followed])
        by_measure[name] = {fill: over_seeds(column) for fill, column in zip(FILLS, values.T, strict=True)}
    looks = [looks_of(unit, square) for unit in units]
    return Effects(
        images=sum(map(len, followed)),
        by_measure=by_measure,
        by_kept={count: by_kept(followed, count) for count in KEPT},
        courses=_drawn(followed, lambda course: course.confidence),
        course_of_odds=_drawn(followed, lambda course: course.log_odds[..., :1] - course.log_odds),
        looks={name: over_seeds(np.array([of[name] for of in looks])) for name in LOOKS},
    )


def by_kept(
    followed: Sequence[Sequence[Course]], count: int
) -> tuple[int, Mapping[str, tuple[Interval, Interval, Interval]]]:
    """The images of more than `count` copies, and their confidence with all and with that many kept; see `Effects`."""
    some = [[course for course in seed if course.kept[0] > count] for seed in followed]

    def sure(arm: int, kept: int | None, fill: int) -> Interval:
        of = [
            [course.confidence[fill, arm, 0 if kept is None else course.at(kept)] for course in seed]
            for seed in some
        ]
        return over_seeds(np.array([float(_mean(values, 1)[0]) for values in of]))

    return sum(map(len, some)), {
        name: (sure(COPIES, None, fill), sure(COPIES, count, fill), sure(BETWEEN, count, fill))
        for fill, name in enumerate(FILLS)
    }


def over_seeds(values: np.ndarray) -> Interval:
    """The interval over those seeds that have a value."""
    return interval(values[np.isfinite(values)])


def _mean(values: Sequence[object], width: int) -> np.ndarray:
    """Mean over images, NaN left out; NaN where there is none."""
    array = np.asarray(values, np.float64).reshape(len(values), width)
    known = np.isfinite(array)
    with np.errstate(invalid="ignore"):
        return np.where(known, array, 0).sum(0) / known.sum(0)


def _drawn(
    followed: Sequence[Sequence[Course]], of: Callable[[Course], np.ndarray]
) -> dict[str, dict[str, np.ndarray]]:
    """Mean courses of each seed that has any, from all copies kept to one."""

    def drawn(course: Course, fill: int, arm: int) -> np.ndarray:
        steps = course.at(1) + 1
        gone = (course.kept[0] - course.kept[:steps]) / (course.kept[0] - 1)
        return np.interp(GRID, gone, of(course)[fill, arm, :steps])

    return {
        name: {
            ARMS[arm]: np.array(
                [np.mean([drawn(c, fill, arm) for c in seed], 0) for seed in followed if seed]
            )
            for arm in (COPIES, BETWEEN)
        }
        for fill, name in enumerate(FILLS)
    }


LOOKS = ("area", "copies", "between", "kept", "emptied", "before", "after")
"""Of the images that were occluded: share of the area in copies; density of what the network looks at in the copies
and in the patches between them; with one copy kept, in that one and where the others were; and the mean fall of the
log-odds, before and after."""


def looks_of(unit: Unit, square: int) -> dict[str, float]:
    """Means over the images of a seed; a density of 1 is as much as anywhere."""
    gone, shape = unit.removal, unit.elites["images"].shape[1:]
    rows = []
    for row, falls in zip(unit.occlusion["row"], unit.occlusion["falls"], strict=True):
        patch = (int(gone["patch"][row, 0]), int(gone["patch"][row, 1]))
        places, controls = (some[(some >= 0).all(1)] for some in (gone["places"][row], gone["controls"][row]))
        before, after = (looked_at(state, shape, square) for state in falls)
        copies, kept = covered(shape, places, patch), covered(shape, places[-1:], patch)
        rows.append(
            [
                copies.mean(),
                density(before, copies),
                density(before, covered(shape, controls, patch)),
                density(after, kept),
                density(after, copies & ~kept),
                before.mean(),
                after.mean(),
            ]
        )
    return dict(zip(LOOKS, _mean(rows, len(LOOKS)), strict=True))


def tested(found: Mapping[str, Effects]) -> dict[tuple[str, str, str], bool]:
    """Which of the losses, and of their differences from those between the copies, are beyond chance: all together."""
    return beyond_chance(
        {
            (name, measure, fill): each.by_measure[measure][fill].p_value(0)
            for name, each in found.items()
            for measure in ("loss", "difference")
            for fill in FILLS
        }
    )


def looks_tested(found: Mapping[str, Effects]) -> dict[tuple[str, str], bool]:
    """Which densities differ from 1 beyond chance: all together."""
    return beyond_chance(
        {(name, part): each.looks[part].p_value(1) for name, each in found.items() for part in LOOKS[1:5]}
    )
