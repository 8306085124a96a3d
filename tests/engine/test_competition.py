"""Children that compete for their parent's class only: against plain Python, and what emitters are told of it."""

from dataclasses import replace

import fake
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qdfool
from qdfool.build import build_evolution
from qdfool.engine.loop import jitted_init
from qdfool.engine.objectives import log_odds
from qdfool.engine.step import ask, tell
from qdfool.types import Emitter

SCORE = jax.jit(jax.vmap(log_odds))
SIDE = 3


def spy(size, encoding):
    """Elites in turn, with noise; remembers what it was told of its children."""

    def emit(key, generation, state, elites, score):
        present = elites.fitness > -jnp.inf
        first = jnp.argsort(~present, stable=True).astype(jnp.int32)
        cells = first[(jnp.arange(size) + generation) % present.sum()]
        children = jnp.clip(elites.genome[cells] + 0.3 * jax.random.normal(key, (size, *fake.SHAPE)), 0, 1)
        return children, cells, state

    def update(state, elites, children, parents, outcome):
        return {"fitness": outcome.fitness, "gain": outcome.gain}

    told = {name: jnp.zeros((size, 4)) for name in ("fitness", "gain")}
    return Emitter(lambda genome: told, emit, update)


def test_a_child_wins_cells_of_its_parents_class_only(small):
    config = replace(
        small,
        archive="grid",
        cells=(SIDE, SIDE),
        initial="varied",
        emitters=qdfool.Emitters((spy,)),
        competition="parent",
    )
    evolution = build_evolution(config, fake.classifier)
    telling = jax.jit(lambda state, logits: tell(evolution, state, logits))
    placing = jax.jit(jax.vmap(lambda image: evolution.cell_index(evolution.measure(image))[0]))
    state, grid = jitted_init(evolution)(jax.random.key(0)), SIDE * SIDE
    fitness, parent = np.full(4 * grid, -np.inf, np.float32), np.full(4 * grid, -1)
    for _ in range(12):
        logits = fake.logits(np.asarray(ask(state))).astype(np.float32)
        scored, places = np.asarray(SCORE(logits)), np.asarray(placing(ask(state)))
        own = np.asarray(state.parents) // grid  # -1 in the first generation
        competes = (own[:, None] < 0) | (own[:, None] == np.arange(4))
        state, record = telling(state, logits)
        told = {name: np.asarray(value) for name, value in state.emitter.items()}
        # Another program may round a score otherwise; the archive has what an emitter is told, to the bit.
        np.testing.assert_allclose(told["fitness"], np.where(competes, scored, -np.inf), rtol=1e-6)
        scored, before = np.where(competes, told["fitness"], -np.inf), fitness.copy()
        for child, index in np.ndindex(scored.shape):
            cell = index * grid + places[child]
            if scored[child, index] > fitness[cell]:
                fitness[cell], parent[cell] = scored[child, index], own[child]
        np.testing.assert_array_equal(state.elites.fitness, fitness)
        np.testing.assert_array_equal(state.elites.parent_class, parent)
        assert not record.invalid.any()
        for child, index in np.ndindex(scored.shape):
            cell = index * grid + places[child]
            gain = scored[child, index] - before[cell] if competes[child, index] else -np.inf
            assert told["gain"][child, index] == gain
    assert (parent >= 0).any()


@pytest.mark.slow
def test_a_run_of_them_stopped_and_gone_on_with_is_the_same(small, tmp_path):
    # Mutation so strong that a child may be anyone's.
    mutation = qdfool.Mutation(("gaussian",), rate=1.0, sigma=1.0)
    config = replace(small, generations=8, mutation=mutation, competition="parent")
    whole = qdfool.evolve(config, fake.classifier, out=tmp_path / "whole")
    qdfool.evolve(replace(config, generations=3), fake.classifier, out=tmp_path / "part")
    resumed = qdfool.resume(tmp_path / "part", fake.classifier, generations=8)
    assert resumed.config.competition == "parent"
    for file in ("elites.npz", "history.npz"):
        assert (tmp_path / "part" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    of_all = qdfool.evolve(replace(config, competition="all"), fake.classifier)
    assert not np.array_equal(of_all.elites.fitness, whole.elites.fitness)
