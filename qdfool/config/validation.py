"""Checks every setting for its kind and its range."""

import dataclasses
import math
import typing
from itertools import pairwise
from typing import Any

from qdfool.config.kinds import check_kind, kinds_of
from qdfool.config.objects import name_of
from qdfool.config.settings import BUDGET, Config, Emitters
from qdfool.errors import InputError, in_range, shown

MOST_GENERATIONS = 2**31 - 1
"""Generations are counted in 32 bits."""
LONGEST = 10**9
"""Seconds, some thirty years."""
LARGEST_SIDE, MOST_VALUES = 2**16, 2**24
"""Of an image: pixels of a side, and height x width x channels, as 2,364 x 2,364 in colour."""
LONGEST_NAME = 200
"""Characters of `preset`."""
MOST_PARTS = 32
"""Of one run: each is compiled, which takes seconds of every one."""
LISTS_OF_PARTS = ("mutation.operators", "crossover.operators", "emitters.operators", "cppn.activations")
RANGES: dict[str, tuple[float, float]] = {
    "seed": (0, 2**32 - 1),
    "generations": (1, MOST_GENERATIONS),
    "batch_size": (0, 2**20),
    "devices": (1, 2**16),
    "seeds_at_once": (0, 1024),
    "image_shape": (1, LARGEST_SIDE),
    "crop_from": (1, LARGEST_SIDE),
    "cells": (1, 2**24),
    "checkpoint_every": (0, LONGEST),
    "cppn.nodes": (1, 512),
    "cppn.connections": (1, 4096),
    "cppn.activation_rate": (0, 1),
    "cppn.add_connection": (0, 1),
    "cppn.delete_connection": (0, 1),
    "cppn.add_neuron": (0, 1),
    "cppn.delete_neuron": (0, 1),
    "black_pixels.capacity": (1, MOST_VALUES),
    "black_pixels.margin": (0, 0.45),
    "preprocessing.mean": (-(10**6), 10**6),
    "mutation.probability": (0, 1),
    "mutation.rate": (0, 1),
    "mutation.halve_every": (0, 10**15),
    "mutation.sigma": (0, 10**6),
    "mutation.block": (1, LARGEST_SIDE),
    "crossover.probability": (0, 1),
    "crossover.patch": (1, LARGEST_SIDE),
    "crossover.sigma_iso": (0, 10**6),
    "crossover.sigma_line": (0, 10**6),
    "selection.tournament_size": (1, 2**16),
    "emitters.shares": (0, 10**6),
    "emitters.evaluations_per_child": (1, 10**6),
    "emitters.turns": (1, 10**15),
    "evolution_strategy.strategies": (1, 1024),
    "evolution_strategy.threshold": (-(10**6), 10**6),
    "evolution_strategy.learning_rate": (0, 1),
    "gradient_arborescence.population": (1, 2**16),
    "gradient_ascent.steps": (1, 10**4),
    "gradient_ascent.lengths": (1, 64),
    "gradient_ascent.sigma": (0, 10**6),
    "gradient_ascent.decay": (0, 1),
    "gradient_ascent.blur_sigma": (0, 100),
    "gradient_ascent.blur_every": (1, 10**4),
    "gradient_ascent.clip_values": (0, 0.999),
    "gradient_ascent.clip_contributions": (0, 0.999),
}
"""Lowest and highest of a setting, or of each of its numbers."""
ABOVE_ZERO: dict[str, float] = {
    "seconds": LONGEST,
    "chunk_seconds": LONGEST,
    "cppn.weight_range": 10**6,
    "preprocessing.std": 10**6,
    "mutation.eta": 10**6,
    "crossover.eta": 10**6,
    "evolution_strategy.sigma": 10**6,
    "gradient_arborescence.sigma": 10**6,
    "gradient_arborescence.learning_rate": 10**6,
    "gradient_ascent.learning_rate": 10**6,
    "gradient_ascent.early": 1,
    "gradient_ascent.late": 1,
    "gradient_ascent.most": 10**9,
}
"""Highest of a setting that must be above 0."""


def validate(config: Config, needs_budget: bool = True) -> None:
    """Checks every setting of a config for its kind and its range; names are checked where their tables are.

    Raises:
        InputError: a setting is of another kind or out of range, or there is no budget where one is needed.
    """
    if not isinstance(config, Config):
        raise InputError(
            f"Expected a qdfool.Config, as qdfool.preset('mnist-direct') makes it; got {shown(config)} of type "
            f"{type(config).__name__}."
        )
    _check_kinds(config, "")
    if needs_budget and all(getattr(config, name) is None for name in BUDGET):
        raise InputError("A run needs a budget: give `generations`, `evaluations` or `seconds`.")
    for name in LISTS_OF_PARTS:
        if (count := len(_values(config, name))) > MOST_PARTS:
            raise InputError(f"`{name}` must name at most {MOST_PARTS}; got {count:,}.")
    for name in (*LISTS_OF_PARTS, "encoding", "measures"):
        for part in _values(config, name):
            try:
                hash(part)
            except TypeError as error:  # What was compiled for a part is found again by it.
                raise InputError(
                    f"`{name}` has {shown(name_of(part))}, which has no hash ({error}). Give a function, or an object "
                    "of a class that has one, as with @dataclass(frozen=True) and numbers, texts and tuples in it."
                ) from error
    for name, (low, high) in RANGES.items():
        for value in _values(config, name):
            in_range(f"`{name}`", value, low, high)
    for name, high in ABOVE_ZERO.items():
        for value in _values(config, name):
            if not 0 < value <= high:
                raise InputError(f"`{name}` must be above 0 and at most {high:,}; got {shown(value)}.")
    _check_emitters(config.emitters)
    if config.evaluations is not None:
        charge = config.charges().of(1)
        in_range(
            "`evaluations` (one generation or more)", config.evaluations, charge, MOST_GENERATIONS * charge
        )
    for value in config.ranges or ():
        if not math.isfinite(value):
            raise InputError(f"`ranges` must be finite; got {shown(value)}.")
    if config.image_shape is not None:
        check_image_shape("`image_shape`", config.image_shape)
    if not config.preset.isprintable() or len(config.preset) > LONGEST_NAME:
        raise InputError(
            f"`preset` must be a name of at most {LONGEST_NAME} printable characters; got {shown(config.preset)}."
        )


def _check_emitters(emitters: Emitters) -> None:
    if not emitters.operators:
        raise InputError("`emitters.operators` needs an emitter or more; got none.")
    for name in ("shares", "evaluations_per_child"):
        given = getattr(emitters, name)
        if given is not None and len(given) != len(emitters.operators):
            raise InputError(
                f"`emitters.{name}` must have a number for each of the {len(emitters.operators)} "
                f"`emitters.operators`; got {len(given)}."
            )
    _check_turns(emitters)
    if emitters.shares is not None and not sum(emitters.shares):
        raise InputError(f"`emitters.shares` must sum to more than 0; got {shown(emitters.shares)}.")


def _check_turns(emitters: Emitters) -> None:
    turns = emitters.turns
    if turns is None:
        return
    if emitters.shares is not None:
        raise InputError(
            "`emitters.turns` is for emitters one after another, `emitters.shares` for emitters beside one another; "
            "give one of them."
        )
    if len(turns) != len(emitters.operators) - 1 or any(
        after <= before for before, after in pairwise((0, *turns))
    ):
        raise InputError(
            f"`emitters.turns` must be evaluations that rise from above 0, one fewer than the "
            f"{len(emitters.operators)} `emitters.operators`; got {shown(turns)}."
        )


def check_image_shape(name: str, image_shape: tuple[int, int, int]) -> None:
    """Checks that images (H, W, C) are of a size that one can be held and classified.

    Args:
        name: what has the shape, as a message begins with it.
        image_shape: whole numbers.

    Raises:
        InputError: a side is below 1 or too long, or all of it too much.
    """
    for size in image_shape:
        in_range(name, size, 1, LARGEST_SIDE)
    if math.prod(image_shape) > MOST_VALUES:
        raise InputError(
            f"{name} must have at most {MOST_VALUES:,} values, height x width x channels; got "
            f"{' x '.join(map(str, image_shape))} = {math.prod(image_shape):,}."
        )


def checked_image_shape(name: str, image_shape: Any) -> tuple[int, int, int]:
    """An image shape (H, W, C) that a user gave to a function, as a tuple or a list.

    Raises:
        InputError: it is none; `name` is what the argument is called.
    """
    given: Any = tuple(image_shape) if isinstance(image_shape, list) else image_shape
    check_kind(name, given, tuple[int, int, int])
    check_image_shape(f"`{name}`", given)
    height, width, channels = map(int, given)
    return height, width, channels


def _check_kinds(group: Any, path: str) -> None:
    for name, kind in kinds_of(type(group)).items():
        value = getattr(group, name)
        if dataclasses.is_dataclass(kind):
            if not isinstance(value, typing.cast(type, kind)):
                raise InputError(
                    f"`{path}{name}` must be of type {typing.cast(type, kind).__name__}; got {shown(value)}."
                )
            _check_kinds(value, f"{path}{name}.")
        else:
            check_kind(f"{path}{name}", value, kind)


def _values(config: Config, setting: str) -> tuple[Any, ...]:
    """The numbers of a setting, or what it lists; none where it is left open."""
    value: Any = config
    for name in setting.split("."):
        value = getattr(value, name)
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)
