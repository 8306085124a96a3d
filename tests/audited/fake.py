"""A ten-line classifier, so that unit tests take seconds: a linear map of 8 x 8 grey images to 4 classes."""

import signal
import time

import numpy as np

from qdfool.types import Classifier, Measure

WEIGHTS = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
SHAPE = (8, 8, 1)


def sized(function):
    """Says what images the function takes, as a user's function may."""
    function.__dict__["image_shape"] = SHAPE
    return function


@sized
def logits(images):
    return (images.reshape(images.shape[0], -1) - 0.5) @ WEIGHTS


classifier = Classifier("fake", SHAPE, ("a", "b", "c", "d"), {"w": WEIGHTS}, lambda p, images: logits(images))


@sized
def host_logits(images):
    """The same where JAX cannot see it."""
    return logits(np.asarray(images, np.float32).copy())


@sized
def slow_logits(images):
    """The same, in a twentieth of a second."""
    time.sleep(0.05)
    return host_logits(images)


@sized
def probabilities(images):
    exponentials = np.exp(logits(np.asarray(images)))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


@sized
def always_nan(images):
    return logits(images) * float("nan")


@sized
def one_number(images):
    return logits(images)[:, 0]


@sized
def nan_when_bright(images):
    """Finite for the images of the check at the start, NaN for somewhat brighter ones that evolution reaches."""
    import jax.numpy as jnp

    brightness = jnp.mean(images, axis=(1, 2, 3))[:, None]
    return jnp.where((brightness > 0.56) & (brightness < 0.9), jnp.nan, logits(images))


not_a_classifier = 7


calls = 0
failure: BaseException | signal.Signals = ConnectionError("the service has gone")


@sized
def fails_later(images):
    """A service that goes away: fine for the check at the start and a few generations, then an error, or a signal."""
    global calls
    calls += len(images) == 12
    if calls > 4 and isinstance(failure, BaseException):
        raise failure
    if calls == 5 and isinstance(failure, signal.Signals):
        signal.raise_signal(failure)
    return host_logits(images)


darkness = Measure("darkness", "mean darkness", 0.0, 1.0, lambda image: 1 - image.mean())
out_of_range = Measure("sum", "sum of brightness", 0.0, 1.0, lambda image: image.sum())
