"""The units: elites of CPPNs, what repeats in them, and what is left of the confidence when copies are gone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np

from qdfool.api import evolve
from qdfool.build import build_classifier
from qdfool.engine.objectives import confidence, log_odds
from qdfool.genomes.levels import LEVELS, round_to_levels
from qdfool.keys import root_key
from qdfool.studies.repeats import report
from qdfool.studies.repeats.conditions import FEWEST, Setting, Unit, settings_of
from qdfool.studies.repeats.detection import Repeats, repeats
from qdfool.studies.repeats.occlusion import slid
from qdfool.studies.repeats.removal import ARMS, FILLS, background, between, removed, schedule, without
from qdfool.studies.study import Figures, Workbench, fingerprint
from qdfool.types import Array, Classifier, Parameters

Scores = Callable[[np.ndarray], np.ndarray]
"""Images [n, H, W, C] uint8 to log-odds of all classes [n, K]."""


def scores_of(classifier: Classifier, batch: int) -> Scores:
    """The log-odds that a classifier gives, `batch` images at a time, by one program."""

    @jax.jit
    def odds(parameters: Parameters, levels: Array) -> Array:
        images = round_to_levels(levels.astype(np.float32) / LEVELS)
        return jax.vmap(log_odds)(classifier.logits(parameters, images))

    def score(images: np.ndarray) -> np.ndarray:
        filled = np.concatenate([images, np.repeat(images[-1:], -len(images) % batch, 0)])
        parts = [odds(classifier.parameters, part) for part in filled.reshape(-1, batch, *images.shape[1:])]
        return np.concatenate([np.asarray(part) for part in parts])[: len(images)]

    return score


def elites(setting: Setting, classifier: Classifier, sure: float, seed: int) -> Mapping[str, Any]:
    """A unit: evolves, and keeps the images of confidence `sure` or more.

    `images` [n, H, W, C] uint8, `classes` [n] and `log_odds` [n] of them; `fitness` [K] of all.
    """
    result = evolve(replace(setting.config, seed=seed, weights=None), classifier)
    fitness = result.snapshot.fitness
    classes = np.flatnonzero(confidence(fitness) >= sure)
    return {
        "images": result.levels(classes),
        "classes": classes,
        "log_odds": fitness[classes],
        "fitness": fitness,
    }


def removal(setting: Setting, score: Scores, found: Figures, seed: int) -> Mapping[str, Any]:
    """A unit: what repeats in the elites of a seed, and how sure the network is as copies go.

    For all n elites: `copies`, `strength`, `period`, and `room` for patches between the copies. For the m that are
    followed: `followed` their row among the n, `patch` [m, 2], and what `course` says of each, `places`, `controls` and
    `kept` filled up with -1, `log_odds` with NaN.
    """
    random = np.random.default_rng(np.asarray(jax.random.key_data(root_key(seed, f"repeats {setting.name}"))))
    images = found["images"]
    seen = [repeats(image / LEVELS) for image in images]
    controls = [between(each, images.shape[1:], random) for each in seen]
    copies = np.array([len(each.places) for each in seen], int)
    room = np.array([len(places) for places in controls], int)
    followed = evenly(np.flatnonzero((copies >= FEWEST) & (room >= copies - 1)), setting.followed)
    courses = [
        course(
            images[row], int(found["classes"][row]), seen[row], controls[row], setting.orders, score, random
        )
        for row in followed
    ]
    return {
        "copies": copies,
        "strength": np.array([each.strength for each in seen]),
        "period": np.array([each.period for each in seen]),
        "room": room,
        "followed": followed,
        "patch": padded([np.array(seen[row].patch) for row in followed], 0),
        **{name: padded([one[name] for one in courses], blank) for name, blank in BLANKS.items()},
    }


BLANKS = {"places": -1, "controls": -1, "kept": -1, "log_odds": np.nan, "called": False}


def course(
    image: np.ndarray,
    index: int,
    seen: Repeats,
    controls: np.ndarray,
    orders: int,
    score: Scores,
    random: np.random.Generator,
) -> dict[str, np.ndarray]:
    """How sure the network is of class `index` as the copies of one image go, and as patches between them do.

    `places` and `controls` [n, 2] as they go in the first order: the last place is the one that is kept. `kept` [T]
    numbers of copies; `log_odds` of the class [orders, fills, arms, T], NaN where there are fewer patches between the
    copies than should go; `called`, of the same shape, whether the class has the highest logit.
    """
    turns = [[random.permutation(len(places)) for places in (seen.places, controls)] for _ in range(orders)]
    asked = removed(image, seen, controls, turns)
    odds = score(asked.reshape(-1, *image.shape)).reshape(*asked.shape[:4], -1)
    of_class = odds[..., index].copy()
    kept = np.array(schedule(len(seen.places)))
    of_class[:, :, ARMS.index("between"), len(seen.places) - kept > len(controls)] = np.nan
    return {
        "places": seen.places[turns[0][0]],
        "controls": controls[turns[0][1]],
        "kept": kept,
        "log_odds": of_class,
        "called": odds.argmax(-1) == index,
    }


def padded(arrays: Sequence[np.ndarray], blank: float) -> np.ndarray:
    """[n, ...] of n arrays with as many axes, each filled up to the longest; [0] of none."""
    if not arrays:
        return np.zeros(0)
    full = np.full((len(arrays), *np.max([array.shape for array in arrays], 0)), blank, arrays[0].dtype)
    for one, array in zip(full, arrays, strict=True):
        one[tuple(slice(length) for length in array.shape)] = array
    return full


def evenly(rows: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the rows, evenly spaced."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).round().astype(int)]


def occlusion(setting: Setting, score: Scores, found: Figures, gone: Figures) -> Mapping[str, Any]:
    """A unit: how much a grey square lowers the log-odds, of images as they are and with one copy kept.

    `row` [q] of those that are followed; `falls` [q, 2, steps, steps] of the image and of that in which the last copy
    of the first order is left and a blur takes the place of the others.
    """
    rows = evenly(np.arange(len(gone["followed"])), setting.occluded)
    falls = np.zeros((len(rows), 2, setting.steps, setting.steps), np.float32)
    for of_image, row in zip(falls, rows, strict=True):
        elite = gone["followed"][row]
        image, index = found["images"][elite], found["classes"][elite]
        others = gone["places"][row, : gone["copies"][elite] - 1]
        ground = background(image, float(gone["period"][elite]), FILLS[0])
        one = without(image, ground, others, tuple(gone["patch"][row]))
        for of_state, shown in zip(of_image, (image, one), strict=True):
            odds = score(np.concatenate([shown[None], slid(shown, setting.square, setting.steps)]))[:, index]
            of_state[:] = (odds[0] - odds[1:]).reshape(of_state.shape)
    return {"row": rows, "falls": falls}


def run(bench: Workbench) -> None:
    """Evolves, removes, occludes, and reports."""
    chosen = settings_of(bench)
    # All of them first: what is missing is said before anything is computed.
    classifiers = {setting.name: build_classifier(setting.config) for setting in chosen}
    bench.expect(3 * sum(len(setting.seeds) for setting in chosen))
    found = {setting.name: _units(bench, setting, classifiers[setting.name]) for setting in chosen}
    report.write(bench, chosen, found)


def _units(bench: Workbench, setting: Setting, classifier: Classifier) -> list[Unit]:
    score, weights, units = scores_of(classifier, setting.batch), classifier.fingerprint, []
    for seed in setting.seeds:
        make = partial(elites, setting, classifier, bench.settings.sure, seed)
        found = bench.unit(f"{setting.name}-elites", seed, make, inputs=weights)
        inputs = fingerprint(found["images"], found["classes"]) + weights
        make = partial(removal, setting, score, found, seed)
        gone = bench.unit(f"{setting.name}-removal", seed, make, inputs=inputs)
        make = partial(occlusion, setting, score, found, gone)
        looked = bench.unit(f"{setting.name}-occlusion", seed, make, inputs=inputs)
        units.append(Unit(found, gone, looked))
    return units
