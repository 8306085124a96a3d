"""Ink is brought to the count that was asked for, by pixels drawn fairly, and no other changes."""

from functools import partial

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdfool.genomes.pixels import repair

COMPILED = {}


def repaired(genomes, seed, **settings):
    name = tuple(settings.items())
    COMPILED.setdefault(name, jax.jit(jax.vmap(partial(repair.ink, **settings))))
    return np.asarray(COMPILED[name](jax.random.split(jax.random.key(seed), len(genomes)), genomes))


def genomes(share, dtype, number=30, shape=(9, 8, 1)):
    values = np.random.default_rng(1).random((number, *shape), np.float32)
    if dtype == np.uint8:
        return (values < share).astype(dtype)
    return np.where(values < share, 0.51 + 0.48 * values, 0.49 * values).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@settings(max_examples=25, deadline=None)
@given(share=st.floats(0, 1), count=st.sampled_from([0, 20, 72]), seed=st.integers(0, 99))
def test_the_count_is_met_and_only_what_must_changes(dtype, share, count, seed):
    before = genomes(share, dtype)
    after = repaired(before, seed, count=count)
    assert after.dtype == dtype
    assert after.shape == before.shape
    assert ((after >= 0) & (after <= 1)).all()
    ink, was = (after > 0.5).sum((1, 2, 3)), (before > 0.5).sum((1, 2, 3))
    np.testing.assert_array_equal(ink, count)
    changed = after != before
    np.testing.assert_array_equal(changed.sum((1, 2, 3)), np.abs(was - count))
    np.testing.assert_allclose(after[changed], 1 - before[changed], atol=1e-6)


def test_within_the_tolerance_nothing_changes():
    before = np.zeros((3, 10, 10, 1), np.uint8)
    for genome, ink in zip(before, (40, 61, 60), strict=True):
        genome.reshape(-1)[:ink] = 1
    after = repaired(before, 0, count=50, tolerance=0.2)
    np.testing.assert_array_equal(after.sum((1, 2, 3)), [40, 50, 60])
    np.testing.assert_array_equal(after[[0, 2]], before[[0, 2]])


def test_pixels_are_drawn_fairly():
    before = np.zeros((4000, 5, 4, 1), np.uint8)
    before[:, 0] = 1
    more = repaired(before, 3, count=8).mean(0)[..., 0]
    assert (more[0] == 1).all()
    np.testing.assert_allclose(more[1:], 4 / 16, atol=0.04)
    less = repaired(before, 4, count=1).mean(0)[..., 0]
    np.testing.assert_allclose(less[0], 1 / 4, atol=0.04)
    assert (less[1:] == 0).all()


def test_a_repair_depends_on_its_own_key_and_genome():
    before = genomes(0.5, np.float32)
    keys = jax.random.split(jax.random.key(2), len(before))
    mend = jax.jit(jax.vmap(partial(repair.ink, count=20)))
    after = np.asarray(mend(keys, before))
    np.testing.assert_array_equal(mend(keys[::-1], before[::-1]), after[::-1])
    assert (repaired(before, 3, count=20) != after).any()
