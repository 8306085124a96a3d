"""What a classifier of another framework takes: layout, size, normalisation, numbers; and its file as bytes."""

import logging
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from qdfool.classifiers.logits_check import DEFAULT_SHAPE
from qdfool.config import Preprocessing, check_image_shape
from qdfool.errors import InputError, described, shown
from qdfool.files.regular import open_regular

LOG = logging.getLogger("qdfool.classifiers.adapters")
COLOURS = (1, 3, 4)
"""Channels that an axis of a tensor is taken to be by its size."""
LARGEST_FILE = 4 << 30
MOST_AT_ONCE = 1 << 27
"""Values of a tensor of a fixed batch, which is filled up."""


@dataclass(frozen=True)
class Inputs:
    """How images [B, H, W, C] in [0, 1] become the tensor that a classifier takes."""

    image_shape: tuple[int, int, int]
    """(H, W, C)."""
    channels_first: bool
    """Whether the tensor is [B, C, H, W]."""
    batch: int | None
    """B, where the classifier takes no other."""
    mean: np.ndarray
    """[1 or C] float32."""
    std: np.ndarray
    """[1 or C] float32, above 0."""
    dtype: np.dtype

    def tensor(self, images: np.ndarray) -> np.ndarray:
        """Images [B, H, W, C] as the classifier takes them."""
        normalised = (np.asarray(images, np.float32) - self.mean) / self.std
        if self.channels_first:
            normalised = normalised.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(normalised.astype(self.dtype))

    def in_batches(self, logits: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
        """What a function answers of tensors, [B, K], with no more at once than it takes."""
        if self.batch is None:
            return logits(self.tensor(images))
        rows = []
        for start in range(0, len(images), self.batch):
            part = images[start : start + self.batch]
            filled = np.concatenate([part, np.repeat(part[-1:], self.batch - len(part), axis=0)])
            rows.append(np.asarray(logits(self.tensor(filled)))[: len(part)])
        return np.concatenate(rows)


def inputs_of(
    name: str,
    dimensions: Sequence[int | None] | None,
    image_shape: tuple[int, int, int] | None,
    preprocessing: Preprocessing,
    usual: Literal["channels_first", "channels_last"],
    dtype: type[np.floating] | np.dtype = np.float32,
) -> Inputs:
    """What a classifier takes, as far as it says so, and else as the settings have it.

    Args:
        name: of the classifier, as a message begins.
        dimensions: of its input, four of them, None for one that may be any; None if it does not say.
        image_shape: (H, W, C), where it is given.
        preprocessing: mean, standard deviation and layout, as they are given.
        usual: the layout of the framework, where nothing says which it is.
        dtype: numbers that it takes.

    Raises:
        InputError: they are not the dimensions of images, or do not go with what is given.
    """
    if dimensions is not None and len(dimensions) != 4:
        raise InputError(
            f"{name} takes a tensor of {len(dimensions)} dimensions. Expected four, of images: [B, C, H, W] or "
            "[B, H, W, C]."
        )
    batch, *sizes = dimensions or (None, None, None, None)
    first = _is_channels_first(sizes, preprocessing, usual, image_shape)
    said = (sizes[1], sizes[2], sizes[0]) if first else (sizes[0], sizes[1], sizes[2])
    given = image_shape or (None, None, None)
    for own, one in zip(said, given, strict=True):
        if own is not None and one is not None and own != one:
            raise InputError(
                f"{name} takes images of {' x '.join('any' if size is None else str(size) for size in said)} (height, "
                f"width, channels), {'channels first' if first else 'channels last'}; got the `image_shape` "
                f"{' '.join(map(str, given))}. Leave `image_shape` away, or give `preprocessing.layout`."
            )
    height, width, channels = (
        own or one or default for own, one, default in zip(said, given, DEFAULT_SHAPE, strict=True)
    )
    shape = (int(height), int(width), int(channels))
    check_image_shape(f"the images of {name}", shape)
    if batch is not None and batch * math.prod(shape) > MOST_AT_ONCE:
        raise InputError(
            f"{name} takes {batch:,} images of {' x '.join(map(str, shape))} at once and no fewer. Expected at most "
            f"{MOST_AT_ONCE:,} values in all, or a batch of any size."
        )
    mean, std = (
        _per_channel(setting, getattr(preprocessing, setting), shape[2]) for setting in ("mean", "std")
    )
    return Inputs(shape, first, batch, mean, std, np.dtype(dtype))


def _is_channels_first(
    sizes: Sequence[int | None],
    preprocessing: Preprocessing,
    usual: str,
    image_shape: tuple[int, int, int] | None,
) -> bool:
    if preprocessing.layout != "auto":
        return preprocessing.layout == "channels_first"
    first, last = sizes[0] in COLOURS, sizes[2] in COLOURS
    if first != last:
        return first
    if image_shape is not None and image_shape[2] in (sizes[0], sizes[2]) and sizes[0] != sizes[2]:
        return sizes[0] == image_shape[2]
    return usual == "channels_first"


def _per_channel(setting: str, values: tuple[float, ...], channels: int) -> np.ndarray:
    if len(values) not in (1, channels):
        raise InputError(
            f"`preprocessing.{setting}` must be a number, or {channels}, one per channel; got {shown(values)}."
        )
    return np.asarray(values, np.float32)


def say(name: str, inputs: Inputs, preprocessing: Preprocessing) -> None:
    """Logs what was taken to hold of a classifier."""
    height, width, channels = inputs.image_shape
    layout = (
        f"[B, {channels}, {height}, {width}]"
        if inputs.channels_first
        else f"[B, {height}, {width}, {channels}]"
    )
    plain = preprocessing.mean == (0.0,) and preprocessing.std == (1.0,)
    how = (
        "in [0, 1], without normalisation"
        if plain
        else f"(images in [0, 1] - {list(preprocessing.mean)}) / {list(preprocessing.std)}"
    )
    LOG.warning(
        f"{name} is given {inputs.dtype} tensors {layout}, {how}. If it wants others: `preprocessing.mean`, "
        "`preprocessing.std`, `preprocessing.layout`, `image_shape`."
    )


def read_file(path: str) -> bytes:
    """A file of a framework's.

    Raises:
        InputError: there is none, or none that can be read.
    """
    try:
        with open_regular(Path(path)) as file:
            size = os.fstat(file.fileno()).st_size
            # No more than there is: room is made for all that is asked for.
            content = file.read(size) if size <= LARGEST_FILE else b""
    except (OSError, ValueError) as error:
        raise InputError(
            f"Cannot read the classifier {shown(path)}: {described(error)}. Give the path of a file, the name of a "
            "classifier of --list, or package.module:attribute."
        ) from error
    if not content:
        raise InputError(
            f"The classifier {shown(path)} must have 1 to {LARGEST_FILE:,} bytes; it has {size:,}."
        )
    return content


def missing(name: str, package: str, extra: str, error: ImportError) -> InputError:
    """What to say where the framework is not installed."""
    return InputError(
        f"{name} needs {package}, which cannot be imported ({described(error)}): pip install "
        f"'qdfool[{extra}]'."
    )


def check_one(name: str, kind: str, names: Sequence[str]) -> None:
    """Checks that a classifier has one input, or one output.

    Raises:
        InputError: it has none, or several.
    """
    if len(names) != 1:
        what = "images" if kind == "input" else "logits [B, K]"
        raise InputError(
            f"{name} has {len(names)} {kind}s: {', '.join(map(shown, names[:8]))}. Expected one, {what}. Export it so, "
            "or wrap it in a function of your own, package.module:attribute."
        )
