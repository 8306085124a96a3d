"""Crossovers of images: two parents in, one child out.

Every crossover is `(key, first, second, *, settings) -> child` for one individual; both parents and the child
are [H, W, C], float32 in [0, 1] (pixels) or uint8 in {0, 1} (binary). Those that copy pixels take both types;
a pixel is their unit, its channels stay together. Those that calculate (`simulated_binary`, `arithmetic`,
`iso_line`) take float32 only; their unit is the gene, one channel of a pixel.
"""

import jax
import jax.numpy as jnp

from qdfool.genomes.pixels.mutation import random_cuts, random_square, rectangle
from qdfool.types import Genome, Key


def uniform(key: Key, first: Genome, second: Genome) -> Genome:
    """Takes each pixel from either parent with equal chance (Syswerda 1989, Uniform crossover in GAs)."""
    height, width, _ = first.shape
    # A fair coin is one bit: a word serves 32 pixels.
    words = jax.random.bits(key, (-(-height * width // 32), 1))
    bits = (words >> jnp.arange(32, dtype=jnp.uint32)) & 1
    from_second = bits.reshape(-1)[: height * width].reshape(height, width, 1) == 1
    return jnp.where(from_second, second, first)


def single_point(key: Key, first: Genome, second: Genome) -> Genome:
    """Takes the pixels up to a random cut from the first parent and the rest from the second, along the rows.

    Either parent gives at least one pixel. Source: Timbe et al. 2021, Breaking CNNs.
    """
    height, width, _ = first.shape
    cut = jax.random.randint(key, (), 1, max(height * width, 2))
    index = jnp.arange(height * width).reshape(height, width, 1)
    return jnp.where(index < cut, first, second)


def two_point(key: Key, first: Genome, second: Genome) -> Genome:
    """Takes the pixels between two random cuts, counted along the rows, from the second parent.

    Source: Goldberg 1989 (Genetic algorithms in search, optimization and machine learning); the crossover that the
    introductory examples of the framework DEAP use.
    """
    height, width, _ = first.shape
    start, end = random_cuts(key, height * width)
    index = jnp.arange(height * width).reshape(height, width, 1)
    return jnp.where((start <= index) & (index < end), second, first)


def row_column_split(key: Key, first: Genome, second: Genome) -> Genome:
    """Takes a band of whole rows, or of whole columns, from the second parent; which of the two is random.

    Two random lines bound the band, which may reach an edge of the image. Source: an answer to the Stack
    Overflow question on evolving a seven, which proposes horizontal beside vertical dividing lines.
    """
    height, width, _ = first.shape
    direction, row_lines, column_lines = jax.random.split(key, 3)
    rows = rectangle(first.shape, *random_cuts(row_lines, height), 0, width)
    columns = rectangle(first.shape, 0, height, *random_cuts(column_lines, width))
    return jnp.where(jnp.where(jax.random.bernoulli(direction), rows, columns), second, first)


def dividing_line(key: Key, first: Genome, second: Genome) -> Genome:
    """Divides the image in two by one random line, across or down with equal chance.

    What is above it, or to its left, comes from the first parent and the rest from the second; either gives at
    least one row or column. Source: an answer to the Stack Overflow question on evolving a seven, which proposes
    horizontal beside vertical dividing lines.
    """
    height, width, _ = first.shape
    direction, row_line, column_line = jax.random.split(key, 3)
    top = jax.random.randint(row_line, (), 1, max(height, 2))
    left = jax.random.randint(column_line, (), 1, max(width, 2))
    above, beside = rectangle(first.shape, 0, top, 0, width), rectangle(first.shape, 0, height, 0, left)
    return jnp.where(jnp.where(jax.random.bernoulli(direction), above, beside), first, second)


def row_cuts(key: Key, first: Genome, second: Genome) -> Genome:
    """Cuts every row at its own random column: the left part from the first parent, the rest from the second.

    The second gives at least the last two columns of every row, as in the program that the question is about.
    Source: the Stack Overflow question on evolving a seven, and the repository that it names.
    """
    height, width, _ = first.shape
    cuts = jax.random.randint(key, (height, 1, 1), 0, max(width - 1, 1))
    return jnp.where(jnp.arange(width)[None, :, None] < cuts, first, second)


def rectangle_swap(key: Key, first: Genome, second: Genome) -> Genome:
    """Takes a random rectangle from the second parent.

    Source: the Stack Exchange question on images at a CNN's decision boundary (cats of black pixels).
    """
    vertical, horizontal = jax.random.split(key)
    top, bottom = random_cuts(vertical, first.shape[0])
    left, right = random_cuts(horizontal, first.shape[1])
    return jnp.where(rectangle(first.shape, top, bottom, left, right), second, first)


def alternating_columns(key: Key, first: Genome, second: Genome) -> Genome:
    """Takes every other column from the second parent, from column 0 or from column 1 on at random.

    Source: the Stack Exchange question on images at a CNN's decision boundary (cats of black pixels).
    """
    start = jax.random.randint(key, (), 0, 2)
    column = jnp.arange(first.shape[1])[None, :, None]
    return jnp.where(column % 2 == start, second, first)


def patch_copy(key: Key, first: Genome, second: Genome, *, patch: int = 9) -> Genome:
    """Copies one random square of `patch` x `patch` pixels from the second parent, at the same place.

    Source: an answer to the Stack Overflow question on evolving a seven.

    Raises:
        InputError: the square is larger than the image.
    """
    return jnp.where(random_square(key, first.shape, patch), second, first)


def simulated_binary(
    key: Key, first: Genome, second: Genome, *, eta: float = 10.0, gene_probability: float = 0.5
) -> Genome:
    """Spreads the parents' genes as a one-point crossover of binary numbers would; float32 only.

    Deb and Agrawal 1995 (Simulated binary crossover for continuous search space), clipped to [0, 1]; a
    greater index `eta` keeps children nearer to their parents. Each gene is crossed with `gene_probability`.
    Of the two children that the operator defines, one is returned, either with equal chance.
    """
    which_child, spread = jax.random.split(key)
    swapped = jax.random.bernoulli(which_child)
    near, far = jnp.where(swapped, second, first), jnp.where(swapped, first, second)
    # One draw a gene says whether it is crossed and, where it is, how far: there, v is uniform in [0, 2).
    u = jax.random.uniform(spread, first.shape, jnp.float32)
    crossed = u < gene_probability
    v = jnp.minimum(2.0 * u / max(gene_probability, 1e-6), 2.0 - 2.0**-22)
    # beta is v^p, or (2 - v)^-p from v = 1 on, with p = 1 / (eta + 1).
    power = jnp.log(jnp.where(v < 1.0, v, 2.0 - v)) / (eta + 1.0)
    beta = jnp.exp(jnp.where(v < 1.0, power, -power))
    # The same as ((1 + beta) near + (1 - beta) far) / 2, but exact for equal genes.
    return jnp.clip(jnp.where(crossed, near + 0.5 * (beta - 1.0) * (near - far), near), 0.0, 1.0)


def arithmetic(key: Key, first: Genome, second: Genome) -> Genome:
    """The weighted mean alpha first + (1 - alpha) second, one alpha of [0, 1) for the child; float32 only.

    Source: Timbe et al. 2021, Breaking CNNs.
    """
    alpha = jax.random.uniform(key, dtype=jnp.float32)
    return jnp.clip(second + alpha * (first - second), 0.0, 1.0)


def iso_line(
    key: Key, first: Genome, second: Genome, *, sigma_iso: float = 0.01, sigma_line: float = 0.2
) -> Genome:
    """Adds normal noise to the first parent, in all directions and along the line to the second.

    first + sigma_iso N(0, I) + sigma_line N(0, 1) (second - first), clipped to [0, 1]; float32 only.
    Vassiliades and Mouret 2018 (Discovering the elite hypervolume by leveraging interspecies correlation).
    """
    every_direction, along_line = jax.random.split(key)
    isotropic = sigma_iso * jax.random.normal(every_direction, first.shape, jnp.float32)
    directional = sigma_line * jax.random.normal(along_line, dtype=jnp.float32) * (second - first)
    return jnp.clip(first + isotropic + directional, 0.0, 1.0)
