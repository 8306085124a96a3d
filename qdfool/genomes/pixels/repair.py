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
        key: of this one repair.
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
    # The candidates with the lowest random numbers. Each number ends in the gene's own, so that no two are equal,
    # and is unsigned, because XLA sorts those several times faster on the CPU than floats.
    own = jnp.arange(genes.size, dtype=jnp.uint32)
    numbers = (jax.random.bits(key, genes.shape) << (genes.size - 1).bit_length()) | own
    lowest = jnp.sort(jnp.where(candidates, numbers, jnp.uint32(2**32 - 1)))
    turned = candidates & (missing > 0) & (numbers <= lowest[missing - 1])
    return jnp.where(turned, negative, genes).reshape(genome.shape)
