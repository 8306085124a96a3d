"""Files of PyTorch that hold a whole program: TorchScript, and what torch.export saved."""

import contextlib
import hashlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from qdfool.classifiers.adapters.environment import variable
from qdfool.classifiers.adapters.inputs import (
    Inputs,
    check_one,
    inputs_of,
    missing,
    read_file,
    say,
)
from qdfool.classifiers.logits_check import as_array
from qdfool.config import Preprocessing
from qdfool.errors import InputError, code_of_a_user, shown
from qdfool.types import Classifier

SCRIPT_EXPECTED = (
    "Expected a file that torch.jit.save wrote. Weights alone are no network: they go to `weights`, with a network of "
    "--list, or into a module of your own, package.module:attribute."
)
EXPORTED_EXPECTED = "Expected a file that torch.export.save wrote."
APART = 0.05
"""Of the largest logit: what more than one image is quantised by may differ by less."""
NO_PICKLES = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
"""Variable by which PyTorch reads no pickles but those of tensors, whatever its own code asks for: `torch.export.load`
tries again as Python does where that has failed with the examples in a file."""


def load_script(
    name: str, image_shape: tuple[int, int, int] | None, preprocessing: Preprocessing
) -> Classifier:
    """A TorchScript file. It does not say which images it takes: `image_shape` does.

    Raises:
        InputError: PyTorch is not installed, or it is no such file.
    """
    content = read_file(name)
    torch = _torch(name)
    with _quietly(), code_of_a_user(f"{shown(name)} cannot be loaded", SCRIPT_EXPECTED):
        module = torch.jit.load(io.BytesIO(content), map_location="cpu").eval()
    inputs = inputs_of(shown(name), None, image_shape, preprocessing, "channels_first")
    return _classifier(name, content, module, inputs, preprocessing)


def load_exported(
    name: str, image_shape: tuple[int, int, int] | None, preprocessing: Preprocessing
) -> Classifier:
    """A program that `torch.export` saved. It says which images it takes, and of a fixed batch is given no other.

    Raises:
        InputError: PyTorch is not installed, it is no such file, it was saved while it was trained, or takes or
            returns more than one tensor.
    """
    content = read_file(name)
    torch = _torch(name)
    with (
        _quietly(),
        variable(NO_PICKLES, "1"),
        code_of_a_user(f"{shown(name)} cannot be loaded", EXPORTED_EXPECTED),
    ):
        program = torch.export.load(io.BytesIO(content))
        signature = program.graph_signature
        taken, returned = list(signature.user_inputs), list(signature.user_outputs)
        values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
        module = program.module()
    check_one(shown(name), "input", list(map(str, taken)))
    check_one(shown(name), "output", list(map(str, returned)))
    shape = getattr(values.get(taken[0]), "shape", None)
    dimensions = None if shape is None else [size if isinstance(size, int) else None for size in shape]
    inputs = inputs_of(shown(name), dimensions, image_shape, preprocessing, "channels_first")
    return _classifier(name, content, module, inputs, preprocessing)


def _classifier(
    name: str, content: bytes, module: Any, inputs: Inputs, preprocessing: Preprocessing
) -> Classifier:
    torch = _torch(name)
    say(shown(name), inputs, preprocessing)

    def logits(parameters: Any, images: Any) -> np.ndarray:
        with torch.inference_mode():
            return inputs.in_batches(
                lambda tensor: as_array(module(torch.from_numpy(tensor))), np.asarray(images)
            )

    _check_not_training(shown(name), logits, inputs.image_shape)
    fingerprint = hashlib.sha256(content).hexdigest()
    return Classifier(name, inputs.image_shape, (), {}, logits, traceable=False, fingerprint=fingerprint)


def _check_not_training(
    name: str, logits: Callable[[Any, Any], np.ndarray], image_shape: tuple[int, int, int]
) -> None:
    """Checks that an image has the same answer alone as beside others: of a network that was saved as it was trained,
    dropout and the batch's own statistics are in the program, and nothing puts them out.

    Raises:
        InputError: it has another.
    """
    images = np.random.default_rng(0).random((2, *image_shape), np.float32)
    images[1] = 0.0  # Of which the statistics are others.
    try:
        beside, alone = (logits({}, some)[0].astype(np.float64) for some in (images, images[:1]))
        apart = float(np.abs(beside - alone).max())
    except Exception:  # What it cannot do is named where it is asked first.
        return
    if apart > APART * np.abs(beside).max():
        raise InputError(
            f"{name} answers an image otherwise alone than beside others, by up to {apart:.3g}: it was saved while it "
            "was trained, with dropout, or with batch norms of each batch's own statistics. Call its module's eval() "
            "before it is exported or traced, and save it anew."
        )


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Says nothing that PyTorch says while it loads: tracebacks of what it tries, and that its users should export."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _torch(name: str) -> Any:
    try:
        import torch
        import torch.export
    except ImportError as error:
        raise missing(shown(name), "PyTorch", "torch", error) from error
    return torch
