"""Lists of black pixels, drawn."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qdfool.build import ENCODINGS
from qdfool.config import BlackPixels, Config
from qdfool.genomes.black_pixels.encoding import black_pixels

SHAPE = (4, 6, 3)


def encoding(**settings):
    return ENCODINGS["black_pixels"][1](Config(black_pixels=BlackPixels(**settings)), SHAPE)


@pytest.mark.parametrize("inverted", [False, True])
def test_the_listed_pixels_are_ink_and_the_others_paper(inverted):
    genome = jnp.array([24, 7, 24, 0, 23])
    image = np.asarray(encoding(capacity=5, inverted=inverted).decode(genome))
    expected = np.ones(24)
    expected[[7, 0, 23]] = 0
    expected = np.repeat(expected.reshape(4, 6, 1), 3, axis=2)
    np.testing.assert_array_equal(image, 1 - expected if inverted else expected)


def test_the_full_and_the_empty_list():
    decode = black_pixels(SHAPE, lambda key: key, capacity=24).decode
    assert (np.asarray(decode(jnp.arange(24))) == 0).all()
    assert (np.asarray(decode(jnp.full(24, 24))) == 1).all()


@pytest.mark.parametrize(("margin", "allowed"), [(0.0, range(24)), (0.25, [7, 8, 9, 10, 13, 14, 15, 16])])
def test_a_random_genome_is_one_pixel_of_the_allowed_section(margin, allowed):
    initialise = jax.vmap(encoding(capacity=5, margin=margin).initialise)
    genomes = np.asarray(initialise(jax.random.split(jax.random.key(0), 2400)))
    assert genomes.dtype == np.int32
    assert (genomes[:, 1:] == 24).all()
    pixels, counts = np.unique(genomes[:, 0], return_counts=True)
    np.testing.assert_array_equal(pixels, allowed)
    expected = 2400 / len(pixels)
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_the_first_pixel_is_drawn_by_what_is_given():
    shape = (5, 7, 1)
    made = black_pixels(shape, partial(jax.random.randint, shape=(), minval=3, maxval=4), capacity=2)
    np.testing.assert_array_equal(made.initialise(jax.random.key(0)), [3, 35])
