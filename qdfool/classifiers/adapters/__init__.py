"""Classifiers that other frameworks saved, and services: which there are, by how their names begin or end."""

from collections.abc import Callable
from pathlib import Path

from qdfool.classifiers.adapters import keras_file, onnx_file, service, torch_file
from qdfool.config import Preprocessing
from qdfool.types import Classifier

Loader = Callable[[str, tuple[int, int, int] | None, Preprocessing], Classifier]
"""(name, image shape where it is given, preprocessing) to a classifier, not asked yet."""

ADAPTERS: dict[str, tuple[str, Loader]] = {
    ".onnx": ("an ONNX file, through onnxruntime", onnx_file.load),
    ".pt": ("a TorchScript file of PyTorch's", torch_file.load_script),
    ".pt2": ("a program that torch.export saved", torch_file.load_exported),
    ".keras": ("a Keras file, on Keras' JAX backend", keras_file.load),
    "http": ("a service at http://... or https://..., asked by POST", service.connect),
}
"""Ends of file names, and the beginning of an address, each with what it is."""


def adapter(name: str) -> Loader | None:
    """What loads a classifier of such a name; None if it is no file of a framework's and no address."""
    if service.is_address(name):
        return ADAPTERS["http"][1]
    suffix = Path(name).suffix.lower()
    return ADAPTERS[suffix][1] if suffix in ADAPTERS else None
