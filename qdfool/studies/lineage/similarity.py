"""How alike images are: of one class in two runs, of two classes in one run or two, and of no class."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from qdfool.analysis.statistics import Interval, interval
from qdfool.studies.study import Figures


class Likeness(NamedTuple):
    """The mean of a measure over pairs of images, with intervals over seeds (`jackknife`)."""

    same: Interval
    """Of one class, with other seeds."""
    other: Interval
    """Of two classes, with other seeds."""
    within: Interval
    """Of two classes, with one seed."""
    first: Interval
    """Of the first generation, whose images are random, with other seeds."""
    by_class: Interval
    """`same` less `other`: what the class does."""
    by_run: Interval
    """`within` less `other`: what one run does, in which all descend from the same first generation."""
    by_evolution: Interval
    """`other` less `first`: what evolution does to images whatever their class."""


def likeness(found: Figures, measure: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Likeness:
    """Of the units of a setting, stacked [S, ...].

    Args:
        found: `images` [S, K, h, w, C] and `first` [S, F, h, w, C] uint8.
        measure: of images [n, D] and [m, D] in [0, 1] to [n, m].
    """
    same, other = by_seeds(flat(found["images"]), measure)
    _, first = by_seeds(flat(found["first"]), measure)

    def apart(values: np.ndarray) -> Callable[[np.ndarray], float]:
        def mean(seeds: np.ndarray) -> float:
            chosen = values[np.ix_(seeds, seeds)]
            return float(chosen[~np.eye(len(seeds), dtype=bool)].mean()) if len(seeds) > 1 else float("nan")

        return mean

    def together(values: np.ndarray) -> Callable[[np.ndarray], float]:
        return lambda seeds: float(np.diag(values)[seeds].mean())

    def less(
        one: Callable[[np.ndarray], float], two: Callable[[np.ndarray], float]
    ) -> Callable[[np.ndarray], float]:
        return lambda seeds: one(seeds) - two(seeds)

    statistics = {
        "same": apart(same),
        "other": apart(other),
        "within": together(other),
        "first": apart(first),
        "by_class": less(apart(same), apart(other)),
        "by_run": less(together(other), apart(other)),
        "by_evolution": less(apart(other), apart(first)),
    }
    return Likeness(**{name: jackknife(each, len(same)) for name, each in statistics.items()})


def by_seeds(
    images: np.ndarray, measure: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """[S, S] twice: the mean of a measure over pairs of images [S, n, D] of the same place among the n, and of others.

    A seed beside itself has pairs of the same place too, each an image and itself.
    """
    seeds, count = images.shape[:2]
    same, other = np.zeros((2, seeds, seeds))
    for one in range(seeds):
        for two in range(one, seeds):
            values = measure(images[one], images[two]).astype(np.float64)
            own = np.trace(values)
            same[one, two] = same[two, one] = own / count
            other[one, two] = other[two, one] = (values.sum() - own) / (count * (count - 1))
    return same, other


def jackknife(statistic: Callable[[np.ndarray], float], seeds: int) -> Interval:
    """The interval of a statistic of several seeds that is no mean of one value each, as of pairs of them.

    Student's t interval of the pseudo-values, S times the statistic of all less S - 1 times that without one of them.
    With fewer than three seeds there is no interval: its bounds are NaN.

    Source: J. W. Tukey, "Bias and Confidence in Not Quite Large Samples", Annals of Mathematical Statistics 29, 1958,
    p. 614.

    Args:
        statistic: from the numbers of seeds to the statistic of those.
        seeds: S, at least two.
    """
    every = np.arange(seeds)
    of_all = statistic(every)
    if seeds < 3:
        return Interval(of_all, float("nan"), float("nan"), seeds)
    without = np.array([statistic(np.delete(every, one)) for one in every])
    return interval(seeds * of_all - (seeds - 1) * without)


def correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """[n, m] Pearson's correlation of pixels, of images [n, D] and [m, D]; 0 where an image is of one colour."""
    return _standardised(first) @ _standardised(second).T


def distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """[n, m] root mean square difference of pixels, of images [n, D] and [m, D]."""
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2 * first @ second.T
    return np.sqrt(np.maximum(squares, 0) / first.shape[1])


def flat(images: np.ndarray) -> np.ndarray:
    """[S, n, h, w, C] uint8 to [S, n, D] float32 in [0, 1]."""
    return images.reshape(*images.shape[:2], -1).astype(np.float32) / 255


def _standardised(images: np.ndarray) -> np.ndarray:
    centred = images - images.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.divide(centred, length, out=np.zeros_like(centred), where=length > 1e-3)
