"""What an audit does: its ways, what each is charged, and the configs of their runs."""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from qdfool.config import Config, Preprocessing, validate
from qdfool.errors import in_range, known_name
from qdfool.presets import preset
from qdfool.types import Classifier

BATCH = 100
"""Children of a generation, and the evaluations at which the score's curve begins."""
BUDGETS = {"quick": 10_000, "standard": 300_000, "thorough": 2_000_000}
"""Evaluations of each run."""
LARGE, LARGE_SHARE = 64 * 64 * 3, 4
"""Values of an image above which a network takes so much longer that each run has only one in so many."""
MOST_IN_MAP = 1 << 27
"""Genes that a map may have in all, half a gigabyte: of more, there is none."""
CELLS = 20
"""Of a map, along each measure."""
SEEDS = (0, 1, 2)
FEWEST_SEEDS, MOST_SEEDS = 2, 100


class Way(NamedTuple):
    """One way to look for images of nothing."""

    title: str
    line: str
    scored: bool
    """Whether the score is over it."""


WAYS: dict[str, Way] = {
    "pixels": Way("pixels", "every pixel a gene, from noise, by mutation", True),
    "cppns": Way("CPPNs", "small networks that draw regular patterns, by mutation", True),
    "map": Way("a map", "pixels again, an image for each amount of ink and distance from the centre", True),
    "gradients": Way("gradients", "pixels, uphill along the classifier's own gradient", False),
}
"""In the order of their turns; each has a folder of its name."""


@dataclass(frozen=True)
class Settings:
    """What decides the result of an audit."""

    classifier: str
    budget: str = "quick"
    seeds: tuple[int, ...] = SEEDS
    reject: tuple[str, ...] = ()
    """Classes that stand for nothing at all: they may be sure of it, and are not counted."""
    weights: str | None = None
    image_shape: tuple[int, int, int] | None = None
    preprocessing: Preprocessing = field(default_factory=Preprocessing)

    def check(self) -> None:
        """Raises InputError if the budget is unknown, there are too few seeds, or too many, or a setting is out of its
        range."""
        known_name("budget", self.budget, BUDGETS)
        in_range("the number of seeds", len(self.seeds), FEWEST_SEEDS, MOST_SEEDS)
        validate(replace(Config(), **self.base()), needs_budget=False)

    def base(self) -> dict[str, Any]:
        """The settings of all its runs that say what is audited."""
        return {
            "classifier": self.classifier,
            "weights": self.weights,
            "image_shape": self.image_shape,
            "preprocessing": self.preprocessing,
        }


class Plan(NamedTuple):
    """The runs of an audit."""

    evaluations: int
    """That each run is charged, at most."""
    configs: dict[str, Config]
    """Of each way, but for the seed."""
    left_out: dict[str, str]
    """Ways that are not gone, and why, in a sentence."""


def evaluations_of(budget: str, image_shape: tuple[int, int, int]) -> int:
    """What each run of a budget is charged, for images of a shape [H, W, C]."""
    height, width, channels = image_shape
    return BUDGETS[budget] // (LARGE_SHARE if height * width * channels > LARGE else 1)


def plan(settings: Settings, classifier: Classifier) -> Plan:
    """The runs that an audit of a classifier has: the same for every classifier of as many classes and such images, but
    for gradients, which not every one has.

    Raises:
        InputError: the settings are no good.
    """
    settings.check()
    height, width, channels = classifier.image_shape
    values, classes = height * width * channels, len(classifier.class_names)
    evaluations, left_out = evaluations_of(settings.budget, classifier.image_shape), {}
    # One seed after another: the same score again, bit for bit, and the classifier is shown no larger batch.
    common = {**settings.base(), "evaluations": evaluations, "seeds_at_once": 1}
    configs = {
        "pixels": preset("mnist-direct", batch_size=BATCH, **common),
        "cppns": preset("mnist-cppn", batch_size=BATCH, **common),
    }
    if classes * CELLS**2 * values <= MOST_IN_MAP:
        emitters = {"operators": ("variation",)}
        configs["map"] = preset(
            "mnist-grid", batch_size=BATCH, cells=(CELLS, CELLS), emitters=emitters, **common
        )
    else:
        left_out["map"] = (
            f"A map of {classes:,} classes times {CELLS**2} images of {values:,} values does not fit into memory."
        )
    if classifier.traceable:
        name = "imagenet-gradient" if values > LARGE else "mnist-gradient"
        configs["gradients"] = preset(name, batch_size=BATCH // 10, **common)
    else:
        left_out["gradients"] = (
            "JAX cannot trace this classifier, so there are no gradients to go along. That says nothing of how it "
            "fares against whoever has them."
        )
    return Plan(evaluations, configs, left_out)
