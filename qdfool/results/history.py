"""What a run was like: metrics of its chunks, and a history of its generations, both thinned."""

import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from typing import get_type_hints, overload

import numpy as np

from qdfool.config import Charges
from qdfool.engine.objectives import confidence
from qdfool.types import Record

MOST_ROWS = 1024
"""Rows that a history keeps: past that, every second one is dropped."""
MOST_METRICS = 1 << 14
"""At so many rows of metrics, those that end in the same of half as many equal spans of generations become one."""
SURE, VERY_SURE = 0.99, 0.9999
"""The confidences that the paper counts classes at."""


@dataclass(frozen=True)
class Metrics:
    """Where a run stands after a chunk. Confidences are of each class's best elite, 0 where it has none."""

    generation: int
    """Generations completed."""
    evaluations: int
    """Images classified, and gradients in what they cost."""
    seconds: float
    """Seconds of evolution, compilation not counted, over all resumes."""
    evaluations_per_second: float
    """Of this chunk."""
    median_confidence: float
    min_confidence: float
    low_confidence: float
    """5 % quantile."""
    high_confidence: float
    """95 % quantile."""
    classes_at_99: int
    """Classes with a confidence of 99 % or more."""
    classes_at_9999: int
    """Classes with a confidence of 99.99 % or more."""
    qd_score: float
    """Sum of the confidence over all cells."""
    coverage: float
    """Share of the cells that are occupied."""
    updates: int
    """Cells that changed hands in this chunk."""


class MetricsLog(Sequence[Metrics]):
    """The metrics of all chunks, in a quarter of the memory of as many `Metrics`.

    Past `MOST_METRICS` rows, one is that of several chunks as if they were one, so that neither the memory nor the file
    of a run of any length grows without end. A run that goes on from a checkpoint may lack the row of its last chunk,
    where that was part of a longer one already.
    """

    def __init__(self, rows: Iterable[Metrics] = ()) -> None:
        """Begins with these rows."""
        kinds = get_type_hints(Metrics)
        self._columns = [array.array("q" if kinds[field.name] is int else "d") for field in fields(Metrics)]
        for row in rows:
            self.append(row)

    def append(self, row: Metrics) -> None:
        """Adds the row of the chunk that came last."""
        for column, value in zip(self._columns, astuple(row), strict=True):
            column.append(value)
        if len(self) >= MOST_METRICS:
            self._thin()

    def _thin(self) -> None:
        names = [field.name for field in fields(Metrics)]
        every = dict(zip(names, map(np.array, self._columns), strict=True))
        ends, spans = every["generation"], MOST_METRICS // 2
        span = np.ceil(ends * (spans / ends[-1]))
        last = np.flatnonzero(np.diff(span, append=np.inf))
        rows = {name: column[last] for name, column in every.items()}
        rows["updates"] = np.diff(np.cumsum(every["updates"])[last], prepend=0)
        evaluations, seconds = (np.diff(rows[name], prepend=0) for name in ("evaluations", "seconds"))
        rows["evaluations_per_second"] = evaluations / np.maximum(seconds, 1e-9)
        for column, name in zip(self._columns, names, strict=True):
            column[:] = array.array(column.typecode, rows[name].tolist())

    def tuples(self) -> Iterator[tuple[int | float, ...]]:
        """The values of each row, in the order of the fields of `Metrics`: many times faster than the rows."""
        return zip(*self._columns, strict=True)

    def __len__(self) -> int:
        return len(self._columns[0])

    @overload
    def __getitem__(self, index: int) -> Metrics: ...
    @overload
    def __getitem__(self, index: slice) -> "MetricsLog": ...
    def __getitem__(self, index: int | slice) -> "Metrics | MetricsLog":
        if not isinstance(index, slice):
            return Metrics(*(column[index] for column in self._columns))
        part = MetricsLog()
        part._columns = [column[index] for column in self._columns]
        return part

    def __repr__(self) -> str:
        return f"<{len(self):,} rows of metrics>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)


def metrics(records: Record, generation: int, charges: Charges, spent: float, seconds: float) -> Metrics:
    """The metrics after a chunk.

    Args:
        records: of the chunk, NumPy leaves [T, ...].
        generation: generations completed after it.
        charges: what generations are charged.
        spent: seconds of evolution in all.
        seconds: of the chunk.
    """
    best = confidence(records.fitness[-1])
    low, median, high = np.quantile(best, [0.05, 0.5, 0.95])
    return Metrics(
        generation=generation,
        evaluations=charges.of(generation),
        seconds=spent,
        evaluations_per_second=(charges.of(generation) - charges.of(generation - len(records.invalid)))
        / max(seconds, 1e-9),
        median_confidence=float(median),
        min_confidence=float(best.min()),
        low_confidence=float(low),
        high_confidence=float(high),
        classes_at_99=int((best >= SURE).sum()),
        classes_at_9999=int((best >= VERY_SURE).sum()),
        qd_score=float(records.qd_score[-1]),
        coverage=float(records.coverage[-1]),
        updates=int(np.asarray(records.updates).sum()),
    )


@dataclass(frozen=True)
class History:
    """Per-generation records, thinned evenly so that a run of any length fits."""

    generation: np.ndarray
    """[T] int32, generations completed at each row: the first, and multiples of a power of two."""
    fitness: np.ndarray
    """[T, K] float32, best log-odds of each class; -inf while it has no elite."""
    updates: np.ndarray
    """[T, K] int32, cells of the class that changed hands since the run began."""
    qd_score: np.ndarray
    """[T] float32, sum of the confidence over all cells."""
    coverage: np.ndarray
    """[T] float32, share of the cells occupied."""
    last_updates: np.ndarray
    """[K] int32, as `updates`, after the last generation recorded, kept as a row or not."""


def empty_history(classes: int) -> History:
    """A history without rows."""
    none = np.zeros((0, classes))
    return History(
        generation=np.zeros(0, np.int32),
        fitness=none.astype(np.float32),
        updates=none.astype(np.int32),
        qd_score=np.zeros(0, np.float32),
        coverage=np.zeros(0, np.float32),
        last_updates=np.zeros(classes, np.int32),
    )


def extend(history: History, records: Record, generation: int) -> History:
    """The history with a chunk's records, thinned. Depends on the generations alone, not on the chunks.

    Args:
        history: until now.
        records: of the chunk, NumPy leaves [T, ...].
        generation: generations completed after the chunk.
    """
    count = len(records.invalid)
    generations = np.arange(generation - count + 1, generation + 1, dtype=np.int32)
    updates = history.last_updates + np.cumsum(records.updates, axis=0, dtype=np.int32)
    rows = History(
        generation=np.concatenate([history.generation, generations]),
        fitness=np.concatenate([history.fitness, records.fitness]),
        updates=np.concatenate([history.updates, updates]),
        qd_score=np.concatenate([history.qd_score, records.qd_score]),
        coverage=np.concatenate([history.coverage, records.coverage]),
        last_updates=updates[-1],
    )
    stride = 1
    while generation // stride > MOST_ROWS:
        stride *= 2
    kept = (rows.generation % stride == 0) | (rows.generation == 1)
    return History(
        rows.generation[kept],
        rows.fitness[kept],
        rows.updates[kept],
        rows.qd_score[kept],
        rows.coverage[kept],
        rows.last_updates,
    )
