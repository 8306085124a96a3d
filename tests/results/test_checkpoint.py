"""Checkpoints come back whole, or not at all."""

import asyncio
import json
import logging
import shutil
import threading
from typing import Any

import numpy as np
import orbax.checkpoint as ocp
import pytest

from qdfool.errors import InputError
from qdfool.results import packed
from qdfool.results.checkpoint import Checkpoints
from qdfool.results.checkpoint_files import DIGESTS, VALUES, write_digests


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
    assert (tmp_path / "damaged-9").is_dir()
    assert "Going on from checkpoint 5" in said[1]


def test_what_a_killed_process_left_is_cleared_before_the_folder_is_open(tmp_path, monkeypatch):
    """At once, and not in a thread that outlives it."""
    seen = []

    def cut_short(folder):
        shutil.copytree(folder.parents[0], tmp_path / "copy" / folder.parents[0].name)
        seen.append(folder.parents[0].name)
        raise OSError("killed")

    checkpoints = Checkpoints(tmp_path / "run")
    monkeypatch.setattr("qdfool.results.checkpoint.write_digests", cut_short)
    checkpoints.save(5, state(5), {"number": 5})
    with pytest.raises(OSError, match="killed"):
        checkpoints.finish()
    checkpoints.close()
    (left,) = (tmp_path / "copy").iterdir()
    assert seen == [left.name]
    threads = threading.active_count()
    Checkpoints(tmp_path / "copy").close()
    assert threading.active_count() == threads
    assert list((tmp_path / "copy").iterdir()) == []


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


def test_what_is_left_when_a_save_fails_is_said(tmp_path):
    checkpoints = Checkpoints(tmp_path / "one")
    checkpoints.save(1, {"a": object()}, {"number": 1})
    with pytest.raises(OSError, match="There is none before it: make room, and start the run anew"):
        checkpoints.finish()
    checkpoints.save(1, state(1), {"number": 1})
    checkpoints.finish()
    (tmp_path / "one").rename(tmp_path / "other")
    checkpoints.save(2, state(2), {"number": 2})
    with pytest.raises(OSError, match="Those before it are where it is now: bring it back"):
        checkpoints.finish()
    checkpoints.close()
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_a_write_that_fails_waits_for_the_others(tmp_path, monkeypatch):
    """Those that end after Orbax has closed its event loop would each print a traceback."""
    ended = []

    async def write(self, value, *arguments):
        if value.shape == (3, 4):
            raise OSError("the disk is full")
        await asyncio.sleep(0.05)
        ended.append(value.shape)

    monkeypatch.setattr(ocp.type_handlers.NumpyHandler, "_open_and_write", write)
    monkeypatch.setattr(packed, "SMALL_BYTES", -1)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(5, state(5), {"number": 5})
    with pytest.raises(OSError, match="the disk is full"):
        checkpoints.finish()
    checkpoints.close()
    assert sorted(ended) == [(), (5,)]


def directories(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def test_a_damaged_checkpoint_is_put_aside_and_never_deleted(tmp_path):
    saved(tmp_path, [5, 9])
    said = []
    for _ in range(2):
        (tmp_path / "9" / "values" / "metadata").write_text("{}")
        (number, _, _), said = restored(tmp_path)
        assert number == 5
        assert "values/metadata has other bytes than were written" in said[0]
        saved(tmp_path, [9])
    assert directories(tmp_path) == ["5", "9", "damaged-9", "damaged-9-2"]
    assert "damaged-9-2" in said[0]
    # They do not count among those that are there.
    saved(tmp_path, [12, 15])
    assert directories(tmp_path) == ["12", "15", "damaged-9", "damaged-9-2"]
    assert (tmp_path / "damaged-9" / "state" / "manifest.ocdbt").exists()


@pytest.mark.parametrize("item", ["state", "values"])
def test_one_without_its_digests_is_damaged(tmp_path, item):
    saved(tmp_path, [5, 9])
    (tmp_path / "9" / item / "sha256.json").unlink()
    (number, _, _), said = restored(tmp_path)
    assert number == 5
    assert f"Checkpoint 9 in {tmp_path} is damaged ({item}/sha256.json is missing)" in said[0]


def test_a_checkpoint_has_its_name_only_when_it_has_its_digests(tmp_path, monkeypatch):
    """Wherever a process is killed, what is there under a number is whole."""
    seen = []

    def cut_short(folder):
        seen.extend(directories(tmp_path))
        raise OSError("as far as it came")

    checkpoints = Checkpoints(tmp_path)
    monkeypatch.setattr("qdfool.results.checkpoint.write_digests", cut_short)
    checkpoints.save(5, state(5), {"number": 5})
    with pytest.raises(OSError, match="as far as it came"):
        checkpoints.finish()
    checkpoints.close()
    assert seen
    assert not [name for name in seen + directories(tmp_path) if name.isdecimal()]


def test_when_none_is_whole_they_are_put_aside_and_the_message_says_where(tmp_path):
    saved(tmp_path, [5, 9])
    for path in tmp_path.rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    said = []
    checkpoints = Checkpoints(tmp_path)
    with pytest.raises(
        InputError,
        match=r"still there, as damaged-9 \(state/sha256.json is not JSON\), damaged-5 .*: bring a whole one back",
    ) as error:
        checkpoints.restore(template, said.append)
    checkpoints.close()
    assert said == []  # the message says it all
    assert "anew" not in str(error.value)
    assert directories(tmp_path) == ["damaged-5", "damaged-9"]


TROUBLE = [MemoryError(), OSError(5, "Input/output error"), PermissionError(13, "Permission denied")]


@pytest.mark.parametrize("trouble", TROUBLE, ids=lambda trouble: type(trouble).__name__)
@pytest.mark.parametrize(
    "where", ["qdfool.results.checkpoint_files._digest", "orbax.checkpoint.CheckpointManager.restore"]
)
def test_trouble_in_reading_is_raised_and_every_checkpoint_stays(tmp_path, monkeypatch, trouble, where):
    def fails(*arguments, **settings):
        raise trouble

    saved(tmp_path, [5, 9])
    with monkeypatch.context() as patch:
        patch.setattr(where, fails)
        with pytest.raises(type(trouble)) as raised:
            restored(tmp_path)
        assert raised.value is trouble
    assert directories(tmp_path) == ["5", "9"]
    assert restored(tmp_path)[0][0] == 9


def test_what_orbax_reports_of_whole_files_is_disk_trouble_not_damage(tmp_path, monkeypatch):
    def fails(*arguments, **settings):
        raise ValueError("RESOURCE_EXHAUSTED: Too many open files\nmore")

    saved(tmp_path, [5])
    monkeypatch.setattr("orbax.checkpoint.CheckpointManager.restore", fails)
    with pytest.raises(
        OSError, match=r"its files are whole: RESOURCE_EXHAUSTED: Too many open files\. Nothing was"
    ):
        restored(tmp_path)
    assert directories(tmp_path) == ["5"]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"a": np.zeros((3, 5), np.float32)}, r"\['a'\] is float32 \[3, 4\], expected float32 \[3, 5\]"),
        ({"a": np.zeros((3, 4), np.int32)}, r"\['a'\] is float32 \[3, 4\], expected int32 \[3, 4\]"),
        ({"d": np.zeros(2)}, r"\['d'\] is missing, expected float64 \[2\]"),
    ],
)
def test_another_structure_is_not_damage(tmp_path, other, said):
    saved(tmp_path, [5])
    checkpoints = Checkpoints(tmp_path)
    with pytest.raises(InputError, match=f"Checkpoint 5 in .* is whole but not of this run: its {said}"):
        checkpoints.restore(lambda values: {**template(values), **other}, print)
    checkpoints.close()
    assert directories(tmp_path) == ["5"]


def test_arrays_are_not_copied_to_be_saved(tmp_path):
    """There may be gigabytes, so Orbax's own protection against changes is off, in our registry alone."""
    checkpoints = Checkpoints(tmp_path)
    registry = checkpoints._manager._checkpointer.handler._handler_registry
    handler: Any = registry.get("state", ocp.args.PyTreeSave)._type_handler_registry.get(np.ndarray)
    checkpoints.close()
    assert not handler._deepcopy_host_arrays
    default: Any = ocp.type_handlers.get_type_handler(np.ndarray)
    assert default._deepcopy_host_arrays


def test_orbax_is_quiet_and_others_are_not(tmp_path, caplog):
    saved(tmp_path, [5])
    restored(tmp_path)
    logging.getLogger("absl").warning("of the program")
    assert [record.getMessage() for record in caplog.records] == ["of the program"]
    assert logging.getLogger("absl").filters == []


def test_a_run_folder_that_is_gone_is_not_made_anew(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        Checkpoints(tmp_path / "run" / "checkpoints").save(1, state(1), {})
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_moved_away_while_it_is_written_to_is_not_replaced(tmp_path, monkeypatch):
    """Orbax makes the folders anew that it writes into."""
    (tmp_path / "run").mkdir()
    checkpoints = saved(tmp_path / "run" / "checkpoints", [1, 2])
    checkpoints = Checkpoints(tmp_path / "run" / "checkpoints")
    reserve = Checkpoints._make_sure_of_room

    def reserve_and_move(self, size):
        reserve(self, size)
        (tmp_path / "run").rename(tmp_path / "away")

    monkeypatch.setattr(Checkpoints, "_make_sure_of_room", reserve_and_move)
    checkpoints.save(3, state(3), {"seconds": 0.0})
    with pytest.raises(OSError, match="Could not write a checkpoint"):
        checkpoints.finish()
    checkpoints.close()
    assert not (tmp_path / "run").exists()
    assert sorted(path.name for path in (tmp_path / "away" / "checkpoints").iterdir()) == ["1", "2"]


def test_what_is_left_of_one_that_was_being_deleted_is_no_damaged_one(tmp_path, monkeypatch):
    """Of a process that is killed amid the deletion of a checkpoint that is not kept."""
    monkeypatch.setattr("qdfool.results.checkpoint.shutil.rmtree", lambda *given, **named: None)
    saved(tmp_path, [1, 2, 3])
    monkeypatch.undo()
    remnants = next(path for path in tmp_path.rglob("1") if path.is_dir())
    shutil.rmtree(remnants / "state")
    said = []
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.restore(template, said.append)[0] == 3
    checkpoints.close()
    assert (said, sorted(path.name for path in tmp_path.iterdir())) == ([], ["2", "3"])


def test_a_checkpoint_of_small_arrays_has_one(tmp_path):
    saved(tmp_path, [5])
    with ocp.PyTreeCheckpointer() as checkpointer:
        assert list(checkpointer.restore(tmp_path / "5" / "state")) == [packed.PACKED]


def test_a_checkpoint_of_before_is_read(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(packed, "SMALL_BYTES", -1)
        saved(tmp_path, [5])
    values = tmp_path / "5" / "values"
    found = json.loads((values / VALUES).read_bytes())
    assert found.pop("packed") == []
    (values / VALUES).write_text(json.dumps(found))
    (values / DIGESTS).unlink()
    write_digests(values)
    (number, back, _), said = restored(tmp_path)
    assert (number, said) == (5, [])
    equal(back, state(5))
