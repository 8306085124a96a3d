"""Small arrays as one.

Of each array that it saves Orbax takes a millisecond, and TensorStore (up to 0.1.86) keeps some 260 bytes for as long
as the process lives: a run of days with a checkpoint every few seconds would grow by gigabytes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

SMALL_BYTES = 1 << 20
"""Of an array, at most; larger ones are saved as they are, without a copy. Never to be lowered: what a checkpoint holds
is checked against it."""
PACKED = "packed"
"""The name of the array that holds the small ones."""


def small(arrays: Mapping[str, Any]) -> list[str]:
    """The names of those that are this process's own and small enough, in order."""
    return sorted(
        name
        for name, array in arrays.items()
        if not isinstance(array, jax.Array) and array.nbytes <= SMALL_BYTES
    )


def packed(arrays: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The arrays, of which those with `names` are one of bytes, one behind the other."""
    rest = {name: array for name, array in arrays.items() if name not in names}
    if not names:
        return rest
    content = b"".join(arrays[name].tobytes() for name in names)
    return rest | {PACKED: np.frombuffer(content, np.uint8)}


def unpacked(stored: Mapping[str, Any], like: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """What `packed` was given, from what it returned, with the dtypes and shapes of `like`."""
    if not names:
        return dict(stored)
    rest = {name: array for name, array in stored.items() if name != PACKED}
    ends = np.cumsum([like[name].nbytes for name in names])
    parts: list[NDArray] = np.split(stored[PACKED], ends[:-1])
    return rest | {
        name: np.frombuffer(part.tobytes(), like[name].dtype).reshape(like[name].shape).copy()
        for name, part in zip(names, parts, strict=True)
    }
