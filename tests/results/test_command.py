"""The command on a page makes the run again: what it says is parsed to the same config."""

import shlex
from dataclasses import replace

import pytest

from qdfool.build import with_defaults
from qdfool.config import BlackPixels, Config, Crossover, Emitters, Mutation, override
from qdfool.presets import PRESETS, preset
from qdfool.results.command import command_of
from qdfool.run import parse

SHAPE = (28, 28, 1)


def made_again(command: str) -> Config:
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "qdfool.run"]
    return with_defaults(parse(words[4:], preset(words[3])).config, SHAPE)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_made_again_by_its_name(name):
    config = preset(name)
    command = command_of(with_defaults(config, SHAPE), SHAPE)
    assert command == f"python -m qdfool.run {name}"


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("mnist-direct", {"seed": 7, "evaluations": 1000}),
        ("mnist-grid", {"seconds": 2.5, "generations": 9}),
        (
            "mnist-direct",
            {"rounding": False, "archive": "grid", "cells": (3, 4), "ranges": (0.0, 0.5, 0.25, 1.0)},
        ),
        ("mnist-direct", {"mutation": Mutation(("gaussian", "reset"), rate=0.25)}),
        ("mnist-direct", {"crossover": Crossover(None), "initial": "varied"}),
        ("mnist-grid", {"crossover": Crossover(())}),
        ("mnist-grid", {"encoding": "cppn"}),
        (
            "mnist-direct",
            {"encoding": "black_pixels", "black_pixels": BlackPixels(capacity=30, inverted=True)},
        ),
        ("mnist-direct", {"emitters": Emitters(("variation", "gradient_ascent"), shares=(3.0, 1.0))}),
        (
            "mnist-direct",
            {"group": ("even=0,2,4", "a name; rm -rf=1"), "weights": "a file's name.safetensors"},
        ),
        ("mnist-grid", {"batch_size": 64, "measures": ("ink", "symmetry"), "image_shape": (28, 28, 1)}),
    ],
)
def test_what_was_changed_is_on_the_command_line(name, changes):
    config = with_defaults(override(preset(name), changes), SHAPE)
    assert made_again(command_of(config, SHAPE)) == config


def test_how_a_run_is_kept_is_not_part_of_it():
    config = preset("mnist-direct", chunk_seconds=9.0, checkpoint_every=1.0)
    assert command_of(with_defaults(config, SHAPE), SHAPE) == "python -m qdfool.run mnist-direct"


def test_what_no_command_can_give_has_none():
    usual = with_defaults(preset("mnist-direct"), SHAPE)
    assert command_of(replace(usual, classifier="mine (own)"), SHAPE) == ""
    assert command_of(replace(usual, generations=None), SHAPE) == ""
    own = replace(usual, mutation=replace(usual.mutation, operators=(lambda key, genome: genome,)))
    assert command_of(own, SHAPE) == ""
