"""Who bred whom: a toy whose genomes say where they come from, by the numbers of their parents."""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qdfool.engine import selection
from qdfool.engine.emitters.variation import variation
from qdfool.engine.step import Evolution, init, tell
from qdfool.types import Emitter, Outcome

CLASSES, GRID, BATCH = 5, 2, 16


class Toy(NamedTuple):
    """A genome: a number of its own, and those of the parents that it was handed."""

    number: jax.Array
    first: jax.Array
    second: jax.Array
    generation: jax.Array


def number(key):
    return jax.random.bits(key).astype(jnp.int32)


NONE = jnp.int32(-7)


def bred(key, generation, first, second):
    return Toy(number(key), first.number, NONE if second is None else second.number, generation)


TOY = Evolution(
    classes=CLASSES,
    grid_cells=GRID,
    batch_size=BATCH,
    initialise=lambda key: Toy(number(key), NONE, NONE, jnp.int32(0)),
    decode=lambda genome: (genome.number % 2).reshape(1, 1, 1).astype(jnp.float32),
    emitter=variation(BATCH, selection.uniform, bred, two_parents=True),
    measure=lambda image: image[0, 0],
    cell_index=lambda measures: (measures[0].astype(jnp.int32), measures[0] >= 0),
)

TELL = jax.jit(lambda state, logits: tell(TOY, state, logits))


@pytest.fixture(scope="module")
def generations():
    """Ten states, each with the one before: after the first, the second, and so on."""
    state, found = init(TOY, jax.random.key(0)), []
    logits = np.random.default_rng(0).normal(size=(10, BATCH, CLASSES)).astype(np.float32)
    for row in logits:
        after, record = TELL(state, row)
        found.append((state, after, record))
        state = after
    return found


def test_a_child_is_bred_from_the_parent_that_is_recorded(generations):
    for _, state, _ in generations:
        np.testing.assert_array_equal(state.children.first, state.elites.genome.number[state.parents])
        np.testing.assert_array_equal(state.children.generation, state.generation)


def test_parents_are_drawn_apart(generations):
    """Ten generations of sixteen pairs out of ten cells: some pair is of one cell, and most are of two."""
    same = np.mean([np.asarray(state.children.first == state.children.second) for _, state, _ in generations])
    assert 0 < same < 0.4
    for _, state, _ in generations:
        assert set(np.asarray(state.children.second)) <= set(np.asarray(state.elites.genome.number))


def test_every_child_is_varied_by_itself(generations):
    numbers = np.concatenate([np.asarray(before.children.number) for before, _, _ in generations])
    assert len(set(numbers.tolist())) == len(numbers) == 10 * BATCH


def test_the_parents_of_two_generations_differ(generations):
    drawn = {np.asarray(state.parents).tobytes() for _, state, _ in generations}
    assert len(drawn) == len(generations)


def test_one_parent_is_handed_alone():
    alone = replace(TOY, emitter=variation(BATCH, selection.uniform, bred, two_parents=False))
    state = init(alone, jax.random.key(0))
    state, _ = jax.jit(lambda state, logits: tell(alone, state, logits))(state, np.eye(BATCH, CLASSES))
    np.testing.assert_array_equal(state.children.first, state.elites.genome.number[state.parents])
    assert (np.asarray(state.children.second) == NONE).all()


def test_the_first_children_have_no_parents(generations):
    first, after, _ = generations[0]
    assert int(first.generation) == 0
    assert (np.asarray(first.parents) == -1).all()
    assert (np.asarray(first.children.first) == NONE).all()
    np.testing.assert_array_equal(first.images, jax.jit(jax.vmap(TOY.decode))(first.children))
    assert set(np.asarray(after.elites.parent_class)) == {-1}
    # Nobody is rewarded for the first generation.
    assert not np.asarray(after.elites.curiosity).any()


def test_a_generation_is_told_as_it_was(generations):
    for before, after, record in generations:
        fitness = np.asarray(after.elites.fitness).reshape(CLASSES, GRID)
        changed = np.asarray(after.elites.num_replacements - before.elites.num_replacements).reshape(
            CLASSES, GRID
        )
        assert set(np.unique(changed)) <= {0, 1}
        np.testing.assert_array_equal(record.updates, changed.sum(axis=1))
        np.testing.assert_array_equal(record.fitness, fitness.max(axis=1))
        np.testing.assert_allclose(record.qd_score, (1 / (1 + np.exp(-fitness))).sum(), rtol=1e-6)
        assert record.coverage == np.float32((fitness > -np.inf).mean())
        assert not record.invalid.any()
        assert int(after.generation) == int(before.generation) + 1
        np.testing.assert_array_equal(after.images, jax.jit(jax.vmap(TOY.decode))(after.children))
        new = changed.ravel() == 1
        np.testing.assert_array_equal(np.asarray(after.elites.birth_generation)[new], int(before.generation))
        np.testing.assert_array_equal(after.elites.measures[:, 0], after.elites.genome.number % 2)


def test_curiosity_goes_to_the_parents_of_the_children_that_entered(generations):
    """By hand, from what entered: the elites that stayed, in the cells that bred."""
    for before, after, _ in generations[1:]:
        entered = set(np.asarray(after.elites.genome.number).tolist())
        expected = np.array(before.elites.curiosity)
        for parent, child in zip(np.asarray(before.parents), np.asarray(before.children.number), strict=True):
            expected[parent] += 1.0 if int(child) in entered else -0.5
        stayed = np.asarray(after.elites.num_replacements == before.elites.num_replacements)
        np.testing.assert_array_equal(np.asarray(after.elites.curiosity)[stayed], expected[stayed])
        assert not np.asarray(after.elites.curiosity)[~stayed].any()
    assert np.asarray(generations[-1][1].elites.curiosity).any()


def test_a_confidence_beyond_float32_is_an_elite_all_the_same():
    """Log-odds are finite where logits are; only minus infinity is an empty cell."""
    state = init(TOY, jax.random.key(0))
    logits = np.full((BATCH, CLASSES), -3e38, np.float32)
    logits[:, 1] = 3e38
    after, record = TELL(state, logits)
    occupied = np.asarray(after.elites.fitness) > -np.inf
    assert occupied.all()
    assert np.isfinite(after.elites.fitness).all()
    assert record.coverage == np.float32(occupied.mean())


def test_an_emitter_is_told_what_became_of_its_children():
    """Their gains over the elites before them, by hand; a child with a logit that is not finite has none."""
    bred_by = TOY.emitter
    told = replace(
        TOY,
        emitter=Emitter(
            init=lambda genome: Outcome(
                jnp.zeros((BATCH, CLASSES)),
                jnp.zeros((BATCH, 1)),
                jnp.zeros(BATCH, jnp.int32),
                jnp.zeros((BATCH, CLASSES)),
            ),
            emit=bred_by.emit,
            update=lambda state, elites, children, parents, outcome: outcome,
        ),
    )
    state, logits = init(told, jax.random.key(0)), np.random.default_rng(1).normal(size=(2, BATCH, CLASSES))
    logits[1, 3, 2] = np.inf
    advance = jax.jit(lambda state, logits: tell(told, state, logits))
    empty, _ = advance(state, logits[0].astype(np.float32))
    assert (np.asarray(empty.emitter.gain) == np.inf).all()
    after, _ = advance(empty, logits[1].astype(np.float32))
    outcome = jax.tree.map(np.asarray, after.emitter)
    np.testing.assert_array_equal(outcome.cell_index, np.asarray(empty.children.number) % 2)
    incumbent = np.asarray(empty.elites.fitness).reshape(CLASSES, GRID)[:, outcome.cell_index].T
    gain = outcome.fitness - incumbent
    assert (outcome.gain[3] == -np.inf).all()
    np.testing.assert_array_equal(np.delete(outcome.gain, 3, 0), np.delete(gain, 3, 0))
