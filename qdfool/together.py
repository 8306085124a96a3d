"""A batch that is computed as one: by a function of all its members, not by that of one under `vmap`."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from qdfool.types import Array


def together(many: Callable[[Any], Array]) -> Callable[[Any], Array]:
    """Of a function of a batch, that of one: under `vmap` the batch is computed by the function itself, and under one
    `vmap` within another all batches as one.

    Args:
        many: a pytree of arrays with a leading axis to an array with one.
    """

    @jax.custom_batching.custom_vmap
    def every(batch: Any) -> Array:
        return many(batch)

    @every.def_vmap
    def _(size: int, batched: Any, batch: Any) -> tuple[Array, bool]:
        found = every(as_one_batch(size, batched, batch))
        return found.reshape(size, found.shape[0] // size, *found.shape[1:]), True

    return lambda one: every(jax.tree.map(lambda leaf: leaf[None], one))[0]


def as_one_batch(size: int, batched: Any, batches: Any) -> Any:
    """Several batches as one, for the rule of a function under `vmap` (`jax.custom_batching.custom_vmap`).

    Args:
        size: how many batches there are.
        batched: a pytree of bool, which leaves have the axis of the batches.
        batches: leaves [size, B, ...], or [B, ...] where all batches have the same.

    Returns:
        Leaves [size x B, ...].
    """

    def joined(leaf: Array, along: bool) -> Array:
        leaf = leaf if along else jnp.broadcast_to(leaf, (size, *leaf.shape))
        return leaf.reshape(size * leaf.shape[1], *leaf.shape[2:])

    leaves, tree = jax.tree.flatten(batches)
    return tree.unflatten(map(joined, leaves, jax.tree.leaves(batched)))
