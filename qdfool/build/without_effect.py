"""What was given in vain: settings that nothing reads, a measure twice, emitters whose turn never comes."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace

from qdfool.build.defaults import with_defaults
from qdfool.build.encoding import INITIAL, is_own_encoding
from qdfool.build.reference import named_parts
from qdfool.build.variation import RATED
from qdfool.config import Config, flat, name_of
from qdfool.errors import shown
from qdfool.presets import PRESETS

LOG = logging.getLogger("qdfool.build")
FITTED = ("black_pixels.capacity", "mutation.block", "crossover.patch", "gradient_arborescence.population")
"""Numbers that follow from images and batch where they are not given: the config of a run has them, read or not, and
nothing is said of them."""
STRUCTURE = (
    "cppn.activation_rate",
    "cppn.add_connection",
    "cppn.delete_connection",
    "cppn.add_neuron",
    "cppn.delete_neuron",
)
"""Of CPPNs, what mutation alone changes."""
READERS: dict[str, dict[str, set[str]]] = {
    "mutation": {
        "rate": RATED,
        "halve_every": RATED,
        "eta": {"polynomial", "cppn"},
        "sigma": {"gaussian"},
    },
    "crossover": {
        "eta": {"simulated_binary"},
        "sigma_iso": {"iso_line"},
        "sigma_line": {"iso_line"},
    },
}
"""The operators that read a setting."""


def warn_of_what_has_no_effect(given: Config, image_shape: tuple[int, int, int]) -> None:
    """Says in a line each what was given in vain.

    Args:
        given: what the user gave, with a batch size where that was left open; what it has from its preset, or by
            default, is not looked at.
        image_shape: (H, W, C).
    """
    config, values = with_defaults(given, image_shape), flat(given)
    untouched = [flat(usual) for usual in _usual(given, image_shape)]
    changed = [
        name
        for name, value in values.items()
        if name not in FITTED and all(value != other[name] for other in untouched)
    ]
    for settings, reader in _unread(config):
        found = [name for name in changed if name in settings or name.partition(".")[0] in settings]
        if found:
            verb, whose = ("have", "they are") if len(found) > 1 else ("has", "it is")
            listed = ", ".join(f"`{name}`" for name in found)
            LOG.warning(f"{listed} {verb} no effect here: {whose} for {reader}.")
        changed = [name for name in changed if name not in found]
    first, second = config.measures
    if config.archive == "grid" and (first is second or named_parts(config.measures) == {first}):
        LOG.warning(
            f"`measures` has {shown(name_of(first))} twice: most cells of such a grid can have no image."
        )
    for line in _without_turn(config):
        LOG.warning(line)


def _usual(given: Config, image_shape: tuple[int, int, int]) -> tuple[Config, ...]:
    """Configs that have the settings which were not given: the preset, the one of no preset, and the preset with what
    it leaves open filled in, as the config of a run has it."""
    preset = PRESETS.get(given.preset, ("", Config()))[1]
    mutation = preset.mutation
    if is_own_encoding(given):  # It may have no operators to fill in.
        mutation = replace(mutation, operators=given.mutation.operators)
    left_open = replace(preset, encoding=given.encoding, mutation=mutation)
    return preset, Config(), with_defaults(left_open, image_shape)


def _unread(config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    """Settings that nothing of a config reads, or groups of them, and what would."""
    shares = config.emitters.shares or (1.0,) * len(config.emitters.operators)
    emitters = named_parts(
        part for part, share in zip(config.emitters.operators, shares, strict=True) if share
    )
    mutations, crossovers = (
        named_parts(config.mutation.operators or ()),
        named_parts(config.crossover.operators or ()),
    )
    ascent, strategy = config.gradient_ascent, config.evolution_strategy
    encoding = named_parts([config.encoding])  # None, where it is an object of the user's.
    varies = "variation" in emitters
    tournaments = [
        varies and config.selection.operator == "tournament",
        "gradient_ascent" in emitters and ascent.selection == "tournament",
    ]
    rows: Iterable[tuple[bool, tuple[str, ...], str]] = (
        (config.archive == "grid", ("measures", "cells", "ranges"), "the archive 'grid'"),
        (config.objective == "ten-crop", ("crop_from",), "the objective 'ten-crop'"),
        (
            not encoding.isdisjoint(("pixels", "binary")) or config.initial not in INITIAL,
            ("initial",),
            "the encodings 'pixels' and 'binary'",
        ),
        ("cppn" in {*encoding, *mutations}, ("cppn",), "the encoding 'cppn'"),
        (varies and "cppn" in mutations, STRUCTURE, "the mutation 'cppn' of the emitter 'variation'"),
        (
            "black_pixels" in encoding or is_own_encoding(config),
            ("black_pixels",),
            "the encoding 'black_pixels'",
        ),
        *(
            (name in emitters, (name,), f"the emitter '{name}'")
            for name in ("evolution_strategy", "gradient_ascent", "gradient_arborescence")
        ),
        (any(tournaments), ("selection.tournament_size",), "the selection 'tournament'"),
        (varies, ("mutation", "crossover", "selection.operator"), "the emitter 'variation'"),
        *_unread_by_operators("mutation", mutations),
        *_unread_by_operators("crossover", crossovers),
        (bool(config.crossover.operators), ("crossover.probability",), "children of two parents"),
        (
            ascent.rule == "progress",
            tuple(f"gradient_ascent.{name}" for name in ("early", "late", "most")),
            "the `gradient_ascent.rule` 'progress'",
        ),
        (ascent.steps > 1, ("gradient_ascent.schedule",), "more than one of `gradient_ascent.steps`"),
        (
            bool(ascent.blur_sigma),
            ("gradient_ascent.blur_every",),
            "a `gradient_ascent.blur_sigma` above 0",
        ),
        (
            strategy.ranking == "annealed",
            ("evolution_strategy.threshold", "evolution_strategy.learning_rate"),
            "the `evolution_strategy.ranking` 'annealed'",
        ),
        (
            config.gradient_arborescence.coefficients == "adapted",
            ("gradient_arborescence.rule", "gradient_arborescence.learning_rate"),
            "the `gradient_arborescence.coefficients` 'adapted'",
        ),
    )
    for is_read, settings, reader in rows:
        if not is_read:
            yield settings, reader


def _unread_by_operators(kind: str, used: set[str]) -> Iterator[tuple[bool, tuple[str, ...], str]]:
    for setting, names in READERS[kind].items():
        named = ", ".join(f"'{name}'" for name in sorted(names))
        yield not names.isdisjoint(used), (f"{kind}.{setting}",), f"the {kind} {named}"


def _without_turn(config: Config) -> Iterator[str]:
    """A line for each emitter whose turn is never bred a generation of."""
    limit, charges = config.budget_generations(), config.charges()
    if config.emitters.turns is None or limit is None:
        return
    ends = [*charges.firsts[1:], limit]
    turns = zip(config.emitters.operators, charges.firsts, ends, charges.costs, strict=True)
    for number, (operator, first, end, cost) in enumerate(turns, 1):
        if first < min(end, limit):
            continue
        spent = charges.of(min(first, limit))
        left = "" if config.evaluations is None else f", and {config.evaluations - spent:,} are left"
        yield (
            f"The emitter {shown(name_of(operator))} has no generation in turn {number} of `emitters.turns`: "
            f"{spent:,} evaluations are charged before it{left}; a generation of it is charged {cost:,}."
        )
