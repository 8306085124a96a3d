"""Compositional pattern-producing networks: an image as a function of where a pixel is.

Source: Stanley 2007 (Compositional pattern producing networks), in the form of Nguyen, Yosinski and Clune
2015: each pixel's x, y, distance from the centre and a bias of 1 go in; a grey value, or hue, lightness and
saturation, come out. What is shown is the magnitude of an output.
"""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from qdfool.genomes.cppn.evaluation import evaluate
from qdfool.genomes.cppn.gradient import evaluate_differentiably
from qdfool.genomes.cppn.graph import Graph
from qdfool.types import Array, Encoding, Genome, Image, Key

INPUTS = ("x", "y", "distance", "bias")
OUTPUTS = {1: ("grey",), 3: ("hue", "lightness", "saturation")}
"""By the channels of the image."""
Coordinates = Literal["normalised", "pixels"]


def cppn(
    image_shape: tuple[int, int, int],
    *,
    nodes: int,
    connections: int,
    weight_range: float,
    activations: tuple[int, ...],
    coordinates: Coordinates,
    finish: Callable[[Array], Array] = lambda shown: shown,
) -> Encoding:
    """CPPNs as genomes: `qdfool.genomes.cppn.graph.Graph`, 4 inputs and an output per channel.

    A random one has no hidden nodes: every input is connected to every output, weights uniform.

    Args:
        image_shape: (H, W, C), C = 1 or 3.
        nodes: N, slots for nodes, inputs and outputs included.
        connections: E, slots for connections.
        weight_range: weights are drawn within plus and minus this.
        activations: numbers in `ACTIVATIONS` that a node may have.
        coordinates: x and y in [-1, 1], or "pixels": from 0 in steps of 1, as in the paper's program. The
            distance is that of x and y in [-1, 1] from the centre in both.
        finish: what is done to every value last, such as rounding to the levels of a PNG. Done here, it is
            part of the same compiled loop wherever an image is decoded, and gives the same bits.
    """
    inputs, outputs = len(INPUTS), image_shape[2]
    first = inputs * outputs
    points = _points(image_shape, coordinates)

    def initialise(key: Key) -> Genome:
        weight_key, activation_key = jax.random.split(key)
        drawn = jax.random.randint(activation_key, (nodes,), 0, len(activations))
        slot = np.arange(connections)
        return Graph(
            activation=jnp.array(activations, jnp.int32)[drawn],
            alive=jnp.arange(nodes) < inputs + outputs,
            source=jnp.array(np.where(slot < first, slot % inputs, 0), jnp.int32),
            target=jnp.array(np.where(slot < first, inputs + slot // inputs % outputs, inputs), jnp.int32),
            weight=jax.random.uniform(
                weight_key, (connections,), jnp.float32, minval=-weight_range, maxval=weight_range
            ),
            present=jnp.arange(connections) < first,
            refused=jnp.int32(0),
        )

    def show(values: Array) -> Array:
        shown = jnp.abs(values)
        return finish(shown if outputs == 1 else rgb_of_hls(shown))

    def decode(genome: Genome) -> Image:
        return evaluate(genome, points, outputs, show).reshape(image_shape)

    def decode_onto(genome: Genome, canvas: Image) -> Image:
        return evaluate(genome, points, outputs, show, canvas.reshape(-1, outputs)).reshape(image_shape)

    def differentiable(genome: Genome) -> Image:
        return evaluate_differentiably(genome, points, outputs, show).reshape(image_shape)

    def project(genome: Genome) -> Genome:
        return genome._replace(weight=jnp.clip(genome.weight, -weight_range, weight_range))

    return Encoding(
        "cppn",
        initialise,
        decode,
        differentiable=differentiable,
        project=project,
        # Of one channel XLA lays images out in two ways, and would copy them from one to the other, there and back.
        decode_onto=None if outputs == 1 else decode_onto,
    )


def rgb_of_hls(hls: Array) -> Array:
    """Hue, lightness and saturation [3, P] in [0, 1] to red, green and blue [3, P] in [0, 1]."""
    hue, lightness, saturation = hls
    reach = saturation * jnp.minimum(lightness, 1.0 - lightness)

    def channel(offset: float) -> Array:
        turn = offset + 12.0 * hue
        turn = jnp.where(turn >= 12.0, turn - 12.0, turn)  # a remainder is several times slower on the CPU
        return lightness - reach * jnp.clip(jnp.minimum(turn - 3.0, 9.0 - turn), -1.0, 1.0)

    return jnp.stack([channel(0.0), channel(8.0), channel(4.0)])


def _points(image_shape: tuple[int, int, int], coordinates: Coordinates) -> Array:
    """[4, H W] what each pixel puts in."""
    height, width, _ = image_shape
    down, across = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    distance = np.hypot(down, across)
    if coordinates == "pixels":
        down, across = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    points = [across, down, distance, np.ones_like(distance)]
    return jnp.array(np.stack(points).reshape(4, -1), jnp.float32)
