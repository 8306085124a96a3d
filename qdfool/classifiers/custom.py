"""A user's own classifier: any function from images to logits, traceable by JAX or not."""

import functools
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from qdfool.classifiers.logits_check import (
    DEFAULT_SHAPE,
    IMAGES_ASKED,
    as_array,
    ask_once,
    some_of,
)
from qdfool.classifiers.names_check import check_class_names, check_name
from qdfool.classifiers.program import Traced, traced
from qdfool.classifiers.torch_adapter import adapted, is_torch_module
from qdfool.classifiers.weights import fingerprint
from qdfool.config import check_image_shape
from qdfool.errors import InputError, code_of_a_user, named, process_kept, shown
from qdfool.files.digest import digest_of
from qdfool.types import Classifier, Parameters

_LOG = logging.getLogger(__name__)


def wrap(found: Any, image_shape: tuple[int, int, int] | None = None, reference: str = "") -> Classifier:
    """Makes a classifier of a `Classifier`, a Flax NNX or PyTorch module, or a function.

    It is called once, with eight images: it may be a service that is paid for.

    Args:
        found: a `Classifier`, an `nnx.Module` (run in evaluation mode), a `torch.nn.Module` (see `from_torch`),
            or any function from images [B, H, W, C] float32 in [0, 1] to logits [B, K]. One that JAX cannot
            trace is called from the host with NumPy arrays, and may return a PyTorch tensor. `image_shape` and
            `class_names` are read from its attributes where it has them.
        image_shape: (H, W, C), where it does not say so itself; (28, 28, 1) if nothing does.
        reference: package.module:attribute that named it; without it, the name that it can be imported by.

    Raises:
        InputError: it is none of these, wants images of another shape, fails, or does not return logits that
            are finite, as many as its class names, which are unique lines of text.
    """
    with code_of_a_user(
        f"A classifier of your own, a {type(found).__name__}, fails when it is asked for its name"
    ):
        if isinstance(found, Classifier):
            reference, name = reference or found.reference, found.name
        else:
            reference = reference or _importable_name(found)
            name = reference or getattr(found, "__name__", type(found).__name__)
    name = check_name("A classifier of your own", name)
    classifier = _unchecked(found, name, image_shape)
    logits = ask_once(classifier.name, classifier.logits, classifier.parameters, classifier.image_shape)
    if ((logits >= 0) & (logits <= 1)).all():
        _LOG.warning(
            f"All that {named(name)} answers to {IMAGES_ASKED} images lies in [0, 1], as confidences of a sigmoid do. "
            "Logits are expected, as they are before it: of confidences, log-odds say less than the network does."
        )
    return replace(
        classifier,
        class_names=check_class_names(classifier.name, classifier.class_names, logits.shape[1]),
        reference=reference,
        file_hash=file_hash(name, reference),
        fingerprint=classifier.fingerprint or _fingerprint(classifier.parameters),
        answers=some_of(logits),  # Also where weights are known: a mean or a temperature is none.
    )


def _unchecked(found: Any, name: str, image_shape: tuple[int, int, int] | None) -> Classifier:
    """With the class names that it says, whatever they are."""
    shape = _shape(found, name, image_shape)
    if isinstance(found, Classifier):
        if not found.traceable:
            return replace(found, logits=_on_host(found.logits))
        known = _traced(found.logits, found.logits, found.parameters, shape)
        # Where its program does not show, a function that JAX has not met: it may answer otherwise by now.
        again = known if isinstance(known, Traced) else _anew(found.logits)
        return replace(found, logits=again)
    if is_torch_module(found):
        colours = {1: "grey", 3: "RGB"}.get(shape[2], f"{shape[2]} channels")
        _LOG.warning(
            f"{name} is a torch.nn.Module. It is called in evaluation mode with tensors [B, {shape[2]}, {shape[0]}, "
            f"{shape[1]}] in [0, 1] ({colours}), without normalisation; if it wants any, give "
            "qdfool.from_torch(module, mean=..., std=...)."
        )
        return replace(adapted(found, shape), name=name)
    if isinstance(found, str):
        raise InputError(
            f"The classifier given is the text {shown(found)}. Expected a classifier itself; one that has a name goes "
            "into the config, as `classifier`."
        )
    if not callable(found) or isinstance(found, type):
        raise InputError(
            f"{name} is {_kind(found)}. Expected a function from images [B, H, W, C] to logits [B, K], a Flax "
            "NNX or PyTorch module, or a qdfool.Classifier."
        )
    parameters, logits = _split(found) if isinstance(found, nnx.Module) else ({}, _without_parameters(found))
    of = type(found) if isinstance(found, nnx.Module) else found
    known = _traced(logits, of, parameters, shape)
    return Classifier(
        name,
        shape,
        _said_by(found, name, "class_names"),  # as it is; see `check_class_names`
        parameters,
        known or _on_host(logits),
        traceable=known is not None,
    )


def _said_by(found: Any, name: str, attribute: str) -> Any:
    """What an object says of itself; None where it says nothing."""
    with code_of_a_user(f"{name} fails when it is asked for its {attribute}"):
        return getattr(found, attribute, None)


def _shape(found: Any, name: str, image_shape: tuple[int, int, int] | None) -> tuple[int, int, int]:
    own = _said_by(found, name, "image_shape")
    if own is None:
        return image_shape or DEFAULT_SHAPE
    try:
        height, width, channels = (int(size) for size in own)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{name} says that its image_shape is {shown(own)}. Expected height, width, channels."
        ) from error
    shape = (height, width, channels)
    check_image_shape(f"the image_shape of {name}", shape)
    if image_shape not in (None, shape):
        raise InputError(
            f"{name} takes images of {height} x {width} x {channels}; got the `image_shape` "
            f"{' x '.join(map(str, image_shape))}. Leave `image_shape` away."
        )
    return shape


def _importable_name(found: Any) -> str:
    """package.module:attribute where another process finds this object too; else empty."""
    module, attribute = getattr(found, "__module__", None), getattr(found, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(attribute, str) or module == "__main__":
        return ""
    try:
        there = functools.reduce(getattr, attribute.split("."), sys.modules.get(module))
    except KeyboardInterrupt:
        raise
    except BaseException:  # A function within a function, or a module that answers for itself.
        return ""
    return f"{module}:{attribute}" if there is found else ""


def file_hash(name: str, reference: str) -> str:
    """SHA-256 of the file of the module that a reference names, which has been imported; empty where there is none."""
    file = _said_by(sys.modules.get(reference.partition(":")[0]), f"The module of {name}", "__file__")
    return fingerprint(Path(file)) if isinstance(file, str) and Path(file).is_file() else ""


def _fingerprint(parameters: Parameters) -> str:
    """SHA-256 of parameters that came in no file; empty where there are none, or some that are no arrays."""
    arrays = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(parameters):
        numbers: Any = leaf
        if not isinstance(leaf, jax.Array | np.ndarray | np.generic | int | float):
            return ""
        if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            numbers = jax.random.key_data(leaf)
        array = np.asarray(numbers)
        if array.dtype.hasobject:
            return ""
        arrays[jax.tree_util.keystr(path)] = array
    return digest_of(arrays).hex() if arrays else ""


def _split(module: nnx.Module) -> tuple[Parameters, Callable[[Parameters, Any], Any]]:
    graph, parameters = nnx.split(module)

    def logits(parameters: Parameters, images: Any) -> Any:
        model: Any = nnx.merge(graph, parameters)
        model.eval()
        return model(images)

    return parameters, logits


def _without_parameters(function: Callable[[Any], Any]) -> Callable[[Parameters, Any], Any]:
    return lambda parameters, images: function(images)


def _on_host(logits: Callable[[Parameters, Any], Any]) -> Callable[[Parameters, Any], Any]:
    return lambda parameters, images: as_array(logits(parameters, images))


def _traced(
    logits: Callable[..., Any], of: object, parameters: Parameters, shape: tuple[int, ...]
) -> Callable[..., Any] | None:
    """The logits, equal to those of the same object and program; None if JAX cannot trace them."""
    try:
        with process_kept():
            images = jax.ShapeDtypeStruct((IMAGES_ASKED, *shape), jnp.float32)
            shapes, known = traced(logits, of, parameters, images)
    except KeyboardInterrupt:
        raise
    except BaseException:  # Whatever it raises when it meets a tracer, it may still work on NumPy arrays.
        return None
    return known if isinstance(shapes, jax.ShapeDtypeStruct) else None


def _anew(logits: Callable[[Parameters, Any], Any]) -> Callable[[Parameters, Any], Any]:
    return lambda parameters, images: logits(parameters, images)


def _kind(found: Any) -> str:
    return f"the class {found.__name__}" if isinstance(found, type) else f"of type {type(found).__name__}"
