"""Children uphill: checked by hand on a linear classifier, whose gradient is known."""

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax

from qdfool.engine.archive import empty
from qdfool.engine.emitters.gradient_ascent import gradient_ascent
from qdfool.engine.selection import lowest
from qdfool.types import Encoding

WEIGHTS = jnp.array([[1.0, -2.0], [0.5, 0.0], [0.0, 3.0]])
"""[genes, K]"""
GRID = 2


def score(images):
    return images.reshape(-1, 3) @ WEIGHTS


def project(genome):
    return {"x": jnp.clip(genome["x"], 0.0, 1.0), "kind": genome["kind"]}


def draw(genome):
    return genome["x"].reshape(3, 1, 1)


ENCODING = Encoding(
    "toy", lambda key: {"x": jnp.zeros(3), "kind": jnp.int32(0)}, draw, differentiable=draw, project=project
)


def filled(fitness):
    """An archive of two classes and two grid cells, its genomes numbered by their cells."""
    elites = empty({"x": jnp.zeros(3), "kind": jnp.int32(0)}, 2, GRID, 2)
    genome = {"x": jnp.full((4, 3), 0.5), "kind": jnp.arange(4, dtype=jnp.int32)}
    return elites._replace(genome=genome, fitness=jnp.array(fitness))


def emitted(elites, size=2, steps=3, sigma=0.0, rate=0.05, regularise=None, lengths=1):
    settings: dict[str, Any] = {"lengths": lengths} if regularise is None else {"regularise": regularise}
    emitter = gradient_ascent(
        size, GRID, ENCODING, lowest, optax.sgd(rate), steps=steps, sigma=sigma, **settings
    )
    children, parents, state = jax.jit(lambda key: emitter.emit(key, jnp.int32(1), (), elites, score))(
        jax.random.key(0)
    )
    assert state == ()
    return children, np.asarray(parents)


def test_each_child_climbs_in_the_class_of_its_cell():
    children, parents = emitted(filled([2.0, 0.0, 3.0, 1.0]))
    assert parents.tolist() == [1, 3]
    # Cell 1 is of class 0, cell 3 of class 1. Three steps of 0.05 along the class's weights.
    expected = 0.5 + 3 * 0.05 * np.asarray(WEIGHTS.T)
    np.testing.assert_allclose(children["x"], expected, rtol=1e-6)
    np.testing.assert_array_equal(children["kind"], [1, 3])


def test_genes_stay_in_their_range():
    children, _ = emitted(filled([2.0, 0.0, 3.0, 1.0]), rate=10.0)
    np.testing.assert_array_equal(children["x"], [[1.0, 1.0, 0.5], [0.0, 0.5, 1.0]])


def test_an_elite_that_is_selected_twice_is_not_followed_twice():
    fitness = [0.0, -np.inf, -np.inf, -np.inf]
    same, _ = emitted(filled(fitness), size=3)
    np.testing.assert_array_equal(same["x"][0], same["x"][1])
    apart, parents = emitted(filled(fitness), size=3, sigma=0.01)
    assert parents.tolist() == [0, 0, 0]
    assert len({row.tobytes() for row in np.asarray(apart["x"])}) == 3


def test_a_regulariser_sees_every_step_and_the_gradient_uphill():
    def regularise(number, genome, gradient):
        return {**genome, "x": genome["x"] + jnp.where(number == 2, gradient["x"], 0.0)}

    children, _ = emitted(filled([2.0, 0.0, 3.0, 1.0]), rate=0.01, regularise=regularise)
    expected = np.clip(0.5 + (3 * 0.01 + 1) * np.asarray(WEIGHTS.T), 0, 1)
    np.testing.assert_allclose(children["x"], expected, rtol=1e-6)


def test_children_on_one_way_are_each_a_quarter_as_far_and_have_one_parent():
    children, parents = emitted(filled([2.0, 0.0, 3.0, 1.0]), size=6, lengths=3)
    assert parents.tolist() == [1, 3] * 3
    way = 3 * 0.05 * np.asarray(WEIGHTS.T)
    expected = np.concatenate([0.5 + way, 0.5 + way / 4, 0.5 + way / 16])
    np.testing.assert_allclose(children["x"], expected, rtol=1e-6)
    np.testing.assert_array_equal(children["kind"], parents)


def test_a_rule_is_told_what_it_descends():
    """The negative log-odds of each child's class, before the step."""

    def update(updates, state, params=None, *, value):
        return jax.tree.map(lambda part: 0 * part - 0.1 * value, updates), state

    rule: Any = optax.GradientTransformationExtraArgs(lambda params: (), cast(Any, update))
    emitter = gradient_ascent(2, GRID, ENCODING, lowest, rule, steps=1, sigma=0.0)
    elites = filled([2.0, 0.0, 3.0, 1.0])
    children, _, _ = emitter.emit(jax.random.key(0), jnp.int32(1), (), elites, score)
    # Of cells 1 and 3, of classes 0 and 1: half the sum of the weights.
    expected = 0.5 + 0.1 * 0.5 * np.asarray(WEIGHTS).sum(axis=0)
    np.testing.assert_allclose(children["x"], np.repeat(expected[:, None], 3, axis=1), rtol=1e-6)
