"""Training a classifier by gradient descent. Takes arrays; loads and writes nothing."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from qdfool.errors import InputError, in_range
from qdfool.types import Array, Key, Parameters

Logits = Callable[[Parameters, Any], Any]
"""(parameters, images [B, H, W, C] in [0, 1]) to logits [B, K]."""
Learner = Callable[[Parameters, Any, Key], Any]
"""(parameters, images, key) to the logits of a network that learns, in which something is random, as dropout is."""
MOST_EPOCHS = 10_000
"""Passes over 60,000 images that can be counted in int32, as optax does, also one image at a time."""


@dataclass(frozen=True)
class Training:
    """How to train: SGD with Nesterov momentum on the cross-entropy, its step annealed along a cosine."""

    epochs: int = 3
    """Passes over the training images; 1 to 10,000."""
    batch_size: int = 32
    """Images a step; at least 1."""
    learning_rate: float = 0.03
    """Peak step size, above 0 and at most 10; reached after a tenth of the steps, then annealed to 0."""
    momentum: float = 0.9
    """Share of the previous step that is kept; in [0, 1)."""
    weight_decay: float = 5e-4
    """Share of every weight, times the step size, that a step takes away; in [0, 1]."""
    shift: int = 1
    """Every image is moved at random by up to so many pixels along both axes at each visit; 0 to 14."""
    label_smoothing: float = 0.0
    """Share of every label that is spread evenly over all classes; in [0, 0.9] (C. Szegedy et al., "Rethinking
    the Inception Architecture for Computer Vision", CVPR 2016)."""

    def check(self) -> None:
        """Raises InputError if a setting is outside its range."""
        in_range("epochs", self.epochs, 1, MOST_EPOCHS)
        in_range("batch size", self.batch_size, 1)
        in_range("learning rate", self.learning_rate, 1e-9, 10)
        in_range("momentum", self.momentum, 0, 1 - 1e-6)
        in_range("weight decay", self.weight_decay, 0, 1)
        in_range("shift", self.shift, 0, 14)
        in_range("label smoothing", self.label_smoothing, 0, 0.9)


class Epoch(NamedTuple):
    """What one pass over the training images gave."""

    number: int
    """From 1."""
    loss: float
    """Mean cross-entropy in nats over the batches, each taken before its step."""
    error: float
    """Share of training images called wrongly, in [0, 1], each taken before its step; moved images count."""


def train(
    logits: Logits,
    parameters: Parameters,
    images: np.ndarray,
    labels: np.ndarray,
    key: Key,
    training: Training,
    on_step: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    learner: Learner | None = None,
) -> tuple[Parameters, list[Epoch]]:
    """Trains a classifier. The same arguments on the same machine give the same parameters.

    Args:
        logits: the network, traceable.
        parameters: where to start.
        images: [n, H, W, C] uint8.
        labels: [n] integers below K.
        key: orders the images and moves them.
        training: the settings.
        on_step: called after every step with the number of steps done and of steps in all.
        on_epoch: called after every epoch.
        learner: the network while it learns; by default `logits`.

    Returns:
        The trained parameters, and what each epoch gave.

    Raises:
        InputError: a setting is outside its range, or the loss is not finite any more.
    """
    training.check()
    in_range("batch size (with that many training images)", training.batch_size, 1, len(images))
    steps = len(images) // training.batch_size
    in_all = training.epochs * steps
    optimiser, step = _optimiser_and_step(logits, training, in_all, learner)
    state = optimiser.init(parameters)
    history: list[Epoch] = []
    for epoch in range(training.epochs):
        order_key, shift_key = jax.random.split(jax.random.fold_in(key, epoch))
        order = np.asarray(jax.random.permutation(order_key, len(images)))
        seen = []
        for number, chosen in enumerate(order[: steps * training.batch_size].reshape(steps, -1)):
            step_key = jax.random.fold_in(shift_key, number)
            parameters, state, *figures = step(parameters, state, images[chosen], labels[chosen], step_key)
            seen.append(figures)
            if on_step:
                on_step(epoch * steps + number + 1, in_all)
        nats, wrong = np.mean(np.asarray(seen), axis=0)
        history.append(Epoch(epoch + 1, float(nats), float(wrong)))
        if not np.isfinite(nats):
            raise InputError(
                f"The loss is {nats} in epoch {epoch + 1}: training diverged. Expected a learning rate that "
                f"converges; got {training.learning_rate:g}. Take a smaller one."
            )
        if on_epoch:
            on_epoch(history[-1])
    return parameters, history


@functools.lru_cache(maxsize=16)
def _optimiser_and_step(
    logits: Logits, training: Training, in_all: int, learner: Learner | None
) -> tuple[Any, Any]:
    """The same for the same arguments: networks of one shape that are trained alike share what was compiled."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, training.learning_rate, in_all // 10, in_all)
    optimiser = optax.chain(
        optax.add_decayed_weights(
            training.weight_decay, mask=lambda p: jax.tree.map(lambda a: a.ndim > 1, p)
        ),
        optax.sgd(schedule, momentum=training.momentum, nesterov=True),
    )

    def loss(parameters: Parameters, images: Array, labels: Array, key: Key | None) -> tuple[Array, Array]:
        outputs = (
            logits(parameters, images) if learner is None or key is None else learner(parameters, images, key)
        )
        wrong = jnp.mean(jnp.argmax(outputs, -1) != labels)
        if training.label_smoothing:
            wanted = optax.smooth_labels(jax.nn.one_hot(labels, outputs.shape[-1]), training.label_smoothing)
            return jnp.mean(optax.softmax_cross_entropy(outputs, wanted)), wrong
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(outputs, labels)), wrong

    @jax.jit
    def step(parameters: Parameters, state: Any, images: Array, labels: Array, key: Key):
        own = None
        if learner is not None:
            key, own = jax.random.split(key)
        images = moved(images, key, training.shift).astype(jnp.float32) / 255
        (nats, wrong), gradient = jax.value_and_grad(loss, has_aux=True)(parameters, images, labels, own)
        update, state = optimiser.update(gradient, state, parameters)
        return optax.apply_updates(parameters, update), state, nats, wrong

    return optimiser, step


def error(
    logits: Logits, parameters: Parameters, images: np.ndarray, labels: np.ndarray, batch_size: int = 500
) -> float:
    """Share of images [n, H, W, C] uint8 whose largest logit is not that of their label [n]; in [0, 1]."""
    predict = jax.jit(lambda parameters, images: jnp.argmax(logits(parameters, images / 255), -1))
    wrong = 0
    for start in range(0, len(images), batch_size):
        batch = slice(start, start + batch_size)
        wrong += int(
            np.sum(np.asarray(predict(parameters, images[batch].astype(np.float32))) != labels[batch])
        )
    return wrong / len(images)


def moved(images: Array, key: Key, shift: int) -> Array:
    """Moves each of [B, H, W, C] by its own -shift to shift rows and columns; zeros come in from outside."""
    if shift == 0:
        return images
    image_shape = images.shape[1:]
    corners = jax.random.randint(key, (len(images), 2), 0, 2 * shift + 1)
    padded = jnp.pad(images, ((0, 0), (shift, shift), (shift, shift), (0, 0)))
    return jax.vmap(lambda image, corner: jax.lax.dynamic_slice(image, (*corner, 0), image_shape))(
        padded, corners
    )
