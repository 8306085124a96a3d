"""The settings of a run: frozen dataclasses, checked, to and from JSON."""

import dataclasses
import typing
from dataclasses import dataclass, field
from typing import Any, Literal

from qdfool.errors import InputError, in_range, known_name


@dataclass(frozen=True)
class Mutation:
    """Mutation: the operators named, in this order, each on every child that is mutated."""

    operators: tuple[str, ...] = ("polynomial",)
    """Names of mutation operators, applied in this order; see --list."""
    probability: float = 1.0
    """Probability [0, 1] that a child is mutated at all."""
    rate: float = 0.1
    """Probability [0, 1] that a gene changes (polynomial, gaussian, reset, bit_flip), a weight (cppn), or a slot
    of a list (pixel_redraw)."""
    halve_every: int = 0
    """Evaluations after which the rate is halved, again and again, in whole generations; 0: never. The
    paper: 1,000 generations, which are 200,000 evaluations on MNIST and 400,000 on ImageNet."""
    eta: float = 15.0
    """Distribution index (> 0) of polynomial mutation, of genes or weights: the higher, the smaller the
    steps."""
    sigma: float = 0.1
    """Standard deviation (>= 0, in units of brightness) of gaussian mutation."""
    block: int = 6
    """Side in pixels (>= 1) of the square that block_flip flips."""


@dataclass(frozen=True)
class Cppn:
    """CPPNs: how large they can be, what they are made of, how they change beside their weights."""

    nodes: int = 64
    """Slots for nodes, inputs and outputs included."""
    connections: int = 192
    """Slots for connections, those from every input to every output included."""
    activations: tuple[str, ...] = ("sine", "sigmoid", "gaussian", "linear")
    """Activation functions that a node may have; see --list."""
    coordinates: Literal["normalised", "pixels"] = "normalised"
    """x and y in [-1, 1]; or in pixels, counted from 0, as in the paper's program."""
    weight_range: float = 10.0
    """Weights stay within plus and minus this (> 0)."""
    activation_rate: float = 0.1
    """Probability [0, 1] that a node draws its activation anew. (Of a weight to change: --mutation.rate.)"""
    add_connection: float = 0.5
    """Probability [0, 1] that a connection is added."""
    delete_connection: float = 0.3
    """Probability [0, 1] that a connection is deleted."""
    add_neuron: float = 0.5
    """Probability [0, 1] that a neuron is put into a connection."""
    delete_neuron: float = 0.2
    """Probability [0, 1] that a hidden neuron is deleted."""


@dataclass(frozen=True)
class BlackPixels:
    """Lists of black pixels: how long they can be, and where pixels may lie."""

    capacity: int = 512
    """Slots of the list: the most black pixels that an image can have, 1 to those that it has in all."""
    inverted: bool = False
    """White pixels on black instead of black ones on white."""
    margin: float = 0.0
    """Share [0, 0.45] of each side of the image in which no pixel is put: 0.25 leaves the middle half."""


@dataclass(frozen=True)
class Crossover:
    """Crossover: one of the operators named, drawn at random for each child that has two parents."""

    operators: tuple[str, ...] = ()
    """Names of crossover operators; none: a child has one parent. See --list."""
    probability: float = 1.0
    """Probability [0, 1] that a child is crossed rather than a copy of its first parent."""
    eta: float = 10.0
    """Distribution index (> 0) of simulated_binary crossover."""
    patch: int = 9
    """Side in pixels (>= 1) of the square that patch_copy copies."""
    sigma_iso: float = 0.01
    """Standard deviation (>= 0) of iso_line's step in every direction."""
    sigma_line: float = 0.2
    """Standard deviation (>= 0) of iso_line's step along the line to the second parent."""


@dataclass(frozen=True)
class Selection:
    """Selection of parents among the occupied cells of the archive."""

    operator: str = "uniform"
    """Name of the selection operator; see --list."""
    tournament_size: int = 20
    """Elites (>= 1) that meet in a tournament."""


@dataclass(frozen=True)
class Config:
    """Everything that decides a run's result, its budget, and how it is kept."""

    preset: str = "mnist-direct"
    """The preset that the settings started from."""
    seed: int = 0
    """Root of all randomness, 0 to 2^32 - 1: same seed, settings and platform, same archive."""
    generations: int | None = None
    """Budget in generations (>= 1)."""
    evaluations: int | None = None
    """Budget in images classified, spent in whole generations (>= batch size)."""
    seconds: float | None = None
    """Budget in seconds of evolution, compilation not counted (> 0). The first budget met ends the run."""
    batch_size: int = 200
    """Children in a generation (>= 1); 0: chosen from the device's memory."""
    classifier: str = "lenet"
    """A classifier of --list, or your own as package.module:attribute."""
    weights: str | None = None
    """Weights for a classifier of --list: a safetensors or .pth file; "hub" to fetch published ones;
    "random" for an untrained network. Without it, the packaged weights, or else published ones, fetched."""
    image_shape: tuple[int, int, int] | None = None
    """Height, width, channels that your own classifier takes, where it does not say so itself (else
    28 28 1); or a size for a network of --list that takes several."""
    group: tuple[str, ...] = ()
    """Classes to be seen as one, as NAME=INDEX,INDEX-INDEX,...; those in no group are "rest"."""
    objective: Literal["full-image", "ten-crop"] = "full-image"
    """full-image: an image is classified as it is. ten-crop: a larger image is, by the mean softmax over its
    corners and centre, mirrored too, as in the paper."""
    crop_from: int = 256
    """Side of the image that ten-crop cuts from."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """What a network of --list computes in; logits are float32 in both."""
    encoding: str = "pixels"
    """How a genome becomes an image; see --list."""
    initial: str = "uniform"
    """What the images of the first generation are; see --list."""
    rounding: bool = True
    """Round images to the 256 levels of a PNG before the classifier sees them."""
    archive: Literal["class", "grid"] = "class"
    """class: one elite per class. grid: one per class and cell of two measures."""
    measures: tuple[str, str] = ("ink", "eccentricity")
    """The two measures of the grid archive: of --list, or your own as package.module:attribute."""
    cells: tuple[int, int] = (20, 20)
    """Cells (>= 1) along each measure of the grid archive."""
    ranges: tuple[float, float, float, float] | None = None
    """Low and high of the first measure, low and high of the second, within what they can be
    (images beyond fall in the outermost cells). Without it, all that each measure can be."""
    cppn: Cppn = field(default_factory=Cppn)
    black_pixels: BlackPixels = field(default_factory=BlackPixels)
    mutation: Mutation = field(default_factory=Mutation)
    crossover: Crossover = field(default_factory=Crossover)
    selection: Selection = field(default_factory=Selection)
    chunk_seconds: float = 1.0
    """Seconds (> 0) of evolution on the device between two looks from the host."""
    checkpoint_every: float = 30.0
    """Seconds (>= 0) between checkpoints; there is always one at the end."""

    def budget_generations(self) -> int | None:
        """Generations that the generation and evaluation budgets allow; None for no such limit, or while the
        batch size is still to be chosen."""
        limits = []
        if self.generations is not None:
            limits.append(self.generations)
        if self.evaluations is not None and self.batch_size:
            limits.append(self.evaluations // self.batch_size)
        return min(limits) if limits else None


BUDGET = ("generations", "evaluations", "seconds")
"""Settings that a resumed run may extend."""
KEEPING = ("chunk_seconds", "checkpoint_every")
"""Settings that change how a run is kept, not what it finds."""


def validate(config: Config, needs_budget: bool = True) -> None:
    """Checks every number of a config for its range; names are checked where their tables are.

    Raises:
        InputError: a setting is out of range; the message names it as the command line does.
    """
    in_range("--seed", config.seed, 0, 2**32 - 1)
    in_range("--batch-size", config.batch_size, 0)
    if needs_budget and all(getattr(config, name) is None for name in BUDGET):
        raise InputError("A run needs a budget: give --generations, --evaluations or --seconds.")
    if config.generations is not None:
        in_range("--generations", config.generations, 1)
    if config.evaluations is not None:
        in_range("--evaluations (one batch or more)", config.evaluations, max(1, config.batch_size))
    if config.seconds is not None:
        _positive("--seconds", config.seconds)
    for size in config.image_shape or ():
        in_range("--image-shape", size, 1)
    in_range("--crop-from", config.crop_from, 1)
    for cells in config.cells:
        in_range("--cells", cells, 1)
    _positive("--chunk-seconds", config.chunk_seconds)
    in_range("--checkpoint-every", config.checkpoint_every, 0)

    cppn, mutation, crossover = config.cppn, config.mutation, config.crossover
    in_range("--cppn.nodes", cppn.nodes, 1, 512)
    in_range("--cppn.connections", cppn.connections, 1, 4096)
    _positive("--cppn.weight-range", cppn.weight_range)
    in_range("--cppn.activation-rate", cppn.activation_rate, 0, 1)
    in_range("--cppn.add-connection", cppn.add_connection, 0, 1)
    in_range("--cppn.delete-connection", cppn.delete_connection, 0, 1)
    in_range("--cppn.add-neuron", cppn.add_neuron, 0, 1)
    in_range("--cppn.delete-neuron", cppn.delete_neuron, 0, 1)
    in_range("--black-pixels.capacity", config.black_pixels.capacity, 1)
    in_range("--black-pixels.margin", config.black_pixels.margin, 0, 0.45)
    in_range("--mutation.probability", mutation.probability, 0, 1)
    in_range("--mutation.rate", mutation.rate, 0, 1)
    in_range("--mutation.halve-every", mutation.halve_every, 0)
    _positive("--mutation.eta", mutation.eta)
    in_range("--mutation.sigma", mutation.sigma, 0)
    in_range("--mutation.block", mutation.block, 1)
    in_range("--crossover.probability", crossover.probability, 0, 1)
    _positive("--crossover.eta", crossover.eta)
    in_range("--crossover.patch", crossover.patch, 1)
    in_range("--crossover.sigma-iso", crossover.sigma_iso, 0)
    in_range("--crossover.sigma-line", crossover.sigma_line, 0)
    in_range("--selection.tournament-size", config.selection.tournament_size, 1)


def _positive(name: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise InputError(f"{name} must be above 0 and finite; got {value!r}.")


def to_dict(config: Config) -> dict[str, Any]:
    """The config as nested dicts, lists and numbers, ready for JSON."""
    return dataclasses.asdict(config)


def from_dict(values: dict[str, Any]) -> Config:
    """The config that `to_dict` wrote, whether or not it went through JSON.

    Raises:
        InputError: a setting that no config has, or one of the wrong kind.
    """
    return _read(Config, values, "")


def _read(kind: type, values: Any, path: str) -> Any:
    if not isinstance(values, dict):
        raise InputError(f"Setting {path or 'config'!r} must be a group of settings; got {values!r}.")
    hints = typing.get_type_hints(kind)
    arguments = {}
    for name, value in values.items():
        known_name("setting", name, hints)
        if dataclasses.is_dataclass(hints[name]):
            value = _read(typing.cast(type, hints[name]), value, f"{path}{name}.")
        elif isinstance(value, list):
            value = tuple(value)
        arguments[name] = value
    return kind(**arguments)


def differences(first: Config, second: Config, ignoring: tuple[str, ...] = ()) -> list[str]:
    """The settings in which two configs differ, as `name: first -> second`."""
    return _differences(to_dict(first), to_dict(second), ignoring, "")


def _differences(
    first: dict[str, Any], second: dict[str, Any], ignoring: tuple[str, ...], path: str
) -> list[str]:
    found = []
    for name, value in first.items():
        if name in ignoring:
            continue
        if isinstance(value, dict):
            found += _differences(value, second[name], (), f"{path}{name}.")
        elif value != second[name]:
            found.append(f"{path}{name}: {value!r} -> {second[name]!r}")
    return found
