"""The score: what is worth nothing, what all, and what lies between."""

import numpy as np
import pytest

from qdfool.analysis.score import area, height, points


def test_heights_go_from_chance_to_certainty():
    for classes in (2, 10, 1000):
        chance, certain = -np.log(classes - 1), np.log(0.9999 / 0.0001)
        middle = (chance + certain) / 2
        np.testing.assert_allclose(
            height([-np.inf, chance - 1, chance, middle, certain, certain + 5], classes),
            [0, 0, 0, 0.5, 1, 1],
            atol=1e-9,
        )


def test_a_score_is_the_share_of_the_logarithm_of_evaluations():
    evaluations = np.array([100, 1000, 10_000])
    assert area(evaluations, np.ones(3), 100, 10_000) == pytest.approx(1)
    assert area(evaluations, np.zeros(3), 100, 10_000) == 0
    # Straight up to 1 within the first of two decades, and 1 from then on.
    assert area(evaluations, [0, 1, 1], 100, 10_000) == pytest.approx(0.75)
    # Twice as many evaluations cost the same at any place.
    steep = np.array([100, 199.999, 200, 10_000])
    shifted = np.array([100, 1999.99, 2000, 10_000])
    late, later = (area(at, [0, 0, 1, 1], 100, 10_000) for at in (steep, shifted))
    assert late - later == pytest.approx(np.log(10) / np.log(100), abs=1e-5)


def test_before_the_first_record_nothing_is_known_and_after_the_last_it_stays():
    x, y = points([410, 820], [0.2, 0.6], 100, 10_000)
    np.testing.assert_array_equal(x, [100, 410, 410, 820, 10_000])
    np.testing.assert_array_equal(y, [0, 0, 0.2, 0.6, 0.6])
    assert area([], np.zeros((0, 3)), 100, 1000).tolist() == [0, 0, 0]


def test_records_before_the_beginning_do_not_count():
    assert area([1, 100, 10_000], [0.9, 0.5, 0.5], 100, 10_000) == pytest.approx(0.5)


def test_classes_have_scores_of_their_own():
    heights = np.array([[0.0, 1.0], [0.0, 1.0]])
    np.testing.assert_allclose(area([100, 1000], heights, 100, 1000), [0, 1])
