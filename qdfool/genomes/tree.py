"""Genomes of any structure, chosen whole."""

import jax
import jax.numpy as jnp

from qdfool.types import Array, Genome


def tree_where(condition: Array, yes: Genome, no: Genome) -> Genome:
    """The first genome, a pytree of arrays, where the condition [] holds, else the second."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)
