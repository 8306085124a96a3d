"""What is compared, and how large both forms of the study are."""

from dataclasses import dataclass
from typing import NamedTuple

from qdfool.errors import in_range

KINDS = ("lenet", "resnet")
"""Of `mnist_networks.KINDS`: the networks that are watched."""
WAYS = {"pixels": "mnist-direct", "cppn": "mnist-cppn", "gradient": "mnist-gradient"}
"""Way of making images to its preset."""
BESIDE = 2
"""Networks of the same kind whose disagreement is asked for."""
JOINT: dict[str, tuple[str, ...]] = {
    "max-logit": ("max-logit",),
    "energy": ("energy",),
    "mahalanobis": ("mahalanobis",),
    "neighbours": ("neighbours",),
    "all-four": ("max-logit", "energy", "mahalanobis", "neighbours"),
}
"""Monitor to the detectors that its attacker knows."""
MAPPED = "lenet"
"""The network whose grid archive is scored."""


@dataclass(frozen=True)
class Settings:
    """The study's own options."""

    neighbours: int = 10
    """Which nearest training image's distance is a score (1 to 1,000, and no more than there are)."""
    odin_epsilon: float = 0.0014
    """ODIN's step in brightness [0, 1]; its authors' choice."""
    training_images: int | None = None
    """Training images (100 to 60,000) that detectors compare with. Without it 2,000, with --quick 500."""

    def check(self) -> None:
        """Raises InputError if an option is outside its range."""
        in_range("--neighbours", self.neighbours, 1, 1000)
        in_range("--odin-epsilon", self.odin_epsilon, 0, 1)
        if self.training_images is not None:
            in_range("--training-images", self.training_images, 100, 60_000)


class Size(NamedTuple):
    """How large the study is."""

    learned: int
    """Images that networks are trained on, the first of the training set."""
    compared: int
    """Of those, the first that detectors compare with."""
    real: int
    """Images of the test set, the first."""
    generations: dict[str, int]
    """Of each way."""
    joint: dict[tuple[str, str], tuple[str, ...]]
    """(network, way) to the monitors that are attacked so."""
    joint_generations: dict[str, int]
    """Of each way where the monitor is attacked, too."""
    map_evaluations: int
    map_seeds: int
    """At most."""


FULL = Size(
    learned=20_000,
    compared=2_000,
    real=3_000,
    generations={"pixels": 200, "cppn": 100, "gradient": 10},
    joint={
        ("lenet", "gradient"): tuple(JOINT),
        ("resnet", "gradient"): tuple(JOINT),
        ("lenet", "pixels"): ("mahalanobis",),
        ("lenet", "cppn"): ("mahalanobis",),
    },
    joint_generations={"pixels": 200, "cppn": 100, "gradient": 30},
    map_evaluations=30_000,
    map_seeds=2,
)
QUICK = Size(
    learned=3_000,
    compared=500,
    real=500,
    generations={"pixels": 5, "cppn": 5, "gradient": 2},
    joint={("lenet", "gradient"): ("mahalanobis", "all-four")},
    joint_generations={"gradient": 4},
    map_evaluations=1_500,
    map_seeds=1,
)
