"""The digest of arrays."""

import hashlib

import ml_dtypes
import numpy as np

from qdfool.files.digest import digest_of


def test_it_is_of_names_dtypes_shapes_and_numbers_in_the_order_of_the_names():
    numbers = np.arange(6, dtype=np.int16).reshape(2, 3)
    whole = b"a <i2 [2, 3] " + numbers.tobytes() + b"b |u1 [] " + b"\x07"
    assert digest_of({"b": np.array(7, np.uint8), "a": numbers}) == hashlib.sha256(whole).digest()
    assert digest_of({"a": numbers.T}) == digest_of({"a": np.ascontiguousarray(numbers.T)})
    assert digest_of({"a": numbers.astype(ml_dtypes.bfloat16)}) != digest_of({"a": numbers})
    assert len(digest_of({"none": np.zeros((0, 3))})) == 32
