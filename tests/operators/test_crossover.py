"""Every crossover keeps the contract of its module, and mixes the parents as its name says."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdfool.check import InputError
from qdfool.operators import crossover

COPYING = {
    "uniform": crossover.uniform,
    "single_point": crossover.single_point,
    "row_column_split": crossover.row_column_split,
    "rectangle_swap": crossover.rectangle_swap,
    "alternating_columns": crossover.alternating_columns,
    "patch_copy": partial(crossover.patch_copy, patch=4),
}
CALCULATING = {
    "simulated_binary": crossover.simulated_binary,
    "arithmetic": crossover.arithmetic,
    "iso_line": crossover.iso_line,
}
BOTH = (jnp.float32, jnp.uint8)
CASES = [
    pytest.param(operator, dtype, shape, id=f"{name}-{jnp.dtype(dtype).name}-{shape[-1]}")
    for table, dtypes in ((COPYING, BOTH), (CALCULATING, BOTH[:1]))
    for name, operator in table.items()
    for dtype in dtypes
    for shape in ((9, 12, 1), (8, 7, 3))
]
QUICK = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 2**32 - 1)
names = st.sampled_from(sorted(COPYING))


def random_parents(seed, shape, dtype):
    values = jax.random.uniform(jax.random.key(seed), (2, *shape))
    return values if dtype == jnp.float32 else (values < 0.5).astype(dtype)


def from_second(operator, seed, height, width):
    """[H, W] bool: the pixels that the child has from its second parent."""
    first, second = jnp.zeros((height, width, 2)), jnp.ones((height, width, 2))
    child = np.asarray(operator(jax.random.key(seed), first, second))
    np.testing.assert_array_equal(child[..., 0], child[..., 1])
    return child[..., 0] == 1


@pytest.mark.parametrize(("operator", "dtype", "shape"), CASES)
def test_contract(operator, dtype, shape):
    first, second = jnp.stack([random_parents(i, shape, dtype) for i in range(40)], axis=1)
    keys = jax.random.split(jax.random.key(7), 40)
    mate = jax.jit(jax.vmap(operator))
    children = mate(keys, first, second)

    assert children.shape == first.shape
    assert children.dtype == dtype
    assert ((children >= 0) & (children <= 1)).all()
    # Compiled or not, in a batch or alone: the same child of the same key, up to rounding.
    np.testing.assert_allclose(operator(keys[3], first[3], second[3]), children[3], atol=1e-6)
    np.testing.assert_array_equal(mate(keys, first, second), children)
    assert (mate(jax.random.split(jax.random.key(8), 40), first, second) != children).any()
    assert (children != first).any()
    assert (children != second).any()


@QUICK
@given(
    seed=seeds, name=st.sampled_from([*COPYING, "arithmetic", "simulated_binary"]), channels=st.integers(1, 3)
)
def test_identical_parents_have_the_same_child(seed, name, channels):
    parent, _ = random_parents(seed, (7, 6, channels), jnp.float32)
    child = (COPYING | CALCULATING)[name](jax.random.key(seed), parent, parent)
    np.testing.assert_array_equal(child, parent)


@QUICK
@given(seed=seeds, name=names, channels=st.integers(1, 3))
def test_pixels_come_whole_from_a_parent_at_the_same_place(seed, name, channels):
    first, second = np.asarray(random_parents(seed, (6, 7, channels), jnp.float32))
    child = np.asarray(COPYING[name](jax.random.key(seed), first, second))
    assert ((child == first).all(-1) | (child == second).all(-1)).all()


@QUICK
@given(seed=seeds, name=names.filter(lambda name: name != "patch_copy"), height=st.integers(1, 5))
def test_small_images(seed, name, height):
    for width in (1, 2, 33):
        from_second(COPYING[name], seed, height, width)


def test_uniform_tosses_a_coin_for_every_pixel():
    masks = np.stack([from_second(crossover.uniform, seed, 10, 13) for seed in range(200)])
    assert masks.mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(masks.size))
    assert np.abs(masks.mean(0) - 0.5).max() < 5 * 0.5 / np.sqrt(200)
    assert (masks[..., 1:] == masks[..., :-1]).mean() == pytest.approx(0.5, abs=0.02)


@QUICK
@given(seed=seeds, height=st.integers(1, 6), width=st.integers(2, 6))
def test_single_point_cuts_once(seed, height, width):
    flat = from_second(crossover.single_point, seed, height, width).ravel()
    assert not flat[0]
    assert flat[-1]
    assert np.diff(flat).sum() == 1


@QUICK
@given(seed=seeds, height=st.integers(2, 7), width=st.integers(2, 7))
def test_row_column_split_takes_a_band(seed, height, width):
    mask = from_second(crossover.row_column_split, seed, height, width)
    whole_rows = (mask == mask[:, :1]).all()
    whole_columns = (mask == mask[:1]).all()
    assert whole_rows or whole_columns
    line = mask[:, 0] if whole_rows else mask[0]
    band = np.nonzero(line)[0]
    assert len(band) == band[-1] - band[0] + 1


def test_row_column_split_takes_both_directions():
    masks = [from_second(crossover.row_column_split, seed, 6, 6) for seed in range(200)]
    masks = [mask for mask in masks if not mask.all()]
    rows = sum((mask == mask[:, :1]).all() for mask in masks)
    assert rows / len(masks) == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(len(masks)))


@QUICK
@given(seed=seeds, height=st.integers(1, 7), width=st.integers(1, 7))
def test_rectangle_swap_takes_a_rectangle(seed, height, width):
    mask = from_second(crossover.rectangle_swap, seed, height, width)
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    assert mask.sum() == (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)


def test_rectangle_swap_reaches_every_rectangle():
    masks = {from_second(crossover.rectangle_swap, seed, 2, 3).tobytes() for seed in range(300)}
    assert len(masks) == 3 * 6


def test_alternating_columns_takes_either_half():
    masks = np.stack([from_second(crossover.alternating_columns, seed, 3, 5) for seed in range(100)])
    from_zero = masks[:, 0, 0]
    for mask, even in zip(masks, from_zero, strict=True):
        np.testing.assert_array_equal(mask, np.tile((np.arange(5) % 2 == 0) == even, (3, 1)))
    assert 25 <= from_zero.sum() <= 75


@QUICK
@given(seed=seeds, height=st.integers(4, 9), width=st.integers(4, 9), patch=st.integers(1, 4))
def test_patch_copy_takes_a_square(seed, height, width, patch):
    mask = from_second(partial(crossover.patch_copy, patch=patch), seed, height, width)
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    assert len(rows) == rows[-1] - rows[0] + 1 == patch
    assert len(columns) == columns[-1] - columns[0] + 1 == patch
    assert mask.sum() == patch * patch


def test_patch_must_fit():
    image = jnp.zeros((8, 12, 1))
    with pytest.raises(InputError, match="9 x 9 pixels does not fit into an image of 8 x 12"):
        crossover.patch_copy(jax.random.key(0), image, image)


@QUICK
@given(seed=seeds)
def test_arithmetic_is_on_the_line_between(seed):
    first, second = random_parents(seed, (5, 5, 2), jnp.float32)
    child = crossover.arithmetic(jax.random.key(seed), first, second)
    apart = np.abs(first - second) > 0.1
    alpha = np.asarray((child - second) / (first - second))[apart]
    assert 0 <= alpha.mean() <= 1
    np.testing.assert_allclose(alpha, alpha.mean(), atol=1e-5)


def test_simulated_binary_spreads_as_published():
    first, second = jnp.full((200, 200, 1), 0.45), jnp.full((200, 200, 1), 0.55)
    child = crossover.simulated_binary(jax.random.key(0), first, second, eta=10.0, gene_probability=1.0)
    beta = np.abs(np.asarray(child).ravel() - 0.5) / 0.05
    # P(beta <= b) of Deb and Agrawal: b^(eta+1) / 2 up to 1, then 1 - b^-(eta+1) / 2.
    for b in (0.8, 0.95, 1.0, 1.05, 1.2):
        expected = b**11 / 2 if b <= 1 else 1 - b**-11 / 2
        assert (beta <= b).mean() == pytest.approx(expected, abs=5 * 0.5 / 200)


def test_simulated_binary_crosses_half_the_genes_of_either_parent():
    first, second = jnp.full((100, 100, 1), 0.3), jnp.full((100, 100, 1), 0.7)
    children = jax.vmap(lambda key: crossover.simulated_binary(key, first, second))(
        jax.random.split(jax.random.key(0), 40)
    )
    left = (np.asarray(children) == np.float32(0.3)).mean((1, 2, 3))
    right = (np.asarray(children) == np.float32(0.7)).mean((1, 2, 3))
    # What is not crossed is all of one parent's, and either parent has its turn.
    np.testing.assert_allclose(np.maximum(left, right), 0.5, atol=5 * 0.5 / 100)
    np.testing.assert_allclose(np.minimum(left, right), 0, atol=1e-3)
    assert 8 <= (left > right).sum() <= 32


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_simulated_binary_has_no_bad_numbers(probability):
    first, second = jnp.zeros((300, 300, 1)), jnp.ones((300, 300, 1))
    child = np.asarray(
        crossover.simulated_binary(jax.random.key(0), first, second, gene_probability=probability)
    )
    assert np.isfinite(child).all()
    if probability == 0:
        assert (child == child[0, 0]).all()


def test_iso_line_has_the_published_deviations():
    first, second = jnp.full((30, 30, 1), 0.4), jnp.full((30, 30, 1), 0.6)
    children = np.asarray(
        jax.vmap(lambda key: crossover.iso_line(key, first, second))(
            jax.random.split(jax.random.key(0), 1000)
        )
    )
    assert children.std((1, 2, 3)).mean() == pytest.approx(0.01, rel=0.02)
    assert children.mean((1, 2, 3)).std() == pytest.approx(0.2 * 0.2, rel=0.12)
    assert children.mean() == pytest.approx(0.4, abs=5 * 0.04 / np.sqrt(1000))
