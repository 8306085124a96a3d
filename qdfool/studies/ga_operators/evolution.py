"""The runs: 1,000 test images of MNIST are the population, and evolve to make the network unsure."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from qdfool.api import evolve
from qdfool.classifiers import lenet, weights
from qdfool.classifiers.training import Training, error, train
from qdfool.engine import generational, selection
from qdfool.engine.generational import GeneticAlgorithm, Population
from qdfool.genomes.pixels import crossover, mutation
from qdfool.keys import root_key
from qdfool.presets import preset
from qdfool.studies.ga_operators import published, report
from qdfool.studies.ga_operators.report import Size
from qdfool.studies.study import Figures, Workbench, fingerprint
from qdfool.types import Array, Classifier, Genome, Key, Parameters

CROSSOVER, MUTATION, TOURNAMENT, ELITISM, NEARNESS = 0.6, 0.5, 20, 10, 0.0000005
"""The account's constants; the last one weighs the distance of the labels in the fitness."""
SELECTIONS: dict[str, Callable[..., Array]] = {
    "FPS": selection.proportional,
    "TS": partial(selection.tournament, tournament_size=TOURNAMENT),
    "RS": selection.ranking,
    "drift": selection.uniform,
}
CROSSOVERS: dict[str, Callable[..., Genome] | None] = {
    "SPC": crossover.single_point,
    "AC": crossover.arithmetic,
    "none": None,
}
MUTATIONS: dict[str, Callable[..., Genome]] = {"SM": mutation.swap, "IM": mutation.inversion}
CLASSES = 10
GALLERY = 8
"""Originals and descendants that are shown."""


FULL, QUICK = Size(1000, 10, 5000), Size(100, 3, 500)


class Way(NamedTuple):
    """A way to run a scenario."""

    unit: str = "row"
    """What crossover and mutation count in: `row` or `pixel`."""
    goal: str = "maximised"
    """Whether the fitness is `maximised` or `minimised`."""
    network: str = "network"
    """The network: `network` or `packaged`."""
    elitism: int = 0


def fitness(probabilities: Array, labels: Array) -> Array:
    """The account's fitness: |-(0.0000005 |image - target_image| + (target_score - score))|.

    Its `image` is the predicted and its `target_image` the original label, one-hot (their reports have a "samples"
    average, which only indicator labels have); `target_score` is 1 and `score` the largest probability. So the
    fitness is how unsure the network is, whatever of; the distance, 0 or the square root of 2, adds 7e-7.

    Args:
        probabilities: [P, K].
        labels: [P].

    Returns:
        [P] in [0, 1].
    """
    apart = jax.nn.one_hot(jnp.argmax(probabilities, 1), CLASSES) - jax.nn.one_hot(labels, CLASSES)
    distance = jnp.linalg.norm(apart, axis=1)
    return jnp.abs(-(NEARNESS * distance + (1.0 - jnp.max(probabilities, 1))))


def vary(
    key: Key, generation: Array, first: Genome, second: Genome, *, cross: Any, mutate: Any, unit: str
) -> Genome:
    """A child: crossed with probability 0.6, mutated with 0.5; label and origin are its first parent's."""
    whether_cross, cross_key, whether_mutate, mutate_key = jax.random.split(key, 4)
    shape = first["image"].shape
    # Operators move whole pixels with all their channels: a row is a pixel with 28 of them.
    seen = (shape[0], 1, shape[1]) if unit == "row" else shape
    child, other = first["image"].reshape(seen), second["image"].reshape(seen)
    if cross is not None:
        crossed = cross(cross_key, child, other)
        child = jnp.where(jax.random.bernoulli(whether_cross, CROSSOVER), crossed, child)
    mutated = mutate(mutate_key, child)
    child = jnp.where(jax.random.bernoulli(whether_mutate, MUTATION), mutated, child)
    return {**first, "image": child.reshape(shape)}


def record(parameters: Parameters, population: Population) -> dict[str, Array]:
    """Of one generation, [P] each: labels, predictions and fitness."""
    probabilities = jax.nn.softmax(lenet.logits(parameters, population.genome["image"]))
    labels = population.genome["label"]
    return {
        "labels": labels.astype(jnp.int8),
        "predictions": jnp.argmax(probabilities, 1).astype(jnp.int8),
        "fitness": fitness(probabilities, labels),
    }


def fooled(parameters: Parameters, second: Classifier, images: Array) -> dict[str, Array]:
    """What a second network thinks of images [P, H, W, 1].

    Returns:
        Its answers [P], and for each class [K] how sure the first network is of it, at most, in an image that the
        second calls something else: there the first is fooled, whatever label the image carries.
    """
    probabilities = jax.nn.softmax(lenet.logits(parameters, images))
    answers = jnp.argmax(second.logits(second.parameters, images), 1)
    elsewhere = answers[:, None] != jnp.arange(CLASSES)
    return {
        "second_opinion": answers.astype(jnp.int8),
        "fooled": jnp.max(jnp.where(elsewhere, probabilities, 0.0), axis=0),
    }


def algorithm(scenario: str, way: Way) -> GeneticAlgorithm:
    """The genetic algorithm of a scenario such as `FPS_AC_SM`."""
    selected, crossed, mutated = scenario.split("_")
    child = partial(vary, cross=CROSSOVERS[crossed], mutate=MUTATIONS[mutated], unit=way.unit)
    breed = generational.breeding(SELECTIONS[selected], child, way.elitism)

    def score(parameters: Parameters, key: Key, genome: Genome) -> Array:
        value = fitness(jax.nn.softmax(lenet.logits(parameters, genome["image"])), genome["label"])
        return value if way.goal == "maximised" else 1.0 - value

    return GeneticAlgorithm(score, breed)


def first_population(data: Any, key: Key, size: int) -> Genome:
    """The population to begin with: test images at random, with their labels and where they stand."""
    chosen = np.asarray(jax.random.permutation(key, len(data.test_labels)))[:size]
    return {
        "image": jnp.asarray(data.test_images[chosen], jnp.float32) / 255,
        "label": jnp.asarray(data.test_labels[chosen], jnp.int32),
        "origin": jnp.arange(size),
    }


def network(bench: Workbench, size: Size) -> Parameters:
    """A LeNet of the account's accuracy, 0.95: trained on few images, for one epoch."""

    def compute() -> Mapping[str, Any]:
        data, (initial_key, training_key) = bench.mnist(), jax.random.split(root_key(0, "network"))
        images, labels = data.train_images[: size.training_images], data.train_labels[: size.training_images]
        start = lenet.initialise(initial_key)
        parameters, _ = train(lenet.logits, start, images, labels, training_key, Training(epochs=1, shift=0))
        return weights.named(parameters)

    shapes = jax.eval_shape(lambda: lenet.initialise(jax.random.key(0)))
    return weights.fill(shapes, bench.unit("network", 0, compute), "the unit network")


def networks_of(parameters: Parameters, second: Classifier) -> str:
    """The fingerprint of both networks, which is what a run depends on beside the code and the data."""
    return fingerprint(*map(np.asarray, jax.tree.leaves(parameters))) + second.fingerprint


def evolved(
    bench: Workbench, parameters: Parameters, size: Size, scenarios: Any, way: Way, seeds: Any
) -> Any:
    """Runs scenarios: name to what every seed gave, [S, ...]."""
    second = lenet.classifier()
    inputs = networks_of(parameters, second)
    found: dict[str, Figures] = {}
    for scenario in scenarios:
        one = algorithm(scenario, way)
        parts = [scenario.lower().replace("_", "-"), way.unit, way.goal, way.network]
        name = "-".join([*parts, *([f"elitism{way.elitism}"] if way.elitism else [])])

        def compute(seed: int, one: GeneticAlgorithm = one) -> Mapping[str, Any]:
            sample_key, run_key = jax.random.split(jax.random.key(seed))
            genome = first_population(bench.mnist(), sample_key, size.images)
            last, records = generational.run(one, parameters, genome, run_key, size.generations, record)
            shown = slice(GALLERY)
            origin = last.genome["origin"][shown]
            return {
                **records,
                **fooled(parameters, second, last.genome["image"]),
                "descendants": jnp.round(255 * last.genome["image"][shown]).astype(jnp.uint8),
                "originals": jnp.round(255 * genome["image"][origin]).astype(jnp.uint8),
            }

        runs = [bench.unit(name, seed, partial(compute, seed), inputs=inputs) for seed in seeds]
        found[scenario] = {key: np.stack([run[key] for run in runs]) for key in runs[0]}
    return found


def scores(figures: Figures) -> dict[str, np.ndarray]:
    """Accuracy, and precision, recall and F1 (macro averages), each [S, generations + 1]."""
    rows = []
    for labels, predictions in zip(figures["labels"], figures["predictions"], strict=True):
        for true, said in zip(labels, predictions, strict=True):
            # Its annotations know of zero_division as a text only.
            macro = precision_recall_fscore_support(true, said, average="macro", zero_division=0)[:3]  # type: ignore[arg-type]
            rows.append((accuracy_score(true, said), *macro))
    shape = (*figures["labels"].shape[:2], 4)
    columns = np.moveaxis(np.array(rows, np.float64).reshape(shape), 2, 0)
    return {name: columns[number] for number, name in enumerate(("accuracy", "precision", "recall", "F1"))}


def map_elites(bench: Workbench, parameters: Parameters, size: Size) -> Figures:
    """MAP-Elites' images after as many evaluations: `confidences` and `fooled`, [S, K] each.

    The preset mnist-direct, in batches of 100; it begins with noise, not with digits.
    """
    names, second = tuple(map(str, range(CLASSES))), lenet.classifier()
    classifier = Classifier("LeNet of 0.95", lenet.IMAGE_SHAPE, names, parameters, lenet.logits)
    budget = size.images * (size.generations + 1)

    def compute(seed: int) -> Mapping[str, Any]:
        config = replace(
            preset("mnist-direct"),
            seed=seed,
            generations=None,
            seconds=None,
            evaluations=budget,
            batch_size=100,
        )
        result = evolve(config, classifier)
        seen = fooled(parameters, second, jnp.asarray(result.images()))
        return {"confidences": result.confidences(), **seen}

    return bench.units("map-elites", compute, inputs=networks_of(parameters, second))


def run(bench: Workbench) -> None:
    """Runs all scenarios and controls, and writes the report."""
    size, data = (QUICK if bench.quick else FULL), bench.mnist()
    fewer = range(max(2, len(bench.seeds) // 2))
    twelve = published.SCENARIOS
    drifting = [f"drift_{c}_{m}" for c in ("none", "SPC", "AC") for m in ("SM", "IM")]
    strong = lenet.classifier()
    ways = [
        ("as published", twelve, Way(), bench.seeds),
        ("elitism", [published.BEST], Way(elitism=ELITISM), bench.seeds),
        ("no selection", drifting, Way(), fewer),
        ("pixels as units", twelve, Way(unit="pixel"), fewer),
        ("pixels as units, no selection", drifting, Way(unit="pixel"), fewer),
        ("fitness minimised", twelve[4:], Way(goal="minimised"), fewer),
        ("packaged LeNet", twelve, Way(network="packaged"), fewer),
    ]
    if bench.quick:
        ways = [*ways[:2], ("no selection", drifting[:2], Way(), fewer)]
    bench.expect(1 + sum(len(row[1]) * len(row[3]) for row in ways) + len(bench.seeds))
    weak = network(bench, size)
    found = {}
    for name, scenarios, way, seeds in ways:
        parameters = strong.parameters if way.network == "packaged" else weak
        found[name] = evolved(bench, parameters, size, scenarios, way, seeds)
    elites = map_elites(bench, weak, size)
    wrong = {
        "network": error(lenet.logits, weak, data.test_images, data.test_labels),
        "packaged": error(strong.logits, strong.parameters, data.test_images, data.test_labels),
    }
    report.write(bench, found, elites, wrong, size, scores)
