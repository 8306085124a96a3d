"""LeNet for MNIST, as in the paper and as Caffe's example has it.

Two convolutions, each followed by max pooling and by no non-linearity of its own, then two dense layers
with a ReLU between them: 431,080 parameters.

Sources:
    Nguyen, Yosinski and Clune 2015 (arXiv 1412.1897), section 2.1, "MNIST DNN".
    LeCun, Bottou, Bengio and Haffner 1998, in the variant that Caffe calls `lenet`.
"""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from flax.nnx.nn.dtypes import promote_dtype
from jax import lax

from qdfool.classifiers import lenet_batch_minor, lenet_gradient
from qdfool.classifiers import weights as weight_files
from qdfool.classifiers.layers import exactly
from qdfool.classifiers.lenet_batch_minor import Weights
from qdfool.classifiers.names_check import check_class_names
from qdfool.errors import InputError, shown
from qdfool.types import Array, Classifier, Image, Key, Parameters

NAME = "lenet"
IMAGE_SHAPE = (28, 28, 1)
CLASS_NAMES = tuple("0123456789")
MOST_CLASSES = 1000
"""That a file may name."""
PRETRAINED = Path(__file__).parent / "pretrained" / "lenet.safetensors"
MANY = 64
"""Rows of a matrix from which on XLA's products for a CPU have one order of summation, in jax 0.10 and 0.12."""
PIXEL_SCALES = {"pixel/255": 1.0, "pixel/256": 255 / 256}
"""What an image in [0, 1] is multiplied by, for each `preprocessing` that a weights file may name."""


@jax.custom_vjp
def max_pool(images: Array) -> Array:
    """Largest value of every 2 x 2 window, [B, H, W, C] to [B, H/2, W/2, C]; ties share the gradient."""
    return nnx.max_pool(images, (2, 2), (2, 2))


def _max_pool_forward(images: Array) -> tuple[Array, Array]:
    return max_pool(images), images


def _max_pool_backward(images: Array, gradient: Array) -> tuple[Array]:
    # As a window reduction pooling is fastest forwards, but XLA's gradient of it is several times slower on a
    # CPU than the gradient of the same maximum over a reshaped array.
    batch, height, width, channels = images.shape
    windows = (batch, height // 2, 2, width // 2, 2, channels)
    _, pull_back = jax.vjp(lambda x: x.reshape(windows).max((2, 4)), images)
    return pull_back(gradient)


max_pool.defvjp(_max_pool_forward, _max_pool_backward)


def channels_last(weights: Weights, images: Image) -> Array:
    """Images [B, 28, 28, 1] to the hidden units before their ReLU, [B, 500], with XLA's own convolutions."""

    def pooled(maps: Array, kernel: Array, bias: Array) -> Array:
        layout = ("NHWC", "HWIO", "NHWC")
        return max_pool(
            lax.conv_general_dilated(maps, kernel, (1, 1), "VALID", dimension_numbers=layout) + bias
        )

    maps = pooled(images, weights.kernel1, weights.bias1)
    maps = pooled(maps, weights.kernel2, weights.bias2)
    rows = maps.reshape(len(maps), -1)  # in (H, W, C) order
    return rows @ weights.dense + weights.dense_bias


@jax.custom_vjp
def _on_cpu(weights: Weights, images: Image) -> Array:
    """`channels_last` in the formulation for a CPU, with its gradient of images; that of weights is XLA's own."""
    return lenet_batch_minor.hidden(weights, images)


def _on_cpu_forward(weights: Weights, images: Image) -> tuple[Array, tuple[Weights, Array, Array]]:
    units, largest = lenet_gradient.hidden_and_largest(weights, images)
    return units, (weights, images, largest)


def _on_cpu_backward(kept: tuple[Weights, Array, Array], gradient: Array) -> tuple[Weights, Array]:
    """What nobody asks for of the two is not computed in a compiled program."""
    weights, images, largest = kept
    _, pull_back = jax.vjp(lambda weights: channels_last(weights, images), weights)
    return pull_back(gradient)[0], lenet_gradient.gradient(weights, images, largest, gradient)


_on_cpu.defvjp(_on_cpu_forward, _on_cpu_backward)


def _hidden(weights: Weights, images: Image) -> Array:
    """Images [B, 28, 28, 1] to the hidden units before their ReLU, [B, 500]."""
    return lax.platform_dependent(weights, images, cpu=_on_cpu, default=channels_last)


def _product(hidden: Array, kernel: Array, *_: Any, **__: Any) -> Array:
    """The product [B, 500] x [500, K]. A CPU would sum that of few rows up in another order than that of many."""

    def of_many(hidden: Array, kernel: Array) -> Array:
        filled = jnp.pad(hidden, ((0, max(0, MANY - len(hidden))), (0, 0)))
        return (filled @ kernel)[: len(hidden)]

    return lax.platform_dependent(hidden, kernel, cpu=of_many, default=jnp.matmul)


class LeNet(nnx.Module):
    """Conv 5x5x20, max pool, conv 5x5x50, max pool, dense 500, ReLU, dense 10."""

    def __init__(self, classes: int = 10, *, rngs: nnx.Rngs):
        self.conv1 = nnx.Conv(1, 20, (5, 5), padding="VALID", rngs=rngs)
        self.conv2 = nnx.Conv(20, 50, (5, 5), padding="VALID", rngs=rngs)
        self.ip1 = nnx.Linear(4 * 4 * 50, 500, rngs=rngs)
        self.ip2 = nnx.Linear(500, classes, dot_general=_product, rngs=rngs)

    def __call__(self, images: Image) -> Array:
        """[B, 28, 28, 1] preprocessed images to logits [B, K]."""
        return self.ip2(self.hidden(images))

    def hidden(self, images: Image) -> Array:
        """[B, 28, 28, 1] preprocessed images to the 500 hidden units, [B, 500]."""
        values = (*_of(self.conv1), *_of(self.conv2), *_of(self.ip1))
        images, *values = promote_dtype((images, *values), dtype=None)
        weights = Weights(*values)
        return nnx.relu(_hidden(weights, images))


def _of(layer: nnx.Conv | nnx.Linear) -> tuple[Array, Array]:
    assert layer.bias is not None
    return layer.kernel[...], layer.bias[...]


@functools.cache
def _network(classes: int = 10) -> tuple[nnx.GraphDef, Parameters]:
    graph, state = nnx.split(nnx.eval_shape(lambda: LeNet(classes, rngs=nnx.Rngs(0))))
    return graph, nnx.to_pure_dict(state)


def initialise(key: Key, classes: int = 10) -> Parameters:
    """Random parameters of a network with K classes: weights LeCun-normal, biases 0.

    Returns:
        A dict of dicts of float32 arrays.
    """
    _, state = nnx.split(LeNet(classes, rngs=nnx.Rngs(key)))
    return nnx.to_pure_dict(state)


def logits(parameters: Parameters, images: Image, *, pixel_scale: float = 1.0) -> Array:
    """Images [B, 28, 28, 1] in [0, 1], multiplied by `pixel_scale`, to logits [B, K]."""
    graph, _ = _network(parameters["ip2"]["bias"].shape[0])
    with exactly():
        return nnx.merge(graph, parameters)(images * pixel_scale)


def logits_and_features(parameters: Parameters, images: Image) -> tuple[Array, Array]:
    """The logits [B, K] of images [B, 28, 28, 1] in [0, 1], and the hidden units before the last layer, [B, 500]."""
    graph, _ = _network(parameters["ip2"]["bias"].shape[0])
    with exactly():
        network = nnx.merge(graph, parameters)
        hidden = network.hidden(images)
        return network.ip2(hidden), hidden


def logits_with_dropout(parameters: Parameters, images: Image, key: Key, *, rate: float) -> Array:
    """The logits [B, K] of images [B, 28, 28, 1] in [0, 1] while the network learns: of the hidden units a share of
    `rate` is dropped, drawn anew for each image, and the others are raised so that their sum stays what it was.

    Source: N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever, R. Salakhutdinov, "Dropout", JMLR 15, 2014.
    """
    graph, _ = _network(parameters["ip2"]["bias"].shape[0])
    network = nnx.merge(graph, parameters)
    with exactly():
        hidden = network.hidden(images)
        kept = jax.random.bernoulli(key, 1 - rate, hidden.shape)
        return network.ip2(jnp.where(kept, hidden / (1 - rate), 0))


def classifier(weights: Path | None = None) -> Classifier:
    """LeNet with the packaged weights, or with those of a file.

    The file may be one that `python -m qdfool.train lenet` wrote, or the network of the paper's authors. Its
    metadata says how it wants its pixels: `preprocessing` is `pixel/255` or `pixel/256`; and,
    where it has other classes than the ten digits, what they are called: `class_names`, a JSON list.

    Args:
        weights: a safetensors file.

    Raises:
        InputError: the file is missing, damaged, of another network, holds NaN, or its preprocessing or its class names
            are none.
    """
    path = PRETRAINED if weights is None else weights
    tensors, metadata = weight_files.read(path)
    names = _class_names(metadata, path)
    _, expected = _network(len(names))
    parameters = weight_files.fill(expected, tensors, path)
    preprocessing = metadata.get("preprocessing")
    if preprocessing not in PIXEL_SCALES:
        raise InputError(
            f"The metadata of {path} must have a 'preprocessing' out of {', '.join(PIXEL_SCALES)}; "
            f"got {shown(preprocessing)}. Say there how the network was trained."
        )
    return Classifier(
        name=NAME,
        image_shape=IMAGE_SHAPE,
        class_names=names,
        parameters=parameters,
        logits=_scaled_logits(PIXEL_SCALES[preprocessing]),
        fingerprint=weight_files.fingerprint(path),
    )


def _class_names(metadata: dict[str, str], path: Path) -> tuple[str, ...]:
    written = metadata.get("class_names")
    if written is None:
        return CLASS_NAMES
    try:
        given = json.loads(written)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"The 'class_names' in the metadata of {path} must be a JSON list of names; got {shown(written)}."
        ) from error
    if not isinstance(given, list) or len(given) > MOST_CLASSES:
        raise InputError(
            f"The 'class_names' in the metadata of {path} must be a JSON list of at most {MOST_CLASSES} names; got "
            f"{shown(written)}."
        )
    return check_class_names(str(path), given, None)


@functools.cache
def _scaled_logits(pixel_scale: float) -> Callable[[Parameters, Image], Array]:
    """The same function for every network of one scale, so that what was compiled for one serves all."""
    return functools.partial(logits, pixel_scale=pixel_scale)
