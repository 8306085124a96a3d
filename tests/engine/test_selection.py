"""Every selection draws occupied cells only, as often as its definition says."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdfool.engine import selection
from qdfool.types import Elites

SELECTIONS = {
    "uniform": selection.uniform,
    "fitness_proportional": selection.fitness_proportional,
    "tournament": selection.tournament,
    "ranking": selection.ranking,
    "curiosity": selection.curiosity,
    "lowest": selection.lowest,
    "unsure": selection.unsure,
}
COMPILED = {name: jax.jit(operator, static_argnums=2) for name, operator in SELECTIONS.items()}
INFINITY = float("inf")
QUICK = settings(max_examples=60, deadline=None)


def make_elites(fitness, curiosity=None):
    fitness = np.asarray(fitness, np.float32)
    cells = len(fitness)
    curiosity = np.zeros(cells) if curiosity is None else curiosity
    whole = jnp.asarray(np.zeros(cells, np.int32))
    return Elites(
        genome=jnp.asarray(np.zeros((cells, 2, 2, 1), np.float32)),
        fitness=jnp.asarray(fitness),
        measures=jnp.asarray(np.zeros((cells, 0), np.float32)),
        birth_generation=whole,
        parent_class=whole,
        num_replacements=whole,
        curiosity=jnp.asarray(np.asarray(curiosity, np.float32)),
    )


def assert_shares(operator, elites, weights, size=40_000):
    """The cells come up in proportion to the weights, within five standard deviations of a binomial."""
    expected = np.asarray(weights, float) / np.sum(weights)
    select = jax.jit(operator, static_argnums=2)
    cells = np.asarray(select(jax.random.key(3), elites, size))
    shares = np.bincount(cells, minlength=len(expected)) / size
    assert (np.abs(shares - expected) <= 5 * np.sqrt(expected * (1 - expected) / size)).all()


@pytest.mark.parametrize("name", SELECTIONS)
def test_contract(name):
    elites = make_elites([-INFINITY, -3.0, 2.0, -INFINITY, 0.5], [0.0, 1.0, -0.5, 7.0, 2.0])
    select = COMPILED[name]
    cells = np.asarray(select(jax.random.key(0), elites, 500))
    assert cells.shape == (500,)
    assert cells.dtype == np.int32
    assert set(cells) <= {1, 2, 4}
    np.testing.assert_array_equal(select(jax.random.key(0), elites, 500), cells)
    # A tournament of 20 among three is won by one and the same nearly always, and the lowest draw nothing.
    differs = (np.asarray(select(jax.random.key(1), elites, 500)) != cells).any()
    assert differs or name in ("tournament", "lowest")


@QUICK
@given(
    name=st.sampled_from(sorted(SELECTIONS)),
    occupied=st.lists(st.booleans(), min_size=12, max_size=12).filter(any),
    fitness=st.lists(st.floats(-300, 300, width=32), min_size=12, max_size=12),
    curiosity=st.lists(st.floats(-1, 1, width=32), min_size=12, max_size=12),
    scale=st.sampled_from([0.0, 1e-30, 1.0, 1e30]),
    seed=st.integers(0, 2**32 - 1),
)
def test_empty_cells_are_never_drawn(name, occupied, fitness, curiosity, scale, seed):
    fitness = np.where(occupied, fitness, -INFINITY)
    elites = make_elites(fitness, scale * np.array(curiosity))
    cells = np.asarray(COMPILED[name](jax.random.key(seed), elites, 64))
    assert (fitness[cells] > -INFINITY).all()


@pytest.mark.parametrize("name", SELECTIONS)
@pytest.mark.parametrize("cell", [0, 2, 4])
def test_single_occupied_cell_is_always_drawn(name, cell):
    fitness = np.full(5, -INFINITY)
    fitness[cell] = -80.0
    assert (np.asarray(COMPILED[name](jax.random.key(0), make_elites(fitness), 50)) == cell).all()


@pytest.mark.parametrize("operator", [selection.fitness_proportional, selection.curiosity])
def test_extremes_of_the_draw_are_occupied_cells(monkeypatch, operator):
    rng = np.random.default_rng(0)
    fitness = np.where(rng.random(4000) < 0.5, rng.normal(0, 5, 4000), -INFINITY)
    fitness[[0, -1]] = -INFINITY
    extremes = jnp.array([0.0, 1.0 - 2.0**-24, 1.0])
    monkeypatch.setattr(jax.random, "uniform", lambda key, shape, dtype: extremes)
    # A function of its own, so that no other test meets what is compiled here.
    select = jax.jit(lambda key, elites: operator(key, elites, 3))
    cells = np.asarray(select(jax.random.key(0), make_elites(fitness, rng.normal(size=4000))))
    occupied = np.nonzero(fitness > -INFINITY)[0]
    assert cells[0] == occupied[0]
    assert set(cells) <= set(occupied)


def test_uniform_shares():
    assert_shares(selection.uniform, make_elites([5.0, -INFINITY, -70.0, 0.0]), [1, 0, 1, 1])


@pytest.mark.parametrize(
    "cells",
    [
        1,
        150,
        *(
            pytest.param(n, marks=pytest.mark.release)
            for n in (selection.BLOCK - 1, selection.BLOCK, 2 * selection.BLOCK)
        ),
    ],
)
def test_every_occupied_cell_is_drawn_and_no_other(cells):
    """Of archives that blocks divide, and of others."""
    fitness = np.where(np.random.default_rng(cells).random(cells) < 0.5, 0.0, -INFINITY)
    fitness[-1] = 0.0
    drawn = selection.uniform(jax.random.key(0), make_elites(fitness), 4000)
    np.testing.assert_array_equal(np.unique(drawn), np.flatnonzero(fitness > -INFINITY))


def test_fitness_proportional_shares():
    fitness = np.array([0.0, 2.0, -INFINITY, -3.0, 40.0])
    assert_shares(selection.fitness_proportional, make_elites(fitness), 1 / (1 + np.exp(-fitness)))


def test_fitness_proportional_does_not_underflow():
    # exp(-500) is 0 in float32, and 0 / 0 would follow.
    fitness = np.array([-500.0, -INFINITY, -501.0])
    assert_shares(selection.fitness_proportional, make_elites(fitness), [1, 0, np.exp(-1)])


def test_tournament_shares():
    # The best of t draws among n is of rank r (1 is the worst) with probability (r^t - (r - 1)^t) / n^t.
    weights = np.diff(np.arange(5.0) ** 3)
    elites = make_elites([3.0, 1.0, -INFINITY, 2.0, 4.0])
    assert_shares(
        partial(selection.tournament, tournament_size=3), elites, [*weights[[2, 0]], 0, *weights[[1, 3]]]
    )


@pytest.mark.release
def test_tournament_of_equals_is_uniform():
    assert_shares(selection.tournament, make_elites([1.0, 1.0, -INFINITY, 1.0]), [1, 1, 0, 1])


def test_tournament_of_one_is_uniform():
    elites = make_elites([1.0, 9.0, -INFINITY])
    assert_shares(partial(selection.tournament, tournament_size=1), elites, [1, 1, 0])


def test_ranking_shares():
    # Equals: the later cell ranks higher.
    assert_shares(selection.ranking, make_elites([9.0, -INFINITY, -4.0, -4.0, 8.0]), [4, 0, 1, 2, 3])


def test_curiosity_shares():
    elites = make_elites([0.0, 0.0, -INFINITY, 0.0], [-1.0, 1.0, 50.0, 3.0])
    assert_shares(selection.curiosity, elites, [0.04, 2.04, 0, 4.04])
    assert_shares(partial(selection.curiosity, least=1.0), elites, [4, 6, 0, 8])


def test_equal_curiosity_is_uniform():
    elites = make_elites([0.0, 1.0, -INFINITY, 2.0], [-2.5, -2.5, 0.0, -2.5])
    assert_shares(selection.curiosity, elites, [1, 1, 0, 1])


def test_defaults_are_the_published_ones():
    elites, key = make_elites([3.0, 1.0, 2.0, 4.0, 0.0] * 8, np.arange(40.0)), jax.random.key(0)
    twenty = jax.jit(partial(selection.tournament, size=300, tournament_size=20))(key, elites)
    np.testing.assert_array_equal(COMPILED["tournament"](key, elites, 300), twenty)
    hundredth = jax.jit(partial(selection.curiosity, size=300, least=0.01))(key, elites)
    np.testing.assert_array_equal(COMPILED["curiosity"](key, elites, 300), hundredth)


def test_the_lowest_come_one_after_the_other():
    elites = make_elites([-INFINITY, -3.0, 2.0, -INFINITY, 0.5, -3.0])
    select = COMPILED["lowest"]
    assert np.asarray(select(jax.random.key(0), elites, 3)).tolist() == [1, 5, 4]
    assert np.asarray(select(jax.random.key(0), elites, 6)).tolist() == [1, 5, 4, 2, 1, 5]


def test_unsure_takes_each_of_those_below_in_turn_and_all_where_none_is():
    below = [1, 3, 5]
    elites = make_elites([12.0, 0.0, 9.22, -4.0, -INFINITY, 9.2])  # 99.99 % is 9.2102
    orders = set()
    for seed in range(20):
        cells = np.asarray(COMPILED["unsure"](jax.random.key(seed), elites, 7)).tolist()
        assert sorted(cells[:3]) == sorted(cells[3:6]) == below
        assert cells[6] == cells[0]
        orders.add(tuple(cells[:3]))
    assert len(orders) > 3
    certain = make_elites([12.0, 9.22, -INFINITY])
    assert sorted(np.asarray(COMPILED["unsure"](jax.random.key(0), certain, 2)).tolist()) == [0, 1]
