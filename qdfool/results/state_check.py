"""Whether the state in a checkpoint is such as a run makes it: else what it says would become results."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from qdfool.build import build_measures, placed
from qdfool.build.reference import has_own_parts
from qdfool.config import Config
from qdfool.results import history_file
from qdfool.results.elites_file import ORIGIN, ROWS, check_fields
from qdfool.results.genome_check import check_genomes
from qdfool.results.history import History


def check_state(
    config: Config,
    image_shape: tuple[int, int, int],
    classes: int,
    state: Mapping[str, Any],
    history: History,
) -> None:
    """Checks the values of a state whose dtypes and shapes are those of its run.

    What an emitter remembers is its own; genomes and images that a user's own parts had a hand in are theirs. That
    images are those of the children is not looked at.

    Args:
        config: of the run.
        image_shape: (H, W, C).
        classes: K.
        state: the fields of a `State` by their names, `elites` and `origin` likewise; of NumPy leaves.
        history: of the run so far.

    Raises:
        ValueError: a value is none that a run has.
    """
    generations, elites = int(state["generation"]), state["elites"]
    with _named("the history"):
        history_file.check(history, generations)
    fitness = elites["fitness"]
    cells = np.flatnonzero(~np.isneginf(fitness))
    with _named("an elite"):
        rows = {name: elites[name][cells] for name in ROWS}
        if elites["origin"]:
            rows |= {f"{ORIGIN}{name}": leaf[cells] for name, leaf in elites["origin"]._asdict().items()}
        check_fields(rows, classes)
        if (rows["birth_generation"] >= generations).any():
            raise ValueError(f"birth_generation is beyond the {generations:,} generations of the run")
        measures = build_measures(config)
        grid_cells = cells % (len(fitness) // classes)
        if measures and not placed(config, measures, elites["measures"][cells], grid_cells).all():
            raise ValueError("measures lie in other cells of the grid than their elites")
    if (elites["num_replacements"] < 0).any():
        raise ValueError("num_replacements of a cell is below 0")
    if "origins" in state and (state["origins"] < -1).any():
        raise ValueError("origins of children are below -1")
    if not ((state["parents"] >= -1) & (state["parents"] < len(fitness))).all():
        raise ValueError("a parent is no cell of the archive")
    if has_own_parts(config):
        return
    # Not copied where every cell is occupied: genomes may be the most of what memory holds.
    everywhere = len(cells) == len(fitness)
    genome = elites["genome"] if everywhere else jax.tree.map(lambda leaf: leaf[cells], elites["genome"])
    with _named("an elite"):
        check_genomes(config, image_shape, genome)
    with _named("a child"):
        check_genomes(config, image_shape, state["children"], scored=False)
    if ((state["images"] < 0) | (state["images"] > 1)).any():
        raise ValueError("an image is not between 0 and 1")


@contextlib.contextmanager
def _named(what: str) -> Iterator[None]:
    """A ValueError then says what it is of."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"of {what}, {error}") from error
