"""Whether the state in a checkpoint is such as a run makes it: else what it says would become results."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from qdfool.build import build_measures, placed
from qdfool.config import Config
from qdfool.results import history_file
from qdfool.results.elites_file import ORIGIN, ROWS, check_fields
from qdfool.results.genome_check import check_genomes, has_own_parts
from qdfool.results.history import History


def check_state(
    config: Config,
    image_shape: tuple[int, int, int],
    classes: int,
    state: Mapping[str, Any],
    history: History,
) -> None:
    """Checks the values of a state whose dtypes and shapes are those of its run; what an emitter remembers is its own.

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
    history_file.check(history, generations)
    fitness = elites["fitness"]
    cells = np.flatnonzero(~np.isneginf(fitness))
    everywhere = len(cells) == len(fitness)
    rows = {name: elites[name][cells] for name in ROWS}
    if elites["origin"]:
        rows |= {f"{ORIGIN}{name}": leaf[cells] for name, leaf in elites["origin"]._asdict().items()}
    check_fields(rows, classes)
    if (rows["birth_generation"] > generations).any():
        raise ValueError(f"birth_generation is beyond the {generations:,} that it had")
    measures = build_measures(config)
    if (
        measures
        and not placed(config, measures, elites["measures"][cells], cells % (len(fitness) // classes)).all()
    ):
        raise ValueError("measures lie in other cells of the grid than their elites")
    # Not copied where every cell is occupied: genomes may be the most of what memory holds.
    genome = elites["genome"] if everywhere else jax.tree.map(lambda leaf: leaf[cells], elites["genome"])
    for of, genomes in (("an elite", genome), ("a child", state["children"])):
        try:
            check_genomes(config, image_shape, genomes)
        except ValueError as error:
            raise ValueError(f"of {of}, {error}") from error
    if not ((state["parents"] >= -1) & (state["parents"] < len(fitness))).all():
        raise ValueError("a parent is no cell of the archive")
    images = state["images"]
    if not has_own_parts(config) and not ((images >= 0) & (images <= 1)).all():
        raise ValueError("an image is not between 0 and 1")
