"""The gradient of what a network shows by its weights; its structure stays as it is.

JAX cannot go back through the loops of the evaluation, whose lengths are known only while they run. So the way back
is written here (Werbos 1974; Rumelhart, Hinton and Williams 1986): what is shown is differentiated by the outputs,
and what reaches a node, the last one first, is handed to its connections and to the nodes that they come from.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from qdfool.genomes.cppn.evaluation import (
    ACTIVATIONS,
    CONNECTIONS_A_STEP,
    Program,
    Show,
    activated,
    evaluate,
    pieces_of,
    programs,
    several_at_once,
    sine,
)
from qdfool.genomes.cppn.graph import Graph
from qdfool.together import together
from qdfool.types import Array

SLOPES: dict[str, Callable[[Array, Array], Array]] = {
    "sine": lambda x, y: sine(x + 0.5 * jnp.pi),
    "sigmoid": lambda x, y: 0.5 * (1.0 - y * y),
    "gaussian": lambda x, y: -2.0 * (x * y),
    "linear": lambda x, y: jnp.where(jnp.abs(x) < 3.0, 1.0 / 3.0, 0.0).astype(y.dtype),
    "tanh": lambda x, y: 1.0 - y * y,
}
"""Derivatives of the activation functions at x, where their value is y: finite wherever x is."""
Buffers = tuple[Array, Array, Array]
"""Of every node its value, its activation's slope there, and its adjoint: by how much what is asked for changes
with the value."""


def _with_slope(name: str, total: Array) -> tuple[Array, Array]:
    value = ACTIVATIONS[name][1](total)
    return value, SLOPES[name](total, value)


FUNCTIONS = [partial(_with_slope, name) for name in ACTIVATIONS]
"""From the sum that reaches a node to its value and slope."""


def evaluate_differentiably(graph: Graph, points: Array, outputs: int, show: Show) -> Array:
    """`evaluate`, [P, O], with a derivative in reverse by the weights [E].

    That is 0 in slots that are free or that no output depends on, and where float32 does not hold it.
    """

    @jax.custom_vjp
    def shown(weight: Array, graph: Graph) -> Array:
        return evaluate(graph._replace(weight=weight), points, outputs, show)

    def forward(weight: Array, graph: Graph) -> tuple[Array, Graph]:
        return shown(weight, graph), graph._replace(weight=weight)

    def backward(graph: Graph, cotangent: Array) -> tuple[Array, None]:
        def gradients(many: tuple[Graph, Array]) -> Array:
            cpu, other = (
                partial(formulation, points=points, outputs=outputs, show=show)
                for formulation in (gradients_in_turn, gradients_side_by_side)
            )
            return jax.lax.platform_dependent(*many, cpu=cpu, default=other)

        gradient = together(gradients)((graph, cotangent.T))
        return jnp.where(jnp.isfinite(gradient), gradient, 0.0), None

    shown.defvjp(forward, backward)
    return shown(graph.weight, graph)


def gradients_in_turn(graphs: Graph, cotangents: Array, points: Array, outputs: int, show: Show) -> Array:
    """Gradients [B, E] by the weights, of the sum of what is shown times `cotangents` [B, O, P]: the CPU's formulation.

    As `qdfool.genomes.cppn.evaluation.in_turn`, live nodes and connections alone, there and back; but a network has all
    its pieces before the next one.
    """
    inputs, _ = points.shape
    pieces = pieces_of(points)
    count, _, piece = pieces.shape
    is_output = slice(inputs, inputs + outputs)

    def network(buffers: Buffers, work: tuple[Program, Array, Array]) -> tuple[Buffers, Array]:
        (order, length, source, weight, begin, slot), activation, cotangents = work

        def node(position: Array, buffers: Buffers) -> Buffers:
            values, slopes, adjoints = buffers

            def product(index: Array) -> Array:
                return weight[index] * values[source[index]]

            chosen, group = order[position], (begin[position], begin[position + 1])
            value, slope = activated(FUNCTIONS, activation[chosen], *group, product, piece)
            return values.at[chosen].set(value), slopes.at[chosen].set(slope), adjoints.at[chosen].set(0.0)

        def back(number: Array, carry: tuple[Buffers, Array]) -> tuple[Buffers, Array]:
            (values, slopes, adjoints), gradient = carry
            position = length - 1 - number

            def connection(index: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
                reached, adjoints, gradient = carry
                giver = source[index]
                gradient = gradient.at[slot[index]].add(jnp.vdot(reached, values[giver]))
                return reached, adjoints.at[giver].set(adjoints[giver] + weight[index] * reached), gradient

            # Carried, so that it is computed before the adjoints change: otherwise XLA copies them all, every time.
            reached = adjoints[order[position]] * slopes[order[position]]
            _, adjoints, gradient = jax.lax.fori_loop(
                begin[position], begin[position + 1], connection, (reached, adjoints, gradient)
            )
            return (values, slopes, adjoints), gradient

        def at(carry: tuple[Buffers, Array], here: tuple[Array, Array]) -> tuple[tuple[Buffers, Array], None]:
            (values, slopes, adjoints), gradient = carry
            points, cotangent = here
            buffers = values.at[:inputs].set(points), slopes, adjoints.at[:inputs].set(0.0)
            values, slopes, adjoints = jax.lax.fori_loop(0, length, node, buffers)
            _, of_outputs = jax.vjp(show, values[is_output])
            adjoints = adjoints.at[is_output].set(*of_outputs(cotangent))
            return jax.lax.fori_loop(0, length, back, ((values, slopes, adjoints), gradient)), None

        (buffers, gradient), _ = jax.lax.scan(at, (buffers, jnp.zeros_like(weight)), (pieces, cotangents))
        return buffers, gradient

    buffer = jnp.zeros((graphs.alive.shape[1], piece), points.dtype)
    by_piece = cotangents.reshape(-1, outputs, count, piece).swapaxes(1, 2)
    work = programs(graphs, inputs, outputs), graphs.activation, by_piece
    _, gradients = jax.lax.scan(network, (buffer, buffer, buffer), work)
    return gradients


def gradients_side_by_side(
    graphs: Graph, cotangents: Array, points: Array, outputs: int, show: Show
) -> Array:
    """Gradients [B, E] by the weights, of the sum of what is shown times `cotangents` [B, O, P]: for a GPU or TPU.

    As `qdfool.genomes.cppn.evaluation.side_by_side`, all networks at once; backward a connection at a time.
    """
    inputs, size = points.shape
    batch, nodes = graphs.alive.shape
    row = jnp.arange(batch)
    order, length, source, weight, begin, slot = programs(graphs, inputs, outputs)
    fan_in = jnp.where(jnp.arange(nodes) < length[:, None], jnp.diff(begin), 0)
    is_output = slice(inputs, inputs + outputs)

    def connection_of(position: Array, number: Array) -> tuple[Array, Array, Array]:
        """Slot, source and weight [B] of a connection to the node at a place; none and 0 past its last."""
        index = jnp.minimum(begin[:, position] + number, source.shape[1] - 1)
        there = number < fan_in[:, position]
        return (
            jnp.where(there, slot[row, index], slot.shape[1]),
            source[row, index],
            jnp.where(there, weight[row, index], 0.0),
        )

    def node(position: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        values, slopes = carry

        def connection(number: Array, total: Array) -> Array:
            _, giver, factor = connection_of(position, number)
            return total + factor[:, None] * values[row, giver]

        most = fan_in[:, position].max()
        total = several_at_once(most, CONNECTIONS_A_STEP, connection, jnp.zeros((batch, size), points.dtype))
        which = graphs.activation[row, order[:, position]][:, None]
        found = [function(total) for function in FUNCTIONS]
        value, slope = (
            jnp.select([which == number for number in range(len(found))], part)
            for part in zip(*found, strict=True)
        )
        # Past its last node a network is done; what it has is needed on the way back.
        chosen = jnp.where(position < length, order[:, position], nodes)
        return (
            values.at[row, chosen].set(value, mode="drop"),
            slopes.at[row, chosen].set(slope, mode="drop"),
        )

    def back(step: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        position = length.max() - 1 - step
        chosen = order[:, position]
        reached = carry[0][row, chosen] * slopes[row, chosen]

        def connection(number: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
            adjoints, gradient = carry
            its_slot, giver, factor = connection_of(position, number)
            product = jnp.sum(reached * values[row, giver], axis=1)
            gradient = gradient.at[row, its_slot].add(product, mode="drop")
            return adjoints.at[row, giver].add(factor[:, None] * reached), gradient

        return jax.lax.fori_loop(0, fan_in[:, position].max(), connection, carry)

    values = jnp.zeros((batch, nodes, size), points.dtype).at[:, :inputs].set(points)
    values, slopes = jax.lax.fori_loop(
        0, length.max(), node, (values, jnp.zeros((batch, nodes, size), points.dtype))
    )
    _, of_outputs = jax.vjp(jax.vmap(show), values[:, is_output])
    adjoints = jnp.zeros((batch, nodes, size), points.dtype).at[:, is_output].set(*of_outputs(cotangents))
    _, gradients = jax.lax.fori_loop(0, length.max(), back, (adjoints, jnp.zeros(source.shape, points.dtype)))
    return gradients
