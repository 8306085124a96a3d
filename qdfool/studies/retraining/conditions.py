"""What is run: ways to fool, ways to retrain, and how large both forms of the study are."""

from typing import NamedTuple

from qdfool.config import Config
from qdfool.presets import preset

WAYS = {"pixels": "mnist-direct", "cppns": "mnist-cppn", "gradient": "mnist-gradient", "grid": "mnist-grid"}
"""A way to make fooling images to its preset."""
TESTS = {"pixels": "pixels", "cppns": "CPPNs", "gradient": "gradients"}
"""The ways that networks are tested against, and what a report calls them."""
DIGITS = 10
"""Classes of the network before it is retrained; the first of the fooling classes has this number."""
CLASSES = DIGITS + 1
"""Of what is evolved against: the digits, and all fooling classes together."""
MOST_FOOLING = 5
"""Fooling classes of a network, at most."""
BEFORE = "digits"
"""The network of round 0, which all defences begin with: it knows nothing of fooling images."""


class Defence(NamedTuple):
    """How a network is retrained: what it is shown, and what it is to say of that."""

    line: str
    """Its name in a report."""
    learns: str
    """Of `WAYS`: how the images that it learns from are made."""
    by_round: bool = False
    """Whether the images of each round become a class of their own, instead of one class together."""
    smoothing: float = 0.0
    """Share of every label that is spread over all classes."""
    nothing: bool = False
    """Whether "fooling" has no weights: its logit is 0, so that it is said where no digit has evidence. A third of the
    images is noise then."""
    anew: bool = False
    """Whether every network begins with new weights, instead of those of the round before."""


MAIN = ("pixels", "cppns")
"""The paper's experiment, with both encodings."""
DEFENCES = {
    "pixels": Defence("class n+1, of pixels", "pixels"),
    "cppns": Defence("class n+1, of CPPNs", "cppns"),
    "classes": Defence("a class for each round, of CPPNs", "cppns", by_round=True),
    "smoothing": Defence("class n+1 and smoothed labels, of CPPNs", "cppns", smoothing=0.1),
    "nothing": Defence('a logit that says "nothing", of CPPNs and noise', "cppns", nothing=True),
    "anew": Defence("class n+1 and new weights in each round, of CPPNs", "cppns", anew=True),
    "grid": Defence("class n+1, of whole grid archives", "grid"),
}
"""The paper's two, and what goes beyond it."""


class Size(NamedTuple):
    """How large the study is."""

    learned: int
    """Digits that networks learn from, the first of the training set."""
    epochs: int
    """Passes over them, of a network that begins with new weights."""
    learned_again: int
    """Digits that a network learns which goes on from the one before, in one pass; drawn anew in each round."""
    rounds: int
    """Of the paper's experiment."""
    fewer: int
    """Rounds of the other defences; of `MOST_FOOLING` at most."""
    tested: tuple[int, ...]
    """Rounds after which the paper's networks are tested against all of `TESTS`; round 0 always is."""
    others: tuple[str, ...]
    """The defences beyond the paper."""
    seeds_of_others: int
    """At most."""
    generations: dict[str, int]
    """Of the ways to fool but the grid."""
    grid_evaluations: int

    @property
    def defences(self) -> tuple[str, ...]:
        """Those that are run."""
        return (*MAIN, *self.others)

    def rounds_of(self, defence: str) -> int:
        """How often a defence retrains."""
        return self.rounds if defence in MAIN else self.fewer

    def ways(self, defence: str, number: int) -> tuple[str, ...]:
        """How the network of a round is fooled: first in the way that the next round learns from."""
        if number == 0:
            return tuple(dict.fromkeys([*TESTS, *(DEFENCES[name].learns for name in self.others)]))
        own = DEFENCES[defence].learns
        every = self.tested if defence in MAIN else (self.fewer,)
        return tuple(dict.fromkeys([own, *(TESTS if number in every else ())]))

    def config(self, way: str, seed: int) -> Config:
        """How images are evolved."""
        budget = (
            {"evaluations": self.grid_evaluations}
            if way == "grid"
            else {"generations": self.generations[way]}
        )
        # By gradients every class's elite is followed in each generation.
        batch = {"batch_size": CLASSES} if way == "gradient" else {}
        return preset(WAYS[way], seed=seed, **budget, **batch)


FULL = Size(
    learned=60_000,
    epochs=2,
    learned_again=30_000,
    rounds=15,
    fewer=5,
    tested=(1, 5, 15),
    others=("classes", "smoothing", "nothing", "anew", "grid"),
    seeds_of_others=1,
    generations={"pixels": 200, "cppns": 200, "gradient": 88},
    grid_evaluations=30_000,
)
QUICK = Size(
    learned=2_000,
    epochs=1,
    learned_again=1_000,
    rounds=2,
    fewer=2,
    tested=(1, 2),
    others=("classes", "nothing"),
    seeds_of_others=1,
    generations={"pixels": 5, "cppns": 5, "gradient": 2},
    grid_evaluations=1_500,
)
