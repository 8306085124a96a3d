"""What an attacker evolves against who knows the monitor: a classifier with one class more, "detected".

Its logit rises as the scores of a detector fall, so that whatever searches for the class searches for what passes, too.
Only detectors that JAX can trace; here they are in float32, and the study scores what was found with `detectors.py`.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from qdfool.errors import InputError, known_name
from qdfool.studies.detection.detectors import Reference
from qdfool.types import Array, Classifier, Image, Parameters

DETECTED = "detected"
"""Name of the class that is added."""
CERTAIN = float(np.log(0.9999 / 0.0001))
"""Log-odds of 99.99 %."""
STEEPNESS = 5.0
"""How many logits the detected class loses while a score rises from the threshold to the median of real images."""

Network = Callable[[Parameters, Image], tuple[Array, Array]]
"""(parameters, images [B, H, W, C]) to logits [B, K] and features [B, F]."""


class Limits(NamedTuple):
    """Where detectors' scores of real images lie, in the order of `TRACEABLE`, [T]."""

    known: Array
    """Whether the attacker knows the detector."""
    threshold: Array
    """From which on an image passes; 0 where it is not known."""
    median: Array
    """1 where it is not known."""


class Kept(NamedTuple):
    """What detectors keep of training images, for the device."""

    means: Array
    """[K, F] means of the classes, whitened."""
    whitening: Array
    """[F, F], by which features are multiplied so that their covariance is 1."""
    neighbours: Array
    """[n, F] of length 1."""


def kept(reference: Reference) -> Kept:
    """The arrays of a reference as the functions below take them."""
    whitening = np.linalg.cholesky(reference.gaussians.precision)
    arrays = (reference.gaussians.means @ whitening, whitening, reference.neighbours)
    return Kept(*(jnp.asarray(array, jnp.float32) for array in arrays))


def _maximum_logit(known: Kept, logits: Array, features: Array, count: int) -> Array:
    return logits.max(axis=1)


def _energy(known: Kept, logits: Array, features: Array, count: int) -> Array:
    return jax.nn.logsumexp(logits, axis=1)


def _mahalanobis(known: Kept, logits: Array, features: Array, count: int) -> Array:
    apart = (features @ known.whitening)[:, None] - known.means
    return -jnp.square(apart).sum(axis=2).min(axis=1)


def _nearest_neighbours(known: Kept, logits: Array, features: Array, count: int) -> Array:
    # A length of 0 has no derivative.
    squared = jnp.square(features).sum(axis=1, keepdims=True)
    unit = features * jnp.where(squared > 0, jax.lax.rsqrt(jnp.where(squared > 0, squared, 1.0)), 1.0)
    nearness, _ = jax.lax.top_k(unit @ known.neighbours.T, count)
    # |a - b|^2 = |a|^2 + |b|^2 - 2 a b; a training image itself is at 0, where a root has no derivative.
    ones = jnp.square(unit).sum(axis=1) + 1.0
    return -jnp.sqrt(jnp.maximum(ones - 2 * nearness[:, -1], 1e-12))


TRACEABLE: dict[str, Callable[[Kept, Array, Array, int], Array]] = {
    "max-logit": _maximum_logit,
    "energy": _energy,
    "mahalanobis": _mahalanobis,
    "neighbours": _nearest_neighbours,
}
"""(kept, logits [B, K], features [B, F], which neighbour) to scores [B], by the names of `detectors.SCORES`."""


def limits(known: Mapping[str, tuple[float, float]]) -> Limits:
    """The limits of known detectors, the others left aside.

    Args:
        known: detector to the threshold and the median of its scores of real images, the second above the first.

    Raises:
        InputError: no detector of that name can be traced.
    """
    for name in known:
        known_name("traceable detector", name, TRACEABLE)
    threshold, median = np.array([known.get(name, (0.0, 1.0)) for name in TRACEABLE], np.float32).T
    return Limits(
        jnp.array([name in known for name in TRACEABLE]), jnp.asarray(threshold), jnp.asarray(median)
    )


@functools.cache
def joint_logits(network: Network, neighbours: int) -> Callable[[Parameters, Image], Array]:
    """Logits [B, K + 1] of a network and detectors; the last is that of the detected class.

    That class's log-odds against the others together are the largest excess, over the known detectors, of the threshold
    over the score, in units of which `STEEPNESS` are the way from the threshold to the median of real images, less the
    log-odds of 99.99 %. So a class has 99.99 % here only where it has them in the network and every known detector lets
    the image pass; and what the network is sure of but a detector sees is judged by how far it is seen.

    Parameters are a dict: `network`, `kept` (a `Kept`), and `limits` (a `Limits`). The same arguments give the same
    function: what is compiled for one seed and monitor serves all.

    Args:
        network: traceable.
        neighbours: which neighbour's distance is a score.
    """

    def logits(parameters: Any, images: Image) -> Array:
        said, features = network(parameters["network"], images)
        held: Limits = parameters["limits"]
        scores = jnp.stack(
            [score(parameters["kept"], said, features, neighbours) for score in TRACEABLE.values()], axis=1
        )
        excess = STEEPNESS * (held.threshold - scores) / (held.median - held.threshold)
        largest = jnp.max(jnp.where(held.known, excess, -jnp.inf), axis=1)
        detected = jax.nn.logsumexp(said, axis=1) + largest - CERTAIN
        return jnp.concatenate([said, detected[:, None]], axis=1)

    return logits


def joint_classifier(
    network: Network, alone: Classifier, reference: Reference, known: Mapping[str, tuple[float, float]]
) -> Classifier:
    """A classifier and its monitor as one, for `qdfool.evolve`.

    Args:
        network: what `alone` is, with its features.
        alone: the classifier.
        reference: what the detectors keep of training images.
        known: one or more detectors with their limits; see `limits`.

    Raises:
        InputError: no detector is known, or none of that name can be traced.
    """
    if not known:
        raise InputError(f"Expected a detector or more out of {', '.join(TRACEABLE)}; got none.")
    return Classifier(
        name=f"{alone.name} with a monitor",
        image_shape=alone.image_shape,
        class_names=(*alone.class_names, DETECTED),
        parameters={"network": alone.parameters, "kept": kept(reference), "limits": limits(known)},
        logits=joint_logits(network, reference.neighbour),
    )
