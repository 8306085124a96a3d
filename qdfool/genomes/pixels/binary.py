"""Direct encoding in black and white: a bit per pixel and channel."""

from collections.abc import Callable

import jax.numpy as jnp

from qdfool.types import Encoding, Genome, Image, Key


def binary(initial: Callable[[Key], Image]) -> Encoding:
    """Genomes [H, W, C] uint8 in {0, 1}: black and white. A random one is an initial image, split at 0.5."""

    def encode(image: Image) -> Genome:
        return (image > 0.5).astype(jnp.uint8)

    def initialise(key: Key) -> Genome:
        return encode(initial(key))

    def decode(genome: Genome) -> Image:
        return genome.astype(jnp.float32)

    return Encoding("binary", initialise, decode, encode=encode)
