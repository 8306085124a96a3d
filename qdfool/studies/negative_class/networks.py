"""The classifiers: six that differ in what a one is told from, and three that might do better.

All are LeNets on black-and-white images, and class 1 is the one in each. Parameters have a leading axis [E, ...] of
networks whose mean softmax is the answer; it is 1 but for the ensemble.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from qdfool.classifiers import lenet
from qdfool.classifiers.training import Training, train
from qdfool.data.mnist import Mnist
from qdfool.types import Array, Image, Key, Parameters

ONE = 1
"""The class that is evolved, in every classifier."""
ENSEMBLE = 5
"""Networks in the ensemble."""
LEARNING_RATE = 0.01
"""A third of what LeNet's own training takes: some of these sets are so small and so alike that it would diverge."""
WHITE = {"noise 50/50": 0.5, "noise 95/5": 0.05}
"""Share of white pixels in the two kinds of noise of the account."""


class Examples(NamedTuple):
    """Images [n, 28, 28, 1] uint8 of 0 and 255, and their labels [n]."""

    images: np.ndarray
    labels: np.ndarray


class Negative(NamedTuple):
    """What a classifier tells ones from."""

    line: str
    classes: int
    make: Callable[[Examples, np.random.Generator], Examples]
    """Digits and a generator to what is learned, or tested."""
    networks: int = 1
    rounds: int = 0
    """How often fooling images are evolved, and added."""


def black_and_white(data: Mnist, images: int) -> tuple[Examples, Examples]:
    """Training and test digits, split at half of the brightness; the first `images` of the training set."""

    def split(pixels: np.ndarray, labels: np.ndarray) -> Examples:
        return Examples(np.where(pixels > 127, 255, 0).astype(np.uint8), labels.astype(np.int32))

    training = split(data.train_images[:images], data.train_labels[:images])
    return training, split(data.test_images, data.test_labels)


def noise(shape: tuple[int, ...], white: float, random: np.random.Generator) -> np.ndarray:
    """Images of black and white pixels, each white with the probability `white`; uint8."""
    return np.where(random.random(shape) < white, 255, 0).astype(np.uint8)


def _ones(digits: Examples) -> np.ndarray:
    return digits.images[digits.labels == ONE]


def _against(negative: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Callable[..., Examples]:
    """Ones, class 1, and as many images that are none, class 0."""

    def make(digits: Examples, random: np.random.Generator) -> Examples:
        ones = _ones(digits)
        labels = np.repeat(np.array([ONE, 0], np.int32), len(ones))
        return Examples(np.concatenate([ones, negative(ones, random)]), labels)

    return make


def _single(digits: Examples, random: np.random.Generator) -> Examples:
    """One drawing of a one and its inversion, as often as there are ones; the middle one by ink."""
    ones = _ones(digits)
    middle = ones[np.argsort(ones.sum((1, 2, 3)), kind="stable")[len(ones) // 2]]
    return _against(lambda ones, random: 255 - ones)(
        Examples(np.repeat(middle[None], len(ones), 0), np.full(len(ones), ONE)), random
    )


def _with_noise(digits: Examples, random: np.random.Generator) -> Examples:
    """Ten digits, and a class of noise, a tenth as many images, of any share of white up to 0.6."""
    count = max(len(digits.labels) // 10, 1)
    white = random.uniform(0.0, 0.6, (count, 1, 1, 1))
    extra = np.where(random.random((count, *lenet.IMAGE_SHAPE)) < white, 255, 0).astype(np.uint8)
    return with_class(digits, extra, 10)


def with_class(examples: Examples, images: np.ndarray, label: int) -> Examples:
    """The examples and others, all of one label."""
    labels = np.concatenate([examples.labels, np.full(len(images), label, np.int32)])
    return Examples(np.concatenate([examples.images, images]), labels)


def _digits(digits: Examples, random: np.random.Generator) -> Examples:
    return digits


SIX: dict[str, Negative] = {
    "ten-digits": Negative("ten digits", 10, _digits),
    "noise-50": Negative(
        "ones, noise 50/50", 2, _against(lambda ones, random: noise(ones.shape, WHITE["noise 50/50"], random))
    ),
    "noise-95": Negative(
        "ones, noise 95/5", 2, _against(lambda ones, random: noise(ones.shape, WHITE["noise 95/5"], random))
    ),
    "black": Negative("ones, black", 2, _against(lambda ones, random: np.zeros_like(ones))),
    "inversion": Negative("ones, their inversion", 2, _against(lambda ones, random: 255 - ones)),
    "single-one": Negative("a single one, its inversion", 2, _single),
}
"""Those of the account, in its order."""
THREE: dict[str, Negative] = {
    "noise-class": Negative("ten digits and noise", 11, _with_noise),
    "fooling-class": Negative("ten digits and fooling images", 11, _digits, rounds=3),
    "ensemble": Negative("ten digits, an ensemble", 10, _digits, networks=ENSEMBLE),
}
"""What might do better."""


def logits(parameters: Parameters, images: Image) -> Array:
    """Logits [B, K] whose softmax is the mean softmax of the networks; parameters have leaves [E, ...]."""
    each = jax.lax.map(lambda one: jax.nn.log_softmax(lenet.logits(one, images)), parameters)
    return jax.nn.logsumexp(each, axis=0) - jnp.log(each.shape[0])


def trained(negative: Negative, examples: Examples, key: Key, epochs: int) -> Parameters:
    """A classifier's parameters, leaves [E, ...]; the same arguments on the same machine give the same."""
    found, training = [], Training(epochs=epochs, learning_rate=LEARNING_RATE, shift=0)
    for number in range(negative.networks):
        initial_key, training_key = jax.random.split(jax.random.fold_in(key, number))
        start = lenet.initialise(initial_key, negative.classes)
        parameters, _ = train(lenet.logits, start, *examples, training_key, training)
        found.append(parameters)
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *found)


def accuracy(parameters: Parameters, examples: Examples) -> float:
    """Share of the examples that the classifier gets right."""
    right = 0
    for start in range(0, len(examples.labels), 1000):
        part = slice(start, start + 1000)
        said = _answers(parameters, jnp.asarray(examples.images[part], jnp.float32) / 255)
        right += int((np.asarray(said) == examples.labels[part]).sum())
    return right / len(examples.labels)


@jax.jit
def _answers(parameters: Parameters, images: Image) -> Array:
    return jnp.argmax(logits(parameters, images), 1)
