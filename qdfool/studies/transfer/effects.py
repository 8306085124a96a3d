"""What came of it, counted: how much of what fools one network fools another, seed by seed."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from qdfool.engine.objectives import confidence
from qdfool.studies.study import Figures
from qdfool.studies.transfer.conditions import Several
from qdfool.studies.transfer.networks import Network

SURE = 0.9999
"""Confidence from which on a network counts as sure, as in the paper."""
LEAST = 0.5
"""Stated confidence: images of which their own network is less sure are left out of some counts."""


class Shares(NamedTuple):
    """What of the images evolved against network I also holds for network J, by seed: each [S, I, J]."""

    same: np.ndarray
    """Share that both call what they were evolved to be, in [0, 1]."""
    sure: np.ndarray
    """Share of which both are at least 99.99 % sure."""
    confidence: np.ndarray
    """Mean confidence of network J."""

    def mean(self, pairs: Sequence[tuple[int, int]]) -> "Shares":
        """The mean over pairs of networks (I, J), by seed: each [S]."""
        rows, columns = zip(*pairs, strict=True)
        return Shares._make(part[:, rows, columns].mean(axis=1) for part in self)


def shares(figures: Figures, least: float = 0.0) -> Shares:
    """Those of a matrix.

    Args:
        figures: `log_odds` and `first` [I, S, J, n], `classes` [I, S, n].
        least: counts only images of which the network that they were evolved against is at least so sure; NaN where
            there is none.
    """
    own = np.arange(len(figures["classes"]))
    right = figures["first"] == figures["classes"][:, :, None]
    confidences = confidence(figures["log_odds"])
    enough = confidences[own, :, own] >= least  # [I, S, n]
    sure = confidences >= SURE

    def share(of: np.ndarray) -> np.ndarray:
        weight = enough[:, :, None]
        with np.errstate(invalid="ignore"):
            return np.moveaxis((of * weight).sum(axis=-1) / weight.sum(axis=-1), 0, 1)

    def of_both(of: np.ndarray) -> np.ndarray:
        return share(of & of[own, :, own][:, :, None])

    return Shares(of_both(right), of_both(sure), share(confidences))


def counted(figures: Figures, least: float) -> np.ndarray:
    """[I, S] images of a matrix of which their own network is at least so sure."""
    own = np.arange(len(figures["classes"]))
    return (confidence(figures["log_odds"])[own, :, own] >= least).sum(axis=-1)


def directions(networks: Sequence[Network]) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """The pairs of different networks (I, J) of a matrix, by the kinds of both."""
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for row, one in enumerate(networks):
        for column, other in enumerate(networks):
            if row != column:
                found.setdefault((one.kind, other.kind), []).append((row, column))
    return found


class Outcome(NamedTuple):
    """What images evolved against an ensemble came to, by seed: each [S]."""

    members: np.ndarray
    """Mean confidence of its members."""
    all_sure: np.ndarray
    """Share of the images of which all members are at least 99.99 % sure."""
    held_same: np.ndarray
    """Share that all members and a LeNet held out call what they were evolved to be."""
    held_sure: np.ndarray
    """Share of which all members and a LeNet held out are at least 99.99 % sure."""
    held: np.ndarray
    """Mean confidence of LeNets held out."""
    others_same: np.ndarray
    """As `held_same`, of networks of another architecture."""
    others_sure: np.ndarray
    others: np.ndarray


MEASURES = {
    "members": "confidence of the members",
    "all_sure": "all members >= 99.99 %",
    "held_same": "LeNets held out: called the same",
    "held_sure": "both >= 99.99 %",
    "held": "confidence",
    "others_same": "small ResNets: called the same",
    "others_sure": "both >= 99.99 %",
    "others": "confidence",
}
"""The columns of `Outcome`, as a report has them."""


def outcome(figures: Figures) -> Outcome:
    """Of an ensemble's figures [S, networks, n]."""
    classes = figures["classes"][:, None]
    sure = {name: confidence(figures[name]) for name in ("members", "held", "others")}
    all_sure = (sure["members"] >= SURE).all(axis=1, keepdims=True)
    all_right = (figures["members_first"] == classes).all(axis=1, keepdims=True)

    def mean(of: ArrayLike) -> np.ndarray:
        return np.asarray(of, np.float64).mean(axis=(1, 2))

    def shown_to(group: str) -> list[np.ndarray]:
        right = all_right & (figures[f"{group}_first"] == classes)
        return [mean(right), mean(all_sure & (sure[group] >= SURE)), mean(sure[group])]

    return Outcome(mean(sure["members"]), mean(all_sure), *shown_to("held"), *shown_to("others"))


def gains(
    outcomes: Mapping[tuple[str, Several], Outcome], measure: str
) -> dict[tuple[str, Several], np.ndarray]:
    """[S] by how much a measure of each ensemble is above that of one network of the same encoding and seed."""
    single = {
        encoding: getattr(of, measure) for (encoding, kind), of in outcomes.items() if kind.members == 1
    }
    return {
        (encoding, kind): getattr(of, measure) - single[encoding]
        for (encoding, kind), of in outcomes.items()
        if kind.members > 1
    }
