"""From a config to the selection of parents."""

from collections.abc import Callable
from functools import partial

from qdfool.config import Config
from qdfool.engine import selection
from qdfool.errors import known_name
from qdfool.types import Array, Elites, Key

SELECTIONS: dict[str, tuple[str, Callable[..., Array]]] = {
    "uniform": ("every occupied cell alike, as in the paper", selection.uniform),
    "fitness_proportional": ("in proportion to confidence", selection.fitness_proportional),
    "tournament": ("the best of some drawn at random", selection.tournament),
    "ranking": ("in proportion to rank", selection.ranking),
    "curiosity": ("in proportion to how often an elite's children entered the archive", selection.curiosity),
    "lowest": ("the elites of the lowest confidence, one after the other", selection.lowest),
    "unsure": ("those below 99.99 % in turn, at random, as the paper's gradient ascent", selection.unsure),
}


def build_selection(config: Config, name: str) -> Callable[[Key, Elites, int], Array]:
    """The selection of a name, with the config's settings.

    Raises:
        InputError: an unknown name.
    """
    _, select = SELECTIONS[known_name("selection", name, SELECTIONS)]
    if name == "tournament":
        select = partial(select, tournament_size=config.selection.tournament_size)
    return select
