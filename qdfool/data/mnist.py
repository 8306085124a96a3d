"""MNIST: 70,000 handwritten digits, read from the four official IDX files.

Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits"; CC BY-SA 3.0. The
format is that of the database's own description: a big-endian magic number, the sizes, then one byte a value.
"""

import gzip
import hashlib
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from qdfool.data.download import fetch_gzip
from qdfool.errors import InputError, text_of

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
_AGAIN = "Remove it to have it fetched again, or put the official file there."
ORIGIN = "MNIST is by Y. LeCun, C. Cortes and C. J. C. Burges, licence CC BY-SA 3.0."


class Mnist(NamedTuple):
    """Training and test set. Images are uint8, ink 255 on paper 0."""

    train_images: np.ndarray
    """[60000, 28, 28, 1] uint8."""
    train_labels: np.ndarray
    """[60000] int32, the digits."""
    test_images: np.ndarray
    """[10000, 28, 28, 1] uint8."""
    test_labels: np.ndarray
    """[10000] int32, the digits."""


class IdxFile(NamedTuple):
    """What an IDX file must be."""

    name: str
    """Without `.gz`."""
    shape: tuple[int, ...]
    """Of the values."""
    sha256: str
    """Of the decompressed bytes."""

    @property
    def header(self) -> bytes:
        """Magic number (0, 0, 8 for unsigned bytes, number of axes) and sizes, big-endian."""
        return np.array([0x800 + len(self.shape), *self.shape], ">u4").tobytes()


FILES = (
    IdxFile(
        "train-images-idx3-ubyte",
        (60000, 28, 28),
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    IdxFile(
        "train-labels-idx1-ubyte",
        (60000,),
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    IdxFile(
        "t10k-images-idx3-ubyte",
        (10000, 28, 28),
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    IdxFile(
        "t10k-labels-idx1-ubyte",
        (10000,),
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)
"""In the order of `Mnist`."""


def find(
    folder: Path | None = None, files: Sequence[IdxFile] = FILES, mirrors: Sequence[str] = MIRRORS
) -> Path:
    """Returns a folder that has the four files, fetching them if there is none.

    Looks in `folder` (or, without one, in $QDFOOL_DATA), in its subfolder `mnist`, then in the cache,
    `$XDG_CACHE_HOME/qdfool/mnist` (`~/.cache/qdfool/mnist`). If the files are in none of them, they are
    fetched into the cache: wherever they come from, their hashes say that they are the same.

    Args:
        folder: where to look first.
        files: what to look for.
        mirrors: URLs to fetch from, each ending in a slash.

    Raises:
        InputError: the files are nowhere and cannot be fetched.
    """
    asked = folder or (Path(os.environ["QDFOOL_DATA"]) if os.environ.get("QDFOOL_DATA") else None)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qdfool" / "mnist"
    for place in (asked, cache):
        if place and (found := _with_all(place, files)):
            return found
    try:
        for file in files:
            if _path(cache, file) is None:
                fetch_gzip(f"{file.name}.gz", mirrors, cache, file.sha256)
    except OSError as error:
        raise InputError(
            _what_is_missing(asked or cache, files) + f" Fetching them failed: {error}."
        ) from error
    return cache


def load(folder: Path, files: Sequence[IdxFile] = FILES) -> Mnist:
    """Reads MNIST from a folder, or from its subfolder `mnist`; each file as it is or with `.gz`.

    Args:
        folder: the folder.
        files: what to expect, in the order of `Mnist`.

    Raises:
        InputError: a file is missing, truncated, mistaken for another, or has the wrong hash.
    """
    place = _with_all(folder, files)
    if place is None:
        raise InputError(_what_is_missing(folder, files))
    train_images, train_labels, test_images, test_labels = (_read(place, file, files) for file in files)
    return Mnist(
        train_images[..., None],
        train_labels.astype(np.int32),
        test_images[..., None],
        test_labels.astype(np.int32),
    )


def _path(folder: Path, file: IdxFile) -> Path | None:
    paths = (folder / file.name, folder / f"{file.name}.gz")
    return next((path for path in paths if path.is_file()), None)


def _with_all(folder: Path, files: Sequence[IdxFile]) -> Path | None:
    for place in (folder, folder / "mnist"):
        if all(_path(place, file) for file in files):
            return place
    return None


def _what_is_missing(folder: Path, files: Sequence[IdxFile]) -> str:
    names = ", ".join(file.name for file in files)
    return (
        f"MNIST is not complete in {folder}. Put these four files there, as they are or with .gz: {names}. "
        f"{ORIGIN}"
    )


def _read(folder: Path, file: IdxFile, files: Sequence[IdxFile]) -> np.ndarray:
    path = _path(folder, file)
    assert path is not None
    expected = len(file.header) + int(np.prod(file.shape))
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as opened:
            # One byte too many tells as much as all: a small gzip file can hold gigabytes.
            content = opened.read(expected + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read: {text_of(error)}. Is it truncated? {_AGAIN}") from error
    for other in files:
        if other.header != file.header and content.startswith(other.header):
            raise InputError(f"{path} holds what belongs into {other.name}. Are the two swapped? {_AGAIN}")
    if len(content) != expected:
        got = "more." if len(content) > expected else f"{len(content):,}. Is it truncated?"
        raise InputError(f"{path} must hold {expected:,} bytes, decompressed; got {got} {_AGAIN}")
    digest = hashlib.sha256(content).hexdigest()
    if digest != file.sha256:
        raise InputError(
            f"{path} is not the official {file.name}: decompressed, its SHA-256 must be {file.sha256}; "
            f"got {digest}. {_AGAIN}"
        )
    return np.frombuffer(content, np.uint8, offset=len(file.header)).reshape(file.shape)
