"""What the units say: when each way is certain, how far it comes, and how near images are to one another."""

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from qdfool.analysis.statistics import Interval, beyond_chance, interval
from qdfool.config import GradientAscent
from qdfool.engine.objectives import confidence
from qdfool.genomes.levels import LEVELS
from qdfool.results.history import VERY_SURE
from qdfool.studies.gradient_ascent.conditions import BASE
from qdfool.studies.lineage.similarity import by_seeds, distance
from qdfool.studies.study import Figures

Name = TypeVar("Name", bound=Hashable)
GREY = 0.5
"""Where the paper's ascent begins."""
FIRST = {
    BASE: "noise",
    "normalised-ascent": "noise",
    "ascent": "grey",
    "plain-ascent": "grey",
    "cppns": "CPPNs",
    "weights": "CPPNs",
    "both": "CPPNs",
}
"""What each way begins with. Ways that begin alike share first images with a seed: they are near for that alone."""


class Reached(NamedTuple):
    """What a way reached, by seed: each [S]; NaN where it did not."""

    median: np.ndarray
    """Evaluations, as they are charged, until the median confidence is 99.99 %."""
    every: np.ndarray
    """Until that of every class is."""
    share: np.ndarray
    """Classes that have it at the end, as a share."""
    confidence: np.ndarray
    """Median over the classes at the end."""
    lowest: np.ndarray
    """Of the classes at the end."""
    charged: np.ndarray
    """Evaluations in all."""
    seconds: np.ndarray
    """In all; of this one machine, and of what else it did."""


def reached(units: Sequence[Figures]) -> Reached:
    """Of a way's units, by seed."""
    rows = []
    for unit in units:
        sure, charged = confidence(unit["fitness"]), unit["charged"]
        median = np.median(sure, axis=1)
        rows.append(
            (
                first(charged, median >= VERY_SURE),
                first(charged, sure.min(axis=1) >= VERY_SURE),
                (sure[-1] >= VERY_SURE).mean(),
                median[-1],
                sure[-1].min(),
                float(charged[-1]),
                unit["seconds"][-1],
            )
        )
    return Reached(*np.array(rows, np.float64).T)


def first(at: np.ndarray, so: np.ndarray) -> float:
    """The first of the places `at` [G] where it is `so` [G]; NaN where it never is."""
    return float(at[so.argmax()]) if so.any() else float("nan")


def held(at: np.ndarray, values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """[T] what the values [G] are at each point of a grid [T], where each lasts from its place until the next one's,
    and the last for good; NaN before the first. Places rise."""
    index = np.searchsorted(at, grid, side="right") - 1
    return np.where(index < 0, np.nan, values[np.maximum(index, 0)])


class Gain(NamedTuple):
    """How a way differs from evolution of pixels, paired by seed."""

    less: Interval
    """Evaluations that it needs less, until every class has 99.99 %."""
    told: bool
    """Whether that is beyond chance, among all ways of the setting."""


def gains(found: Mapping[str, Reached], cap: float) -> dict[str, Gain]:
    """Each way against `BASE`. A seed that did not get there counts with `cap`, which is at least what any spent."""
    needed = {way: np.nan_to_num(of.every, nan=cap) for way, of in found.items()}
    less = {way: interval(needed[BASE] - values) for way, values in needed.items() if way != BASE}
    told = beyond_chance({way: each.p_value(0) for way, each in less.items()})
    return {way: Gain(each, told[way]) for way, each in less.items()}


class Nearness(NamedTuple):
    """Root mean square differences of images, values in [0, 1], by seed; W ways."""

    same: np.ndarray
    """[S, W, W] of the images of one class by two ways."""
    other: np.ndarray
    """[S, W, W] of the images of two classes, by two ways or, on the diagonal, by one."""
    grey: np.ndarray
    """[S, W] of an image from grey."""


def nearness(ways: Sequence[Sequence[Figures]]) -> Nearness:
    """Of the units of each way, by seed."""
    same, other, grey = [], [], []
    for units in zip(*ways, strict=True):
        images = np.stack([unit["images"].reshape(len(unit["images"]), -1) for unit in units])
        values = images.astype(np.float32) / LEVELS
        of_class, of_two = by_seeds(values, distance)
        same.append(of_class)
        other.append(of_two)
        grey.append(np.sqrt(np.square(values - GREY).mean(axis=2)).mean(axis=1))
    return Nearness(np.array(same), np.array(other), np.array(grey))


class Shift(NamedTuple):
    """A difference, paired by seed, and whether it is beyond chance among those of its question."""

    value: Interval
    told: bool


def spreads(near: Nearness, names: Sequence[str]) -> dict[str, Shift]:
    """How much further apart two classes' images are by each way than by `BASE`."""
    base = list(names).index(BASE)
    return _shifts(
        {
            name: near.other[:, way, way] - near.other[:, base, base]
            for way, name in enumerate(names)
            if name != BASE
        }
    )


def by_class(near: Nearness, names: Sequence[str]) -> dict[tuple[str, str], Shift]:
    """How much further apart the images of two classes are than those of one, by each two ways that begin otherwise."""
    return _shifts(
        {
            (names[one], names[two]): near.other[:, one, two] - near.same[:, one, two]
            for one in range(len(names))
            for two in range(one + 1, len(names))
            if FIRST[names[one]] != FIRST[names[two]]
        }
    )


def _shifts(differences: Mapping[Name, np.ndarray]) -> dict[Name, Shift]:
    values = {name: interval(each) for name, each in differences.items()}
    told = beyond_chance({name: each.p_value(0) for name, each in values.items()})
    return {name: Shift(each, told[name]) for name, each in values.items()}


def described(settings: GradientAscent) -> str:
    """The regularisers of an ascent, in words."""
    often = "step" if settings.blur_every == 1 else f"{settings.blur_every} steps"
    parts = {
        f"decay {settings.decay:g}": settings.decay,
        f"blur {settings.blur_sigma:g} every {often}": settings.blur_sigma,
        f"clips {settings.clip_values:.0%} and {settings.clip_contributions:.0%}": settings.clip_values
        or settings.clip_contributions,
    }
    return ", ".join(part for part, used in parts.items() if used) or "no regulariser"
