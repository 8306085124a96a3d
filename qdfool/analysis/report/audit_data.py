"""What the page of an audit shows: plain arrays and texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class WayRow:
    """One way that images of nothing were looked for."""

    name: str
    """For which audit.css has a colour."""
    title: str
    line: str
    score: str
    median: str
    certain: str
    links: Sequence[tuple[str, str]]
    """Texts and addresses, relative to the page, of the pages of its runs."""


@dataclass(frozen=True)
class Picture:
    """An image of nothing."""

    way: str
    """Title of the way that it was found by."""
    confidence: str
    image: NDArray[np.uint8] | None
    """[H, W, C]; None where there is none."""


@dataclass(frozen=True)
class Curves:
    """How high each way's median stood, between chance at 0 and 99.99 % at 1, over seeds."""

    evaluations: NDArray[np.float64]
    """[T]."""
    heights: Mapping[str, NDArray[np.float64]]
    """[S, T] of each way by its name."""
    ticks: Sequence[tuple[float, str]]
    """Heights, and the confidences that they stand for."""


@dataclass(frozen=True)
class Shares:
    """What thresholds on the confidence would do."""

    nines: NDArray[np.float64]
    """[T] of the thresholds, rising."""
    passing: NDArray[np.float64]
    """[T] share of the images of nothing that pass."""
    lost: NDArray[np.float64] | None
    """[T] share of the real ones that do not; None where there are none."""


@dataclass(frozen=True)
class AuditReport:
    """Everything on the page of an audit."""

    title: str
    headline: str
    lede: str
    figures: Sequence[tuple[str, str]]
    notes: Sequence[str]
    ways: Sequence[WayRow]
    curves: Curves
    worst: Sequence[tuple[str, str, Sequence[Picture]]]
    """Name and score of the classes of the highest score, with an image by each way."""
    class_head: Sequence[str]
    class_rows: Sequence[Sequence[str]]
    """Of each class its name, score and confidences, as `class_head` says."""
    classes_note: str
    threshold_rows: Sequence[tuple[str, str, str]]
    """Confidence, share of the images of nothing that pass, share of the real ones that are lost."""
    thresholds_note: str
    shares: Shares
    next_steps: Sequence[tuple[str, str]]
    """Sentences, and the command for each, empty where there is none."""
    command: str
    tables: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
