"""Seeds side by side: each finds what it finds alone, where sums are exact bit for bit, and meets no other."""

import time
from dataclasses import replace

import fake
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import shared_batch

from qdfool.build import build_evolution, with_defaults
from qdfool.engine import archive
from qdfool.engine.archive import Winners
from qdfool.engine.loop import (
    Budget,
    chunks,
    empty_records,
    jitted_init,
    run_generations,
    run_generations_of_seeds,
)
from qdfool.engine.seeds import apart, together
from qdfool.errors import InputError
from qdfool.types import Elites

SEEDS, GENERATIONS = 3, 8
QUICK = "mixture on a grid"


def states(evolution, config, seeds=SEEDS):
    """Of several seeds; with pictures they begin alike but for their keys."""
    key, *pictures = shared_batch.given(config)
    init = jitted_init(evolution)
    return tuple(init(jax.random.fold_in(key, seed), *pictures) for seed in range(seeds))


def leaves(tree) -> dict[str, np.ndarray]:
    def bits(leaf):
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return np.asarray(jax.random.key_data(leaf) if is_key else leaf)

    found, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path): bits(leaf) for path, leaf in found}


def of_first(records, count):
    return jax.tree.map(lambda rows: np.asarray(rows)[:count], records)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name == QUICK else pytest.mark.slow) for name in shared_batch.CONFIGS],
)
def test_each_finds_what_it_finds_alone(name):
    """States and records, over two chunks."""
    config = shared_batch.CONFIGS[name]
    evolution = build_evolution(with_defaults(config, fake.SHAPE), fake.classifier)
    parameters, classes = fake.classifier.parameters, evolution.classes
    alone = run_generations(evolution, shared_batch.logits)
    expected = []
    for state in states(evolution, config):
        after, records = alone(state, empty_records(classes), parameters, GENERATIONS)
        expected.append((leaves(after), leaves(of_first(records, GENERATIONS))))
    side_by_side = run_generations_of_seeds(evolution, shared_batch.logits)
    found, records = states(evolution, config), empty_records(classes, SEEDS)
    halves = []
    for _ in range(2):
        given = found
        found, records = side_by_side(given, records, parameters, GENERATIONS // 2)
        halves.append(of_first(records, GENERATIONS // 2))
        assert all(leaf.is_deleted() for leaf in jax.tree.leaves(given))  # All of it is donated.
    rows = jax.tree.map(lambda *parts: np.concatenate(parts), *halves)
    # A product of gradients with coefficients, of several points at once, is summed in another order.
    rounded = "gradient_arborescence" in config.emitters.operators
    for seed in range(SEEDS):
        own = leaves(found[seed]) | leaves(jax.tree.map(lambda leaf, seed=seed: leaf[:, seed], rows))
        state, records = expected[seed]
        for leaf, value in (state | records).items():
            if not rounded:
                assert value.tobytes() == own[leaf].tobytes(), leaf
            elif not leaf.startswith(".emitter"):
                np.testing.assert_allclose(value, own[leaf], rtol=0, atol=1e-6, err_msg=leaf)
    assert len({state[".elites.fitness"].tobytes() for state, _ in expected}) == SEEDS


def test_what_is_joined_comes_apart_again(small):
    evolution = build_evolution(with_defaults(small, fake.SHAPE), fake.classifier)
    given = tuple(state._replace(generation=jnp.int32(7)) for state in states(evolution, small))
    joined = together(given)
    assert joined.generation == 7
    assert joined.images.shape == (SEEDS, 12, *fake.SHAPE)
    for one, other in zip(given, apart(joined), strict=True):
        jax.tree.map(np.testing.assert_array_equal, leaves(one), leaves(other))


@pytest.mark.release
@pytest.mark.parametrize("formulation", [archive.few_at_a_time, archive.all_at_once])
def test_winners_of_several_archives_go_each_into_its_own(formulation, monkeypatch):
    """Against one archive after another, with what is the same for all and what is not."""
    draw = np.random.default_rng(1)
    archives, classes, grid_cells, batch, places = 3, 4, 6, 5, 2
    cells, rows = classes * grid_cells, classes * places

    def elites(number, fitness):
        return Elites(
            genome={"x": jnp.asarray(draw.normal(size=(archives, number, 2)), jnp.float32)},
            fitness=jnp.asarray(draw.normal(size=fitness), jnp.float32),
            measures=jnp.asarray(draw.normal(size=(archives, number, 0)), jnp.float32),
            birth_generation=jnp.asarray(draw.integers(0, 9, number), jnp.int32),
            parent_class=jnp.asarray(draw.integers(0, 9, (archives, number)), jnp.int32),
            num_replacements=jnp.asarray(draw.integers(0, 9, (archives, number)), jnp.int32),
            curiosity=jnp.asarray(draw.normal(size=(archives, number)), jnp.float32),
        )

    challengers = elites(batch, (archives, batch, classes))
    incumbents = elites(cells, (archives, cells))
    incumbents = incumbents._replace(
        birth_generation=jnp.broadcast_to(incumbents.birth_generation, (archives, cells))
    )
    where = np.stack([draw.choice(grid_cells, places, replace=False) for _ in range(archives)])
    cell = (np.arange(classes)[:, None] * grid_cells + where[:, None, :]).reshape(archives, rows)
    child, won = draw.integers(0, batch, (archives, rows)), draw.random((archives, rows)) < 0.6
    won[1] = False  # An archive in which nobody wins.
    cell[2, ~won[2]] = cells  # What stands for no cell.
    winners = Winners(jnp.asarray(cell, jnp.int32), jnp.asarray(child, jnp.int32), jnp.asarray(won))
    axes = jax.tree.map(lambda _: 0, challengers)._replace(birth_generation=None)
    with monkeypatch.context() as patched:
        patched.setattr(archive, "_write", formulation)
        found = jax.jit(jax.vmap(archive.insert, in_axes=(0, axes, 0)))(incumbents, challengers, winners)
    for number in range(archives):
        own, of_all, winning = (
            jax.tree.map(lambda leaf, number=number: leaf[number], tree)
            for tree in (
                incumbents,
                challengers._replace(
                    birth_generation=jnp.broadcast_to(challengers.birth_generation, (archives, batch))
                ),
                winners,
            )
        )
        expected = archive.insert(own, of_all, winning)
        jax.tree.map(
            np.testing.assert_array_equal,
            expected,
            jax.tree.map(lambda leaf, number=number: leaf[number], found),
        )
    assert won[0].any()
    assert won[2].any()


def chunks_of(config, classifier, budget, **more):
    evolution = build_evolution(with_defaults(config, fake.SHAPE), fake.classifier)
    names = [f" of seed {seed}" for seed in range(SEEDS)]
    return chunks(evolution, classifier, states(evolution, config), budget, 0.05, names=names, **more)


def test_a_chunk_of_each_seed_has_its_share_of_the_time(small):
    evolving = chunks_of(small, fake.classifier, Budget(9, None))
    begun = time.perf_counter()
    found = list(evolving)
    elapsed = time.perf_counter() - begun
    assert all(len(at_once) == SEEDS for at_once in found)
    for seed in range(SEEDS):
        assert sum(len(at_once[seed].records.invalid) for at_once in found) == 9
    for at_once in found:
        assert len({(chunk.seconds, chunk.compile_seconds) for chunk in at_once}) == 1
    assert found[0][0].compile_seconds > 0 == found[1][0].compile_seconds
    shares = sum(chunk.seconds + chunk.compile_seconds for at_once in found for chunk in at_once)
    assert elapsed / 2 < shares < elapsed


def test_an_image_that_is_not_valid_names_its_seed(small):
    """The seed whose images alone have it."""

    def logits(parameters, images):
        answers = fake.logits(images)
        of_last = (jnp.arange(len(images)) >= 2 * small.batch_size)[:, None]
        return jnp.where(of_last, jnp.nan, answers) if len(images) > small.batch_size else answers

    with pytest.raises(InputError, match=r"In generation 0, 12 of 12 images of seed 2 had a logit"):
        list(chunks_of(small, replace(fake.classifier, logits=logits), Budget(3, None)))
