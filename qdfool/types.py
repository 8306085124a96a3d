"""The data that flows through qdfool, and the protocols of its parts.

Shape legend, used in every docstring:

    B  images in a batch (children of one generation)
    H, W, C  height, width, channels of an image; float32 in [0, 1]
    K  classes of the classifier
    N  cells of the archive: K for the class archive, K x (grid cells) for the grid archive
    M  measures of the archive: 0 for the class archive, 2 for the grid archive
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax

Array = jax.Array
Key = jax.Array
"""A typed `jax.random.key`, to be split, or folded, or drawn from: never two of these (see `qdfool.keys`)."""
Image = jax.Array
"""[H, W, C] float32 in [0, 1]; with a leading B where a batch is meant."""
Genome = Any
"""A pytree of arrays that encodes one image; with a leading B or N where many are meant."""
Parameters = Any
"""A pytree of arrays: what a classifier learned."""
Operator = Callable[..., Genome]
"""A user's own way to vary one genome, pure and traceable by JAX; the child has its parents' shapes and dtypes.
A mutation is a function (key, genome) to genome, a crossover (key, first, second) to child. Its `__name__` is
its name."""


class Pictures(NamedTuple):
    """What a run begins with instead of noise: a picture for each child of the first generation."""

    images: Array
    """[B, H, W, C] uint8."""
    number: Array
    """[B] int32, the picture's number in its collection, from 0; rising."""


class Origin(NamedTuple):
    """Where lines of descent, by (first) parents, begin."""

    picture: Array
    """[N] int32, the number of the picture in its collection; -1 where there is none."""
    distance: Array
    """[N] float32, root mean square difference of the image from it, values in [0, 1]; NaN where there is none."""


class Elites(NamedTuple):
    """The device's archive: row n of every leaf belongs to one and the same child."""

    genome: Genome
    """Leaves [N, ...]."""
    fitness: Array
    """[N] float32, log-odds of the cell's class; -inf where the cell is empty (`qdfool.engine.archive.occupied`)."""
    measures: Array
    """[N, M] float32; NaN where the cell is empty."""
    birth_generation: Array
    """[N] int32, generation that the elite was born in; -1 where the cell is empty."""
    parent_class: Array
    """[N] int32, class of the cell its (first) parent lived in; -1 for the initial generation."""
    num_replacements: Array
    """[N] int32, how often the cell changed hands."""
    curiosity: Array
    """[N] float32, curiosity score of the elite (Cully and Demiris 2018, section III-C)."""
    origin: Any = ()
    """An `Origin` of a run that begins with pictures, else ()."""


class State(NamedTuple):
    """All that evolution needs to go on: what a checkpoint holds."""

    key: Key
    """Root of all randomness; generation g draws from `fold_in(key, g)`, the initial one is generation 0."""
    generation: Array
    """[] int32, generations completed so far."""
    elites: Elites
    children: Genome
    """Leaves [B, ...]: bred, not yet scored."""
    images: Image
    """[B, H, W, C], the children decoded. Part of the state so that a generation begins with an array: XLA
    would otherwise fuse the decoding into the classifier's first convolution and repeat it there."""
    parents: Array
    """[B] int32, the cell of each child's (first) parent; -1 for the initial generation."""
    emitter: Any = ()
    """A pytree of arrays: what the emitter remembers."""
    origins: Any = ()
    """[B] int32, the number of the picture that each child's line of descent began with; () without pictures."""
    pictures: Any = ()
    """The `Pictures` that the run began with, or ()."""


class Outcome(NamedTuple):
    """What became of a batch of children, for the emitter that bred them."""

    fitness: Array
    """[B, K] float32, log-odds; -inf for a child that is not valid, and in classes that it does not compete for."""
    measures: Array
    """[B, M] float32."""
    cell_index: Array
    """[B] int32, the grid cell of each child, in [0, G)."""
    gain: Array
    """[B, K] float32, by how much a child's fitness exceeds that of the elite that was in its cell; inf where none
    was, -inf where `fitness` is."""


class Record(NamedTuple):
    """What one generation did, per class."""

    fitness: Array
    """[K] float32, best log-odds of the class after the generation."""
    updates: Array
    """[K] int32, cells of the class that changed hands in the generation."""
    qd_score: Array
    """[] float32, sum of the confidence over all cells."""
    coverage: Array
    """[] float32, share of the cells that are occupied."""
    invalid: Array
    """[3] int32, children that could not compete, each counted once, by what was wrong with it: it was no image, a
    measure was out of its range, or a logit not finite."""


@dataclass(frozen=True)
class Encoding:
    """How a genome becomes an image. All functions are written for one individual."""

    name: str
    initialise: Callable[[Key], Genome]
    """A random genome."""
    decode: Callable[[Genome], Image]
    """[H, W, C] float32 in [0, 1]."""
    mutations: tuple[str | Operator, ...] = ()
    """What children are mutated with where the config names no mutation: functions (key, genome) to genome,
    or names of qdfool's own that suit these genomes."""
    crossovers: tuple[str | Operator, ...] = ()
    """What the encoding's own crossovers are: functions (key, first, second) to child, or names."""
    differentiable: Callable[[Genome], Image] | None = None
    """`decode` in a form that JAX differentiates in reverse, where there is one; leaves that are no floating-point
    numbers stay as they are. None: gradients and evolution strategies refuse the encoding."""
    encode: Callable[[Image], Genome] | None = None
    """The genome whose image comes nearest to one [H, W, C] in [0, 1]. None: no run begins with pictures."""
    project: Callable[[Genome], Genome] = lambda genome: genome
    """The nearest genome whose numbers are in their range, of one that was moved out of it."""
    decode_onto: Callable[[Genome, Image], Image] | None = None
    """(genome, image that is needed no more) to the same image as that of `decode`, written over the other one,
    whatever that holds; for an encoding that draws part by part, for which memory would be cleared otherwise. None:
    `decode`."""


@dataclass(frozen=True)
class Measure:
    """A number that says what an image is like, whatever the classifier thinks of it."""

    name: str
    description: str
    low: float
    high: float
    measure: Callable[[Image], Array]
    """One image [H, W, C] to a scalar in [low, high]; pure and traceable."""
    smooth: Callable[[Image], Array] | None = None
    """A form of it whose derivative says how it can be changed, where its own is 0 or none, as where pixels are
    counted. For emitters that follow the gradients of measures; None: its own."""


@dataclass(frozen=True)
class Classifier:
    """A classifier under audit: it owns its preprocessing and returns logits."""

    name: str
    image_shape: tuple[int, int, int]
    """(H, W, C) of the images that it takes."""
    class_names: tuple[str, ...]
    """K names in the order of the logits."""
    parameters: Parameters
    logits: Callable[[Parameters, Any], Any]
    """(parameters, images [B, H, W, C] in [0, 1]) to logits [B, K]."""
    traceable: bool = True
    """Whether JAX can trace `logits`; if not, it is called with NumPy arrays from the host."""
    fingerprint: str = ""
    """SHA-256 of the weights, empty where there are none to hash: a resumed run must meet the same."""
    reference: str = ""
    """Where its code is, as package.module:attribute; empty where it has no such name."""
    file_hash: str = ""
    """SHA-256 of the Python file that `reference` lies in; empty where there is none."""
    compiler_options: Mapping[str, str] = field(default_factory=dict)
    """What XLA is told where it compiles a program with these logits, as `jax.jit` takes it."""
    answers: tuple[float, ...] = ()
    """Some logits of the images that it was checked with, of a user's own: a resumed run must get about the same."""


Score = Callable[[Image], Array]
"""Images [B, H, W, C] to their log-odds [B, K]; pure and traceable."""


@dataclass(frozen=True)
class Emitter:
    """What breeds the next batch: a record of functions with a state of its own, as optax has it.

    All are pure and traceable. `init` and `emit` say nothing of the first generation, which is random.
    """

    init: Callable[[Genome], Any]
    """A random genome to the emitter's state, a pytree of arrays, () where it needs none."""
    emit: Callable[[Key, Array, Any, Elites, Score | None], tuple[Genome, Array, Any]]
    """(key, generation [] int32, own state, elites, score) to children [b, ...], the cells [b] of their (first)
    parents, and the state. There is an elite at least. `score` is None where JAX cannot trace the classifier."""
    update: Callable[[Any, Elites, Genome, Array, Outcome], Any] = lambda state, *_: state
    """(own state, elites, children [b, ...], parents [b], their outcome) to the state, after they have competed. The
    children of the first generation, whose parents are -1, are not its own."""
    sharded: Any = False
    """Which leaves of the state have rows that devices share as they share the children, along the first axis: a
    prefix of the state, of bool. The others are the same on every device. Of several devices the three functions are
    written for one of them, with its rows. qdfool's own emitters alone are shared."""


EmitterMaker = Callable[[int, Encoding], Emitter]
"""A user's own emitter: (children a generation, encoding) to an `Emitter`. Its `__name__` is its name."""
