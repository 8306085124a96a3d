"""Whether a classifier is the one that a folder began with, by what it answers: of what is around its weights, or where
it has none that can be hashed, nothing else would tell."""

import logging
import math
from collections.abc import Sequence

import numpy as np

from qdfool.classifiers.logits_check import answers_of
from qdfool.errors import named
from qdfool.types import Classifier

_LOG = logging.getLogger(__name__)
TOLERANCE = 0.01
"""Of the largest logit: by less the same network differs between machines, and in TF32."""
TOLERANCE_OF_KNOWN_WEIGHTS = 0.05
"""The same where the weights are known to be the same: in bfloat16 it differs by more."""


def answers_otherwise(saved: Sequence[float], classifier: Classifier) -> str:
    """How a classifier answers otherwise than it did, in words; empty where it does not, or nothing is known. One that
    answers otherwise each time is warned of.

    Args:
        saved: `Classifier.answers` of then.
        classifier: of now.
    """
    tolerance = TOLERANCE_OF_KNOWN_WEIGHTS if classifier.fingerprint else TOLERANCE
    if (where := _differs(saved, classifier.answers, tolerance)) is None:
        return ""
    if _differs(classifier.answers, answers_of(classifier), tolerance) is not None:
        _LOG.warning(
            f"{named(classifier.name)} answers otherwise each time that it is asked, so that nothing tells whether it "
            "is the same as before."
        )
        return ""
    return f"of the same image one logit was {saved[where]:.4g}, and is {classifier.answers[where]:.4g} now"


def rounded(answers: Sequence[float]) -> tuple[float, ...]:
    """Answers to the second decimal of the largest: alike of the same classifier, but where one is just between two."""
    largest = max(map(abs, answers), default=0.0)
    decimals = 2 - math.floor(math.log10(largest)) if largest else 0
    return tuple(round(answer, decimals) + 0.0 for answer in answers)  # Not -0.0.


def _differs(one: Sequence[float], other: Sequence[float], tolerance: float) -> int | None:
    """Where two answers differ most, if they do. Those of other classes are not compared, and none with none."""
    if not one or len(one) != len(other):
        return None
    first, second = np.asarray(one, np.float64), np.asarray(other, np.float64)
    apart = np.abs(first - second)
    where = int(apart.argmax())
    return where if apart[where] > tolerance * np.abs(first).max() else None
