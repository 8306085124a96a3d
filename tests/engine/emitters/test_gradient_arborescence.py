"""Branches along gradients: checked by hand on a linear classifier and a linear measure, whose gradients are known."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from qdfool.engine.archive import empty
from qdfool.engine.emitters.gradient_arborescence import adapted_arborescence, random_arborescence
from qdfool.types import Encoding, Outcome

CLASSES, GRID, GENES, POINTS, POPULATION = 2, 3, 4, 2, 3
WEIGHTS = np.array([[1.0, -2.0], [0.5, 0.0], [0.0, 3.0], [2.0, 1.0]], np.float32)
"""[genes, K]"""
ALONG = np.array([0.0, 3.0, 4.0, 0.0], np.float32)
"""The gradient of the measure that is not constant."""
INFINITY = float("inf")


def score(images):
    return images.reshape(-1, GENES) @ WEIGHTS


def measure(image):
    """A linear one, and one that nothing changes, as where pixels are counted."""
    return jnp.array([image.ravel() @ ALONG, jnp.float32(0.5)])


def draw(genome):
    return genome.reshape(GENES, 1, 1)


ENCODING = Encoding(
    "toy",
    lambda key: jnp.zeros(GENES),
    draw,
    differentiable=draw,
    project=lambda genome: jnp.clip(genome, 0.0, 1.0),
)
SHAPE = jax.ShapeDtypeStruct((GENES,), jnp.float32)


class Memory(NamedTuple):
    mean: jax.Array
    ranks: jax.Array
    step: jax.Array


class Toy:
    """A strategy that remembers what it is told, and whose mean then is the best of its population."""

    def init(self, key, mean):
        return Memory(mean, jnp.full(POPULATION, -1, jnp.int32), jnp.float32(1.0))

    def ask(self, key, state):
        return state.mean + 0.1 * jax.random.normal(key, (POPULATION, 3)), state

    def tell(self, key, population, rank, state):
        return state._replace(mean=population[jnp.argmin(rank)], ranks=rank.astype(jnp.int32))

    def mean(self, state):
        return state.mean

    def step_size(self, state):
        return state.step


def adapted(strategy=None, rate=0.5):
    return adapted_arborescence(
        GRID,
        ENCODING,
        SHAPE,
        measure,
        strategy or Toy(),
        optax.sgd(rate),
        points=POINTS,
        population=POPULATION,
    )


def one_elite(cell):
    elites = empty(jnp.zeros(GENES), CLASSES, GRID, 2)
    return elites._replace(fitness=elites.fitness.at[cell].set(0.0), genome=elites.genome.at[cell].set(0.5))


def gradients_of(cell):
    """[3, genes], each of length 1, or nothing."""
    of_class = WEIGHTS[:, cell // GRID]
    return np.stack([of_class / np.linalg.norm(of_class), ALONG / 5, np.zeros(GENES)])


def outcome(gain, cells=(0, 1, 2) * 2, fitness=0.0):
    gain = jnp.stack([-jnp.array(gain, jnp.float32), jnp.array(gain, jnp.float32)], 1)
    return Outcome(jnp.full((6, CLASSES), fitness), jnp.zeros((6, 2)), jnp.array(cells), gain)


def begun(emitter, cell=4):
    state = emitter.init(jnp.zeros(GENES))
    return emitter.emit(jax.random.key(3), jnp.int32(1), state, one_elite(cell), score)


@pytest.mark.release
@pytest.mark.parametrize("cell", [1, 4])
def test_random_branches_lie_in_the_span_of_the_gradients_and_climb(cell):
    emitter = random_arborescence(GRID, ENCODING, SHAPE, measure, points=POINTS, population=50, sigma=0.05)
    children, parents, state = emitter.emit(jax.random.key(0), jnp.int32(1), (), one_elite(cell), score)
    assert (children.shape, state) == ((POINTS * 50, GENES), ())
    np.testing.assert_array_equal(parents, cell)
    gradients = gradients_of(cell)[:2]
    steps = np.asarray(children) - 0.5
    coefficients, *_ = np.linalg.lstsq(gradients.T, steps.T, rcond=None)
    np.testing.assert_allclose(gradients.T @ coefficients, steps.T, atol=1e-6)
    assert (coefficients[0] > 0).all()
    assert 30 < (coefficients[1] > 0).sum() < 70
    np.testing.assert_allclose(coefficients.std(axis=1), [0.05 * np.sqrt(1 - 2 / np.pi), 0.05], rtol=0.25)


def test_points_begin_at_elites_and_branch_by_what_the_strategy_asks():
    children, parents, state = begun(adapted())
    np.testing.assert_array_equal(parents, 4)
    np.testing.assert_array_equal(state.points, np.full((POINTS, GENES), 0.5))
    np.testing.assert_allclose(state.gradients, [gradients_of(4)] * POINTS, rtol=1e-6)
    branches = 0.5 + np.asarray(state.coefficients) @ gradients_of(4)
    np.testing.assert_allclose(children, branches.reshape(6, GENES), rtol=1e-5)
    assert len({row.tobytes() for row in np.asarray(children)}) == 6
    assert not np.asarray(state.restart).any()


def test_a_point_moves_to_where_its_best_children_lie():
    emitter = adapted(rate=0.5)
    children, parents, state = begun(emitter)
    after = emitter.update(state, one_elite(4), children, parents, outcome([0.1, 3.0, -1.0, 2.0, 0.5, 0.1]))
    np.testing.assert_array_equal(after.strategies.ranks, [[1, 0, 2], [0, 1, 2]])
    best = np.asarray(state.coefficients)[[0, 1], [1, 0]]
    np.testing.assert_allclose(after.points, 0.5 + 0.5 * best @ gradients_of(4), rtol=1e-5)
    assert not np.asarray(after.restart).any()
    # From there it goes on, in the class that it began in, whatever elites there are now.
    _, parents, further = emitter.emit(jax.random.key(4), jnp.int32(2), after, one_elite(1), score)
    np.testing.assert_array_equal(parents, 4)
    np.testing.assert_array_equal(further.points, after.points)


def test_a_point_stays_in_range():
    emitter = adapted(rate=1e3)
    children, parents, state = begun(emitter)
    after = emitter.update(state, one_elite(4), children, parents, outcome([1.0] * 6))
    assert 0 <= np.asarray(after.points).min() < np.asarray(after.points).max() <= 1


def test_a_point_of_whose_children_none_got_in_begins_anew():
    emitter = adapted()
    children, parents, state = begun(emitter)
    after = emitter.update(state, one_elite(4), children, parents, outcome([1.0, 0, 0, -1.0, -2.0, -0.5]))
    np.testing.assert_array_equal(after.restart, [False, True])
    _, parents, anew = emitter.emit(jax.random.key(4), jnp.int32(2), after, one_elite(1), score)
    np.testing.assert_array_equal(parents, [4] * 3 + [1] * 3)
    np.testing.assert_array_equal(anew.points[1], [0.5] * GENES)
    np.testing.assert_array_equal(anew.strategies.mean[1], [0.0] * 3)
    np.testing.assert_allclose(anew.gradients[1], gradients_of(1), rtol=1e-6)


@pytest.mark.parametrize("step", [0.0, float("nan")])
def test_a_point_whose_strategy_has_converged_begins_anew(step):
    class Converged(Toy):
        def tell(self, key, population, rank, state):
            return state._replace(step=jnp.float32(step))

    emitter = adapted(Converged())
    children, parents, state = begun(emitter)
    assert np.asarray(
        emitter.update(state, one_elite(4), children, parents, outcome([1.0] * 6)).restart
    ).all()


def test_the_first_generation_is_not_its_own():
    emitter = adapted()
    state = emitter.init(jnp.full(GENES, 0.25))
    after = emitter.update(
        state, one_elite(4), jnp.zeros((6, GENES)), jnp.full(6, -1), outcome([INFINITY] * 6)
    )
    assert np.asarray(after.restart).all()
    np.testing.assert_array_equal(after.points, state.points)
    np.testing.assert_array_equal(after.strategies.ranks, state.strategies.ranks)
