"""The runs and what is measured of them.

Runs every variant of `loop.py` from white images, asks how sure the classifier became and, apart from that,
how much of a seven the best image is, and reports both.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from qdfool.analysis.statistics import interval, rank_correlation_by_seed
from qdfool.classifiers import lenet
from qdfool.classifiers.training import error
from qdfool.data.mnist import Mnist
from qdfool.engine.objectives import confidence
from qdfool.studies.judges import Judges, from_arrays, logits, to_arrays, train_judges
from qdfool.studies.make_a_seven import loop, pictures
from qdfool.studies.make_a_seven import report as text
from qdfool.studies.make_a_seven.loop import SEVEN, sevens
from qdfool.studies.recognisability import Recognisability, Yardstick, halves, recognisability, yardstick
from qdfool.studies.study import Figures, Workbench, fingerprint
from qdfool.types import Classifier

THRESHOLDS = (0.5, 0.99, 0.9999)
EXAMPLES = 40
"""Real and spoilt digits that a yardstick's row has for each seed."""
GROUPS = {
    "the loop and what repairs it": loop.LOOP,
    "one remedy, on the repaired loop": loop.ALONE,
    "several remedies": loop.TOGETHER,
    "the engine": loop.PRESETS,
}
"""Titles of the groups to their variants."""


class Size(NamedTuple):
    """How large the study is."""

    generations: int
    judges: int
    judge_images: int
    judge_epochs: int
    references: int
    """Real sevens that images are compared with, at most."""
    presets: tuple[str, ...]
    """Of the engine's runs, those that are made."""


FULL = Size(1400, 5, 10_000, 2, 10_000, tuple(loop.PRESETS))
QUICK = Size(40, 2, 1_000, 1, 1_000, ("map-elites",))


class Looks(NamedTuple):
    """What was found of one variant, or of one kind of example."""

    images: np.ndarray
    """[S, 28, 28, 1] uint8 for variants, [S, n, ...] for examples."""
    measured: Recognisability
    """[S] or [S, n] each."""


def judged(bench: Workbench, size: Size) -> Judges:
    """The judges, trained now or read from their unit."""

    def compute() -> Mapping[str, Any]:
        return to_arrays(train_judges(bench.mnist(), size.judges, size.judge_images, size.judge_epochs))

    return from_arrays(bench.unit("judges", 0, compute, inputs=fingerprint(np.array(size[1:4]))))


def evolve_all(bench: Workbench, classifier: Classifier, size: Size) -> dict[str, Figures]:
    """Runs every variant with every seed: condition to what all seeds gave, [S, ...]."""
    data = bench.mnist()
    # What calibrates the yardstick is copied into no image either.
    _, scored = halves(sevens(data))
    made, ink = loop.maker(classifier, scored), loop.median_ink(data)
    found: dict[str, Figures] = {}
    for name, variant in {**loop.LOOP, **loop.ALONE, **loop.TOGETHER}.items():
        one = partial(loop.evolved, made, loop.as_numbers(variant, ink), size.generations)
        found[name] = bench.units(name, one, inputs=classifier.fingerprint)
    for name in size.presets:
        one = partial(loop.map_elites, loop.PRESETS[name][1], size.generations)
        found[name] = bench.units(name, one, inputs=classifier.fingerprint)
    return found


def examples(bench: Workbench) -> dict[str, np.ndarray]:
    """What people know: real digits, spoilt ones and none, [S, n, 28, 28, 1] uint8 each.

    Of the test set's digits those of odd index: the others calibrate the yardstick.
    """
    data = bench.mnist()
    random = np.random.default_rng(0)
    shape = (len(bench.seeds), EXAMPLES, *lenet.IMAGE_SHAPE)

    def digits(digit: int) -> np.ndarray:
        _, scored = halves(data.test_images[data.test_labels == digit])
        return np.resize(scored, shape)

    def spoilt(share: float) -> np.ndarray:
        return np.where(random.random(shape) < share, 255 - digits(SEVEN), digits(SEVEN))

    return {
        "real sevens": digits(SEVEN),
        "sevens, 5 % specks": spoilt(0.05),
        "sevens, 20 % specks": spoilt(0.2),
        "real fours": digits(4),
        "static, 10 % ink": np.where(random.random(shape) < 0.1, 255, 0).astype(np.uint8),
        "static, 50 % ink": np.where(random.random(shape) < 0.5, 255, 0).astype(np.uint8),
    }


def ruler_of(data: Mnist, references: int) -> Yardstick:
    """The yardstick of a seven, from at most so many of the training set, calibrated on what is scored nowhere."""
    calibrating, _ = halves(sevens(data))
    return yardstick(
        data.train_images[data.train_labels == SEVEN][:references] / np.float32(255), calibrating
    )


def looks(images: np.ndarray, judges: Judges, ruler: Yardstick) -> Looks:
    """How much of a seven images [..., 28, 28, 1] uint8 are."""
    flat = images.reshape(-1, *lenet.IMAGE_SHAPE) / np.float32(255)
    measured = recognisability(flat, logits(judges, flat), SEVEN, ruler)
    return Looks(images, Recognisability(*(value.reshape(images.shape[:-3]) for value in measured)))


def first_evaluation(log_odds: np.ndarray, evaluations: np.ndarray, p: float) -> np.ndarray:
    """[S] evaluations when the class's probability first was `p` or more; NaN where it never was."""
    reached = confidence(np.nan_to_num(log_odds, nan=-np.inf)) >= p
    return np.where(reached.any(axis=1), evaluations[reached.argmax(axis=1)], np.nan)


def run(bench: Workbench) -> None:
    """Runs the study and writes its report."""
    size = QUICK if bench.quick else FULL
    classifier, data = lenet.classifier(), bench.mnist()
    groups = {
        group: {
            name: title
            for name, (title, *_) in members.items()
            if name not in loop.PRESETS or name in size.presets
        }
        for group, members in GROUPS.items()
    }
    bench.expect(1 + len(bench.seeds) * sum(map(len, groups.values())))
    judges = judged(bench, size)
    found = evolve_all(bench, classifier, size)
    spent = loop.evaluations_of(size.generations)
    ruler = ruler_of(data, size.references)
    seen = {name: looks(figures["image"], judges, ruler) for name, figures in found.items()}
    known = {name: looks(images, judges, ruler) for name, images in examples(bench).items()}
    first = {
        name: np.stack([first_evaluation(figures["log_odds"], spent, p) for p in THRESHOLDS])
        for name, figures in found.items()
    }
    final = np.stack([figures["final"] for figures in found.values()])
    combined = np.stack([look.measured.combined for look in seen.values()])
    together = rank_correlation_by_seed(final, combined)
    wrong = error(lenet.logits, classifier.parameters, data.test_images, data.test_labels)
    ink = {digit: loop.median_ink(data, digit) for digit in (0, 1, SEVEN)}

    report = bench.report
    text.question(report)
    text.method(report, size.generations, wrong, judges.errors, len(ruler.references), ruler, ink)
    text.converging(report, found, groups, first, THRESHOLDS, int(spent[-1]))
    pictures.draw_curves(bench, found, groups, spent)
    text.looking(report, seen, known)
    pictures.draw_gallery(bench, {**seen, **known})
    pictures.draw_both(bench, found, seen)
    text.answer(report, found, seen, known, first, together)
    text.made(report)
    bench.results = {
        "variants": {
            name: {
                "evaluations": dict(zip(map(str, THRESHOLDS), first[name], strict=True)),
                "final log-odds": figures["final"],
                "ink": figures["ink"][:, -1],
                **seen[name].measured._asdict(),
            }
            for name, figures in found.items()
        },
        "examples": {
            name: {part: value.mean(axis=1) for part, value in look.measured._asdict().items()}
            for name, look in known.items()
        },
        "rank correlation of log-odds and recognisability": interval(together),
        "judges' test error": judges.errors,
        "yardstick": {"real": ruler.real, "nothing": ruler.nothing},
    }
