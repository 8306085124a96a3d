"""Settings that follow: what a config leaves open comes from its encoding, its batch and the size of its images."""

import math
from dataclasses import replace

from qdfool.build.encoding import ENCODINGS, is_own_encoding, list_capacity, own_encoding
from qdfool.config import Config, name_of
from qdfool.errors import OWN, InputError, known_name
from qdfool.types import EmitterMaker

DEFAULT_MUTATIONS: dict[str, tuple[str, ...]] = {
    "pixels": ("polynomial",),
    "binary": ("bit_flip",),
    "black_pixels": ("pixel_redraw",),
    "cppn": ("cppn",),
}
"""The mutations of each encoding's own."""
DEFAULT_CROSSOVERS: dict[str, tuple[str, ...]] = {
    "pixels": ("rectangle_swap", "iso_line"),
    "binary": ("rectangle_swap",),
    "black_pixels": ("list_rectangle_swap",),
    "cppn": (),
}
"""The crossovers of each encoding's own; a CPPN has one parent."""
DEFAULT_RATE, DEFAULT_RATE_BINARY = 0.1, 0.005
"""A tenth of the genes as in the paper; a bit that is flipped is a larger step."""
DEFAULT_BLOCK, DEFAULT_PATCH = 6, 9
"""Sides in pixels, where the image is so large."""
GRADIENT_EVALUATIONS = 4
"""What a gradient costs, a pass forward and one back, at most where networks are formulated for it."""


PREFERRED_POPULATION = 10
"""Children that share a gradient: their number says how dear one is."""


def _evaluations(config: Config, emitter: str | EmitterMaker) -> float:
    """What a child of an emitter costs, its own evaluation included."""
    if emitter == "gradient_ascent":
        settings = config.gradient_ascent
        return 1 + GRADIENT_EVALUATIONS * settings.steps / settings.lengths
    if emitter == "gradient_arborescence":
        return 1 + GRADIENT_EVALUATIONS / _population(config)
    return 1


def _population(config: Config) -> int:
    """Children of a point of `gradient_arborescence`: what is given, or of what divides its children the nearest."""
    if (given := config.gradient_arborescence.population) is not None:
        return given
    operators = config.emitters.operators
    children = (
        config.emitters.sizes(config.batch_size)[operators.index("gradient_arborescence")]
        if "gradient_arborescence" in operators
        else 0
    )
    divisors = [number for number in range(2, children + 1) if children % number == 0]
    return min(
        divisors,
        key=lambda number: abs(math.log(number / PREFERRED_POPULATION)),
        default=PREFERRED_POPULATION,
    )


def with_defaults(config: Config, image_shape: tuple[int, int, int]) -> Config:
    """The config with nothing left open that its encoding, its batch or the size of its images decides.

    Operators and rate become the encoding's own, lists, blocks and patches no larger than the image, and what children
    cost follows their emitters; what the config gives stays as it is.

    Raises:
        InputError: an unknown encoding, or one of the user's own that is needed for its mutations and names none.
    """
    mutation, crossover, emitters = config.mutation, config.crossover, config.emitters
    if is_own_encoding(config):
        encoding = own_encoding(config, image_shape)
        mutations, crossovers, rate = encoding.mutations, encoding.crossovers, DEFAULT_RATE
        if mutation.operators is None and not mutations:
            raise InputError(
                f"The encoding {encoding.name} has no mutations of its own: give `mutation.operators`, functions "
                "(key, genome) to genome, or make the encoding with mutations=(...)."
            )
    else:
        name = known_name("encoding", name_of(config.encoding), ENCODINGS, OWN)
        mutations, crossovers = DEFAULT_MUTATIONS[name], DEFAULT_CROSSOVERS[name]
        rate = DEFAULT_RATE_BINARY if name == "binary" else DEFAULT_RATE
    side = min(image_shape[:2])
    return replace(
        config,
        mutation=replace(
            mutation,
            operators=mutations if mutation.operators is None else mutation.operators,
            rate=rate if mutation.rate is None else mutation.rate,
            block=min(DEFAULT_BLOCK, side) if mutation.block is None else mutation.block,
        ),
        crossover=replace(
            crossover,
            operators=crossovers if crossover.operators is None else crossover.operators,
            patch=min(DEFAULT_PATCH, side) if crossover.patch is None else crossover.patch,
        ),
        gradient_arborescence=replace(config.gradient_arborescence, population=_population(config)),
        black_pixels=replace(config.black_pixels, capacity=list_capacity(config, image_shape)),
        emitters=replace(
            emitters,
            shares=(1.0,) * len(emitters.operators)
            if emitters.shares is None and emitters.turns is None
            else emitters.shares,
            evaluations_per_child=tuple(_evaluations(config, part) for part in emitters.operators)
            if emitters.evaluations_per_child is None
            else emitters.evaluations_per_child,
        ),
    )
