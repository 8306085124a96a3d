"""The contract of an encoding, for every one of the table."""

import jax
import numpy as np
import pytest

from qdfool.build import ENCODINGS, INITIAL
from qdfool.config import BlackPixels, Config
from qdfool.genomes.pixels.noise import uniform_noise, varied_noise
from qdfool.measures import MEASURES

SHAPE = (6, 5, 3)


# Lists of pixels and networks do not begin with noise: to them all are the same.
@pytest.mark.parametrize(
    ("name", "initial"),
    [
        (name, initial)
        for name in ENCODINGS
        for initial in INITIAL
        if initial == "uniform" or name in ("pixels", "binary")
    ],
)
def test_a_random_genome_decodes_to_an_image(name, initial):
    config = Config(initial=initial, black_pixels=BlackPixels(capacity=10))
    encoding = ENCODINGS[name][1](config, SHAPE)
    assert encoding.name == name
    genomes = jax.jit(jax.vmap(encoding.initialise))(jax.random.split(jax.random.key(0), 1000))
    images = np.asarray(jax.jit(jax.vmap(encoding.decode))(genomes))
    assert images.shape == (1000, *SHAPE)
    assert images.dtype == np.float32
    assert images.min() >= 0
    assert images.max() <= 1
    # No pixel is the same in all: the initial generation covers what the encoding can show, but where it is grey.
    grey = (name, initial) == ("pixels", "grey")
    assert images.std(axis=0).min() > (0.9 / 255 if grey else 0.1)
    if initial == "uniform" and name in ("pixels", "binary"):
        np.testing.assert_allclose(images.mean(), 0.5, atol=0.02)


def test_binary_is_black_and_white():
    encoding = ENCODINGS["binary"][1](Config(), SHAPE)
    genome = jax.jit(encoding.initialise)(jax.random.key(0))
    assert genome.dtype == np.uint8
    assert set(np.unique(encoding.decode(genome))) == {0.0, 1.0}


@pytest.mark.release
def test_varied_noise_spreads_over_ink_and_eccentricity():
    """Uniform noise lies in one place of the map; varied noise reaches most of what the measures can be."""
    spread = {}
    for noise in (uniform_noise, varied_noise):
        images = jax.vmap(noise((28, 28, 1)))(jax.random.split(jax.random.key(0), 500))
        for name in ("ink", "eccentricity"):
            values = jax.jit(jax.vmap(MEASURES[name].measure))(images)
            spread[noise, name] = float(np.ptp(np.asarray(values)))
    assert spread[uniform_noise, "ink"] < 0.15
    assert spread[uniform_noise, "eccentricity"] < 0.1
    assert spread[varied_noise, "ink"] > 0.9
    assert spread[varied_noise, "eccentricity"] > 0.7


@pytest.mark.release
def test_varied_noise_is_a_disc_around_the_centre_or_what_is_around_it():
    images = np.asarray(jax.vmap(varied_noise((6, 9, 2)))(jax.random.split(jax.random.key(0), 200)))
    filled = np.all(images > 0, axis=-1)
    np.testing.assert_array_equal(filled, filled[:, ::-1])
    np.testing.assert_array_equal(filled, filled[:, :, ::-1])
    centre = np.all(filled[:, 2:4, 4], axis=1)
    assert 60 < (centre & ~filled[:, 0, 0]).sum() < 140
    assert 60 < (~centre & filled[:, 0, 0]).sum() < 140
    # Bright and dark pixels: above and below a half, each shade of its half.
    values = images[images > 0]
    assert (values < 0.05).any()
    assert ((values > 0.45) & (values < 0.5)).any()
    assert (values > 0.95).any()
    assert 0.4 < (values > 0.5).mean() < 0.6
