"""The pictures of studies: they are drawn, they differ with what is shown, and crooked input is refused."""

import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from qdfool import analysis
from qdfool.analysis import style
from qdfool.errors import InputError

X = np.arange(5)
BAND = (X / 5, X / 5 - 0.1, X / 5 + 0.1)
NOISE = np.random.default_rng(0).random((28, 28))


def lines(path, **changes):
    given = {"x": X, "series": {"a": BAND, "b": BAND}, "title": "Title", "subtitle": "below", "x_label": "x"}
    analysis.lines(path, y_label="y", **(given | changes))


def panels(path, **changes):
    shown = {f"panel {n}": {"a": BAND, "b": BAND} for n in range(7)}
    given = {"x": X, "panels": shown, "title": "Title", "subtitle": "below", "x_label": "x", "y_label": "y"}
    analysis.line_panels(path, **(given | changes))


def boxes(path, **changes):
    groups = {f"group {n}": [np.arange(9) + n, np.arange(9) * 2] for n in range(13)}
    given = {
        "groups": groups,
        "title": "Title",
        "subtitle": "below",
        "y_label": "y",
        "parts": ["first", "second"],
    }
    analysis.boxes(path, **(given | changes))


def intervals(path, **changes):
    given = {
        "labels": ["a", "b", "a"],
        "means": [1, 2, 3],
        "lows": [0, 1, 2],
        "highs": [2, 3, 4],
        "x_label": "x",
    }
    given |= {"title": "Title", "subtitle": "below", "reference": 1.5, "groups": ["one", "one", "two"]}
    analysis.intervals(path, **(given | changes))


def images(path, **changes):
    rows = [
        ("grey", [NOISE, NOISE], ["first", "second\nline"]),
        ("colour", [np.zeros((8, 9, 3), np.uint8)], []),
    ]
    given = {"rows": rows, "title": "Title", "subtitle": "below", "column_titles": ["left", "right"]}
    analysis.image_table(path, **(given | changes))


def density(path, **changes):
    given = {
        "maps": {"one": NOISE, "two": 2 * NOISE, "small": NOISE[:7, :7]},
        "title": "Title",
        "subtitle": "below",
    }
    analysis.density_maps(path, colour_label="density", **(given | changes))


def matrices(path, **changes):
    """Their names are too wide to stand beside each other below."""
    maps = dict.fromkeys(("one", "two", "three", "four"), NOISE[:7, :7])
    given = {"names": [f"network {n}" for n in range(7)], "axes": ("shown to", "evolved against")}
    density(path, maps=maps, **(given | changes))


def scatter(path, **changes):
    points = {f"point {n}": (n / 10, n % 3) for n in range(15)}
    given = {"points": points, "title": "Title", "subtitle": "below", "x_label": "x", "y_label": "y"}
    analysis.scatter(path, **(given | changes))


CHARTS = (lines, panels, boxes, intervals, images, density, matrices, scatter)


def pixels(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), np.int32)


@pytest.mark.slow
@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.__name__)
def test_a_chart_is_drawn_in_the_house_size(chart, tmp_path):
    chart(tmp_path / "chart.png")
    drawn = pixels(tmp_path / "chart.png")
    assert 6 * 150 <= drawn.shape[1] <= 9 * 150
    assert drawn.shape[0] >= 300
    assert (drawn < 100).all(-1).sum() > 500  # there is text
    assert (drawn.std(axis=(0, 1)) > 5).all()
    assert [file.name for file in tmp_path.iterdir()] == ["chart.png"]
    # What is shown reaches the picture: nothing is cut off at its edge.
    assert (drawn[[0, -1]] == 255).all()
    assert (drawn[:, [0, -1]] == 255).all()


@pytest.mark.slow
@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.__name__)
def test_a_long_heading_takes_more_lines_and_is_not_cut(chart, tmp_path):
    chart(tmp_path / "long.png", title="many words " * 20, subtitle="a sentence below it " * 20)
    drawn = pixels(tmp_path / "long.png")
    assert (drawn[:, -2:] == 255).all()


def test_text_is_broken_at_spaces_into_lines_that_fit():
    wide = style.measured("one two", 9)
    assert style.wrapped("one two three", wide, 9) == "one two\nthree"
    assert style.wrapped("one\ntwo", wide, 9) == "one\ntwo"
    assert style.wrapped("one two three four", wide, 9, most=2).endswith("…")
    assert all(
        style.measured(line, 9) <= wide for line in style.wrapped("x" * 99 + " two", wide, 9).split("\n")
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("chart", "changes"),
    [
        (lines, {"series": {"a": BAND, "b": tuple(1 - np.asarray(end) for end in BAND)}}),
        (lines, {"log_x": True, "x": X + 1}),
        (lines, {"y_range": (-3, 3)}),
        (panels, {"y_range": (0, 2)}),
        (boxes, {"groups": {"one": [np.arange(5)]}, "parts": ()}),
        (intervals, {"reference": None}),
        (intervals, {"groups": None, "labels": ["a", "b", "c"]}),
        (images, {"column_titles": None}),
        (density, {"centre": 1.0}),
        (density, {"maps": {"one": NOISE[:3, :3]}, "names": ["a", "b", "c"], "axes": ("to", "from")}),
        (scatter, {"x_range": (0, 5), "y_range": (0, 9)}),
    ],
    ids=lambda value: getattr(value, "__name__", "changed"),
)
def test_a_change_shows(chart, changes, tmp_path):
    chart(tmp_path / "one.png")
    chart(tmp_path / "other.png", **changes)
    assert not np.array_equal(pixels(tmp_path / "one.png"), pixels(tmp_path / "other.png"))


def test_an_image_table_shows_the_pixels(tmp_path):
    board = np.indices((4, 4)).sum(0) % 2
    images(tmp_path / "table.png", rows=[("board", [board.astype(float)], [])], column_titles=None)
    drawn = pixels(tmp_path / "table.png")
    black = (drawn == 0).all(-1)
    rows, columns = np.nonzero(black.sum(1) > 40)[0], np.nonzero(black.sum(0) > 40)[0]
    shown = drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1, 0]
    side = shown.shape[0] / 4
    centres = ((np.arange(4) + 0.5) * side).astype(int)
    np.testing.assert_array_equal(shown[np.ix_(centres, centres)] > 127, board == 1)


@pytest.mark.parametrize(
    ("chart", "changes", "message"),
    [
        (lines, {"series": {}}, "series or more"),
        (lines, {"x": X[:3]}, "as many points as x"),
        (panels, {"panels": {}}, "got none"),
        (boxes, {"groups": {}}, "need a group"),
        (boxes, {"groups": {"a": [[]]}, "parts": ()}, "values in each box"),
        (intervals, {"means": [1, 2]}, "labels and"),
        (images, {"rows": []}, "needs an image"),
        (images, {"rows": [("a", [NOISE, NOISE], ["one"])]}, "2 images and 1 captions"),
        (images, {"rows": [("a", [NOISE + 1], [])], "column_titles": None}, "0, 1"),
        (images, {"rows": [("a", [np.zeros(3)], [])], "column_titles": None}, re.escape("[3]")),
        (density, {"maps": {}}, "one or more"),
        (density, {"maps": {"one": NOISE[:3, :4]}, "names": ["a", "b", "c"]}, re.escape("[[3, 4]]")),
        (scatter, {"points": {}}, "a point or more"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or "",
)
def test_crooked_input_is_refused(chart, changes, message, tmp_path):
    with pytest.raises(InputError, match=message):
        chart(tmp_path / "chart.png", **changes)
    assert not list(tmp_path.iterdir())


def test_a_series_of_any_panel_is_named_once():
    figure = Figure()
    first, second = figure.subplots(1, 2)
    for axes, names in ((first, "ab"), (second, "bc")):
        for name in names:
            axes.plot(X, X, label=name)
    style.name_series(figure, first, second)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b", "c"]
