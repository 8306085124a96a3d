"""A heatmap's rows and colours: in which order, and over which confidences."""

import numpy as np
import pytest
from PIL import Image

from qdfool.analysis import class_heatmap
from qdfool.analysis.confidence import fitting_scale, log_odds
from qdfool.analysis.heatmap import MOST_NAMED_CLASSES, class_order


def history(classes, median, spread=2.0, rows=50):
    """[rows, classes] log-odds that rise from about 0.2 % to a confidence of `median` in the median."""
    chance = np.random.default_rng(0)
    ends = chance.normal(log_odds(median), spread, classes)
    ends += log_odds(median) - np.median(ends)
    starts = np.minimum(chance.normal(log_odds(0.002), 0.7, classes), ends)
    return starts + (ends - starts) * np.linspace(0, 1, rows)[:, None] ** 0.5


def test_log_odds_of_confidences():
    np.testing.assert_allclose(
        log_odds([0, 0.1, 0.5, 0.9, 1]), [-np.inf, -np.log(9), 0, np.log(9), np.inf], atol=1e-12
    )


@pytest.mark.parametrize("median", [0.02, 0.5, 0.88, 0.9999])
def test_the_scale_uses_its_length_for_what_is_there(median):
    """On a scale by nines the dark quarter had 0 to 90 %: all of a run that ends at a median of 2 %."""
    fitness = history(1000, median)
    scale = fitting_scale(fitness)
    places = (fitness - scale.low) / (scale.high - scale.low)
    assert ((places >= 0) & (places <= 1)).mean() >= 0.97
    assert 0 <= np.quantile(places, 0.01) < 0.15
    assert 0.85 < np.quantile(places, 0.99) <= 1
    assert 0.3 < np.median(places) < 0.8


def test_few_values_do_not_decide_the_scale():
    fitness = np.append(log_odds(np.linspace(0.11, 0.49, 1000)), [-40.0, 40.0, np.inf])
    scale = fitting_scale(fitness)
    assert scale.labels == ("10 %", "20 %", "50 %")
    assert (scale.low, scale.high) == pytest.approx((np.log(1 / 9), 0.0), abs=1e-12)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.0011, 0.004, ["0.1 %", "0.2 %", "0.5 %"]),
        (0.11, 0.85, ["10 %", "20 %", "50 %", "80 %", "90 %"]),
        (0.9, 0.998, ["90 %", "95 %", "98 %", "99 %", "99.5 %", "99.8 %"]),
        (0.0011, 0.9998, ["0.1 %", "1 %", "10 %", "50 %", "90 %", "99 %", "99.9 %"]),
        (0.3, 0.3, ["20 %", "50 %"]),
        (0.0, 0.0, ["0.00001 %", "0.00002 %"]),
        (1.0, 1.0, ["99.99998 %", "99.99999 %"]),
    ],
)
def test_labels_are_the_confidences_at_their_ticks(low, high, labels):
    scale = fitting_scale(log_odds([low, high]))
    assert list(scale.labels) == labels
    shares = [float(label.removesuffix(" %")) / 100 for label in labels]
    np.testing.assert_allclose(scale.ticks, log_odds(shares), rtol=1e-6, atol=1e-12)
    assert scale.low <= scale.ticks[0] < scale.ticks[-1] <= scale.high


@pytest.mark.parametrize("values", [[], [np.nan, np.nan]])
def test_without_a_value_there_is_still_a_scale(values):
    assert fitting_scale(values).labels == ("10 %", "20 %", "50 %", "80 %", "90 %")


def test_many_classes_are_sorted_by_where_they_end():
    last = np.full(MOST_NAMED_CLASSES + 1, 1.0)
    last[[7, 3, 5]] = [9.0, 4.0, -np.inf]
    order = class_order(np.stack([-last, last])).tolist()
    assert order[:4] == [7, 3, 0, 1]
    assert order[-1] == 5
    assert sorted(order) == list(range(MOST_NAMED_CLASSES + 1))


def test_classes_with_names_keep_their_order():
    assert class_order(np.arange(20.0).reshape(2, 10)).tolist() == list(range(10))


def test_the_picture_has_the_rows_in_that_order(tmp_path):
    """The same classes under other indices are the same picture; with another history another one."""
    fitness = history(150, 0.5)
    generations = np.arange(len(fitness))

    def picture(name, values):
        path = tmp_path / name
        class_heatmap(path, generations, values, ["a class"] * values.shape[1], "A title")
        return path.read_bytes()

    before = picture("one.png", fitness)
    assert picture("shuffled.png", fitness[:, np.random.default_rng(1).permutation(150)]) == before
    changed = fitness.copy()
    changed[:-1, 3] = -8.0
    assert picture("changed.png", changed) != before


def test_a_picture_of_low_confidences_is_not_all_dark(tmp_path):
    fitness = history(150, 0.02)
    class_heatmap(tmp_path / "low.png", np.arange(len(fitness)), fitness, ["a class"] * 150, "A title")
    with Image.open(tmp_path / "low.png") as picture:
        pixels = np.asarray(picture.convert("RGB"), np.int64)
    height, width = pixels.shape[:2]
    inside = pixels[height // 4 : -height // 4, width // 4 : width // 2].reshape(-1, 3)
    dark = np.abs(inside - [0x44, 0x01, 0x54]).max(axis=1) < 40  # the lowest quarter of the colours
    assert dark.mean() < 0.3
