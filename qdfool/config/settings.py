"""The settings of a run: frozen dataclasses."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from qdfool.config.charges import Charges, charges_in_turn
from qdfool.types import EmitterMaker, Encoding, Measure, Operator

BUDGET = ("generations", "evaluations", "seconds")
"""Settings that end a run; those that are given replace all that were there before."""
KEEPING = ("chunk_seconds", "checkpoint_every", "devices", "seeds_at_once")
"""Settings that change how a run is kept and computed, not what it finds."""


@dataclass(frozen=True)
class Mutation:
    """Mutation: the operators named, in this order, each on every child that is mutated."""

    operators: tuple[str | Operator, ...] | None = None
    """Mutation operators (at most 32), applied in this order: of --list, or your own, functions (key, genome) to
    genome, as package.module:attribute. Without it, the encoding's own."""
    probability: float = 1.0
    """Probability [0, 1] that a child is mutated at all."""
    rate: float | None = None
    """Probability [0, 1] that a gene changes (polynomial, gaussian, reset, bit_flip), a weight (cppn), or a slot
    of a list (pixel_redraw). Without it 0.1, with the encoding binary 0.005; your own functions have theirs."""
    halve_every: int = 0
    """Evaluations after which the rate is halved, again and again, in whole generations, at most 10^15; 0: never.
    The paper: 1,000 generations, which are 200,000 evaluations on MNIST and 400,000 on ImageNet."""
    eta: float = 15.0
    """Distribution index (> 0, at most 10^6) of polynomial mutation, of genes or weights: the higher, the
    smaller the steps."""
    sigma: float = 0.1
    """Standard deviation (0 to 10^6, in units of brightness) of gaussian mutation."""
    block: int | None = None
    """Side in pixels (>= 1) of the square that block_flip flips. Without it 6, or the image's side if less."""


@dataclass(frozen=True)
class Cppn:
    """CPPNs: how large they can be, what they are made of, how they change beside their weights."""

    nodes: int = 64
    """Slots for nodes, inputs and outputs included, at most 512."""
    connections: int = 192
    """Slots for connections, those from every input to every output included, at most 4,096."""
    activations: tuple[str, ...] = ("sine", "sigmoid", "gaussian", "linear")
    """Activation functions (at most 32) that a node may have; see --list."""
    coordinates: Literal["normalised", "pixels"] = "normalised"
    """x and y in [-1, 1]; or in pixels, counted from 0, as in the paper's program."""
    weight_range: float = 10.0
    """Weights stay within plus and minus this (> 0, at most 10^6)."""
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

    capacity: int | None = None
    """Slots of the list: the most black pixels that an image can have, 1 to those that it has in all. Without
    it 512, or all that the image has if fewer."""
    inverted: bool = False
    """White pixels on black instead of black ones on white."""
    margin: float = 0.0
    """Share [0, 0.45] of each side of the image in which no pixel is put: 0.25 leaves the middle half."""


@dataclass(frozen=True)
class Crossover:
    """Crossover: one of the operators named, drawn at random for each child that has two parents."""

    operators: tuple[str | Operator, ...] | None = ()
    """Crossover operators (at most 32): of --list, or your own, functions (key, first, second) to child, as
    package.module:attribute. Empty: a child has one parent. None: the encoding's own, if it has any."""
    probability: float = 1.0
    """Probability [0, 1] that a child is crossed rather than a copy of its first parent."""
    eta: float = 10.0
    """Distribution index (> 0, at most 10^6) of simulated_binary crossover."""
    patch: int | None = None
    """Side in pixels (>= 1) of the square that patch_copy copies. Without it 9, or the image's side if less."""
    sigma_iso: float = 0.01
    """Standard deviation (0 to 10^6) of iso_line's step in every direction."""
    sigma_line: float = 0.2
    """Standard deviation (0 to 10^6) of iso_line's step along the line to the second parent."""


@dataclass(frozen=True)
class Selection:
    """Selection of parents among the occupied cells of the archive."""

    operator: str = "uniform"
    """Name of the selection operator; see --list."""
    tournament_size: int = 20
    """Elites (1 to 65,536) that meet in a tournament."""


@dataclass(frozen=True)
class Emitters:
    """Emitters: what breeds the children of a generation, each a share of the batch."""

    operators: tuple[str | EmitterMaker, ...] = ("variation",)
    """Emitters (at most 32): of --list, or your own, functions (children, encoding) to a qdfool.Emitter, as
    package.module:attribute."""
    shares: tuple[float, ...] | None = None
    """The share of the batch (>= 0, of their sum) that each emitter breeds; one of 0 is left out. Without it, equal
    ones."""
    evaluations_per_child: tuple[float, ...] | None = None
    """What a child of each emitter costs, in evaluations (1 to 10^6), its own included: what the budget is charged, in
    whole evaluations a generation. Without it 1, and with gradients what those cost."""

    turns: tuple[int, ...] | None = None
    """Evaluations, as they are charged and rising, one fewer than emitters: at each the next emitter takes over, which
    may be one that was there before. With them emitters breed whole batches one after another, and have no shares."""

    def sizes(self, batch_size: int) -> tuple[int, ...]:
        """Children of each emitter in a batch that it has a part in, by the largest remainders; the first among
        equals."""
        if self.turns is not None:
            return (batch_size,) * len(self.operators)
        shares = self.shares or (1.0,) * len(self.operators)
        exact = [batch_size * share / sum(shares) for share in shares]
        sizes = [int(part) for part in exact]
        by_remainder = sorted(range(len(exact)), key=lambda index: sizes[index] - exact[index])
        for index in by_remainder[: batch_size - sum(sizes)]:
            sizes[index] += 1
        return tuple(sizes)


@dataclass(frozen=True)
class EvolutionStrategy:
    """The emitter evolution_strategy: several strategies, each about an elite, which adapt to where the archive
    improves."""

    strategy: Literal["auto", "cma_es", "sep_cma_es", "lm_ma_es"] = "auto"
    """Of evosax. auto: cma_es up to 2,000 genes, sep_cma_es beyond. cma_es decomposes a matrix of genes x genes
    each generation, and for the 784 pixels of a digit that is most of its time."""
    strategies: int = 5
    """How many (1 to 1,024) share the emitter's children."""
    sigma: float = 0.1
    """Step size (> 0, at most 10^6, in units of the genes) that a strategy begins with."""
    ranking: Literal["improvement", "annealed"] = "improvement"
    """improvement: over the elites, as CMA-ME. annealed: over acceptance thresholds that rise, as CMA-MAE."""
    threshold: float = -10.0
    """Acceptance threshold (log-odds, within 10^6 of 0) of a cell that had no child yet; for annealed."""
    learning_rate: float = 0.1
    """How far [0, 1] a threshold moves towards a child that exceeds it; for annealed."""


@dataclass(frozen=True)
class GradientAscent:
    """The emitter gradient_ascent: steps from an elite, uphill on the log-odds of its class."""

    steps: int = 10
    """Steps (1 to 10,000) that a child is away from its parent."""
    rule: Literal["normalised", "sign", "sgd", "adam", "progress"] = "normalised"
    """Which step a gradient makes, of Optax. normalised: one of a fixed length. sign: one of a fixed size in
    every gene. progress: the paper's, which wins so much confidence, as far as that is linear; with a constant
    learning rate of 1."""
    learning_rate: float = 0.5
    """Length or size of the first step, or the factor of one (> 0, at most 10^6)."""
    early: float = 0.03
    """Confidence (> 0, at most 1) that a step should win, at most; for progress."""
    late: float = 0.1
    """Share (> 0, at most 1) of what confidence lacks of 1 that a step should win, at most; for progress."""
    most: float = 1.5e7
    """Factor (> 0, at most 10^9) of the gradient of the confidence, at most; for progress. The paper's program has
    10^12 for images of 0 to 255."""
    schedule: Literal["linear", "constant"] = "linear"
    """linear: steps fall to a tenth of the first, so that an elite near the top is not overshot."""
    lengths: int = 1
    """Children (1 to 64) that share a way and what it costs: one at its end, each other a quarter as far as the one
    before."""
    sigma: float = 0.01
    """Standard deviation (0 to 10^6) of the noise that is added to the elite before the first step."""
    selection: str = "lowest"
    """Which elites are followed: a selection operator of --list."""
    decay: float = 0.0
    """Share [0, 1] of its distance from grey that every gene loses at each step; the paper: 0.01."""
    blur_sigma: float = 0.0
    """Standard deviation in pixels (0 to 100) of the blur after every blur_every-th step; 0: none."""
    blur_every: int = 4
    """Steps (1 to 10,000) between two blurs."""
    clip_values: float = 0.0
    """Share [0, 1) of the genes, those nearest to grey, that become grey after each step."""
    clip_contributions: float = 0.0
    """Share [0, 1) of the genes, those whose return to grey would cost least log-odds, that become grey after each
    step."""


@dataclass(frozen=True)
class GradientArborescence:
    """The emitter gradient_arborescence: children along the gradients of objective and measures, in a grid archive."""

    coefficients: Literal["random", "adapted"] = "adapted"
    """What the gradients are multiplied with. random: normal numbers, as OMG-MEGA. adapted: by CMA-ES, to where the
    archive improves, as CMA-MEGA."""
    population: int | None = None
    """Children (1 to 65,536, adapted: >= 2) that share a gradient; must divide the emitter's children. Without it, the
    number nearest to 10 that does."""
    sigma: float = 4.0
    """Standard deviation (> 0, at most 10^6, in units of the genes) of a coefficient at the beginning; a gradient
    has length 1."""
    rule: Literal["normalised", "sign", "sgd", "adam"] = "sgd"
    """Which step the point that children branch off from makes, of Optax; for adapted."""
    learning_rate: float = 2.0
    """Length or size of that step, or its factor (> 0, at most 10^6); for adapted."""


@dataclass(frozen=True)
class Preprocessing:
    """What becomes of images in [0, 1] before a classifier from a file, or a service, is given them."""

    mean: tuple[float, ...] = (0.0,)
    """Subtracted from the images (at most 4, a number for each channel, or one for all)."""
    std: tuple[float, ...] = (1.0,)
    """What they are then divided by (> 0; the same). 0 and 0.00392156862745098, which is 1/255, make 0 to 255 of 0 to
    1."""
    layout: Literal["auto", "channels_first", "channels_last"] = "auto"
    """Whether it takes tensors [B, C, H, W] or [B, H, W, C]; auto: as its file says, or else as is usual."""


@dataclass(frozen=True)
class Config:
    """Everything that decides a run's result, its budget, and how it is kept.

    What is left open follows the encoding and the size of the images; the config that a run has and saves says
    what it came to. Measures, the encoding and operators may be objects of your own.
    """

    preset: str = "mnist-direct"
    """The preset that the settings started from."""
    seed: int = 0
    """Root of all randomness, 0 to 2^32 - 1: same seed, settings and platform, same archive."""
    generations: int | None = None
    """Budget in generations (1 to 2^31 - 1)."""
    evaluations: int | None = None
    """Budget in images classified, and gradients in what they cost, spent in whole generations (>= one, and at
    most 2^31 - 1 generations)."""
    seconds: float | None = None
    """Budget in seconds of evolution, compilation not counted (> 0, at most 10^9). Any budget that is given
    replaces the preset's; of several that are given, the first that is met ends the run."""
    batch_size: int = 200
    """Children in a generation (1 to 1,048,576); 0: chosen from the devices' memory."""
    classifier: str = "lenet"
    """A classifier of --list, or your own: package.module:attribute, an .onnx, .pt, .pt2 or .keras file, or
    http://..."""
    weights: str | None = None
    """Weights for a classifier of --list: a safetensors or .pth file; "hub" to fetch published ones;
    "random" for an untrained network. Without it, the packaged weights, or else published ones, fetched."""
    image_shape: tuple[int, int, int] | None = None
    """Height, width, channels that your own classifier takes, where it does not say so itself (else
    28 28 1); or a size for a network of --list that takes several. Sides of at most 65,536,
    and 2^24 values in all."""
    group: tuple[str, ...] = ()
    """Classes to be seen as one, as NAME=INDEX,INDEX-INDEX,...; those in no group are "rest"."""
    objective: Literal["full-image", "ten-crop"] = "full-image"
    """full-image: an image is classified as it is. ten-crop: a larger image is, by the mean softmax over its
    corners and centre, mirrored too, as in the paper."""
    crop_from: int = 256
    """Side of the image that ten-crop cuts from, at most 65,536."""
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    precision: Literal["float32", "bfloat16"] = "float32"
    """What a network of --list computes in; logits are float32 in both."""
    encoding: str | Encoding | Callable[[tuple[int, int, int]], Encoding] = "pixels"
    """How a genome becomes an image: of --list, or your own as package.module:attribute, a qdfool.Encoding or
    a function from (height, width, channels) to one."""
    initial: str = "uniform"
    """What the images of the first generation are: noise of --list, or pictures, by the path of a folder of image files
    or of an IDX file (with the encodings pixels and binary, or your own that encodes images)."""
    rounding: bool = True
    """Round images to the 256 levels of a PNG before the classifier sees them."""
    archive: Literal["class", "grid"] = "class"
    """class: one elite per class. grid: one per class and cell of two measures."""
    competition: Literal["all", "parent"] = "all"
    """Which classes a child competes for. all: every one, as in the paper. parent: that of the cell its (first) parent
    lives in, and no other; children of the first generation still compete for all."""
    measures: tuple[str | Measure, str | Measure] = ("ink", "eccentricity")
    """The two measures of the grid archive: of --list, or your own, a qdfool.Measure, as
    package.module:attribute."""
    cells: tuple[int, int] = (20, 20)
    """Cells (1 to 2^24) along each measure of the grid archive."""
    ranges: tuple[float, float, float, float] | None = None
    """Low and high of the first measure, low and high of the second, within what they can be
    (images beyond fall in the outermost cells). Without it, all that each measure can be."""
    cppn: Cppn = field(default_factory=Cppn)
    black_pixels: BlackPixels = field(default_factory=BlackPixels)
    mutation: Mutation = field(default_factory=Mutation)
    crossover: Crossover = field(default_factory=Crossover)
    selection: Selection = field(default_factory=Selection)
    emitters: Emitters = field(default_factory=Emitters)
    evolution_strategy: EvolutionStrategy = field(default_factory=EvolutionStrategy)
    gradient_ascent: GradientAscent = field(default_factory=GradientAscent)
    gradient_arborescence: GradientArborescence = field(default_factory=GradientArborescence)
    devices: int = 1
    """Devices (1 to 65,536) that share the batch of each generation: the first that JAX has. The archive is that of
    one device, but for rounding; a run may go on with another number."""
    seeds_at_once: int = 0
    """Of several seeds, how many (0 to 1,024) evolve in one program, side by side. The archives are those of one
    after the other, but for rounding. 0: on a GPU or TPU as many as fit into half its memory, at most 64; one on a CPU,
    which is no faster with more, and wherever more cannot be."""
    chunk_seconds: float = 1.0
    """Seconds (> 0, at most 10^9) of evolution on the device between two looks from the host."""
    checkpoint_every: float = 30.0
    """Seconds (0 to 10^9) between checkpoints; there is always one at the end."""

    def charges(self) -> Charges:
        """What generations are charged: their children, each with what it cost to breed."""
        per_child = self.emitters.evaluations_per_child or (1,) * len(self.emitters.operators)
        sizes = self.emitters.sizes(self.batch_size)
        costs = [size * charge for size, charge in zip(sizes, per_child, strict=True)]
        if self.emitters.turns is None:
            costs = [sum(costs)]
        # A batch that is still to be chosen has no children.
        return charges_in_turn([max(1, round(cost)) for cost in costs], self.emitters.turns or ())

    def budget_generations(self) -> int | None:
        """Generations that the generation and evaluation budgets allow; None for no such limit, or while the
        batch size is still to be chosen."""
        limits = []
        if self.generations is not None:
            limits.append(self.generations)
        if self.evaluations is not None and self.batch_size:
            limits.append(self.charges().affordable(self.evaluations))
        return min(limits) if limits else None

    def spent_budget(self, generations: int, seconds: float) -> tuple[str, float] | None:
        """Name and value of the budget that a run has met which spent so much; None while it has met none.

        Of several that are met, the first in the order of `BUDGET`. Evaluations are spent in whole generations,
        so that their budget is met when another one would go beyond it.
        """
        if self.generations is not None and generations >= self.generations:
            return "generations", self.generations
        if self.evaluations is not None and self.charges().of(generations + 1) > self.evaluations:
            return "evaluations", self.evaluations
        if self.seconds is not None and seconds >= self.seconds:
            return "seconds", self.seconds
        return None
