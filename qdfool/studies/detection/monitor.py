"""A network with the monitor that watches it: what both make of images."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from qdfool.studies.detection.detectors import TEMPERATURE, Reference, Seen, reference, scores
from qdfool.studies.detection.joint import Network
from qdfool.types import Array, Image, Parameters

PART = 100
"""Images that are looked at together."""


class Monitor(NamedTuple):
    """A network, others beside it, and what is kept of its training images."""

    network: Network
    parameters: Parameters
    others: Parameters
    """Leaves [M, ...] of M networks of the same architecture."""
    reference: Reference
    epsilon: float
    """Of ODIN's step, in units of brightness."""


def watching(
    network: Network,
    parameters: Parameters,
    others: Sequence[Parameters],
    images: np.ndarray,
    labels: np.ndarray,
    *,
    classes: int,
    neighbours: int,
    epsilon: float,
) -> Monitor:
    """The monitor of a network.

    Args:
        network: traceable.
        parameters: of the network that is watched.
        others: of one or more networks of the same architecture.
        images: [n, H, W, C] uint8, of the training set.
        labels: [n].
        classes: K.
        neighbours: which neighbour's distance is taken.
        epsilon: ODIN's.

    Raises:
        InputError: there are no training images, or too few; see `detectors.reference`.
    """
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *others)
    features = _in_parts(lambda part: _features(network, parameters, part), images) if len(images) else None
    known = reference(features, labels, classes, neighbours)
    return Monitor(network, parameters, stacked, known, epsilon)


def perturb(
    network: Network, parameters: Parameters, images: Image, epsilon: Any, temperature: float = TEMPERATURE
) -> Image:
    """Images [B, H, W, C], each value moved by `epsilon`, uphill on the softmax, at a temperature, of the class
    that it is called: ODIN's step, which raises that of real images more than of others. See `detectors.odin`."""

    def certainty(images: Image) -> Array:
        logits, _ = network(parameters, images)
        return jax.nn.log_softmax(logits / temperature).max(axis=1).sum()

    return images + epsilon * jnp.sign(jax.grad(certainty)(images))


def look(monitor: Monitor, images: np.ndarray) -> Seen:
    """What the networks make of images [B, H, W, C] uint8."""
    epsilon = jnp.float32(monitor.epsilon)

    def one(part: np.ndarray) -> np.ndarray:
        looked = _look(monitor.network, monitor.parameters, monitor.others, part, epsilon)
        return np.concatenate([np.asarray(array) for array in looked], axis=1)

    classes, width = monitor.reference.gaussians.means.shape
    logits, features, perturbed, others = np.split(
        _in_parts(one, images), np.cumsum([classes, width, classes]), axis=1
    )
    beside = others.reshape(len(images), -1, classes).swapaxes(0, 1)
    return Seen(logits, features, perturbed, beside)


def score_all(monitor: Monitor, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The logits [B, K] of images [B, H, W, C] uint8, and the scores [D, B] of all detectors."""
    seen = look(monitor, images)
    return seen.logits, np.stack(list(scores(seen, monitor.reference).values()))


@functools.partial(jax.jit, static_argnums=0)
def _features(network: Network, parameters: Parameters, images: Any) -> Array:
    return network(parameters, jnp.asarray(images, jnp.float32) / 255)[1]


@functools.partial(jax.jit, static_argnums=0)
def _look(
    network: Network, parameters: Parameters, others: Parameters, images: Any, epsilon: Any
) -> tuple[Array, ...]:
    images = jnp.asarray(images, jnp.float32) / 255
    logits, features = network(parameters, images)
    moved, _ = network(parameters, perturb(network, parameters, images, epsilon))
    beside = jax.lax.map(lambda one: network(one, images)[0], others)
    return logits, features, moved, beside.swapaxes(0, 1).reshape(len(images), -1)


def _in_parts(compute: Any, images: np.ndarray) -> np.ndarray:
    """`compute`, from [PART, ...] to [PART, ...], of images of any number."""
    filled = np.concatenate([images, np.zeros((-len(images) % PART, *images.shape[1:]), images.dtype)])
    parts = [np.asarray(compute(part)) for part in filled.reshape(-1, PART, *images.shape[1:])]
    return np.concatenate(parts)[: len(images)]
