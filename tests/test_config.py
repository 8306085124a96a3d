import json
from dataclasses import replace

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
    to_dict,
    validate,
)
from qdfool.errors import InputError
from qdfool.presets import PRESETS, preset


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
    "`batch_size` must be at least 0; got -1": Config(generations=1, batch_size=-1),
    "`crop_from` must be at least 1; got 0": Config(generations=1, crop_from=0),
    "`cppn.nodes` must be between 1 and 512; got 0": Config(generations=1, cppn=Cppn(nodes=0)),
    "`cppn.weight_range` must be above 0": Config(generations=1, cppn=Cppn(weight_range=0)),
    "`cppn.add_neuron` must be between 0 and 1; got 2": Config(generations=1, cppn=Cppn(add_neuron=2)),
    "`black_pixels.capacity` must be at least 1; got 0": Config(
        generations=1, black_pixels=BlackPixels(capacity=0)
    ),
    "`black_pixels.margin` must be between 0 and 0.45; got 0.5": Config(
        generations=1, black_pixels=BlackPixels(margin=0.5)
    ),
    "`seed` must be between 0": Config(generations=1, seed=-1),
    "`generations` must be at least 1": Config(generations=0),
    r"`evaluations` \(one batch or more\) must be at least 200": Config(evaluations=199),
    "`seconds` must be above 0": Config(seconds=0),
    "needs a budget": Config(),
    "`cells` must be at least 1": Config(generations=1, cells=(0, 3)),
    "`image_shape` must be at least 1": Config(generations=1, image_shape=(28, 0, 1)),
    "`chunk_seconds` must be above 0": Config(generations=1, chunk_seconds=0),
    "`checkpoint_every` must be at least 0": Config(generations=1, checkpoint_every=-1),
    "`mutation.rate` must be between 0 and 1; got -0.1": Config(generations=1, mutation=Mutation(rate=-0.1)),
    "`mutation.probability` must be between": Config(generations=1, mutation=Mutation(probability=2)),
    "`mutation.eta` must be above 0": Config(generations=1, mutation=Mutation(eta=0)),
    "`mutation.sigma` must be at least 0": Config(generations=1, mutation=Mutation(sigma=-1)),
    "`mutation.block` must be at least 1": Config(generations=1, mutation=Mutation(block=0)),
    "`mutation.halve_every` must be at least 0": Config(generations=1, mutation=Mutation(halve_every=-1)),
    "`crossover.probability` must be between": Config(generations=1, crossover=Crossover(probability=-1)),
    "`crossover.eta` must be above 0": Config(generations=1, crossover=Crossover(eta=-1)),
    "`crossover.patch` must be at least 1": Config(generations=1, crossover=Crossover(patch=0)),
    "`crossover.sigma_iso` must be at least": Config(generations=1, crossover=Crossover(sigma_iso=-1)),
    "`crossover.sigma_line` must be at least": Config(generations=1, crossover=Crossover(sigma_line=-1)),
    "`selection.tournament_size` must be": Config(generations=1, selection=Selection(tournament_size=0)),
}


@pytest.mark.parametrize("message", BAD)
def test_a_number_out_of_range_is_named(message):
    with pytest.raises(InputError, match=message):
        validate(BAD[message])
