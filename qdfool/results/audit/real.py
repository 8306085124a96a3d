"""Real images of the user's, and at which confidence a threshold would part them from images of nothing."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from qdfool.classifiers.asking import asked
from qdfool.data.collection import Collection
from qdfool.engine.objectives import log_odds
from qdfool.results.audit.findings import Findings
from qdfool.types import Classifier

MOST_ASKED, BATCH = 5_000, 64
"""Images that the classifier is asked about, and at once."""
THRESHOLDS = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99999)
"""Confidences below which an answer might be thrown away."""
LOST = 0.05
"""Share of the real images that one may be ready to lose."""


@dataclass(frozen=True)
class Real:
    """What the classifier says of real images."""

    given: int
    """Images that there are; of more than `MOST_ASKED`, so many were asked about, evenly chosen."""
    log_odds: NDArray[np.float64]
    """[n] of the class that it is surest of, rising."""
    source: str = ""
    """The path of the folder or the file that they are of."""


class Threshold(NamedTuple):
    """What a threshold on the confidence would do."""

    confidence: float
    passing: float
    """Share of the images of nothing that are at it or above."""
    lost: float | None
    """Share of the real ones that are below; None where there are none."""


def ask_about(classifier: Classifier, images: Collection, rejected: list[int]) -> Real:
    """Asks a classifier about real images.

    Args:
        classifier: the one that is audited.
        images: the user's.
        rejected: classes that stand for nothing; an answer of these is a confidence in none of the others.

    Raises:
        InputError: an image is damaged, or the classifier fails, or answers what are no logits or not finite.
    """
    count = min(images.count, MOST_ASKED)
    chosen = np.linspace(0, images.count - 1, count).round().astype(np.intp)
    ask, odds_of = asked(classifier), jax.jit(jax.vmap(log_odds))
    counted = np.setdiff1d(np.arange(len(classifier.class_names)), rejected)
    batch, found = min(BATCH, count), []
    for first in range(0, count, batch):
        some = chosen[np.arange(first, first + batch) % count]  # The last batch is as long as the others.
        odds = np.asarray(odds_of(ask(images.images(some), "real images")), np.float64)
        found.append(odds[:, counted].max(axis=1))
    return Real(images.count, np.sort(np.concatenate(found)[:count]), images.source)


def fooling(findings: Findings) -> NDArray[np.float64]:
    """[n] the log-odds of the images of nothing that thresholds are tried on, rising: the best of each class, of every
    run; -inf for a class that has none."""
    return np.sort(np.concatenate([found.log_odds.ravel() for found in findings.ways.values()]))


def threshold(confidence: float, nothing: NDArray[np.float64], real: Real | None) -> Threshold:
    """What a threshold would do.

    Args:
        confidence: below 1.
        nothing: [n] log-odds of images of nothing, rising.
        real: what there is of real ones.
    """
    odds = np.log(confidence) - np.log1p(-confidence)
    passing = 1 - np.searchsorted(nothing, odds) / len(nothing)
    lost = None if real is None else float(np.searchsorted(real.log_odds, odds) / len(real.log_odds))
    return Threshold(confidence, float(passing), lost)


def keeping(nothing: NDArray[np.float64], real: Real, lost: float = LOST) -> tuple[float, float]:
    """The highest threshold, as log-odds, that loses no more than a share of the real images, and the share of the
    images of nothing that pass it."""
    odds = float(real.log_odds[int(lost * len(real.log_odds))])
    return odds, float(1 - np.searchsorted(nothing, odds) / len(nothing))
