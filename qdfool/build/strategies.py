"""From a config to an evolution strategy of evosax."""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from qdfool.classifiers.layers import exactly
from qdfool.config import EvolutionStrategy
from qdfool.errors import InputError
from qdfool.types import Array, Genome, Key

MOST_GENES_FULL = 2000
"""Genes up to which every pair's covariance is adapted: matrices of genes x genes that are decomposed each time."""
NAMES = {"cma_es": "CMA_ES", "sep_cma_es": "Sep_CMA_ES", "lm_ma_es": "LM_MA_ES"}
"""What evosax calls them."""


@dataclass(frozen=True)
class EvosaxStrategy:
    """A strategy of evosax with its settings, as `qdfool.engine.emitters.evolution_strategy.Strategy` has it."""

    algorithm: Any
    settings: Any
    in_order: bool = False
    """Whether it has to be told of the best first. evosax's LM-MA-ES weighs the steps behind its directions as if it
    were, in whatever order they were drawn."""

    def init(self, key: Key, mean: Array) -> Any:
        """See `Strategy.init`."""
        return _in_32_bits(self.algorithm.init(key, mean, self.settings))

    def ask(self, key: Key, state: Any) -> tuple[Array, Any]:
        """See `Strategy.ask`."""
        with exactly():
            return _in_32_bits(self.algorithm.ask(key, state, self.settings))

    def tell(self, key: Key, population: Array, rank: Array, state: Any) -> Any:
        """See `Strategy.tell`; evosax minimises."""
        if self.in_order:
            order = jnp.argsort(rank)
            population, rank, state = population[order], rank[order], state.replace(z=state.z[order])
        with exactly():
            state, _ = self.algorithm.tell(key, population, rank.astype(jnp.float32), state, self.settings)
        return _in_32_bits(state)

    def mean(self, state: Any) -> Array:
        """See `Strategy.mean`."""
        return state.mean

    def step_size(self, state: Any) -> Array:
        """See `Strategy.step_size`."""
        return state.std


def build_coefficient_strategy(sigma: float, population: int, coefficients: int) -> EvosaxStrategy:
    """CMA-ES over so many coefficients of gradients, as CMA-MEGA has it.

    Args:
        sigma: the standard deviation that it begins with.
        population: vectors that it asks for at once.
        coefficients: of a vector.
    """
    return _made("cma_es", sigma, population, coefficients)


def build_strategy(
    settings: EvolutionStrategy, genome: Genome, population: int, devices: int = 1
) -> EvosaxStrategy:
    """The strategy of a config for populations of so many genomes, of which devices may share several.

    Raises:
        InputError: covariances of all pairs of too many genes, or of genes on several devices.
    """
    genes = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(genome))
    name = settings.strategy
    if name == "auto":
        name = "cma_es" if genes <= MOST_GENES_FULL else "sep_cma_es"
    if name == "cma_es" and genes > MOST_GENES_FULL:
        raise InputError(
            f"The strategy 'cma_es' keeps the covariance of every pair of {genes:,} genes; expected "
            f"{MOST_GENES_FULL:,} genes at most. Choose `evolution_strategy.strategy` 'sep_cma_es' or 'lm_ma_es'."
        )
    if name == "cma_es" and devices > 1:
        # Axes of nearly equal variance are no more than rounding, which may differ with the number of devices; and JAX
        # 0.10.2 computes them on a CPU by threads that wait for one another where several devices want them at once.
        raise InputError(
            "The strategy 'cma_es' decomposes covariances, which several devices do not do alike; got "
            f"{devices:,} `devices`. Choose `evolution_strategy.strategy` 'sep_cma_es' or 'lm_ma_es', or one device."
        )
    return _made(name, settings.sigma, population, genes)


def _made(name: str, sigma: float, population: int, genes: int) -> EvosaxStrategy:
    # Imported here because it takes a fifth of a second, and few runs use it.
    from evosax import algorithms

    algorithm = getattr(algorithms, NAMES[name])(population_size=population, solution=jnp.zeros(genes))
    settings = algorithm.default_params.replace(std_init=sigma)
    limited = name == "lm_ma_es"
    if limited:
        # Rates of learning; those of the authors are below 1 for populations smaller than the genes alone.
        settings = settings.replace(c_c=jnp.minimum(settings.c_c, 1.0))
    return EvosaxStrategy(algorithm, jax.tree.map(_constant, settings), in_order=limited)


def _in_32_bits(state: Any) -> Any:
    """A state whose numbers evosax made as wide as JAX has them by default, which may be 64 bits."""
    widths = {"f": jnp.float32, "i": jnp.int32}
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, widths.get(jnp.asarray(leaf).dtype.kind)), state)


def _constant(setting: Any) -> Any:
    """A number as NumPy has it. It is then written into every program, and XLA computes with it as it stands; to the
    program of several devices JAX hands arrays over as arguments, of which XLA turns sums and products around, and
    rounds otherwise. Arrays of several numbers are as they are: what comes of them was the same."""
    if jnp.ndim(setting):
        return setting
    return np.float32(setting) if isinstance(setting, float) else np.asarray(setting)
