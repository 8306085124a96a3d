"""Mutation of CPPNs: weights, activations and structure.

As in the program of Nguyen, Yosinski and Clune 2015: in this order, every weight may take a polynomial step,
every node may change its activation, and a connection may be added, one deleted, a neuron added by splitting a
connection, a hidden neuron deleted. Each is `(key, graph, *, settings) -> graph` for one individual and
leaves the graph free of cycles. What a full graph has no slot for is left out and counted in `refused`.
"""

import jax
import jax.numpy as jnp

from qdfool.genomes.cppn.graph import Graph, adjacency, reachability
from qdfool.genomes.tree import tree_where
from qdfool.types import Array, Key


def mutate(
    key: Key,
    graph: Graph,
    *,
    rate: Array | float,
    eta: float,
    weight_range: float,
    activation_rate: float,
    activations: tuple[int, ...],
    add_connection: float,
    delete_connection: float,
    add_neuron: float,
    delete_neuron: float,
    inputs: int,
    outputs: int,
) -> Graph:
    """All six mutations, each with its own probability.

    Args:
        key: of this one mutation.
        graph: the parent.
        rate: chance of each weight to change, may be traced.
        eta: distribution index of the polynomial step; a step is a share of the whole range of weights.
        weight_range: weights stay within plus and minus this.
        activation_rate: chance of each node to draw its activation anew.
        activations: the activation functions to draw from.
        add_connection: probability that a connection is added.
        delete_connection: probability that one is deleted.
        add_neuron: probability that a neuron is put into a connection.
        delete_neuron: probability that a hidden neuron is deleted.
        inputs: I.
        outputs: O.
    """
    weights_key, activations_key, *keys, whether_key = jax.random.split(key, 7)
    graph = step_weights(weights_key, graph, rate=rate, eta=eta, weight_range=weight_range)
    graph = redraw_activations(activations_key, graph, rate=activation_rate, activations=activations)
    structural = (
        (add_connection, lambda key, graph: connect(key, graph, weight_range, inputs, outputs)),
        (delete_connection, disconnect),
        (add_neuron, lambda key, graph: split(key, graph, activations)),
        (delete_neuron, lambda key, graph: remove(key, graph, inputs + outputs)),
    )
    chances = jax.random.uniform(whether_key, (len(structural),), jnp.float32)
    for chance, operator_key, (probability, operator) in zip(chances, keys, structural, strict=True):
        graph = tree_where(chance < probability, operator(operator_key, graph), graph)
    return graph


def step_weights(key: Key, graph: Graph, *, rate: Array | float, eta: float, weight_range: float) -> Graph:
    """Moves each weight with probability `rate` by a polynomial step of index `eta` (Deb and Goyal 1996)."""
    whether_key, step_key = jax.random.split(key)
    changed = jax.random.uniform(whether_key, graph.weight.shape, jnp.float32) < rate
    side = jax.random.uniform(step_key, graph.weight.shape, jnp.float32, minval=-1.0, maxval=1.0)
    step = jnp.sign(side) * (1.0 - (1.0 - jnp.abs(side)) ** (1.0 / (eta + 1.0)))
    moved = jnp.clip(graph.weight + 2.0 * weight_range * step, -weight_range, weight_range)
    return graph._replace(weight=jnp.where(changed & graph.present, moved, graph.weight))


def redraw_activations(key: Key, graph: Graph, *, rate: Array | float, activations: tuple[int, ...]) -> Graph:
    """Draws each node's activation anew with probability `rate`; it may come out as it was."""
    whether_key, which_key = jax.random.split(key)
    changed = jax.random.uniform(whether_key, graph.activation.shape, jnp.float32) < rate
    drawn = draw_activations(which_key, graph.activation.shape, activations)
    return graph._replace(activation=jnp.where(changed, drawn, graph.activation))


def draw_activations(key: Key, shape: tuple[int, ...], activations: tuple[int, ...]) -> Array:
    """Activations drawn uniformly from those given, int32."""
    return jnp.array(activations, jnp.int32)[jax.random.randint(key, shape, 0, len(activations))]


def connect(key: Key, graph: Graph, weight_range: float, inputs: int, outputs: int) -> Graph:
    """Adds a connection between two nodes, drawn from all pairs that it may join.

    It may come from an input or a hidden node and go to a hidden node or an output, where none is yet and
    none would close a cycle. Its weight is uniform in the range. Nothing happens where no pair is left.
    """
    pair_key, weight_key = jax.random.split(key)
    node = jnp.arange(graph.alive.shape[0])
    connected = adjacency(graph)
    reach = reachability(connected)
    may_give = graph.alive & ((node < inputs) | (node >= inputs + outputs))
    may_take = graph.alive & (node >= inputs)
    open_pairs = may_give[:, None] & may_take & ~connected & ~reach.T & (node[:, None] != node)
    each_source = open_pairs.sum(axis=1)
    number = jax.random.randint(pair_key, (), 0, jnp.maximum(each_source.sum(), 1))
    # The pair of that number, counted along the rows.
    until = jnp.cumsum(each_source)
    source = jnp.sum(until <= number)
    source = jnp.minimum(source, node.shape[0] - 1)
    target = _nth(open_pairs[source], number - (until[source] - each_source[source]))

    slot, room = jnp.argmin(graph.present), ~graph.present.all()
    weight = jax.random.uniform(weight_key, (), jnp.float32, minval=-weight_range, maxval=weight_range)
    added = graph._replace(
        source=graph.source.at[slot].set(source.astype(jnp.int32)),
        target=graph.target.at[slot].set(target),
        weight=graph.weight.at[slot].set(weight),
        present=graph.present.at[slot].set(True),
    )
    possible = each_source.sum() > 0
    return tree_where(possible & room, added, _refused(graph, possible & ~room))


def disconnect(key: Key, graph: Graph) -> Graph:
    """Deletes a connection, each with the same chance."""
    slot = _one_of(key, graph.present)
    return graph._replace(present=graph.present.at[slot].set(False))


def split(key: Key, graph: Graph, activations: tuple[int, ...]) -> Graph:
    """Puts a new neuron into a connection, each with the same chance; both halves keep its weight."""
    which_key, activation_key = jax.random.split(key)
    first = _one_of(which_key, graph.present)
    neuron, second = jnp.argmin(graph.alive), jnp.argmin(graph.present)
    possible = graph.present.any()
    room = ~graph.alive.all() & ~graph.present.all()
    added = graph._replace(
        activation=graph.activation.at[neuron].set(draw_activations(activation_key, (), activations)),
        alive=graph.alive.at[neuron].set(True),
        source=graph.source.at[second].set(neuron.astype(jnp.int32)),
        target=graph.target.at[second].set(graph.target[first]).at[first].set(neuron.astype(jnp.int32)),
        weight=graph.weight.at[second].set(graph.weight[first]),
        present=graph.present.at[second].set(True),
    )
    return tree_where(possible & room, added, _refused(graph, possible & ~room))


def remove(key: Key, graph: Graph, fixed: int) -> Graph:
    """Deletes a hidden neuron, each with the same chance, and every connection to and from it.

    Args:
        key: of this one mutation.
        graph: the parent.
        fixed: I + O, the nodes that are no hidden ones.
    """
    hidden = graph.alive & (jnp.arange(graph.alive.shape[0]) >= fixed)
    neuron = _one_of(key, hidden)
    touching = (graph.source == neuron) | (graph.target == neuron)
    removed = graph._replace(alive=graph.alive.at[neuron].set(False), present=graph.present & ~touching)
    return tree_where(hidden.any(), removed, graph)


def _one_of(key: Key, mask: Array) -> Array:
    """[] int32: an index where `mask` is true, each with the same chance; any index where it never is."""
    return _nth(mask, jax.random.randint(key, (), 0, jnp.maximum(mask.sum(), 1)))


def _nth(mask: Array, number: Array) -> Array:
    """[] int32: the index of the true value of that number, counted from 0."""
    return jnp.minimum(jnp.sum(jnp.cumsum(mask) <= number), mask.shape[0] - 1).astype(jnp.int32)


def _refused(graph: Graph, whether: Array) -> Graph:
    return graph._replace(refused=graph.refused + whether)
