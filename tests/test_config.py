import contextlib
import json
from dataclasses import dataclass, replace

import hypothesis
import hypothesis.strategies as st
import pytest

from qdfool.config import (
    BlackPixels,
    Config,
    Cppn,
    Crossover,
    Mutation,
    Selection,
    differences,
    from_dict,
    override,
    setting_names,
    to_dict,
    validate,
)
from qdfool.errors import InputError
from qdfool.presets import PRESETS, preset


@dataclass
class Changing:
    """An operator with a setting of its own that may change."""

    share: float = 0.1

    def __call__(self, key, genome):
        return genome


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_valid_and_says_its_name(name):
    validate(preset(name))
    assert preset(name).preset == name


def test_json_and_back():
    config = Config(
        seconds=3.5,
        ranges=(0, 0.5, 0, 1),
        mutation=Mutation(operators=("bit_flip", "swap")),
        crossover=Crossover(operators=("uniform",)),
        black_pixels=BlackPixels(capacity=9, inverted=True, margin=0.25),
    )
    assert from_dict(json.loads(json.dumps(to_dict(config)))) == config


def test_what_an_older_config_lacks_has_its_default():
    values = to_dict(Config(generations=1))
    del values["black_pixels"]
    assert from_dict(values) == Config(generations=1)


def test_an_unknown_setting_is_named():
    values = to_dict(Config(generations=1))
    values["mutation"]["rats"] = 0.1
    with pytest.raises(InputError, match=r"Unknown setting 'mutation.rats'. Did you mean `mutation.rate`"):
        from_dict(values)


def test_a_group_of_settings_must_be_one():
    with pytest.raises(InputError, match=r"`mutation` must be a group of settings, a dict; got 3"):
        from_dict({"mutation": 3})


def test_differences_are_named_with_both_values():
    first = Config(generations=1, mutation=Mutation(rate=0.1))
    second = replace(first, seed=3, mutation=Mutation(rate=0.2), generations=5)
    assert differences(first, second, ignoring=("generations",)) == [
        "seed: 0 -> 3",
        "mutation.rate: 0.1 -> 0.2",
    ]
    assert differences(first, first) == []


def test_budget_in_generations():
    assert Config(generations=7).budget_generations() == 7
    assert Config(evaluations=1000, batch_size=300).budget_generations() == 3
    assert Config(generations=7, evaluations=1000, batch_size=300).budget_generations() == 3
    assert Config(seconds=1).budget_generations() is None


BAD = {
    "`batch_size` must be between 0 and 1,048,576; got -1": Config(generations=1, batch_size=-1),
    "`crop_from` must be between 1 and 65,536; got 0": Config(generations=1, crop_from=0),
    "`cppn.nodes` must be between 1 and 512; got 0": Config(generations=1, cppn=Cppn(nodes=0)),
    "`cppn.weight_range` must be above 0": Config(generations=1, cppn=Cppn(weight_range=0)),
    "`cppn.add_neuron` must be between 0 and 1; got 2": Config(generations=1, cppn=Cppn(add_neuron=2)),
    "`black_pixels.capacity` must be between 1 and 16,777,216; got 0": Config(
        generations=1, black_pixels=BlackPixels(capacity=0)
    ),
    "`black_pixels.margin` must be between 0 and 0.45; got 0.5": Config(
        generations=1, black_pixels=BlackPixels(margin=0.5)
    ),
    "`seed` must be between 0": Config(generations=1, seed=-1),
    "`generations` must be between 1 and": Config(generations=0),
    r"`evaluations` \(one generation or more\) must be between 200 and": Config(evaluations=199),
    "`seconds` must be above 0": Config(seconds=0),
    "needs a budget": Config(),
    "`cells` must be between 1 and": Config(generations=1, cells=(0, 3)),
    "`image_shape` must be between 1 and": Config(generations=1, image_shape=(28, 0, 1)),
    "`chunk_seconds` must be above 0": Config(generations=1, chunk_seconds=0),
    "`checkpoint_every` must be between 0 and": Config(generations=1, checkpoint_every=-1),
    "`mutation.rate` must be between 0 and 1; got -0.1": Config(generations=1, mutation=Mutation(rate=-0.1)),
    "`mutation.probability` must be between": Config(generations=1, mutation=Mutation(probability=2)),
    "`mutation.eta` must be above 0": Config(generations=1, mutation=Mutation(eta=0)),
    "`mutation.sigma` must be between 0 and": Config(generations=1, mutation=Mutation(sigma=-1)),
    "`mutation.block` must be between 1 and": Config(generations=1, mutation=Mutation(block=0)),
    "`mutation.operators` has 'Changing', which has no hash": Config(
        generations=1, mutation=Mutation(operators=(Changing(),))
    ),
    "`mutation.halve_every` must be between 0 and": Config(generations=1, mutation=Mutation(halve_every=-1)),
    "`crossover.probability` must be between": Config(generations=1, crossover=Crossover(probability=-1)),
    "`crossover.eta` must be above 0": Config(generations=1, crossover=Crossover(eta=-1)),
    "`crossover.patch` must be between 1 and": Config(generations=1, crossover=Crossover(patch=0)),
    "`crossover.sigma_iso` must be between": Config(generations=1, crossover=Crossover(sigma_iso=-1)),
    "`crossover.sigma_line` must be between": Config(generations=1, crossover=Crossover(sigma_line=-1)),
    "`selection.tournament_size` must be": Config(generations=1, selection=Selection(tournament_size=0)),
    r"`batch_size` must be between 0 and 1,048,576; got 10000000": Config(
        generations=1, batch_size=10_000_000
    ),
    "`generations` must be between 1 and 2,147,483,647": Config(generations=2**31),
    "`generations` must be .* got 1000000": Config(generations=10**400),
    "`generations` must be .* too long to show": Config(generations=10**5000),
    "`evaluations` .* must be between 200 and 429,496,729,400": Config(evaluations=2**63),
    "`seconds` must be above 0 and at most 1,000,000,000": Config(seconds=10**400),
    "`seconds` must be above 0 and at most": Config(seconds=float("nan")),
    "`checkpoint_every` must be between 0 and 1,000,000,000": Config(
        generations=1, checkpoint_every=float("inf")
    ),
    "`selection.tournament_size` must be between 1 and 65,536": Config(
        generations=1, selection=Selection(tournament_size=10**12)
    ),
    "`image_shape` must be between 1 and 65,536; got 100000": Config(
        generations=1, image_shape=(100_000, 100_000, 3)
    ),
    "`image_shape` must have at most 16,777,216 values, .* got 60000 x 60000 x 3": Config(
        generations=1, image_shape=(60_000, 60_000, 3)
    ),
    "`cells` must be between 1 and 16,777,216": Config(generations=1, cells=(2**63, 1)),
    "`ranges` must be finite; got nan": Config(generations=1, ranges=(0.0, 1.0, 0.0, float("nan"))),
    "`preset` must be a name of at most 200 printable characters": Config(generations=1, preset="\x1b[2J"),
    "`preset` must be a name .*\\.\\.\\.\\.$": Config(generations=1, preset="a" * 10**6),
}


@pytest.mark.parametrize("message", BAD)
def test_a_number_out_of_range_is_named(message):
    with pytest.raises(InputError, match=message):
        validate(BAD[message])


def test_a_preset_takes_other_settings_and_groups_of_them():
    config = preset(
        "mnist-grid", seed=3, mutation={"rate": 0.05}, cells=[4, 5], selection=Selection("ranking")
    )
    assert config == replace(
        PRESETS["mnist-grid"][1],
        seed=3,
        mutation=Mutation(rate=0.05),
        cells=(4, 5),
        selection=Selection("ranking"),
    )
    assert preset("mnist-cppn", cppn={"nodes": 9}).cppn == Cppn(nodes=9, weight_range=5.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mutation": {"rat": 1}}, r"Unknown setting 'mutation.rat'. Did you mean `mutation.rate`\?"),
        (
            {"mutation.rate": 1},
            r"Expected the setting 'mutation.rate' in a dict .* \{'mutation': \{'rate': \.\.\.\}\}",
        ),
        ({"mutatoin": {}}, r"Unknown setting 'mutatoin'. Did you mean `mutation`\?"),
        ({"rate": 0.1}, r"Unknown setting 'rate'. Did you mean `mutation.rate`\?"),
        ({"zzz": 0.1}, "Unknown setting 'zzz'. Known: preset, seed"),
        ({"mutation": 3}, "`mutation` must be a group of settings, a dict; got 3"),
        (
            {"measures": "ink"},
            "`measures` must be a tuple of 2, each of it a name or a qdfool.Measure; got 'ink'",
        ),
        ({"archive": "map"}, "`archive` must be one of class, grid; got 'map'"),
        ({"seed": "3"}, "`seed` must be a whole number; got '3'"),
        ({"seed": True}, "`seed` must be a whole number; got True"),
        ({"mutation": {"operators": "swap"}}, "`mutation.operators` must be None or a tuple.*; got 'swap'"),
        ({"cells": (1, 2, 3)}, "`cells` must be a tuple of 2"),
    ],
)
def test_a_setting_that_there_is_not_or_of_another_kind_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        preset("mnist-direct", **settings)


def test_a_long_value_is_shown_shortened():
    with pytest.raises(InputError) as caught:
        preset("mnist-direct", seed="x" * 10_000)
    assert len(str(caught.value)) < 200


def test_kinds_are_checked_of_a_config_made_by_hand_too():
    with pytest.raises(InputError, match="`batch_size` must be a whole number; got '12'"):
        validate(Config(generations=1, batch_size="12"))  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match=r"`emitters` must be of type Emitters; got \{\}"):
        validate(Config(generations=1, emitters={}))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("given", "budget"),
    [
        ({}, (200, None, None)),
        ({"evaluations": 300_000}, (None, 300_000, None)),
        ({"seconds": 5.0}, (None, None, 5.0)),
        ({"generations": 200}, (200, None, None)),
        ({"evaluations": 300_000, "generations": 50}, (50, 300_000, None)),
        ({"generations": None}, (None, None, None)),
        ({"seed": 1}, (200, None, None)),
    ],
)
def test_a_budget_that_is_given_replaces_the_presets(given, budget):
    config = preset("mnist-direct", **given)
    assert (config.generations, config.evaluations, config.seconds) == budget
    assert override(preset("mnist-direct"), given) == config


@pytest.mark.parametrize(
    ("budget", "spent", "ended_by"),
    [
        ({"generations": 7}, (6, 9.0), None),
        ({"generations": 7}, (7, 9.0), ("generations", 7)),
        ({"evaluations": 100}, (7, 9.0), None),
        ({"evaluations": 100}, (8, 9.0), ("evaluations", 100)),
        ({"evaluations": 96}, (8, 9.0), ("evaluations", 96)),
        ({"evaluations": 96}, (7, 9.0), None),
        ({"seconds": 9.5}, (7, 9.0), None),
        ({"seconds": 8.5}, (7, 9.0), ("seconds", 8.5)),
        ({"generations": 100, "evaluations": 10_000, "seconds": 8.5}, (7, 9.0), ("seconds", 8.5)),
        ({"generations": 7, "evaluations": 10_000, "seconds": 60.0}, (7, 9.0), ("generations", 7)),
    ],
)
def test_which_budget_is_spent(budget, spent, ended_by):
    assert Config(batch_size=12, **budget).spent_budget(*spent) == ended_by


def test_a_config_without_a_budget_is_valid_where_none_is_needed():
    validate(Config(), needs_budget=False)
    with pytest.raises(InputError, match="`batch_size`"):
        validate(Config(batch_size=-1), needs_budget=False)


def test_a_former_versions_name_of_the_objective_is_read():
    assert from_dict({"objective": "whole"}) == Config()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@hypothesis.given(st.sampled_from(setting_names()), JSON)
@hypothesis.example("mutation.operators", [{"object": "mine"}])
@hypothesis.example("seed", 10**5000)
@hypothesis.example("objective", [])
def test_whatever_a_file_says_is_read_or_refused(setting, value):
    group, _, last = setting.rpartition(".")
    with contextlib.suppress(InputError):
        config = from_dict({group: {last: value}} if group else {last: value})
        validate(config, needs_budget=False)
        assert differences(from_dict(to_dict(config)), config) == []


@hypothesis.given(JSON)
def test_whatever_a_file_is_is_read_or_refused(values):
    with contextlib.suppress(InputError):
        assert isinstance(from_dict(values), Config)
