"""What was given in vain is said, once, and nothing else is."""

import logging
from dataclasses import replace
from typing import Any

import fake
import jax
import jax.numpy as jnp
import own_parts
import pytest

import qdfool
from qdfool.build import ENCODINGS, build_evolution, warn_of_what_has_no_effect, with_defaults
from qdfool.build.variation import build_variation
from qdfool.config import Config, Crossover, Emitters, Mutation, differences, override, setting_names
from qdfool.engine.loop import jitted_init
from qdfool.engine.step import scoring, tell
from qdfool.presets import PRESETS, preset
from qdfool.results.run import Run

GRID = {"archive": "grid", "batch_size": 12}
IN_VAIN = [
    ("mnist-direct", {"cells": (5, 5)}, "`cells` has no effect here: it is for the archive 'grid'."),
    (
        "mnist-direct",
        {"measures": ("ink", "ink"), "ranges": (0.0, 0.5, 0.0, 0.5)},
        "`measures`, `ranges` have no effect here: they are for the archive 'grid'.",
    ),
    (
        "mnist-direct",
        {"crop_from": 300},
        "`crop_from` has no effect here: it is for the objective 'ten-crop'.",
    ),
    (
        "mnist-cppn",
        {"initial": "grey"},
        "`initial` has no effect here: it is for the encodings 'pixels' and 'binary'.",
    ),
    (
        "mnist-direct",
        {"cppn": {"nodes": 30, "add_neuron": 0.1}},
        "`cppn.nodes`, `cppn.add_neuron` have no effect here: they are for the encoding 'cppn'.",
    ),
    (
        "mnist-cppn",
        {"emitters": {"operators": ("gradient_ascent",)}, "cppn": {"nodes": 30, "add_neuron": 0.1}},
        "`cppn.add_neuron` has no effect here: it is for the mutation 'cppn' of the emitter 'variation'.",
    ),
    (
        "mnist-direct",
        {"black_pixels": {"inverted": True}},
        "`black_pixels.inverted` has no effect here: it is for the encoding 'black_pixels'.",
    ),
    (
        "mnist-direct",
        {"evolution_strategy": {"sigma": 0.2}},
        "`evolution_strategy.sigma` has no effect here: it is for the emitter 'evolution_strategy'.",
    ),
    (
        "mnist-gradient",
        {"mutation": {"rate": 0.2}, "selection": {"operator": "lowest"}},
        "`mutation.rate`, `selection.operator` have no effect here: they are for the emitter 'variation'.",
    ),
    (
        "mnist-direct",
        {"mutation": {"sigma": 0.2}},
        "`mutation.sigma` has no effect here: it is for the mutation 'gaussian'.",
    ),
    (
        "mnist-direct",
        {"crossover": {"sigma_line": 0.3}},
        "`crossover.sigma_line` has no effect here: it is for the crossover 'iso_line'.",
    ),
    (
        "mnist-direct",
        {"crossover": {"probability": 0.3}},
        "`crossover.probability` has no effect here: it is for children of two parents.",
    ),
    (
        "mnist-direct",
        {"selection": {"tournament_size": 3}},
        "`selection.tournament_size` has no effect here: it is for the selection 'tournament'.",
    ),
    (
        "mnist-direct",
        {
            "emitters": {"operators": ("variation", "gradient_ascent"), "shares": (1.0, 0.0)},
            "gradient_ascent": {"steps": 3},
        },
        "`gradient_ascent.steps` has no effect here: it is for the emitter 'gradient_ascent'.",
    ),
    (
        "mnist-gradient",
        {"gradient_ascent": {"early": 0.1}},
        "`gradient_ascent.early` has no effect here: it is for the `gradient_ascent.rule` 'progress'.",
    ),
    (
        "mnist-gradient",
        {"gradient_ascent": {"blur_every": 2}},
        "`gradient_ascent.blur_every` has no effect here: it is for a `gradient_ascent.blur_sigma` above 0.",
    ),
    (
        "mnist-grid",
        {"gradient_arborescence": {"coefficients": "random", "learning_rate": 1.0}},
        "`gradient_arborescence.learning_rate` has no effect here: it is for the "
        "`gradient_arborescence.coefficients` 'adapted'.",
    ),
    (
        "mnist-direct",
        {
            "emitters": {"operators": ("evolution_strategy",)},
            "evolution_strategy": {"threshold": 0.0},
        },
        "`evolution_strategy.threshold` has no effect here: it is for the `evolution_strategy.ranking` 'annealed'.",
    ),
    (
        "mnist-gradient",
        {"gradient_ascent": {"steps": 1, "schedule": "constant"}},
        "`gradient_ascent.schedule` has no effect here: it is for more than one of `gradient_ascent.steps`.",
    ),
]


def said(caplog, config: Config) -> list[str]:
    caplog.clear()
    warn_of_what_has_no_effect(config, fake.SHAPE)
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(("name", "settings", "message"), IN_VAIN)
def test_a_setting_that_nothing_reads_is_said(caplog, name, settings, message):
    assert said(caplog, override(preset(name), settings)) == [message]


# Not the last two: thresholds that are not asked for fill no number, and a schedule of one step begins with the first.
@pytest.mark.release
@pytest.mark.parametrize(("name", "settings", "message"), IN_VAIN[:-2])
def test_and_nothing_reads_it(name, settings, message):
    """The program is the same with the setting as it was."""
    given = override(preset(name, batch_size=10), settings)
    unread = [setting for setting in setting_names() if f"`{setting}`" in message.partition(" no effect ")[0]]
    assert unread
    usual: dict[str, Any] = {}
    for setting in unread:
        group, _, last = setting.rpartition(".")
        holder, values = (
            (getattr(preset(name), group), usual.setdefault(group, {})) if group else (preset(name), usual)
        )
        values[last] = getattr(holder, last)
    assert differences(given, override(given, usual))
    assert program(given) == program(override(given, usual))


def program(config: Config) -> str:
    evolution = build_evolution(config, fake.classifier)
    state = jax.eval_shape(jitted_init(evolution), jax.random.key(0))
    score = scoring(fake.classifier.logits, fake.classifier.parameters)

    def generation(state, images):
        logits = fake.classifier.logits(fake.classifier.parameters, images)
        return tell(evolution, state, logits, score)

    return (
        jax.jit(generation).lower(state, state.images).as_text()
        + jax.jit(lambda key: jitted_init(evolution)(key)).lower(jax.random.key(0)).as_text()
    )


@pytest.mark.parametrize("name", PRESETS)
def test_what_a_preset_sets_or_leaves_open_is_not_given(caplog, name):
    for encoding in ENCODINGS:
        config = preset(name, encoding=encoding)
        assert not said(caplog, config), encoding
        assert not said(caplog, with_defaults(config, fake.SHAPE)), encoding


@pytest.mark.parametrize(
    "settings",
    [
        {**GRID, "cells": (5, 5), "measures": ("ink", "variance")},
        {"encoding": "cppn", "cppn": {"nodes": 30}, "mutation": {"rate": 0.2, "eta": 3.0}},
        {"encoding": own_parts.stripes_of_8, "mutation": {"operators": ("gaussian",), "sigma": 0.2}},
        {"encoding": own_parts.stripes_of_8, "mutation": {"operators": ("cppn",)}, "cppn": {"nodes": 30}},
        {"mutation": {"block": 3}, "crossover": {"patch": 4}, "black_pixels": {"capacity": 9}},
        {"preset": "imagenet-cppn-gradient"},
        {
            "emitters": {"operators": ("gradient_ascent",)},
            "gradient_ascent": {"selection": "tournament"},
            "selection": {"tournament_size": 3},
        },
        {"crossover": {"operators": None, "sigma_iso": 0.2, "probability": 0.5}},
        {"selection": {"operator": "tournament", "tournament_size": 3}},
        {"initial": "varied", "encoding": "binary"},
        {
            "emitters": {"operators": ("variation", "gradient_ascent")},
            "gradient_ascent": {"selection": "tournament"},
            "selection": {"tournament_size": 3},
            "mutation": {"rate": 0.2},
        },
    ],
)
def test_what_is_read_is_not_said(caplog, settings):
    assert not said(caplog, override(preset("mnist-direct"), settings))


class Own:
    """A part of a user's, that is not to be compared."""

    def __eq__(self, other):
        assert not isinstance(other, str), "it was compared"
        return self is other

    def __hash__(self):
        return 0

    def __call__(self, *arguments):
        return arguments[-1]


class Mean(Own):
    def __call__(self, *arguments):
        return arguments[-1].mean()


@pytest.mark.parametrize("measure", ["ink", qdfool.Measure("own", "", 0.0, 1.0, Mean())])
def test_a_measure_twice_is_said(caplog, measure):
    (message,) = said(caplog, preset("mnist-grid", measures=(measure, measure)))
    name = measure if isinstance(measure, str) else measure.name
    assert message == f"`measures` has '{name}' twice: most cells of such a grid can have no image."


def test_parts_of_a_users_are_not_compared(caplog, small):
    measures = tuple(qdfool.Measure("own", "", 0.0, 1.0, Mean()) for _ in range(2))
    config = replace(
        small,
        archive="grid",
        measures=measures,
        mutation=Mutation(operators=(Own(),)),
        crossover=Crossover(operators=(Own(),)),
        emitters=Emitters((own_parts.copies, "variation")),
    )
    assert not said(caplog, config)
    build_variation(
        with_defaults(config, fake.SHAPE), fake.SHAPE, jax.ShapeDtypeStruct(fake.SHAPE, jnp.float32)
    )


@pytest.mark.parametrize(
    ("budget", "turns", "message"),
    [
        (
            {"evaluations": 1000},
            (200,),
            "turn 2 of `emitters.turns`: 200 evaluations are charged before it, and 800 are left; a generation of it "
            "is charged 8,200.",
        ),
        ({"evaluations": 1000}, (5000,), "1,000 evaluations are charged before it, and 0 are left"),
        ({"generations": 3}, (600,), "600 evaluations are charged before it; a generation"),
        ({"generations": 4}, (600,), None),
        ({"evaluations": 8400}, (200,), None),
        ({"seconds": 1.0}, (600,), None),
    ],
)
def test_a_turn_that_never_comes_is_said(caplog, budget, turns, message):
    emitters = {"operators": ("variation", "gradient_ascent"), "turns": turns}
    found = said(caplog, override(preset("mnist-direct"), {**budget, "emitters": emitters}))
    assert len(found) == (message is not None)
    if message is not None:
        assert found[0].startswith(
            "The emitter 'gradient_ascent' has no generation in turn 2 of `emitters.turns`: "
        )
        assert message in found[0]


def test_every_turn_that_never_comes_is_said(caplog):
    emitters = {"operators": ("variation", "gradient_ascent", "variation"), "turns": (600, 9000)}
    found = said(caplog, override(preset("mnist-direct"), {"generations": 3, "emitters": emitters}))
    assert ["turn 2" in found[0], "turn 3" in found[1]] == [True, True]


def test_a_turn_between_two_that_is_skipped_is_said(caplog):
    """The first generation of 200 goes past the second turn."""
    emitters = {"operators": ("variation", "gradient_ascent", "variation"), "turns": (100, 150)}
    (found,) = said(caplog, override(preset("mnist-direct"), {"emitters": emitters}))
    assert "'gradient_ascent' has no generation in turn 2" in found


def test_turns_are_counted_in_the_batch_that_is_chosen(caplog, small):
    emitters = Emitters(("variation", own_parts.copies), turns=(200,))
    qdfool.evolve(replace(small, batch_size=0, generations=9, emitters=emitters), fake.classifier)
    assert not caplog.messages


def test_it_is_said_where_a_run_begins_and_once_for_several_seeds(caplog, small, tmp_path):
    config = replace(small, generations=1, mutation=Mutation(sigma=0.3), classifier="fake:host_logits")
    begins = [
        lambda: Run(config, fake.classifier),
        lambda: qdfool.evolve(config, fake.classifier),
        lambda: qdfool.evolve(config, fake.classifier, seeds=[1, 2]),
    ]
    for begin in begins:
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            begin()
        assert caplog.text.count("`mutation.sigma` has no effect here") == 1
