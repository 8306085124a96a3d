"""Operators on lists of black pixels, against sets of Python, and left to drift."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdfool.genomes.black_pixels import operators as black_pixels
from qdfool.genomes.pixels.mutation import max_changes

HEIGHT, WIDTH, SLOTS = 5, 7, 8
FREE = HEIGHT * WIDTH
SIZE = {"height": HEIGHT, "width": WIDTH}
CROSSOVERS = {
    name: partial(getattr(black_pixels, name), **SIZE)
    for name in ("rectangle_swap", "alternating_columns", "single_point")
}
BY_AREA = ("rectangle_swap", "alternating_columns")
# Compiled once.
COMPILED = {name: jax.jit(operator) for name, operator in CROSSOVERS.items()}
MANY = {name: jax.jit(jax.vmap(operator)) for name, operator in CROSSOVERS.items()}
REDRAW = jax.jit(
    jax.vmap(
        lambda key, genome, rate: black_pixels.redraw(key, genome, rate=rate, max_changes=SLOTS, **SIZE),
        in_axes=(0, 0, None),
    )
)

QUICK = settings(max_examples=50, deadline=None)
seeds = st.integers(0, 2**32 - 1)


@st.composite
def lists(draw):
    """A list with its pixels in any slots."""
    pixels = draw(st.lists(st.integers(0, FREE - 1), unique=True, max_size=SLOTS))
    return np.array(draw(st.permutations(pixels + [FREE] * (SLOTS - len(pixels)))), np.int32)


def pixels(genome):
    found = [int(entry) for entry in genome if entry != FREE]
    assert len(set(found)) == len(found)
    assert all(0 <= entry < FREE for entry in found)
    return set(found)


def keys(seed, number):
    return jax.random.split(jax.random.key(seed), number)


def random_lists(seed, number, most=SLOTS, height=HEIGHT, width=WIDTH):
    """[number, SLOTS], of 0 to `most` pixels each."""
    generator = np.random.default_rng(seed)
    made = np.full((number, SLOTS), height * width, np.int32)
    for row in made:
        count = generator.integers(0, most + 1)
        row[generator.permutation(SLOTS)[:count]] = generator.permutation(height * width)[:count]
    return made


@pytest.mark.parametrize("name", [*CROSSOVERS, "redraw"])
def test_contract(name):
    first, second = random_lists(0, 60), random_lists(1, 60)

    def vary(seeded, first, second):
        return np.asarray(
            REDRAW(seeded, first, 0.2) if name == "redraw" else MANY[name](seeded, first, second)
        )

    children = vary(keys(7, 60), first, second)
    assert children.shape == first.shape
    assert children.dtype == np.int32
    for child in children:
        pixels(child)
    assert (children != first).any()
    assert (vary(keys(8, 60), first, second) != children).any()
    # A child depends on its own key and parents, whatever its place in the batch.
    np.testing.assert_array_equal(vary(keys(7, 60)[::-1], first[::-1], second[::-1]), children[::-1])


@pytest.mark.parametrize("name", CROSSOVERS)
@QUICK
@given(seed=seeds, parent=lists())
def test_identical_parents_have_the_same_child(name, seed, parent):
    child = np.asarray(COMPILED[name](jax.random.key(seed), parent, parent))
    assert pixels(child) == pixels(parent)


@pytest.mark.parametrize("name", BY_AREA)
@QUICK
@given(seed=seeds, first=lists(), second=lists())
def test_crossovers_by_area_join_sets(name, seed, first, second):
    key = jax.random.key(seed)
    # Which pixels are taken from the second parent, asked of the operator with one pixel at a time.
    empty = np.full((FREE, SLOTS), FREE, np.int32)
    single = empty.copy()
    single[:, 0] = np.arange(FREE)
    spread = jnp.broadcast_to(key, (FREE,))
    area = {n for n, child in enumerate(np.asarray(MANY[name](spread, empty, single))) if pixels(child)}

    child = np.asarray(COMPILED[name](key, first, second))
    expected = (pixels(first) - area) | (pixels(second) & area)
    if len(expected) <= SLOTS:
        assert pixels(child) == expected
    else:
        assert pixels(child) < expected
        assert pixels(first) - area <= pixels(child)
        assert len(pixels(child)) == SLOTS
    numbers = np.array(sorted(area))
    if name == "alternating_columns":
        assert area == {n for n in range(FREE) if n % WIDTH % 2 == numbers[0] % WIDTH % 2}
    else:
        rows, columns = np.unique(numbers // WIDTH), np.unique(numbers % WIDTH)
        assert len(area) == len(rows) * len(columns)
        assert len(rows) == rows[-1] - rows[0] + 1
        assert len(columns) == columns[-1] - columns[0] + 1


def test_areas_are_those_of_the_image_crossovers():
    """Every rectangle is as likely as `random_cuts` makes it; either half of the columns comes up."""
    whole = np.arange(6, dtype=np.int32)
    nothing = np.full(6, 6, np.int32)
    for name, areas in (("rectangle_swap", 3 * 6), ("alternating_columns", 2)):
        operator = partial(getattr(black_pixels, name), height=2, width=3)
        children = jax.jit(jax.vmap(operator, in_axes=(0, None, None)))(keys(0, 1000), nothing, whole)
        assert len({frozenset(row[row < 6].tolist()) for row in np.asarray(children)}) == areas


@QUICK
@given(seed=seeds, first=lists(), second=lists())
def test_single_point_cuts_what_the_parents_do_not_share(seed, first, second):
    child = pixels(np.asarray(COMPILED["single_point"](jax.random.key(seed), first, second)))
    shared = pixels(first) & pixels(second)
    own = [[entry for entry in parent if entry != FREE and entry not in shared] for parent in (first, second)]
    candidates = []
    for cut in np.linspace(0.0, 1.0, 200, endpoint=False):
        kept = [
            {entry for place, entry in enumerate(entries) if ((place + 0.5) / len(entries) < cut) == before}
            for entries, before in zip(own, (True, False), strict=True)
        ]
        candidates.append(shared | kept[0] | kept[1])
    assert child in candidates


@pytest.mark.release
def test_single_point_takes_each_pixel_from_either_parent():
    """Parents change roles by chance: a pixel that one of them has comes over with an even chance, all alike."""
    first, second = np.full((2, SLOTS), FREE, np.int32)
    first[:6], second[:3] = [0, 1, 2, 3, 4, 5], [5, 30, 31]
    mate = jax.jit(jax.vmap(CROSSOVERS["single_point"], in_axes=(0, None, None)))
    children = np.concatenate([mate(keys(0, 4000), first, second), mate(keys(1, 4000), second, first)])
    counts = np.bincount(children.ravel(), minlength=FREE + 1)
    assert counts[5] == 8000
    assert np.abs(counts[[0, 1, 2, 3, 4, 30, 31]] - 4000).max() < 5 * np.sqrt(8000) / 2


def test_redraw_draws_slots_at_its_rate():
    parents = np.tile(np.array([0, 1, 2, 3, FREE, FREE, FREE, FREE], np.int32), (20000, 1))
    children = np.asarray(REDRAW(keys(0, 20000), parents, 0.1))
    lost = (children[:, :4] == FREE).mean(axis=0)
    # Half of the slots drawn anew become free; of the others a few meet a pixel that is there already.
    np.testing.assert_allclose(lost, 0.05, atol=0.05 * 8 / FREE + 5 * np.sqrt(0.05 / 20000))
    gained = children[:, 4:][children[:, 4:] != FREE]
    expected = 20000 * 4 * 0.05 / FREE
    counts = np.bincount(gained, minlength=FREE)
    assert np.abs(counts[4:] - expected).max() < 5 * np.sqrt(expected)


@pytest.mark.parametrize(("rate", "share"), [(0.0, 0.0), (1.0, 1.0)])
def test_redraw_of_none_and_of_all(rate, share):
    parents = random_lists(0, 500)
    children = np.asarray(REDRAW(keys(0, 500), parents, rate))
    assert (children == parents).all() == (share == 0.0)
    if share:
        counts = [len(pixels(child)) for child in children]
        assert np.mean(counts) == pytest.approx(SLOTS / 2, abs=0.6)


def test_redraw_keeps_out_of_the_margin():
    operator = partial(black_pixels.redraw, rate=1.0, max_changes=SLOTS, height=8, width=12)
    empty = jnp.full((1000, SLOTS), 96, jnp.int32)
    for margin, rows, columns in ((0.25, range(2, 6), range(3, 9)), (0.45, range(3, 5), range(5, 7))):
        # A margin may be traced, so that it can be lifted in the middle of a run.
        mutate = jax.jit(jax.vmap(lambda key, genome, m: operator(key, genome, margin=m), (0, 0, None)))
        found = np.unique(np.asarray(mutate(keys(0, 1000), empty, margin)))
        allowed = [row * 12 + column for row in rows for column in columns]
        np.testing.assert_array_equal(found, [*allowed, 96])


@pytest.mark.release
@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["rectangle_swap"], marks=pytest.mark.slow, id="rectangle_swap"),
        pytest.param(list(CROSSOVERS), id="all"),
    ],
)
def test_ink_drifts_to_no_place(names):
    """With random fitness the ink of many independent populations is uniform, at the edge as in the middle."""
    height = width = 6
    populations, size, generations, rate = 400, 5, 20, 0.1
    operators = [partial(getattr(black_pixels, each), height=height, width=width) for each in names]
    mutate = partial(
        black_pixels.redraw, rate=rate, max_changes=max_changes(SLOTS, rate), height=height, width=width
    )

    def child(key, first, second):
        which, cross, change = jax.random.split(key, 3)
        chosen = jax.random.randint(which, (), 0, len(operators))
        return mutate(change, jax.lax.switch(chosen, operators, cross, first, second))

    def generation(number, state):
        key, population = state
        parents, vary = jax.random.split(jax.random.fold_in(key, number))
        chosen = jax.random.randint(parents, (2, size), 0, size)
        first, second = population[chosen[0]], population[chosen[1]]
        return key, jax.vmap(child)(jax.random.split(vary, size), first, second)

    def drift(key):
        start, later = jax.random.split(key)
        population = jnp.full((size, SLOTS), height * width, jnp.int32)
        first = jax.random.randint(start, (size,), 0, height * width)
        population = population.at[:, 0].set(first)
        _, population = jax.lax.fori_loop(0, generations, generation, (later, population))
        return jnp.zeros(height * width).at[population.reshape(-1)].add(1.0, mode="drop")

    ink = np.asarray(jax.jit(jax.vmap(drift))(keys(0, populations)), np.float64)
    assert ink.sum(axis=1).mean() > size * 1.5
    share = ink - ink.sum(axis=1, keepdims=True) / (height * width)
    # Populations are independent; what is in one population is not.
    spread = share.std(axis=0, ddof=1) / np.sqrt(populations)
    assert (np.abs(share.mean(axis=0)) < 5 * spread).all()
    ring = np.ones((height, width), bool)
    ring[1:-1, 1:-1] = False
    at_edge = share[:, ring.ravel()].sum(axis=1)
    assert abs(at_edge.mean()) < 4 * at_edge.std(ddof=1) / np.sqrt(populations)
