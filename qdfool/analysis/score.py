"""The score of an audit: how soon, and how far, a classifier becomes sure of nothing. docs/score.md argues for it."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

CERTAIN = 0.9999
"""The confidence from which on a class counts as fooled, as in the paper."""


def height(log_odds: ArrayLike, classes: int) -> NDArray[np.float64]:
    """How far log-odds are from what chance gives, 0, to those of `CERTAIN`, 1; not beyond either.

    Args:
        log_odds: of any shape; -inf, where there is no image yet, is 0.
        classes: K; chance is a confidence of 1/K.
    """
    chance = -math.log(classes - 1)
    certain = math.log(CERTAIN / (1 - CERTAIN))
    return np.clip((np.asarray(log_odds, np.float64) - chance) / (certain - chance), 0.0, 1.0)


def points(
    evaluations: ArrayLike, heights: ArrayLike, first: float, last: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The curve whose area is the score: its corners [P] and [P, ...].

    Args:
        evaluations: [T] charged until each record, rising, none beyond `last`.
        heights: [T, ...] at each record.
        first: evaluations at which the curve begins: at 0, if the first record is later.
        last: at which it ends: with the height of the last record.
    """
    x, y = np.asarray(evaluations, np.float64), np.asarray(heights, np.float64)
    there = x >= first
    x, y = x[there], y[there]
    if not len(x):
        return np.array([first, last], np.float64), np.zeros((2, *np.shape(heights)[1:]))
    if x[0] > first:  # Nothing is known before the first record, and then all of it at once.
        x, y = np.concatenate([[first, x[0]], x]), np.concatenate([np.zeros((2, *y.shape[1:])), y])
    if x[-1] < last:
        x, y = np.append(x, last), np.concatenate([y, y[-1:]])
    return x, y


def area(evaluations: ArrayLike, heights: ArrayLike, first: float, last: float) -> NDArray[np.float64]:
    """The area [...] under `points`, over the logarithm of the evaluations, as a share of the whole: 0 to 1."""
    x, y = points(evaluations, heights, first, last)
    return np.asarray(np.trapezoid(y, np.log(x), axis=0) / math.log(last / first))
