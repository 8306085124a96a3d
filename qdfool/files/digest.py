"""The SHA-256 of arrays."""

import hashlib
from collections.abc import Mapping

import numpy as np


def digest_of(arrays: Mapping[str, np.ndarray]) -> bytes:
    """[32] the SHA-256 of names, dtypes, shapes and numbers, in the order of the names; nothing large is copied."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {list(array.shape)} ".encode())
        # As bytes, because not every dtype, such as bfloat16, can be read as a buffer.
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.digest()
