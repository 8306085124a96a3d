"""Whether genomes from a file are such as a run makes them."""

from typing import Any

import numpy as np

from qdfool.build.reference import is_reference
from qdfool.config import Config
from qdfool.genomes.cppn.encoding import INPUTS
from qdfool.genomes.cppn.evaluation import ACTIVATIONS
from qdfool.genomes.cppn.graph import Graph


def check_genomes(config: Config, image_shape: tuple[int, int, int], genome: Any) -> None:
    """Checks the values of genomes; their dtypes and shapes are those of the config.

    What an encoding of the user's own may hold, nobody else knows, nor in which range their operators and emitters
    leave pixels.

    Args:
        config: of their run.
        image_shape: (H, W, C).
        genome: NumPy leaves [n, ...].

    Raises:
        ValueError: a gene is not finite, out of its range, or names a node or function that there is not.
    """
    if config.encoding == "cppn":
        _check_graphs(genome, len(INPUTS), len(INPUTS) + image_shape[2])
    elif config.encoding == "pixels":
        own = any(
            not isinstance(operator, str) or is_reference(operator)
            for operator in (
                *(config.mutation.operators or ()),
                *(config.crossover.operators or ()),
                *config.emitters.operators,
            )
        )
        _check("genome is not finite", np.isfinite(genome))
        _check("genome is not between 0 and 1", own | ((genome >= 0) & (genome <= 1)))
    elif config.encoding == "binary":
        _check("genome is not 0 or 1", genome <= 1)
    elif config.encoding == "black_pixels":
        _check(
            "genome has a pixel beyond the image", (genome >= 0) & (genome <= image_shape[0] * image_shape[1])
        )


def _check_graphs(graph: Graph, inputs: int, fixed: int) -> None:
    """What a free slot holds means nothing."""
    alive, present = np.asarray(graph.alive), np.asarray(graph.present)
    nodes = alive.shape[1]
    _check("genome lacks an input or output", alive[:, :fixed])
    _check(
        "genome.activation is no function that there is",
        ~alive | ((graph.activation >= 0) & (graph.activation < len(ACTIVATIONS))),
    )
    for name, ends, never in (
        ("source", np.asarray(graph.source), (inputs, fixed)),
        ("target", np.asarray(graph.target), (0, inputs)),
    ):
        there = (ends >= 0) & (ends < nodes) & ~((ends >= never[0]) & (ends < never[1]))
        there &= np.take_along_axis(alive, np.clip(ends, 0, nodes - 1), axis=1)
        _check(f"genome.{name} is no node that a connection can have there", ~present | there)
    _check("genome.weight is not finite", ~present | np.isfinite(graph.weight))
    _check("genome.refused is below 0", np.asarray(graph.refused) >= 0)


def _check(fault: str, fine: np.ndarray) -> None:
    if not fine.all():
        raise ValueError(f"{fault}, in row {int(np.argwhere(~fine)[0, 0])}")
