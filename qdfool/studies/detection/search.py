"""The units: images evolved against networks alone, and against networks and monitors together, and their scores."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from qdfool.api import evolve
from qdfool.classifiers import lenet
from qdfool.config import Config
from qdfool.engine.objectives import log_odds
from qdfool.errors import in_range
from qdfool.presets import preset
from qdfool.results.result import Result
from qdfool.studies import mnist_networks
from qdfool.studies.detection import report
from qdfool.studies.detection.conditions import (
    BESIDE,
    FULL,
    JOINT,
    KINDS,
    MAPPED,
    QUICK,
    WAYS,
    Size,
)
from qdfool.studies.detection.detectors import SCORES
from qdfool.studies.detection.joint import Network, joint_classifier
from qdfool.studies.detection.monitor import Monitor, score_all, watching
from qdfool.studies.detection.rates import threshold
from qdfool.studies.mnist_networks import Trained
from qdfool.studies.study import Figures, Workbench
from qdfool.types import Classifier

NETWORKS: dict[str, Network] = {
    "lenet": lenet.logits_and_features,
    "resnet": mnist_networks.resnet_logits_and_features,
}
"""By the names of `mnist_networks.KINDS`."""


class Watched:
    """A network of a seed with its monitor, which is made when a unit needs it."""

    def __init__(
        self, bench: Workbench, size: Size, kind: str, seed: int, trained: Sequence[Trained]
    ) -> None:
        """`trained` are the network and those beside it."""
        self.kind, self.seed, self.error = kind, seed, trained[0].error
        self.classifier = trained[0].classifier
        self._bench, self._size = bench, size
        self._others = [beside.classifier.parameters for beside in trained[1:]]
        self.inputs = " ".join(each.classifier.fingerprint for each in trained)
        """Fingerprint of all networks that scores depend on."""

    @cached_property
    def monitor(self) -> Monitor:
        """Its detectors."""
        data, settings = self._bench.mnist(), self._bench.settings
        compared = settings.training_images or self._size.compared
        return watching(
            NETWORKS[self.kind],
            self.classifier.parameters,
            self._others,
            data.train_images[:compared],
            data.train_labels[:compared],
            classes=len(self.classifier.class_names),
            neighbours=settings.neighbours,
            epsilon=settings.odin_epsilon,
        )

    def real(self) -> Mapping[str, Any]:
        """A unit: what the network and its detectors make of real images."""
        logits, scores = score_all(self.monitor, self._bench.mnist().test_images[: self._size.real])
        return {"called": logits.argmax(axis=1), "scores": scores, "error": self.error}

    def fooled(self, config: Config, classifier: Classifier | None = None) -> Mapping[str, Any]:
        """A unit: the image of each class that was evolved against the network, or against a classifier that it is a
        part of, and what network and detectors make of it."""
        result = evolve(replace(config, seed=self.seed), classifier or self.classifier)
        return self._scored(result, result.best()[: len(self.classifier.class_names)])

    def attacked(self, config: Config, names: Sequence[str], real: Figures) -> Mapping[str, Any]:
        """A unit: the same against network and detectors together, which let 95 % of the real images pass."""
        known = {}
        for name in names:
            scores = real["scores"][list(SCORES).index(name)]
            known[name] = (threshold(scores), float(np.median(scores)))
        monitor = self.monitor
        together = joint_classifier(monitor.network, self.classifier, monitor.reference, known)
        return self.fooled(config, together)

    def mapped(self, config: Config) -> Mapping[str, Any]:
        """A unit: all elites of a grid archive."""
        result = evolve(replace(config, seed=self.seed), self.classifier)
        figures = dict(self._scored(result, result.cells()))
        del figures["images"]
        return {**figures, "cells": result.cells()}

    def _scored(self, result: Result, cells: np.ndarray) -> Mapping[str, Any]:
        images = result.levels(cells)
        logits, scores = score_all(self.monitor, images)
        sure = np.asarray(jax.vmap(log_odds)(jnp.asarray(logits, jnp.float32)))
        return {
            "images": images,
            "log_odds": sure[np.arange(len(cells)), cells // result.grid_cells()],
            "scores": scores,
            "evaluations": result.config.charges().of(result.generations),
        }


def run(bench: Workbench) -> None:
    """Trains networks, evolves against them and against their monitors, and scores what was found."""
    size, seeds = QUICK if bench.quick else FULL, len(bench.seeds)
    compared = bench.settings.training_images or size.compared
    in_range("--neighbours (of that many training images)", bench.settings.neighbours, 1, compared)
    joint = [(*of, name) for of, monitors in size.joint.items() for name in monitors]
    maps = min(size.map_seeds, seeds)
    bench.expect(len(KINDS) * (seeds + BESIDE + seeds * (1 + len(WAYS))) + seeds * len(joint) + maps)
    networks = {kind: _watched(bench, size, kind) for kind in KINDS}

    def units(kind: str, condition: str, compute: Callable[[Watched], Mapping[str, Any]]) -> Figures:
        found = [
            bench.unit(condition, each.seed, partial(compute, each), inputs=each.inputs)
            for each in networks[kind]
        ]
        return {name: np.stack([figures[name] for figures in found]) for name in found[0]}

    real = {kind: units(kind, f"{kind}-real", Watched.real) for kind in KINDS}
    alone = {
        (kind, way): units(kind, f"{kind}-{way}", lambda each, config=config: each.fooled(config))
        for kind in KINDS
        for way, config in configs(size.generations).items()
    }

    def attacked(kind: str, way: str, name: str) -> Figures:
        config = configs(size.joint_generations)[way]

        def compute(each: Watched) -> Mapping[str, Any]:
            of_seed = {part: figures[each.seed] for part, figures in real[kind].items()}
            return each.attacked(config, JOINT[name], of_seed)

        return units(kind, f"{kind}-{way}-and-{name}", compute)

    both = {of: attacked(*of) for of in joint}
    grid = preset("mnist-grid", evaluations=size.map_evaluations)
    mapped = [
        bench.unit(f"{MAPPED}-map", each.seed, partial(each.mapped, grid), inputs=each.inputs)
        for each in networks[MAPPED][:maps]
    ]
    report.write(bench, size, real, alone, both, mapped, grid)


def configs(generations: Mapping[str, int]) -> dict[str, Config]:
    """Way of making images to its preset, of so many generations."""
    return {way: preset(WAYS[way], generations=count) for way, count in generations.items()}


def _watched(bench: Workbench, size: Size, kind: str) -> list[Watched]:
    """A network for each seed; beside each are the next ones."""
    numbers = range(len(bench.seeds) + BESIDE)
    trained = [mnist_networks.trained(bench, kind, number, size.learned) for number in numbers]
    return [Watched(bench, size, kind, seed, trained[seed : seed + 1 + BESIDE]) for seed in bench.seeds]
