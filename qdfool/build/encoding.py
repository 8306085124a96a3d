"""From a config to the encoding of its genomes."""

from collections.abc import Callable
from functools import partial

from qdfool.config import Config
from qdfool.errors import InputError, known_name
from qdfool.genomes.black_pixels.encoding import black_pixels
from qdfool.genomes.black_pixels.operators import random_pixels
from qdfool.genomes.cppn import encoding as cppns
from qdfool.genomes.levels import round_to_levels
from qdfool.genomes.pixels.binary import binary
from qdfool.genomes.pixels.encoding import pixels
from qdfool.genomes.pixels.noise import uniform_noise, varied_noise
from qdfool.types import Encoding, Genome, Image, Key

Shape = tuple[int, int, int]

INITIAL: dict[str, tuple[str, Callable[[Shape], Callable[[Key], Image]]]] = {
    "uniform": ("uniform noise, as in the paper", uniform_noise),
    "varied": ("noise that varies in how much ink there is and how far out", varied_noise),
}


def _initial(config: Config, image_shape: Shape) -> Callable[[Key], Image]:
    return INITIAL[known_name("initial image", config.initial, INITIAL)][1](image_shape)


def _pixels(config: Config, image_shape: Shape) -> Encoding:
    return pixels(_initial(config, image_shape))


def _binary(config: Config, image_shape: Shape) -> Encoding:
    return binary(_initial(config, image_shape))


def _cppn(config: Config, image_shape: Shape) -> Encoding:
    settings, channels = config.cppn, image_shape[2]
    if channels not in cppns.OUTPUTS:
        raise InputError(
            f"The encoding 'cppn' shows grey or colour: images of 1 or 3 channels. Got {channels} channels."
        )
    inputs, outputs = len(cppns.INPUTS), channels
    for name, cap, least, needed_by in (
        ("--cppn.nodes", settings.nodes, inputs + outputs, f"{inputs} inputs and {outputs} outputs"),
        ("--cppn.connections", settings.connections, inputs * outputs, "each input to each output"),
    ):
        if cap < least:
            raise InputError(f"{name} must be at least {least} ({needed_by}); got {cap}.")
    return cppns.cppn(
        image_shape,
        nodes=settings.nodes,
        connections=settings.connections,
        weight_range=settings.weight_range,
        activations=activation_numbers(config),
        coordinates=settings.coordinates,
        **({"finish": round_to_levels} if config.rounding else {}),
    )


def _black_pixels(config: Config, image_shape: Shape) -> Encoding:
    settings, (height, width, _) = config.black_pixels, image_shape
    if settings.capacity > height * width:
        raise InputError(
            f"--black-pixels.capacity must be at most the pixels of an image, {height} x {width} = "
            f"{height * width}; got {settings.capacity}."
        )
    first = partial(random_pixels, shape=(), height=height, width=width, margin=settings.margin)
    return black_pixels(image_shape, first, capacity=settings.capacity, inverted=settings.inverted)


ENCODINGS: dict[str, tuple[str, Callable[[Config, Shape], Encoding]]] = {
    "pixels": ("a gene in [0, 1] per pixel and channel", _pixels),
    "binary": ("a bit per pixel and channel: black and white", _binary),
    "black_pixels": ("a list of black pixels on white", _black_pixels),
    "cppn": ("a compositional pattern-producing network: colour as a function of place", _cppn),
}


def build_encoding(config: Config, image_shape: Shape) -> Encoding:
    """The encoding a config names, rounded to 8-bit levels unless the config says otherwise.

    Raises:
        InputError: an unknown name, or settings that the encoding cannot work with.
    """
    _, make = ENCODINGS[known_name("encoding", config.encoding, ENCODINGS)]
    encoding = make(config, image_shape)
    if not config.rounding or config.encoding == "cppn":
        return encoding  # CPPNs round as they draw

    def decode(genome: Genome) -> Image:
        return round_to_levels(encoding.decode(genome))

    return Encoding(encoding.name, encoding.initialise, decode)


def activation_numbers(config: Config) -> tuple[int, ...]:
    """The CPPN activation functions that a config allows, by their numbers in the encoding's table.

    Raises:
        InputError: none, or an unknown one.
    """
    if not config.cppn.activations:
        raise InputError(f"--cppn.activations needs one or more of {', '.join(cppns.ACTIVATIONS)}; got none.")
    names = list(cppns.ACTIVATIONS)
    return tuple(
        names.index(known_name("activation function", name, names)) for name in config.cppn.activations
    )
