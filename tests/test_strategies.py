"""Strategies of evosax as they are asked and told: by ranks, for any number of genes."""

import jax
import jax.numpy as jnp
import numpy as np

from qdfool.build.strategies import build_strategy
from qdfool.config import EvolutionStrategy
from qdfool.keys import new_key

GENES, POPULATION = 4, 12


def test_the_directions_of_lm_ma_es_come_from_the_best_and_stay_numbers():
    """Its memory of directions weighs the steps of the best; and its rates are those of populations of any size."""
    strategy = build_strategy(EvolutionStrategy("lm_ma_es"), jnp.zeros(GENES), POPULATION)
    asked, begun = jax.jit(strategy.ask)(new_key(1), strategy.init(new_key(0), jnp.zeros(GENES)))
    tell, ranks = jax.jit(strategy.tell), jnp.arange(POPULATION)
    state, other = (tell(new_key(2), asked, order, begun) for order in (ranks, ranks[::-1]))
    weights = np.asarray(strategy.settings.weights)
    for found, steps in ((state, begun.z), (other, begun.z[::-1])):
        directions = np.asarray(found.M)
        expected = weights @ np.asarray(steps)
        np.testing.assert_allclose(
            directions, np.outer(directions @ expected, expected) / (expected @ expected), atol=1e-6
        )
        assert np.abs(directions).max() > 0.1
    for generation in range(3):
        asked, state = jax.jit(strategy.ask)(new_key(generation), state)
        state = tell(new_key(0), asked, ranks, state)
    assert np.isfinite(strategy.mean(state)).all()
