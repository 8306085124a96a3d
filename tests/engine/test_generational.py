"""The generational genetic algorithm, against plain loops and by its promises."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qdfool.engine import generational, selection
from qdfool.engine.generational import GeneticAlgorithm, Population, breeding
from qdfool.errors import InputError
from qdfool.genomes.pixels import crossover, mutation

SIZE = 12


def ones(parameters, key, genome):
    return genome["bits"].sum((1, 2, 3)).astype(jnp.float32)


def vary(key, generation, first, second):
    cross_key, flip_key = jax.random.split(key)
    child = crossover.uniform(cross_key, first["bits"], second["bits"])
    child = mutation.bit_flip(flip_key, child, rate=0.05, max_changes=mutation.max_changes(25, 0.05))
    return {"bits": child, "label": first["label"]}


def population():
    bits = jax.random.bits(jax.random.key(7), (SIZE, 5, 5, 1), jnp.uint8) & 1
    return {"bits": bits, "label": jnp.arange(SIZE)}


@functools.cache
def algorithm(elitism=0):
    """The same for the same elitism, so that it is compiled once."""
    return GeneticAlgorithm(ones, breeding(selection.tournament, vary, elitism))


@pytest.mark.release
def test_it_climbs_and_keeps_what_travels_with_an_individual():
    last, fitness = generational.run(algorithm(1), {}, population(), jax.random.key(0), 40)
    assert fitness.shape == (41, SIZE)
    np.testing.assert_array_equal(fitness[0], np.asarray(population()["bits"]).sum((1, 2, 3)))
    assert fitness[-1].max() >= 24
    assert set(np.asarray(last.genome["label"])) < set(range(SIZE))


def test_a_continued_run_is_the_run_that_never_stopped():
    key = jax.random.key(3)
    whole, fitness = generational.run(algorithm(3), {}, population(), key, 8)
    half, first = generational.run(algorithm(3), {}, population(), key, 4)
    rest, second = generational.run(algorithm(3), {}, half.genome, key, 4, first_generation=4)
    jax.tree.map(np.testing.assert_array_equal, whole, rest)
    np.testing.assert_array_equal(fitness, np.concatenate([first, second[1:]]))


def test_elites_are_kept_as_they_are_and_never_lost():
    _, fitness = generational.run(algorithm(3), {}, population(), jax.random.key(1), 8)
    best = np.sort(np.asarray(fitness), axis=1)[:, -3:]
    assert (np.diff(best, axis=0) >= 0).all()
    scored = Population(population(), jnp.array([5.0, 9, 9, 1, *[0.0] * 8]))
    children = jax.jit(algorithm(3).breed)(jax.random.key(0), jnp.int32(0), scored)
    np.testing.assert_array_equal(children["label"][:3], [1, 2, 0])
    np.testing.assert_array_equal(children["bits"][:3], population()["bits"][jnp.array([1, 2, 0])])


def test_fitness_may_be_drawn():
    drawn = GeneticAlgorithm(
        lambda parameters, key, genome: jax.random.uniform(key, genome["label"].shape),
        breeding(selection.uniform, vary),
    )
    _, fitness = generational.run(drawn, {}, population(), jax.random.key(0), 5)
    assert len(np.unique(fitness)) == 6 * SIZE


def test_the_generation_is_that_of_the_parents():
    def told(key, generation, first, second):
        return {**first, "label": generation}

    counting = GeneticAlgorithm(ones, breeding(selection.uniform, told))
    last, _ = generational.run(counting, {}, population(), jax.random.key(0), 3, first_generation=4)
    np.testing.assert_array_equal(last.genome["label"], np.full(SIZE, 6))


@pytest.mark.release
def test_record_sees_parameters_and_population():
    _, kept = generational.run(
        algorithm(),
        jnp.float32(2),
        population(),
        jax.random.key(0),
        3,
        record=lambda parameters, population: {"twice": parameters * population.fitness.max()},
    )
    _, fitness = generational.run(algorithm(), jnp.float32(2), population(), jax.random.key(0), 3)
    np.testing.assert_array_equal(kept["twice"], 2 * fitness.max(1))


@pytest.mark.parametrize("elitism", [-1, SIZE + 1])
def test_elitism_must_fit(elitism):
    with pytest.raises(InputError, match="elitism must be at"):
        algorithm(elitism).breed(jax.random.key(0), jnp.int32(0), Population(population(), jnp.zeros(SIZE)))


@pytest.mark.release
def test_proportional_selection_follows_the_fitness():
    scored = Population({}, jnp.array([0.0, 1.0, 3.0]))
    drawn = np.bincount(selection.proportional(jax.random.key(0), scored, 4000), minlength=3)
    assert drawn[0] == 0
    assert drawn[2] / 4000 == pytest.approx(0.75, abs=5 * np.sqrt(0.75 * 0.25 / 4000))
    flat = np.bincount(selection.proportional(jax.random.key(0), Population({}, jnp.zeros(3)), 3000))
    assert np.abs(flat - 1000).max() < 5 * np.sqrt(3000 * 2 / 9)
