"""What the runs of an audit found, in numbers: read one at a time, because a thousand images of each are gigabytes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qdfool.analysis.score import area, height, points
from qdfool.analysis.statistics import Interval, interval
from qdfool.engine.objectives import confidence
from qdfool.results import run_folder
from qdfool.results.audit.folder import Audit
from qdfool.results.audit.plan import BATCH, WAYS
from qdfool.results.history import VERY_SURE
from qdfool.results.loading import load

POINTS = 120
"""Of a curve, evenly spaced by the logarithm of evaluations."""


@dataclass(frozen=True)
class Found:
    """What the runs of one way found, S of them. Classes are those that count, in their order; there are K."""

    folder: Path
    evaluations: int
    """That all its runs were charged."""
    score: NDArray[np.float64]
    """[S] of each seed."""
    class_score: NDArray[np.float64]
    """[S, K] of each class by itself."""
    log_odds: NDArray[np.float64]
    """[S, K] of each class's best image at the end; -inf where there is none."""
    curve: NDArray[np.float64]
    """[S, POINTS] the height of the median over the classes."""
    coverage: float
    """Share of the cells of its archive that have an image, the mean over seeds."""

    @property
    def confidence(self) -> NDArray[np.float64]:
        """[K] of each class, the median over seeds."""
        return np.median(confidence(self.log_odds), axis=0)

    def certain(self) -> float:
        """Classes of 99.99 % or more, the mean over seeds."""
        return float((confidence(self.log_odds) >= VERY_SURE).sum(axis=1).mean())


@dataclass(frozen=True)
class Findings:
    """What an audit found."""

    ways: dict[str, Found]
    score: Interval
    """The mean over seeds of the mean over the ways that are scored; bounds within 0 and 1."""
    class_score: NDArray[np.float64]
    """[K] the same of each class by itself."""

    @property
    def evaluations(self) -> int:
        """That all runs were charged."""
        return sum(found.evaluations for found in self.ways.values())

    def worst(self, count: int) -> list[int]:
        """The classes of the highest score, the highest first; of equals, the surest image at the end."""
        surest = np.max([found.log_odds.max(axis=0) for found in self.ways.values()], axis=0)
        return np.lexsort((-surest, -self.class_score))[:count].tolist()

    def best(self, place: int, way: str) -> tuple[int, float]:
        """Of a class, by its place among those that count, and a way: the place of the seed whose image it is
        surest of, and the log-odds."""
        odds = self.ways[way].log_odds[:, place]
        return int(odds.argmax()), float(odds.max())


def read_findings(audit: Audit) -> Findings:
    """What the runs of an audit found that is done.

    Raises:
        InputError: a run is damaged.
    """
    ways = {way: _found(audit, way) for way in audit.plan.configs}
    scored = [found for way, found in ways.items() if WAYS[way].scored]
    score = interval(np.mean([found.score for found in scored], axis=0))
    bounded = score._replace(low=max(0.0, score.low), high=min(1.0, score.high))
    class_score = np.mean([found.class_score.mean(axis=0) for found in scored], axis=0)
    return Findings(ways, bounded, class_score)


def _found(audit: Audit, way: str) -> Found:
    counted, classes = audit.counted(), len(audit.classifier.class_names)
    last = audit.plan.evaluations
    grid = np.geomspace(BATCH, last, POINTS)
    rows: dict[str, list[NDArray[np.float64]]] = {"score": [], "class_score": [], "log_odds": [], "curve": []}
    spent, coverage = 0, []
    for seed in audit.settings.seeds:
        result = load(audit.folder(way) / run_folder.name_of_seed(seed))
        history, charges = result.history, result.config.charges()
        charged = charges.of(history.generation.astype(np.int64))
        of_classes = height(history.fitness[:, counted], classes)
        median = np.median(of_classes, axis=1)
        rows["score"].append(area(charged, median, BATCH, last))
        rows["class_score"].append(area(charged, of_classes, BATCH, last))
        best = result.snapshot.fitness_of(result.best())[counted]
        rows["log_odds"].append(np.asarray(best, np.float64))
        x, y = points(charged, median, BATCH, last)
        rows["curve"].append(np.interp(np.log(grid), np.log(x), y))
        spent += charges.of(result.generations)
        coverage.append(float(history.coverage[-1]))
    arrays = {name: np.array(values) for name, values in rows.items()}
    return Found(audit.folder(way), spent, coverage=float(np.mean(coverage)), **arrays)


def images_of(
    audit: Audit, findings: Findings, places: list[int]
) -> dict[str, list[NDArray[np.uint8] | None]]:
    """Of each way the surest image [H, W, C] of each of some classes, by their places among those that count; None
    where there is none.

    Raises:
        InputError: a run is damaged.
    """
    counted, seeds = audit.counted(), audit.settings.seeds
    found: dict[str, list[NDArray[np.uint8] | None]] = {}
    for way in findings.ways:
        images: list[NDArray[np.uint8] | None] = [None] * len(places)
        best = [findings.best(place, way) for place in places]
        for number in sorted({number for number, odds in best if np.isfinite(odds)}):
            result = load(audit.folder(way) / run_folder.name_of_seed(seeds[number]))
            cells = result.best()
            of_this = [row for row, (one, odds) in enumerate(best) if one == number and np.isfinite(odds)]
            levels = result.levels(cells[[counted[places[row]] for row in of_this]])
            for row, image in zip(of_this, levels, strict=True):
                images[row] = image
        found[way] = images
    return found
