"""Every crossover keeps the contract of its module, and mixes the parents as its name says."""

from functools import partial

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdfool.errors import InputError
from qdfool.genomes.pixels import crossover

COPYING = {
    "uniform": crossover.uniform,
    "single_point": crossover.single_point,
    "two_point": crossover.two_point,
    "row_column_split": crossover.row_column_split,
    "dividing_line": crossover.dividing_line,
    "row_cuts": crossover.row_cuts,
    "rectangle_swap": crossover.rectangle_swap,
    "alternating_columns": crossover.alternating_columns,
    "patch_copy": partial(crossover.patch_copy, patch=4),
}
CALCULATING = {
    "simulated_binary": crossover.simulated_binary,
    "arithmetic": crossover.arithmetic,
    "iso_line": crossover.iso_line,
}
CASES = [
    pytest.param(operator, dtype, id=f"{name}-{np.dtype(dtype).name}")
    for table, dtypes in ((COPYING, (np.float32, np.uint8)), (CALCULATING, (np.float32,)))
    for name, operator in table.items()
    for dtype in dtypes
]
# Compiled once a shape, and so only a few shapes: compiling is what takes the time.
COMPILED = {name: jax.jit(operator) for name, operator in (COPYING | CALCULATING).items()}
QUICK = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 2**32 - 1)
sizes = st.sampled_from([(5, 5), (4, 7)])


def keys(seed, number):
    return jax.random.split(jax.random.key(seed), number)


def random_parents(shape, dtype=np.float32):
    values = np.random.default_rng(0).random((2, *shape), np.float32)
    return values if dtype == np.float32 else (values < 0.5).astype(dtype)


def masks(name, seed, height, width, number):
    """[number, H, W] bool: the pixels that each child has from its second parent."""
    first, second = np.zeros((height, width, 2), np.float32), np.ones((height, width, 2), np.float32)
    mate = jax.jit(jax.vmap(COPYING[name], in_axes=(0, None, None)))
    children = np.asarray(mate(keys(seed, number), first, second))
    np.testing.assert_array_equal(children[..., 0], children[..., 1])
    return children[..., 0] == 1


def mask(name, seed, height, width):
    """[H, W] bool: the pixels that a child has from its second parent."""
    first, second = np.zeros((height, width, 1), np.float32), np.ones((height, width, 1), np.float32)
    return np.asarray(COMPILED[name](jax.random.key(seed), first, second))[..., 0] == 1


@pytest.mark.parametrize(("operator", "dtype"), CASES)
def test_contract(operator, dtype):
    first, second = random_parents((40, 9, 12, 3), dtype)
    mate = jax.jit(jax.vmap(operator))
    children = np.asarray(mate(keys(7, 40), first, second))

    assert children.shape == first.shape
    assert children.dtype == dtype
    assert ((children >= 0) & (children <= 1)).all()
    assert (children != first).any()
    assert (children != second).any()
    assert (np.asarray(mate(keys(8, 40), first, second)) != children).any()
    # A child depends on its own key and parents, whatever its place in the batch.
    np.testing.assert_array_equal(mate(keys(7, 40)[::-1], first[::-1], second[::-1]), children[::-1])


@pytest.mark.parametrize("name", [*COPYING, "arithmetic", "simulated_binary"])
def test_identical_parents_have_the_same_child(name):
    parent, _ = random_parents((6, 7, 3))
    for seed in range(10):
        np.testing.assert_array_equal(COMPILED[name](jax.random.key(seed), parent, parent), parent)


@QUICK
@given(seed=seeds, name=st.sampled_from(sorted(COPYING)))
def test_pixels_come_whole_from_a_parent_at_the_same_place(seed, name):
    first, second = random_parents((6, 7, 3))
    child = np.asarray(COMPILED[name](jax.random.key(seed), first, second))
    assert ((child == first).all(-1) | (child == second).all(-1)).all()


@pytest.mark.parametrize("name", [name for name in COPYING if name != "patch_copy"])
@pytest.mark.parametrize(("height", "width"), [(1, 1), pytest.param(2, 33, marks=pytest.mark.release)])
def test_small_and_narrow_images(name, height, width):
    assert masks(name, 0, height, width, 5).shape == (5, height, width)


def test_uniform_tosses_a_coin_for_every_pixel():
    drawn = masks("uniform", 0, 10, 13, 2000)
    assert drawn.mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(drawn.size))
    assert np.abs(drawn.mean(0) - 0.5).max() < 5 * 0.5 / np.sqrt(2000)
    # No two pixels follow each other.
    together = np.corrcoef(drawn.reshape(2000, -1).T) - np.eye(130)
    assert np.abs(together).max() < 6 / np.sqrt(2000)


@QUICK
@given(seed=seeds, size=sizes)
def test_single_point_cuts_once(seed, size):
    flat = mask("single_point", seed, *size).ravel()
    assert not flat[0]
    assert flat[-1]
    assert np.diff(flat).sum() == 1


def test_single_point_cuts_anywhere():
    cuts, counts = np.unique(masks("single_point", 0, 2, 3, 2000).sum((1, 2)), return_counts=True)
    np.testing.assert_array_equal(cuts, [1, 2, 3, 4, 5])
    assert np.abs(counts - 400).max() < 5 * np.sqrt(400)


@QUICK
@given(seed=seeds, size=sizes)
def test_dividing_line_leaves_two_parts(seed, size):
    taken = mask("dividing_line", seed, *size)
    assert not taken[0, 0]
    assert taken[-1, -1]
    assert np.abs(np.diff(taken.astype(int), axis=0)).sum() in (0, size[1])
    assert np.abs(np.diff(taken.astype(int), axis=1)).sum() in (0, size[0])


def test_dividing_line_takes_every_line_both_ways():
    lines = masks("dividing_line", 0, 4, 3, 2000)
    different, counts = np.unique(lines.reshape(2000, -1), axis=0, return_counts=True)
    assert len(different) == 3 + 2
    across = (lines == lines[:, :, :1]).all((1, 2)).mean()
    assert across == pytest.approx(0.5, abs=0.06)
    assert counts.min() > 2000 / 6 - 100


@QUICK
@given(seed=seeds, size=sizes)
def test_row_cuts_cut_each_row_once_and_apart(seed, size):
    taken = mask("row_cuts", seed, *size)
    assert (np.diff(taken.astype(int), axis=1) >= 0).all()
    assert taken[:, -2:].all()


def test_row_cuts_draw_every_column():
    cuts = (~masks("row_cuts", 0, 3, 5, 2000)).sum(2)
    np.testing.assert_allclose([(cuts == column).mean() for column in range(4)], 0.25, atol=0.04)
    assert cuts.max() == 3
    assert np.abs(np.corrcoef(cuts.T) - np.eye(3)).max() < 0.1


@QUICK
@given(seed=seeds, size=sizes)
def test_two_point_takes_what_is_between_two_cuts(seed, size):
    flat = np.nonzero(mask("two_point", seed, *size).ravel())[0]
    assert len(flat) == flat[-1] - flat[0] + 1


def test_two_point_cuts_anywhere():
    drawn = masks("two_point", 0, 2, 2, 2000).reshape(2000, -1)
    counts = np.unique(drawn, axis=0, return_counts=True)[1]
    assert len(counts) == 4 * 5 / 2
    assert np.abs(counts - 200).max() < 5 * np.sqrt(200)


@QUICK
@given(seed=seeds, size=sizes)
def test_row_column_split_takes_a_band(seed, size):
    taken = mask("row_column_split", seed, *size)
    whole_rows = (taken == taken[:, :1]).all()
    whole_columns = (taken == taken[:1]).all()
    assert whole_rows or whole_columns
    band = np.nonzero(taken[:, 0] if whole_rows else taken[0])[0]
    assert len(band) == band[-1] - band[0] + 1


def test_row_column_split_takes_every_band_both_ways():
    bands = masks("row_column_split", 0, 3, 3, 2000)
    counts = np.unique(bands.reshape(2000, -1), axis=0, return_counts=True)[1]
    # 6 pairs of lines each way, of which one pair takes the whole image either way.
    assert len(counts) == 2 * 5 + 1
    np.testing.assert_allclose(np.sort(counts), [*[2000 / 12] * 10, 2000 / 6], atol=5 * np.sqrt(2000 / 6))


@QUICK
@given(seed=seeds, size=sizes)
def test_rectangle_swap_takes_a_rectangle(seed, size):
    taken = mask("rectangle_swap", seed, *size)
    rows, columns = np.nonzero(taken.any(1))[0], np.nonzero(taken.any(0))[0]
    assert taken.sum() == (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)


def test_rectangle_swap_takes_every_rectangle():
    drawn = masks("rectangle_swap", 0, 2, 3, 1000).reshape(1000, -1)
    assert len(np.unique(drawn, axis=0)) == 3 * 6


def test_alternating_columns_takes_either_half():
    drawn = masks("alternating_columns", 0, 3, 5, 100)
    from_zero = drawn[:, 0, 0]
    expected = (np.arange(5) % 2 == 0) == from_zero[:, None, None]
    np.testing.assert_array_equal(drawn, np.broadcast_to(expected, drawn.shape))
    assert 25 <= from_zero.sum() <= 75


@QUICK
@given(seed=seeds, size=sizes)
def test_patch_copy_takes_a_square(seed, size):
    taken = mask("patch_copy", seed, *size)
    rows, columns = np.nonzero(taken.any(1))[0], np.nonzero(taken.any(0))[0]
    assert len(rows) == rows[-1] - rows[0] + 1 == 4
    assert len(columns) == columns[-1] - columns[0] + 1 == 4
    assert taken.sum() == 16


def test_patch_must_fit():
    image = np.zeros((8, 12, 1), np.float32)
    with pytest.raises(InputError, match="9 x 9 pixels does not fit into an image of 8 x 12"):
        crossover.patch_copy(jax.random.key(0), image, image)


@QUICK
@given(seed=seeds)
def test_arithmetic_is_on_the_line_between(seed):
    first, second = random_parents((6, 7, 3))
    child = np.asarray(COMPILED["arithmetic"](jax.random.key(seed), first, second))
    apart = np.abs(first - second) > 0.1
    alpha = ((child - second) / (first - second))[apart]
    assert 0 <= alpha.mean() <= 1
    np.testing.assert_allclose(alpha, alpha.mean(), atol=1e-5)


def test_simulated_binary_spreads_as_published():
    first, second = np.full((200, 200, 1), 0.45, np.float32), np.full((200, 200, 1), 0.55, np.float32)
    mate = jax.jit(partial(crossover.simulated_binary, eta=10.0, gene_probability=1.0))
    beta = np.abs(np.asarray(mate(jax.random.key(0), first, second)).ravel() - 0.5) / 0.05
    # P(beta <= b) of Deb and Agrawal: b^(eta+1) / 2 up to 1, then 1 - b^-(eta+1) / 2.
    for b in (0.8, 0.95, 1.0, 1.05, 1.2):
        expected = b**11 / 2 if b <= 1 else 1 - b**-11 / 2
        assert (beta <= b).mean() == pytest.approx(expected, abs=5 * 0.5 / 200)


def test_simulated_binary_crosses_half_the_genes_of_either_parent():
    first, second = np.full((100, 100, 1), 0.3, np.float32), np.full((100, 100, 1), 0.7, np.float32)
    mate = jax.jit(jax.vmap(crossover.simulated_binary, in_axes=(0, None, None)))
    children = np.asarray(mate(keys(0, 40), first, second))
    left = (children == np.float32(0.3)).mean((1, 2, 3))
    right = (children == np.float32(0.7)).mean((1, 2, 3))
    # What is not crossed is all of one parent's, and either parent has its turn.
    np.testing.assert_allclose(np.maximum(left, right), 0.5, atol=5 * 0.5 / 100)
    np.testing.assert_allclose(np.minimum(left, right), 0, atol=1e-3)
    assert 6 <= (left > right).sum() <= 34


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_simulated_binary_has_no_bad_numbers(probability):
    # Equal and opposite genes: an infinite spread would give NaN.
    first, second = np.zeros((300, 300, 2), np.float32), np.zeros((300, 300, 2), np.float32)
    second[..., 0] = 1
    mate = jax.jit(partial(crossover.simulated_binary, gene_probability=probability))
    child = np.asarray(mate(jax.random.key(0), first, second))
    assert np.isfinite(child).all()
    assert (child[..., 1] == 0).all()
    changed = (child != first).any(-1).mean(), (child != second).any(-1).mean()
    # Half of the crossed genes leave [0, 1], and clipping takes them back to their parent.
    assert min(changed) == pytest.approx(probability / 2, abs=5 * 0.5 / 300)


def test_iso_line_has_the_published_deviations():
    first, second = np.full((30, 30, 1), 0.4, np.float32), np.full((30, 30, 1), 0.6, np.float32)
    mate = jax.jit(jax.vmap(crossover.iso_line, in_axes=(0, None, None)))
    children = np.asarray(mate(keys(0, 1000), first, second))
    assert children.std((1, 2, 3)).mean() == pytest.approx(0.01, rel=0.02)
    assert children.mean((1, 2, 3)).std() == pytest.approx(0.2 * 0.2, rel=0.12)
    assert children.mean() == pytest.approx(0.4, abs=5 * 0.04 / np.sqrt(1000))
