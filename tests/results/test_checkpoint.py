"""Checkpoints come back whole, or not at all."""

import numpy as np
import pytest

from qdfool.errors import InputError
from qdfool.results.checkpoint import Checkpoints


def state(number: int):
    return {
        "a": np.full((3, 4), number, np.float32),
        "b": {"bits": np.arange(number % 7, dtype=np.uint8), "none": np.zeros((5, 0), np.float32)},
        "c": np.int32(number).reshape(()),
    }


def template(values):
    return state(values["number"])


def saved(folder, numbers):
    checkpoints = Checkpoints(folder)
    for number in numbers:
        checkpoints.save(number, state(number), {"number": number})
    checkpoints.finish()
    checkpoints.close()


def restored(folder):
    said = []
    checkpoints = Checkpoints(folder)
    try:
        return checkpoints.restore(template, said.append), said
    finally:
        checkpoints.close()


def equal(first, second):
    np.testing.assert_array_equal(first["a"], second["a"])
    np.testing.assert_array_equal(first["b"]["bits"], second["b"]["bits"])
    assert first["b"]["none"].shape == second["b"]["none"].shape
    assert first["c"] == second["c"]


def test_the_newest_comes_back_and_two_are_kept(tmp_path):
    saved(tmp_path, [1, 5, 9, 12])
    (number, tree, values), said = restored(tmp_path)
    assert number == 12
    assert values == {"number": 12}
    equal(tree, state(12))
    assert said == []
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["12", "9"]


def test_a_number_saved_twice_is_kept_once(tmp_path):
    saved(tmp_path, [3, 3])
    assert restored(tmp_path)[0][0] == 3


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove"])
def test_a_damaged_newest_falls_back_to_the_one_before_and_says_so(tmp_path, damage):
    saved(tmp_path, [5, 9])
    for path in (tmp_path / "9" / "state").rglob("*"):
        if path.is_file():
            content = bytearray(path.read_bytes())
            if damage == "truncate":
                path.write_bytes(content[: len(content) // 2])
            elif damage == "flip":
                path.write_bytes(bytes(byte ^ 0x55 for byte in content))
            else:
                path.unlink()
    (number, tree, _), said = restored(tmp_path)
    assert number == 5
    equal(tree, state(5))
    assert "Checkpoint 9" in said[0]
    assert "damaged" in said[0]
    assert "Going on from checkpoint 5" in said[1]


def test_when_all_are_damaged_it_is_an_error(tmp_path):
    saved(tmp_path, [5])
    for path in (tmp_path / "5").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    with pytest.raises(InputError, match=r"Every checkpoint in .* is damaged|No checkpoint"):
        restored(tmp_path)


def test_none_is_an_error(tmp_path):
    with pytest.raises(InputError, match="No checkpoint in"):
        restored(tmp_path)


def test_a_save_that_fails_is_named_and_leaves_the_one_before(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, state(1), {"number": 1})
    checkpoints.finish()
    checkpoints.save(2, {"a": object()}, {"number": 2})
    with pytest.raises(OSError, match="Could not write a checkpoint"):
        checkpoints.finish()
    checkpoints.close()
    assert restored(tmp_path)[0][0] == 1
