"""The conditions: the account as it is, and what is changed in each control."""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import tyro

from qdfool.classifiers.padding import Mode
from qdfool.errors import in_range
from qdfool.genomes.black_pixels import operators as lists

POPULATION, CROSSED, MUTATED = 100, 0.8, 0.015
"""The account's constants: individuals, probability of crossover, probability of each slot to be drawn anew."""
TOURNAMENT, ELITISM = 3, 1
"""Not in the account. A tournament is the same for every rising linear transformation of the loss."""
RESTRICTED = 3000
"""Generations in which pixels may lie in the middle section only."""
SECTION = 0.25
"""Share of each side that is outside the middle section."""
POOLED = 10
"""Of the last population, the fittest so many say where ink ends up."""
POPULATIONS = 8
"""A drift unit pools so many populations: they cost no network."""
TRACED = 60
"""Generations of a run whose best is recorded."""
CROSSOVERS = {
    "rectangle": lists.rectangle_swap,
    "columns": lists.alternating_columns,
    "list": lists.single_point,
}
V1, V2 = "mobilenet_v1_025", "mobilenet_v2"
WEIGHTS = {V1: "mobilenet_v1_0.25_224.safetensors", V2: "mobilenet_v2_1.0_224.safetensors"}
GRID = (16, 10)
"""Cells of the grid archive: the number of black pixels, up to all slots, and the eccentricity, 0 to 1."""


@dataclass(frozen=True)
class Settings:
    """Options of this study."""

    penalty: Annotated[float, tyro.conf.arg(name="lambda")] = 0.003
    """Lambda, at least 0: what a black pixel adds to the loss, in nats."""
    target: str | None = None
    """The class against the rest, NAME=CLASS,CLASS-CLASS; by default cat=281-285, with --quick seven=7."""

    def check(self) -> None:
        """Raises InputError if lambda is negative."""
        in_range("--lambda", self.penalty, 0)


class Size(NamedTuple):
    """What the full and the quick form differ in."""

    target: str
    capacity: int
    """Slots of a list."""
    margin: int
    """Pixels of the surround."""
    side: int = 64
    """Of the canvas that an ImageNet network sees, in pixels."""
    scale: float = 1.0
    """Generations, as a share of those of the full form."""

    def generations(self, full: int) -> int:
        """Those of this form; 0 stays 0."""
        return max(10, round(full * self.scale)) if full else 0


FULL = Size("cat=281-285", capacity=128, margin=12)
QUICK = Size("seven=7", capacity=64, margin=4, side=28, scale=0.02)


class Condition(NamedTuple):
    """What a run is under; the defaults are the account."""

    line: str
    generations: int = 500
    network: str = V1
    crossovers: tuple[str, ...] = tuple(CROSSOVERS)
    """One of them is drawn for each child that is crossed."""
    padding: Mode = "zero"
    surround: float | None = None
    """Grey level of a canvas around the image."""
    inverted: bool = False
    drift: bool = False
    """Fitness is drawn at random."""
    restricted: int = 0
    """Generations in the middle section, before the restriction is lifted."""


CONDITIONS: dict[str, Condition] = {
    "base": Condition("as the account has it"),
    "rectangle": Condition("rectangle swap alone", 200, crossovers=("rectangle",)),
    "columns": Condition("alternating columns alone", 200, crossovers=("columns",)),
    "list": Condition("list crossover alone", 200, crossovers=("list",)),
    "middle-first": Condition("the middle first, then everywhere", RESTRICTED + 300, restricted=RESTRICTED),
    "drift": Condition("random fitness", drift=True),
    "reflect": Condition("padding reflected", 300, padding="reflect"),
    "edge": Condition("padding replicated", 300, padding="edge"),
    "wrap": Condition("no border: a torus", 300, padding="wrap"),
    "white-surround": Condition("white surround", 300, surround=1.0),
    "grey-surround": Condition("grey surround", 300, surround=0.5),
    "black-paper": Condition("white pixels on black", 300, inverted=True),
    "v2-base": Condition("MobileNet v2", 100, V2),
    "v2-reflect": Condition("MobileNet v2, padding reflected", 100, V2, padding="reflect"),
    "v2-wrap": Condition("MobileNet v2, a torus", 100, V2, padding="wrap"),
    "v2-white-surround": Condition("MobileNet v2, white surround", 100, V2, surround=1.0),
}


def conditions(quick: bool) -> dict[str, Condition]:
    """Those of a form: LeNet neither pads nor is there a second network, so the quick form leaves them out, and
    each crossover alone, to be quick."""
    if not quick:
        return CONDITIONS
    return {
        name: each
        for name, each in CONDITIONS.items()
        if each.padding == "zero" and each.network == V1 and len(each.crossovers) > 1
    }
