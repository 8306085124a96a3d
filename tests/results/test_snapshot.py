"""Results are values: they stay what they were when the run goes on, and nobody pays for what nobody keeps."""

from dataclasses import replace

import fake
import jax
import numpy as np
import pytest

import qdfool
from qdfool.results import snapshot
from qdfool.results.run import Run

NAMES = ("a", "b", "c", "d")


def told(audit, generations):
    for _ in range(generations):
        audit.tell(fake.host_logits(audit.ask()))
    return audit


def same(first, second):
    jax.tree.map(np.testing.assert_array_equal, first.elites, second.elites)
    jax.tree.map(np.testing.assert_array_equal, first.archive.data(), second.archive.data())
    np.testing.assert_array_equal(first.images(), second.images())


@pytest.mark.parametrize("archive", [pytest.param("class", marks=pytest.mark.slow), "grid"])
def test_a_result_stays_what_it_was(small, archive):
    config = replace(small, archive=archive, cells=(3, 3))
    audit = told(qdfool.AskTell(config, fake.SHAPE, NAMES), 2)
    result, elites, looked_at = audit.result(), audit.result().elites, audit.result()
    before = np.sort(looked_at.archive.data("objective"))
    told(audit, 10)
    assert not np.array_equal(np.sort(audit.result().archive.data("objective")), before)
    expected = told(qdfool.AskTell(config, fake.SHAPE, NAMES), 2).result()
    same(result, expected)
    same(looked_at, expected)
    jax.tree.map(np.testing.assert_array_equal, elites, expected.elites)


def test_what_on_chunk_saw_stays_what_it_was(small):
    seen = []
    last = qdfool.evolve(replace(small, generations=30), fake.classifier, on_chunk=seen.append)
    assert len(seen) > 1
    for result in seen:
        (row,) = np.flatnonzero(last.history.generation == result.generations)
        np.testing.assert_array_equal(result.elites.fitness, last.history.fitness[row])
        np.testing.assert_array_equal(
            np.sort(result.archive.data("objective")), np.sort(result.elites.fitness)
        )
    assert not np.array_equal(seen[0].elites.genome, last.elites.genome)


def test_only_what_is_kept_is_copied(small, monkeypatch):
    copied = []
    own = snapshot._own
    monkeypatch.setattr(snapshot, "_own", lambda leaf: copied.append(leaf.shape) or own(leaf))
    run = Run(small, fake.classifier)
    kept = None
    for _ in run.advance():
        run.result().summary()
        run.result().confidences()
        if kept is None:
            assert copied == []
            kept = run.result()
    assert len(copied) == len(jax.tree.leaves(run.state.elites))
    assert kept is not None
    assert kept.generations == 1
