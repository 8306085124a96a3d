"""Whether genomes from a file are such as a run makes them."""

import math
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from qdfool.build.reference import has_own_parts
from qdfool.config import Config
from qdfool.genomes.cppn.encoding import INPUTS
from qdfool.genomes.cppn.evaluation import ACTIVATIONS
from qdfool.genomes.cppn.graph import Graph

BYTES_AT_ONCE = 1 << 26
"""Of genomes that are checked: what the checks make of them is as much again."""


def check_genomes(
    config: Config, image_shape: tuple[int, int, int], genome: Any, scored: bool = True
) -> None:
    """Checks the values of genomes; their dtypes and shapes are those of the config.

    What an encoding of the user's own may hold, nobody else knows, nor in which range their operators and emitters
    leave pixels.

    Args:
        config: of their run.
        image_shape: (H, W, C).
        genome: NumPy leaves [n, ...].
        scored: whether they are of elites; children that wait may be NaN, which gets them in nowhere.

    Raises:
        ValueError: a gene is not finite, out of its range, or names a node or function that there is not.
    """
    leaves = jax.tree.leaves(genome)
    part = max(1, BYTES_AT_ONCE * len(leaves[0]) // max(1, sum(leaf.nbytes for leaf in leaves)))
    for start in range(0, len(leaves[0]), part):
        some = jax.tree.map(lambda leaf, start=start: leaf[start : start + part], genome)
        for fault, fine in _checks(config, image_shape, some, scored):
            if not np.all(fine):
                raise ValueError(f"{fault}, in row {start + int(np.argwhere(~fine)[0, 0])}")


def _checks(
    config: Config, image_shape: tuple[int, int, int], genome: Any, scored: bool
) -> Iterator[tuple[str, np.ndarray]]:
    """Faults, and where there is none of the kind [n, ...] bool."""
    if config.encoding == "cppn":
        yield from _checks_of_graphs(genome, len(INPUTS), len(INPUTS) + image_shape[2], scored)
    elif config.encoding == "pixels":
        yield "genome is not finite", np.isfinite(genome) | (not scored)
        yield "genome is not between 0 and 1", has_own_parts(config) | ~((genome < 0) | (genome > 1))
    elif config.encoding == "binary":
        yield "genome is not 0 or 1", genome <= 1
    elif config.encoding == "black_pixels":
        yield "genome has a pixel beyond the image", (genome >= 0) & (genome <= math.prod(image_shape[:2]))


def _checks_of_graphs(
    graph: Graph, inputs: int, fixed: int, scored: bool
) -> Iterator[tuple[str, np.ndarray]]:
    """What a free slot holds means nothing."""
    alive, present = np.asarray(graph.alive), np.asarray(graph.present)
    nodes = alive.shape[1]
    yield "genome lacks an input or output", alive[:, :fixed]
    yield (
        "genome.activation is no function that there is",
        ~alive | ((graph.activation >= 0) & (graph.activation < len(ACTIVATIONS))),
    )
    for name, ends, never in (
        ("source", np.asarray(graph.source), (inputs, fixed)),
        ("target", np.asarray(graph.target), (0, inputs)),
    ):
        there = (ends >= 0) & (ends < nodes) & ~((ends >= never[0]) & (ends < never[1]))
        there &= np.take_along_axis(alive, np.clip(ends, 0, nodes - 1), axis=1)
        yield f"genome.{name} is no node that a connection can have there", ~present | there
    yield "genome.weight is not finite", ~present | np.isfinite(graph.weight) | (not scored)
    yield "genome.refused is below 0", np.asarray(graph.refused) >= 0
