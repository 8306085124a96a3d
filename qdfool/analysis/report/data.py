"""What a page shows of a run: plain arrays and texts, any part of which may be missing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_ELITES = 20_000
"""Elites that a page has: past that, each class's best and then the highest."""


class TopClasses(NamedTuple):
    """The classes that a classifier is surest of, the surest first."""

    classes: NDArray[np.intp]
    """[n, 5] class indices; fewer columns where there are fewer classes."""
    log_odds: NDArray[np.float64]
    """[n, 5] of each."""

    def rows(self, some: NDArray[np.intp]) -> "TopClasses":
        """Those of some elites [m]."""
        return TopClasses(self.classes[some], self.log_odds[some])


@dataclass(frozen=True)
class EliteTable:
    """A row per elite, in the order of their cells."""

    images: Callable[[NDArray[np.intp]], NDArray[np.uint8]]
    """From rows [m] to images [m, H, W, C] uint8: all at once may be more than the memory holds."""
    cell: NDArray[np.intp]
    """[n], over all classes."""
    class_index: NDArray[np.intp]
    """[n]."""
    fitness: NDArray[np.float64]
    """[n] log-odds of its class."""
    birth_generation: NDArray[np.intp]
    """[n]."""
    parent_class: NDArray[np.intp]
    """[n], -1 where the parent is none."""
    num_replacements: NDArray[np.intp]
    """[n], how often its cell changed hands."""
    measures: NDArray[np.float64]
    """[n, M]."""
    top: TopClasses | None = None
    """What the classifier says of each; None where it was not asked."""

    def __len__(self) -> int:
        return len(self.cell)

    def shown(self, most: int = MOST_ELITES) -> NDArray[np.intp]:
        """[m] rows in the order in which a page is filled: the best of each class, of classes in turn, then the others
        from the highest down."""
        by_fitness = np.argsort(-self.fitness, kind="stable")
        _, first = np.unique(self.class_index[by_fitness], return_index=True)
        best = by_fitness[first]
        others = by_fitness[np.isin(by_fitness, best, invert=True)]
        return np.concatenate([best, others])[:most]

    def rows(self, some: NDArray[np.intp]) -> "EliteTable":
        """The elites of some rows [m]."""
        return EliteTable(
            images=lambda rows: self.images(some[rows]),
            cell=self.cell[some],
            class_index=self.class_index[some],
            fitness=self.fitness[some],
            birth_generation=self.birth_generation[some],
            parent_class=self.parent_class[some],
            num_replacements=self.num_replacements[some],
            measures=self.measures[some],
            top=None if self.top is None else self.top.rows(some),
        )


@dataclass(frozen=True)
class Grid:
    """The grid of a grid archive."""

    cells: tuple[int, int]
    ranges: tuple[tuple[float, float], tuple[float, float]]
    measures: tuple[str, str]


@dataclass(frozen=True)
class Growth:
    """How a run went. Confidences are over classes, each by its best elite, 0 where it has none."""

    evaluations: NDArray[np.float64]
    """[T] images scored so far, rising."""
    low: NDArray[np.float64]
    """[T] 5 % quantile of the confidence."""
    median: NDArray[np.float64]
    """[T]."""
    high: NDArray[np.float64]
    """[T] 95 % quantile."""
    lowest: NDArray[np.float64]
    """[T]."""
    qd_score: NDArray[np.float64]
    """[T]."""
    coverage: NDArray[np.float64]
    """[T], in [0, 1]."""
    fitness: NDArray[np.float64] | None = None
    """[T, K] best log-odds of each class, -inf while it has none; None where only the summary over classes is kept."""


@dataclass(frozen=True)
class Report:
    """Everything on a page."""

    title: str
    headline: str
    """What was found, in a sentence."""
    lede: str
    """One or two sentences that say how."""
    figures: Sequence[tuple[str, str]]
    """Labels and values of the few numbers that count."""
    class_names: Sequence[str]
    elites: EliteTable | None = None
    grid: Grid | None = None
    growth: Growth | None = None
    tables: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    """Title to rows: settings, versions."""
    command: str = ""
    """That makes the run again; empty where there is none."""
    command_note: str = ""
    """Why there is none, or what it needs."""
    notes: Sequence[str] = ()
    """What is missing, and why."""
