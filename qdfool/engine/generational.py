"""A generational genetic algorithm: one population, replaced by its children generation after generation.

What the accounts that qdfool's studies re-run used instead of an archive:

    population --breed--> children --score--> population

`breed` sees the whole scored population and is free in what it makes of it; `breeding` composes the usual one
of a selection, a variation and elitism. All generations of a run are one jitted scan.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from qdfool.errors import InputError
from qdfool.types import Array, Genome, Key, Parameters


class Population(NamedTuple):
    """P individuals and what they are worth."""

    genome: Genome
    """Leaves [P, ...]. Whatever travels with an individual, such as a label, may be one of them."""
    fitness: Array
    """[P] float32, higher is better."""


Breed = Callable[[Key, Array, Population], Genome]
"""(key, generation, population) to the children, leaves [P, ...]."""
Score = Callable[[Parameters, Key, Genome], Array]
"""(parameters, key, individuals) to their fitness [P]; the key is for fitness that is drawn."""
Record = Callable[[Parameters, Population], Any]
"""(parameters, population) to a pytree of arrays that is kept of each generation."""


@dataclass(frozen=True)
class GeneticAlgorithm:
    """The two functions that a genetic algorithm is made of."""

    score: Score
    breed: Breed


def breeding(
    select: Callable[[Key, Population, int], Array],
    vary: Callable[[Key, Array, Genome, Genome], Genome],
    elitism: int = 0,
) -> Breed:
    """Children of two selected parents each; the first places go to the fittest as they are.

    Args:
        select: (key, population, size) to [size] int32 members; drawn once for first and once for second parents.
        vary: (key, generation, first parent, second parent) to a child, for one individual.
        elitism: how many of the fittest survive; among equals, those that come first.

    Raises:
        InputError: `elitism` is negative; or, when it breeds, more than there are individuals.
    """
    if elitism < 0:
        raise InputError(f"elitism must be at least 0 individuals; got {elitism}.")

    def breed(key: Key, generation: Array, population: Population) -> Genome:
        size = population.fitness.shape[0]
        if elitism > size:
            raise InputError(f"elitism must be at most the population's {size} individuals; got {elitism}.")
        first_key, second_key, vary_key = jax.random.split(key, 3)
        first = members(population.genome, select(first_key, population, size))
        second = members(population.genome, select(second_key, population, size))
        vary_all = jax.vmap(vary, in_axes=(0, None, 0, 0))
        children = vary_all(jax.random.split(vary_key, size), generation, first, second)
        best = members(population.genome, fittest(population.fitness, elitism))
        return jax.tree.map(lambda child, kept: child.at[:elitism].set(kept), children, best)

    return breed


def run(
    algorithm: GeneticAlgorithm,
    parameters: Parameters,
    genome: Genome,
    key: Key,
    generations: int,
    record: Record | None = None,
    first_generation: int = 0,
) -> tuple[Population, Any]:
    """Evolves a population.

    Generation g draws from `fold_in(key, g)`: a run that is continued with the population it ended with, and
    `first_generation` moved on, is the run that was never interrupted.

    Args:
        algorithm: its functions.
        parameters: handed to `score` and `record`; those of a classifier.
        genome: leaves [P, ...], the population to begin with.
        key: root of all randomness of the run.
        generations: how many, at least 0.
        record: what to keep of each generation; by default its fitness [P].
        first_generation: the number of the generation that `genome` is.

    Returns:
        The last population, and the records [generations + 1, ...], that of the first population included.
    """
    return _run(
        algorithm, record or _fitness, generations, parameters, genome, key, jnp.int32(first_generation)
    )


@partial(jax.jit, static_argnums=(0, 1, 2))
def _run(
    algorithm: GeneticAlgorithm,
    record: Record,
    generations: int,
    parameters: Parameters,
    genome: Genome,
    key: Key,
    first_generation: Array,
) -> tuple[Population, Any]:
    def score(genome: Genome, generation: Array) -> tuple[Population, Key]:
        """The generation's population, and the key that its children are bred with."""
        score_key, breed_key = jax.random.split(jax.random.fold_in(key, generation))
        fitness = algorithm.score(parameters, score_key, genome).astype(jnp.float32)
        return Population(genome, fitness), breed_key

    def step(scored: tuple[Population, Key], generation: Array) -> tuple[tuple[Population, Key], Any]:
        population, breed_key = scored
        scored = score(algorithm.breed(breed_key, generation, population), generation + 1)
        return scored, record(parameters, scored[0])

    initial = score(genome, first_generation)
    numbers = first_generation + jnp.arange(generations, dtype=jnp.int32)
    (last, _), records = jax.lax.scan(step, initial, numbers)
    first = record(parameters, initial[0])
    return last, jax.tree.map(lambda one, many: jnp.concatenate([one[None], many]), first, records)


def fittest(fitness: Array, count: int) -> Array:
    """[count] int32: the best of [P], best first; among equals, those that come first."""
    return jnp.argsort(-fitness, stable=True)[:count].astype(jnp.int32)


def members(genome: Genome, index: Array) -> Genome:
    """The individuals at `index` [n] of leaves [P, ...]."""
    return jax.tree.map(lambda leaf: leaf[index], genome)


def _fitness(parameters: Parameters, population: Population) -> Array:
    return population.fitness
