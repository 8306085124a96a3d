"""Judges: networks that never saw the classifier under audit, to say what digit they read in an image.

Each is a LeNet from other initial weights, trained on a part of MNIST's training images that no other judge has.
Half of the images that it learns from have up to a quarter of their pixels inverted: people read a digit
through specks, and a network that was shown none does not, so that it would call a speckled seven no seven. It
also makes the judges unsure of static, of which LeNets are commonly certain that it is an eight or a three.
"""

from typing import Any, NamedTuple

import jax
import numpy as np

from qdfool.classifiers import lenet, weights
from qdfool.classifiers.training import Training, error, train
from qdfool.data.mnist import Mnist
from qdfool.errors import in_range
from qdfool.keys import root_key
from qdfool.types import Parameters

SPECKLED = 0.5
"""Share of the training images that have specks."""
MOST_SPECKS = 0.25
"""Share of pixels inverted, at most; drawn uniformly for each image."""


class Judges(NamedTuple):
    """J trained networks."""

    parameters: Parameters
    """Leaves [J, ...] of LeNet's parameters."""
    errors: np.ndarray
    """[J] float32, the share of MNIST's test images that each calls wrongly."""


def train_judges(data: Mnist, count: int = 5, images: int = 10_000, epochs: int = 2, seed: int = 0) -> Judges:
    """Trains judges on disjoint parts of the training set; about a second for 1,000 images on two cores.

    Args:
        data: MNIST.
        count: J, at least 1.
        images: in each part, at least 100.
        epochs: passes over the part.
        seed: of the parts, the specks, the initial weights and the order.

    Raises:
        InputError: a number is out of range, or there are fewer images than the parts need.
    """
    in_range("judges", count, 1)
    in_range("images of a judge", images, 100, len(data.train_images) // count)
    root = root_key(seed, "judges")
    order = np.asarray(jax.random.permutation(jax.random.fold_in(root, count), len(data.train_images)))
    trained, errors = [], []
    for number in range(count):
        initial_key, training_key, specks_key = jax.random.split(jax.random.fold_in(root, number), 3)
        part = order[number * images : (number + 1) * images]
        parameters, _ = train(
            lenet.logits,
            lenet.initialise(initial_key),
            speckled(data.train_images[part], np.asarray(jax.random.key_data(specks_key))),
            data.train_labels[part],
            training_key,
            Training(epochs=epochs),
        )
        trained.append(parameters)
        errors.append(error(lenet.logits, parameters, data.test_images, data.test_labels))
    stacked = jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *trained)
    return Judges(stacked, np.array(errors, np.float32))


def speckled(images: np.ndarray, seed: Any) -> np.ndarray:
    """Half of [n, H, W, C] uint8 with up to a quarter of their pixels inverted; the others as they are.

    Args:
        images: to begin with.
        seed: what `numpy.random.default_rng` takes.
    """
    random = np.random.default_rng(seed)
    each = (len(images), 1, 1, 1)
    rate = random.uniform(0.0, MOST_SPECKS, each) * (random.random(each) < SPECKLED)
    return np.where(random.random(images.shape) < rate, 255 - images, images)


def logits(judges: Judges, images: Any, batch_size: int = 500) -> np.ndarray:
    """[J, n, 10]: what each judge makes of images [n, 28, 28, 1] in [0, 1]."""
    stack = np.asarray(images, np.float32)
    parts = []
    for start in range(0, len(stack), batch_size):
        chunk = stack[start : start + batch_size]
        size = batch_size if len(stack) > batch_size else len(chunk)
        padded = np.pad(chunk, ((0, size - len(chunk)), (0, 0), (0, 0), (0, 0)))
        parts.append(np.asarray(_logits(judges.parameters, padded))[:, : len(chunk)])
    return np.concatenate(parts, axis=1) if parts else np.zeros((len(judges.errors), 0, 10), np.float32)


@jax.jit
def _logits(parameters: Parameters, images: Any) -> Any:
    return jax.lax.map(lambda judge: lenet.logits(judge, images), parameters)


def to_arrays(judges: Judges) -> dict[str, np.ndarray]:
    """The judges as arrays by name, such as a workbench keeps; `from_arrays` is the way back."""
    return {**weights.named(judges.parameters), "errors": judges.errors}


def from_arrays(arrays: dict[str, np.ndarray]) -> Judges:
    """The judges that `to_arrays` made arrays of.

    Raises:
        InputError: the arrays are not those of judges.
    """
    parameters = {name: np.asarray(array) for name, array in arrays.items() if name != "errors"}
    count = len(np.atleast_1d(arrays["errors"]))
    one = jax.eval_shape(lambda: lenet.initialise(jax.random.key(0)))
    expected = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((count, *leaf.shape), leaf.dtype), one)
    return Judges(weights.fill(expected, parameters, "judges"), np.asarray(arrays["errors"], np.float32))
