"""Intervals and the analysis of variance, against SciPy and by what they promise."""

import numpy as np
import pytest
from scipy import stats

from qdfool.studies.statistics import Interval, bands, interval, variance_analysis


def test_interval_is_students():
    values = np.array([0.2, 0.4, 0.3, 0.9])
    found = interval(values)
    low, high = stats.t.interval(0.95, 3, loc=values.mean(), scale=stats.sem(values))
    assert found.seeds == 4
    np.testing.assert_allclose(found[:3], (values.mean(), low, high))
    assert found.excludes(-1)
    assert not found.excludes(0.5)


def test_interval_of_one_seed_has_no_bounds():
    found = interval([3.0])
    assert found.mean == 3
    assert np.isnan(found.low)
    assert str(found) == "3 ± ?"


@pytest.mark.parametrize(
    ("mean", "half", "text"),
    [
        (0.5321, 0.0412, "0.532 ± 0.041"),
        (1234.6, 56.7, "1,235 ± 57"),
        (1.0, 0.0, "1.0 ± 0.0"),
        (0, 0, "0.000 ± 0.000"),
    ],
)
def test_interval_is_printed_with_the_digits_that_count(mean, half, text):
    assert str(Interval(mean, mean - half, mean + half, 3)) == text


def test_bands_are_intervals_of_columns():
    values = np.random.default_rng(0).normal(size=(5, 7))
    mean, low, high = bands(values)
    one = interval(values[:, 3])
    np.testing.assert_allclose((mean[3], low[3], high[3]), one[:3])


def test_variance_analysis_of_one_factor_is_scipys():
    values = np.random.default_rng(1).normal(size=(3, 8)) + np.array([[0.0], [0.5], [1.0]])
    effect, residual = variance_analysis(values, ["a"])
    ratio, chance = stats.f_oneway(*values)
    assert effect.ratio == pytest.approx(ratio)
    assert effect.chance == pytest.approx(chance)
    assert effect.freedom == 2
    assert residual.freedom == 21
    assert effect.share + residual.share == pytest.approx(1)


def test_variance_analysis_finds_what_was_put_in():
    random = np.random.default_rng(2)
    a, b = np.array([0.0, 0, 3])[:, None, None, None], np.array([0.0, 1])[None, :, None, None]
    both = np.array([[0.0, 0], [0, 0], [0, 2]])[:, :, None, None]
    values = a + b + both + 0.1 * random.normal(size=(3, 2, 2, 6))
    effects = {effect.name: effect for effect in variance_analysis(values, ["a", "b", "c"])}
    assert list(effects) == ["a", "b", "c", "a x b", "a x c", "b x c", "a x b x c", "residual (seeds)"]
    total = ((values - values.mean()) ** 2).sum()
    assert sum(effect.squares for effect in effects.values()) == pytest.approx(total)
    assert sum(effect.freedom for effect in effects.values()) == values.size - 1
    for name in ("a", "b", "a x b"):
        assert effects[name].chance < 1e-10
    for name in ("c", "a x c", "b x c", "a x b x c"):
        assert effects[name].chance > 1e-3
    # By hand: 24 values in each half of b, whose means are 1 + 2/3 apart before noise.
    assert effects["b"].squares == pytest.approx(72 / 4 * (5 / 3) ** 2, rel=0.1)
