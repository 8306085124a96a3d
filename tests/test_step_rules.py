"""The paper's step, by hand: of the authors' program in NumPy, from the gradient of the probability itself."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from qdfool.build.step_rules import build_step_rule
from qdfool.config import GradientAscent

SETTINGS = GradientAscent(
    rule="progress", learning_rate=1.0, schedule="constant", early=0.03, late=0.1, most=50.0
)
SLOPES = [np.array([[0.5, -2.0], [1.0, 0.25]]), np.array([-0.75])]
"""Of the log-odds."""


def stepped(log_odds: float, slopes: list[np.ndarray]) -> list[np.ndarray]:
    """What is added to the numbers."""
    rule: Any = build_step_rule(SETTINGS)
    numbers = [jnp.zeros(slope.shape) for slope in slopes]
    descent = [jnp.asarray(-slope, jnp.float32) for slope in slopes]
    change, _ = rule.update(descent, rule.init(numbers), numbers, value=jnp.float32(-log_odds))
    return [np.asarray(part) for part in change]


@pytest.mark.parametrize(
    ("p", "limit"), [(0.01, "most"), (0.2, "early"), (0.6, "early"), (0.75, "late"), (0.999, "late")]
)
def test_a_step_is_that_of_the_authors_program(p, limit):
    gradient = [p * (1 - p) * slope for slope in SLOPES]  # of the probability
    squared = float(sum((part**2).sum() for part in gradient))
    limits = {"most": 50.0, "early": 0.03 / squared, "late": 0.1 * (1 - p) / squared}
    assert min(limits, key=lambda name: limits[name]) == limit
    found = stepped(np.log(p / (1 - p)), SLOPES)
    for part, expected in zip(found, gradient, strict=True):
        np.testing.assert_allclose(part, min(limits.values()) * expected, rtol=1e-4)


def test_a_step_wins_what_it_should_where_the_probability_is_linear():
    (change,) = stepped(0.0, [np.array([2.0, 0.0])])
    # The slope of p is a quarter of that of the log-odds: 0.5 for each unit of the first number.
    np.testing.assert_allclose(change, [0.03 / 0.5, 0.0], rtol=1e-6)


@pytest.mark.parametrize("log_odds", [-1e4, -120.0, 120.0, 1e4])
def test_a_class_that_is_out_of_the_question_or_certain_gives_no_nan(log_odds):
    """Where the program's gradient is 0 in float32."""
    for slopes in (SLOPES, [np.zeros(3)]):
        change = stepped(log_odds, slopes)
        assert all(np.isfinite(part).all() for part in change)
        if log_odds < 0 or not slopes[0].any():
            assert not any(part.any() for part in change)
