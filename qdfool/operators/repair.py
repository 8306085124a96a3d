"""Repairs: what a child must be brought back to after it was varied.

Written for one individual, as mutations are: shape, dtype and range of the genome [H, W, C] are kept, float32 in
[0, 1] (pixels) or uint8 in {0, 1} (binary).
"""

import jax
import jax.numpy as jnp

from qdfool.types import Array, Genome, Key


def ink(key: Key, genome: Genome, *, count: Array | int, tolerance: float = 0.0) -> Genome:
    """Turns random pixels into their negative until `count` genes are ink, brighter than 0.5.

    Where there is too much, pixels of ink are drawn, and where there is too little, those of paper; all of a
    kind with the same chance. A grey that is turned stays as far from 0.5 as it was. Source: an answer to the
    Stack Overflow question on evolving a seven, which asks for the ink of real sevens where a child has
    "significantly" more or less.

    Args:
        key: spent.
        genome: to repair.
        count: genes that are to be ink, from 0 to all of them; may be traced.
        tolerance: a genome within this share of `count` is left as it is.
    """
    genes = genome.reshape(-1)
    negative = (1 - genes).astype(genes.dtype)
    bright = genes > 0.5
    surplus = jnp.sum(bright) - count
    missing = jnp.where(jnp.abs(surplus) > tolerance * count, jnp.abs(surplus), 0)
    candidates = bright == (surplus > 0)
    # Candidates in random order come first.
    order = jnp.argsort(jnp.where(candidates, jax.random.uniform(key, genes.shape), 2.0))
    turned = jnp.zeros(genes.shape, bool).at[order].set(jnp.arange(genes.size) < missing)
    return jnp.where(turned, negative, genes).reshape(genome.shape)
