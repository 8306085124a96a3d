"""What was compiled of a user's own classifier serves again if it is the same program, and only then."""

import math
from dataclasses import replace

import fake
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import qdfool
from qdfool.classifiers.custom import wrap
from qdfool.engine import loop


def of_threshold(threshold):
    """The images of the check at the start do not show the threshold."""
    return fake.sized(lambda images: fake.logits(images) + (images.mean() > threshold))


def of_weights(weights):
    return fake.sized(lambda images: images.reshape(len(images), -1) @ weights)


def of_derivative(factor):
    @jax.custom_jvp
    def same(logits):
        return logits

    same.defjvp(lambda primals, tangents: (primals[0], factor * tangents[0]))
    return fake.sized(lambda images: same(fake.logits(images)))


def called_back(factor):
    def logits(images):
        shape = jax.ShapeDtypeStruct((len(images), 4), jnp.float32)
        return jax.pure_callback(lambda images: np.asarray(factor * fake.logits(images)), shape, images)

    return fake.sized(logits)


@pytest.mark.parametrize(
    ("made", "one", "other"),
    [
        (of_threshold, 7.0, math.nextafter(7.0, 8.0) + 1e-6),
        (of_weights, fake.WEIGHTS, fake.WEIGHTS + np.float32(1e-6)),
        (of_derivative, 1.0, 2.0),
    ],
)
def test_functions_are_the_same_if_all_that_they_compute_is(made, one, other):
    first, again, changed = (wrap(made(given)).logits for given in (one, one, other))
    assert first == again
    assert hash(first) == hash(again)
    assert first != changed


def test_what_calls_python_is_traced_anew():
    assert wrap(called_back(1.0)).logits != wrap(called_back(1.0)).logits
    assert wrap(called_back(1.0)).traceable


class Module(nnx.Module):
    image_shape = fake.SHAPE
    temperature = 1.0

    def __init__(self, seed):
        self.dense = nnx.Linear(64, 4, rngs=nnx.Rngs(seed))

    def __call__(self, images):
        return self.dense(images.reshape(len(images), -1)) / self.temperature


def test_modules_are_the_same_whatever_their_weights(monkeypatch):
    one, two = wrap(Module(0)), wrap(Module(1))
    assert one.logits == two.logits
    assert one.fingerprint != two.fingerprint
    monkeypatch.setattr(Module, "temperature", 2.0)
    assert wrap(Module(0)).logits != one.logits


def test_the_loop_is_compiled_once_and_again_for_another_function(small):
    """Found by `evolve` in the same process."""
    config = replace(small, generations=3)
    first, again = (qdfool.evolve(config, of_threshold(0.0)).elites.fitness for _ in range(2))
    np.testing.assert_array_equal(first, again)
    misses = loop.run_generations.cache_info().misses
    qdfool.evolve(config, of_threshold(0.0))
    assert loop.run_generations.cache_info().misses == misses
    changed = qdfool.evolve(config, of_threshold(1.0)).elites.fitness
    assert (np.asarray(changed) != np.asarray(first)).any()
