"""One batch from several emitters: each breeds its rows, with a key and a state of its own, and is told of them."""

import jax
import jax.numpy as jnp
import numpy as np

from qdfool.engine.archive import empty
from qdfool.engine.emitters.mixed import mixed
from qdfool.types import Emitter, Outcome


def numbered(number, size):
    """Breeds its number, and remembers the keys and rows that it was given."""

    def emit(key, generation, state, elites, score):
        bits = jax.random.bits(key).astype(jnp.int32)
        return jnp.full((size, 1), number), jnp.full(size, number, jnp.int32), (bits, state[1])

    def update(state, elites, children, parents, outcome):
        return state[0], jnp.stack([children.sum(), parents.sum(), outcome.fitness.sum().astype(jnp.int32)])

    return Emitter(lambda genome: (jnp.int32(0), jnp.zeros(3, jnp.int32)), emit, update)


def test_each_has_its_rows():
    both = mixed([(numbered(1, 2), 2), (numbered(5, 3), 3)])
    elites = empty(jnp.zeros(1), 2, 1, 0)
    state = both.init(jnp.zeros(1))
    children, parents, state = both.emit(jax.random.key(0), jnp.int32(1), state, elites, None)
    np.testing.assert_array_equal(children[:, 0], [1, 1, 5, 5, 5])
    np.testing.assert_array_equal(parents, [1, 1, 5, 5, 5])
    assert int(state[0][0]) != int(state[1][0])
    fitness = jnp.arange(5.0)[:, None] * jnp.ones((5, 2))
    outcome = Outcome(fitness, jnp.zeros((5, 0)), jnp.zeros(5, jnp.int32), fitness)
    state = both.update(state, elites, children, parents, outcome)
    np.testing.assert_array_equal(state[0][1], [2, 2, 2 * (0 + 1)])
    np.testing.assert_array_equal(state[1][1], [15, 15, 2 * (2 + 3 + 4)])


def test_one_alone_is_itself():
    alone = numbered(1, 2)
    assert mixed([(alone, 2)]) is alone
