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

THRESHOLD, WEIGHTS, FACTOR = 7.0, fake.WEIGHTS, 1.0


@fake.sized
def of_threshold(images):
    """The images of the check at the start do not show the threshold."""
    return fake.logits(images) + (images.mean() > THRESHOLD)


@fake.sized
def of_weights(images):
    return images.reshape(len(images), -1) @ WEIGHTS


@fake.sized
def of_derivative(images):
    @jax.custom_jvp
    def same(logits):
        return logits

    factor = FACTOR
    same.defjvp(lambda primals, tangents: (primals[0], factor * tangents[0]))
    return same(fake.logits(images))


@fake.sized
def called_back(images):
    shape = jax.ShapeDtypeStruct((len(images), 4), jnp.float32)
    return jax.pure_callback(lambda images: np.asarray(fake.logits(images)), shape, images)


@pytest.mark.parametrize(
    ("function", "name", "other"),
    [
        (of_threshold, "THRESHOLD", math.nextafter(7.0, 8.0) + 1e-6),
        (of_weights, "WEIGHTS", fake.WEIGHTS + np.float32(1e-6)),
        (of_derivative, "FACTOR", 2.0),
    ],
)
def test_a_function_is_the_same_as_long_as_all_that_it_computes_is(monkeypatch, function, name, other):
    first, again = wrap(function).logits, wrap(function).logits
    assert first == again
    assert hash(first) == hash(again)
    monkeypatch.setitem(globals(), name, other)
    assert wrap(function).logits != first


def test_what_calls_python_is_traced_anew():
    assert wrap(called_back).logits != wrap(called_back).logits
    assert wrap(called_back).traceable


def test_another_function_is_another_because_of_more_images_it_may_be():
    functions = [fake.sized(lambda images: fake.logits(images)) for _ in range(2)]
    assert wrap(functions[0]).logits != wrap(functions[1]).logits


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


def test_the_loop_is_compiled_once_and_again_for_another_function(small, monkeypatch):
    """Found by `evolve` in the same process."""
    config = replace(small, generations=3)
    monkeypatch.setitem(globals(), "THRESHOLD", 0.0)
    first, again = (qdfool.evolve(config, of_threshold).elites.fitness for _ in range(2))
    np.testing.assert_array_equal(first, again)
    misses = loop.run_generations.cache_info().misses
    qdfool.evolve(config, of_threshold)
    assert loop.run_generations.cache_info().misses == misses
    monkeypatch.setitem(globals(), "THRESHOLD", 1.0)
    changed = qdfool.evolve(config, of_threshold).elites.fitness
    assert (np.asarray(changed) != np.asarray(first)).any()
