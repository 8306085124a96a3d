"""`.npz` files: the same arrays give the same bytes, and no more is read than is expected.

What a file says that it holds (names, dtypes, shapes) is read first and compared with what the reader expects. Only
then is anything inflated, so that a file from anywhere costs no more than one of a run.
"""

import contextlib
import io
import math
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from qdfool.build.memory import host_memory
from qdfool.errors import InputError, shown, text_of
from qdfool.files.atomic import atomic_write
from qdfool.files.regular import open_regular

LARGE = 1 << 28
"""Bytes of arrays that are not compressed any more."""
LONGEST_READ = 1 << 20
"""Bytes that are read from a file at once; so its table of contents has no more."""
LONGEST_HEADER, MOST_ARRAYS = 10_000, 256
"""Characters of what an array says of itself, and arrays of a file."""


class Header(NamedTuple):
    """What an array is, without its values."""

    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """In bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return shown(self.dtype)[len("dtype('") : -len("')")] + f" {shown(list(self.shape))}"


def header_of(array: Any) -> Header:
    """What an array is, or a `jax.ShapeDtypeStruct`."""
    return Header(np.dtype(array.dtype), tuple(array.shape))


def write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays as .npz; the same arrays give the same bytes. What is large is not compressed: it is
    the random numbers of pixel genomes, which take long and become no smaller.

    Raises:
        OSError: it cannot be written.
    """
    with atomic_write(path) as file:
        large = sum(header_of(array).size for array in arrays.values()) > LARGE
        (np.savez if large else np.savez_compressed)(file, allow_pickle=False, **arrays)


def read(
    path: Path, expected: Callable[[Mapping[str, Header]], Mapping[str, Header]]
) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, which are just those that are expected.

    Args:
        path: the file.
        expected: from what the file says that it holds to what it must hold; may raise a ValueError that says why
            it cannot be.

    Raises:
        InputError: the file is missing or damaged, holds other arrays, or more than the memory does.
    """
    with (
        _damage_named(path),
        _Bounded(open_regular(path).detach()) as opened,
        zipfile.ZipFile(opened) as file,
    ):
        members = _members(file)
        headers = {name: _header(file, member) for name, member in members.items()}
        with fitting(path):
            _check_same(headers, expected(headers))
        _check_size(path, headers, members)
        return {name: _array(file, member) for name, member in members.items()}


@contextlib.contextmanager
def fitting(path: Path) -> Iterator[None]:
    """While what a file holds is compared with its run: a ValueError becomes an InputError that names the file."""
    try:
        yield
    except ValueError as error:
        raise InputError(
            f"{path} does not fit config.json: {error}. Expected both as one run wrote them."
        ) from error


@contextlib.contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(
            f"No {path.name} in {path.parent}. Expected the folder of a run, as `out` names it."
        ) from error
    except (InputError, MemoryError):
        raise
    except Exception as error:
        # NumPy, zipfile and zlib each fail in ways of their own: which, is decided by the damaged bytes.
        raise InputError(
            f"{path} is damaged ({type(error).__name__}: {text_of(error)}). Expected the file as the run wrote it."
        ) from error


class _Bounded(io.BufferedReader):
    """A file of which no more than a part is read at once, whatever it says of itself."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > LONGEST_READ:
            raise ValueError(f"a part of more than {LONGEST_READ:,} bytes")
        return super().read(size)


def _members(file: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    members = {member.filename.removesuffix(".npy"): member for member in file.infolist()}
    if len(members) < len(file.infolist()) or len(members) > MOST_ARRAYS:
        raise ValueError(f"an array is there twice, or there are more than {MOST_ARRAYS}")
    for name, member in members.items():
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{shown(name)} is compressed as NumPy does not")
    return members


def _header(file: zipfile.ZipFile, member: zipfile.ZipInfo) -> Header:
    with file.open(member) as stream:
        if np.lib.format.read_magic(stream) != (1, 0):  # Others may claim a header of gigabytes.
            raise ValueError(f"{shown(member.filename)} is of another version than 1.0")
        try:
            shape, _, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=LONGEST_HEADER)
        except MemoryError as error:  # Python's parser, of what is nested too deeply.
            raise ValueError(f"{shown(member.filename)} has a header that cannot be read") from error
    if dtype.hasobject:
        raise ValueError(f"{shown(member.filename)} holds Python objects")
    return Header(dtype, shape)


def _array(file: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with file.open(member) as stream:
        array = np.lib.format.read_array(stream, allow_pickle=False, max_header_size=LONGEST_HEADER)
        if stream.read(1):  # Reading to the end also checks the sum of the bytes.
            raise ValueError(f"{shown(member.filename)} has more bytes than its array")
    return array


def _check_size(path: Path, headers: Mapping[str, Header], members: Mapping[str, zipfile.ZipInfo]) -> None:
    """Checks that what is to be read is no more than a run would have compressed, or the memory holds."""
    size, there = sum(header.size for header in headers.values()), host_memory()
    if size > LARGE and any(member.compress_type != zipfile.ZIP_STORED for member in members.values()):
        raise ValueError(f"{size:,} bytes of arrays are compressed, and a run compresses at most {LARGE:,}")
    if size > there:
        raise InputError(
            f"{path} has {size / 1e9:,.1f} GB of arrays; this machine has {there / 1e9:,.1f} GB of memory. Read it on "
            "one with more."
        )


def _check_same(found: Mapping[str, Header], expected: Mapping[str, Header]) -> None:
    for name in expected.keys() - found.keys():
        raise ValueError(f"{name} is missing")
    for name in found.keys() - expected.keys():
        raise ValueError(f"it holds {shown(name)}, which no run writes")
    for name, header in expected.items():
        if found[name] != header:
            raise ValueError(f"{name} is {found[name]}, not {header}")
