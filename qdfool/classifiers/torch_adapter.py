"""PyTorch modules as classifiers: layout, normalisation, evaluation mode, no gradients.

PyTorch is imported where it is used; it is no dependency of qdfool.
"""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from qdfool.classifiers.logits_check import (
    DEFAULT_SHAPE,
    as_array,
    ask_once,
)
from qdfool.classifiers.names_check import check_class_names
from qdfool.config import checked_image_shape
from qdfool.errors import InputError, code_of_a_user, shown
from qdfool.types import Classifier


def is_torch_module(found: Any) -> bool:
    """Whether something is a `torch.nn.Module`; where PyTorch was not imported, nothing is."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(found, torch.nn.Module)


def from_torch(
    module: Any,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    image_shape: tuple[int, int, int] | None = None,
    class_names: Sequence[str] | None = None,
) -> Classifier:
    """Makes a classifier of a PyTorch module.

    Images [B, H, W, C] in [0, 1] become tensors [B, C, H, W] on the module's device and in its precision,
    normalised as (images - mean) / std. The module is left in evaluation mode, and called without gradients.

    Args:
        module: a `torch.nn.Module` from such tensors to logits [B, K].
        mean: subtracted from the images: a number, or one per channel; nothing if None.
        std: what they are then divided by: a number above 0, or one per channel; 1 if None.
        image_shape: (H, W, C); if None, the module's attribute of that name, else (28, 28, 1).
        class_names: K names; if None, the module's attribute of that name, else `class 0`, `class 1`, ...

    Raises:
        InputError: it is no module; image_shape is none; mean or std is no number in range, or not one per channel; or
            the module fails, or does not return logits, on the eight images that it is shown.
    """
    if not is_torch_module(module):
        raise InputError(f"from_torch takes a torch.nn.Module; got {type(module).__name__}.")
    shape = getattr(module, "image_shape", DEFAULT_SHAPE) if image_shape is None else image_shape
    classifier = adapted(module, checked_image_shape("image_shape", shape), mean, std)
    logits = ask_once(classifier.name, classifier.logits, {}, classifier.image_shape)
    names = classifier.class_names if class_names is None else class_names
    return replace(classifier, class_names=check_class_names(classifier.name, names, logits.shape[1]))


def adapted(
    module: Any,
    image_shape: tuple[int, int, int],
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
) -> Classifier:
    """The classifier of `from_torch` before it was asked, with the class names that the module says, whatever they are.

    Raises:
        InputError: mean or std is out of range, or not one per channel.
    """
    import torch

    height, width, channels = image_shape
    shift = torch.from_numpy(_per_channel("mean", 0.0 if mean is None else mean, channels))
    scale = torch.from_numpy(_per_channel("std", 1.0 if std is None else std, channels))
    if not (scale > 0).all():
        raise InputError(f"std must be above 0; got {shown(std)}.")
    with code_of_a_user(
        f"The tensors of {type(module).__name__} cannot be read", "Expected a module with its weights."
    ):
        # Where its tensors are, and in which precision it computes.
        example = next(
            (tensor for tensor in module.parameters() if tensor.is_floating_point()), torch.empty(0)
        )
        fingerprint = _fingerprint(module)

    def logits(parameters: Any, images: Any) -> np.ndarray:
        module.eval()
        with torch.inference_mode():
            channels_first = torch.from_numpy(np.array(np.asarray(images).transpose(0, 3, 1, 2), order="C"))
            return as_array(module(((channels_first - shift) / scale).to(example)))

    return Classifier(
        type(module).__name__,
        (height, width, channels),
        getattr(module, "class_names", ()),  # as it is; see `check_class_names`
        {},
        logits,
        traceable=False,
        fingerprint=fingerprint,
    )


def _per_channel(name: str, given: float | Sequence[float], channels: int) -> np.ndarray:
    """[1 or C, 1, 1] float32, to be broadcast over [B, C, H, W]."""
    try:
        values = np.atleast_1d(np.asarray(given, np.float32))
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape not in ((1,), (channels,)) or not np.isfinite(values).all():
        raise InputError(
            f"{name} must be a finite number, or {channels} of them, one per channel; got {shown(given)}."
        )
    return values[:, None, None]


def _fingerprint(module: Any) -> str:
    """SHA-256 of the tensors of a module's state, with their names and shapes; empty where it has none, or also what is
    no tensor, as quantised modules have: that would not tell one from another."""
    import torch

    state = module.state_dict()
    if not state or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        return ""
    digest = hashlib.sha256()
    for name, tensor in state.items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        # By bytes: NumPy has no bfloat16.
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
