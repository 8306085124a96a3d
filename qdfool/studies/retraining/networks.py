"""Networks that are retrained: what they are shown, and what images are evolved against then."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from qdfool.classifiers import lenet, weights
from qdfool.classifiers.training import Training, train
from qdfool.data.mnist import Mnist
from qdfool.engine.objectives import log_odds
from qdfool.keys import root_key
from qdfool.studies.retraining.conditions import DIGITS, MOST_FOOLING, Defence, Size
from qdfool.studies.study import Figures, fingerprint
from qdfool.types import Array, Classifier, Image, Key, Parameters

FOOLING = "fooling"
"""Name of all fooling classes together."""
ABSENT = -1e4
"""Logit of a class that a network does not have: its softmax is 0 in float32, and so is what it adds to a sum."""
BATCH = 64
"""Images of a step of training."""
LEARNING_RATE_AGAIN = 0.015
"""Where a network goes on from the one before: half of what a new one begins with."""
LOOKED_AT = 500
"""Test images that are classified at once."""


class Fooling(NamedTuple):
    """Images of a round, uint8 [n, 28, 28, 1]."""

    first: np.ndarray
    """The first generation of evolution."""
    last: np.ndarray
    """The last: the elites and children of theirs; or a whole grid archive."""


class Network(NamedTuple):
    """A network of a round, ready to be evolved against."""

    row: str
    """Of the defences, or `BEFORE`."""
    number: int
    """Of the round."""
    parameters: Parameters
    """As it was trained."""
    classifier: Classifier
    """Of the digits, and of all fooling classes together."""


def learned(
    defence: Defence | None,
    former: Parameters,
    rounds: Sequence[Fooling],
    data: Mnist,
    size: Size,
    key: Key,
) -> Mapping[str, Any]:
    """Trains the network of a round, and tests it: a unit.

    Its tensors by their names; `error`, the share of the test digits that it does not call what they are; `refused`,
    the share that it calls fooling; and `real` [n] float32, the log-odds of what each is.

    Args:
        defence: how it is retrained; None for the network that knows the digits alone.
        former: the parameters of the network of the round before; looked at where the defence goes on from them.
        rounds: all fooling images so far, in their order.
        data: MNIST.
        size: of the form that is run.
        key: of the initial weights, of which images are shown, their order and their shifts.
    """
    initial_key, training_key, numpy_key = jax.random.split(key, 3)
    random = np.random.default_rng(np.asarray(jax.random.key_data(numpy_key)))
    start = lenet.initialise(initial_key, classes_of(defence, len(rounds)))
    images, labels = data.train_images[: size.learned], data.train_labels[: size.learned]
    training = Training(epochs=size.epochs, batch_size=BATCH)
    if defence is not None:
        if not defence.anew:
            chosen = random.permutation(len(labels))[: size.learned_again]
            images, labels, start = images[chosen], labels[chosen], grown(start, former)
            training = Training(epochs=1, batch_size=BATCH, learning_rate=LEARNING_RATE_AGAIN)
        training = replace(training, label_smoothing=defence.smoothing)
        more, their_labels = shown(defence, rounds, len(labels) // DIGITS, random)
        images, labels = np.concatenate([images, more]), np.concatenate([labels, their_labels])
    nothing = defence is not None and defence.nothing
    parameters, _ = train(
        with_nothing if nothing else lenet.logits, start, images, labels, training_key, training
    )
    said = answers(widened(parameters, nothing), data.test_images)
    called, own = said.argmax(axis=1), data.test_labels
    odds = np.asarray(jax.vmap(log_odds)(jnp.asarray(said)))
    return {
        **weights.named(parameters),
        "error": np.mean(called != own),
        "refused": np.mean(called == DIGITS),
        "real": odds[np.arange(len(own)), own],
    }


def classes_of(defence: Defence | None, rounds: int) -> int:
    """Outputs with weights of the network that a defence trains after so many rounds."""
    if defence is None or defence.nothing:
        return DIGITS
    return DIGITS + (rounds if defence.by_round else 1)


def grown(start: Parameters, former: Parameters) -> Parameters:
    """The parameters of a former network, with the last columns of `start` for the classes that it does not have."""
    last = jax.tree.map(
        lambda new, old: jnp.concatenate([old, new[..., old.shape[-1] :]], axis=-1),
        start["ip2"],
        former["ip2"],
    )
    return {**former, "ip2": last}


def shown(
    defence: Defence, rounds: Sequence[Fooling], count: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The fooling images of a pass, `count` of them, and their labels, from 10 on.

    Half are of first generations and half of last ones; a third each and the rest noise, where the network says
    "nothing". Of every round there are equally many; of which there are too few, those are repeated.
    """
    parts = 3 if defence.nothing else 2
    sizes = [len(part) for part in np.array_split(np.arange(count), parts)]
    images, labels = [], []
    for kind, many in zip(Fooling._fields, sizes, strict=False):
        shares = np.array_split(np.arange(many), len(rounds))
        for number, (of_round, share) in enumerate(zip(rounds, shares, strict=True)):
            images.append(as_many(getattr(of_round, kind), len(share), random))
            labels.append(np.full(len(share), DIGITS + (number if defence.by_round else 0), np.int32))
    if defence.nothing:
        images.append(noise(sizes[-1], random))
        labels.append(np.full(sizes[-1], DIGITS, np.int32))
    return np.concatenate(images), np.concatenate(labels)


def as_many(images: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """So many of the images, drawn; where there are too few, all of them again and again."""
    return np.resize(random.permutation(images), (count, *images.shape[1:]))


def noise(count: int, random: np.random.Generator) -> np.ndarray:
    """Images uint8 in each of which a pixel is, with a probability, of any brightness up to a highest; both are drawn
    for the image."""
    density, highest = random.random((2, count, 1, 1, 1))
    shape = (count, *lenet.IMAGE_SHAPE)
    bright = 255 * highest * random.random(shape)
    return np.where(random.random(shape) < density, bright, 0).astype(np.uint8)


def with_nothing(parameters: Parameters, images: Image) -> Array:
    """Logits [B, 11]: those of a network of ten classes, and 0, which has no weights."""
    said = lenet.logits(parameters, images)
    return jnp.concatenate([said, jnp.zeros_like(said[:, :1])], axis=1)


def widened(parameters: Parameters, nothing: bool) -> Parameters:
    """The parameters of a network with as many fooling classes as any has: those that are added are `ABSENT`, but the
    first is 0 where the network says "nothing". So one program serves all networks."""
    kernel, bias = (np.asarray(parameters["ip2"][name]) for name in ("kernel", "bias"))
    missing = DIGITS + MOST_FOOLING - len(bias)
    added = np.full(missing, ABSENT, np.float32)
    if nothing:
        added[0] = 0
    wider = {"kernel": np.pad(kernel, ((0, 0), (0, missing))), "bias": np.concatenate([bias, added])}
    return {**parameters, "ip2": {name: jnp.asarray(array) for name, array in wider.items()}}


def logits(parameters: Parameters, images: Image) -> Array:
    """Logits [B, 11] of digits and of all fooling classes together, whose softmax is the sum of theirs."""
    said = lenet.logits(parameters, images)
    together = jax.nn.logsumexp(said[:, DIGITS:], axis=1, keepdims=True)
    return jnp.concatenate([said[:, :DIGITS], together], axis=1)


_logits = jax.jit(logits)


def answers(parameters: Parameters, images: np.ndarray) -> np.ndarray:
    """Logits [n, 11] of images uint8 [n, 28, 28, 1]; the parameters are widened."""
    parts = []
    for start in range(0, len(images), LOOKED_AT):
        some = images[start : start + LOOKED_AT]
        filled = np.pad(some, ((0, LOOKED_AT - len(some)), *[(0, 0)] * 3))  # All of one shape.
        parts.append(np.asarray(_logits(parameters, filled.astype(np.float32) / 255))[: len(some)])
    return np.concatenate(parts)


def network_of(row: str, number: int, figures: Figures, nothing: bool) -> Network:
    """The network that `learned` trained."""
    tensors = {name: array for name, array in figures.items() if "/" in name}
    expected = jax.eval_shape(lambda: lenet.initialise(jax.random.key(0), len(tensors["ip2/bias"])))
    parameters = weights.fill(expected, tensors, f"{row} of round {number}")
    return Network(
        row,
        number,
        parameters,
        Classifier(
            name="lenet",  # The same for all: what evolution compiled for one of them serves all of that name.
            image_shape=lenet.IMAGE_SHAPE,
            class_names=(*lenet.CLASS_NAMES, FOOLING),
            parameters=widened(parameters, nothing),
            logits=logits,
            fingerprint=fingerprint(*tensors.values()),
        ),
    )


def training_key(seed: int, row: str, number: int) -> Key:
    """The root of what trains the network of a round."""
    return root_key(seed, f"retraining {row} {number}")
