"""A classifier without weights that can be hashed is known by what it answers, and a measure by what it measures."""

import json
import re
from dataclasses import replace

import fake
import numpy as np
import pytest

import qdfool
from qdfool.build import with_classifier
from qdfool.classifiers.custom import wrap
from qdfool.config import Config
from qdfool.errors import InputError
from qdfool.results.answers import answers_otherwise
from qdfool.results.comparison import read_groups


def scaled(factor):
    def classify(images):
        return factor * fake.host_logits(images)

    return classify


@pytest.fixture(scope="module")
def run(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("answers") / "run"
    config = replace(small, generations=2, image_shape=fake.SHAPE)
    qdfool.evolve(config, scaled(1.0), out=folder)
    return folder


def test_another_function_of_the_same_name_is_refused(run):
    with pytest.raises(
        InputError,
        match=r"was run on another classifier: of the same image one logit was .* now\. Give the one",
    ):
        qdfool.resume(run, scaled(1.5), generations=4)


def test_the_same_goes_on_also_where_it_rounds_otherwise(run):
    assert qdfool.resume(run, scaled(1.0005), generations=3).generations == 3


def test_one_that_answers_otherwise_each_time_is_warned_of(run, caplog):
    random = np.random.default_rng(0)

    def drops_out(images):
        return fake.host_logits(images) * random.uniform(0.5, 1.5)

    assert qdfool.resume(run, drops_out, generations=4).generations == 4
    assert "answers otherwise each time that it is asked" in caplog.text


def test_what_a_group_or_crops_show_is_compared_as_it_is(small):
    for view in ({"group": ("even=0,2",)}, {"objective": "ten-crop", "crop_from": 10}):
        config = replace(small, **view)
        one, same, other = (
            with_classifier(config, wrap(scaled(factor), fake.SHAPE))[1] for factor in (1.0, 1.0, 2.0)
        )
        assert one.answers
        assert not answers_otherwise(one.answers, same)
        assert answers_otherwise(one.answers, other)


def test_one_of_the_same_weights_that_answers_otherwise_is_refused(small, tmp_path):
    """As with another mean or temperature, which no weights have."""

    def by(factor):
        return replace(
            fake.classifier,
            parameters={"weights": np.ones(3, np.float32)},
            logits=lambda parameters, images: factor * fake.logits(images),
        )

    first = qdfool.evolve(replace(small, generations=2), by(1.0), out=tmp_path)
    assert first.classifier.fingerprint
    with pytest.raises(InputError, match="was run on another classifier: of the same image one logit was"):
        qdfool.resume(tmp_path, by(1.5), generations=4)
    assert qdfool.resume(tmp_path, by(1.0), generations=3).generations == 3


def test_the_name_of_a_classifier_is_none(small):
    with pytest.raises(
        InputError, match=r"is the text 'lenett'\. Expected a classifier itself; one that has a name"
    ):
        qdfool.evolve(small, "lenett")


def test_weights_that_are_known_need_no_answers():
    assert qdfool.evolve(replace(Config(), generations=1, batch_size=8)).classifier.answers == ()


def test_answers_that_are_none_are_a_damaged_file(run):
    path = run / "config.json"
    values = json.loads(path.read_text())
    for answers in ("1", [1], ["1.0"], [None], {"a": 1.0}):
        values["classifier"]["answers"] = answers
        path.with_name("copy").mkdir(exist_ok=True)
        (path.with_name("copy") / "config.json").write_text(json.dumps(values))
        with pytest.raises(InputError, match=r"config.json is damaged: expected the classifier's .* answers"):
            qdfool.load(path.with_name("copy"))


def test_classifiers_of_the_same_name_are_two_settings(small, tmp_path):
    runs = []
    for seed, factor in enumerate((0.5, 0.5, 2.0, 2.0)):
        runs.append(tmp_path / str(seed))
        config = replace(small, generations=1, seed=seed, image_shape=fake.SHAPE)
        qdfool.evolve(config, scaled(factor)).save(runs[-1])
    groups = read_groups(runs)
    assert [[member.seed for member in group.members] for group in groups] == [[0, 1], [2, 3]]
    assert all(re.search(r"the classifier answers [0-9a-f]{8}$", group.name) for group in groups)


def test_a_measure_that_measures_otherwise_is_refused(small, tmp_path):
    def measured_by(function):
        measure = qdfool.Measure("brightness", "", 0.0, 1.0, function)
        return replace(small, generations=2, archive="grid", cells=(4, 4), measures=(measure, "ink"))

    config, other = measured_by(lambda image: image.mean()), measured_by(lambda image: image.mean() ** 2)
    qdfool.evolve(config, fake.logits, out=tmp_path)
    with pytest.raises(
        InputError, match=r"The measure brightness is another one than .* Give the one it began"
    ):
        qdfool.resume(tmp_path, fake.logits, generations=4, config=other)
    assert qdfool.resume(tmp_path, fake.logits, generations=4, config=config).generations == 4


def test_a_config_that_contradicts_the_folder_is_refused(small, tmp_path):
    measure = qdfool.Measure("brightness", "", 0.0, 1.0, lambda image: image.mean())
    config = replace(small, generations=2, archive="grid", cells=(4, 4), measures=(measure, "ink"))
    qdfool.evolve(config, fake.logits, out=tmp_path)
    for changes, said in (({"cells": (5, 5)}, r"cells: \(4, 4\) -> \(5, 5\)"), ({"seed": 7}, "seed: 0 -> 7")):
        other = replace(config, **changes)
        for call in (
            lambda other=other: qdfool.load(tmp_path, config=other),
            lambda other=other: qdfool.resume(tmp_path, fake.logits, generations=3, config=other),
        ):
            with pytest.raises(InputError, match=f"is a run of another config: {said}. Give the config"):
                call()
    qdfool.evolve(config, fake.logits, out=tmp_path / "seeds", seeds=[3])
    with pytest.raises(InputError, match=r"is a run of another config: cells: \(4, 4\) -> \(5, 5\)"):
        qdfool.resume_seeds(tmp_path / "seeds", fake.logits, config=replace(config, cells=(5, 5)))
    (found,) = qdfool.resume_seeds(tmp_path / "seeds", fake.logits, config=replace(config, seed=7))
    assert found.config.seed == 3
    only = replace(Config(), measures=(measure, "ink"), generations=9)
    assert qdfool.load(tmp_path, config=only).generations == 2
