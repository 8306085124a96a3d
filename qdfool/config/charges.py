"""What generations are charged, in evaluations: an image classified, and a gradient at what it costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Count = TypeVar("Count", int, np.ndarray)


@dataclass(frozen=True)
class Charges:
    """Stretches of generations that are charged alike: one, unless emitters take turns."""

    firsts: tuple[int, ...]
    """The generation that each stretch begins with, rising from 0."""
    costs: tuple[int, ...]
    """Evaluations that a generation of it is charged."""

    def of(self, generations: Count) -> Count:
        """Evaluations that so many generations are charged in all; of an array [T], each."""
        evaluations = generations * self.costs[0]
        for first, before, cost in zip(self.firsts[1:], self.costs, self.costs[1:], strict=False):
            evaluations = evaluations + (generations > first) * (generations - first) * (cost - before)
        return evaluations

    def affordable(self, evaluations: int) -> int:
        """Whole generations that so many evaluations pay for."""
        begun = [first for first in self.firsts if self.of(first) <= evaluations]
        return begun[-1] + (evaluations - self.of(begun[-1])) // self.costs[len(begun) - 1]


def charges_in_turn(costs: Sequence[int], turns: Sequence[int]) -> Charges:
    """Of emitters that breed one after another.

    Args:
        costs: what a generation of each is charged.
        turns: evaluations, rising, one fewer: each emitter but the first begins with the first generation that so many
            have been spent before.
    """
    firsts, spent = [0], 0
    for cost, turn in zip(costs, turns, strict=False):
        generations = max(0, -((spent - turn) // cost))
        spent += generations * cost
        firsts.append(firsts[-1] + generations)
    return Charges(tuple(firsts), tuple(costs))
