"""What the units say: how well each detector tells images apart, and what attackers who know it get past it."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from qdfool.analysis.statistics import Interval, beyond_chance, interval
from qdfool.studies.detection.conditions import JOINT
from qdfool.studies.detection.detectors import SCORES
from qdfool.studies.detection.joint import CERTAIN
from qdfool.studies.detection.rates import auroc, false_positives, standing, threshold
from qdfool.studies.study import Figures

DETECTORS = tuple(SCORES)
"""D names, in the order of a unit's scores."""


class Rates(NamedTuple):
    """What each detector makes of archives, by seed."""

    auroc: np.ndarray
    """[S, D]."""
    passing: np.ndarray
    """[S, D] share of the archive's images that pass where 95 % of the real ones do: the false positives."""
    class_auroc: np.ndarray
    """[S, D, K], each class's image against the real images that the network calls so; NaN where there are none."""
    class_passing: np.ndarray
    """[S, D, K], 1 where a class's image passes; of the monitor for all classes."""


class Attack(NamedTuple):
    """What an attacker who knows detectors gets, by seed [S]; `alone` is who knows the network only."""

    sure: np.ndarray
    """Share of the classes whose image the network is at least 99.99 % sure of."""
    through: np.ndarray
    """Share whose image passes the known detectors, too."""
    through_alone: np.ndarray
    """The same of the images that were evolved against the network alone."""
    auroc: np.ndarray
    """[S] of the known detector; of several, the highest."""
    auroc_alone: np.ndarray

    @property
    def gained(self) -> Interval:
        """Share of the classes that get through because the detectors were known."""
        return interval(self.through - self.through_alone)


def rates(real: Figures, found: Figures) -> Rates:
    """What detectors make of an archive's images, one a class.

    Args:
        real: scores [S, D, n] and classes `called` [S, n] of real images.
        found: scores [S, D, K] of the images.
    """
    seeds, detectors, classes = found["scores"].shape
    area, passing = np.zeros((seeds, detectors)), np.zeros((seeds, detectors))
    class_area, class_passing = (
        np.full((seeds, detectors, classes), np.nan),
        np.zeros((seeds, detectors, classes)),
    )
    for seed in range(seeds):
        for detector in range(detectors):
            known, given = real["scores"][seed, detector], found["scores"][seed, detector]
            area[seed, detector] = auroc(known, given)
            passing[seed, detector] = false_positives(known, given)
            class_passing[seed, detector] = given >= threshold(known)
            for label in range(classes):
                of_class = known[real["called"][seed] == label]
                if len(of_class):
                    class_area[seed, detector, label] = standing(of_class, given[[label]])[0]
    return Rates(area, passing, class_area, class_passing)


def attack(name: str, alone: Figures, both: Figures, before: Rates, after: Rates) -> Attack:
    """What it gains to know the detectors of the monitor `name`, of `JOINT`."""
    known = [DETECTORS.index(detector) for detector in JOINT[name]]

    def through(found: Figures, of: Rates) -> np.ndarray:
        sure = found["log_odds"] >= CERTAIN
        return (sure & (of.class_passing[:, known] > 0).all(axis=1)).mean(axis=1)

    return Attack(
        sure=(both["log_odds"] >= CERTAIN).mean(axis=1),
        through=through(both, after),
        through_alone=through(alone, before),
        auroc=after.auroc[:, known].max(axis=1),
        auroc_alone=before.auroc[:, known].max(axis=1),
    )


def unlike_chance(found: Mapping[tuple[str, str], Rates]) -> dict[tuple[str, str, str], bool]:
    """(network, way, detector) to whether the AUROC differs from 0.5 beyond chance, of all of them together."""
    return beyond_chance(
        {
            (*of, name): interval(each.auroc[:, number]).p_value(0.5)
            for of, each in found.items()
            for number, name in enumerate(DETECTORS)
        }
    )


def overall(found: Mapping[tuple[str, str], Rates]) -> tuple[np.ndarray, np.ndarray]:
    """AUROC and share that passes, [S, D], the means over networks and ways."""
    return (
        np.mean([each.auroc for each in found.values()], axis=0),
        np.mean([each.passing for each in found.values()], axis=0),
    )


def behind_the_best(area: np.ndarray) -> tuple[str, dict[str, tuple[Interval, bool]]]:
    """The detector of the highest mean AUROC, and how far each other is behind it: paired by seed, and whether beyond
    chance, of all of them together.

    Args:
        area: [S, D].
    """
    best = int(area.mean(axis=0).argmax())
    behind = {
        name: interval(area[:, best] - area[:, number])
        for number, name in enumerate(DETECTORS)
        if number != best
    }
    beyond = beyond_chance({name: apart.p_value(0.0) for name, apart in behind.items()})
    return DETECTORS[best], {name: (apart, beyond[name]) for name, apart in behind.items()}


class Maps(NamedTuple):
    """What each detector makes of a grid archive's images of which the network is at least 99.99 % sure."""

    auroc: np.ndarray
    """[D, cells of the first measure, of the second], mean over seeds and classes; NaN where there is no image."""
    passing: np.ndarray
    """The same of the share that passes."""
    rates: np.ndarray
    """[maps, D, 2], AUROC and share that passes, of all images of a map."""
    images: np.ndarray
    """[maps] how many there are."""


def maps(real: Figures, mapped: list[Figures], cells: tuple[int, int]) -> Maps:
    """What detectors make of grid archives.

    Args:
        real: of the same network; the seeds of the maps are its first.
        mapped: units of maps.
        cells: of the two measures.
    """
    places = cells[0] * cells[1]
    sums = np.zeros((2, len(DETECTORS), places))
    counts = np.zeros(places)
    each = np.zeros((len(mapped), len(DETECTORS), 2))
    images = np.zeros(len(mapped), int)
    for seed, figures in enumerate(mapped):
        sure = figures["log_odds"] >= CERTAIN
        place = figures["cells"][sure] % places
        images[seed] = sure.sum()
        counts += np.bincount(place, minlength=places)
        for detector in range(len(DETECTORS)):
            known, given = real["scores"][seed, detector], figures["scores"][detector, sure]
            if not len(given):
                each[seed, detector] = np.nan
                continue
            for row, values in enumerate((standing(known, given), given >= threshold(known))):
                sums[row, detector] += np.bincount(place, weights=values, minlength=places)
                each[seed, detector, row] = np.mean(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (sums / counts).reshape(2, len(DETECTORS), *cells)
    return Maps(means[0], means[1], each, images)
