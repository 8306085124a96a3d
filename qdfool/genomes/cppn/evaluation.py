"""What a network shows at every point: its nodes one after the other, each from those before it."""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from qdfool.genomes.cppn.graph import Graph, adjacency, reachability
from qdfool.together import together
from qdfool.types import Array

CONNECTIONS_A_STEP = 8
"""Connections of a node that a GPU or TPU takes in one pass over memory: most nodes have fewer."""
STEPS_A_TURN = 4
"""Steps in a turn of the loop where a batch has at most `FEW_POINTS`, as one of digits has: there a step is shorter
than what a GPU waits between two turns."""
FEW_POINTS = 1 << 20
FEW_CONNECTIONS = 2
"""The most connections of a node that a CPU sums and activates in one operation: most nodes have no more."""
LONGEST_PIECE = 25_088
"""Points that the CPU's formulation takes at once: half an image of 224 x 224, 64 rows of which are some megabytes."""


def sine(x: Array) -> Array:
    """sin x, to 1e-6 for |x| below a thousand, and within [-1, 1] for every x.

    XLA's own on the CPU is computed one number at a time. This one takes off whole turns, folds what is left
    into a quarter, and sums the odd Taylor series there.
    """
    turns = jnp.round(x * (0.5 / np.pi))
    # 2 pi in two parts, the first with few digits: its multiples are exact.
    x = (x - turns * 6.28125) - turns * 1.9353071795864769e-3
    x = jnp.where(jnp.abs(x) > np.pi / 2, jnp.sign(x) * np.pi - x, x)
    square = x * x
    series = 1.0 / 362880 - square * (1.0 / 39916800)
    for coefficient in (-1.0 / 5040, 1.0 / 120, -1.0 / 6, 1.0):
        series = coefficient + square * series
    return jnp.clip(x * series, -1.0, 1.0)


ACTIVATIONS: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "sine": ("sin x", sine),
    "sigmoid": ("2 / (1 + exp(-x)) - 1", lambda x: 2.0 / (1.0 + jnp.exp(-x)) - 1.0),
    "gaussian": ("exp(-x^2)", lambda x: jnp.exp(-jnp.square(x))),
    "linear": ("x, clipped to [-3, 3], / 3", lambda x: jnp.clip(x, -3.0, 3.0) * (1.0 / 3.0)),
    "tanh": ("tanh x", jnp.tanh),
}
"""Activation functions; a node holds the number of its own in this order."""


Carry = TypeVar("Carry")
Activated = TypeVar("Activated")
Show = Callable[[Array], Array]
"""From outputs [O, P] to what is shown of them, [O, P]."""


def evaluate(graph: Graph, points: Array, outputs: int, show: Show, canvas: Array | None = None) -> Array:
    """What is shown of the outputs of a network at points [I, P]: [P, O], as an image has its channels.

    Nodes are computed one after the other, each from those before it, and only those that an output depends
    on. A node without incoming connections has the activation of 0. Under `vmap` the networks of a batch are
    computed in the formulation that suits the platform that the program is compiled for.

    A canvas [P, O] is memory to write to on a CPU, whose values are needed no more: without one, that is cleared first.
    """

    def shown(work: tuple[Graph, Array | None]) -> Array:
        return jax.lax.platform_dependent(
            *work,
            cpu=lambda graphs, canvases: in_turn(graphs, points, outputs, show, canvases),
            default=lambda graphs, _: side_by_side(graphs, points, outputs, show),
        )

    return together(shown)((graph, canvas))


def in_turn(graphs: Graph, points: Array, outputs: int, show: Show, canvases: Array | None = None) -> Array:
    """What is shown of the outputs of networks at points [I, P], [B, P, O], written over canvases of that shape: the
    CPU's formulation.

    One network comes after the other, and each costs what it is: as many steps as it has live nodes, of each node
    only its own connections and activation. All this is for a piece of the points at a time, so that the values of all
    nodes stay in the cache. The inputs of a piece are written once for all networks, and what is shown of it where it
    stays: in large images a pass over memory takes as long as some connections.
    """
    inputs, size = points.shape
    pieces = jnp.asarray(pieces_of(points))
    piece = pieces.shape[2]
    functions = [function for _, function in ACTIVATIONS.values()]
    batch, nodes = graphs.alive.shape
    order, length, source, weight, begin, _ = programs(graphs, inputs, outputs)

    def network(place: Array, number: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        def node(position: Array, values: Array) -> Array:
            def product(index: Array) -> Array:
                return weight[number, index] * values[source[number, index]]

            chosen, group = order[number, position], (begin[number, position], begin[number, position + 1])
            value = activated(functions, graphs.activation[number, chosen], *group, product, piece)
            return jax.lax.dynamic_update_index_in_dim(values, value, chosen, axis=0)

        values, found = carry
        values = jax.lax.fori_loop(0, length[number], node, values)
        seen = show(values[inputs : inputs + outputs]).T
        return values, jax.lax.dynamic_update_slice(found, seen[None], (number, place * piece, 0))

    def at(place: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        values, found = carry
        carry = values.at[:inputs].set(pieces[place]), found
        return jax.lax.fori_loop(0, batch, partial(network, place), carry)

    # The values are carried from network to network: to clear them would cost as much as a network.
    found = jnp.zeros((batch, size, outputs), points.dtype) if canvases is None else canvases
    return jax.lax.fori_loop(0, pieces.shape[0], at, (jnp.zeros((nodes, piece), points.dtype), found))[1]


def activated(
    functions: Sequence[Callable[[Array], Activated]],
    activation: Array,
    begin: Array,
    end: Array,
    product: Callable[[Array], Array],
    points: int,
) -> Activated:
    """What a node's activation function makes of the sum of its connections: the CPU's formulation.

    An operation costs about a microsecond there, however little it does. So each function has a branch of its own for
    no connections, for one and for two, in which XLA makes one operation of the sum and the function; more connections
    are added in a loop.

    Args:
        functions: the activation functions.
        activation: [] int32, which of them.
        begin: [] int32, the first connection.
        end: [] int32, the one after the last.
        product: of a connection, [] int32, its weight times the values of its source, [P].
        points: P.
    """

    def added(index: Array, so_far: Array) -> Array:
        # LLVM makes one operation, which rounds once, of a sum and its first product: so the new one stands first, and
        # rounding is the same in a branch and in a loop.
        return product(index) + so_far

    dtype = jax.eval_shape(product, begin).dtype

    def total(connections: int) -> Array:
        return reduce(
            lambda so_far, number: added(begin + number, so_far),
            range(connections),
            jnp.zeros(points, dtype),
        )

    def total_of_many() -> Array:
        return jax.lax.fori_loop(begin + FEW_CONNECTIONS, end, added, total(FEW_CONNECTIONS))

    totals = [*(partial(total, connections) for connections in range(FEW_CONNECTIONS + 1)), total_of_many]
    branches = [
        lambda function=function, total=total: function(total()) for function in functions for total in totals
    ]
    kind = jnp.clip(activation, 0, len(functions) - 1)
    return jax.lax.switch(kind * len(totals) + jnp.minimum(end - begin, FEW_CONNECTIONS + 1), branches)


def side_by_side(graphs: Graph, points: Array, outputs: int, show: Show) -> Array:
    """What is shown of the outputs of networks at points [I, P], [B, P, O]: the formulation for a GPU or TPU.

    All networks are computed at once. A step is a node of each, the next in its order, with `CONNECTIONS_A_STEP` of its
    connections and all activations; where any network has a node of more, another step goes on with it. A turn of a
    loop waits for the host on a GPU, so that several steps are one turn where they are short.
    """
    inputs, size = points.shape
    batch, nodes = graphs.alive.shape
    row = jnp.arange(batch)
    order, length, source, weight, begin, _ = programs(graphs, inputs, outputs)
    fan_in = jnp.where(jnp.arange(nodes) < length[:, None], jnp.diff(begin), 0)
    # Of each place in the order, that of the network with the most connections there.
    steps_of = jnp.where(
        jnp.arange(nodes) < length.max(), jnp.maximum(1, -(-fan_in.max(axis=0) // CONNECTIONS_A_STEP)), 0
    )
    ends = jnp.cumsum(steps_of)

    def step(number: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        values, total = carry
        place = jnp.minimum(jnp.sum(ends <= number), nodes - 1)
        begun = CONNECTIONS_A_STEP * (number - ends[place] + steps_of[place])
        first, there = begin[:, place], fan_in[:, place]
        total = jnp.where(begun > 0, total, 0.0)
        for offset in range(CONNECTIONS_A_STEP):
            # Past the last connection the last one again, which is at hand, and counts nothing.
            index = first + jnp.minimum(begun + offset, jnp.maximum(there, 1) - 1)
            factor = jnp.where(begun + offset < there, weight[row, index], 0.0)
            total = total + factor[:, None] * values[row, source[row, index]]
        # Past its last node, a network goes on into slots that it does not need any more: inputs, and free ones.
        chosen = order[:, place]
        which = graphs.activation[row, chosen][:, None]
        result = jnp.select(
            [which == kind for kind in range(len(ACTIVATIONS))],
            [function(total) for _, function in ACTIVATIONS.values()],
        )
        return values.at[row, chosen].set(result, unique_indices=True, indices_are_sorted=True), total

    values = jnp.zeros((batch, nodes, size), points.dtype).at[:, :inputs].set(points)
    steps = STEPS_A_TURN if batch * size <= FEW_POINTS else 1
    values, _ = several_at_once(ends[-1], steps, step, (values, jnp.zeros((batch, size), points.dtype)))
    return jax.vmap(show)(values[:, inputs : inputs + outputs]).swapaxes(1, 2)


def several_at_once(count: Array, at_once: int, turn: Callable[[Array, Carry], Carry], carry: Carry) -> Carry:
    """`jax.lax.fori_loop` from 0, so many turns at a time. Up to `at_once` - 1 of them are past `count`, and must
    change nothing that is needed."""

    def turns(begun: Array, carry: Carry) -> Carry:
        for number in range(at_once):
            carry = turn(at_once * begun + number, carry)
        return carry

    return jax.lax.fori_loop(0, -(-count // at_once), turns, carry)


class Program(NamedTuple):
    """What is to be computed of a network, in order."""

    order: Array
    """[N] int32, nodes in the order of evaluation, of which only the first `length` are needed."""
    length: Array
    """[] int32."""
    source: Array
    """[E] int32, sources of the connections, grouped by the place of their target in `order`."""
    weight: Array
    """[E] float32, their weights."""
    begin: Array
    """[N + 1] int32, where the group of each place begins, and the next one ends."""
    slot: Array
    """[E] int32, the slots that the connections have in the graph."""


def program(graph: Graph, inputs: int, outputs: int) -> Program:
    """Sorts a network's live nodes and connections for evaluation."""
    nodes, connections = graph.alive.shape[0], graph.present.shape[0]
    node, connection = jnp.arange(nodes), jnp.arange(connections)
    reach = reachability(adjacency(graph))
    is_output = (node >= inputs) & (node < inputs + outputs)
    needed = is_output | (reach[:, inputs : inputs + outputs].any(axis=1) & (node >= inputs))
    # A node has more ancestors than any of its ancestors: their number sorts the nodes.
    # Numbers that are all different, because a CPU sorts numbers several times faster than it sorts their indices.
    rank = jnp.where(needed, reach.sum(axis=0), nodes) * nodes + node
    order = (jnp.sort(rank) % nodes).astype(jnp.int32)
    place = (rank < rank[:, None]).sum(axis=1)
    group = jnp.where(graph.present & needed[graph.target], place[graph.target], nodes)
    grouped = jnp.sort(group * connections + connection) % connections
    begin = jnp.sum(group[:, None] < jnp.arange(nodes + 1), axis=0)
    return Program(order, needed.sum(), graph.source[grouped], graph.weight[grouped], begin, grouped)


def programs(graphs: Graph, inputs: int, outputs: int) -> Program:
    """`program` of many."""
    return jax.vmap(lambda graph: program(graph, inputs, outputs))(graphs)


def pieces_of(points: Array) -> Array:
    """[pieces, I, points of a piece]: the largest pieces of one size that are not above `LONGEST_PIECE`."""
    inputs, size = points.shape
    piece = max(piece for piece in range(1, min(size, LONGEST_PIECE) + 1) if size % piece == 0)
    return points.reshape(inputs, -1, piece).swapaxes(0, 1)
