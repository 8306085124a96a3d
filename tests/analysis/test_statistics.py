"""Intervals, tests of several and the analysis of variance, against SciPy, least squares and by what they promise."""

import itertools

import numpy as np
import pytest
from scipy import stats

from qdfool.analysis.statistics import (
    Interval,
    bands,
    beyond_chance,
    holm,
    interval,
    rank_correlation_by_seed,
    variance_analysis,
)

NAN = float("nan")


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


@pytest.mark.parametrize("unknown", [interval([3.0]), interval([]), interval([1.0, NAN, 2.0])])
def test_of_an_unknown_mean_nothing_can_be_told(unknown):
    assert not unknown.excludes(0)
    assert np.isnan(unknown.p_value(0))
    known = interval([1.0, 1.1, 1.2])
    assert not known.excludes(NAN)
    assert np.isnan(known.p_value(NAN))


def test_a_residual_of_rounding_tests_nothing():
    """As where the seeds agree: what is left is rounding, by which rounding would be divided."""
    cells = np.array([[0.1, 0.3], [0.2, 0.4]])[..., None] + np.zeros(3)
    assert np.isnan(
        [(effect.f_value, effect.p_value) for effect in variance_analysis(cells, ["a", "b"])]
    ).all()
    assert {effect.name: round(effect.eta_squared, 6) for effect in variance_analysis(cells, ["a", "b"])} == {
        "a": 0.2,
        "b": 0.8,
        "a x b": 0,
        "seeds (block)": 0,
        "residual": 0,
    }


def test_p_value_is_students_and_agrees_with_the_interval():
    values = np.array([0.2, 0.4, 0.3, 0.9])
    found = interval(values)
    for value in (-0.3, 0.0, 0.4, 1.0):
        _, p_value = stats.ttest_1samp(values, value)
        assert found.p_value(value) == pytest.approx(p_value)
        assert (found.p_value(value) < 0.05) == found.excludes(value)


def test_seeds_that_are_all_the_same_are_as_certain_as_their_number():
    """Student's t would be certain of two: there it counts on which side of the value they lie."""
    for values in ([2.0, 2.0], [0.3 - 0.1, 0.2]):
        found = interval(values)
        assert found.p_value(values[1]) == 1
        assert not found.excludes(values[1])
        assert found.p_value(0) == 0.5
        assert not found.excludes(0)
    assert interval([2.0] * 6).p_value(0) == 2**-5
    assert interval([2.0] * 6).excludes(0)


def test_holm_is_the_definition():
    # The k-th smallest of four is multiplied by 5 - k; an adjusted value is at least the one before, at most 1.
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.5, 0.9]), [1.0, 1.0])
    np.testing.assert_allclose(holm([0.02, NAN, 0.04]), [0.04, NAN, 0.04])
    assert holm([]).shape == (0,)


def test_beyond_chance_counts_the_comparisons():
    assert beyond_chance({"barely": 0.04, "unknown": NAN}) == {"barely": True, "unknown": False}
    assert beyond_chance({"barely": 0.04, "another": 0.03, "clear": 1e-5}) == {
        "barely": False,
        "another": False,
        "clear": True,
    }
    assert beyond_chance({}) == {}


def test_rank_correlation_is_by_seed():
    first = np.array([[1.0, 3.0, 1.0], [2.0, 2.0, 1.0], [3.0, 1.0, 1.0]])
    second = np.array([[0.1, 0.1, 0.1], [0.2, 0.2, 0.2], [0.9, 0.9, 0.9]])
    np.testing.assert_allclose(rank_correlation_by_seed(first, second), [1, -1, NAN])


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


def least_squares(
    values: np.ndarray, factors: int
) -> tuple[dict[tuple[int, ...], tuple[float, float]], float]:
    """Of every effect F and its p-value by leaving its columns out of a linear model, and of the block."""
    levels = np.indices(values.shape).reshape(values.ndim, -1)
    # Sum contrasts of every axis, without the intercept.
    contrast = [
        np.vstack([np.eye(n - 1), -np.ones(n - 1)])[row] for n, row in zip(values.shape, levels, strict=True)
    ]
    terms = {
        chosen: np.stack(
            [np.prod(c, axis=0) for c in itertools.product(*(contrast[a].T for a in chosen))], axis=1
        )
        for count in range(1, factors + 1)
        for chosen in itertools.combinations(range(factors), count)
    }
    terms[factors,] = contrast[factors]

    def left(without: tuple[int, ...] | None) -> tuple[float, int]:
        columns = [np.ones((values.size, 1)), *(term for name, term in terms.items() if name != without)]
        matrix = np.concatenate(columns, axis=1)
        fitted = matrix @ np.linalg.lstsq(matrix, values.ravel(), rcond=None)[0]
        return float(((values.ravel() - fitted) ** 2).sum()), values.size - matrix.shape[1]

    residual, df = left(None)
    found = {}
    for name, term in terms.items():
        f_value = (left(name)[0] - residual) / term.shape[1] / (residual / df)
        found[name] = (f_value, float(stats.f.sf(f_value, term.shape[1], df)))
    return found, df


def test_variance_analysis_is_least_squares_with_the_seeds_as_a_block():
    random = np.random.default_rng(1)
    seeds = 5 * random.normal(size=6)  # what all cells of a seed have in common
    values = random.normal(size=(3, 2, 6)) + np.array([0.0, 0.5, 2.0])[:, None, None] + seeds
    a, b, both, block, residual = variance_analysis(values, ["a", "b"])
    plain, df = least_squares(values, 2)
    assert [effect.name for effect in (a, b, both, block, residual)] == [
        "a",
        "b",
        "a x b",
        "seeds (block)",
        "residual",
    ]
    assert residual.df == df == (3 * 2 - 1) * (6 - 1)
    for effect, (f_value, p_value) in zip((a, b, both, block), plain.values(), strict=True):
        assert effect.f_value == pytest.approx(f_value)
        assert effect.p_value == pytest.approx(p_value)
    # The seeds are far apart, and hide nothing.
    assert a.p_value < 1e-3
    assert block.eta_squared > 0.5
    assert np.isnan(residual.f_value)
    assert np.isnan(residual.p_value)


def test_variance_analysis_of_two_cells_is_the_paired_t_test():
    values = np.random.default_rng(1).normal(size=(2, 8)) + np.array([[0.0], [0.5]])
    effect, _, residual = variance_analysis(values, ["a"])
    paired = stats.ttest_rel(*values)
    assert effect.f_value == pytest.approx(paired.statistic**2)
    assert effect.p_value == pytest.approx(paired.pvalue)
    assert (effect.df, residual.df) == (1, 7)


@pytest.mark.parametrize("value", [10.0, 0.1])
def test_variance_analysis_of_one_value_tells_nothing(value):
    """Nor where its mean is another by rounding."""
    found = variance_analysis(np.full((2, 3, 4), value), ("a", "b"))
    assert [effect.name for effect in found][:3] == ["a", "b", "a x b"]
    assert [effect.df for effect in found] == [1, 2, 2, 3, 15]
    assert all(effect.sum_of_squares == effect.eta_squared == 0 for effect in found)
    assert np.isnan([(effect.f_value, effect.p_value) for effect in found]).all()


def test_variance_analysis_finds_what_was_put_in():
    random = np.random.default_rng(2)
    a, b = np.array([0.0, 0, 3])[:, None, None, None], np.array([0.0, 1])[None, :, None, None]
    both = np.array([[0.0, 0], [0, 0], [0, 2]])[:, :, None, None]
    values = a + b + both + 0.1 * random.normal(size=(3, 2, 2, 6))
    effects = {effect.name: effect for effect in variance_analysis(values, ["a", "b", "c"])}
    assert list(effects)[:7] == ["a", "b", "c", "a x b", "a x c", "b x c", "a x b x c"]
    total = ((values - values.mean()) ** 2).sum()
    assert sum(effect.sum_of_squares for effect in effects.values()) == pytest.approx(total)
    assert sum(effect.eta_squared for effect in effects.values()) == pytest.approx(1)
    assert sum(effect.df for effect in effects.values()) == values.size - 1
    for name in ("a", "b", "a x b"):
        assert effects[name].p_value < 1e-10
    for name in ("c", "a x c", "b x c", "a x b x c"):
        assert effects[name].p_value > 1e-3
    # By hand: 24 values in each half of b, whose means are 1 + 2/3 apart before noise.
    assert effects["b"].sum_of_squares == pytest.approx(72 / 4 * (5 / 3) ** 2, rel=0.1)
