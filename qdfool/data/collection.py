"""Many images of a user's own: a folder of image files, or a file of the IDX format, as MNIST's are."""

import gzip
import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qdfool.data.image import read_image
from qdfool.errors import InputError, shown, text_of
from qdfool.files.regular import open_regular

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
"""Of what is read in a folder; other files are left alone."""
MOST_BYTES = 1 << 31
"""Of an IDX file, decompressed."""
UNSIGNED_BYTES = 8
"""The type of the values, as the third byte of an IDX file says it."""
GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Collection:
    """Images, read as they are asked for."""

    count: int
    images: Callable[[NDArray[np.intp]], NDArray[np.float32]]
    """From indices [m] to images [m, H, W, C] in [0, 1]. Raises InputError where a file is damaged."""
    source: str = ""
    """The path of the folder or the file."""


def collection(path: Path, image_shape: tuple[int, int, int]) -> Collection:
    """The images of a folder, those of its subfolders among them and in the order of their names, or of an IDX file.

    Image files are resized as `read_image` does; the images of an IDX file must have the size of the classifier's.

    Args:
        path: of the folder or the file, which may be compressed with gzip.
        image_shape: (H, W, C) of the classifier.

    Raises:
        InputError: there is nothing, a folder without images, or a file that is damaged or has other images.
    """
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        if not files:
            raise InputError(f"No image in {path}. Expected files that end in {', '.join(SUFFIXES)}.")

        def read(some: NDArray[np.intp]) -> NDArray[np.float32]:
            return np.array([read_image(files[index], *image_shape) for index in some], np.float32)

        return Collection(len(files), read, str(path))
    if not path.is_file():
        raise InputError(f"Expected a folder of images, or an IDX file, at {path}; found nothing.")
    levels = _idx(path)
    if levels.shape[1:] != image_shape:
        raise InputError(
            f"{path} has images of {' x '.join(map(str, levels.shape[1:]))}; the classifier takes "
            f"{' x '.join(map(str, image_shape))}. Give a folder of image files, which are resized, or another file."
        )
    return Collection(len(levels), lambda some: (levels[some] / 255).astype(np.float32), str(path))


def _idx(path: Path) -> NDArray[np.uint8]:
    """[n, H, W, C] of an IDX file."""
    expected = f"Expected a folder of images, or an IDX file of images, unsigned bytes, [n, H, W], at {path}"
    try:
        with open_regular(path) as file:
            opened = gzip.GzipFile(fileobj=file) if file.peek(2)[:2] == GZIP else file
            shape = _shape(opened.read(4), opened)
            # One byte too many tells as much as all: a small gzip file can hold gigabytes.
            content = opened.read(int(np.prod(shape)) + 1)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise InputError(f"{expected}, that is whole: {text_of(error)}.") from error
    if len(content) != np.prod(shape):
        fault = "more bytes" if len(content) > np.prod(shape) else f"{len(content):,} bytes"
        raise InputError(f"{expected}, that is whole: it says {list(shape)}, and has {fault}.")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _shape(magic: bytes, file: io.BufferedIOBase) -> tuple[int, ...]:
    """The sizes that the header of an IDX file says; grey images have one channel."""
    if len(magic) < 4 or magic[:3] != bytes([0, 0, UNSIGNED_BYTES]) or magic[3] not in (3, 4):
        raise ValueError(f"it begins with {shown(magic)}")
    header = file.read(4 * magic[3])
    if len(header) < 4 * magic[3]:
        raise ValueError("it ends within its header")
    sizes = [int(size) for size in np.frombuffer(header, ">u4")]
    shape = (*sizes, 1) if len(sizes) == 3 else tuple(sizes)
    size = 1
    for length in shape:
        size *= length
    if not 0 < size <= MOST_BYTES:
        raise ValueError(f"it says that it has {list(shape)} values; expected 1 to {MOST_BYTES:,} in all")
    return shape
