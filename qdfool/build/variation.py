"""From a config to variation: how a child comes from its parents."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from qdfool.build.encoding import activation_numbers, alike, is_own_encoding, list_capacity, shapes
from qdfool.build.reference import is_reference, named_object, named_parts
from qdfool.config import MOST_GENERATIONS, Config, name_of
from qdfool.errors import OWN, InputError, code_of_a_user, known_name, shown
from qdfool.genomes.black_pixels import operators as black_pixels
from qdfool.genomes.cppn import encoding as cppns
from qdfool.genomes.cppn import mutation as cppn
from qdfool.genomes.pixels import crossover, mutation
from qdfool.genomes.tree import tree_where
from qdfool.keys import new_key
from qdfool.types import Array, Genome, Key, Operator

Shape = tuple[int, int, int]
REAL, ANY, LIST = ("pixels",), ("pixels", "binary"), ("black_pixels",)
MUTATIONS: dict[str, tuple[str, tuple[str, ...], Callable[..., Genome]]] = {
    "polynomial": ("a small step, more often smaller, for a share of the genes", REAL, mutation.polynomial),
    "gaussian": ("a normal step for a share of the genes", REAL, mutation.gaussian),
    "reset": ("a share of the genes drawn anew", ANY, mutation.reset),
    "bit_flip": ("a share of the genes inverted", ANY, mutation.bit_flip),
    "block_flip": ("a square of pixels inverted", ANY, mutation.block_flip),
    "swap": ("two pixels exchanged", ANY, mutation.swap),
    "inversion": ("the pixels between two cuts in reverse order", ANY, mutation.inversion),
    "cppn": ("weights, activations and structure of a CPPN", ("cppn",), cppn.mutate),
    "pixel_redraw": ("a share of a list's slots drawn anew: a pixel or free", LIST, black_pixels.redraw),
}
RATED = {"polynomial", "gaussian", "reset", "bit_flip", "cppn", "pixel_redraw"}
"""Mutations that take the rate, which may fall over the generations."""
CROSSOVERS: dict[str, tuple[str, tuple[str, ...], Callable[..., Genome]]] = {
    "simulated_binary": (
        "genes spread about both parents as bit strings would be",
        REAL,
        crossover.simulated_binary,
    ),
    "uniform": ("each pixel from either parent", ANY, crossover.uniform),
    "single_point": ("pixels before a cut from one, after it from the other", ANY, crossover.single_point),
    "two_point": ("pixels between two cuts from the other", ANY, crossover.two_point),
    "row_column_split": ("a band of rows or columns from the other", ANY, crossover.row_column_split),
    "dividing_line": ("two parts on either side of a line across or down", ANY, crossover.dividing_line),
    "row_cuts": ("the right part of every row, cut by itself, from the other", ANY, crossover.row_cuts),
    "rectangle_swap": ("a rectangle from the other", ANY, crossover.rectangle_swap),
    "alternating_columns": ("every second column from the other", ANY, crossover.alternating_columns),
    "patch_copy": ("a square patch from the other", ANY, crossover.patch_copy),
    "arithmetic": ("a weighted mean of both", REAL, crossover.arithmetic),
    "iso_line": ("a step in every direction and one along the line to the other", REAL, crossover.iso_line),
    "list_rectangle_swap": ("a rectangle's black pixels from the other", LIST, black_pixels.rectangle_swap),
    "list_alternating_columns": (
        "the black pixels of every second column from the other",
        LIST,
        black_pixels.alternating_columns,
    ),
    "pixel_list": (
        "slots before a cut from one list, after it from the other",
        LIST,
        black_pixels.single_point,
    ),
}


def build_mutation(
    config: Config, image_shape: Shape, genome: Genome
) -> Callable[[Key, Array, Genome], Genome]:
    """All mutations of a config, one after the other: (key, generation, genome) to genome.

    Args:
        config: with its defaults (`with_defaults`).
        image_shape: (H, W, C).
        genome: shapes and dtypes of a genome, as `jax.eval_shape` gives them.

    Raises:
        InputError: an unknown name, an operator that does not work on the encoding or the image's size, or a
            function of the user's own that fails or returns another kind of genome.
    """
    settings, names = config.mutation, config.mutation.operators
    assert names is not None
    assert settings.rate is not None
    assert settings.block is not None
    highest_rate = settings.rate
    size = sum(leaf.size for leaf in jax.tree.leaves(genome))
    max_changes = mutation.max_changes(size, highest_rate)
    if settings.halve_every and config.emitters.turns is not None:
        raise InputError(
            "`mutation.halve_every` counts generations that are charged alike, and those of `emitters.turns` are not; "
            "give one of them."
        )
    halved_after = min(max(1, round(settings.halve_every / config.charges().of(1))), MOST_GENERATIONS)
    named = named_parts(names)
    if "block_flip" in named:
        _fits("mutation.block", settings.block, image_shape)

    def rate(generation: Array) -> Array:
        halvings = generation // halved_after if settings.halve_every else 0
        return highest_rate * jnp.float32(0.5) ** halvings

    extras: dict[str, dict[str, Any]] = {
        "polynomial": {"eta": settings.eta, "max_changes": max_changes},
        "gaussian": {"sigma": settings.sigma, "max_changes": max_changes},
        "reset": {"max_changes": max_changes},
        "bit_flip": {"max_changes": max_changes},
        "block_flip": {"block": settings.block},
        "cppn": _cppn_settings(config, image_shape) if "cppn" in named else {},
        "pixel_redraw": {
            "max_changes": mutation.max_changes(list_capacity(config, image_shape), highest_rate),
            "height": image_shape[0],
            "width": image_shape[1],
            "margin": config.black_pixels.margin,
        },
    }
    operators: list[tuple[Callable[..., Genome], bool]] = []
    for part in names:
        if _is_own(part):
            operators.append((_own_operator("mutation", part, (genome,)), False))
            continue
        name = _suiting(config, "mutation", name_of(part), MUTATIONS)
        operator, rated = partial(MUTATIONS[name][2], **extras.get(name, {})), name in RATED
        if is_own_encoding(config):
            _check("mutation", name, partial(operator, **({"rate": 0.0} if rated else {})), (genome,))
        operators.append((operator, rated))

    def mutate(key: Key, generation: Array, genome: Genome) -> Genome:
        child = genome
        *keys, whether_key = jax.random.split(key, len(operators) + 1)
        for operator_key, (operator, rated) in zip(keys, operators, strict=True):
            child = operator(operator_key, child, **({"rate": rate(generation)} if rated else {}))
        if settings.probability == 1:
            return child
        return tree_where(jax.random.bernoulli(whether_key, settings.probability), child, genome)

    return mutate


def _cppn_settings(config: Config, image_shape: tuple[int, int, int]) -> dict[str, Any]:
    settings = config.cppn
    return {
        "eta": config.mutation.eta,
        "weight_range": settings.weight_range,
        "activation_rate": settings.activation_rate,
        "activations": activation_numbers(config),
        "add_connection": settings.add_connection,
        "delete_connection": settings.delete_connection,
        "add_neuron": settings.add_neuron,
        "delete_neuron": settings.delete_neuron,
        "inputs": len(cppns.INPUTS),
        "outputs": image_shape[2],
    }


def build_crossovers(config: Config, image_shape: Shape, genome: Genome) -> list[Callable[..., Genome]]:
    """The crossovers of a config; none where a child has one parent.

    Args:
        config: with its defaults (`with_defaults`).
        image_shape: (H, W, C).
        genome: shapes and dtypes of a genome, as `jax.eval_shape` gives them.

    Raises:
        InputError: an unknown name, an operator that does not work on the encoding or the image's size, or a
            function of the user's own that fails or returns another kind of genome.
    """
    settings, names = config.crossover, config.crossover.operators
    assert names is not None
    assert settings.patch is not None
    list_settings = {"height": image_shape[0], "width": image_shape[1]}
    extras: dict[str, dict[str, Any]] = {
        "simulated_binary": {"eta": settings.eta},
        "patch_copy": {"patch": settings.patch},
        "iso_line": {"sigma_iso": settings.sigma_iso, "sigma_line": settings.sigma_line},
        **{name: list_settings for name, (_, encodings, _) in CROSSOVERS.items() if encodings == LIST},
    }
    if "patch_copy" in named_parts(names):
        _fits("crossover.patch", settings.patch, image_shape)
    operators: list[Callable[..., Genome]] = []
    for part in names:
        if _is_own(part):
            operators.append(_own_operator("crossover", part, (genome, genome)))
            continue
        name = _suiting(config, "crossover", name_of(part), CROSSOVERS)
        operators.append(partial(CROSSOVERS[name][2], **extras.get(name, {})))
        if is_own_encoding(config):
            _check("crossover", name, operators[-1], (genome, genome))
    return operators


def build_recombination(
    config: Config, operators: list[Callable[..., Genome]]
) -> Callable[[Key, Genome, Genome], Genome]:
    """One of the crossovers, drawn for each child: (key, first parent, second parent) to child."""

    def recombine(key: Key, first: Genome, second: Genome) -> Genome:
        which_key, operator_key, whether_key = jax.random.split(key, 3)
        if len(operators) == 1:
            child = operators[0](operator_key, first, second)
        else:
            which = jax.random.randint(which_key, (), 0, len(operators))
            child = jax.lax.switch(which, operators, operator_key, first, second)
        if config.crossover.probability == 1:
            return child
        return tree_where(jax.random.bernoulli(whether_key, config.crossover.probability), child, first)

    return recombine


def build_variation(
    config: Config, image_shape: Shape, genome: Genome
) -> tuple[Callable[[Key, Array, Genome, Genome | None], Genome], bool]:
    """How a child comes from its parents, and whether it has two: (key, generation, first, second) to child.

    Args:
        config: with its defaults (`with_defaults`).
        image_shape: (H, W, C).
        genome: shapes and dtypes of a genome, as `jax.eval_shape` gives them.

    Raises:
        InputError: as `build_mutation` and `build_crossovers` do.
    """
    crossovers = build_crossovers(config, image_shape, genome)
    recombine = build_recombination(config, crossovers)
    mutate = build_mutation(config, image_shape, genome)

    def vary(key: Key, generation: Array, first: Genome, second: Genome | None) -> Genome:
        crossover_key, mutation_key = jax.random.split(key)
        child = first if second is None else recombine(crossover_key, first, second)
        return mutate(mutation_key, generation, child)

    return vary, bool(crossovers)


def _suiting(config: Config, kind: str, name: str, table: dict[str, tuple[str, tuple[str, ...], Any]]) -> str:
    """The name, if the table has it and it works on the config's encoding; the user's own may take any."""
    _, encodings, _ = table[known_name(kind, name, table, OWN)]
    if not is_own_encoding(config) and config.encoding not in encodings:
        suiting = [other for other, (_, encodings, _) in table.items() if config.encoding in encodings]
        raise InputError(
            f"The {kind} {shown(name)} does not work on the encoding {shown(config.encoding)}. Those that do: "
            f"{', '.join(suiting) or 'none'}. Name one of them, or leave `{kind}.operators` away."
        )
    return name


def _is_own(part: str | Operator) -> bool:
    return not isinstance(part, str) or is_reference(part)


def _own_operator(kind: str, part: str | Operator, parents: tuple[Genome, ...]) -> Callable[..., Genome]:
    found = named_object(part) if isinstance(part, str) else part
    if not callable(found) or isinstance(found, type):
        raise InputError(
            f"The {kind} {name_of(part)} is of type {type(found).__name__}. Expected a function "
            f"{'(key, genome) to genome' if len(parents) == 1 else '(key, first, second) to child'}."
        )
    _check(kind, name_of(part), found, parents)

    def operator(key: Key, *parents: Genome) -> Genome:
        # A number that Python wrote has a weak type until it is told its own.
        return jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), found(key, *parents), parents[0])

    return operator


def _check(kind: str, name: str, operator: Callable[..., Genome], parents: tuple[Genome, ...]) -> None:
    """Whether what comes out is a genome as what went in; nothing is computed."""
    with code_of_a_user(f"The {kind} {name} failed on a genome of {shapes(parents[0])}"):
        child = jax.eval_shape(operator, new_key(0), *parents)
    if not alike(child, parents[0]):
        raise InputError(
            f"The {kind} {name} must return a genome like its parents, {shapes(parents[0])}; it returns "
            f"{shapes(child)}."
        )


def _fits(setting: str, side: int, image_shape: Shape) -> None:
    if side > min(image_shape[:2]):
        raise InputError(
            f"`{setting}` must be at most the image's side, {min(image_shape[:2])} pixels; got {side}."
        )
