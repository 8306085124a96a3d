"""Every mutation keeps the contract of its module, and does what its name says, no more."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdfool.check import InputError
from qdfool.operators import mutation

RATED = {"rate": 0.1, "most": 60}
MUTATIONS = {
    "polynomial": (partial(mutation.polynomial, eta=15.0, **RATED), (jnp.float32,)),
    "gaussian": (partial(mutation.gaussian, sigma=0.3, **RATED), (jnp.float32,)),
    "reset": (partial(mutation.reset, **RATED), (jnp.float32, jnp.uint8)),
    "bit_flip": (partial(mutation.bit_flip, **RATED), (jnp.float32, jnp.uint8)),
    "block_flip": (partial(mutation.block_flip, block=3), (jnp.float32, jnp.uint8)),
    "swap": (mutation.swap, (jnp.float32, jnp.uint8)),
    "inversion": (mutation.inversion, (jnp.float32, jnp.uint8)),
}
CASES = [
    pytest.param(operator, dtype, shape, id=f"{name}-{jnp.dtype(dtype).name}-{shape[-1]}")
    for name, (operator, dtypes) in MUTATIONS.items()
    for dtype in dtypes
    for shape in ((9, 12, 1), (8, 7, 3))
]
QUICK = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def random_genome(seed, shape, dtype):
    key = jax.random.key(seed)
    if dtype == jnp.uint8:
        return jax.random.bernoulli(key, 0.5, shape).astype(jnp.uint8)
    return jax.random.uniform(key, shape)


def numbered(height, width, channels=1):
    """A genome whose genes all differ, inside [0, 1]."""
    size = height * width * channels
    return (jnp.arange(size) / size).reshape(height, width, channels)


@pytest.mark.parametrize(("operator", "dtype", "shape"), CASES)
def test_contract(operator, dtype, shape):
    genomes = jnp.stack([random_genome(i, shape, dtype) for i in range(40)])
    keys = jax.random.split(jax.random.key(7), 40)
    children = jax.jit(jax.vmap(operator))(keys, genomes)

    assert children.shape == genomes.shape
    assert children.dtype == dtype
    assert ((children >= 0) & (children <= 1)).all()
    # Compiled or not, in a batch or alone: the same child of the same key, up to rounding.
    np.testing.assert_allclose(operator(keys[3], genomes[3]), children[3], atol=1e-6)
    np.testing.assert_array_equal(jax.jit(jax.vmap(operator))(keys, genomes), children)
    others = jax.jit(jax.vmap(operator))(jax.random.split(jax.random.key(8), 40), genomes)
    assert (others != children).any()
    assert (children != genomes).any()


@pytest.mark.parametrize("name", ["polynomial", "gaussian", "reset", "bit_flip"])
def test_rate_zero_changes_nothing_and_rate_one_reaches_every_gene(name):
    extra = {"polynomial": {"eta": 15.0}, "gaussian": {"sigma": 0.1}}.get(name, {})
    operator = jax.jit(partial(getattr(mutation, name), **extra), static_argnames="most")
    genome = jnp.full((10, 10, 3), 0.47)
    for seed in range(5):
        key = jax.random.key(seed)
        np.testing.assert_array_equal(operator(key, genome, rate=0.0, most=300), genome)
        assert (operator(key, genome, rate=1.0, most=300) != genome).all()


@QUICK
@given(size=st.integers(1, 2000), rate=st.floats(0, 1), seed=seeds)
def test_positions_increase_strictly(size, rate, seed):
    most = min(size, 64)
    positions = np.asarray(mutation.changed_positions(jax.random.key(seed), size, rate, most))
    assert positions.shape == (most,)
    assert positions.dtype == np.int32
    assert positions[0] >= 0
    assert (np.diff(positions) > 0).all()


@pytest.mark.parametrize("rate", [0.0, 1e-9, 0.003, 0.1, 0.5, 0.97, 1.0])
def test_positions_are_a_coin_for_every_gene(rate):
    size, draws = 200, 4000
    most = mutation.most_changes(size, rate)
    positions = np.asarray(
        jax.vmap(lambda key: mutation.changed_positions(key, size, rate, most))(
            jax.random.split(jax.random.key(1), draws)
        )
    )
    changed = np.zeros((draws, size))
    row, column = np.nonzero(positions < size)
    changed[row, positions[row, column]] = 1

    variance = rate * (1 - rate)
    each = changed.mean(0)
    assert np.abs(each - rate).max() <= 5.5 * np.sqrt(variance / draws) + 1.5 / draws * (0 < rate < 1)
    assert abs(each.mean() - rate) <= 5 * np.sqrt(variance / draws / size) + 1e-12
    # The count has the variance of a binomial: genes are independent of one another.
    assert changed.sum(1).var() == pytest.approx(size * variance, rel=0.15, abs=1e-4)
    neighbours = (changed[:, 1:] * changed[:, :-1]).mean()
    assert neighbours == pytest.approx(rate**2, rel=0.05, abs=2e-5)


def test_small_rates_are_met():
    # 2**-24 of a float32 in [0, 1) would be too coarse: the shares would be off by parts of ten.
    rate, size, draws = 4e-8, 2**23, 4000
    positions = jax.vmap(lambda key: mutation.changed_positions(key, size, rate, 8))(
        jax.random.split(jax.random.key(2), draws)
    )
    counts = (np.asarray(positions) < size).sum(1)
    assert counts.mean() == pytest.approx(rate * size, rel=5 / np.sqrt(rate * size * draws))
    first = np.asarray(positions[:, 0])[np.asarray(positions[:, 0]) < size]
    assert len(np.unique(first)) > 0.99 * len(first)


def test_positions_do_not_overflow_in_large_images():
    size = 224 * 224 * 3
    none = mutation.changed_positions(jax.random.key(0), size, 0.0, 15_756)
    assert none.min() >= size
    every = mutation.changed_positions(jax.random.key(0), size, 1.0, size)
    np.testing.assert_array_equal(every, np.arange(size))


def test_rate_may_be_traced():
    genome = jnp.full((28, 28, 1), 0.5)

    @jax.jit
    def changes(rate):
        def one(key):
            return (mutation.polynomial(key, genome, rate=rate, eta=15.0, most=133) != genome).sum()

        return jax.vmap(one)(jax.random.split(jax.random.key(0), 200)).mean()

    assert changes(0.1) == pytest.approx(78.4, rel=0.03)
    assert changes(0.05) == pytest.approx(39.2, rel=0.05)


def test_most_changes():
    assert mutation.most_changes(784, 0.1) == 133
    assert mutation.most_changes(784, 0.0) == 4
    assert mutation.most_changes(784, 1.0) == 784
    assert mutation.most_changes(3, 0.5) == 3
    for rate in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match="mutation rate must be between 0 and 1"):
            mutation.most_changes(784, rate)


@pytest.mark.parametrize(("eta", "deviation"), [(15.0, 0.0808), (5.0, 0.189)])
def test_polynomial_step_has_the_published_distribution(eta, deviation):
    genome = jnp.full((200, 200, 1), 0.5)
    child = mutation.polynomial(jax.random.key(0), genome, rate=1.0, eta=eta, most=40_000)
    step = np.asarray(child - genome).ravel()
    # Quantiles of both halves, against the closed form; 0.5 is far enough from the bounds for these.
    for u in (0.05, 0.2, 0.4, 0.6, 0.8, 0.95):
        power = 1 / (eta + 1)
        expected = (2 * u) ** power - 1 if u < 0.5 else 1 - (2 * (1 - u)) ** power
        assert np.quantile(step, u) == pytest.approx(expected, abs=0.02 * deviation + 0.002)
    n = eta + 1
    # E[(1 - v^(1/n))^2] of a uniform v; clipping at 0.5 takes next to nothing off it.
    assert np.sqrt(1 - 2 * n / (n + 1) + n / (n + 2)) == pytest.approx(deviation, abs=1e-3)
    assert step.std() == pytest.approx(deviation, rel=0.03)
    assert step.mean() == pytest.approx(0, abs=5 * deviation / 200)


def test_gaussian_step_is_normal():
    genome = jnp.full((100, 100, 1), 0.5)
    child = mutation.gaussian(jax.random.key(0), genome, rate=1.0, sigma=0.05, most=10_000)
    step = np.asarray(child - genome).ravel()
    assert step.std() == pytest.approx(0.05, rel=0.04)
    assert (np.abs(step) < 0.05).mean() == pytest.approx(0.6827, abs=0.02)


def test_reset_is_uniform_and_fair():
    pixels = mutation.reset(jax.random.key(0), jnp.zeros((100, 100, 1)), rate=1.0, most=10_000)
    shares, _ = np.histogram(pixels, bins=10, range=(0, 1))
    assert np.abs(shares - 1000).max() < 5 * np.sqrt(900)
    bits = mutation.reset(jax.random.key(0), jnp.zeros((100, 100, 1), jnp.uint8), rate=1.0, most=10_000)
    assert bits.mean() == pytest.approx(0.5, abs=0.025)


@QUICK
@given(seed=seeds, rate=st.floats(0, 1))
def test_bit_flip_negates_what_it_changes(seed, rate):
    genome = numbered(6, 7, 2)
    child = mutation.bit_flip(jax.random.key(seed), genome, rate=rate, most=84)
    assert ((child == genome) | (child == 1 - genome)).all()


@QUICK
@given(seed=seeds, height=st.integers(1, 9), width=st.integers(1, 9), data=st.data())
def test_block_flip_negates_one_square(seed, height, width, data):
    block = data.draw(st.integers(1, min(height, width)))
    genome = random_genome(seed, (height, width, 2), jnp.uint8)
    flipped = np.asarray(mutation.block_flip(jax.random.key(seed), genome, block=block) != genome)
    rows, columns = np.nonzero(flipped.any((1, 2)))[0], np.nonzero(flipped.any((0, 2)))[0]
    np.testing.assert_array_equal(rows, np.arange(rows[0], rows[0] + block))
    np.testing.assert_array_equal(columns, np.arange(columns[0], columns[0] + block))
    assert flipped.sum() == 2 * block * block


def test_block_flip_reaches_every_place():
    genome = jnp.zeros((4, 5, 1), jnp.uint8)
    keys = jax.random.split(jax.random.key(0), 2000)
    children = np.asarray(jax.vmap(partial(mutation.block_flip, block=3))(keys, genome[None].repeat(2000, 0)))
    places, counts = np.unique(children.reshape(2000, -1), axis=0, return_counts=True)
    assert len(places) == 2 * 3
    assert np.abs(counts - 2000 / 6).max() < 5 * np.sqrt(2000 / 6)


def test_block_must_fit():
    with pytest.raises(InputError, match="9 x 9 pixels does not fit into an image of 8 x 12"):
        mutation.block_flip(jax.random.key(0), jnp.zeros((8, 12, 1)), block=9)
    with pytest.raises(InputError, match="Choose a side from 1 to 8"):
        mutation.block_flip(jax.random.key(0), jnp.zeros((8, 12, 1)), block=0)


@QUICK
@given(seed=seeds, height=st.integers(1, 6), width=st.integers(2, 6), channels=st.integers(1, 3))
def test_swap_exchanges_two_pixels(seed, height, width, channels):
    genome = numbered(height, width, channels)
    child = mutation.swap(jax.random.key(seed), genome)
    before, after = np.asarray(genome).reshape(-1, channels), np.asarray(child).reshape(-1, channels)
    first, second = np.nonzero((before != after).any(1))[0]
    np.testing.assert_array_equal(after[first], before[second])
    np.testing.assert_array_equal(after[second], before[first])


@QUICK
@given(seed=seeds, height=st.integers(1, 6), width=st.integers(1, 6), channels=st.integers(1, 3))
def test_inversion_reverses_one_stretch(seed, height, width, channels):
    genome = numbered(height, width, channels)
    child = mutation.inversion(jax.random.key(seed), genome)
    before, after = np.asarray(genome).reshape(-1, channels), np.asarray(child).reshape(-1, channels)
    moved = np.nonzero((before != after).any(1))[0]
    start, end = (moved[0], moved[-1] + 1) if len(moved) else (0, 1)
    np.testing.assert_array_equal(after[start:end], before[start:end][::-1])
    np.testing.assert_array_equal(np.sort(after, axis=0), np.sort(before, axis=0))


def test_one_pixel_survives_swap_and_inversion():
    genome = jnp.full((1, 1, 3), 0.3)
    for operator in (mutation.swap, mutation.inversion):
        np.testing.assert_array_equal(operator(jax.random.key(0), genome), genome)


def test_random_cuts_are_all_alike():
    first, second = jax.vmap(lambda key: mutation.random_cuts(key, 3))(
        jax.random.split(jax.random.key(0), 6000)
    )
    pairs, counts = np.unique(np.stack([first, second]), axis=1, return_counts=True)
    np.testing.assert_array_equal(pairs.T, [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]])
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(1000)
