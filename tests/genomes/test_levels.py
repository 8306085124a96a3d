import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qdfool.genomes.levels import round_to_levels, to_uint8

LEVELS = np.arange(256, dtype=np.uint8)
AS_READ = LEVELS.astype(np.float32) / np.float32(255)


@pytest.mark.optimised
@pytest.mark.parametrize("function", [round_to_levels, jax.jit(round_to_levels)], ids=["eager", "jitted"])
def test_a_level_is_what_a_reader_of_the_png_computes(function):
    for nudge in (-0.4, 0.0, 0.4):
        image = np.clip((LEVELS + np.float32(nudge)) / np.float32(255), 0, 1)
        np.testing.assert_array_equal(function(image), AS_READ)


def test_rounding_and_writing_agree():
    image = jax.random.uniform(jax.random.key(0), (50, 50, 1))
    np.testing.assert_array_equal(to_uint8(round_to_levels(image)), to_uint8(image))
    np.testing.assert_array_equal(to_uint8(jnp.asarray(AS_READ)), LEVELS)


def test_halves_go_to_the_even_level():
    """As `jnp.round` has it off a CPU, and `to_uint8` everywhere."""
    random = np.random.default_rng(0).uniform(0, 1, 10_000).astype(np.float32)
    image = np.concatenate([random, (np.arange(255) + np.float32(0.5)) / np.float32(255), [0.0, 1.0]])
    # Those that are still halfway when they are multiplied, as float32 rounds.
    assert ((image * np.float32(255)) % 1 == 0.5).sum() > 100
    levels = np.asarray(jax.jit(round_to_levels)(image)) * np.float32(255)
    np.testing.assert_array_equal(np.rint(levels), np.rint(image * np.float32(255)))
