"""Whether an encoding of a user's own draws what it drew: children wait with their images, and are saved so."""

from pathlib import Path

import jax
import numpy as np

from qdfool.build import is_own_encoding
from qdfool.config import Config, name_of
from qdfool.engine.sharding import local
from qdfool.engine.step import Evolution
from qdfool.errors import InputError
from qdfool.genomes.levels import LEVELS
from qdfool.types import State

CHILDREN_DRAWN = 16
TOLERANCE = 1.5 / LEVELS
"""A level, and rounding: what lies between two levels may be rounded to either."""


def check_encoding(directory: Path, config: Config, state: State, evolution: Evolution) -> None:
    """Draws some of the children that wait again, if the encoding is a user's own.

    Args:
        directory: for the message.
        config: of the run that is to go on.
        state: as it was saved.
        evolution: its functions.

    Raises:
        InputError: an image is another one than was saved.
    """
    if not is_own_encoding(config):
        return
    some = jax.tree.map(lambda leaf: np.asarray(leaf[:CHILDREN_DRAWN]), local((state.children, state.images)))
    again = np.asarray(jax.jit(jax.vmap(evolution.decode))(some[0]))
    apart = np.abs(again - some[1])
    # What was no image waits as NaN.
    if (worst := float(apart[np.isfinite(apart)].max(initial=0.0))) > TOLERANCE:
        raise InputError(
            f"The encoding {name_of(config.encoding)} draws other images than {directory} began with: of the same "
            f"genome a value is {worst:.3g} away. Give the one it began with, or start a new run with another `out`."
        )
