"""Pictures of a thousand classes: pages, an overview, confidence by class index, a heatmap of fixed size."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from qdfool.analysis import class_heatmap, class_index_figure, contact_sheets, gallery, overview, style
from qdfool.analysis.overview import _histogram, sample_classes
from qdfool.errors import InputError

CHANCE = np.random.default_rng(0)


def seen(path):
    """The picture as an array; fails if it is no PNG, blank, or not of README width."""
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("RGB"), np.int16)
    assert pixels.shape[1] == 1350
    assert pixels.std() > 5
    return pixels


def names(count):
    return [f"class {index}" for index in range(count)]


def some_fitness(count):
    fitness = CHANCE.normal(9, 6, count)
    fitness[count // 2] = -np.inf
    return fitness


def plain(colours, size=8):
    """[n, size, size, 3] images, each of one colour."""
    return np.broadcast_to(np.array(colours, np.uint8)[:, None, None, :], (len(colours), size, size, 3))


def area(pixels, colour):
    return int((pixels == colour).all(axis=-1).sum())


@pytest.fixture
def written(monkeypatch):
    """The texts that are put on pages, in order."""
    texts = []
    write = Axes.text

    def listen(self, x, y, s, *arguments, **settings):
        texts.append(s)
        return write(self, x, y, s, *arguments, **settings)

    monkeypatch.setattr(Axes, "text", listen)
    return texts


def test_contact_sheets_have_every_class_once_and_in_order(tmp_path, written):
    images = CHANCE.integers(0, 256, (25, 6, 8, 1), dtype=np.uint8)
    fitness = some_fitness(25)
    pages = contact_sheets(tmp_path / "new" / "pages", images, names(25), fitness, "A title", per_page=12)
    assert [page.name for page in pages] == ["gallery-01.png", "gallery-02.png", "gallery-03.png"]
    assert sorted((tmp_path / "new" / "pages").iterdir()) == pages
    heights = [seen(page).shape[0] for page in pages]
    assert heights[0] == heights[1] > heights[2]
    assert [text for text in written if text.startswith("class ")] == names(25)
    assert [int(text.split(":")[0]) for text in written if text.split(":")[0].isdigit()] == list(range(25))
    assert [text for text in written if text.startswith("A title")] == [
        "A title: classes 0 to 11 of 25",
        "A title: classes 12 to 23 of 25",
        "A title: classes 24 to 24 of 25",
    ]
    assert "12: -" in written


@pytest.mark.slow
def test_a_page_has_a_hundred_classes(tmp_path):
    asked = []

    def images(classes):
        asked.append(classes)
        return np.zeros((len(classes), 2, 2, 1), np.uint8)

    # Empty classes are quick to draw.
    fitness = np.full(201, -np.inf)
    pages = contact_sheets(tmp_path, images, names(201), fitness, "A title")
    assert [page.name for page in pages] == [f"gallery-{number:02d}.png" for number in (1, 2, 3)]
    np.testing.assert_array_equal(np.concatenate(asked), np.arange(201))
    assert max(len(classes) for classes in asked) == 100


def test_contact_sheets_from_a_function_are_those_from_an_array(tmp_path):
    images = CHANCE.integers(0, 256, (5, 6, 8, 3), dtype=np.uint8)
    fitness = some_fitness(5)
    pages = contact_sheets(tmp_path / "array", images, names(5), fitness, "A title", 3)
    again = contact_sheets(tmp_path / "function", lambda i: images[i], names(5), fitness, "A title", 3)
    assert [page.read_bytes() for page in pages] == [page.read_bytes() for page in again]
    other = contact_sheets(tmp_path / "other", 255 - images, names(5), fitness, "A title", 3)
    assert all(page.read_bytes() != that.read_bytes() for page, that in zip(pages, other, strict=True))


def test_large_images_are_averaged_not_sampled(tmp_path):
    rows, columns = np.indices((240, 240))
    board = np.where((rows + columns) % 2, 255, 0).astype(np.uint8)[None, :, :, None]
    (path,) = contact_sheets(tmp_path, board, ["board"], [3.0], "A title")
    pixels = seen(path)
    grey = (np.abs(pixels - 127) <= 1).all(axis=-1)
    assert grey.sum() > 100 * 100


def test_no_label_of_the_histogram_is_cut_off():
    """Where all classes are past the scale, its last label is the longest."""
    figure = Figure(figsize=(style.WIDTH, 6))
    canvas = FigureCanvasAgg(figure)
    _histogram(figure, np.full(1000, 30.0), 0.5)
    canvas.draw()
    labels = figure.axes[0].get_xticklabels()
    assert labels[-1].get_text().startswith("≥")
    assert all(
        label.get_window_extent().x0 >= 0 and label.get_window_extent().x1 <= figure.bbox.x1
        for label in labels
    )


@pytest.mark.parametrize("make", [gallery, overview])
def test_a_page_shows_large_images_in_their_colour(tmp_path, make):
    make(tmp_path / "page.png", plain([[255, 0, 0]], 300), ["red"], [3.0], "A title")
    assert area(seen(tmp_path / "page.png"), [255, 0, 0]) > 3 * 100 * 100 * (make is overview)


@pytest.mark.slow
def test_the_overview_shows_best_worst_and_sample(tmp_path, written):
    classes = 200
    fitness = np.linspace(-5, 15, classes)
    fitness[CHANCE.permutation(classes)] = fitness.copy()
    fitness[[3, 10]] = -np.inf
    asked = []

    def images(indices):
        asked.append(indices)
        return plain(np.stack([indices, 255 - indices, np.full_like(indices, 7)], axis=1))

    overview(tmp_path / "overview.png", images, names(classes), fitness, "A title")
    pixels = seen(tmp_path / "overview.png")
    order = np.argsort(fitness)[2:]
    best, worst, sample = order[::-1][:10], order[:10], np.arange(0, 200, 10)
    shown = [int(text.split()[1]) for text in written if text.startswith("class ")]
    assert shown == [*best, *worst, *sample]
    assert len(asked) == 1
    assert set(asked[0]) == set(shown)
    assert all(area(pixels, [index, 255 - index, 7]) > 2000 for index in shown if index != 10)
    assert area(pixels, [10, 245, 7]) == 0
    at_99, at_9999 = (int((fitness > np.log(odds)).sum()) for odds in (99, 9999))
    (subtitle,) = [text for text in written if text.startswith("confidence: ")]
    assert f"{at_99} of 200 classes with at least 99 %, {at_9999} with at least 99.99 %" in subtitle
    assert subtitle.endswith("2 empty")


def test_the_sample_depends_on_the_number_of_classes_alone():
    np.testing.assert_array_equal(sample_classes(1000), np.arange(0, 1000, 50))
    np.testing.assert_array_equal(sample_classes(7), np.arange(7))
    for classes in (20, 21, 39, 101):
        sample = sample_classes(classes)
        assert len(np.unique(sample)) == 20
        assert np.ptp(np.diff(sample)) <= 1
        assert sample.max() < classes


@pytest.mark.parametrize("fitness", [[-np.inf] * 4, [np.inf, 1.0, -40.0, -np.inf]], ids=["empty", "extreme"])
def test_an_overview_of_extremes(tmp_path, fitness):
    overview(tmp_path / "overview.png", plain([[255, 0, 0]] * 4), names(4), fitness, "A title")
    pixels = seen(tmp_path / "overview.png")
    assert (area(pixels, [255, 0, 0]) > 0) == bool(np.isfinite(fitness).any())


def test_the_histogram_follows_the_confidences(tmp_path):
    images = plain([[9, 9, 9]] * 30)
    overview(tmp_path / "low.png", images, names(30), np.linspace(-3, -2, 30), "A title")
    overview(tmp_path / "spread.png", images, names(30), np.linspace(-3, 9, 30), "A title")
    low, spread = seen(tmp_path / "low.png"), seen(tmp_path / "spread.png")
    blue = [0x00, 0x72, 0xB2]

    def bars(pixels):
        """How far right the histogram's bars go."""
        return np.flatnonzero((pixels == blue).all(axis=-1).any(axis=0)).max()

    assert bars(low) < 300 < 1000 < bars(spread)


@pytest.mark.slow
def test_the_class_index_figure_marks_bands_and_reference(tmp_path):
    fitness = CHANCE.normal(4, 4, 1000)
    fitness[500] = -np.inf
    bands = {"dogs and cats": (151, 285)}
    reference = ("median of the paper", 0.8811)
    plot = tmp_path / "plain.png"
    class_index_figure(plot, fitness, "A title")
    class_index_figure(tmp_path / "bands.png", fitness, "A title", bands)
    class_index_figure(tmp_path / "reference.png", fitness, "A title", bands, reference)
    class_index_figure(tmp_path / "lower.png", fitness - 4, "A title")

    def shaded(name):
        """Columns with a good share of the band's pale yellow in them."""
        pixels = seen(tmp_path / name)
        yellow = (pixels[..., 2] < pixels[..., 0] - 30) & (np.abs(pixels[..., 0] - pixels[..., 1]) < 12)
        return np.flatnonzero(yellow.sum(axis=0) > 300)

    columns = shaded("bands.png")
    assert len(shaded("plain.png")) == 0
    assert 100 < len(columns) < 200
    assert 300 < columns.min() < columns.max() < 550
    green = [0x00, 0x9E, 0x73]
    assert area(seen(tmp_path / "bands.png"), green) == 0 < area(seen(tmp_path / "reference.png"), green)
    assert (seen(tmp_path / "lower.png") != seen(plot)).any()


@pytest.mark.parametrize("fitness", [[1.0], [-np.inf, -np.inf], [np.inf, -np.inf, 50.0]])
def test_the_class_index_figure_of_few_classes(tmp_path, fitness):
    class_index_figure(tmp_path / "index.png", fitness, "A title", {"one": (0, 0)}, ("sure", 1.0))
    seen(tmp_path / "index.png")


def test_a_heatmap_of_many_classes_has_one_size_and_no_names(tmp_path, monkeypatch):
    headings = []
    monkeypatch.setattr("qdfool.analysis.style.heading", lambda *texts: headings.append(texts[2]))
    sizes = []
    for classes in (101, 1000):
        fitness = np.linspace(-4, 12, 5)[:, None] + np.linspace(-3, 3, classes)
        fitness[:2, 0] = -np.inf
        path = tmp_path / f"{classes}.png"
        class_heatmap(path, np.array([1, 2, 4, 64, 1000]), fitness, names(classes), "A title")
        sizes.append(seen(path).shape)
        reached = int((fitness.max(axis=0) >= np.log(9999)).sum())
        assert headings[-1].startswith(f"{reached:,} of {classes:,} classes reached 99.99 %")
        renamed = tmp_path / "renamed.png"
        class_heatmap(renamed, np.array([1, 2, 4, 64, 1000]), fitness, ["other"] * classes, "A title")
        assert renamed.read_bytes() == path.read_bytes()
    assert sizes[0] == sizes[1]
    assert sizes[0][0] <= 1500


@pytest.mark.slow
def test_a_heatmap_of_many_classes_shows_each_class_and_generation(tmp_path):
    fitness = np.full((3, 300), -np.inf)
    fitness[1, 100:200] = 3.0
    fitness[2, 100:] = 3.0
    class_heatmap(tmp_path / "heatmap.png", np.array([10, 20, 40]), fitness, names(300), "A title")
    pixels = seen(tmp_path / "heatmap.png")
    values, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    coloured = values[np.argsort(counts)][::-1]
    grey, colour = [0xDD] * 3, next(value for value in coloured if np.ptp(value) > 30)
    # Edges at 10, 20, 40, 55: of three parts of classes, and widths 10, 20, 15.
    share = area(pixels, colour) / (area(pixels, colour) + area(pixels, grey))
    assert share == pytest.approx((20 + 2 * 15) / (3 * 45), abs=0.03)


def test_what_does_not_belong_together_is_refused(tmp_path):
    path = tmp_path / "picture.png"
    images = np.zeros((2, 4, 4, 1), np.uint8)
    with pytest.raises(InputError, match="2 images"):
        contact_sheets(path, images, names(3), [1.0, 2.0, 3.0], "A title")
    with pytest.raises(InputError, match="fitness of shape"):
        contact_sheets(path, lambda i: images[i], names(2), [1.0], "A title")
    with pytest.raises(InputError, match="per_page = 0"):
        contact_sheets(path, images, names(2), [1.0, 2.0], "A title", per_page=0)
    with pytest.raises(InputError, match="2 classes; got 1"):
        contact_sheets(path, lambda i: images[:1], names(2), [1.0, 2.0], "A title")
    with pytest.raises(InputError, match="uint8"):
        contact_sheets(path, lambda i: images[i].astype(float), names(2), [1.0, 2.0], "A title")
    with pytest.raises(InputError, match="NaN"):
        contact_sheets(path, images, names(2), [1.0, np.nan], "A title")
    with pytest.raises(InputError, match="uint8"):
        overview(path, images[0], names(2), [1.0, 2.0], "A title")
    with pytest.raises(InputError, match="one class or more"):
        overview(path, lambda i: images[i], [], [], "A title")
    with pytest.raises(InputError, match="without NaN"):
        class_index_figure(path, np.zeros((2, 2)), "A title")
    with pytest.raises(InputError, match="band 'cats'"):
        class_index_figure(path, np.zeros(10), "A title", {"cats": (8, 10)})
    with pytest.raises(InputError, match="reference"):
        class_index_figure(path, np.zeros(10), "A title", reference=("paper", 88.11))
    assert not path.exists()
