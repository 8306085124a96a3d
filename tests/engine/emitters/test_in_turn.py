"""Emitters one after another: who breeds when, and who is told of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qdfool.engine.archive import empty
from qdfool.engine.emitters.in_turn import in_turn
from qdfool.types import Emitter, Outcome


def counted(number):
    """Breeds its number, and counts the children that it is told of."""
    return Emitter(
        lambda genome: jnp.zeros(2, jnp.int32),
        lambda key, generation, state, elites, score: (
            jnp.full((3, 1), number),
            jnp.full(3, number, jnp.int32),
            state + jnp.array([1, 0]),
        ),
        lambda state, elites, children, parents, outcome: (
            state + jnp.array([0, 1]) * (children == number).all()
        ),
    )


@pytest.mark.parametrize(
    ("firsts", "order", "bred"),
    [
        ((0, 2, 5), (0, 1, 2), [1, 1, 5, 5, 5, 9, 9]),
        ((0, 2, 2), (0, 1, 2), [1, 1, 9, 9]),
        ((0, 1, 2, 4), (1, 0, 1, 2), [5, 1, 5, 5, 9]),
    ],
)
def test_each_breeds_when_its_turn_is_and_is_told_of_its_own(firsts, order, bred):
    emitter = in_turn([counted(1), counted(5), counted(9)], firsts, order)
    elites, state = empty(jnp.zeros(1), 2, 1, 0), emitter.init(jnp.zeros(1))
    outcome = Outcome(jnp.zeros((3, 2)), jnp.zeros((3, 0)), jnp.zeros(3, jnp.int32), jnp.zeros((3, 2)))
    emit, seen = jax.jit(emitter.emit, static_argnums=4), []
    for generation in range(len(bred)):
        children, parents, state = emit(jax.random.key(0), jnp.int32(generation), state, elites, None)
        state = emitter.update(state, elites, children, parents, outcome)
        seen.append(int(children[0, 0]))
    assert seen == bred
    for number, own in zip((1, 5, 9), state[1], strict=True):
        np.testing.assert_array_equal(own, [bred.count(number)] * 2)
