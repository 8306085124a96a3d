"""`history.npz`: what happened per generation, thinned."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from qdfool.config import MOST_GENERATIONS
from qdfool.results import npz
from qdfool.results.history import MOST_ROWS, History, empty_history
from qdfool.results.npz import Header

ROUNDING = 1e-6
"""Beyond 1 that a share in float32 may be."""


def write(path: Path, history: History) -> None:
    """Writes a history as .npz.

    Raises:
        OSError: it cannot be written.
    """
    npz.write(path, dataclasses.asdict(history))


def read(path: Path, classes: int, generations: int = MOST_GENERATIONS) -> History:
    """Reads the history of a run.

    Args:
        path: the file.
        classes: K.
        generations: that the run has had, where that is known.

    Raises:
        InputError: it is missing or damaged, or not of such a run.
    """
    arrays = npz.read(path, lambda headers: _expected(headers, classes))
    history = History(**arrays)
    with npz.fitting(path):
        check(history, generations)
    return history


def check(history: History, generations: int) -> None:
    """Checks that a history is one that a run of so many generations can have.

    Raises:
        ValueError: it is not.
    """
    if (history.generation < 1).any() or (np.diff(history.generation) < 1).any():
        raise ValueError("generation does not count up from 1")
    if (history.generation > generations).any():
        raise ValueError(f"generation is beyond the {generations:,} generations of the run")
    if (history.updates < 0).any() or (history.last_updates < 0).any():
        raise ValueError("updates are below 0")
    if np.isnan(history.fitness).any() or np.isposinf(history.fitness).any():
        raise ValueError("fitness is not a number, or infinite")
    if not (np.isfinite(history.qd_score) & (history.qd_score >= 0)).all():
        raise ValueError("qd_score is below 0 or not finite")
    if not ((history.coverage >= 0) & (history.coverage <= 1 + ROUNDING)).all():
        raise ValueError("coverage is not between 0 and 1")


def _expected(headers: Mapping[str, Header], classes: int) -> dict[str, Header]:
    shape = headers["generation"].shape if "generation" in headers else ()
    # The rows of generation 1, and of MOST_ROWS multiples of a stride.
    if len(shape) != 1 or not 0 <= shape[0] <= MOST_ROWS + 1:
        raise ValueError(f"generation is not a list of at most {MOST_ROWS + 1:,} numbers")
    expected = {name: npz.header_of(array) for name, array in vars(empty_history(classes)).items()}
    return {
        name: header if name == "last_updates" else Header(header.dtype, (*shape, *header.shape[1:]))
        for name, header in expected.items()
    }
