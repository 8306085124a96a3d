"""What a peer is: a search that begins from a seed, goes on for so many rounds, and shows its image of each digit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

import numpy as np

GRADIENT_EVALUATIONS = 4
"""What a gradient of an image costs in evaluations, whoever computes it: what qdfool charges itself."""
RATE, ETA = 0.1, 15.0
"""Share of the genes that polynomial mutation changes, and its distribution index: the paper's."""
SIGMA_ISO, SIGMA_LINE = 0.03, 0.05
"""Of the line variation: of eleven pairs, sigma_iso of 0.02 to 0.1 and sigma_line of 0 to 0.2, the one by which QDax
was there after the fewest evaluations, median of seeds 0 to 2, every child offered to every class."""


class Search(Protocol):
    """One search from one seed."""

    def advance(self, rounds: int) -> int:
        """Goes on, waits for the end, and says how many evaluations that was; the first call's include the start's."""
        ...

    def images(self) -> np.ndarray:
        """The best image of each class so far, [K, H, W, C] float32 in [0, 1]; NaN where there is none."""
        ...


Begin = Callable[[int], Search]
"""From a seed to a search that has done nothing yet, or only made and scored what it begins with."""


@dataclass(frozen=True)
class Peer:
    """A way to search, in one form of it."""

    description: str
    batch_size: int
    """Images classified at a time."""
    packages: tuple[str, ...]
    """What it needs that qdfool does not."""
    prepare: Callable[[], Begin]
    """Imports the packages and builds what all seeds share; nothing before imports them."""

    def missing(self) -> tuple[str, ...]:
        """Packages that are not installed."""
        return tuple(name for name in self.packages if _version(name) is None)

    def versions(self) -> str:
        """Of its packages, as text; of qdfool's own ones the header has them."""
        return ", ".join(f"{name} {_version(name)}" for name in self.packages)


def found(classes: int, elites: Sequence[tuple[int, np.ndarray]], shape: tuple[int, int, int]) -> np.ndarray:
    """What `Search.images` returns, from the images that there are, each with its class."""
    images = np.full((classes, *shape), np.nan, np.float32)
    for number, image in elites:
        images[number] = np.asarray(image, np.float32).reshape(shape)
    return images


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
