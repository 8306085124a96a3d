import tracemalloc
from typing import Any

import numpy as np
import pytest

from qdfool.config import Charges
from qdfool.engine.objectives import confidence
from qdfool.results.history import MOST_ROWS, MetricsLog, empty_history, extend, metrics
from qdfool.types import Record


def records(first: int, count: int) -> Record:
    generations = np.arange(first, first + count)
    rows: Any = {
        "fitness": np.stack([generations, -generations], axis=1).astype(np.float32),
        "updates": np.ones((count, 2), np.int32),
        "qd_score": generations.astype(np.float32),
        "coverage": np.full(count, 0.5, np.float32),
        "invalid": np.zeros(count, np.int32),
    }
    return Record(**rows)


def history(sizes):
    found, done = empty_history(2), 0
    for size in sizes:
        found = extend(found, records(done + 1, size), done + size)
        done += size
    return found


def test_a_short_history_has_every_generation():
    found = history([1, 9])
    np.testing.assert_array_equal(found.generation, np.arange(1, 11))
    np.testing.assert_array_equal(found.updates[:, 0], np.arange(1, 11))


def test_a_long_history_is_thinned_whatever_the_chunks():
    one, other = history([5000]), history([1, 1500, 3000, 499])
    for name in vars(one):
        np.testing.assert_array_equal(vars(one)[name], vars(other)[name])
    assert len(one.generation) <= MOST_ROWS + 1
    assert one.generation[0] == 1
    assert one.generation[-1] == 5000
    np.testing.assert_array_equal(one.fitness[:, 0], one.generation)
    np.testing.assert_array_equal(one.updates[:, 1], one.generation)
    assert one.last_updates.tolist() == [5000, 5000]


def test_confidence_of_log_odds():
    np.testing.assert_allclose(confidence(np.array([-np.inf, 0.0, np.log(9999.0), 1e4])), [0, 0.5, 0.9999, 1])


def test_metrics_count_classes_by_their_surest_elite():
    fitness = np.array([[0.0, 0, 0], [-np.inf, np.log(99.0) + 1e-3, np.log(9999.0) + 1e-3]], np.float32)
    row = metrics(records(1, 2)._replace(fitness=fitness), 12, Charges((0,), (10,)), spent=3.0, seconds=0.5)
    assert (row.classes_at_99, row.classes_at_9999) == (2, 1)
    assert row.min_confidence == 0
    assert row.evaluations == 120
    assert row.evaluations_per_second == 40
    assert row.updates == 4


def test_a_long_log_of_metrics_has_longer_chunks_and_the_same_sums(monkeypatch):
    monkeypatch.setattr("qdfool.results.history.MOST_METRICS", 8)
    log, charges = MetricsLog(), Charges((0,), (10,))
    for chunk in range(1, 24):
        spent = 0.5 * chunk**2
        log.append(metrics(records(2 * chunk - 1, 2), 2 * chunk, charges, spent, seconds=chunk - 0.5))
    generations = [0, *(row.generation for row in log)]
    assert generations == [0, 4, 12, 24, 40, 42, 44, 46]
    assert [row.updates for row in log] == (2 * np.diff(generations)).tolist()
    seconds = np.diff([0, *(row.seconds for row in log)])
    assert [row.evaluations_per_second for row in log] == pytest.approx(10 * np.diff(generations) / seconds)
    assert log[0].median_confidence == float(np.median(confidence(np.array([4.0, -4.0]))))


def test_a_log_of_metrics_has_its_rows_and_little_else():
    row = metrics(records(1, 2), 12, Charges((0,), (10,)), spent=3.0, seconds=0.5)
    log = MetricsLog([row])
    before = log[:]
    tracemalloc.start()
    for _ in range(10_000):
        log.append(row)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 150 * 10_000
    assert len(log) == 10_001
    assert log[-1] == row
    assert [type(value) for value in vars(log[-1]).values()] == [type(value) for value in vars(row).values()]
    # What was taken of it is a value.
    assert before == [row]
    assert log[:2] == (row, row)
    assert log != before
