"""How large the study is, and what images are evolved against: single networks, and ensembles of them."""

from typing import NamedTuple

from qdfool.config import Config
from qdfool.presets import preset
from qdfool.studies.transfer.ensembles import RULES

LARGE = 64 * 64
"""Images of more pixels than this are evolved as CPPNs alone: pixels would need more evaluations than there are."""
BATCH = 64
"""Children a generation of large images; of small ones it is the presets'."""


class Size(NamedTuple):
    """What the full and the quick form differ in."""

    training_images: int
    lenets: int
    """In the matrix."""
    resnets: int
    """In the matrix; they are also shown what ensembles of LeNets are fooled by."""
    evaluations: int
    members: tuple[int, ...]
    """Numbers of networks in an ensemble, rising, from 1."""
    held_out: int
    """LeNets that are in no ensemble of a seed."""
    large_evaluations: int
    """Of large images."""
    large_seeds: int
    """Seeds of large images, at most."""


FULL = Size(60_000, 5, 2, 20_000, (1, 2, 4, 8), 2, 12_800, 3)
QUICK = Size(1_000, 2, 1, 1_000, (1, 2), 1, 128, 2)


def encodings(image_shape: tuple[int, int, int], size: Size) -> dict[str, Config]:
    """How images of a shape are evolved, by the name of the encoding."""
    if image_shape[0] * image_shape[1] > LARGE:
        return {"CPPNs": preset("imagenet-cppn", evaluations=size.large_evaluations, batch_size=BATCH)}
    return {
        "pixels": preset("mnist-direct", evaluations=size.evaluations),
        "CPPNs": preset("mnist-cppn", evaluations=size.evaluations),
    }


class Several(NamedTuple):
    """An ensemble that images are evolved against."""

    rule: str
    """Of `RULES`: what of the log-odds of its members its own are."""
    members: int

    @property
    def line(self) -> str:
        """Its name in a report."""
        return f"{self.rule} of {self.members}" if self.members > 1 else "one network"


def several(rule: str, members: int) -> Several:
    """The ensemble of a rule and so many members; of one, all rules are the same."""
    return Several(rule if members > 1 else next(iter(RULES)), members)


def ensembles(size: Size) -> list[Several]:
    """Those of a size, one network first."""
    return list(dict.fromkeys(several(rule, members) for members in size.members for rule in RULES))


def parted(seed: int, size: Size, members: int) -> tuple[list[int], list[int]]:
    """The members of an ensemble, and the LeNets that are held out of all ensembles of a seed, by their numbers.

    A larger ensemble has all the members of a smaller one. With every seed others are held out, until all have been.
    """
    pool = size.members[-1] + size.held_out
    order = [(size.held_out * seed + place) % pool for place in range(pool)]
    return order[:members], order[size.members[-1] :]
