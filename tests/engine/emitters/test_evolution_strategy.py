"""Strategies between archive and children: which child ranks where, who begins anew, what thresholds become."""

from dataclasses import replace
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qdfool.engine.archive import empty
from qdfool.engine.emitters.evolution_strategy import evolution_strategy
from qdfool.types import Encoding, Outcome

CLASSES, GRID, GENES, STRATEGIES, POPULATION = 2, 3, 4, 2, 3
INFINITY = float("inf")


class Memory(NamedTuple):
    mean: jax.Array
    ranks: jax.Array
    step: jax.Array
    told: jax.Array


class Toy:
    """A strategy that remembers what it is told."""

    def init(self, key, mean):
        return Memory(mean, jnp.full(POPULATION, -1, jnp.int32), jnp.float32(1.0), jnp.int32(0))

    def ask(self, key, state):
        return state.mean + 0.4 * jax.random.normal(key, (POPULATION, GENES)), state

    def tell(self, key, population, rank, state):
        return state._replace(ranks=rank.astype(jnp.int32), told=state.told + 1)

    def mean(self, state):
        return state.mean

    def step_size(self, state):
        return state.step


ENCODING = Encoding(
    "toy",
    lambda key: jnp.zeros(GENES),
    lambda genome: genome,
    project=lambda genome: jnp.clip(genome, 0.0, 1.0),
)


def made(ranking: Literal["improvement", "annealed"] = "improvement", strategy: Any = None):
    """Compiled as a whole, because every operation by itself takes longer."""
    emitter = evolution_strategy(
        CLASSES * GRID,
        GRID,
        ENCODING,
        jnp.zeros(GENES),
        strategy or Toy(),
        strategies=STRATEGIES,
        population=POPULATION,
        ranking=ranking,
        threshold=-1.0,
        learning_rate=0.5,
    )
    return replace(emitter, emit=jax.jit(emitter.emit), update=jax.jit(emitter.update))


def one_elite(cell=4):
    elites = empty(jnp.zeros(GENES), CLASSES, GRID, 2)
    return elites._replace(fitness=elites.fitness.at[cell].set(0.0), genome=elites.genome.at[cell].set(0.25))


def outcome(fitness, gain, cells):
    """Of class 1, the class of the elite in cell 4; the other class says the opposite."""
    fitness, gain = np.array(fitness, np.float32), np.array(gain, np.float32)
    return Outcome(
        jnp.stack([-fitness, fitness], 1), jnp.zeros((6, 2)), jnp.array(cells), jnp.stack([-gain, gain], 1)
    )


def begun(emitter, elites):
    state = emitter.init(jnp.zeros(GENES))
    return emitter.emit(jax.random.key(3), jnp.int32(1), state, elites, None)


@pytest.mark.release
def test_strategies_begin_at_elites_and_children_are_in_range():
    emitter = made()
    children, parents, state = begun(emitter, one_elite())
    assert children.shape == (6, GENES)
    np.testing.assert_array_equal(parents, 4)
    np.testing.assert_array_equal(state.strategies.mean, np.full((2, GENES), 0.25, np.float32))
    raw = np.asarray(state.populations).reshape(6, GENES)
    assert raw.min() < 0
    np.testing.assert_array_equal(children, np.clip(raw, 0, 1))
    assert len({row.tobytes() for row in raw}) == 6
    assert not np.asarray(state.restart).any()


def test_empty_cells_come_first_then_improvements_then_the_others():
    emitter, elites = made(), one_elite()
    children, parents, state = begun(emitter, elites)
    # The first strategy: a small gain, a cell filled badly, a great gain. The second: nothing but losses.
    told = outcome(
        [9.0, -5.0, 1.0, 0.0, 1.0, 2.0], [0.1, INFINITY, 3.0, -3.0, -1.0, -2.0], [0, 1, 2, 0, 0, 0]
    )
    state = emitter.update(state, elites, children, parents, told)
    np.testing.assert_array_equal(state.strategies.ranks, [[2, 0, 1], [2, 0, 1]])
    np.testing.assert_array_equal(state.restart, [False, True])
    # Only the second begins anew; the first goes on with what it was told.
    _, parents, after = emitter.emit(jax.random.key(4), jnp.int32(2), state, one_elite(cell=1), None)
    np.testing.assert_array_equal(after.strategies.told, [1, 0])
    np.testing.assert_array_equal(parents, [4, 4, 4, 1, 1, 1])


def test_filled_cells_rank_by_their_log_odds():
    emitter, elites = made(), one_elite()
    children, parents, state = begun(emitter, elites)
    told = outcome([-2.0, 5.0, 1.0] * 2, [INFINITY] * 6, [0, 1, 2] * 2)
    state = emitter.update(state, elites, children, parents, told)
    np.testing.assert_array_equal(state.strategies.ranks, [[2, 0, 1]] * 2)


def test_a_child_that_is_not_valid_is_the_last():
    emitter, elites = made(), one_elite()
    children, parents, state = begun(emitter, elites)
    fitness, gain = [-INFINITY, 5.0, 1.0] * 2, [-INFINITY, 0.5, -2.0] * 2
    told = outcome(fitness, gain, [0, 1, 2] * 2)._replace(fitness=jnp.stack([jnp.array(fitness)] * 2, 1))
    state = emitter.update(state, elites, children, parents, told)
    np.testing.assert_array_equal(state.strategies.ranks, [[2, 0, 1]] * 2)


def test_the_first_generation_is_not_its_own():
    emitter, elites = made("annealed"), one_elite()
    state = emitter.init(jnp.zeros(GENES))
    told = outcome([5.0] * 6, [INFINITY] * 6, [0] * 6)
    after = emitter.update(state, elites, jnp.zeros((6, GENES)), jnp.full(6, -1), told)
    assert np.asarray(after.restart).all()
    assert not np.asarray(after.strategies.told).any()
    np.testing.assert_array_equal(after.threshold, state.threshold)


def test_thresholds_follow_what_exceeds_them():
    """k children that exceed a threshold t move it to (1 - a)^k t + (1 - (1 - a)^k) times their mean."""
    emitter, elites = made("annealed"), one_elite()
    children, parents, state = begun(emitter, elites)
    told = outcome([2.0, 4.0, -3.0, 0.0, -1.0, -2.0], [0.0] * 6, [0, 0, 0, 2, 2, 2])
    state = emitter.update(state, elites, children, parents, told)
    of_class_1 = np.asarray(state.threshold).reshape(CLASSES, GRID)[1]
    np.testing.assert_allclose(of_class_1, [0.25 * -1 + 0.75 * 3, -1.0, 0.5 * -1 + 0.5 * 0.0])
    # Ranked over the thresholds as they were; improvements over elites do not count, so none begins anew.
    np.testing.assert_array_equal(state.strategies.ranks, [[1, 0, 2], [0, 1, 2]])
    assert not np.asarray(state.restart).any()


@pytest.mark.parametrize("step", [0.0, INFINITY, float("nan")])
def test_a_strategy_that_has_converged_begins_anew(step):
    class Converged(Toy):
        def tell(self, key, population, rank, state):
            return state._replace(step=jnp.float32(step))

    emitter, elites = made("annealed", Converged()), one_elite()
    children, parents, state = begun(emitter, elites)
    told = outcome([2.0, 4.0, -3.0, 0.0, -1.0, -2.0], [1.0] * 6, [0, 0, 0, 2, 2, 2])
    assert np.asarray(emitter.update(state, elites, children, parents, told).restart).all()
