"""What is examined: digits, and in the full form things; and how much of each."""

from dataclasses import dataclass
from typing import NamedTuple

from qdfool.classifiers import imagenet, lenet
from qdfool.config import Config
from qdfool.errors import InputError, in_range
from qdfool.presets import preset
from qdfool.studies.study import Figures, Workbench

WEIGHTS = "mobilenet_v1_0.25_224.safetensors"
FEWEST = 3
"""Copies of an image that is followed."""


@dataclass(frozen=True)
class Settings:
    """Options of this study."""

    sure: float = 0.8
    """Confidence [0, 1) of the images that are looked at."""
    imagenet_seeds: int = 3
    """Seeds of the ImageNet network, 2 to 100, the first of all; --quick has none."""

    def check(self) -> None:
        """Raises InputError if an option is out of range."""
        in_range("--sure", self.sure, 0, 1)
        if self.sure == 1:
            raise InputError("--sure must be below 1: no softmax is more than certain; got 1.0.")
        in_range("--imagenet-seeds", self.imagenet_seeds, 2, 100)


class Setting(NamedTuple):
    """Images of one kind, and how they are examined."""

    name: str
    line: str
    class_names: tuple[str, ...]
    config: Config
    """Without its seed."""
    seeds: range
    batch: int
    """Images classified at once."""
    followed: int
    """Of each seed's images with repeats, so many are followed at most, evenly spaced over the classes."""
    orders: int
    """Random orders of removal."""
    occluded: int
    """Of those that are followed, so many are occluded at most."""
    square: int
    """Side of the grey square in pixels."""
    steps: int
    """Places of the square, down and across."""


class Unit(NamedTuple):
    """What the three units of a setting and a seed hold; `search.py` says what."""

    elites: Figures
    removal: Figures
    occlusion: Figures


def settings_of(bench: Workbench) -> list[Setting]:
    """MNIST, and in the full form ImageNet.

    Raises:
        InputError: the weights of the ImageNet network are missing.
    """
    mnist = Setting(
        "mnist",
        "MNIST",
        lenet.CLASS_NAMES,
        preset("mnist-cppn", generations=40 if bench.quick else 200),
        bench.seeds,
        batch=256,
        followed=1000,
        orders=2 if bench.quick else 5,
        occluded=1000,
        square=4,
        steps=13,
    )
    if bench.quick:
        return [mnist]
    things = preset(
        "imagenet-cppn",
        classifier="mobilenet_v1_025",
        weights=str(bench.weights(WEIGHTS)),
        batch_size=64,
        evaluations=40_000,
    )
    return [
        mnist,
        Setting(
            "imagenet",
            "ImageNet",
            imagenet.CLASS_NAMES,
            things,
            bench.seeds[: bench.settings.imagenet_seeds],
            batch=64,
            followed=100,
            orders=3,
            occluded=30,
            square=16,
            steps=17,
        ),
    ]
