"""A CPPN in plain Python: a dict of nodes, a dict of connections, and the evaluation that the words describe."""

import colorsys
import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import numpy as np

from qdfool.genomes.cppn.encoding import cppn
from qdfool.genomes.cppn.mutation import mutate

INPUTS = 4
RANGE = 10.0
FOUR = (0, 1, 2, 3)
PROBABILITIES = {
    "rate": 0.1,
    "activation_rate": 0.1,
    "add_connection": 0.5,
    "delete_connection": 0.3,
    "add_neuron": 0.5,
    "delete_neuron": 0.2,
}
FUNCTIONS = (
    math.sin,
    lambda x: 2 / (1 + math.exp(-x)) - 1 if x > -700 else -1.0,
    lambda x: math.exp(-x * x) if abs(x) < 25 else 0.0,
    lambda x: max(-3.0, min(3.0, x)) / 3,
    math.tanh,
)


@dataclass
class Plain:
    """What the arrays of a `Graph` mean."""

    outputs: int
    activation: dict[int, int]
    """By node, inputs left out."""
    weight: dict[tuple[int, int], float] = field(default_factory=dict)
    """By source and target."""
    refused: int = 0

    def sources(self, node):
        return [source for source, target in self.weight if target == node]

    def reached(self, start):
        """The nodes that a way of one connection or more leads to."""
        seen, ahead = set(), [start]
        while ahead:
            here = ahead.pop()
            for source, target in self.weight:
                if source == here and target not in seen:
                    seen.add(target)
                    ahead.append(target)
        return seen

    def hidden(self):
        return {node for node in self.activation if node >= INPUTS + self.outputs}

    def open_pairs(self):
        gives = set(range(INPUTS)) | self.hidden()
        reached = {node: self.reached(node) for node in self.activation}
        return {
            (source, target)
            for source in gives
            for target in self.activation
            if source != target and (source, target) not in self.weight and source not in reached[target]
        }

    def check(self):
        """Fails if it is no feed-forward network."""
        nodes = set(range(INPUTS)) | set(self.activation)
        for source, target in self.weight:
            assert source in nodes
            assert target in nodes
            assert target >= INPUTS, "an input takes nothing"
            assert not INPUTS <= source < INPUTS + self.outputs, "an output gives nothing"
        assert not any(node in self.reached(node) for node in nodes), "a cycle"

    def evaluate(self, point):
        """The outputs at a point, and how far float32 may be from each: every activation has a slope of at
        most 1, so errors grow by the weights alone."""
        found = {node: (float(value), 0.0) for node, value in enumerate(point)}

        def value(node):
            if node not in found:
                terms = [(self.weight[source, node], *value(source)) for source in self.sources(node)]
                total = math.fsum(weight * given for weight, given, _ in terms)
                size = sum(abs(weight * given) for weight, given, _ in terms)
                # A sum of n products rounds n times; sine loses what its argument has in whole turns.
                error = sum(abs(weight) * bound for weight, _, bound in terms)
                error += 2**-23 * (len(terms) + 2) * (size + 1)
                found[node] = (FUNCTIONS[self.activation[node]](total), error + 1e-6)
            return found[node]

        return [value(INPUTS + output) for output in range(self.outputs)]


def plain(graph, outputs):
    """A `Graph` of NumPy arrays as a `Plain`."""
    result = Plain(
        outputs,
        {int(node): int(graph.activation[node]) for node in np.flatnonzero(graph.alive) if node >= INPUTS},
        refused=int(graph.refused),
    )
    for slot in np.flatnonzero(graph.present):
        pair = int(graph.source[slot]), int(graph.target[slot])
        assert pair not in result.weight, "two connections alike"
        result.weight[pair] = float(graph.weight[slot])
    return result


def rgb_of_hls(hue, lightness, saturation):
    """The standard library's."""
    return colorsys.hls_to_rgb(hue, lightness, saturation)


def encoding(image_shape, nodes=24, connections=48, **settings: Any):
    """A CPPN encoding with the usual settings."""
    usual = {"weight_range": RANGE, "activations": FOUR, "coordinates": "normalised"}
    return cppn(image_shape, nodes=nodes, connections=connections, **{**usual, **settings})


def mutation(outputs, **probabilities):
    """The whole mutation, jitted for many; what is not named never happens."""
    given = {**dict.fromkeys(PROBABILITIES, 0.0), **probabilities}
    one = partial(
        mutate, eta=15.0, weight_range=RANGE, activations=FOUR, inputs=INPUTS, outputs=outputs, **given
    )
    return jax.jit(jax.vmap(one))


def unbatched(graphs, index):
    """One of many, as NumPy arrays."""
    return jax.tree.map(lambda leaf: np.asarray(leaf)[index], graphs)


START = {outputs: jax.jit(jax.vmap(encoding((4, 4, outputs)).initialise)) for outputs in (1, 3)}
MUTATE = {outputs: mutation(outputs, **PROBABILITIES) for outputs in (1, 3)}


def grown(seed, outputs, generations, many):
    """Networks that mutated so often. Not only of the usual four: each also has nodes that are tanh."""
    start_key, *keys = jax.random.split(jax.random.key(seed), generations + 1)
    graphs = START[outputs](jax.random.split(start_key, many))
    for key in keys:
        graphs = MUTATE[outputs](jax.random.split(key, many), graphs)
    return graphs._replace(
        activation=np.where(np.arange(24) % 5 == 4, 4, np.asarray(graphs.activation)).astype(np.int32)
    )
