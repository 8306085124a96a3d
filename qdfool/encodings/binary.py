"""Direct encoding in black and white: a bit per pixel and channel."""

import jax
import jax.numpy as jnp

from qdfool.types import Encoding, Genome, Image, Key


def binary(image_shape: tuple[int, int, int]) -> Encoding:
    """Genomes [H, W, C] uint8 in {0, 1}: black and white. A random one is fair coin flips."""

    def initialise(key: Key) -> Genome:
        return jax.random.bernoulli(key, shape=image_shape).astype(jnp.uint8)

    def decode(genome: Genome) -> Image:
        return genome.astype(jnp.float32)

    return Encoding("binary", initialise, decode)
