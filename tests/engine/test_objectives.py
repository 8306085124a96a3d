import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdfool.engine.objectives import log_odds

LOG_ODDS = jax.jit(log_odds)


def exact(logits: np.ndarray) -> np.ndarray:
    logits = logits.astype(np.longdouble)
    others = [np.delete(logits, index) for index in range(len(logits))]
    tops = [other.max() for other in others]
    rest = [top + np.log(np.exp(other - top).sum()) for other, top in zip(others, tops, strict=True)]
    return (logits - np.array(rest)).astype(np.float64)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([2, 3, 12]).flatmap(
        lambda k: st.lists(st.floats(-80, 80, width=32), min_size=k, max_size=k)
    )
)
def test_equals_the_definition(values):
    logits = np.array(values, np.float32)
    np.testing.assert_allclose(LOG_ODDS(logits), exact(logits), rtol=1e-5, atol=2e-5)


def test_orders_where_the_softmax_has_saturated():
    margins = np.zeros((50, 10), np.float32)
    margins[:, 0] = np.linspace(20, 90, 50)
    softmax = jax.nn.softmax(jnp.asarray(margins), axis=1)[:, 0]
    assert len(np.unique(softmax)) == 1
    fitness = np.asarray(jax.vmap(log_odds)(jnp.asarray(margins)))[:, 0]
    assert (np.diff(fitness) > 0).all()


def test_finite_logits_have_finite_log_odds():
    largest = np.finfo(np.float32).max
    fitness = np.asarray(log_odds(jnp.array([largest, -largest, -largest])))
    np.testing.assert_array_equal(fitness, [largest, -largest, -largest])


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_all_classes_alike(classes):
    fitness = log_odds(jnp.full(classes, 3.0))
    np.testing.assert_allclose(fitness, -np.log(classes - 1), rtol=1e-4, atol=1e-5)
