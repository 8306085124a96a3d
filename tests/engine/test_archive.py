"""The insert, against the paper's loop in plain Python: children one after another, strictly better wins."""

from typing import Any

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from qdfool.engine import archive
from qdfool.engine.archive import (
    Winners,
    all_at_once,
    compete,
    empty,
    few_at_a_time,
    insert,
    occupied,
    reward_parents,
)
from qdfool.types import Elites

BATCH, CLASSES, GRID = 13, 3, 4
LARGE = 20
"""Grid cells, more than children."""
INSERT, COMPETE = jax.jit(insert), jax.jit(compete)


def competing(*given) -> Winners:
    """In NumPy: every index into an array of JAX's would be compiled."""
    return jax.tree.map(np.asarray, COMPETE(*given))


def one_after_another(fitness, cell_index, incumbent, grid_cells):
    """For every cell, the child that ends up in it, or -1 where the incumbent stays."""
    best, holder = incumbent.copy(), np.full(len(incumbent), -1)
    for child in range(len(fitness)):
        for index in range(fitness.shape[1]):
            cell = index * grid_cells + cell_index[child]
            if fitness[child, index] > best[cell]:
                best[cell], holder[cell] = fitness[child, index], child
    return holder


# Few values, so that there are many ties; -inf stands for an invalid child and an empty cell.
FITNESS = st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0])


def arrays(shape, elements):
    size = int(np.prod(shape))
    return st.lists(elements, min_size=size, max_size=size).map(lambda x: np.array(x).reshape(shape))


@settings(max_examples=100, deadline=None)
@given(
    grid_cells=st.sampled_from([1, GRID, LARGE]),
    fitness=arrays((BATCH, CLASSES), FITNESS),
    cell_index=arrays((BATCH,), st.integers(0, LARGE - 1)),
    incumbent=arrays((CLASSES * LARGE,), FITNESS),
)
def test_the_winners_are_those_of_children_one_after_another(grid_cells, fitness, cell_index, incumbent):
    fitness, incumbent = fitness.astype(np.float32), incumbent[: CLASSES * grid_cells].astype(np.float32)
    cell_index = cell_index % grid_cells
    winners = competing(fitness, cell_index.astype(np.int32), incumbent)
    expected = one_after_another(fitness, cell_index, incumbent, grid_cells)
    found = np.full(len(incumbent), -1)
    found[winners.cell[winners.won]] = winners.child[winners.won]
    np.testing.assert_array_equal(found, expected)
    assert (np.diff(winners.cell[winners.won]) > 0).all()


def challengers(generation: int) -> Elites:
    """NumPy leaves."""
    tag = np.arange(BATCH, dtype=np.int32) + 100 * generation
    noise = np.random.default_rng(generation).normal(size=(BATCH, CLASSES))
    leaves: dict[str, Any] = {
        "genome": {"a": tag.astype(np.float32), "b": np.stack([tag, -tag], axis=1)},
        "fitness": (noise + generation).astype(np.float32),
        "measures": np.stack([tag, 2 * tag], axis=1).astype(np.float32),
        "birth_generation": tag,
        "parent_class": tag,
        "num_replacements": np.zeros(BATCH, np.int32),
        "curiosity": np.ones(BATCH, np.float32),
    }
    return Elites(**leaves)


@pytest.mark.parametrize(
    ("formulation", "most", "most_bytes"),
    [
        pytest.param(few_at_a_time, archive.MOST_AT_ONCE, archive.BYTES_AT_ONCE, marks=pytest.mark.release),
        (few_at_a_time, 2, archive.BYTES_AT_ONCE),
        (few_at_a_time, archive.MOST_AT_ONCE, 1),
        (all_at_once, 0, 0),
    ],
)
@pytest.mark.parametrize("grid_cells", [1, GRID, LARGE])
def test_every_leaf_of_an_elite_comes_from_one_child(formulation, most, most_bytes, grid_cells, monkeypatch):
    monkeypatch.setattr(archive, "MOST_AT_ONCE", most)
    monkeypatch.setattr(archive, "BYTES_AT_ONCE", most_bytes)
    # A function of its own: what is compiled depends on the two numbers.
    write = jax.jit(lambda *given: formulation(*given))
    elites = empty(jax.tree.map(lambda leaf: leaf[0], challengers(0).genome), CLASSES, grid_cells, 2)
    losers = 0
    for generation in range(1, 5):
        children, before = challengers(generation), elites
        cell_index = (np.arange(BATCH, dtype=np.int32) * (1 + generation % 2)) % grid_cells
        winners = competing(children.fitness, cell_index, elites.fitness)
        class_index = winners.cell // grid_cells
        elites = jax.tree.map(np.asarray, write(before, children, winners, class_index))
        jax.tree.map(np.testing.assert_array_equal, elites, INSERT(before, children, winners))
        changed = np.zeros(CLASSES * grid_cells, bool)
        changed[winners.cell[winners.won]] = True
        losers += (~changed).sum()
        np.testing.assert_array_equal(elites.num_replacements - before.num_replacements, changed)
        jax.tree.map(
            lambda now, then, changed=changed: np.testing.assert_array_equal(now[~changed], then[~changed]),
            elites,
            before,
        )
        won = winners.won
        np.testing.assert_array_equal(
            elites.fitness[winners.cell[won]], children.fitness[winners.child[won], class_index[won]]
        )
    assert losers > 0 or grid_cells == 1
    there = np.asarray(occupied(elites.fitness))
    elites = jax.tree.map(lambda leaf: leaf[there], elites)
    tag = np.asarray(elites.birth_generation)
    assert (tag >= 400).any()
    assert (tag > 0).all()
    np.testing.assert_array_equal(elites.genome["a"], tag)
    np.testing.assert_array_equal(elites.genome["b"], np.stack([tag, -tag], axis=1))
    np.testing.assert_array_equal(elites.measures, np.stack([tag, 2 * tag], axis=1))
    np.testing.assert_array_equal(elites.parent_class, tag)
    for row, cell in enumerate(np.flatnonzero(there)):
        generation, child = divmod(int(tag[row]), 100)
        assert elites.fitness[row] == challengers(generation).fitness[child, cell // grid_cells]
    assert (np.asarray(elites.curiosity) == 0).all()
    assert (np.asarray(elites.num_replacements) >= 1).all()


def test_nothing_changes_without_a_winner():
    children = challengers(1)
    before = empty(jax.tree.map(lambda leaf: leaf[0], children.genome), CLASSES, GRID, 2)
    cells = jnp.arange(CLASSES * GRID, dtype=jnp.int32)
    after = insert(before, children, Winners(cells, jnp.zeros_like(cells), jnp.zeros_like(cells, bool)))
    jax.tree.map(np.testing.assert_array_equal, before, after)


def test_curiosity_rewards_parents_of_children_that_entered():
    parents = jnp.array([2, 2, 0, -1], jnp.int32)
    winner = jnp.array([0, 1, 3], jnp.int32)
    won = jnp.array([True, False, True])
    curiosity = reward_parents(jnp.zeros(3), parents, winner, won)
    # Child 0 entered (+1 for cell 2), child 1 did not (-0.5), child 2 did not (-0.5 for cell 0).
    np.testing.assert_array_equal(curiosity, [-0.5, 0.0, 0.5])


def test_an_empty_archive_says_so():
    elites = empty({"a": jnp.ones(2), "b": jnp.int32(7)}, CLASSES, GRID, 2)
    cells = CLASSES * GRID
    assert not np.asarray(occupied(elites.fitness)).any()
    assert elites.genome["a"].shape == (cells, 2)
    assert elites.genome["b"].dtype == jnp.int32
    assert elites.measures.shape == (cells, 2)
    assert np.isnan(elites.measures).all()
    np.testing.assert_array_equal(elites.birth_generation, np.full(cells, -1))
    np.testing.assert_array_equal(elites.parent_class, np.full(cells, -1))
    np.testing.assert_array_equal(elites.num_replacements, np.zeros(cells))
    np.testing.assert_array_equal(elites.curiosity, np.zeros(cells))


def test_occupied_is_all_but_minus_infinity():
    fitness = jnp.array([-np.inf, -3e38, 0.0, np.inf, np.nan], np.float32)
    for same in (fitness, np.asarray(fitness)):
        np.testing.assert_array_equal(occupied(same), [False, True, True, True, False])


def test_every_replacement_is_counted():
    children = challengers(1)
    elites = empty(jax.tree.map(lambda leaf: leaf[0], children.genome), CLASSES, 1, 2)
    for generation in range(1, 4):
        better = challengers(1)._replace(fitness=children.fitness + generation)
        elites = INSERT(elites, better, compete(better.fitness, jnp.zeros(BATCH, jnp.int32), elites.fitness))
        np.testing.assert_array_equal(elites.num_replacements, np.full(CLASSES, generation))
