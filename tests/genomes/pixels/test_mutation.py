"""Every mutation keeps the contract of its module, and does what its name says, no more."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from qdfool.errors import InputError
from qdfool.genomes.pixels import mutation

RATED = {"rate": 0.1, "max_changes": 60}
MUTATIONS = {
    "polynomial": (partial(mutation.polynomial, eta=15.0, **RATED), (np.float32,)),
    "gaussian": (partial(mutation.gaussian, sigma=0.3, **RATED), (np.float32,)),
    "reset": (partial(mutation.reset, **RATED), (np.float32, np.uint8)),
    "bit_flip": (partial(mutation.bit_flip, **RATED), (np.float32, np.uint8)),
    "block_flip": (partial(mutation.block_flip, block=3), (np.float32, np.uint8)),
    "swap": (mutation.swap, (np.float32, np.uint8)),
    "inversion": (mutation.inversion, (np.float32, np.uint8)),
}
CASES = [
    pytest.param(operator, dtype, id=f"{name}-{np.dtype(dtype).name}")
    for name, (operator, dtypes) in MUTATIONS.items()
    for dtype in dtypes
]
# Compiled once a shape, and so only a few shapes: compiling is what takes the time.
POLYNOMIAL = jax.jit(mutation.polynomial, static_argnames=("eta", "max_changes"))
GAUSSIAN = jax.jit(mutation.gaussian, static_argnames=("sigma", "max_changes"))
RESET = jax.jit(mutation.reset, static_argnames="max_changes")
BIT_FLIP = jax.jit(mutation.bit_flip, static_argnames="max_changes")
BLOCK_FLIP = jax.jit(mutation.block_flip, static_argnames="block")
SWAP = jax.jit(mutation.swap)
INVERSION = jax.jit(mutation.inversion)
POSITIONS = jax.jit(mutation.changed_positions, static_argnums=(1, 3))
MANY_POSITIONS = jax.jit(
    jax.vmap(mutation.changed_positions, in_axes=(0, None, None, None)), static_argnums=(1, 3)
)

QUICK = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 2**32 - 1)
shapes = st.sampled_from([(4, 5, 1), (6, 3, 3), (1, 7, 2)])


def keys(seed, number):
    return jax.random.split(jax.random.key(seed), number)


def numbered(shape):
    """A genome whose genes all differ, inside [0, 1]."""
    return (
        np.random.default_rng(0)
        .permutation(np.linspace(0, 1, np.prod(shape), dtype=np.float32))
        .reshape(shape)
    )


@pytest.mark.parametrize(("operator", "dtype"), CASES)
def test_contract(operator, dtype):
    genomes = np.random.default_rng(0).random((40, 9, 12, 3), np.float32)
    genomes = genomes if dtype == np.float32 else (genomes < 0.5).astype(dtype)
    mutate = jax.jit(jax.vmap(operator))
    children = np.asarray(mutate(keys(7, 40), genomes))

    assert children.shape == genomes.shape
    assert children.dtype == dtype
    assert ((children >= 0) & (children <= 1)).all()
    assert (children != genomes).any()
    assert (np.asarray(mutate(keys(8, 40), genomes)) != children).any()
    # A child depends on its own key and parent, whatever its place in the batch.
    np.testing.assert_array_equal(mutate(keys(7, 40)[::-1], genomes[::-1]), children[::-1])


@pytest.mark.parametrize(
    "operator",
    [
        partial(POLYNOMIAL, eta=15.0, max_changes=300),
        partial(GAUSSIAN, sigma=0.1, max_changes=300),
        partial(RESET, max_changes=300),
        partial(BIT_FLIP, max_changes=300),
    ],
    ids=["polynomial", "gaussian", "reset", "bit_flip"],
)
def test_rate_zero_changes_nothing_and_rate_one_reaches_every_gene(operator):
    genome = np.full((10, 10, 3), 0.47, np.float32)
    for seed in range(5):
        np.testing.assert_array_equal(operator(jax.random.key(seed), genome, rate=0.0), genome)
        assert (np.asarray(operator(jax.random.key(seed), genome, rate=1.0)) != genome).all()


@QUICK
@given(size=st.sampled_from([1, 30, 784]), rate=st.floats(0, 1), seed=seeds)
def test_positions_increase_strictly(size, rate, seed):
    max_changes = min(size, 64)
    positions = np.asarray(POSITIONS(jax.random.key(seed), size, rate, max_changes))
    assert positions.shape == (max_changes,)
    assert positions.dtype == np.int32
    assert positions[0] >= 0
    assert (np.diff(positions) > 0).all()


@pytest.mark.release
@pytest.mark.parametrize("rate", [0.0, 0.1, 1.0])
def test_side_by_side_is_a_coin_for_every_gene_too(rate):
    """The formulation for a GPU or TPU, here on a CPU."""
    genome = jnp.asarray(numbered((20, 20, 3)))

    def lifted(genes, uniform):
        return 2.0 + genes

    flip = jax.jit(jax.vmap(lambda key: mutation.side_by_side(key, genome, rate, lifted)))
    children = np.asarray(flip(keys(2, 500)))
    changed = children >= 2.0
    np.testing.assert_array_equal(children, np.where(changed, 2.0 + genome, genome))
    error = np.sqrt(rate * (1 - rate) / 500)
    assert np.abs(changed.mean(0) - rate).max() <= 5 * error
    assert abs(changed.mean() - rate) <= 5 * error / np.sqrt(1200)


@pytest.mark.release
@pytest.mark.parametrize("rate", [1e-3, 0.1, 1.0])
def test_side_by_side_what_a_gene_becomes_is_uniform(rate):
    """One number says whether a gene changes, and what becomes of it."""
    genome = jnp.full((60, 60, 3), 2.0)
    draw = jax.jit(
        jax.vmap(lambda key: mutation.side_by_side(key, genome, rate, lambda genes, uniform: uniform))
    )
    children = np.asarray(draw(keys(3, 300)))
    drawn = children[children < 2.0]
    assert len(drawn) == pytest.approx(children.size * rate, rel=5 / np.sqrt(children.size * rate))
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert stats.kstest(drawn[:100_000], "uniform").pvalue > 1e-3
    # Neighbours know nothing of one another.
    both = (children[:, :, 1:] < 2.0) & (children[:, :, :-1] < 2.0)
    if rate == 1.0:
        assert abs(np.corrcoef(children[:, :, 1:][both], children[:, :, :-1][both])[0, 1]) < 0.005


def as_elsewhere(key, change_key, genome, rate, max_changes, change):
    """In the place of the CPU's formulation: that of a GPU or TPU."""
    return mutation.side_by_side(key, genome, rate, change)


@pytest.mark.parametrize(
    ("mutate", "dtype"),
    [
        (mutation.polynomial, np.float32),
        (mutation.gaussian, np.float32),
        *(
            (mutate, dtype)
            for mutate in (mutation.reset, mutation.bit_flip)
            for dtype in (np.float32, np.uint8)
        ),
    ],
)
def test_the_contract_holds_elsewhere_too(mutate, dtype, monkeypatch):
    monkeypatch.setattr(mutation, "few_changed", as_elsewhere)
    genomes = (np.random.default_rng(0).random((40, 9, 12, 3)) < 0.5).astype(dtype)
    settings = {mutation.polynomial: {"eta": 15.0}, mutation.gaussian: {"sigma": 0.1}}.get(mutate, {})

    @jax.jit
    def mutate_all(keys, rate):
        one = partial(mutate, rate=rate, max_changes=324, **settings)
        return jax.vmap(one)(keys, genomes)

    def mutated(rate):
        return np.asarray(mutate_all(keys(7, 40), rate))

    children = mutated(0.3)
    assert (children.shape, children.dtype) == (genomes.shape, dtype)
    assert ((children >= 0) & (children <= 1)).all()
    np.testing.assert_array_equal(mutated(0.0), genomes)
    # Half of the fair bits, and of the steps from a bound, are as before.
    changed = {mutation.bit_flip: 1.0, mutation.reset: 0.5 if dtype == np.uint8 else 1.0}.get(mutate, 0.5)
    assert np.mean(mutated(1.0) != genomes) == pytest.approx(changed, abs=0.02)
    assert np.mean(children != genomes) == pytest.approx(0.3 * changed, abs=0.02)


@pytest.mark.release
@pytest.mark.parametrize("mutate", [mutation.polynomial, mutation.gaussian, mutation.reset])
def test_both_formulations_have_one_distribution(mutate, monkeypatch):
    """A mutation as a GPU or TPU has it beside that of a CPU, here on a CPU."""
    genome, settings = jnp.full((30, 30, 1), 0.5), {"rate": 0.1, "max_changes": 200}
    settings |= {mutation.polynomial: {"eta": 15.0}, mutation.gaussian: {"sigma": 0.1}}.get(mutate, {})

    def changed():
        mutated = jax.jit(jax.vmap(lambda key: mutate(key, genome, **settings)))(keys(5, 200))
        return np.asarray(mutated)[np.asarray(mutated) != 0.5]

    on_a_cpu = changed()
    monkeypatch.setattr(mutation, "few_changed", as_elsewhere)
    elsewhere = changed()
    assert not np.array_equal(on_a_cpu[:100], elsewhere[:100])
    assert len(elsewhere) == pytest.approx(18_000, rel=0.05)
    test: Any = stats.ks_2samp(on_a_cpu, elsewhere)
    assert test.pvalue > 1e-3


@pytest.mark.parametrize("rate", [0.0, 1e-9, 0.003, 0.1, 0.5, 0.97, 1.0])
def test_positions_are_a_coin_for_every_gene(rate):
    size, draws = 200, 4000
    positions = np.asarray(MANY_POSITIONS(keys(1, draws), size, rate, size))
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
    assert changed.sum(1).max() <= mutation.max_changes(size, rate)


@pytest.mark.release
def test_positions_are_the_same_whichever_way_they_are_summed(monkeypatch):
    def drawn():
        of_each = jax.vmap(lambda key, rate: mutation.changed_positions(key, 784, rate, 133), (0, None))
        return jax.jit(jax.vmap(of_each, (None, 0)))(keys(3, 50), np.array([0.0, 0.01, 0.1, 1.0], np.float32))

    by_product = drawn()
    monkeypatch.setattr(mutation, "FEW", 0)
    np.testing.assert_array_equal(by_product, drawn())


def test_small_rates_are_met():
    rate, size, draws = 4e-8, 2**23, 4000
    positions = np.asarray(MANY_POSITIONS(keys(2, draws), size, rate, 8))
    assert (positions < size).sum() == pytest.approx(
        rate * size * draws, rel=5 / np.sqrt(rate * size * draws)
    )
    # Where so few change, they are spread evenly over the genome.
    quarters, _ = np.histogram(positions[positions < size], bins=4, range=(0, size))
    assert np.abs(quarters - rate * size * draws / 4).max() < 5 * np.sqrt(rate * size * draws / 4)


def test_positions_do_not_overflow_in_large_images():
    size = 224 * 224 * 3
    assert np.min(POSITIONS(jax.random.key(0), size, 0.0, 15_756)) >= size
    np.testing.assert_array_equal(POSITIONS(jax.random.key(0), size, 1.0, size), np.arange(size))


@pytest.mark.release
def test_every_gene_of_a_very_large_image_has_its_turn():
    """Float32 counts whole numbers to 2**24; beyond it, it has the even ones only."""
    size = 2**25
    positions = np.asarray(MANY_POSITIONS(keys(0, 100), size, 100 / size, 160))
    beyond = positions[(positions >= size / 2) & (positions < size)]
    assert len(beyond) == pytest.approx(100 * 50, abs=5 * np.sqrt(100 * 50))
    assert np.mean(beyond % 2) == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(len(beyond)))
    assert (np.diff(positions) > 0).all()


def test_more_genes_than_can_be_counted_are_refused():
    for build in (
        lambda: mutation.max_changes(2**30, 0.1),
        lambda: mutation.changed_positions(jax.random.key(0), 2**30, 0.1, 8),
    ):
        with pytest.raises(
            InputError, match=r"at most 1,073,741,822 genes; got 1,073,741,824. Choose a smaller"
        ):
            build()


def test_rate_may_be_traced():
    genome = np.full((28, 28, 1), 0.5, np.float32)
    child = jax.jit(jax.vmap(partial(mutation.polynomial, eta=15.0, max_changes=133), in_axes=(0, None)))
    rated = jax.jit(lambda rate: child(keys(0, 200), genome, rate=jnp.full(200, rate)))
    assert np.mean(np.asarray(rated(0.1)) != genome) == pytest.approx(0.1, rel=0.03)
    assert np.mean(np.asarray(rated(0.05)) != genome) == pytest.approx(0.05, rel=0.05)


def test_most_changes():
    assert mutation.max_changes(784, 0.1) == 133
    assert mutation.max_changes(784, 0.0) == 4
    assert mutation.max_changes(784, 1.0) == 784
    assert mutation.max_changes(3, 0.5) == 3
    for rate in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match="mutation rate must be between 0 and 1"):
            mutation.max_changes(784, rate)


@pytest.mark.parametrize(
    ("eta", "deviation"), [(15.0, 0.0808), pytest.param(5.0, 0.189, marks=pytest.mark.release)]
)
def test_polynomial_step_has_the_published_distribution(eta, deviation):
    genome = np.full((100, 100, 1), 0.5, np.float32)
    child = POLYNOMIAL(jax.random.key(0), genome, rate=1.0, eta=eta, max_changes=10_000)
    step = np.asarray(child - genome).ravel()
    # The closed form of E[(1 - v^(1/n))^2] for a uniform v; clipping at 0.5 takes next to nothing off it.
    n = eta + 1
    assert np.sqrt(1 - 2 * n / (n + 1) + n / (n + 2)) == pytest.approx(deviation, abs=1e-3)
    assert step.std() == pytest.approx(deviation, rel=0.05)
    assert step.mean() == pytest.approx(0, abs=5 * deviation / 100)
    # The share of steps below the u-quantile is u, in both halves.
    for u in (0.05, 0.2, 0.4, 0.6, 0.8, 0.95):
        quantile = (2 * u) ** (1 / n) - 1 if u < 0.5 else 1 - (2 * (1 - u)) ** (1 / n)
        assert (step < quantile).mean() == pytest.approx(u, abs=5 * 0.5 / 100)


def test_gaussian_step_is_normal():
    genome = np.full((100, 100, 1), 0.5, np.float32)
    child = GAUSSIAN(jax.random.key(0), genome, rate=1.0, sigma=0.05, max_changes=10_000)
    step = np.asarray(child - genome).ravel()
    assert step.std() == pytest.approx(0.05, rel=0.04)
    assert (np.abs(step) < 0.05).mean() == pytest.approx(0.6827, abs=5 * 0.5 / 100)


def test_reset_is_uniform_and_fair():
    pixels = RESET(jax.random.key(0), np.zeros((100, 100, 1), np.float32), rate=1.0, max_changes=10_000)
    shares, _ = np.histogram(pixels, bins=10, range=(0, 1))
    assert np.abs(shares - 1000).max() < 5 * np.sqrt(900)
    bits = RESET(jax.random.key(0), np.zeros((100, 100, 1), np.uint8), rate=1.0, max_changes=10_000)
    assert np.mean(bits) == pytest.approx(0.5, abs=5 * 0.5 / 100)


@QUICK
@given(seed=seeds, rate=st.floats(0, 1))
def test_bit_flip_negates_what_it_changes(seed, rate):
    genome = numbered((6, 7, 2))
    child = np.asarray(BIT_FLIP(jax.random.key(seed), genome, rate=rate, max_changes=84))
    assert ((child == genome) | (child == 1 - genome)).all()


@QUICK
@given(seed=seeds, shape=shapes)
def test_block_flip_negates_one_square(seed, shape):
    block = min(3, shape[0])
    genome = (numbered(shape) < 0.5).astype(np.uint8)
    flipped = np.asarray(BLOCK_FLIP(jax.random.key(seed), genome, block=block)) != genome
    rows, columns = np.nonzero(flipped.any((1, 2)))[0], np.nonzero(flipped.any((0, 2)))[0]
    np.testing.assert_array_equal(rows, np.arange(rows[0], rows[0] + block))
    np.testing.assert_array_equal(columns, np.arange(columns[0], columns[0] + block))
    assert flipped.sum() == shape[2] * block * block


def test_block_flip_reaches_every_place():
    genome = np.zeros((4, 5, 1), np.uint8)
    children = jax.jit(jax.vmap(partial(mutation.block_flip, block=3), in_axes=(0, None)))(
        keys(0, 2000), genome
    )
    places, counts = np.unique(np.asarray(children).reshape(2000, -1), axis=0, return_counts=True)
    assert len(places) == 2 * 3
    assert np.abs(counts - 2000 / 6).max() < 5 * np.sqrt(2000 / 6)


def test_block_must_fit():
    genome = np.zeros((8, 12, 1), np.float32)
    with pytest.raises(InputError, match="9 x 9 pixels does not fit into an image of 8 x 12"):
        mutation.block_flip(jax.random.key(0), genome, block=9)
    with pytest.raises(InputError, match="Choose a side from 1 to 8"):
        mutation.block_flip(jax.random.key(0), genome, block=0)


@QUICK
@given(seed=seeds, shape=shapes)
def test_swap_exchanges_two_pixels(seed, shape):
    before = numbered(shape).reshape(-1, shape[2])
    after = np.asarray(SWAP(jax.random.key(seed), numbered(shape))).reshape(-1, shape[2])
    first, second = np.nonzero((before != after).any(1))[0]
    np.testing.assert_array_equal(after[[first, second]], before[[second, first]])


@QUICK
@given(seed=seeds, shape=shapes)
def test_inversion_reverses_one_stretch(seed, shape):
    before = numbered(shape).reshape(-1, shape[2])
    after = np.asarray(INVERSION(jax.random.key(seed), numbered(shape))).reshape(-1, shape[2])
    moved = np.nonzero((before != after).any(1))[0]
    start, end = (moved[0], moved[-1] + 1) if len(moved) else (0, 1)
    np.testing.assert_array_equal(after[start:end], before[start:end][::-1])


@pytest.mark.parametrize("operator", [SWAP, INVERSION], ids=["swap", "inversion"])
def test_an_image_of_one_pixel_stays(operator):
    genome = np.full((1, 1, 3), 0.3, np.float32)
    np.testing.assert_array_equal(operator(jax.random.key(0), genome), genome)


def test_random_cuts_are_all_alike():
    cuts = jax.jit(jax.vmap(partial(mutation.random_cuts, length=3)))(keys(0, 6000))
    pairs, counts = np.unique(np.stack(cuts), axis=1, return_counts=True)
    np.testing.assert_array_equal(pairs.T, [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]])
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(1000)
