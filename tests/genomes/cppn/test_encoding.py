"""Evaluation of CPPNs against a plain Python walk of the same network."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_cppn import encoding, grown, plain, rgb_of_hls, unbatched

from qdfool.genomes.cppn import evaluation
from qdfool.genomes.cppn.graph import Graph

MANY = 20
POINTS = np.random.default_rng(0).uniform(-1, 1, (4, 12)).astype(np.float32)
FORMULATIONS = {"in turn": evaluation.in_turn, "side by side": evaluation.side_by_side}


EVALUATE = {
    (name, outputs): jax.jit(lambda graphs, f=f, o=outputs: f(graphs, POINTS, o, lambda shown: shown))
    for name, f in FORMULATIONS.items()
    for outputs in (1, 3)
}


@pytest.mark.release
@pytest.mark.parametrize("name", FORMULATIONS)
@given(seed=st.integers(0, 2**31 - 1), outputs=st.sampled_from([1, 3]), generations=st.integers(0, 40))
@settings(max_examples=6, deadline=None)
def test_outputs_are_those_of_a_plain_walk(name, seed, outputs, generations):
    outputs_are_those_of_a_plain_walk(name, seed, outputs, generations)


def outputs_are_those_of_a_plain_walk(name, seed, outputs, generations):
    """Checks it, and says how far apart they might have been."""
    graphs = grown(seed, outputs, generations, MANY)
    found = np.asarray(EVALUATE[name, outputs](graphs))
    assert found.shape == (MANY, 12, outputs)
    bounds = []
    for index in range(MANY):
        graph = plain(unbatched(graphs, index), outputs)
        for number, point in enumerate(POINTS.T):
            for output, (value, bound) in enumerate(graph.evaluate(point)):
                assert abs(found[index, number, output] - value) <= bound
                bounds.append(bound)
    return bounds


@pytest.mark.parametrize("name", FORMULATIONS)
@pytest.mark.parametrize(("seed", "generations"), [(0, 0), (1, 20), (2, 40)])
def test_the_bound_of_a_plain_walk_says_something(name, seed, generations):
    """It is small for nearly all of them; of networks that are the same each time, because some have a large one."""
    bounds = outputs_are_those_of_a_plain_walk(name, seed, 1, generations)
    assert np.mean(np.array(bounds) < 0.01) > 0.7


@pytest.mark.release
@given(seed=st.integers(0, 2**31 - 1), generations=st.integers(0, 40))
@settings(max_examples=6, deadline=None)
def test_both_formulations_agree(seed, generations):
    graphs = grown(seed, 3, generations, MANY)
    found = [np.asarray(EVALUATE[name, 3](graphs)) for name in FORMULATIONS]
    np.testing.assert_allclose(found[0], found[1], atol=2e-3)
    # Two roundings of a value near 1: the products of a node are summed in other fusions, but in one order.
    assert np.mean(np.abs(found[0] - found[1]) <= 2.0**-22) > 0.9


@pytest.mark.release
@pytest.mark.parametrize("hidden", [*(pytest.param(few, marks=pytest.mark.slow) for few in (1, 10)), 11])
def test_both_formulations_agree_where_every_slot_is_needed(hidden):
    """The last nodes have more connections than are taken at once, one has none, and none is to spare."""
    inputs, output, first = 2, 2, 3
    pairs = [(node, output) for node in [0, *range(first, first + hidden)]]
    pairs += [
        (node, target) for target in range(first + 1, first + hidden) for node in [1, *range(first, target)]
    ]
    graph = full(first + hidden, pairs)._replace(
        activation=jnp.arange(first + hidden) % len(evaluation.ACTIVATIONS)
    )
    # The second has one connection less, and other weights.
    other = graph._replace(weight=-graph.weight, present=graph.present.at[0].set(hidden == 1))
    agree(jax.tree.map(lambda *leaves: jnp.stack(leaves), graph, other), inputs)


def test_both_formulations_agree_where_each_network_has_another_large_node():
    """All networks of a batch wait for the largest of their nodes."""
    inputs, hidden = 25, 16
    output, first, number = inputs, inputs + 1, np.arange(hidden)
    chain = [
        (0, first),
        *zip(first + number[:-1], first + number[1:], strict=True),
        (first + hidden - 1, output),
    ]
    graph = full(first + hidden, [*chain, *((node, first) for node in range(1, inputs))])
    places = jnp.arange(len(graph.target))
    large = jnp.where(places < len(chain), graph.target, first + number[:, None])
    agree(jax.tree.map(lambda leaf: jnp.stack([leaf] * hidden), graph)._replace(target=large), inputs)


def full(nodes, pairs):
    """A network of sines with these connections and no slot to spare."""
    source, target = np.array(pairs).T
    return Graph(
        activation=jnp.zeros(nodes, jnp.int32),
        alive=jnp.ones(nodes, bool),
        source=jnp.asarray(source),
        target=jnp.asarray(target),
        weight=jnp.asarray(np.random.default_rng(nodes).normal(size=len(pairs)), jnp.float32),
        present=jnp.ones(len(pairs), bool),
        refused=jnp.int32(0),
    )


def agree(graphs, inputs):
    """Of one output, at random points."""
    points = jnp.asarray(np.random.default_rng(0).normal(size=(inputs, 30)), jnp.float32)
    found = [
        jax.jit(lambda graphs, one=one: one(graphs, points, 1, jnp.abs))(graphs)
        for one in FORMULATIONS.values()
    ]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("outputs", [pytest.param(1, marks=pytest.mark.release), 3])
def test_an_image_is_the_magnitude_of_the_outputs(outputs):
    one = encoding((5, 7, outputs))
    graphs = jax.jit(jax.vmap(one.initialise))(jax.random.split(jax.random.key(3), 8))
    images = np.asarray(jax.jit(jax.vmap(one.decode))(graphs))
    assert images.shape == (8, 5, 7, outputs)
    for index in range(8):
        graph = plain(unbatched(graphs, index), outputs)
        for row in range(5):
            for column in range(7):
                y, x = -1 + 2 * row / 4, -1 + 2 * column / 6
                values = [abs(v) for v, _ in graph.evaluate([x, y, np.hypot(x, y), 1.0])]
                expected = values if outputs == 1 else rgb_of_hls(*values)
                np.testing.assert_allclose(images[index, row, column], expected, atol=2e-4)


def test_an_image_is_the_same_whatever_it_is_drawn_over():
    one = encoding((5, 7, 3))
    assert one.decode_onto is not None
    genomes = jax.jit(jax.vmap(one.initialise))(jax.random.split(jax.random.key(0), 3))
    canvases = jnp.array([jnp.nan, jnp.inf, 0.5])[:, None, None, None] + jnp.zeros((3, 5, 7, 3))
    over = jax.jit(jax.vmap(one.decode_onto))(genomes, canvases)
    np.testing.assert_array_equal(over, jax.jit(jax.vmap(one.decode))(genomes))


def test_a_cpu_writes_over_what_it_draws_over():
    """It neither clears memory nor copies images."""
    one = encoding((64, 64, 3))
    assert one.decode_onto is not None
    genomes = jax.eval_shape(jax.vmap(one.initialise), jax.random.split(jax.random.key(0), 128))
    canvases = jax.ShapeDtypeStruct((128, 64, 64, 3), jnp.float32)
    drawn = jax.jit(jax.vmap(one.decode_onto), donate_argnums=1).lower(genomes, canvases).compile()
    makes = set(re.findall(r"= f32\[128,\S+ ([\w-]+)\(", drawn.as_text() or ""))
    assert "dynamic-update-slice" in makes
    assert not makes & {"broadcast", "copy"}


def test_pixel_coordinates_count_from_zero():
    one = encoding((5, 7, 1), coordinates="pixels")
    genome = jax.jit(one.initialise)(jax.random.key(0))
    image = np.asarray(jax.jit(one.decode)(genome))
    graph = plain(unbatched(jax.tree.map(lambda leaf: leaf[None], genome), 0), 1)
    for row in range(5):
        for column in range(7):
            distance = np.hypot(-1 + 2 * row / 4, -1 + 2 * column / 6)
            ((value, bound),) = graph.evaluate([column, row, distance, 1.0])
            assert abs(image[row, column, 0] - abs(value)) <= bound


@pytest.mark.optimised
def test_alone_and_among_many_a_network_shows_the_same():
    one = encoding((6, 6, 3))
    graphs = jax.jit(jax.vmap(one.initialise))(jax.random.split(jax.random.key(1), 5))
    images = np.asarray(jax.vmap(one.decode)(graphs))
    for index in range(5):
        alone = one.decode(jax.tree.map(lambda leaf, i=index: leaf[i], graphs))
        np.testing.assert_allclose(alone, images[index], atol=1e-6)


def test_pieces_do_not_show(monkeypatch):
    one = encoding((8, 8, 1))
    graphs = jax.jit(jax.vmap(one.initialise))(jax.random.split(jax.random.key(1), 5))
    whole = np.asarray(jax.jit(jax.vmap(one.decode))(graphs))
    monkeypatch.setattr(evaluation, "LONGEST_PIECE", 16)
    # Traced again: JAX keeps what it has traced by the function.
    in_pieces = jax.jit(jax.vmap(lambda graph: one.decode(graph)))(graphs)
    np.testing.assert_allclose(in_pieces, whole, atol=1e-6)


@pytest.mark.parametrize(("name", "number"), [(name, n) for n, name in enumerate(evaluation.ACTIVATIONS)])
def test_activations(name, number):
    from plain_cppn import FUNCTIONS

    x = np.concatenate([np.linspace(-30, 30, 20_001), np.linspace(-900, 900, 20_001)]).astype(np.float32)
    found = np.asarray(jax.jit(evaluation.ACTIVATIONS[name][1])(x))
    expected = [FUNCTIONS[number](float(value)) for value in x]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert abs(found).max() <= 1


def test_sine_is_bounded_everywhere():
    x = jnp.array([1e4, -1e6, 1e9, 3e38, -3e38], jnp.float32)
    found = np.asarray(evaluation.sine(x))
    assert np.isfinite(found).all()
    assert abs(found).max() <= 1
