"""Small arrays of a checkpoint are one, and come back as they were."""

import jax
import ml_dtypes
import numpy as np

from qdfool.results import packed

ARRAYS = {
    "bits": np.array([True, False, True]),
    "half": np.arange(5, dtype=ml_dtypes.bfloat16),
    "number": np.float64(0.1).reshape(()),
    "images": np.arange(24, dtype=np.uint8).reshape(2, 3, 4)[:, ::-1],
}


def test_arrays_come_back_as_they_were():
    names = packed.small(ARRAYS)
    stored = packed.packed(ARRAYS, names)
    assert list(stored) == [packed.PACKED]
    back = packed.unpacked(stored, ARRAYS, names)
    assert sorted(back) == sorted(ARRAYS)
    for name, array in ARRAYS.items():
        assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(back[name], array)
        assert back[name].flags.writeable


def test_large_arrays_and_those_of_devices_stay_themselves():
    arrays = ARRAYS | {
        "large": np.zeros(packed.SMALL_BYTES + 1, np.uint8),
        "devices": jax.numpy.zeros(3),
    }
    names = packed.small(arrays)
    assert names == sorted(ARRAYS)
    stored = packed.packed(arrays, names)
    assert stored["large"] is arrays["large"]
    assert stored["devices"] is arrays["devices"]
    assert packed.packed({}, []) == packed.unpacked({}, {}, []) == {}
