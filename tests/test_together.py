"""A batch that is computed as one is so under any number of `vmap`s."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from qdfool.together import together


class Pair(NamedTuple):
    """Two arrays, or where they have an axis."""

    first: Any
    second: Any


def test_all_batches_are_one():
    """Also where a part is the same for all of one axis, or of both."""
    seen: list[tuple[int, ...]] = []

    def many(pair: Pair) -> jax.Array:
        seen.append(pair.first.shape)
        assert pair.first.shape[0] == pair.second.shape[0]
        return pair.first.sum(1) * pair.second

    one = together(many)
    first, second = jnp.arange(24.0).reshape(2, 3, 4), jnp.arange(1.0, 4.0)
    assert one(Pair(first[0, 0], second[0])) == 6.0
    inner = jax.vmap(one)
    np.testing.assert_array_equal(inner(Pair(first[0], second)), first[0].sum(1) * second)
    both = jax.vmap(inner, in_axes=(Pair(0, None),))
    np.testing.assert_array_equal(both(Pair(first, second)), first.sum(2) * second)
    outer = jax.vmap(jax.vmap(one, in_axes=(Pair(0, None),)), in_axes=(Pair(0, None),))
    np.testing.assert_array_equal(outer(Pair(first, second[2])), first.sum(2) * 3.0)
    # A function is traced for a single member before it is batched.
    assert {shape[0] for shape in seen} == {1, 3, 6}
    assert seen[-1] == (6, 4)
