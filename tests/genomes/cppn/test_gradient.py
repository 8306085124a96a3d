"""Gradients by the weights of CPPNs against finite differences, of a plain Python walk and of the evaluation."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from plain_cppn import FUNCTIONS, encoding, grown, plain, unbatched

from qdfool.genomes.cppn import evaluation, gradient
from qdfool.genomes.cppn.encoding import rgb_of_hls
from qdfool.genomes.levels import round_to_levels

MANY = 20
POINTS = np.random.default_rng(0).uniform(-1, 1, (4, 12))
FORMULATIONS = {"in turn": gradient.gradients_in_turn, "side by side": gradient.gradients_side_by_side}
STEP = 1e-5


def in_float64():
    """A context; JAX 0.7 has it among its experiments."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    return importlib.import_module("jax.experimental").enable_x64()


def differentiable(one):
    """The decoding that has a gradient."""
    assert one.differentiable is not None
    return one.differentiable


def gentle(outputs):
    """Networks in float64, of weights for which finite differences mean something."""
    graphs = grown(3, outputs, 40, MANY)
    return graphs._replace(weight=np.asarray(graphs.weight, np.float64) / 4)


def by_finite_differences(graph, outputs, cotangent):
    """By slot, of every connection: of the plain walk in Python's own float64."""
    walk, found = plain(graph, outputs), {}
    for slot in np.flatnonzero(graph.present):
        pair = int(graph.source[slot]), int(graph.target[slot])
        weight, sums = walk.weight[pair], []
        for change in (STEP, -STEP):
            walk.weight[pair] = weight + change
            values = [[value for value, _ in walk.evaluate(point)] for point in POINTS.T]
            sums.append(np.sum(np.transpose(values) * cotangent))
        walk.weight[pair] = weight
        found[slot] = (sums[0] - sums[1]) / (2 * STEP)
    return found


@pytest.mark.parametrize("outputs", [1, pytest.param(3, marks=pytest.mark.release)])
@pytest.mark.parametrize("name", [pytest.param("in turn", marks=pytest.mark.release), "side by side"])
def test_gradients_are_those_of_finite_differences(name, outputs, monkeypatch):
    monkeypatch.setattr(evaluation, "LONGEST_PIECE", 6)
    graphs = gentle(outputs)
    assert set(np.asarray(graphs.activation)[np.asarray(graphs.alive)]) == set(range(len(FUNCTIONS)))
    cotangents = np.random.default_rng(1).normal(size=(MANY, outputs, 12))
    with in_float64():
        found = np.asarray(
            FORMULATIONS[name](
                jax.tree.map(jnp.asarray, graphs),
                jnp.asarray(cotangents),
                jnp.asarray(POINTS),
                outputs,
                jnp.asarray,
            )
        )
    assert found.dtype == np.float64
    moving = 0
    for index in range(MANY):
        graph = unbatched(graphs, index)
        expected = by_finite_differences(graph, outputs, cotangents[index])
        for slot in range(len(graph.weight)):
            if slot in expected:
                assert found[index, slot] == pytest.approx(expected[slot], rel=1e-3, abs=1e-4)
                moving += abs(expected[slot]) > 0.01
            else:
                assert found[index, slot] == 0.0
    assert moving > 4 * MANY


@pytest.mark.parametrize("outputs", [pytest.param(1, marks=pytest.mark.release), 3])
def test_what_is_shown_has_the_derivative_of_finite_differences(outputs):
    """Grey and colour, through `evaluate_differentiably` as a whole."""

    def show(values):
        return jnp.abs(values) if outputs == 1 else rgb_of_hls(jnp.abs(values))

    graphs = gentle(outputs)
    with in_float64():
        points = jnp.asarray(POINTS)
        graphs = jax.tree.map(jnp.asarray, graphs)

        def shown(weight):
            return jax.vmap(lambda graph: gradient.evaluate_differentiably(graph, points, outputs, show))(
                graphs._replace(weight=weight)
            )

        check_grads(jax.jit(shown), (graphs.weight,), order=1, modes=["rev"], rtol=1e-3)


@pytest.mark.parametrize("outputs", [1, pytest.param(3, marks=pytest.mark.release)])
def test_images_are_those_of_the_decoding_and_rounding_is_gone_straight_through(outputs):
    rounded, exact = encoding((6, 6, outputs), finish=round_to_levels), encoding((6, 6, outputs))
    graphs = jax.tree.map(jnp.asarray, grown(5, outputs, 20, MANY))
    factor = jnp.asarray(np.random.default_rng(2).normal(size=(MANY, 6, 6, outputs)), jnp.float32)

    def total(one):
        return lambda weight: jnp.sum(factor * jax.vmap(differentiable(one))(graphs._replace(weight=weight)))

    images = [jax.jit(jax.vmap(f))(graphs) for f in (rounded.decode, differentiable(rounded), exact.decode)]
    np.testing.assert_array_equal(images[0], images[1])
    assert (images[0] != images[2]).any()
    gradients = [np.asarray(jax.jit(jax.grad(total(one)))(graphs.weight)) for one in (rounded, exact)]
    np.testing.assert_array_equal(gradients[0], gradients[1])
    assert (gradients[0] != 0).any(axis=1).mean() > 0.8
    assert (gradients[0][~np.asarray(graphs.present)] == 0).all()


@pytest.mark.slow
def test_one_and_many_have_the_same_gradient():
    decode = differentiable(encoding((5, 4, 3)))
    graphs = jax.tree.map(jnp.asarray, grown(7, 3, 10, 3))

    def of(graph):
        return jax.grad(lambda weight: decode(graph._replace(weight=weight)).sum())(graph.weight)

    many, of_one = np.asarray(jax.jit(jax.vmap(of))(graphs)), jax.jit(of)
    for index in range(3):
        alone = of_one(jax.tree.map(lambda leaf, i=index: leaf[i], graphs))
        np.testing.assert_allclose(alone, many[index], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "number"), [(name, n) for n, name in enumerate(evaluation.ACTIVATIONS)])
def test_slopes(name, number):
    assert list(gradient.SLOPES) == list(evaluation.ACTIVATIONS)
    x = np.concatenate([np.linspace(-20.01, 20, 4001), [-900.0, -90.0, 90.0, 900.0]])
    found = np.asarray(gradient.FUNCTIONS[number](x.astype(np.float32))[1])
    function = FUNCTIONS[number]
    expected = [(function(float(value) + STEP) - function(float(value) - STEP)) / (2 * STEP) for value in x]
    np.testing.assert_allclose(found, expected, atol=2e-5)
    far = jnp.array([1e19, -1e19, 3e38, -3e38], jnp.float32)
    assert np.isfinite(gradient.FUNCTIONS[number](far)[1]).all()


def test_a_gradient_beyond_float32_is_none():
    """A chain of seven sines, each of a weight of a million: the slopes multiply."""
    steep = encoding((4, 4, 1), nodes=12, connections=12, weight_range=1e6)
    graph = jax.jit(steep.initialise)(jax.random.key(0))
    source, target = [0, *range(5, 12)], [*range(5, 12), 4]
    graph = graph._replace(
        activation=jnp.zeros(12, jnp.int32),
        alive=jnp.ones(12, bool),
        source=jnp.array(source + [0] * 4, jnp.int32),
        target=jnp.array(target + [4] * 4, jnp.int32),
        weight=jnp.full(12, 9e5),
        present=jnp.arange(12) < 8,
    )
    decode = differentiable(steep)
    found = jax.jit(jax.grad(lambda weight: decode(graph._replace(weight=weight)).sum()))(graph.weight)
    assert np.isfinite(found).all()
    assert (np.asarray(found) == 0).any()
    assert (np.asarray(found) != 0).any()


def test_weights_that_were_moved_out_of_their_range_are_brought_back():
    one = encoding((4, 4, 1))
    graph = jax.jit(one.initialise)(jax.random.key(0))
    moved = one.project(graph._replace(weight=graph.weight * 100))
    np.testing.assert_array_equal(moved.weight, np.clip(np.asarray(graph.weight) * 100, -10, 10))
    assert abs(np.asarray(moved.weight)).max() == 10
