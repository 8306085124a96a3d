"""The searches: images evolved against each network, and against ensembles, are shown to all the others."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from scipy.special import logsumexp

from qdfool.classifiers.asking import asked
from qdfool.config import Config
from qdfool.results.result import Result
from qdfool.results.run import Run
from qdfool.studies.mnist_networks import Trained
from qdfool.studies.study import Figures, Workbench
from qdfool.studies.transfer import report
from qdfool.studies.transfer.conditions import FULL, QUICK, Several, Size, encodings, ensembles, parted
from qdfool.studies.transfer.ensembles import ensemble
from qdfool.studies.transfer.networks import Matrix, matrices, network, numbered
from qdfool.types import Classifier

PART = 50
"""Images that a network is shown at once."""
SHOWN = 10
"""Images of a unit that are kept, to be looked at."""
Ask = Callable[[Any, str], np.ndarray]
"""Images [n, H, W, C], and what they are called in messages, to logits [n, K]."""


def evolved(config: Config, classifier: Classifier, seed: int) -> Result:
    """An image for each class of a classifier."""
    run = Run(replace(config, seed=seed), classifier)
    for _ in run.advance():
        pass
    return run.result()


def of_log_odds(logits: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """[..., n] float64, the log-odds of one class of each row of [..., n, K]; the class's [n] number."""
    logits = logits.astype(np.float64)
    own = np.arange(logits.shape[-1]) == classes[:, None]
    its = np.where(own, logits, 0).sum(axis=-1)
    # Without the class itself, so that nothing cancels.
    return its - logsumexp(np.where(own, -np.inf, logits), axis=-1)


def opinions(
    asks: Sequence[Ask], images: Callable[[np.ndarray], np.ndarray], classes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What J networks say of n images.

    Args:
        asks: the networks.
        images: from rows [m] to images [m, H, W, C] float32 in [0, 1].
        classes: [n] what each was evolved to be.

    Returns:
        [J, n] float64 log-odds of that class, and [J, n] the class that each network calls the image.
    """
    count, odds, first = len(classes), [], []
    for start in range(0, count, min(PART, count)):
        rows = np.arange(start, start + min(PART, count)) % count  # The last part is as long as the others.
        some = images(rows)
        logits = np.stack([ask(some, "images evolved against another network") for ask in asks])
        odds.append(of_log_odds(logits, classes[rows]))
        first.append(logits.argmax(axis=-1))
    return np.concatenate(odds, axis=1)[:, :count], np.concatenate(first, axis=1)[:, :count]


def against_one(
    config: Config, networks: Sequence[Classifier], asks: Sequence[Ask], which: int, seed: int
) -> Figures:
    """Evolves images against one of J networks and shows them to all: a unit.

    `log_odds` and `first` [J, n] are what each says of them, `classes` [n] what they were evolved to be; `images`
    [m, H, W, C] uint8 are those of the rows `shown`, of which that network is surest.
    """
    result = evolved(config, networks[which], seed)
    cells = result.cells()
    odds, first = opinions(asks, lambda rows: result.images_in(cells[rows]), cells)
    shown = np.sort(np.argsort(-odds[which], kind="stable")[:SHOWN])
    images = result.levels(cells[shown])
    return {"classes": cells, "log_odds": odds, "first": first, "shown": shown, "images": images}


def against_several(
    config: Config,
    lenets: Sequence[Trained],
    others: Sequence[Trained],
    asks: Mapping[str, Ask],
    several: Several,
    size: Size,
    seed: int,
) -> Figures:
    """Evolves images against an ensemble of LeNets and shows them to networks that are not in it: a unit.

    Of its `members` [E, n], of the LeNets `held` out [H, n], and of the `others` [R, n]: the log-odds of the class
    that an image was evolved to be, and, as `members_first` and so on, the class that it is called. `images`
    [n, H, W, C] uint8 are of the `classes` [n].
    """
    inside, outside = parted(seed, size, several.members)
    groups = {
        "members": [lenets[number] for number in inside],
        "held": [lenets[number] for number in outside],
        "others": others,
    }
    members = [each.classifier for each in groups["members"]]
    result = evolved(config, ensemble(members, several.rule), seed)
    classes = np.arange(len(members[0].class_names))  # Without what is none of the networks' classes.
    figures: Figures = {"classes": classes, "images": result.levels(classes)}
    for name, group in groups.items():
        asked_of = [asks[each.name] for each in group]
        odds, first = opinions(asked_of, lambda rows: result.images_in(classes[rows]), classes)
        figures |= {name: odds, f"{name}_first": first}
    return figures


def run(bench: Workbench) -> None:
    """Runs the study at a workbench and writes its report."""
    size = QUICK if bench.quick else FULL
    chosen = matrices(bench, size)  # Whatever is missing, or does not fit, is said here.
    networks = {each.name: each for matrix in chosen for each in matrix.networks}
    pool = [] if bench.settings.networks else numbered("lenet", size.members[-1] + size.held_out)
    networks |= {name: network(bench, name, size.training_images) for name in pool if name not in networks}
    bench.expect(sum(each.unit for each in networks.values()))
    bench.expect(sum(len(one.networks) * len(one.encodings) * len(one.seeds) for one in chosen))
    if pool:
        bench.expect(
            len(ensembles(size)) * len(encodings(chosen[0].networks[0].image_shape, size)) * len(bench.seeds)
        )
    trained = {name: each.load() for name, each in networks.items()}
    asks = {name: asked(each.classifier) for name, each in trained.items()}
    several = {}
    if pool:
        lenets = [trained[name] for name in pool]
        others = [trained[name] for name in numbered("resnet", size.resnets)]
        several = evolve_ensembles(bench, lenets, others, asks, size)
    found = {one.name: evolve_matrix(bench, one, trained, asks) for one in chosen}
    report.write(bench, size, chosen, trained, found, several)


def evolve_matrix(
    bench: Workbench, matrix: Matrix, trained: Mapping[str, Trained], asks: Mapping[str, Ask]
) -> dict[str, Figures]:
    """All units of a matrix, by encoding: every figure has leading axes of networks and seeds [I, S, ...]."""
    names = [each.name for each in matrix.networks]
    classifiers = [trained[name].classifier for name in names]
    inputs = fingerprint_of(trained[name] for name in names)
    found = {}
    for encoding, config in matrix.encodings.items():
        rows = []
        for which in range(len(names)):
            compute = partial(against_one, config, classifiers, [asks[name] for name in names], which)
            condition = f"{matrix.name}-{which}-{encoding.lower()}"
            units = [
                bench.unit(condition, seed, partial(compute, seed), inputs=inputs) for seed in matrix.seeds
            ]
            rows.append(stacked(units))
        found[encoding] = stacked(rows)
    return found


def evolve_ensembles(
    bench: Workbench,
    lenets: Sequence[Trained],
    others: Sequence[Trained],
    asks: Mapping[str, Ask],
    size: Size,
) -> dict[tuple[str, Several], Figures]:
    """All units of ensembles, by encoding and ensemble: every figure has a leading axis of seeds [S, ...]."""
    found = {}
    inputs = fingerprint_of([*lenets, *others])
    for encoding, config in encodings(lenets[0].classifier.image_shape, size).items():
        for several in ensembles(size):
            compute = partial(against_several, config, lenets, others, asks, several, size)
            condition = f"{several.rule}-of-{several.members}-{encoding.lower()}"
            found[encoding, several] = bench.units(condition, compute, inputs=inputs)
    return found


def stacked(figures: Sequence[Figures]) -> Figures:
    """Figures of one shape, with a leading axis."""
    return {name: np.stack([each[name] for each in figures]) for name in figures[0]}


def fingerprint_of(networks: Iterable[Trained]) -> str:
    """What units depend on beside settings, code and data: the networks, in their order."""
    digest = hashlib.sha256()
    for each in networks:
        of = each.classifier
        digest.update(f"{each.name} {of.fingerprint} {of.file_hash}\n".encode())
    return digest.hexdigest()
