"""Whole generations against a NumPy reference of the paper's loop that is fed the same children."""

import functools
from dataclasses import replace

import fake
import jax
import numpy as np
import pytest

from qdfool.build import build_evolution
from qdfool.engine.loop import jitted_init
from qdfool.engine.objectives import log_odds
from qdfool.engine.step import ask, tell
from qdfool.types import State


class Reference:
    """The paper's archive in NumPy: every child meets every cell of its measures in order, strictly better
    replaces (Nguyen et al. 2015; the authors' program)."""

    def __init__(self, cells: int, classes: int) -> None:
        self.fitness = np.full(cells, -np.inf, np.float32)
        self.elites: list[dict | None] = [None] * cells
        self.num_replacements = np.zeros(cells, int)
        self.grid_cells = cells // classes

    def insert(self, state: State, fitness: np.ndarray, cell_index: np.ndarray) -> None:
        genomes, parents = np.asarray(state.children), np.asarray(state.parents)
        for child in range(len(genomes)):
            for index in range(fitness.shape[1]):
                cell = index * self.grid_cells + cell_index[child]
                if fitness[child, index] > self.fitness[cell]:
                    self.fitness[cell] = fitness[child, index]
                    self.num_replacements[cell] += 1
                    self.elites[cell] = {
                        "genome": genomes[child],
                        "birth_generation": int(state.generation),
                        "parent_class": -1 if parents[child] < 0 else parents[child] // self.grid_cells,
                    }


@pytest.mark.parametrize("archive", ["class", "grid"])
@pytest.mark.parametrize("levels", [2, 1000], ids=["many-ties", "few-ties"])
@pytest.mark.parametrize("seed", [0, 1])
def test_elites_equal_the_reference(small, archive, levels, seed):
    config = replace(small, archive=archive, cells=(3, 3), batch_size=16)
    evolution, telling, placing = compiled(config)
    state = jitted_init(evolution)(jax.random.key(seed))
    reference = Reference(len(state.elites.fitness), evolution.classes)
    for _ in range(30):
        images = np.asarray(ask(state))
        # Coarse logits tie often; those of an image depend on the image alone, as a classifier's do.
        logits = np.round(fake.logits(images) / 8 * levels).astype(np.float32) / levels
        before = state
        state, _ = telling(state, logits)
        reference.insert(before, np.asarray(SCORE(logits)), np.asarray(placing(ask(before))))
    assert_same(state, reference)


def test_children_are_drawn_over_images_that_were_scored(small):
    evolution = replace(build_evolution(small, fake.classifier), decode_onto=lambda genome, image: image / 2)
    state = jitted_init(evolution)(jax.random.key(0))
    images = np.asarray(ask(state))
    after, _ = jax.jit(lambda state, logits: tell(evolution, state, logits))(state, fake.logits(images))
    np.testing.assert_array_equal(ask(after), images / 2)


@functools.cache
def compiled(config):
    """The evolution, its `tell`, and images to grid cells: compiled once for all seeds."""
    evolution = build_evolution(config, fake.classifier)

    def cell(image):
        return evolution.cell_index(evolution.measure(image))[0]

    return evolution, jax.jit(lambda state, logits: tell(evolution, state, logits)), jax.jit(jax.vmap(cell))


SCORE = jax.jit(jax.vmap(log_odds))


def assert_same(state: State, reference: Reference) -> None:
    np.testing.assert_array_equal(np.asarray(state.elites.fitness), reference.fitness)
    np.testing.assert_array_equal(
        np.asarray(state.elites.num_replacements) > 0, reference.num_replacements > 0
    )
    for cell, elite in enumerate(reference.elites):
        if elite is None:
            assert state.elites.birth_generation[cell] == -1
            continue
        np.testing.assert_array_equal(state.elites.genome[cell], elite["genome"])
        assert state.elites.birth_generation[cell] == elite["birth_generation"]
        assert state.elites.parent_class[cell] == elite["parent_class"]


def test_an_invalid_child_wins_nothing_and_is_counted(small):
    evolution, telling, _ = compiled(small)
    state = jitted_init(evolution)(jax.random.key(0))
    logits = fake.logits(np.asarray(ask(state)))
    logits[3] = np.nan
    logits[5, 0] = np.inf
    after, record = telling(state, logits)
    assert record.invalid.tolist() == [0, 0, 2]
    assert np.isfinite(after.elites.fitness).all()
    lost = {np.asarray(state.children)[index].tobytes() for index in (3, 5)}
    assert not lost & {genome.tobytes() for genome in np.asarray(after.elites.genome)}


def test_ask_shows_the_same_children_until_they_are_told(small):
    evolution = build_evolution(small, fake.classifier)
    state = jitted_init(evolution)(jax.random.key(0))
    np.testing.assert_array_equal(ask(state), ask(state))


def test_the_record_says_what_the_generation_did(small):
    evolution, telling, _ = compiled(replace(small, archive="grid", cells=(4, 4)))
    state = jitted_init(evolution)(jax.random.key(0))
    state, record = telling(state, fake.logits(np.asarray(ask(state))))
    fitness = np.asarray(state.elites.fitness).reshape(4, 16)
    np.testing.assert_array_equal(record.fitness, fitness.max(axis=1))
    np.testing.assert_array_equal(record.updates, np.isfinite(fitness).sum(axis=1))
    assert record.coverage == np.isfinite(fitness).mean(dtype=np.float32)
    np.testing.assert_allclose(record.qd_score, (1 / (1 + np.exp(-fitness))).sum(), rtol=1e-5)
