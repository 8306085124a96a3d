"""Genomes as vectors of float32, which strategies and gradients move, whatever real numbers the genomes have."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from qdfool.types import Array, Elites, Genome


def vector_of(genome: Genome) -> Array:
    """[D] float32, the numbers of a genome."""
    return ravel_pytree(jax.tree.map(lambda leaf: leaf.astype(jnp.float32), genome))[0]


def vectors_of(elites: Elites, cells: Array) -> Array:
    """[S, D] float32, the genomes of elites."""
    return jax.vmap(lambda cell: vector_of(jax.tree.map(lambda leaf: leaf[cell], elites.genome)))(cells)


def genome_maker(genome: Genome) -> Callable[[Array], Genome]:
    """What makes genomes like this one, of which the shapes will do, of vectors [D]."""
    shapes = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, jnp.float32), genome)
    _, unravel = ravel_pytree(shapes)
    return lambda vector: jax.tree.map(lambda new, like: new.astype(like.dtype), unravel(vector), genome)
