"""Runs that begin with pictures instead of noise, and how far their elites are from these."""

import json
import shutil
from dataclasses import replace

import fake
import jax
import numpy as np
import own_parts
import pytest
from PIL import Image

import qdfool
from qdfool.build import read_pictures
from qdfool.config import Config
from qdfool.engine.objectives import log_odds
from qdfool.errors import InputError
from qdfool.inspect import inspect_elite

LEVELS = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), np.uint8)


@pytest.fixture
def folder(tmp_path):
    there = tmp_path / "pictures"
    there.mkdir()
    for number, image in enumerate(LEVELS):
        Image.fromarray(image[..., 0]).save(there / f"{number}.png")
    return there


@pytest.fixture
def pictured(small, folder) -> Config:
    return replace(small, initial=str(folder), classifier="fake:host_logits")


def idx(path, images):
    path.write_bytes(np.array([0x803, *images.shape[:3]], ">u4").tobytes() + images.tobytes())
    return path


def test_the_first_generation_is_the_pictures(pictured, caplog):
    """Each class has the one that the classifier is surest of, untouched."""
    found = qdfool.evolve(replace(pictured, generations=1))
    images = (LEVELS / 255).astype(np.float32)
    surest = np.asarray(jax.vmap(log_odds)(fake.logits(images))).argmax(axis=0)
    np.testing.assert_array_equal(found.elites.origin.picture, surest)
    np.testing.assert_array_equal(found.images(), images[surest])
    assert not found.elites.origin.distance.any()
    assert "The first generation shows 5 of 5 pictures of" in caplog.text


@pytest.mark.parametrize("encoding", ["pixels", pytest.param("binary", marks=pytest.mark.slow)])
def test_distances_are_those_of_the_images_from_their_pictures(pictured, encoding):
    found = qdfool.evolve(replace(pictured, encoding=encoding))
    picture, distance = found.elites.origin
    apart = found.images() - LEVELS[picture] / 255
    np.testing.assert_allclose(distance, np.sqrt(np.square(apart).mean(axis=(1, 2, 3))), atol=1e-6)
    assert distance.all()
    initial = found.summary()["initial"]
    assert initial["elites"]["picture"] == picture.tolist()
    assert initial["distance_median"] == pytest.approx(np.median(distance))


def test_a_folder_beside_needs_no_separator_in_its_name(pictured, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    config = replace(pictured, initial=folder.name, generations=1)
    alone, (of_seeds,) = qdfool.evolve(config), qdfool.evolve(config, seeds=[config.seed])
    np.testing.assert_array_equal(alone.images(), of_seeds.images())


@pytest.mark.slow
@pytest.mark.page
def test_a_run_goes_on_without_its_pictures_and_ends_as_one_that_never_stopped(pictured, folder, tmp_path):
    qdfool.evolve(replace(pictured, generations=4), out=tmp_path / "stopped")
    qdfool.evolve(pictured, out=tmp_path / "whole")
    shutil.rmtree(folder)
    qdfool.resume(tmp_path / "stopped", generations=pictured.generations)
    stopped, whole = ((tmp_path / name / "elites.npz").read_bytes() for name in ("stopped", "whole"))
    assert stopped == whole
    loaded = qdfool.load(tmp_path / "whole")
    assert (
        "sure of what a picture of the user&#39;s was bred into"
        in (tmp_path / "whole" / "report.html").read_text()
    )
    assert loaded.summary() == json.loads((tmp_path / "whole" / "summary.json").read_text())
    elite = inspect_elite(tmp_path / "whole", cell=2)
    assert elite["origin"]["picture"] == loaded.elites.origin.picture[2]


@pytest.mark.parametrize("count", [3, 5, 12, 50])
def test_pictures_are_taken_evenly(pictured, tmp_path, count):
    levels = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((8, 8, 1), np.uint8)
    path = idx(tmp_path / "images", levels)
    pictures = read_pictures(replace(pictured, initial=str(path)), fake.SHAPE)
    assert pictures is not None
    number = np.asarray(pictures.number)
    np.testing.assert_array_equal(pictures.images[:, 0, 0, 0], number)
    seen = np.bincount(number, minlength=count)
    assert len(number) == pictured.batch_size == 12
    assert seen.max() - seen.min() <= 1
    assert (np.diff(number) >= 0).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"initial": "unifrom"},
            "Unknown initial image 'unifrom'. Known: uniform, varied, grey; or the path",
        ),
        ({"initial": "x" * 5000}, "Unknown initial image 'xxx"),
        ({"initial": "a\0b"}, "Unknown initial image"),
        ({"encoding": "black_pixels"}, "The encoding black_pixels does not draw pictures"),
        ({"encoding": own_parts.stripes_of_8}, "The encoding stripes does not draw pictures"),
    ],
)
def test_what_cannot_begin_is_named(pictured, changes, message):
    with pytest.raises(InputError, match=message):
        qdfool.evolve(replace(pictured, **changes))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("origin_picture", -2, "origin_picture is below -1"),
        ("origin_distance", 1.5, "origin_distance is not"),
    ],
)
def test_origins_of_a_file_are_checked(pictured, tmp_path, name, value, message):
    qdfool.evolve(replace(pictured, generations=1), out=tmp_path / "run")
    path = tmp_path / "run" / "elites.npz"
    with np.load(path) as file:
        arrays = {key: array for key, array in file.items() if key not in ("schema_version", "sha256")}
    arrays[name][0] = value
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=message):
        qdfool.load(tmp_path / "run")
