"""Turns a config into functions, by plain dict tables: add a part by adding a row."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from qdfool.check import InputError, known_name
from qdfool.classifiers import custom, lenet
from qdfool.config import Config
from qdfool.encodings.binary import binary
from qdfool.encodings.levels import round_to_levels
from qdfool.encodings.noise import uniform_noise, varied_noise
from qdfool.encodings.pixels import pixels
from qdfool.engine.step import Evolution
from qdfool.measures import MEASURES
from qdfool.named import is_reference, named_object
from qdfool.operators import crossover, mutation, selection
from qdfool.types import Array, Classifier, Encoding, Genome, Image, Key, Measure

GRID_EPSILON = 1e-6
"""What `ribs.archives.GridArchive.index_of` adds before it truncates; ours must find the same cell."""

CLASSIFIERS: dict[str, tuple[str, Callable[[Path | None], Classifier]]] = {
    "lenet": ("LeNet for MNIST digits, 28 x 28 grey, weights packaged", lenet.classifier),
}
INITIAL: dict[str, tuple[str, Callable[[tuple[int, int, int]], Callable[[Key], Image]]]] = {
    "uniform": ("uniform noise, as in the paper", uniform_noise),
    "varied": ("noise that varies in how much ink there is and how far out", varied_noise),
}
ENCODINGS: dict[str, tuple[str, Callable[[Callable[[Key], Image]], Encoding]]] = {
    "pixels": ("a gene in [0, 1] per pixel and channel", pixels),
    "binary": ("a bit per pixel and channel: black and white", binary),
}
REAL, ANY = ("pixels",), ("pixels", "binary")
MUTATIONS: dict[str, tuple[str, tuple[str, ...], Callable[..., Genome]]] = {
    "polynomial": ("a small step, more often smaller, for a share of the genes", REAL, mutation.polynomial),
    "gaussian": ("a normal step for a share of the genes", REAL, mutation.gaussian),
    "reset": ("a share of the genes drawn anew", ANY, mutation.reset),
    "bit_flip": ("a share of the genes inverted", ANY, mutation.bit_flip),
    "block_flip": ("a square of pixels inverted", ANY, mutation.block_flip),
    "swap": ("two pixels exchanged", ANY, mutation.swap),
    "inversion": ("the pixels between two cuts in reverse order", ANY, mutation.inversion),
}
CROSSOVERS: dict[str, tuple[str, tuple[str, ...], Callable[..., Genome]]] = {
    "simulated_binary": (
        "genes spread about both parents as bit strings would be",
        REAL,
        crossover.simulated_binary,
    ),
    "uniform": ("each pixel from either parent", ANY, crossover.uniform),
    "single_point": ("pixels before a cut from one, after it from the other", ANY, crossover.single_point),
    "row_column_split": ("a band of rows or columns from the other", ANY, crossover.row_column_split),
    "rectangle_swap": ("a rectangle from the other", ANY, crossover.rectangle_swap),
    "alternating_columns": ("every second column from the other", ANY, crossover.alternating_columns),
    "patch_copy": ("a square patch from the other", ANY, crossover.patch_copy),
    "arithmetic": ("a weighted mean of both", REAL, crossover.arithmetic),
    "iso_line": ("a step in every direction and one along the line to the other", REAL, crossover.iso_line),
}
SELECTIONS: dict[str, tuple[str, Callable[..., Array]]] = {
    "uniform": ("every occupied cell alike, as in the paper", selection.uniform),
    "fitness_proportional": ("in proportion to confidence", selection.fitness_proportional),
    "tournament": ("the best of some drawn at random", selection.tournament),
    "ranking": ("in proportion to rank", selection.ranking),
    "curiosity": ("in proportion to how often an elite's children entered the archive", selection.curiosity),
}


def build_classifier(config: Config) -> Classifier:
    """The classifier a config names, checked on a few images.

    Raises:
        InputError: unknown name, weights that do not fit, or an output that is not logits.
    """
    if is_reference(config.classifier):
        if config.weights is not None:
            raise InputError(
                f"--weights goes with a classifier of --list; {config.classifier} must load its own. Got "
                f"{config.weights!r}."
            )
        found = named_object(config.classifier)
        classifier = custom.wrap(found, config.classifier, config.image_shape)
    else:
        _, load = CLASSIFIERS[known_name("classifier", config.classifier, CLASSIFIERS)]
        classifier = load(None if config.weights is None else Path(config.weights))
    custom.check(classifier)
    return classifier


def build_encoding(config: Config, image_shape: tuple[int, int, int]) -> Encoding:
    """The encoding a config names, rounded to 8-bit levels unless the config says otherwise."""
    _, make = ENCODINGS[known_name("encoding", config.encoding, ENCODINGS)]
    _, initial = INITIAL[known_name("initial image", config.initial, INITIAL)]
    encoding = make(initial(image_shape))
    if not config.rounding:
        return encoding

    def decode(genome: Genome) -> Image:
        return round_to_levels(encoding.decode(genome))

    return Encoding(encoding.name, encoding.initialise, decode)


def build_measures(config: Config) -> tuple[Measure, ...]:
    """The measures of a config's archive with the ranges they are mapped over; none for the class archive.

    Raises:
        InputError: unknown measure, or a range that is empty or beyond what the measure can be.
    """
    if config.archive == "class":
        return ()
    return tuple(_measure(name) for name in config.measures)


def grid_ranges(config: Config, measures: tuple[Measure, ...]) -> tuple[tuple[float, float], ...]:
    """(low, high) of each axis of the grid.

    Raises:
        InputError: a range of the config is empty or beyond what its measure can be.
    """
    if config.ranges is None:
        return tuple((measure.low, measure.high) for measure in measures)
    ranges = ((config.ranges[0], config.ranges[1]), (config.ranges[2], config.ranges[3]))
    for measure, (low, high) in zip(measures, ranges, strict=False):
        if not measure.low <= low < high <= measure.high:
            raise InputError(
                f"--ranges gives {measure.name} from {low:g} to {high:g}. Expected low < high, both within "
                f"[{measure.low:g}, {measure.high:g}], which is all that {measure.name} can be."
            )
    return ranges


def build_evolution(config: Config, classifier: Classifier) -> Evolution:
    """The functions of a run.

    Raises:
        InputError: an unknown name, or parts that do not fit together.
    """
    image_shape = classifier.image_shape
    encoding = build_encoding(config, image_shape)
    measures = build_measures(config)
    crossovers = _crossovers(config, image_shape)
    recombine = _recombine(config, crossovers)
    mutate = _mutate(config, image_shape)

    def vary(key: Key, generation: Array, first: Genome, second: Genome | None) -> Genome:
        crossover_key, mutation_key = jax.random.split(key)
        child = first if second is None else recombine(crossover_key, first, second)
        return mutate(mutation_key, generation, child)

    def measure(image: Image) -> Array:
        return jnp.array([part.measure(image) for part in measures], jnp.float32)

    _, select = SELECTIONS[known_name("selection", config.selection.operator, SELECTIONS)]
    if config.selection.operator == "tournament":
        select = partial(select, tournament_size=config.selection.tournament_size)
    return Evolution(
        classes=len(classifier.class_names),
        grid_cells=config.cells[0] * config.cells[1] if measures else 1,
        batch_size=config.batch_size,
        initialise=encoding.initialise,
        decode=encoding.decode,
        vary=vary,
        select=select,
        two_parents=bool(crossovers),
        measure=measure,
        place=_place(config, measures),
    )


def _measure(name: str) -> Measure:
    if not is_reference(name):
        return MEASURES[known_name("measure", name, MEASURES)]
    found = named_object(name)
    if not isinstance(found, Measure):
        raise InputError(f"{name} is of type {type(found).__name__}. Expected a qdfool.Measure.")
    return found


def _place(config: Config, measures: tuple[Measure, ...]) -> Callable[[Array], tuple[Array, Array]]:
    if not measures:
        return lambda values: (jnp.int32(0), jnp.bool_(True))
    ranges = grid_ranges(config, measures)
    low, high = (jnp.array(bounds, jnp.float32) for bounds in zip(*ranges, strict=True))
    least = jnp.array([measure.low for measure in measures], jnp.float32)
    most = jnp.array([measure.high for measure in measures], jnp.float32)
    cells = jnp.array(config.cells, jnp.int32)

    def place(values: Array) -> tuple[Array, Array]:
        valid = ((least <= values) & (values <= most)).all()
        along = ((cells * (values - low) + GRID_EPSILON) / (high - low)).astype(jnp.int32)
        along = jnp.clip(along, 0, cells - 1)
        return along[0] * cells[1] + along[1], valid

    return place


def _mutate(config: Config, image_shape: tuple[int, int, int]) -> Callable[[Key, Array, Genome], Genome]:
    settings = config.mutation
    size = image_shape[0] * image_shape[1] * image_shape[2]
    most = mutation.most_changes(size, settings.rate)
    if "block_flip" in settings.operators:
        _fits("--mutation.block", settings.block, image_shape)

    def rate(generation: Array) -> Array:
        halvings = generation // settings.halve_every if settings.halve_every else 0
        return settings.rate * jnp.float32(0.5) ** halvings

    extras: dict[str, dict[str, Any]] = {
        "polynomial": {"eta": settings.eta, "most": most},
        "gaussian": {"sigma": settings.sigma, "most": most},
        "reset": {"most": most},
        "bit_flip": {"most": most},
        "block_flip": {"block": settings.block},
    }
    operators = []
    for name in settings.operators:
        _, encodings, operator = MUTATIONS[known_name("mutation", name, MUTATIONS)]
        _suits(config, "mutation", name, encodings)
        operators.append((partial(operator, **extras.get(name, {})), "most" in extras.get(name, {})))

    def mutate(key: Key, generation: Array, genome: Genome) -> Genome:
        child = genome
        *keys, whether_key = jax.random.split(key, len(operators) + 1)
        for operator_key, (operator, rated) in zip(keys, operators, strict=True):
            child = operator(operator_key, child, **({"rate": rate(generation)} if rated else {}))
        if settings.probability == 1:
            return child
        return jnp.where(jax.random.bernoulli(whether_key, settings.probability), child, genome)

    return mutate


def _crossovers(config: Config, image_shape: tuple[int, int, int]) -> list[Callable[..., Genome]]:
    settings = config.crossover
    extras: dict[str, dict[str, Any]] = {
        "simulated_binary": {"eta": settings.eta},
        "patch_copy": {"patch": settings.patch},
        "iso_line": {"sigma_iso": settings.sigma_iso, "sigma_line": settings.sigma_line},
    }
    if "patch_copy" in settings.operators:
        _fits("--crossover.patch", settings.patch, image_shape)
    operators = []
    for name in settings.operators:
        _, encodings, operator = CROSSOVERS[known_name("crossover", name, CROSSOVERS)]
        _suits(config, "crossover", name, encodings)
        operators.append(partial(operator, **extras.get(name, {})))
    return operators


def _recombine(
    config: Config, operators: list[Callable[..., Genome]]
) -> Callable[[Key, Genome, Genome], Genome]:
    def recombine(key: Key, first: Genome, second: Genome) -> Genome:
        which_key, operator_key, whether_key = jax.random.split(key, 3)
        if len(operators) == 1:
            child = operators[0](operator_key, first, second)
        else:
            which = jax.random.randint(which_key, (), 0, len(operators))
            child = jax.lax.switch(which, operators, operator_key, first, second)
        if config.crossover.probability == 1:
            return child
        return jnp.where(jax.random.bernoulli(whether_key, config.crossover.probability), child, first)

    return recombine


def _suits(config: Config, kind: str, name: str, encodings: tuple[str, ...]) -> None:
    if config.encoding not in encodings:
        raise InputError(
            f"The {kind} {name!r} does not work on the encoding {config.encoding!r}. Expected one of "
            f"{', '.join(encodings)}, or another {kind} (see --list)."
        )


def _fits(name: str, side: int, image_shape: tuple[int, int, int]) -> None:
    if side > min(image_shape[:2]):
        raise InputError(
            f"{name} must be at most the image's side, {min(image_shape[:2])} pixels; got {side}."
        )
