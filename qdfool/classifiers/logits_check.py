"""What a classifier answers: asked once before evolution begins, and checked."""

import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from qdfool.classifiers.callbacks import code_called_back
from qdfool.classifiers.names_check import MOST_CLASSES
from qdfool.errors import InputError, code_of_a_user
from qdfool.types import Classifier, Parameters

DEFAULT_SHAPE = (28, 28, 1)
"""(H, W, C) of the images that a user's classifier is taken to want where nothing says so."""
IMAGES_ASKED = 8
"""Images in the one call that checks a classifier: it may be a service that is paid for."""
CLASSES_KEPT = 4
"""Of those images, in what a run remembers of the answer."""
PROBABILITIES = (
    "{name} returned rows that lie in [0, 1] and sum to 1: these are probabilities. Expected logits, the "
    "numbers before the softmax; return those, or their logarithm where only probabilities are to be had."
)


def as_array(logits: Any) -> np.ndarray:
    """What a function on the host returned, as a NumPy array: also of a PyTorch tensor, wherever it lies, whether
    or not it has a gradient; bfloat16, which NumPy lacks, becomes float32.

    Raises:
        InputError: it is a masked array, which becomes one without its mask.
    """
    if isinstance(logits, np.ma.MaskedArray):
        raise InputError(
            "Expected a logit of every class; got a masked array. Fill it, or return an array without."
        )
    torch = sys.modules.get("torch")  # whoever returns a tensor has imported it
    if torch is not None and isinstance(logits, torch.Tensor):
        logits = logits.detach().cpu()
        logits = logits.float().numpy() if logits.dtype == torch.bfloat16 else logits.numpy()
    return np.asarray(logits)


def ask_once(
    name: str,
    function: Callable[[Parameters, Any], Any],
    parameters: Parameters,
    image_shape: tuple[int, int, int],
) -> np.ndarray:
    """The logits [8, K] of a black, a white, a grey and five noisy images, checked.

    Raises:
        InputError: the function fails, or its output is not [8, K], not of floating-point numbers, not finite,
            or holds probabilities instead of logits.
    """
    images = np.random.default_rng(0).random((IMAGES_ASKED, *image_shape), np.float32)
    images[0], images[1], images[2] = 0.0, 1.0, 0.5
    failing = (
        f"{name} failed on images {list(images.shape)} (float32 in [0, 1])",
        "Expected a function from images [B, H, W, C] to logits [B, K]; if it takes images of another size, say so "
        "with `image_shape`: height, width, channels.",
    )
    with code_of_a_user(*failing), code_called_back(*failing):
        logits = as_array(function(parameters, images))
    _check_array(name, logits)
    if logits.ndim != 2 or logits.shape[0] != IMAGES_ASKED or not 2 <= logits.shape[1] <= MOST_CLASSES:
        raise InputError(
            f"{name} returned shape {list(logits.shape)} for {IMAGES_ASKED} images. Expected logits "
            f"[{IMAGES_ASKED}, K] with 2 to {MOST_CLASSES:,} classes K."
        )
    _check_dtype(name, logits)
    check_values(name, logits)
    return logits


def answers_of(classifier: Classifier) -> tuple[float, ...]:
    """A few of the logits that it gives now; see `some_of`."""
    return some_of(
        ask_once(classifier.name, classifier.logits, classifier.parameters, classifier.image_shape)
    )


def some_of(logits: np.ndarray) -> tuple[float, ...]:
    """Those of a few classes, spread evenly, of each of the images [B, K]: enough to tell two classifiers apart."""
    classes = np.linspace(0, logits.shape[1] - 1, min(logits.shape[1], CLASSES_KEPT)).astype(int)
    return tuple(map(float, in_float32(logits)[:, classes].ravel()))


def check_answer(name: str, logits: np.ndarray, shape: tuple[int, int]) -> None:
    """Checks what a classifier on the host answers in the course of a run. NaN and infinity pass: who asks counts them.

    Args:
        name: of the classifier, as a message begins.
        logits: as `as_array` gives them.
        shape: (B, K).

    Raises:
        InputError: they are of another shape, no floating-point numbers, or probabilities; of fewer images than are
            asked at the start, these are not told from logits, which may sum to 1 by chance.
    """
    check_kind(name, logits, shape)
    if len(logits) >= IMAGES_ASKED and _are_probabilities(logits):
        raise InputError(PROBABILITIES.format(name=name))


def in_float32(logits: Any) -> Any:
    """[B, K], of NumPy or JAX, as float32; what that cannot hold becomes infinite.

    Of wider numbers each row's largest is taken off before. That changes no confidence, and far from 0 their
    differences would be rounded away, as of joint log-likelihoods of an image's many values.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if logits.dtype.itemsize > 4:
            logits = logits - logits.max(axis=1, keepdims=True)
        return logits.astype(np.float32)


def check_kind(name: str, logits: Any, shape: tuple[int, int]) -> None:
    """Checks what a classifier answers as far as JAX knows it while it traces: without a look at any number.

    Args:
        name: of the classifier, as a message begins.
        logits: an array, or what stands for one.
        shape: (B, K).

    Raises:
        InputError: they are no array, or of another shape, or no floating-point numbers.
    """
    if not isinstance(logits, np.ndarray | jax.Array):
        raise InputError(f"{name} returned a {type(logits).__name__}. Expected logits {list(shape)}.")
    _check_array(name, logits)
    if logits.shape != shape:
        raise InputError(f"{name} returned shape {list(logits.shape)}. Expected logits {list(shape)}.")
    _check_dtype(name, logits)


def _check_array(name: str, logits: np.ndarray | jax.Array) -> None:
    """Checks that what became an array was one: NumPy makes an array of a text, a dictionary or None, too."""
    if logits.ndim == 0 and logits.dtype.kind in "OSU":
        raise InputError(
            f"{name} returned a {type(logits.item()).__name__}. Expected an array of logits [B, K] and nothing around "
            "it; where a model returns several things, return its logits alone."
        )


def _check_dtype(name: str, logits: np.ndarray | jax.Array) -> None:
    if not np.issubdtype(logits.dtype, np.floating) and logits.dtype != jnp.bfloat16:
        raise InputError(f"{name} returned {logits.dtype}. Expected logits as floating-point numbers.")


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
    if _are_probabilities(logits):
        raise InputError(PROBABILITIES.format(name=name))


def _are_probabilities(logits: np.ndarray) -> bool:
    # In bfloat16 a softmax sums to 1 within half a hundredth.
    return bool((logits >= 0).all()) and np.allclose(logits.astype(np.float64).sum(axis=1), 1.0, atol=1e-2)
