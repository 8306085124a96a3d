"""What a classifier says of elites when a run is over: the classes that it is surest of."""

import time
from collections.abc import Callable

import numpy as np

from qdfool.analysis.report import TopClasses
from qdfool.classifiers.asking import asked
from qdfool.types import Classifier

COUNT = 5
"""Classes of each elite."""


def top_classes(
    classifier: Classifier,
    images: Callable[[np.ndarray], np.ndarray],
    count: int,
    batch: int,
    seconds: float = float("inf"),
) -> TopClasses | None:
    """Asks a classifier about images, a batch at a time.

    Args:
        classifier: is called on batches of one size.
        images: from indices [m] to images [m, H, W, C] float32 in [0, 1].
        count: how many there are.
        batch: images at once.
        seconds: that it may take, but for what is compiled; where the second batch shows that it would be more, the
            answer is None.

    Raises:
        InputError: the classifier fails, or answers what are no logits or not finite.
    """
    batch = min(batch, count)
    ask, answers = asked(classifier), []
    begun = time.monotonic()
    for first in range(0, count, batch):
        some = np.arange(first, first + batch) % count  # The last batch is as long as the others.
        answers.append(top_of(ask(images(some), "its elites")))
        if first == 0:
            begun = time.monotonic()
        elif (time.monotonic() - begun) / first * (count - batch) > seconds:
            return None
    together = [np.concatenate(columns)[:count] for columns in zip(*answers, strict=True)]
    return TopClasses(*together)


def top_of(logits: np.ndarray) -> TopClasses:
    """The surest classes of some images, of their logits [n, K]: the surest first, of equals the lower index."""
    logits = logits.astype(np.float64)
    classes = np.argsort(-logits, axis=1, kind="stable")[:, :COUNT]
    odds = np.empty(classes.shape)
    rows = np.arange(len(logits))
    for place, index in enumerate(classes.T):
        others = logits.copy()
        others[rows, index] = -np.inf
        most = others.max(axis=1)
        # Without the class itself, so that nothing cancels.
        odds[:, place] = logits[rows, index] - most - np.log(np.exp(others - most[:, None]).sum(axis=1))
    return TopClasses(classes, odds)
