"""The one clock that all peers are measured by.

A search goes on in stretches of about `Budget.interval` seconds. Between two of them the clock stands, and its images
are judged by one network, qdfool's LeNet, in the same way for everybody. So a figure is late by a stretch at most, and
looking costs a peer nothing. What a search does before its first stretch (images to begin with) is on the clock too;
compilation is not, and is measured apart with a search that is thrown away.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from benchmarks.peers.search import Begin, Search

Judge = Callable[[np.ndarray], np.ndarray]
"""Images [K, H, W, C] to the confidence [K] float64 that each is of its own class; 0 where there is none (NaN)."""
Clock = Callable[[], float]


@dataclass(frozen=True)
class Budget:
    """How long a search may take, and when it is looked at."""

    seconds: float
    """On the clock (> 0); a search ends with the stretch that exceeds them."""
    interval: float
    """Seconds of a stretch (> 0); a round that is longer is a stretch."""
    least: float
    """Seconds (>= 0) that a search goes on for at least, so that its rate is of more than a moment."""


@dataclass
class Row:
    """One search. What was never reached within the budget is None."""

    peer: str
    seed: int
    batch_size: int
    """Images classified at a time."""
    evaluations_per_second: float
    evaluations: int
    """In all; a gradient counts as four."""
    seconds: float
    """In all, without compilation."""
    compile_seconds: float
    """What the first round took longer than a later first round, once for all seeds of a peer."""
    budget_seconds: float
    evaluations_to_median_99: int | None = None
    seconds_to_median_99: float | None = None
    evaluations_to_all_99: int | None = None
    seconds_to_all_99: float | None = None
    evaluations_to_median_9999: int | None = None
    seconds_to_median_9999: float | None = None
    evaluations_to_all_9999: int | None = None
    seconds_to_all_9999: float | None = None
    never: list[int] = field(default_factory=list)
    """Classes whose image is below 99.99 % at the end."""
    versions: str = ""
    """Of the peer's packages."""


TARGETS: dict[str, Callable[[np.ndarray], bool]] = {
    "median_99": lambda sure: bool(np.median(sure) >= 0.99),
    "all_99": lambda sure: bool(sure.min() >= 0.99),
    "median_9999": lambda sure: bool(np.median(sure) >= VERY_SURE),
    "all_9999": lambda sure: bool(sure.min() >= VERY_SURE),
}
"""What is to be reached, of the confidences of all classes."""
VERY_SURE = 0.9999


def compile_seconds(begin: Begin, clock: Clock = time.perf_counter) -> float:
    """What the first round of a process takes longer than the first round of another search; warms up as well."""
    taken = []
    for seed in (0, 1):
        begun = clock()
        begin(seed).advance(1)
        taken.append(clock() - begun)
    return max(0.0, taken[0] - taken[1])


def measure(
    peer: str,
    batch_size: int,
    begin: Begin,
    seed: int,
    compiled: float,
    budget: Budget,
    judge: Judge,
    clock: Clock = time.perf_counter,
) -> Row:
    """One search from its seed until all classes are at 99.99 %, or the budget is spent.

    Args:
        peer: its name.
        batch_size: of the peer.
        begin: makes the search.
        seed: of it.
        compiled: seconds that compilation took.
        budget: when to look, and when to end.
        judge: of the images.
        clock: seconds.
    """
    began = clock()
    search = begin(seed)
    row = Row(peer, seed, batch_size, 0.0, 0, clock() - began, compiled, budget.seconds)
    rounds, sure = 1, np.zeros(1)
    while row.seconds < budget.seconds and (row.seconds < budget.least or row.seconds_to_all_9999 is None):
        taken = _stretch(row, search, rounds, clock)
        rounds = max(1, round(rounds * budget.interval / max(taken, 1e-9)))
        sure = judge(search.images())
        _note(row, sure)
    row.evaluations_per_second = row.evaluations / row.seconds
    row.never = [number for number, one in enumerate(sure) if one < VERY_SURE]
    return row


def _stretch(row: Row, search: Search, rounds: int, clock: Clock) -> float:
    began = clock()
    row.evaluations += search.advance(rounds)
    taken = clock() - began
    row.seconds += taken
    return taken


def _note(row: Row, sure: np.ndarray) -> None:
    for target, reached in TARGETS.items():
        if getattr(row, f"seconds_to_{target}") is None and reached(sure):
            setattr(row, f"seconds_to_{target}", row.seconds)
            setattr(row, f"evaluations_to_{target}", row.evaluations)
