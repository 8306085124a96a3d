"""A feed-forward network of varying shape in arrays of fixed size: the genome of a CPPN.

Node n is an input for n < I, an output for I <= n < I + O, and a slot for a hidden node above that. Slots of
hidden nodes and of connections may be free; a free slot's other fields mean nothing. N and E are the caps: no
array grows, so that nothing is compiled anew when a network does.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from qdfool.together import together
from qdfool.types import Array

WORD = 32
"""Bits of a word."""


class Graph(NamedTuple):
    """One network; with a leading axis where many are meant. It has no cycles, and no two connections alike."""

    activation: Array
    """[N] int32, the node's activation function; of no meaning for an input."""
    alive: Array
    """[N] bool, whether the node is there; always true of inputs and outputs."""
    source: Array
    """[E] int32, the node that the connection comes from: never an output."""
    target: Array
    """[E] int32, the node that it goes to: never an input."""
    weight: Array
    """[E] float32."""
    present: Array
    """[E] bool, whether the connection is there."""
    refused: Array
    """[] int32, how often in its line of descent a connection or node found no free slot."""


def adjacency(graph: Graph) -> Array:
    """[N, N] bool: whether a connection leads from the first node to the second."""
    nodes = graph.alive.shape[0]
    source = jnp.where(graph.present, graph.source, nodes)
    return jnp.zeros((nodes, nodes), bool).at[source, graph.target].set(True, mode="drop")


def reachability(connected: Array) -> Array:
    """[N, N] bool: whether a path of one connection or more leads from the first node to the second."""

    def reachable(connected: Array) -> Array:
        return jax.lax.platform_dependent(connected, cpu=node_by_node, default=by_squaring)

    return together(reachable)(connected)


def node_by_node(connected: Array) -> Array:
    """`reachability` of many, [B, N, N]: the CPU's formulation.

    Warshall's algorithm (1962, A theorem on Boolean matrices), a step for each node that paths may pass. Rows are
    of bits: of bytes, they took a third of the time that a generation of small images takes on a CPU.
    """
    batch, nodes, _ = connected.shape
    bit = jnp.arange(WORD, dtype=jnp.uint32)
    padded = jnp.pad(connected, ((0, 0), (0, 0), (0, -nodes % WORD))).reshape(batch, nodes, -1, WORD)
    words = (padded.astype(jnp.uint32) << bit).sum(axis=3, dtype=jnp.uint32)

    def through(node: Array, reach: Array) -> Array:
        reaches_node = (reach[:, :, node // WORD] >> (node % WORD).astype(reach.dtype)) & 1
        return reach | jnp.where(reaches_node[:, :, None] == 1, reach[:, node, None], jnp.uint32(0))

    # Slots are taken in order, so the last ones are free in most networks.
    passed = (connected.any(axis=1) & connected.any(axis=2)).any(axis=0)
    end = jnp.max(jnp.where(passed, jnp.arange(nodes) + 1, 0))
    words = jax.lax.fori_loop(0, end, through, words)
    return ((words[..., None] >> bit) & 1).astype(bool).reshape(batch, nodes, -1)[..., :nodes]


def by_squaring(connected: Array) -> Array:
    """`reachability` of many, [B, N, N]: the formulation for a GPU or TPU.

    The Boolean square of a matrix has the paths of up to twice the length. A few squares, and no loop of as many turns
    as there are nodes, each of which waits for the host on a GPU. No path needs more connections than there are nodes.
    """
    paths = connected.astype(jnp.float32)
    for _ in range(math.ceil(math.log2(connected.shape[1]))):
        # Sums of nothing but zeros and ones are above 0 in any precision if one of them is.
        paths = jnp.where((paths > 0.0) | (paths @ paths > 0.0), 1.0, 0.0)
    return paths > 0.0
