"""The searches: ones evolved against each classifier, as the account does and as the engine does."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from qdfool.api import evolve
from qdfool.classifiers import lenet
from qdfool.engine import generational, selection
from qdfool.engine.generational import GeneticAlgorithm, Population
from qdfool.engine.objectives import log_odds
from qdfool.genomes.pixels import crossover, mutation
from qdfool.keys import root_key
from qdfool.presets import preset
from qdfool.studies import judges
from qdfool.studies.negative_class import report
from qdfool.studies.negative_class.networks import (
    ONE,
    SIX,
    THREE,
    WHITE,
    Examples,
    Negative,
    accuracy,
    black_and_white,
    logits,
    noise,
    trained,
    with_class,
)
from qdfool.studies.recognisability import Yardstick, halves, recognisability, yardstick
from qdfool.studies.study import Figures, Workbench
from qdfool.types import Array, Classifier, Genome, Image, Key, Parameters

POPULATION, TOURNAMENT, CROSSOVER, MUTATION, FLIP = 300, 3, 0.5, 0.2, 0.05
"""Of DEAP's introductory example: individuals, tournament size, the chances that a child is crossed and that it is
mutated, and the chance of each bit of a mutated child to flip."""
BATCH = 100
"""Of the engine, which has three generations for each of the genetic algorithm."""
MOST_FOOLING = 30
"""Of the digits, one part in so many are added as fooling images, per digit and round: a third in a round."""
PIXELS = 28 * 28


class Size(NamedTuple):
    """How large the study is."""

    training_images: int
    test_images: int
    """At most."""
    epochs: int
    generations: int
    """Of the genetic algorithm; the engine has as many evaluations."""
    fooling_generations: int
    judges: int
    judge_images: int
    references: int
    rounds: int
    """Of fooling images, at most."""
    networks: int
    """In the ensemble, at most."""


FULL = Size(10_000, 10_000, 1, 200, 20, 5, 10_000, 4000, rounds=3, networks=5)
QUICK = Size(400, 1_000, 1, 6, 2, 2, 300, 200, rounds=1, networks=2)


def score(settings: tuple[Parameters, Array], key: Key, genome: Genome) -> Array:
    """The softmax of the class that is evolved, as in the account; [P]."""
    parameters, target = settings
    return jax.nn.softmax(logits(parameters, genome.astype(jnp.float32)))[:, target]


def vary(key: Key, generation: Array, first: Genome, second: Genome) -> Genome:
    """Two-point crossover for half of the children, bit flips for a fifth."""
    whether_cross, cross_key, whether_flip, flip_key = jax.random.split(key, 4)
    crossed = jax.random.bernoulli(whether_cross, CROSSOVER)
    child = jnp.where(crossed, crossover.two_point(cross_key, first, second), first)
    most = mutation.max_changes(PIXELS, FLIP)
    flipped = mutation.bit_flip(flip_key, child, rate=FLIP, max_changes=most)
    return jnp.where(jax.random.bernoulli(whether_flip, MUTATION), flipped, child)


def best(settings: tuple[Parameters, Array], population: Population) -> dict[str, Array]:
    """The fittest of a generation, and its fitness."""
    chosen = jnp.argmax(population.fitness)
    return {"image": population.genome[chosen], "softmax": population.fitness[chosen]}


GENETIC = GeneticAlgorithm(
    score, generational.breeding(partial(selection.tournament, tournament_size=TOURNAMENT), vary)
)


def genetic(parameters: Parameters, target: int, key: Key, generations: int) -> tuple[Population, Figures]:
    """The account's search, from bits that are 0 or 1 with equal chance: last population and best ones."""
    initial_key, run_key = jax.random.split(key)
    start = jax.random.bits(initial_key, (POPULATION, *lenet.IMAGE_SHAPE), jnp.uint8) & 1
    settings = (parameters, jnp.int32(target))
    last, records = generational.run(GENETIC, settings, start, run_key, generations, best)
    return last, {name: np.asarray(record) for name, record in records.items()}


def engine(parameters: Parameters, classes: int, seed: int, evaluations: int) -> Image:
    """The engine's image of the class that is evolved [28, 28, 1] uint8 in {0, 1}: preset mnist-binary."""
    names = tuple(map(str, range(classes)))
    config = replace(
        preset("mnist-binary"), seed=seed, generations=None, evaluations=evaluations, batch_size=BATCH
    )
    found = evolve(config, Classifier("studied", lenet.IMAGE_SHAPE, names, parameters, logits))
    return jnp.asarray(found.images()[ONE] > 0.5, jnp.uint8)


def classifier(
    negative: Negative, digits: Examples, key: Key, random: np.random.Generator, size: Size
) -> tuple[Parameters, Examples]:
    """A trained classifier, and what it learned last."""
    training_key, fooling_key = jax.random.split(key)
    examples = negative.make(digits, random)
    parameters = trained(negative, examples, jax.random.fold_in(training_key, 0), size.epochs)
    for number in range(negative.rounds):
        # As Nguyen et al. 2015 retrain theirs: what fools the network becomes a class of its own.
        round_key = jax.random.fold_in(fooling_key, number)
        for digit in range(10):
            population, _ = genetic(
                parameters, digit, jax.random.fold_in(round_key, digit), size.fooling_generations
            )
            fooling = random.permutation(255 * np.asarray(population.genome))[
                : len(digits.labels) // MOST_FOOLING
            ]
            examples = with_class(examples, fooling, 10)
        parameters = trained(negative, examples, jax.random.fold_in(training_key, number + 1), size.epochs)
    return parameters, examples


def studied(
    name: str, negative: Negative, digits: Examples, tests: Examples, size: Size, seed: int
) -> Mapping[str, Any]:
    """Trains a classifier and evolves ones against it, both ways: a unit."""
    negative = negative._replace(
        rounds=min(negative.rounds, size.rounds), networks=min(negative.networks, size.networks)
    )
    classifier_key, search_key, numpy_key = jax.random.split(root_key(seed, f"negative class {name}"), 3)
    learning, testing = np.random.default_rng(np.asarray(jax.random.key_data(numpy_key))).spawn(2)
    parameters, _ = classifier(negative, digits, classifier_key, learning, size)
    test = negative.make(Examples(*(part[: size.test_images] for part in tests)), testing)
    _, records = genetic(parameters, ONE, search_key, size.generations)
    fittest = int(np.argmax(records["softmax"]))
    evaluations = POPULATION * (size.generations + 1)
    images = jnp.stack(
        [jnp.asarray(records["image"][fittest]), engine(parameters, negative.classes, seed, evaluations)]
    )
    outputs = logits(parameters, images.astype(jnp.float32))
    return {
        "accuracy": accuracy(parameters, test),
        "images": images,
        "softmax": jax.nn.softmax(outputs)[:, ONE],
        "log_odds": jax.vmap(log_odds)(outputs)[:, ONE],
    }


def ones_to_measure_with(digits: Examples, tests: Examples, references: int) -> tuple[Yardstick, np.ndarray]:
    """The yardstick of a one, and real ones [n, 28, 28, 1] to be scored, which it was not calibrated on.

    Args:
        digits: what the references are taken from.
        tests: what both others are taken from: one half each.
        references: images in each, at most.
    """
    calibrating, scored = halves(tests.images[tests.labels == ONE] / 255)
    ones = digits.images[digits.labels == ONE] / 255
    return yardstick(ones[:references], calibrating[:references]), scored[:references]


def run(bench: Workbench) -> None:
    """Trains, evolves, and measures how much of a one the images are."""
    size = QUICK if bench.quick else FULL
    digits, tests = black_and_white(bench.mnist(), size.training_images)
    bench.expect(1 + (len(SIX) + len(THREE)) * len(bench.seeds))

    def train_judges() -> Mapping[str, Any]:
        return judges.to_arrays(judges.train_judges(bench.mnist(), size.judges, size.judge_images))

    jury = judges.from_arrays(bench.unit("judges", 0, train_judges))
    found = {
        name: bench.units(name, partial(studied, name, negative, digits, tests, size))
        for name, negative in {**SIX, **THREE}.items()
    }
    measure, real = ones_to_measure_with(digits, tests, size.references)
    for figures in found.values():
        shape = figures["images"].shape[:2]
        images = figures["images"].reshape(-1, *lenet.IMAGE_SHAPE).astype(np.float32)
        measured = recognisability(images, judges.logits(jury, images), ONE, measure)
        figures |= {part: values.reshape(shape) for part, values in measured._asdict().items()}
    random = np.random.default_rng(0)
    examples = {
        "real ones": real[:100],
        **{kind: noise((100, *lenet.IMAGE_SHAPE), white, random) / 255 for kind, white in WHITE.items()},
        "black": np.zeros((100, *lenet.IMAGE_SHAPE)),
    }
    known = {
        kind: recognisability(images, judges.logits(jury, images), ONE, measure)
        for kind, images in examples.items()
    }
    report.write(bench, found, known, examples, 1 - jury.errors, size)
