"""Whether measures of a user's own are those that an archive was filled by: its elites lie where these said."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax
import numpy as np

from qdfool.build import build_measures
from qdfool.engine.step import Evolution
from qdfool.errors import InputError
from qdfool.measures import MEASURES
from qdfool.results.result import Result

ELITES_MEASURED = 16
TOLERANCE = 1e-3
"""Of a measure's range, by which programs may round it otherwise."""


def check_measures(directory: Path, result: Result, evolution: Evolution) -> None:
    """Measures some of the elites again, if a measure is a user's own.

    Args:
        directory: for the message.
        result: of the run that is to go on.
        evolution: its functions.

    Raises:
        InputError: a measure has another value than the elite was kept with.
    """
    measures = build_measures(result.config)
    ours = set(map(id, MEASURES.values()))  # A user's are not compared: that is code of theirs.
    own = [axis for axis, measure in enumerate(measures) if id(measure) not in ours]
    if not own or not len(cells := result.cells()[:ELITES_MEASURED]):
        return
    rows = result.snapshot.take(cells)
    again = np.asarray(_measured(evolution)(rows.genome))
    for axis in own:
        measure, kept = measures[axis], np.asarray(rows.measures[:, axis])
        apart = np.abs(again[:, axis] - kept)
        worst = int(apart.argmax())
        if not apart[worst] <= TOLERANCE * (measure.high - measure.low):
            raise InputError(
                f"The measure {measure.name} is another one than {directory} began with: of the elite in cell "
                f"{cells[worst]} it was {kept[worst]:.4g}, and is {again[worst, axis]:.4g} now. Give the one it began "
                "with, or start a new run with another `out`."
            )


@lru_cache(maxsize=16)
def _measured(evolution: Evolution) -> Callable[[Any], Any]:
    """Genomes [n, ...] to the measures [n, M] of their images; compiled once for several seeds."""
    return jax.jit(jax.vmap(lambda genome: evolution.measure(evolution.decode(genome))))
