"""Evolution against luck: as many images drawn at random, which neither an elite nor an operator helps."""

import jax
import numpy as np

from qdfool.build import build_evolution
from qdfool.config import Config, Mutation
from qdfool.engine.step import init, step
from qdfool.types import Classifier

SEEDS, GENERATIONS, BATCH, SHAPE = 10, 300, 8, (6, 6, 1)
TEMPLATES = np.random.default_rng(1).normal(size=(36, 3)).astype(np.float32)


def logits(parameters, images):
    """The likeness to three templates."""
    return (images.reshape(images.shape[0], -1) - 0.5) @ TEMPLATES


def log_odds(logits):
    """[n, K], in float64."""
    exponentials = np.exp(logits.astype(np.float64))
    return logits - np.log(exponentials.sum(axis=1, keepdims=True) - exponentials)


def test_evolution_beats_luck_with_every_seed():
    """The mean log-odds of three classes; luck has about 5. With these ten seeds evolution has 8.0 to 9.0 more."""
    config = Config(batch_size=BATCH, rounding=False, mutation=Mutation(operators=("polynomial",)))
    evolution = build_evolution(config, Classifier("templates", SHAPE, ("a", "b", "c"), {}, logits))

    def run(key):
        def generation(_, state):
            return step(evolution, logits, {}, state)[0]

        return jax.lax.fori_loop(0, GENERATIONS, generation, init(evolution, key)).elites

    elites = jax.jit(lambda keys: jax.lax.map(run, keys))(jax.random.split(jax.random.key(0), SEEDS))
    random = np.random.default_rng(0)
    for seed in range(SEEDS):
        images = random.random((GENERATIONS * BATCH, *SHAPE), np.float32)
        by_luck = log_odds(logits({}, images)).max(axis=0)
        found = log_odds(logits({}, np.asarray(elites.genome[seed]))).diagonal()
        np.testing.assert_allclose(found, elites.fitness[seed], rtol=1e-3)
        assert found.mean() - by_luck.mean() > 6.5
