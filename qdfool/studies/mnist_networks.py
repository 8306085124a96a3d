"""Networks for MNIST that studies train: LeNets and small residual networks, as many of each as there are numbers.

A network is a unit of the workbench, of the condition `network-KIND` and its number: studied together they are the same
for all conditions of a study, and trained once.

Source of the residual network: K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR
2016; that a block begins as its shortcut, with a last kernel of zeros, is in the place of batch normalisation:
H. Zhang, Y. Dauphin, T. Ma, "Fixup Initialization", ICLR 2019.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from qdfool.classifiers import lenet, weights
from qdfool.classifiers.layers import CHANNELS_LAST, Conv, Dense, exactly
from qdfool.classifiers.networks.resnet import Block
from qdfool.classifiers.training import Logits, Training, error, train
from qdfool.errors import known_name
from qdfool.keys import root_key
from qdfool.studies.study import Workbench, fingerprint
from qdfool.types import Array, Classifier, Image, Key, Parameters

IMAGES = 60_000
"""What networks are trained on where nothing else is said: all of the training set."""
CHANNELS = 16, 32
"""Of the maps of the residual network at 14 x 14 and at 7 x 7 pixels."""


class SmallResNet(nnx.Module):
    """Conv 3x3x16 of stride 2, a block of 16 channels, two of 32, mean, dense: 38,058 parameters with ten classes.

    No batch normalisation. A block is two 3 x 3 convolutions beside a shortcut; the first of 32 channels has stride 2.
    """

    def __init__(self, classes: int = 10) -> None:
        few, many = CHANNELS
        self.stem = Conv(1, few, 3, stride=2, padding=1)
        self.blocks = nnx.List(
            [Block(few, few, 1, False), Block(few, many, 2, False), Block(many, many, 1, False)]
        )
        self.classifier = Dense(many, classes)

    def __call__(self, images: Image) -> Array:
        """[B, 28, 28, 1] in [0, 1] to logits [B, K]."""
        return self.classifier(self.hidden(images))

    def hidden(self, images: Image) -> Array:
        """[B, 28, 28, 1] in [0, 1] to the means of the last maps, [B, 32]."""
        features = nnx.relu(self.stem(images, CHANNELS_LAST))
        for block in self.blocks:
            features = block(features, CHANNELS_LAST)
        return CHANNELS_LAST.mean(features)


@functools.cache
def _resnet(classes: int = 10) -> tuple[nnx.GraphDef, Parameters]:
    graph, state = nnx.split(nnx.eval_shape(lambda: SmallResNet(classes)))
    return graph, nnx.to_pure_dict(state)


def initialise_resnet(key: Key, classes: int = 10) -> Parameters:
    """Random parameters of a residual network with K classes.

    Kernels are He-normal, but the last of each block, which is 0; so are biases.

    Returns:
        A dict of dicts of float32 arrays.
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(_resnet(classes)[1])
    keys = jax.random.split(key, len(leaves))
    filled = []
    for (path, leaf), leaf_key in zip(leaves, keys, strict=True):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        if leaf.ndim == 1 or name.endswith("convolutions/1/kernel"):
            filled.append(jnp.zeros(leaf.shape))
        else:
            # The last axis of a kernel is its outputs, all others are its inputs.
            spread = np.sqrt(2 / np.prod(leaf.shape[:-1]))
            filled.append(jnp.float32(spread) * jax.random.normal(leaf_key, leaf.shape))
    return jax.tree_util.tree_unflatten(structure, filled)


def resnet_logits(parameters: Parameters, images: Image) -> Array:
    """Images [B, 28, 28, 1] in [0, 1] to logits [B, K] of a residual network."""
    graph, _ = _resnet(parameters["classifier"]["bias"].shape[0])
    with exactly():
        return nnx.merge(graph, parameters)(images)


class Kind(NamedTuple):
    """A kind of network that studies train."""

    line: str
    """Its name in a report."""
    initialise: Callable[..., Parameters]
    """From a key, and the number of classes (10), to parameters."""
    logits: Logits
    """(parameters, images [B, 28, 28, 1] in [0, 1]) to logits [B, K]; of as many classes as the parameters have."""
    training: Training


KINDS: dict[str, Kind] = {
    "lenet": Kind(
        "LeNet",
        lenet.initialise,
        lenet.logits,
        Training(epochs=1, batch_size=64),
    ),
    "resnet": Kind(
        "small ResNet",
        initialise_resnet,
        resnet_logits,
        Training(epochs=3, batch_size=64, learning_rate=0.05),
    ),
}


class Trained(NamedTuple):
    """A trained network."""

    name: str
    """Its kind and number, as `lenet-3`."""
    classifier: Classifier
    """Of the ten digits. Its name is the kind: what evolution compiled for one of them serves all of that name."""
    error: float
    """Share of MNIST's 10,000 test images that it calls wrongly."""


def trained(bench: Workbench, kind: str, number: int, images: int = IMAGES) -> Trained:
    """A network of the workbench: trained now, or read where it was trained before.

    Args:
        bench: keeps it as a unit.
        kind: of `KINDS`.
        number: from 0; the seed of the initial weights, the order of the images and their shifts.
        images: the first so many of the training set are learned.

    Raises:
        InputError: there is no such kind, or MNIST is nowhere.
    """
    of = KINDS[known_name("kind of network", kind, KINDS)]
    found = bench.unit(f"network-{kind}", number, lambda: _train(bench, kind, number, images))
    tensors = {name: array for name, array in found.items() if name != "error"}
    expected = jax.eval_shape(lambda: of.initialise(jax.random.key(0)))
    classifier = Classifier(
        name=kind,
        image_shape=lenet.IMAGE_SHAPE,
        class_names=lenet.CLASS_NAMES,
        parameters=weights.fill(expected, tensors, kind),
        logits=of.logits,
        fingerprint=fingerprint(*tensors.values()),
    )
    return Trained(f"{kind}-{number}", classifier, float(found["error"]))


def _train(bench: Workbench, kind: str, number: int, images: int) -> Mapping[str, Any]:
    data, of = bench.mnist(), KINDS[kind]
    initial_key, training_key = jax.random.split(root_key(number, f"network {kind}"))
    parameters, _ = train(
        of.logits,
        of.initialise(initial_key),
        data.train_images[:images],
        data.train_labels[:images],
        training_key,
        of.training,
    )
    wrong = error(of.logits, parameters, data.test_images, data.test_labels)
    return {**weights.named(parameters), "error": wrong}
