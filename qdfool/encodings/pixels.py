"""Direct encoding in grey or colour: a gene per pixel and channel (Nguyen et al. 2015, section 2.3)."""

import jax

from qdfool.types import Encoding, Genome, Image, Key


def pixels(image_shape: tuple[int, int, int]) -> Encoding:
    """Genomes [H, W, C] float32 in [0, 1]; a genome is its image. A random one is uniform noise."""

    def initialise(key: Key) -> Genome:
        return jax.random.uniform(key, image_shape)

    def decode(genome: Genome) -> Image:
        return genome

    return Encoding("pixels", initialise, decode)
