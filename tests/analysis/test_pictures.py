"""Pictures are whole PNGs that show something, for few classes and many, full and empty."""

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from ribs.archives import GridArchive

from qdfool.analysis import class_heatmap, curves, gallery, grid_heatmaps, seed_curves
from qdfool.errors import InputError

CHANCE = np.random.default_rng(0)


def seen(path):
    """The picture as an array; fails if it is no PNG, blank, or not of README width."""
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("RGB"), np.float64)
    assert 1200 <= pixels.shape[1] <= 1500
    assert pixels.std() > 5
    return pixels


def names(count):
    return [f"class {index}" for index in range(count)]


def some_fitness(count):
    fitness = CHANCE.normal(9, 6, count)
    fitness[count // 2] = -np.inf
    return fitness


def grid_archive(elites=30):
    archive = GridArchive(solution_dim=1, dims=[8, 6], ranges=[(0, 1), (0, 1)])
    if elites:
        archive.add(np.zeros((elites, 1)), CHANCE.random(elites), CHANCE.random((elites, 2)))
    return archive


@pytest.mark.parametrize("count", [2, 10, 60])
@pytest.mark.parametrize("shape", [(28, 28, 1), (16, 20, 3)], ids=["grey", "colour"])
def test_gallery(tmp_path, count, shape):
    images = CHANCE.integers(0, 256, (count, *shape), dtype=np.uint8)
    gallery(tmp_path / "gallery.png", images, names(count), some_fitness(count), "A title")
    seen(tmp_path / "gallery.png")


def test_gallery_shows_the_pixels_of_an_image(tmp_path):
    images = np.zeros((1, 4, 4, 3), np.uint8)
    images[..., 0] = 255
    gallery(tmp_path / "gallery.png", images, ["red"], [3.0], "A title")
    pixels = seen(tmp_path / "gallery.png")
    assert (pixels == [255, 0, 0]).all(axis=-1).sum() > 1000


def test_an_empty_class_is_not_shown_as_an_image(tmp_path):
    images = np.zeros((1, 4, 4, 3), np.uint8)
    images[..., 0] = 255
    gallery(tmp_path / "gallery.png", images, ["none"], [-np.inf], "A title")
    assert not (seen(tmp_path / "gallery.png") == [255, 0, 0]).all(axis=-1).any()


@pytest.mark.parametrize("count", [2, 10, 60])
@pytest.mark.parametrize("generations", [[1], [1, 2, 4, 64, 1000]], ids=["one", "many"])
def test_class_heatmap(tmp_path, count, generations):
    fitness = np.sort(CHANCE.normal(6, 6, (len(generations), count)), axis=0)
    fitness[0, 0] = -np.inf
    class_heatmap(tmp_path / "heatmap.png", np.array(generations), fitness, names(count), "A title")
    seen(tmp_path / "heatmap.png")


@pytest.mark.parametrize("count", [1, *(pytest.param(count, marks=pytest.mark.slow) for count in (10, 25))])
def test_grid_heatmaps(tmp_path, count):
    maps = [grid_archive(0 if index == count - 1 else 30) for index in range(count)]
    grid_heatmaps(tmp_path / "heatmap.png", maps, names(count), ("$x^$", "symmetry"), "A title")
    seen(tmp_path / "heatmap.png")
    assert all(archive.data("objective").max() <= 1 for archive in maps if len(archive))


@pytest.mark.parametrize("points", [1, 2, 300])
def test_curves(tmp_path, points):
    sure = np.sort(CHANCE.random((points, 10)), axis=0)
    columns: list[Any] = [
        sure.mean(1),
        sure.min(1),
        sure.min(1),
        sure.max(1),
        sure.sum(1),
        np.linspace(0.1, 1, points),
    ]
    curves(
        tmp_path / "curves.png",
        200 * np.arange(1, points + 1),
        *columns,
        title="A title",
        evaluations_a_generation=200,
    )
    seen(tmp_path / "curves.png")


@pytest.mark.parametrize("points", [1, 300])
def test_seed_curves(tmp_path, points):
    bands: list[Any] = [np.quantile(CHANCE.random((7, points)), [0.5, 0.05, 0.95], axis=0) for _ in range(4)]
    evaluations = 200 * np.arange(1, points + 1)
    seed_curves(
        tmp_path / "curves.png", evaluations, *bands, title="A title", seeds=7, evaluations_a_generation=200
    )
    seen(tmp_path / "curves.png")


def test_a_drawing_that_fails_leaves_the_picture_before(tmp_path, monkeypatch):
    path = tmp_path / "gallery.png"
    images = np.zeros((2, 4, 4, 1), np.uint8)
    gallery(path, images, names(2), [1.0, 2.0], "A title")
    before = path.read_bytes()

    def half(figure, file, **settings):
        file.write(b"half a picture")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", half)
    with pytest.raises(OSError, match="No space"):
        gallery(path, images, names(2), [3.0, 4.0], "A title")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_does_not_belong_together_is_refused(tmp_path):
    path = tmp_path / "picture.png"
    with pytest.raises(InputError):
        gallery(path, np.zeros((2, 4, 4, 1), np.uint8), names(3), [1.0, 2.0], "A title")
    with pytest.raises(InputError):
        class_heatmap(path, np.array([1]), np.zeros((1, 3)), names(2), "A title")
    with pytest.raises(InputError):
        grid_heatmaps(path, [grid_archive()], names(2), ("ink", "symmetry"), "A title")
    with pytest.raises(InputError):
        curves(path, [], [], [], [], [], [], [], "A title")
    band = ([0.5, 0.6], [0.4, 0.5], [0.6])
    with pytest.raises(InputError):
        seed_curves(path, [200, 400], band, band, band, band, "A title", 3)
    assert not path.exists()
