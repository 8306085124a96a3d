"""Every selection draws occupied cells only, as often as its definition says."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdfool.operators import selection
from qdfool.types import Elites

SELECTIONS = {
    "uniform": selection.uniform,
    "fitness_proportional": selection.fitness_proportional,
    "tournament": selection.tournament,
    "ranking": selection.ranking,
    "curiosity": selection.curiosity,
}
INFINITY = float("inf")
QUICK = settings(max_examples=40, deadline=None)


def make_elites(fitness, curiosity=None):
    fitness = jnp.asarray(fitness, jnp.float32)
    cells = fitness.shape[0]
    return Elites(
        genome=jnp.zeros((cells, 2, 2, 1)),
        fitness=fitness,
        measures=jnp.zeros((cells, 0)),
        birth_generation=jnp.zeros(cells, jnp.int32),
        parent_class=jnp.zeros(cells, jnp.int32),
        changes=jnp.zeros(cells, jnp.int32),
        curiosity=jnp.zeros(cells) if curiosity is None else jnp.asarray(curiosity, jnp.float32),
    )


def assert_shares(operator, elites, weights, size=40_000):
    """The cells come up in proportion to the weights, within five standard deviations of a binomial."""
    expected = np.asarray(weights, float) / np.sum(weights)
    cells = np.asarray(operator(jax.random.key(3), elites, size))
    shares = np.bincount(cells, minlength=len(expected)) / size
    assert (np.abs(shares - expected) <= 5 * np.sqrt(expected * (1 - expected) / size)).all()


@pytest.mark.parametrize("operator", SELECTIONS.values(), ids=SELECTIONS)
def test_contract(operator):
    elites = make_elites([-INFINITY, -3.0, 2.0, -INFINITY, 0.5], [0.0, 1.0, -0.5, 7.0, 2.0])
    select = jax.jit(operator, static_argnums=2)
    cells = select(jax.random.key(0), elites, 500)
    assert cells.shape == (500,)
    assert cells.dtype == jnp.int32
    assert set(np.unique(cells)) <= {1, 2, 4}
    np.testing.assert_array_equal(select(jax.random.key(0), elites, 500), cells)
    assert (select(jax.random.key(1), elites, 500) != cells).any() or operator is selection.tournament


@QUICK
@given(
    name=st.sampled_from(sorted(SELECTIONS)),
    fitness=st.lists(st.one_of(st.just(-INFINITY), st.floats(-300, 300, width=32)), min_size=1, max_size=40),
    scale=st.sampled_from([0.0, 1e-30, 1.0, 1e30]),
    seed=st.integers(0, 2**32 - 1),
)
def test_empty_cells_are_never_drawn(name, fitness, scale, seed):
    fitness = np.array([*fitness, -250.0, -INFINITY], np.float32)[: len(fitness) + seed % 3]
    if np.isneginf(fitness).all():
        fitness[seed % len(fitness)] = -200.0
    curiosity = scale * np.cos(np.arange(len(fitness)) + seed % 100)
    cells = SELECTIONS[name](jax.random.key(seed), make_elites(fitness, curiosity), 64)
    assert (fitness[np.asarray(cells)] > -INFINITY).all()


@pytest.mark.parametrize("operator", SELECTIONS.values(), ids=SELECTIONS)
def test_single_occupied_cell_is_always_drawn(operator):
    for cell in (0, 2, 4):
        fitness = np.full(5, -INFINITY)
        fitness[cell] = -80.0
        assert (operator(jax.random.key(0), make_elites(fitness), 50) == cell).all()


@pytest.mark.parametrize("extreme", [0.0, 1.0 - 2.0**-24, 1.0])
def test_extremes_of_the_draw_are_occupied_cells(monkeypatch, extreme):
    rng = np.random.default_rng(0)
    fitness = np.where(rng.random(4000) < 0.5, rng.normal(0, 5, 4000), -INFINITY)
    fitness[[0, -1]] = -INFINITY
    monkeypatch.setattr(jax.random, "uniform", lambda key, shape: jnp.full(shape, extreme))
    for operator in (selection.fitness_proportional, selection.curiosity):
        (cell,) = np.asarray(operator(jax.random.key(0), make_elites(fitness, rng.normal(size=4000)), 1))
        assert fitness[cell] > -INFINITY


def test_uniform_shares():
    assert_shares(selection.uniform, make_elites([5.0, -INFINITY, -70.0, 0.0]), [1, 0, 1, 1])


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
