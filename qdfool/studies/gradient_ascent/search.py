"""The units: the course of a run by each way, and images by ascent under each regulariser."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np

from qdfool.build import build_classifier
from qdfool.build.step_rules import build_regulariser, build_step_rule
from qdfool.config import Config, Emitters, GradientAscent
from qdfool.engine.emitters.gradient_ascent import gradient_ascent
from qdfool.engine.objectives import confidence
from qdfool.results.history import VERY_SURE
from qdfool.results.run import Run
from qdfool.studies.gradient_ascent import report
from qdfool.studies.gradient_ascent.conditions import Setting, settings_of
from qdfool.studies.study import Figures, Workbench
from qdfool.types import Classifier, Emitter, EmitterMaker, Encoding

ONE_GENERATION = 1e-9
"""Seconds of a chunk: too few for a second generation, so that the run ends with the one in which all are certain."""


def course(config: Config, classifier: Classifier, kept: tuple[int, ...]) -> Mapping[str, Any]:
    """One run, until every class has 99.99 % or the budget is spent: a unit.

    `fitness` [G, K] log-odds; `charged` [G] evaluations and `seconds` [G] until then, compilation not counted;
    `images` [n, H, W, C] uint8 of the classes that are kept.
    """
    run, fitness = Run(replace(config, chunk_seconds=ONE_GENERATION), classifier), []

    def certain() -> bool:
        return bool(fitness) and confidence(fitness[-1]).min() >= VERY_SURE

    for chunk in run.advance(certain):
        fitness += list(chunk.records.fitness)
    return {
        "fitness": np.array(fitness),
        "charged": run.config.charges().of(np.arange(1, len(fitness) + 1)),
        "seconds": np.array([row.seconds for row in run.metrics]),
        "images": run.result().levels(np.array(kept)),
    }


def following(classes: tuple[int, ...], settings: GradientAscent) -> EmitterMaker:
    """An emitter that follows these classes' elites, all steps at once."""

    def follow(size: int, encoding: Encoding) -> Emitter:
        return gradient_ascent(
            size,
            1,
            encoding,
            lambda key, elites, size: jnp.array(classes, jnp.int32),
            build_step_rule(settings),
            steps=settings.steps,
            sigma=0.0,
            regularise=build_regulariser(settings, encoding),
        )

    return follow


def portraits(
    config: Config, classifier: Classifier, classes: tuple[int, ...], settings: GradientAscent
) -> Mapping[str, Any]:
    """Images of some classes, all steps by ascent from a grey image with noise: a unit.

    `images` [n, H, W, C] uint8 and their `log_odds` [n].
    """
    emitters = Emitters((following(classes, settings),))
    config = replace(config, emitters=emitters, batch_size=len(classes), generations=2, evaluations=None)
    run = Run(config, classifier)
    for _ in run.advance():
        pass
    result, cells = run.result(), np.array(classes)
    return {"images": result.levels(cells), "log_odds": result.snapshot.fitness[cells]}


def run(bench: Workbench) -> None:
    """Runs the study at a workbench and writes its report."""
    chosen = settings_of(bench)
    # All of them first: what is missing is said before anything is computed.
    classifiers = {each.name: build_classifier(each.ways()["pixels"]) for each in chosen}
    bench.expect(sum(len(each.ways()) * len(each.seeds) + len(each.regularised()) for each in chosen))
    courses, pictured = {}, {}
    for each in chosen:
        classifier = classifiers[each.name]
        courses[each.name] = {
            way: _courses(bench, each, way, config, classifier) for way, config in each.ways().items()
        }
        pictured[each.name] = _portraits(bench, each, classifier)
    names = {name: classifier.class_names for name, classifier in classifiers.items()}
    report.write(bench, chosen, courses, pictured, names)


def _courses(
    bench: Workbench, setting: Setting, way: str, config: Config, classifier: Classifier
) -> list[Figures]:
    """A way's units, by seed. They are not stacked: a run ends when it is certain."""
    return [
        bench.unit(
            f"{setting.name}-{way}",
            seed,
            partial(course, replace(config, seed=seed, weights=None), classifier, setting.kept),
            inputs=classifier.fingerprint,
        )
        for seed in setting.seeds
    ]


def _portraits(bench: Workbench, setting: Setting, classifier: Classifier) -> dict[str, Figures]:
    """A unit for each regulariser, of the first seed."""
    config = replace(setting.ways()["ascent"], seed=setting.seeds[0], weights=None)
    return {
        name: bench.unit(
            f"{setting.name}-regulariser-{name}",
            setting.seeds[0],
            partial(portraits, config, classifier, setting.shown, settings),
            inputs=classifier.fingerprint,
        )
        for name, settings in setting.regularised().items()
    }
