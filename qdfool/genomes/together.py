"""A batch that is computed as one: by a function of all its members, not by that of one under `vmap`."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from qdfool.types import Array


def together(many: Callable[[Any], Array]) -> Callable[[Any], Array]:
    """Of a function of a batch, that of one: under `vmap` the batch is computed by the function itself.

    Args:
        many: a pytree of arrays with a leading axis to an array with one.
    """

    @jax.custom_batching.custom_vmap
    def one(each: Any) -> Array:
        return many(jax.tree.map(lambda leaf: leaf[None], each))[0]

    @one.def_vmap
    def _(size: int, batched: Any, batch: Any) -> tuple[Array, bool]:
        leaves, tree = jax.tree.flatten(batch)
        every = jax.tree.unflatten(
            tree,
            [
                leaf if along else jnp.broadcast_to(leaf, (size, *leaf.shape))
                for leaf, along in zip(leaves, jax.tree.leaves(batched), strict=True)
            ],
        )
        return many(every), True

    return one
