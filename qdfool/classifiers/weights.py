"""Weights in safetensors files: read, written, and put where a network wants them.

A safetensors file is a table of names, shapes and numbers; reading one executes nothing. A tensor is named
after its path in the network's parameters, joined by slashes: `conv1/kernel`.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from qdfool.errors import InputError
from qdfool.files.atomic import atomic_write
from qdfool.types import Parameters

Tensors = dict[str, np.ndarray]


def read(path: Path) -> tuple[Tensors, dict[str, str]]:
    """Returns the tensors of a safetensors file by name, and its metadata.

    Raises:
        InputError: there is no such file, it is no whole safetensors file, or a tensor holds NaN or infinity.
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        raise InputError(f"Weights must be a safetensors file; found {found} at {path}.")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it has no __iter__)
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} is not a whole safetensors file of floating-point numbers ({error}). "
            "Copy or download it again; other formats must be converted first."
        ) from error
    check_finite(tensors, path)
    return tensors, metadata


def check_finite(tensors: Mapping[str, np.ndarray], path: Path) -> None:
    """Checks that every number of the tensors of a file is finite.

    Raises:
        InputError: one holds NaN or infinity; the message names it.
    """
    for name, tensor in tensors.items():
        if not np.all(np.isfinite(tensor)):
            raise InputError(
                f"Tensor {name!r} of {path} holds NaN or infinity; every weight must be finite. Take another "
                "file, or train again."
            )


def write(path: Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Writes a safetensors file; whoever looks meets the old file or the whole new one, never a part.

    The same tensors and metadata give the same bytes.

    Raises:
        OSError: the folder cannot be written to, or is full; `path` is then as it was.
    """
    content = save({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, dict(metadata))
    size = int.from_bytes(content[:8], "little")
    # The library orders the metadata anew at every call; sorted, equal weights have equal fingerprints.
    header = json.dumps(json.loads(content[8 : 8 + size]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    with atomic_write(path) as file:
        file.write(len(header).to_bytes(8, "little") + header + content[8 + size :])


def fingerprint(path: Path) -> str:
    """The SHA-256 of the file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def named(parameters: Parameters) -> Tensors:
    """The leaves of `parameters` by name, as NumPy arrays; `fill` is the way back."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(parameters)
    return {_name(path): np.asarray(leaf) for path, leaf in leaves}


def fill(expected: Parameters, tensors: Mapping[str, np.ndarray], source: Path | str) -> Parameters:
    """Puts every tensor into the parameter of its name.

    Args:
        expected: pytree whose leaves have the shape and dtype of the network's parameters.
        tensors: the values, by name.
        source: where the tensors come from, for the message.

    Returns:
        A pytree like `expected`, of JAX arrays.

    Raises:
        InputError: a parameter has no tensor, a tensor no parameter, or their shapes differ.
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(expected)
    shapes = {_name(path): leaf.shape for path, leaf in leaves}
    faults = [f"no tensor {name!r} {shape}" for name, shape in shapes.items() if name not in tensors]
    faults += [f"unknown tensor {name!r} {t.shape}" for name, t in tensors.items() if name not in shapes]
    faults += [
        f"tensor {name!r} has shape {tensors[name].shape} where {shape} is expected"
        for name, shape in shapes.items()
        if name in tensors and tensors[name].shape != shape
    ]
    if faults:
        raise InputError(
            f"{source} holds the weights of another network: {'; '.join(faults)}. "
            f"Expected exactly: {', '.join(f'{name} {shape}' for name, shape in shapes.items())}."
        )
    filled = [jnp.asarray(tensors[_name(path)], dtype=leaf.dtype) for path, leaf in leaves]
    return jax.tree_util.tree_unflatten(structure, filled)


def _name(path: tuple) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")
