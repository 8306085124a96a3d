"""The networks of a matrix: which, what they take and tell apart, and whether they can be in one matrix."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from qdfool.build import build_classifier
from qdfool.classifiers import lenet
from qdfool.config import Config
from qdfool.errors import InputError, in_range, named, shown
from qdfool.studies.decision_boundary.conditions import WEIGHTS
from qdfool.studies.mnist_networks import KINDS, Trained, trained
from qdfool.studies.study import Workbench
from qdfool.studies.transfer.conditions import Size, encodings

FEWEST, MOST = 2, 12
"""Networks in a matrix that is asked for."""
MOST_TRAINED = 1000
"""Numbers of networks that are trained are below this."""
SIDE = 128
"""Pixels of a side of what the ImageNet networks are shown: of the sizes that MobileNets are made for, the smallest."""
DIGITS, IMAGENET, GIVEN = "digits", "imagenet", "given"
"""Names of the matrices: two where none is asked for, and one that is."""


@dataclass(frozen=True)
class Settings:
    """Options of this study."""

    networks: tuple[str, ...] = ()
    """Networks of a matrix of your own, 2 to 12, in place of all others: lenet-0, resnet-0 and so on are trained, each
    number anew; mobilenet_v1_025 and mobilenet_v2 want --weights; else whatever `--classifier` of qdfool.run takes."""

    def check(self) -> None:
        """Raises InputError if there are too few or too many networks, or one twice."""
        if not self.networks:
            return
        in_range("The number of --networks", len(self.networks), FEWEST, MOST)
        twice = [name for name in self.networks if self.networks.count(name) > 1]
        if twice:
            raise InputError(f"--networks has {shown(twice[0])} twice. Expected each network once.")


class Network(NamedTuple):
    """A network of a matrix, as far as it is known before it is trained."""

    name: str
    kind: str
    """Networks of one kind differ in their seed alone."""
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    load: Callable[[], Trained]
    """Gives it; trains it where it is not trained yet."""
    unit: bool
    """Whether it is a unit of the workbench."""


def network(bench: Workbench, name: str, training_images: int) -> Network:
    """The network of that name; nothing is trained yet.

    Args:
        bench: has the trained networks, and the folder of weights.
        name: as `Settings.networks` has it.
        training_images: for those that are trained.

    Raises:
        InputError: there is no such network, or its weights are missing.
    """
    for kind in KINDS:
        number = re.fullmatch(rf"{kind}-(\d{{1,9}})", name)
        if number:
            in_range(f"The number of {shown(name)}", int(number[1]), 0, MOST_TRAINED - 1)
            return Network(
                name,
                KINDS[kind].line,
                lenet.IMAGE_SHAPE,
                lenet.CLASS_NAMES,
                partial(trained, bench, kind, int(number[1]), training_images),
                True,
            )
    config = Config(classifier=name)
    if name in WEIGHTS:
        config = replace(config, weights=str(bench.weights(WEIGHTS[name])), image_shape=(SIDE, SIDE, 3))
    try:
        found = build_classifier(config)
    except InputError as error:
        trained_here = " and ".join(f"{kind}-NUMBER" for kind in KINDS)
        raise InputError(f"{error} Networks that the study trains are called {trained_here}.") from error
    return Network(
        name, name, found.image_shape, found.class_names, lambda: Trained(name, found, np.nan), False
    )


def check_alike(networks: Sequence[Network]) -> None:
    """Checks that all networks take images of one shape and tell the same classes apart, in one order.

    Raises:
        InputError: they do not; the message names two networks, and what differs.
    """
    first = networks[0]
    for other in networks[1:]:
        both = f"{named(first.name)} and {named(other.name)} cannot be in one matrix"
        remedy = "Expected networks of one task, with the same classes in the same order."
        if other.image_shape != first.image_shape:
            ours, theirs = (" x ".join(map(str, of.image_shape)) for of in (first, other))
            raise InputError(f"{both}: images of {ours} and of {theirs}. {remedy}")
        if len(other.class_names) != len(first.class_names):
            raise InputError(
                f"{both}: {len(first.class_names):,} and {len(other.class_names):,} classes. {remedy}"
            )
        for index, (ours, theirs) in enumerate(zip(first.class_names, other.class_names, strict=True)):
            if ours != theirs:
                raise InputError(f"{both}: class {index} is {shown(ours)} and {shown(theirs)}. {remedy}")


class Matrix(NamedTuple):
    """Networks that are all shown what was evolved against each of them."""

    name: str
    networks: tuple[Network, ...]
    encodings: Mapping[str, Config]
    """How images are evolved, by the name of the encoding."""
    seeds: Sequence[int]


def matrices(bench: Workbench, size: Size) -> list[Matrix]:
    """The matrices of a call: the one that was asked for, or the study's own. Nothing is computed.

    Raises:
        InputError: a network is not there, its weights are missing, or networks cannot be in one matrix.
    """
    names = {DIGITS: (*numbered("lenet", size.lenets), *numbered("resnet", size.resnets))}
    if not bench.quick:
        names[IMAGENET] = tuple(WEIGHTS)
    if bench.settings.networks:
        names = {GIVEN: bench.settings.networks}
    found = []
    for name, members in names.items():
        networks = tuple(network(bench, member, size.training_images) for member in members)
        check_alike(networks)
        how = encodings(networks[0].image_shape, size)
        seeds = bench.seeds if "pixels" in how else bench.seeds[: size.large_seeds]
        found.append(Matrix(name, networks, how, seeds))
    return found


def numbered(kind: str, count: int) -> list[str]:
    """Names of the first networks of a kind that is trained."""
    return [f"{kind}-{number}" for number in range(count)]
