"""A picture that fails costs that picture."""

import sys
from dataclasses import replace

import fake
import numpy as np
import pytest
from PIL import Image

import qdfool
from qdfool import analysis
from qdfool.build import with_defaults
from qdfool.config import Emitters
from qdfool.presets import preset
from qdfool.results import pictures, report
from qdfool.results.run_folder import ELITES, PICTURES, REPORT, SUMMARY

pytestmark = pytest.mark.page


def test_a_class_archive_is_drawn_without_pyribs(small, tmp_path, monkeypatch, caplog):
    for name in ("ribs", "ribs.archives", "ribs.visualize", "qdfool.results.pyribs"):
        monkeypatch.setitem(sys.modules, name, None)
    qdfool.evolve(replace(small, generations=2), fake.host_logits, out=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} >= {*PICTURES, REPORT}
    assert not caplog.messages


@pytest.mark.parametrize("archive", ["class", "grid"])
@pytest.mark.parametrize("picture", ["gallery", "heatmap", "curves"])
def test_a_picture_that_fails_costs_that_picture(small, tmp_path, monkeypatch, caplog, picture, archive):
    def fails(*arguments):
        raise ValueError("cannot draw this")

    def draws(path, *arguments):
        path.write_text("drawn")

    for name in ("gallery", "class_heatmap", "grid_heatmaps", "curves"):
        monkeypatch.setattr(analysis, name, fails if picture in name else draws)
    config = replace(
        small, generations=2, archive=archive, **({"cells": (3, 3)} if archive == "grid" else {})
    )
    assert qdfool.evolve(config, fake.host_logits, out=tmp_path).generations == 2
    assert sorted(path.name for path in tmp_path.glob("*.png")) == sorted(set(PICTURES) - {f"{picture}.png"})
    assert (tmp_path / SUMMARY).exists()
    assert (tmp_path / ELITES).exists()
    (message,) = caplog.messages
    assert message.startswith(f"{tmp_path / picture}.png could not be drawn: ValueError: cannot draw this.")


@pytest.mark.parametrize("archive", ["class", "grid"])
def test_what_has_not_grown_is_not_drawn_and_that_is_said(small, tmp_path, caplog, archive):
    asked = qdfool.AskTell(replace(small, archive=archive, cells=(3, 3)), fake.SHAPE, tuple("abcd"))
    asked.result().save(tmp_path)
    assert caplog.messages[-1] == "No generation is over yet: there is no growth to draw."
    assert not any("could not be drawn" in message for message in caplog.messages)
    assert (tmp_path / REPORT).exists()
    assert (tmp_path / "heatmap.png").exists() == (archive == "grid")
    assert not (tmp_path / "curves.png").exists()


def test_a_page_that_fails_costs_the_page(small, tmp_path, monkeypatch, caplog):
    def fails(*arguments):
        raise ValueError("cannot write this")

    for name in ("gallery", "class_heatmap", "curves"):
        monkeypatch.setattr(analysis, name, lambda path, *arguments: path.write_text("drawn"))
    monkeypatch.setattr(report, "report_of", fails)
    assert qdfool.evolve(replace(small, generations=2), fake.host_logits, out=tmp_path).generations == 2
    assert sorted(path.name for path in tmp_path.glob("*.png")) == sorted(PICTURES)
    assert not (tmp_path / REPORT).exists()
    (message,) = caplog.messages
    assert message.startswith(f"{tmp_path / REPORT} could not be drawn: ValueError: cannot write this.")


def test_a_full_disk_stays_an_error(small, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device", "gallery.png")

    monkeypatch.setattr(analysis, "gallery", full)
    with pytest.raises(OSError, match="No space left"):
        qdfool.evolve(replace(small, generations=2), fake.host_logits, out=tmp_path)


def test_a_title_says_what_the_images_are_where_the_preset_does_not():
    assert pictures.name_of_run(preset("mnist-direct", seed=3)) == "mnist-direct, seed 3"
    assert pictures.name_of_run(preset("mnist-direct", encoding="cppn")) == "mnist-direct, cppn, seed 0"
    assert pictures.name_of_run(preset("mnist-cppn")) == "mnist-cppn, seed 0"
    assert pictures.name_of_run(preset("mnist-gradient")) == "mnist-gradient, seed 0"
    mixed = Emitters(("variation", "gradient_ascent"))
    assert (
        pictures.name_of_run(preset("mnist-grid", emitters=mixed))
        == "mnist-grid, variation and gradient_ascent, seed 0"
    )


def test_curves_over_seeds_count_what_is_charged(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        pictures.analysis, "seed_curves", lambda *given, **named: drawn.append((given, named))
    )
    config = with_defaults(preset("mnist-gradient"), (28, 28, 1))
    values: dict[str, np.ndarray] = dict.fromkeys(
        ("median", "minimum", "qd_score", "coverage"), np.zeros((2, 3))
    )
    pictures.draw_over_seeds(tmp_path / "curves.png", config, lambda: (np.array([1, 2, 4]), values), 2)
    ((_, evaluations), named) = drawn[0]
    assert evaluations.tolist() == [410, 820, 1640]
    assert named["evaluations_a_generation"] == 410


@pytest.mark.drawn
@pytest.mark.parametrize("archive", [pytest.param("class", marks=pytest.mark.slow), "grid"])
def test_what_is_drawn_of_a_run_is_a_picture(small, tmp_path, caplog, archive):
    config = replace(small, generations=2, archive=archive, **{"cells": (3, 3)} if archive == "grid" else {})
    qdfool.evolve(config, fake.host_logits, out=tmp_path, seeds=range(1, 3))
    # An old Matplotlib says things of its own beside a new pyparsing.
    assert not [record.message for record in caplog.records if record.name.startswith("qdfool")]
    for path in (tmp_path / "curves.png", *(tmp_path / "seed1" / name for name in PICTURES)):
        with Image.open(path) as picture:
            assert min(picture.size) > 100, path
