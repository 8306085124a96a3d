"""Direct encoding in grey or colour: a gene per pixel and channel (Nguyen et al. 2015, section 2.3)."""

from collections.abc import Callable

import jax.numpy as jnp

from qdfool.types import Encoding, Genome, Image, Key


def pixels(initial: Callable[[Key], Image]) -> Encoding:
    """Genomes [H, W, C] float32 in [0, 1]; a genome is its image."""

    def decode(genome: Genome) -> Image:
        return genome

    def encode(image: Image) -> Genome:
        return image

    def project(genome: Genome) -> Genome:
        return jnp.clip(genome, 0.0, 1.0)

    return Encoding("pixels", initial, decode, differentiable=decode, encode=encode, project=project)
