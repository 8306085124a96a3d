"""From a config to the encoding of its genomes."""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np

from qdfool.build.reference import is_reference, named_object
from qdfool.classifiers.names_check import check_name
from qdfool.config import Config, name_of
from qdfool.errors import OWN, InputError, code_of_a_user, known_name, shown
from qdfool.genomes.black_pixels.encoding import black_pixels
from qdfool.genomes.black_pixels.operators import random_pixels
from qdfool.genomes.cppn import encoding as cppns
from qdfool.genomes.cppn.evaluation import ACTIVATIONS
from qdfool.genomes.levels import round_to_levels
from qdfool.genomes.pixels.binary import binary
from qdfool.genomes.pixels.encoding import pixels
from qdfool.genomes.pixels.noise import grey_noise, uniform_noise, varied_noise
from qdfool.keys import new_key
from qdfool.types import Encoding, Genome, Image, Key

Shape = tuple[int, int, int]
DEFAULT_CAPACITY = 512
"""Black pixels that a list holds, where the image has so many pixels."""

INITIAL: dict[str, tuple[str, Callable[[Shape], Callable[[Key], Image]]]] = {
    "uniform": ("uniform noise, as in the paper", uniform_noise),
    "varied": ("noise that varies in how much ink there is and how far out", varied_noise),
    "grey": ("grey and a little noise, as the paper's gradient ascent begins", grey_noise),
}


def begins_with_pictures(config: Config) -> bool:
    """Whether the first images of a config are pictures of the user's, whose path has a separator in it."""
    return config.initial not in INITIAL and any(
        separator in config.initial for separator in (os.sep, os.altsep) if separator
    )


def _initial(config: Config, image_shape: Shape) -> Callable[[Key], Image]:
    if begins_with_pictures(config):
        return uniform_noise(image_shape)  # Nobody asks for it: see `pictures.py`.
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
        ("cppn.nodes", settings.nodes, inputs + outputs, f"{inputs} inputs and {outputs} outputs"),
        ("cppn.connections", settings.connections, inputs * outputs, "each input to each output"),
    ):
        if cap < least:
            raise InputError(f"`{name}` must be at least {least} ({needed_by}); got {cap}.")
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
    capacity = list_capacity(config, image_shape)
    if capacity > height * width:
        raise InputError(
            f"`black_pixels.capacity` must be at most the pixels of an image, {height} x {width} = "
            f"{height * width}; got {capacity}."
        )
    first = partial(random_pixels, shape=(), height=height, width=width, margin=settings.margin)
    return black_pixels(image_shape, first, capacity=capacity, inverted=settings.inverted)


ENCODINGS: dict[str, tuple[str, Callable[[Config, Shape], Encoding]]] = {
    "pixels": ("a gene in [0, 1] per pixel and channel", _pixels),
    "binary": ("a bit per pixel and channel: black and white", _binary),
    "black_pixels": ("a list of black pixels on white", _black_pixels),
    "cppn": ("a compositional pattern-producing network: colour as a function of place", _cppn),
}


MOST_APART = 1e-5
"""By rounding, of a value that is drawn in two ways."""


def build_encoding(config: Config, image_shape: Shape) -> Encoding:
    """The encoding of a config, rounded to 8-bit levels unless the config says otherwise.

    Raises:
        InputError: an unknown name, settings that the encoding cannot work with, or an encoding of the user's own
            that does not draw images of this shape.
    """
    if is_own_encoding(config):
        encoding = own_encoding(config, image_shape)
    else:
        _, make = ENCODINGS[known_name("encoding", name_of(config.encoding), ENCODINGS, OWN)]
        encoding = make(config, image_shape)
    if not config.rounding or config.encoding == "cppn":
        return encoding  # CPPNs round as they draw

    differentiable, decode_onto = encoding.differentiable, encoding.decode_onto
    return replace(
        encoding,
        decode=_rounded(encoding.decode),
        differentiable=None if differentiable is None else _rounded(differentiable),
        decode_onto=None if decode_onto is None else _rounded(decode_onto),
    )


def _rounded(decode: Callable[..., Image]) -> Callable[..., Image]:
    return lambda *given: round_to_levels(decode(*given))


def is_own_encoding(config: Config) -> bool:
    """Whether the encoding is the user's own: an object, or named as package.module:attribute."""
    return not isinstance(config.encoding, str) or is_reference(config.encoding)


def own_encoding(config: Config, image_shape: Shape) -> Encoding:
    """The user's own encoding of a config, for images of this shape.

    Raises:
        InputError: it is none, fails, or draws other images.
    """
    name = name_of(config.encoding)
    found = named_object(config.encoding) if isinstance(config.encoding, str) else config.encoding
    with code_of_a_user(f"The encoding {name} failed on images of {list(image_shape)}"):
        if callable(found) and not isinstance(found, type):
            found = found(image_shape)
        if not isinstance(found, Encoding):
            raise InputError(
                f"The encoding {name} is of type {type(found).__name__}. Expected a qdfool.Encoding, or a function "
                "from (height, width, channels) to one."
            )
        check_name(f"The encoding {name}", found.name)
        genome = jax.eval_shape(lambda: found.initialise(new_key(0)))
        drawn = jax.eval_shape(found.decode, genome)
    if not jax.tree.leaves(genome):
        raise InputError(
            f"The encoding {name} has a genome of no arrays: {shown(genome)}. Expected one array or more, in any "
            "pytree."
        )
    for leaf in jax.tree.leaves(genome):
        if not isinstance(leaf.dtype, np.dtype) or leaf.dtype.kind not in "biufc":
            raise InputError(
                f"The encoding {name} has a genome of {shapes(genome)}, and files hold the types of NumPy. Expected "
                "truth values, whole numbers or floating-point numbers of 16 bits (float16) or more."
            )
    if getattr(drawn, "shape", None) != image_shape or drawn.dtype != jnp.float32:
        raise InputError(
            f"The encoding {name} must draw one image, float32{list(image_shape)}; it draws {shapes(drawn)}."
        )
    for what, given, expected in (
        ("differentiable", (genome,), drawn),
        ("project", (genome,), genome),
        ("encode", (drawn,), genome),
        ("decode_onto", (genome, drawn), drawn),
    ):
        if (function := getattr(found, what)) is None:
            continue
        with code_of_a_user(f"`{what}` of the encoding {name} failed on {shapes(given)}"):
            made = jax.eval_shape(function, *given)
        if not alike(made, expected):
            raise InputError(
                f"`{what}` of the encoding {name} must make {shapes(expected)} of {shapes(given)}; it makes "
                f"{shapes(made) or 'nothing'}."
            )
    if found.decode_onto is not None:
        _check_drawn_onto(name, found, image_shape)
    return replace(found, decode=_as_it_is_now(found.decode, genome))


def _as_it_is_now(decode: Callable[[Genome], Image], genome: Genome) -> Callable[[Genome], Image]:
    """The same drawing whenever it is traced: images of a result are drawn when they are asked for, and by then a
    variable of the function's module may be another one than those were scored with."""
    # JAX keeps what it has traced by the function: this one is new.
    program = jax.make_jaxpr(lambda genome: decode(genome))(genome)

    def as_it_was(genome: Genome) -> Image:
        (image,) = jax.extend.core.jaxpr_as_fun(program)(*jax.tree.leaves(genome))
        return image

    return as_it_was


def _check_drawn_onto(name: str, encoding: Encoding, image_shape: Shape) -> None:
    """Checks with one genome that `decode_onto` draws what `decode` does: that is what is shown of an elite."""
    assert encoding.decode_onto is not None
    with code_of_a_user(f"The encoding {name} failed on images of {list(image_shape)}"):
        genome = jax.jit(encoding.initialise)(new_key(0))
        image = jax.jit(encoding.decode)(genome)
        over = jax.jit(encoding.decode_onto)(genome, jnp.full(image_shape, jnp.nan, jnp.float32))
    if not np.allclose(over, image, rtol=0.0, atol=MOST_APART, equal_nan=True):
        raise InputError(
            f"`decode_onto` of the encoding {name} must draw the same image as `decode`, whatever it draws over; over "
            "NaN it draws another one. Write every value, and read none."
        )


def alike(one: Genome, other: Genome) -> bool:
    """Whether two pytrees of arrays, or of what stands for them, have the same structure, shapes and dtypes."""
    return jax.tree.structure(one) == jax.tree.structure(other) and all(
        (first.shape, first.dtype) == (second.shape, second.dtype)
        for first, second in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    )


def shapes(tree: Genome) -> str:
    """The dtypes and shapes of a pytree's arrays in words, the first few."""
    leaves = [f"{leaf.dtype}{list(leaf.shape)}" for leaf in jax.tree.leaves(tree)]
    return ", ".join(leaves[:4]) + (f" and {len(leaves) - 4} arrays more" if len(leaves) > 4 else "")


def list_capacity(config: Config, image_shape: Shape) -> int:
    """Slots of a list of black pixels: those of the config, else the default as far as the image has pixels."""
    capacity = config.black_pixels.capacity
    return min(DEFAULT_CAPACITY, image_shape[0] * image_shape[1]) if capacity is None else capacity


def activation_numbers(config: Config) -> tuple[int, ...]:
    """The CPPN activation functions that a config allows, by their numbers in the encoding's table.

    Raises:
        InputError: none, or an unknown one.
    """
    if not config.cppn.activations:
        raise InputError(f"`cppn.activations` needs one or more of {', '.join(ACTIVATIONS)}; got none.")
    names = list(ACTIVATIONS)
    return tuple(
        names.index(known_name("activation function", name, names)) for name in config.cppn.activations
    )
