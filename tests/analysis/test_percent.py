import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdfool.analysis import nines, percent
from qdfool.analysis.confidence import median_confidence
from qdfool.errors import InputError


@pytest.mark.parametrize(
    ("confidence", "text"),
    [
        (0.0, "0.0 %"),
        (0.0001, "< 0.1 %"),
        (0.5, "50.0 %"),
        (0.5789999127, "57.8 %"),
        (0.987, "98.7 %"),
        (0.99, "99.0 %"),
        (0.999, "99.9 %"),
        (0.99996, "99.996 %"),
        (0.99989, "99.98 %"),
        (0.999999, "99.9999 %"),
        (1.0, "> 99.99999 %"),
    ],
)
def test_a_confidence_reads(confidence, text):
    assert percent(confidence) == text


@given(st.floats(0.001, 1, exclude_max=True))
def test_never_more_than_is_true(confidence):
    text = percent(confidence)
    assert float(text.lstrip("> ").rstrip(" %")) / 100 <= confidence * (1 + 1e-9)


def test_log_odds_tell_apart_what_rounds_to_one():
    assert percent(log_odds=np.log(1e6)) == "99.9999 %"
    assert percent(log_odds=60.0) == "> 99.99999 %"


def test_nines():
    np.testing.assert_allclose(nines([np.log(9), np.log(9999), -np.inf]), [1, 4, 0], atol=1e-12)


@pytest.mark.parametrize("confidence", [-0.1, 1.1, float("nan"), None])
def test_what_is_no_confidence_is_refused(confidence):
    with pytest.raises(InputError, match="confidence must be"):
        percent(confidence)


def test_the_median_is_that_of_the_confidences():
    """Between two in the middle, which the mean of their log-odds is not."""
    random = np.random.default_rng(0)
    for count in (1, 2, 3, 10, 11):
        log_odds = random.normal(0, 3, count)
        expected = np.median(1 / (1 + np.exp(-log_odds)))
        assert 1 / (1 + np.exp(-median_confidence(log_odds))) == pytest.approx(expected, rel=1e-12)
    assert median_confidence([60.0, 60.0, 1.0]) == 60
    assert median_confidence([-700.0, 700.0]) == pytest.approx(0, abs=1e-9)
