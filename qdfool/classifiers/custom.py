"""A user's own classifier: any function from images to logits, traceable by JAX or not."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from qdfool.errors import InputError
from qdfool.types import Classifier, Parameters

PROBABILITIES = (
    "The rows of {name}'s output lie in [0, 1] and sum to 1: these are probabilities. Expected logits, the "
    "numbers before the softmax; return those, or their logarithm where only probabilities are to be had."
)


def wrap(found: Any, name: str, image_shape: tuple[int, int, int]) -> Classifier:
    """Makes a classifier of a `Classifier`, a Flax NNX module, or a function.

    Args:
        found: a `Classifier` (returned as it is), an `nnx.Module` (run in evaluation mode), or any function
            from images [B, H, W, C] float32 in [0, 1] to logits [B, K]. One that JAX cannot trace is
            called from the host with NumPy arrays. `image_shape` and `class_names` are read from its
            attributes where it has them.
        name: what to call it.
        image_shape: (H, W, C), where the function does not say.

    Raises:
        InputError: it is none of these, or does not return logits.
    """
    if isinstance(found, Classifier):
        return found
    if not callable(found) or isinstance(found, type):
        raise InputError(
            f"{name} is {_kind(found)}. Expected a function from images [B, H, W, C] to logits [B, K], a Flax "
            "NNX module, or a qdfool.Classifier."
        )
    parameters, logits = _split(found) if isinstance(found, nnx.Module) else ({}, _without_parameters(found))
    height, width, channels = getattr(found, "image_shape", image_shape)
    shape = (height, width, channels)
    traceable = _traceable(logits, parameters, shape)
    classes = _probe(name, logits, parameters, shape).shape[1]
    names = getattr(found, "class_names", None) or [f"class {index}" for index in range(classes)]
    return Classifier(name, shape, tuple(names), parameters, logits, traceable)


def check(classifier: Classifier) -> None:
    """Shows a classifier a few images and checks what comes back.

    Raises:
        InputError: it fails, its output is not [B, K] with K the number of its names, is not finite, or
            holds probabilities instead of logits; or its class names are not unique.
    """
    names = classifier.class_names
    doubles = (
        sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    )
    if doubles:
        raise InputError(
            f"Class names must be unique; {classifier.name} has twice: {', '.join(doubles[:5])}."
        )
    logits = _probe(classifier.name, classifier.logits, classifier.parameters, classifier.image_shape)
    if logits.shape[1] != len(names):
        raise InputError(
            f"{classifier.name} names {len(names)} classes but returns {logits.shape[1]} logits an image. "
            "Expected as many names as logits."
        )


def _probe(
    name: str,
    function: Callable[[Parameters, Any], Any],
    parameters: Parameters,
    image_shape: tuple[int, int, int],
) -> np.ndarray:
    images = np.random.default_rng(0).random((8, *image_shape), np.float32)
    images[0], images[1], images[2] = 0.0, 1.0, 0.5
    try:
        logits = np.asarray(function(parameters, images))
    except Exception as error:
        raise InputError(
            f"{name} failed on images {list(images.shape)} (float32 in [0, 1]): {type(error).__name__}: {error}. "
            "If it takes another size, say so with --image-shape HEIGHT WIDTH CHANNELS."
        ) from error
    if logits.ndim != 2 or logits.shape[0] != 8 or logits.shape[1] < 2:
        raise InputError(
            f"{name} returned shape {list(logits.shape)} for 8 images. Expected logits [8, K] with K >= 2 classes."
        )
    if not np.issubdtype(logits.dtype, np.floating) and logits.dtype != jnp.bfloat16:
        raise InputError(f"{name} returned {logits.dtype}. Expected logits as floating-point numbers.")
    check_values(name, logits)
    return logits


def check_values(name: str, logits: np.ndarray) -> None:
    """Checks that logits [B, K] are finite and no probabilities.

    Raises:
        InputError: they are not.
    """
    finite = np.isfinite(logits).all(axis=1)
    if not finite.all():
        raise InputError(
            f"{name}: {(~finite).sum()} of {len(logits)} images got NaN or infinity, the first of them image "
            f"{int(np.argmin(finite))}. Expected finite logits for every image in [0, 1]."
        )
    if (logits >= 0).all() and np.allclose(logits.astype(np.float64).sum(axis=1), 1.0, atol=1e-3):
        raise InputError(PROBABILITIES.format(name=name))


def _split(module: nnx.Module) -> tuple[Parameters, Callable[[Parameters, Any], Any]]:
    graph, parameters = nnx.split(module)

    def logits(parameters: Parameters, images: Any) -> Any:
        model: Any = nnx.merge(graph, parameters)
        model.eval()
        return model(images)

    return parameters, logits


def _without_parameters(function: Callable[[Any], Any]) -> Callable[[Parameters, Any], Any]:
    return lambda parameters, images: function(images)


def _traceable(logits: Callable[..., Any], parameters: Parameters, shape: tuple[int, ...]) -> bool:
    try:
        traced = jax.eval_shape(logits, parameters, jax.ShapeDtypeStruct((8, *shape), jnp.float32))
    except Exception:  # Whatever it raises when it meets a tracer, it may still work on NumPy arrays.
        return False
    return isinstance(traced, jax.ShapeDtypeStruct)


def _kind(found: Any) -> str:
    return f"the class {found.__name__}" if isinstance(found, type) else f"of type {type(found).__name__}"
