"""The runs: black pixels are evolved until a network sees a cat, under the account's conditions and controls."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from qdfool.classifiers import lenet, porting
from qdfool.classifiers.batch_minor import BATCH_MINOR
from qdfool.classifiers.layers import CHANNELS_LAST
from qdfool.classifiers.networks import architecture
from qdfool.classifiers.padding import Padded
from qdfool.classifiers.views import grouped, surrounded
from qdfool.config import BlackPixels, Config, Crossover, Mutation
from qdfool.engine import generational, selection
from qdfool.engine.generational import GeneticAlgorithm, Population
from qdfool.genomes.black_pixels import operators as lists
from qdfool.genomes.black_pixels.encoding import black_pixels
from qdfool.genomes.pixels.mutation import max_changes
from qdfool.keys import root_key
from qdfool.results.run import Run
from qdfool.studies.decision_boundary import report
from qdfool.studies.decision_boundary.conditions import (
    CROSSED,
    CROSSOVERS,
    ELITISM,
    FULL,
    GRID,
    MUTATED,
    POOLED,
    POPULATION,
    POPULATIONS,
    QUICK,
    SECTION,
    TOURNAMENT,
    TRACED,
    WEIGHTS,
    Condition,
    Size,
    conditions,
)
from qdfool.studies.study import Workbench
from qdfool.types import Array, Classifier, Encoding, Genome, Key, Parameters


def classifier(bench: Workbench, condition: Condition, size: Size) -> Classifier:
    """The binary classifier of a condition: the target is class 0, the rest class 1.

    Raises:
        InputError: the weights are missing, or the target names a class that does not exist.
    """
    if bench.quick:
        network = lenet.classifier()
    else:
        layout = BATCH_MINOR if jax.default_backend() == "cpu" else CHANNELS_LAST
        network = porting.classifier(
            architecture(condition.network),
            bench.weights(WEIGHTS[condition.network]),
            image_size=size.side,
            formulation=Padded(layout, condition.padding),
        )
    if condition.surround is not None:
        network = surrounded(network, size.margin, condition.surround)
    return grouped(network, (bench.settings.target or size.target,))


def encoding(condition: Condition, classified: Classifier, size: Size) -> Encoding:
    """Lists of black pixels, each beginning with a single one."""
    height, width, _ = classified.image_shape
    margin = SECTION if condition.restricted else 0.0
    first = partial(lists.random_pixels, shape=(), height=height, width=width, margin=margin)
    return black_pixels(classified.image_shape, first, capacity=size.capacity, inverted=condition.inverted)


def log_odds(classified: Classifier, parameters: Parameters, images: Array) -> Array:
    """[B] log-odds of the target."""
    logits = classified.logits(parameters, images)
    return logits[:, 0] - logits[:, 1]


def algorithm(condition: Condition, classified: Classifier, size: Size, penalty: float) -> GeneticAlgorithm:
    """The account's genetic algorithm under a condition.

    Fitness is minus the loss: binary cross-entropy with the target's label, 0, plus lambda times the number of
    black pixels.
    """
    height, width, _ = classified.image_shape
    sides = {"height": height, "width": width}
    decode = jax.vmap(encoding(condition, classified, size).decode)
    crossovers = [partial(CROSSOVERS[name], **sides) for name in condition.crossovers]
    redraw = partial(lists.redraw, rate=MUTATED, max_changes=max_changes(size.capacity, MUTATED), **sides)
    lifted = size.generations(condition.restricted)

    def score(parameters: Parameters, key: Key, genome: Genome) -> Array:
        if condition.drift:
            return jax.random.uniform(key, (genome.shape[0],))
        entropy = jax.nn.softplus(-log_odds(classified, parameters, decode(genome)))
        return -(entropy + penalty * jnp.sum(genome < height * width, axis=1))

    def vary(key: Key, generation: Array, first: Genome, second: Genome) -> Genome:
        which_key, whether_key, cross_key, mutate_key = jax.random.split(key, 4)
        which = jax.random.randint(which_key, (), 0, len(crossovers))
        crossed = jax.lax.switch(which, crossovers, cross_key, first, second)
        child = jnp.where(jax.random.bernoulli(whether_key, CROSSED), crossed, first)
        return redraw(mutate_key, child, margin=jnp.where(generation < lifted, SECTION, 0.0))

    select = partial(selection.tournament, tournament_size=TOURNAMENT)
    return GeneticAlgorithm(score, generational.breeding(select, vary, ELITISM))


def fittest(parameters: Parameters, population: Population) -> Genome:
    """The best list of a generation."""
    return population.genome[jnp.argmax(population.fitness)]


def unit(
    condition: Condition, classified: Classifier, size: Size, penalty: float
) -> Callable[[int], Mapping[str, Any]]:
    """From a seed to the figures of a run under a condition.

    `ink` [H, W] is the share of the fittest that have each pixel, `best` the best list, `log_odds` how sure the
    network is of it and `moved` of the same with edge and middle exchanged; `generations`, `course` and `pixels`
    are those of the best of each generation. `alone` and `beside`: see `response`, of blank paper and of the best.
    `before` is the best when the restriction is lifted. Drift has `ink`, of all, and `best` alone.
    """
    height, width, _ = classified.image_shape
    free = height * width
    made = encoding(condition, classified, size)
    genetic = algorithm(condition, classified, size, penalty)
    odds = jax.jit(lambda parameters, lists: log_odds(classified, parameters, jax.vmap(made.decode)(lists)))
    respond = response(condition, classified, made)
    generations, lifted = size.generations(condition.generations), size.generations(condition.restricted)

    def evolved(key: Key) -> tuple[Population, np.ndarray]:
        first_key, run_key = jax.random.split(key)
        first = jax.vmap(made.initialise)(jax.random.split(first_key, POPULATION))
        last, best = generational.run(genetic, classified.parameters, first, run_key, generations, fittest)
        return last, np.asarray(best)

    def ink(genomes: np.ndarray) -> np.ndarray:
        listed = genomes[genomes < free]
        return np.bincount(listed, minlength=free).reshape(height, width) / len(genomes)

    def drifted(seed: int) -> Mapping[str, Any]:
        keys = jax.random.split(root_key(seed, "drift"), POPULATIONS)
        lasts = [np.asarray(evolved(key)[0].genome) for key in keys]
        return {"ink": ink(np.concatenate(lasts)), "best": lasts[0][0]}

    def selected(seed: int) -> Mapping[str, Any]:
        last, best = evolved(jax.random.key(seed))
        order = np.argsort(-np.asarray(last.fitness), kind="stable")
        traced = np.linspace(0, generations, TRACED + 1).round().astype(int)
        course = np.asarray(odds(classified.parameters, best[traced]))
        figures = {
            "ink": ink(np.asarray(last.genome)[order[:POOLED]]),
            "best": best[-1],
            "log_odds": course[-1],
            "moved": odds(classified.parameters, moved(best[-1:], height, width))[0],
            "generations": traced,
            "course": course,
            "pixels": (best[traced] < free).sum(axis=1),
            "alone": respond(classified.parameters, np.full_like(best[-1], free)),
            "beside": respond(classified.parameters, best[-1]),
        }
        if condition.restricted:
            figures["before"] = best[lifted]
            figures["before_log_odds"] = odds(classified.parameters, best[lifted][None])[0]
        return figures

    return drifted if condition.drift else selected


def moved(genomes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Lists with their pixels moved by half the image down and across, around its edges: edge and middle change
    places, and the ink is as much and mostly as near to one another as before."""
    row, column = genomes // width, genomes % width
    there = (row + height // 2) % height * width + (column + width // 2) % width
    return np.where(genomes < height * width, there, genomes).astype(genomes.dtype)


def response(condition: Condition, classified: Classifier, made: Encoding) -> Callable[..., Array]:
    """(parameters, list) to what a single more pixel does to the log-odds, by its place, at every second row and
    column: [H / 2, W / 2]."""
    height, width, _ = classified.image_shape
    rows, columns = (grid.ravel() for grid in np.mgrid[0:height:2, 0:width:2])
    ink = 1.0 if condition.inverted else 0.0

    def changes(parameters: Parameters, genome: Genome) -> Array:
        image = made.decode(genome)
        inked = jax.vmap(lambda row, column: image.at[row, column].set(ink))(rows, columns)
        values = log_odds(classified, parameters, jnp.concatenate([image[None], inked]))
        return (values[1:] - values[0]).reshape(-(-height // 2), -(-width // 2))

    return jax.jit(changes)


def grid_unit(classified: Classifier, size: Size) -> Callable[[int], Mapping[str, Any]]:
    """From a seed to a grid archive over the number of black pixels and their eccentricity.

    `odds` [pixels, eccentricity] are the log-odds of the target in each cell, -inf where it is empty; `genome` its
    lists.
    """
    height, width, _ = classified.image_shape

    def compute(seed: int) -> Mapping[str, Any]:
        config = Config(
            seed=seed,
            generations=size.generations(300),
            batch_size=POPULATION,
            encoding="black_pixels",
            black_pixels=BlackPixels(capacity=size.capacity),
            mutation=Mutation(operators=("pixel_redraw",), rate=MUTATED),
            crossover=Crossover(
                operators=("list_rectangle_swap", "list_alternating_columns", "pixel_list"),
                probability=CROSSED,
            ),
            archive="grid",
            measures=("black_pixels", "black_eccentricity"),
            cells=GRID,
            ranges=(0.0, size.capacity / (height * width), 0.0, 1.0),
        )
        run = Run(config, classified)
        for _ in run.advance():
            pass
        cells = GRID[0] * GRID[1]
        elites = run.state.elites
        return {
            "odds": np.asarray(elites.fitness)[:cells].reshape(GRID),
            "genome": np.asarray(elites.genome)[:cells].reshape(*GRID, -1),
        }

    return compute


def run(bench: Workbench) -> None:
    """Runs the study at a workbench and writes its report."""
    size = QUICK if bench.quick else FULL
    chosen, workers = conditions(bench.quick), os.cpu_count() or 1
    bench.expect((len(chosen) + 1) * len(bench.seeds))
    # All of them first: what is missing is said before anything is computed.
    classifiers = {name: classifier(bench, condition, size) for name, condition in chosen.items()}
    found = {}
    for name, condition in chosen.items():
        compute = unit(condition, classifiers[name], size, bench.settings.penalty)
        found[name] = bench.units(name, compute, inputs=classifiers[name].fingerprint, workers=workers)
    base = classifiers["base"]
    grid = bench.units("grid", grid_unit(base, size), inputs=base.fingerprint, workers=workers)
    report.write(bench, size, chosen, found, grid, base)
