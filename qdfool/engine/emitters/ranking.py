"""Which of a strategy's children are good ones, and where a strategy begins anew: shared by those that adapt."""

from typing import Any

import jax
import jax.numpy as jnp

from qdfool.engine.archive import occupied
from qdfool.types import Array

SMALLEST_STEP = 1e-10
"""A strategy whose step size falls below it has converged, and begins anew."""


def in_own_class(values: Array, classes: Array) -> Array:
    """Of each child what it is worth in the class of its strategy.

    Args:
        values: [S x P, K] of the children of S strategies, one strategy after another.
        classes: [S] int32, the class of each strategy.

    Returns:
        [S, P].
    """
    by_strategy = values.reshape(classes.shape[0], -1, values.shape[1])
    return jnp.take_along_axis(by_strategy, classes[:, None, None], axis=2)[:, :, 0]


def improvement(fitness: Array, gain: Array) -> tuple[Array, Array]:
    """CMA-ME's ranking (Fontaine et al. 2020, section 4): children that fill an empty cell come first, by their
    log-odds, then those that are better than their cell's elite, by how much, then the others.

    Args:
        fitness: [S, P] log-odds of the children in the class of their strategy.
        gain: [S, P] by how much they exceed their cell's elite.

    Returns:
        [S, P] int32 ranks, 0 for the best; [S] bool, whether a child of the strategy got in.
    """
    fills = (gain == jnp.inf) & occupied(fitness)
    status = jnp.where(fills, 2, jnp.where(gain > 0, 1, 0))
    return ranked(jnp.where(fills, fitness, gain), status), (status > 0).any(axis=1)


def ranked(value: Array, status: Array | int = 0) -> Array:
    """[S, P] int32 ranks of each strategy's children, 0 for the best: by status, then by value."""
    status = jnp.broadcast_to(jnp.asarray(status), value.shape)
    best_first = jax.vmap(lambda value, status: jnp.lexsort((-value, -status)))(value, status)
    return jnp.argsort(best_first, axis=1)


def has_converged(step: Array) -> Array:
    """Whether step sizes [S] are so small, or so wrong, that nothing more comes of them."""
    return ~(step > SMALLEST_STEP) | ~jnp.isfinite(step)


def where_each(chosen: Array, one: Any, other: Any) -> Any:
    """Of two pytrees with leaves [S, ...] the rows of one where `chosen` [S], else of the other."""
    return jax.tree.map(
        lambda new, old: jnp.where(chosen.reshape(-1, *[1] * (jnp.ndim(new) - 1)), new, old), one, other
    )


def strongly_typed(tree: Any) -> Any:
    """Numbers that Python wrote have a weak type, which a loop's state must not have in one turn only."""
    return jax.tree.map(lambda leaf: jax.lax.convert_element_type(leaf, jnp.asarray(leaf).dtype), tree)
