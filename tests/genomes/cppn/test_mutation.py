"""Mutations of CPPNs against plain Python sets and searches, over thousands of random networks."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_cppn import FOUR, INPUTS, PROBABILITIES, RANGE, encoding, mutation, plain, unbatched

from qdfool.genomes.cppn import mutation as cppn

MANY = 100
SEEDS = st.integers(0, 2**31 - 1)
FEW_EXAMPLES = settings(max_examples=5, deadline=None)


def compiled(operator, **given):
    """An operator for many networks, compiled once."""
    return jax.jit(jax.vmap(partial(operator, **given)))


CONNECT = {
    outputs: compiled(cppn.connect, weight_range=RANGE, inputs=INPUTS, outputs=outputs) for outputs in (1, 3)
}
DISCONNECT = compiled(cppn.disconnect)
SPLIT = compiled(cppn.split, activations=FOUR)
REMOVE = compiled(cppn.remove, fixed=INPUTS + 3)
ALL = {outputs: mutation(outputs, **PROBABILITIES) for outputs in (1, 3)}


START = {outputs: jax.jit(jax.vmap(encoding((4, 4, outputs)).initialise)) for outputs in (1, 3)}


def grown(seed, outputs, generations):
    """Random networks [MANY] after so many mutations."""
    start_key, *keys = jax.random.split(jax.random.key(seed), generations + 1)
    graphs = START[outputs](jax.random.split(start_key, MANY))
    for key in keys:
        graphs = ALL[outputs](jax.random.split(key, MANY), graphs)
    return graphs


def both(seed, outputs, generations, change):
    """Pairs of plain networks before and after a change."""
    before = grown(seed, outputs, generations)
    keys = jax.random.split(jax.random.key(seed + 1), MANY)
    after = change(keys, before)
    for index in range(MANY):
        yield plain(unbatched(before, index), outputs), plain(unbatched(after, index), outputs)


@given(SEEDS, st.sampled_from([1, 3]), st.integers(0, 40))
@FEW_EXAMPLES
def test_networks_stay_feed_forward_after_every_mutation(seed, outputs, generations):
    graphs = grown(seed, outputs, generations)
    for index in range(MANY):
        graph = plain(unbatched(graphs, index), outputs)
        graph.check()
        assert all(abs(weight) <= RANGE for weight in graph.weight.values())
        assert set(graph.activation.values()) <= set(FOUR)


def test_a_random_network_connects_every_input_to_every_output():
    graphs = grown(0, 3, 0)
    for index in range(MANY):
        graph = plain(unbatched(graphs, index), 3)
        assert set(graph.weight) == {(i, o) for i in range(INPUTS) for o in range(INPUTS, INPUTS + 3)}
        assert not graph.hidden()
        assert graph.refused == 0
    weights = np.asarray(graphs.weight)[np.asarray(graphs.present)]
    assert weights.min() < -0.95 * RANGE
    assert weights.max() > 0.95 * RANGE
    assert abs(weights.mean()) < 1


@pytest.mark.release
@given(SEEDS, st.sampled_from([1, 3]), st.integers(0, 30))
@FEW_EXAMPLES
def test_connect_adds_one_open_pair(seed, outputs, generations):
    for before, after in both(seed, outputs, generations, CONNECT[outputs]):
        added = set(after.weight) - set(before.weight)
        if before.open_pairs() and len(before.weight) < 48:
            assert len(added) == 1
            assert added <= before.open_pairs()
            assert abs(after.weight.pop(added.pop())) <= RANGE
            assert after == before
        elif before.open_pairs():
            assert after.refused == before.refused + 1
            assert after.weight == before.weight
        else:
            assert after == before


@given(SEEDS, st.integers(0, 30))
@FEW_EXAMPLES
def test_disconnect_takes_one_away(seed, generations):
    for before, after in both(seed, 1, generations, DISCONNECT):
        gone = set(before.weight) - set(after.weight)
        assert len(gone) == min(1, len(before.weight))
        for pair in gone:
            del before.weight[pair]
        assert after == before


@given(SEEDS, st.integers(0, 30))
@FEW_EXAMPLES
def test_split_puts_a_neuron_into_a_connection(seed, generations):
    for before, after in both(seed, 3, generations, SPLIT):
        if not before.weight:
            assert after == before
        elif len(before.activation) + INPUTS == 24 or len(before.weight) == 48:
            assert after.refused == before.refused + 1
            assert after.weight == before.weight
        else:
            (neuron,) = set(after.activation) - set(before.activation)
            (gone,) = set(before.weight) - set(after.weight)
            weight = before.weight.pop(gone)
            assert after.weight.pop((gone[0], neuron)) == weight
            assert after.weight.pop((neuron, gone[1])) == weight
            assert after.activation.pop(neuron) in FOUR
            assert after == before


@given(SEEDS, st.integers(0, 30))
@FEW_EXAMPLES
def test_remove_takes_a_hidden_neuron_and_what_hangs_on_it(seed, generations):
    for before, after in both(seed, 3, generations, REMOVE):
        gone = set(before.activation) - set(after.activation)
        assert gone <= before.hidden()
        assert len(gone) == min(1, len(before.hidden()))
        for neuron in gone:
            del before.activation[neuron]
            before.weight = {pair: w for pair, w in before.weight.items() if neuron not in pair}
        assert after == before


@pytest.mark.release
@pytest.mark.parametrize(
    "caps",
    [
        {"nodes": 8, "connections": 48},
        pytest.param({"nodes": 24, "connections": 14}, marks=pytest.mark.slow),
    ],
)
def test_what_finds_no_slot_is_counted(caps):
    """Growth alone, against a cap: every attempt either grows the network or is counted."""
    grow = mutation(3, add_neuron=1.0)
    graphs = jax.vmap(encoding((4, 4, 3), **caps).initialise)(jax.random.split(jax.random.key(0), 20))
    for generation in range(6):
        graphs = grow(jax.random.split(jax.random.key(generation), 20), graphs)
    room = min(caps["nodes"] - 7, caps["connections"] - 12)
    assert (np.asarray(graphs.alive).sum(axis=1) == 7 + room).all()
    assert (np.asarray(graphs.refused) == 6 - room).all()


@pytest.mark.parametrize(
    "name",
    [
        "add_connection",
        *(
            pytest.param(name, marks=pytest.mark.release)
            for name in ("delete_connection", "add_neuron", "delete_neuron")
        ),
    ],
)
@pytest.mark.parametrize("probability", [0.3, pytest.param(1.0, marks=pytest.mark.release)])
def test_structural_mutations_happen_as_often_as_they_should(name, probability):
    graphs = grown(1, 3, 12)
    possible = np.ones(MANY, bool)
    for index in range(MANY):
        graph = plain(unbatched(graphs, index), 3)
        if name == "add_connection":
            possible[index] = bool(graph.open_pairs()) and len(graph.weight) < 48
        elif name == "delete_neuron":
            possible[index] = bool(graph.hidden())
    assert possible.mean() > 0.5
    change = mutation(3, **{name: probability})
    happened = tried = 0
    for number in range(20):
        after = change(jax.random.split(jax.random.key(number), MANY), graphs)
        changed = jnp.any(after.present != graphs.present, 1) | jnp.any(after.alive != graphs.alive, 1)
        changed = np.asarray(changed)
        assert not changed[~possible].any()
        happened, tried = happened + changed[possible].sum(), tried + possible.sum()
    assert abs(happened - tried * probability) <= 5 * np.sqrt(tried * probability * (1 - probability))


@pytest.mark.parametrize("probability", [0.1, pytest.param(0.5, marks=pytest.mark.release)])
def test_weights_and_activations_change_as_often_as_they_should(probability):
    graphs = grown(2, 3, 12)
    keys = jax.random.split(jax.random.key(5), MANY)
    stepped = mutation(3, rate=probability)(keys, graphs)
    present = np.asarray(graphs.present)
    moved = (np.asarray(stepped.weight) != np.asarray(graphs.weight)) & present
    count = present.sum()
    # A step of a weight at the end of its range may be cut to nothing: a few per cent at most.
    assert abs(moved.sum() - count * probability) <= 5 * np.sqrt(count * probability) + 0.03 * count
    assert (np.asarray(stepped.weight) == np.asarray(graphs.weight))[~present].all()
    for name in ("activation", "alive", "source", "target", "present", "refused"):
        np.testing.assert_array_equal(getattr(stepped, name), getattr(graphs, name))

    redrawn = mutation(3, activation_rate=probability)(keys, graphs)
    changed = np.asarray(redrawn.activation) != np.asarray(graphs.activation)
    expected = probability * 3 / 4  # a fourth of the draws come out as they were
    bound = 5 * np.sqrt(changed.size * expected * (1 - expected))
    assert abs(changed.sum() - changed.size * expected) <= bound
    for name in ("weight", "alive", "source", "target", "present", "refused"):
        np.testing.assert_array_equal(getattr(redrawn, name), getattr(graphs, name))


def test_a_weight_steps_as_far_as_the_polynomial_says():
    """The standard deviation of eta 15 is about 0.081 of the range, which is 20 here."""
    graphs = grown(3, 3, 0)
    graphs = graphs._replace(weight=graphs.weight * 0)
    stepped = mutation(3, rate=1.0)(jax.random.split(jax.random.key(0), MANY), graphs)
    steps = np.asarray(stepped.weight)[np.asarray(graphs.present)]
    assert abs(steps.mean()) < 0.2
    np.testing.assert_allclose(steps.std(), 0.081 * 20, rtol=0.1)


@pytest.mark.release
def test_every_open_pair_has_the_same_chance():
    graph = jax.tree.map(lambda leaf: leaf[0], grown(4, 1, 25))
    pairs = sorted(plain(unbatched(jax.tree.map(lambda a: a[None], graph), 0), 1).open_pairs())
    assert len(pairs) > 4
    keys = jax.random.split(jax.random.key(0), 400 * len(pairs))
    change = partial(cppn.connect, graph=graph, weight_range=RANGE, inputs=INPUTS, outputs=1)
    slot = int(np.argmin(np.asarray(graph.present)))
    after = jax.jit(jax.vmap(lambda key: (lambda g: (g.source[slot], g.target[slot]))(change(key))))(keys)
    drawn = list(zip(*map(np.asarray, after), strict=True))
    counts = np.array([sum(pair == one for one in drawn) for pair in pairs])
    assert counts.sum() == len(keys)
    assert (abs(counts - 400) < 5 * np.sqrt(400)).all()
