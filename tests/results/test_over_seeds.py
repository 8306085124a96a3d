"""What several seeds have in common."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qdfool.errors import InputError
from qdfool.results import history_file
from qdfool.results.history import empty_history, extend
from qdfool.results.over_seeds import COUNTS, RESAMPLES, SHARES, _series, intervals, numbers, summary
from qdfool.types import Record


def test_intervals_are_the_percentile_bootstrap_of_the_median():
    values = np.random.default_rng(1).normal(size=(15, 2))
    found = intervals([{"one": float(one), "two": float(two)} for one, two in values])
    for name, column in zip(("one", "two"), values.T, strict=True):
        draws = np.random.default_rng(2).integers(0, 15, (20 * RESAMPLES, 15))
        low, high = np.quantile(np.median(column[draws], axis=1), [0.025, 0.975])
        figure = found[name]
        assert figure["median"] == np.median(column)
        # The bounds are among the values, or halfway between two: within one rank of those drawn here.
        ranks = [np.sum(column <= bound) for bound in (low, figure["low"], high, figure["high"])]
        assert abs(ranks[0] - ranks[1]) <= 1
        assert abs(ranks[2] - ranks[3]) <= 1


def test_the_same_rows_give_the_same_intervals_and_equal_ones_a_point(monkeypatch):
    rows = [{"one": float(value), "same": 7.0} for value in (3, 1, 2, 5, 4)]
    found = intervals(rows)
    assert found == intervals(rows)
    monkeypatch.setattr("qdfool.results.over_seeds.AT_ONCE", 50)  # In parts, as of many seeds.
    assert found == intervals(rows)
    assert intervals(rows)["same"] == {"median": 7.0, "low": 7.0, "high": 7.0}


def test_a_single_seed_has_no_interval_and_none_has_no_figures():
    assert intervals([{"one": 2.0}]) == {"one": {"median": 2.0, "low": None, "high": None}}
    assert intervals([]) == {}
    assert list(intervals([{"one": 2.0, "two": 1.0}, {"one": 2.0}])) == ["one"]


def test_figures_are_the_numbers_that_a_seed_can_change():
    summary = {
        "classes": 10,
        "qd_score": 3,
        "ended_by": None,
        "whole": True,
        "cppn": {"nodes_most": 9, "nodes_cap": 64},
    }
    assert numbers(summary) == {"qd_score": 3.0, "cppn.nodes_most": 9.0}


def test_a_summary_from_anywhere_is_no_more_than_a_run_has(tmp_path):
    (tmp_path / "seed1").mkdir()
    path = tmp_path / "seed1" / "summary.json"
    path.write_text(json.dumps(dict.fromkeys((*COUNTS, *SHARES), 1))[:-1] + f', "huge": 1{"0" * 400}}}')
    figures = summary(tmp_path, [1], [1])["figures"]
    assert figures == {name: {"median": 1.0, "low": None, "high": None} for name in (*COUNTS, *SHARES)}
    for name, value in (
        ("evaluations", "many"),
        ("min_confidence", 2),
        ("seconds", -1),
        ("classes_at_99", None),
    ):
        path.write_text(json.dumps({**dict.fromkeys((*COUNTS, *SHARES), 1), name: value}))
        with pytest.raises(InputError, match=rf"summary\.json is damaged: expected numbers as .*; {name} is"):
            summary(tmp_path, [1], [1])
    path.write_text(json.dumps({"group": {str(number): number for number in range(101)}}))
    with pytest.raises(InputError, match=r"summary\.json is damaged: a run has at most 100 figures"):
        summary(tmp_path, [1], [1])


def test_curves_are_over_the_generations_that_all_have(tmp_path):
    """A longer history is thinner; both have the multiples of the larger stride."""
    for name, length in (("short", 600), ("long", 3000)):
        generation = jnp.arange(1, length + 1, dtype=jnp.float32)
        record = Record(
            fitness=jnp.stack([generation / 100, -generation / 100], axis=1),
            updates=jnp.zeros((length, 2), jnp.int32),
            qd_score=generation,
            coverage=jnp.ones(length, jnp.float32),
            invalid=jnp.zeros((length, 3), jnp.int32),
        )
        history_file.write(
            tmp_path / name, extend(empty_history(2), jax.tree.map(np.asarray, record), length)
        )
    generations, series = _series([tmp_path / "short", tmp_path / "long"], 2)
    assert generations.tolist() == [1, *range(4, 601, 4)]
    for values in series.values():
        np.testing.assert_array_equal(values[0], values[1])
    np.testing.assert_array_equal(series["qd_score"][0], generations)
