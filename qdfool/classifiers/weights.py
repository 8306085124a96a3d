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

from qdfool.errors import MOST_LISTED, InputError, shown
from qdfool.files.atomic import atomic_write
from qdfool.files.regular import open_regular
from qdfool.types import Parameters

Tensors = dict[str, np.ndarray]
LARGEST_HEADER = 4 * 2**20
"""Bytes of a header: a tensor takes some 100, so that this is 40,000 of them. Parsing takes ten times the memory."""
FLOATING_POINT = ("F16", "BF16", "F32", "F64")
"""What weights may be kept as; networks compute with float32."""
COUNTS = ("BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64")
"""What may stand beside weights, such as how many batches there were; a weight itself may not be one."""


def read(path: Path) -> tuple[Tensors, dict[str, str]]:
    """Returns the tensors of a safetensors file by name, and its metadata.

    They may be float16, bfloat16, float32 or float64; also booleans and whole numbers, which are no weights and
    which `fill` refuses.

    Raises:
        InputError: there is no such file, it is no whole safetensors file, a tensor is of another dtype, or
            holds what is NaN or infinity as float32.
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        raise InputError(f"Weights must be a safetensors file; found {found} at {path}.")
    _check_header(path)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            names = list(file.keys())
            dtypes = {name: file.get_slice(name).get_dtype() for name in names}
            other = [name for name in names if dtypes[name] not in (*FLOATING_POINT, *COUNTS)]
            if other:
                raise InputError(
                    f"Tensor {shown(other[0])} of {path} is {dtypes[other[0]]}. Expected weights as "
                    f"{', '.join(FLOATING_POINT)}; convert them first."
                )
            tensors = {name: file.get_tensor(name) for name in names}
    except InputError:
        raise
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} is not a whole safetensors file of floating-point numbers ({error}). "
            "Copy or download it again; other formats must be converted first."
        ) from error
    check_finite(tensors, path)
    return tensors, metadata


def _check_header(path: Path) -> None:
    """Checks what the file says is the size of its header, before anything makes room for it."""
    try:
        with open_regular(path) as file:
            begins = file.read(8)
    except ValueError as error:
        raise InputError(
            f"{path} is not a whole safetensors file: {error}. Copy or download it again."
        ) from error
    size, there = int.from_bytes(begins, "little"), path.stat().st_size
    if len(begins) < 8 or size > there - 8:
        raise InputError(
            f"{path} is not a whole safetensors file: it has {there:,} bytes and begins with {shown(begins)}. Copy or "
            "download it again; other formats must be converted first."
        )
    if size > LARGEST_HEADER:
        raise InputError(
            f"{path} is not a whole safetensors file: it says that its header has {size:,} bytes, and "
            f"{LARGEST_HEADER:,} are enough for any network. Copy or download it again; other formats must be "
            "converted first."
        )


def check_floating_point(tensors: Mapping[str, np.ndarray], source: Path | str) -> None:
    """Checks that tensors which are to be weights are of floating-point numbers, bfloat16 among them.

    Raises:
        InputError: one is of booleans, whole or complex numbers; the message names it.
    """
    for name, tensor in tensors.items():
        if not jnp.issubdtype(tensor.dtype, jnp.floating):
            raise InputError(
                f"Tensor {shown(name)} of {source} is {tensor.dtype}. Expected weights as float16, bfloat16, float32 "
                "or float64; convert them first, or take another file."
            )


def check_finite(tensors: Mapping[str, np.ndarray], source: Path | str) -> None:
    """Checks that every number of the tensors of a file is finite as float32, which networks compute with.

    Raises:
        InputError: one is NaN or infinity, or too large for float32; the message names its tensor.
    """
    for name, tensor in tensors.items():
        with np.errstate(over="ignore"):
            finite = np.isfinite(tensor.astype(np.float32, copy=False))
        if not np.all(finite):
            raise InputError(
                f"Tensor {shown(name)} of {source} holds NaN or infinity, or more than float32 can be; every weight "
                "must be finite. Take another file, or train again."
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
        InputError: a parameter has no tensor, a tensor no parameter, their shapes differ, or a tensor is not of
            floating-point numbers.
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(expected)
    shapes = {_name(path): leaf.shape for path, leaf in leaves}
    check_floating_point({name: tensors[name] for name in shapes if name in tensors}, source)
    faults = [f"no tensor {name!r} {shape}" for name, shape in shapes.items() if name not in tensors]
    faults += [f"unknown tensor {shown(name)} {t.shape}" for name, t in tensors.items() if name not in shapes]
    faults += [
        f"tensor {name!r} has shape {tensors[name].shape} where {shape} is expected"
        for name, shape in shapes.items()
        if name in tensors and tensors[name].shape != shape
    ]
    if faults:
        more = f"; and {len(faults) - MOST_LISTED:,} more" if len(faults) > MOST_LISTED else ""
        raise InputError(
            f"{source} holds the weights of another network: {'; '.join(faults[:MOST_LISTED])}{more}. "
            f"Expected exactly: {', '.join(f'{name} {shape}' for name, shape in shapes.items())}."
        )
    filled = [jnp.asarray(tensors[_name(path)], dtype=leaf.dtype) for path, leaf in leaves]
    return jax.tree_util.tree_unflatten(structure, filled)


def _name(path: tuple) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")
