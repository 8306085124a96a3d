"""Checks every setting for its kind and its range."""

import dataclasses
import typing
from typing import Any

from qdfool.config.kinds import check_kind, kinds_of
from qdfool.config.settings import BUDGET, Config
from qdfool.errors import InputError, in_range, shown

INFINITY = float("inf")
RANGES: dict[str, tuple[float, float]] = {
    "seed": (0, 2**32 - 1),
    "generations": (1, INFINITY),
    "batch_size": (0, INFINITY),
    "image_shape": (1, INFINITY),
    "crop_from": (1, INFINITY),
    "cells": (1, INFINITY),
    "checkpoint_every": (0, INFINITY),
    "cppn.nodes": (1, 512),
    "cppn.connections": (1, 4096),
    "cppn.activation_rate": (0, 1),
    "cppn.add_connection": (0, 1),
    "cppn.delete_connection": (0, 1),
    "cppn.add_neuron": (0, 1),
    "cppn.delete_neuron": (0, 1),
    "black_pixels.capacity": (1, INFINITY),
    "black_pixels.margin": (0, 0.45),
    "mutation.probability": (0, 1),
    "mutation.rate": (0, 1),
    "mutation.halve_every": (0, INFINITY),
    "mutation.sigma": (0, INFINITY),
    "mutation.block": (1, INFINITY),
    "crossover.probability": (0, 1),
    "crossover.patch": (1, INFINITY),
    "crossover.sigma_iso": (0, INFINITY),
    "crossover.sigma_line": (0, INFINITY),
    "selection.tournament_size": (1, INFINITY),
}
"""Lowest and highest of a setting, or of each of its numbers."""
ABOVE_ZERO = ("seconds", "chunk_seconds", "cppn.weight_range", "mutation.eta", "crossover.eta")


def validate(config: Config, needs_budget: bool = True) -> None:
    """Checks every setting of a config for its kind and its range; names are checked where their tables are.

    Raises:
        InputError: a setting is of another kind or out of range, or there is no budget where one is needed.
    """
    _check_kinds(config, "")
    if needs_budget and all(getattr(config, name) is None for name in BUDGET):
        raise InputError("A run needs a budget: give `generations`, `evaluations` or `seconds`.")
    for name, (low, high) in RANGES.items():
        for value in _numbers(config, name):
            in_range(f"`{name}`", value, low, high)
    if config.evaluations is not None:
        in_range("`evaluations` (one batch or more)", config.evaluations, max(1, config.batch_size))
    for name in ABOVE_ZERO:
        for value in _numbers(config, name):
            if not 0 < value < INFINITY:
                raise InputError(f"`{name}` must be above 0 and finite; got {shown(value)}.")


def _check_kinds(group: Any, path: str) -> None:
    for name, kind in kinds_of(type(group)).items():
        value = getattr(group, name)
        if dataclasses.is_dataclass(kind):
            if not isinstance(value, typing.cast(type, kind)):
                raise InputError(
                    f"`{path}{name}` must be a {typing.cast(type, kind).__name__}; got {shown(value)}."
                )
            _check_kinds(value, f"{path}{name}.")
        else:
            check_kind(f"{path}{name}", value, kind)


def _numbers(config: Config, setting: str) -> tuple[float, ...]:
    """The numbers of a setting; none where it is left open."""
    value: Any = config
    for name in setting.split("."):
        value = getattr(value, name)
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)
