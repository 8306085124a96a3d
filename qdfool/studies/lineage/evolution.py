"""The runs: evolution a generation at a time, and who won what in each."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import numpy as np

from qdfool.build import build_classifier
from qdfool.config import Config
from qdfool.genomes.levels import to_uint8
from qdfool.presets import preset
from qdfool.results.run import Run
from qdfool.studies.lineage import report
from qdfool.studies.lineage.conditions import COMPETITIONS, FULL, NETWORK, QUICK, WEIGHTS, Setting
from qdfool.studies.study import Workbench
from qdfool.types import Classifier, Elites

ONE_GENERATION = 1e-9
"""Seconds of a chunk: too few for a second generation, so that the host sees each."""
SIDE = 56
"""Pixels of a side that images are kept and compared with, at most."""
FIRST = 64
"""Images of the first generation that are kept, at most."""


def config_of(
    bench: Workbench, name: str, setting: Setting, competition: str = "all", seed: int = 0
) -> Config:
    """The preset of a setting, with its budget and one of the two ways to compete.

    Raises:
        InputError: weights are missing.
    """
    network = {"classifier": NETWORK, "weights": str(bench.weights(WEIGHTS))} if setting.imagenet else {}
    return preset(
        name,
        seed=seed,
        generations=setting.generations,
        batch_size=setting.batch_size,
        competition=competition,
        chunk_seconds=ONE_GENERATION,
        **network,
    )


def course(config: Config, classifier: Classifier) -> Mapping[str, Any]:
    """One run, and who won what in it: a unit.

    `wins` [K, K] are the cells of each class (column) won by children of each class's elite (row), `winners` [K] the
    children of each that won a cell or more; `won` and `switched` [G] the cells that changed hands in each generation,
    and those of them that went to a child of another class. The first generation has no parents and does not count.
    `fitness` [G, K]; of the last elites `parent_class` [K] and `images` [K, h, w, C], of which `distinct` differ;
    `first` are images of the first generation.
    """
    run = Run(config, classifier)
    first = np.asarray(to_uint8(run.state.images[:FIRST]))
    classes = len(classifier.class_names)
    wins, winners = np.zeros((classes, classes), np.int32), np.zeros(classes, np.int32)
    won, switched, fitness = [], [], []
    for chunk in run.advance():
        assert len(chunk.records.invalid) == 1
        elites = run.state.elites
        parent = np.array(elites.parent_class)
        new = np.flatnonzero((np.array(elites.birth_generation) == run.generations - 1) & (parent >= 0))
        np.add.at(wins, (parent[new], new), 1)
        children = dict(zip(children_in(elites, new), parent[new], strict=True))
        np.add.at(winners, list(children.values()), 1)
        won.append(len(new))
        switched.append(int((parent[new] != new).sum()))
        fitness.append(chunk.records.fitness[0])
    result = run.result()
    images = result.levels(np.arange(classes))
    return {
        "wins": wins,
        "winners": winners,
        "won": np.array(won),
        "switched": np.array(switched),
        "fitness": np.array(fitness),
        "parent_class": result.elites.parent_class,
        "images": smaller(images),
        "distinct": len({image.tobytes() for image in images}),
        "first": smaller(first),
    }


def children_in(elites: Elites, cells: np.ndarray) -> list[bytes]:
    """The genome in each of the cells, as bytes: cells won in one generation with the same ones are of one child."""
    leaves = [np.asarray(leaf)[cells] for leaf in jax.tree.leaves(elites.genome)]
    return [b"".join(leaf[row].tobytes() for leaf in leaves) for row in range(len(cells))]


def smaller(images: np.ndarray) -> np.ndarray:
    """[n, H, W, C] uint8 to at most `SIDE` pixels a side, by the mean of square blocks."""
    count, height, width, channels = images.shape
    block = max(1, height // SIDE)
    blocks = images.reshape(count, height // block, block, width // block, block, channels)
    return np.round(blocks.mean(axis=(2, 4))).astype(np.uint8)


def run(bench: Workbench) -> None:
    """Runs the study at a workbench and writes its report."""
    chosen = QUICK if bench.quick else FULL
    seeds = {name: bench.seeds[: setting.most_seeds] for name, setting in chosen.items()}
    bench.expect(len(COMPETITIONS) * sum(map(len, seeds.values())))
    # All of them first: what is missing is said before anything is computed.
    classifiers = {
        name: build_classifier(config_of(bench, name, setting)) for name, setting in chosen.items()
    }
    found = {}
    for name, setting in chosen.items():
        classifier = classifiers[name]
        for competition in COMPETITIONS:
            units = [
                bench.unit(
                    f"{name}-{competition}",
                    seed,
                    partial(course, config_of(bench, name, setting, competition, seed), classifier),
                    inputs=classifier.fingerprint,
                )
                for seed in seeds[name]
            ]
            found[name, competition] = {
                figure: np.stack([unit[figure] for unit in units]) for figure in units[0]
            }
    names = {name: classifier.class_names for name, classifier in classifiers.items()}
    report.write(bench, chosen, found, names)
