"""One run in a folder at a time, and a lock that dies with its process."""

import os
import platform
import signal
import subprocess
import sys
import threading
from pathlib import Path

import fake
import pytest

import qdfool
from qdfool.errors import InputError
from qdfool.files.lock import LOCK, FolderLock

pytest.importorskip("fcntl")
ROOT = Path(__file__).parents[2]

KILLED = """
import os, sys, time
from pathlib import Path
from qdfool.files.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
if not os.fork():
    print(os.getpid(), flush=True)  # by the child, when it has forgotten the lock
time.sleep(300)
"""


def test_a_lock_is_had_once_and_leaves_nothing(tmp_path):
    lock = FolderLock(tmp_path)
    lock.take()
    with pytest.raises(
        InputError, match=r"in use by another run, 'process \d+ on .*wait until that one ends"
    ) as refused:
        FolderLock(tmp_path)
    assert f"process {os.getpid()} on {platform.node()}" in str(refused.value)
    lock.release()
    lock.release()
    assert not list(tmp_path.iterdir())
    again = FolderLock(tmp_path)
    (tmp_path / LOCK).unlink()
    other = FolderLock(tmp_path)
    again.release()
    assert (tmp_path / LOCK).exists(), "the file of another's lock was removed"
    other.release()


def test_a_full_disk_leaves_no_lock_and_names_the_file(tmp_path, monkeypatch):
    def full(file, content):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match=rf"No space left on device: '{tmp_path / LOCK}'"):
            FolderLock(tmp_path)
    assert not list(tmp_path.iterdir())
    FolderLock(tmp_path).release()


def test_a_lock_ends_with_its_object(tmp_path):
    lock = FolderLock(tmp_path)
    del lock
    FolderLock(tmp_path).release()


def test_a_lock_dies_with_its_process_also_where_a_child_lives_on(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    child = int(process.stdout.readline())
    try:
        with pytest.raises(InputError, match=f"process {process.pid} on"):
            FolderLock(tmp_path)
        process.kill()
        process.wait()
        assert (tmp_path / LOCK).exists()
        FolderLock(tmp_path).release()
    finally:
        os.kill(child, signal.SIGKILL)
        process.stdout.close()


@pytest.mark.parametrize("there", ["link", "hard link", "pipe", "folder"])
def test_what_lies_in_the_place_of_a_lock_is_not_touched(tmp_path, there):
    path, other = tmp_path / LOCK, tmp_path / "other"
    other.write_text("mine")
    {
        "link": lambda: path.symlink_to(other),
        "hard link": lambda: path.hardlink_to(other),
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
    }[there]()
    with pytest.raises(OSError if there == "folder" else InputError):
        FolderLock(tmp_path)
    assert other.read_text() == "mine"


def test_what_a_lock_says_is_shortened_and_quoted(tmp_path):
    lock = FolderLock(tmp_path)
    (tmp_path / LOCK).write_text("\x1b[2Jall good\n" * 1_000)
    with pytest.raises(InputError) as refused:
        FolderLock(tmp_path)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 500
    lock.release()


def test_a_file_system_without_locks_is_warned_of(tmp_path, monkeypatch, caplog):
    def none(file, operation):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", none)
    FolderLock(tmp_path).release()
    assert "cannot be locked (No locks available)" in caplog.messages[0]


def test_a_folder_with_a_run_in_it_that_goes_on_is_refused_to_all(small, tmp_path, monkeypatch):
    monkeypatch.setattr(qdfool.Result, "draw", lambda self, directory, classifier=None: None)
    other = qdfool.evolve(small, fake.host_logits)
    errors = []

    def others(result: qdfool.Result) -> None:
        for call in (
            lambda: qdfool.resume(tmp_path, generations=20),
            lambda: qdfool.evolve(small, fake.host_logits, out=tmp_path, overwrite=True),
            lambda: other.save(tmp_path, overwrite=True),
        ):
            try:
                call()
            except InputError as error:
                errors.append(str(error))

    def in_a_thread(result: qdfool.Result) -> None:
        if not errors:
            thread = threading.Thread(target=others, args=(result,))
            thread.start()
            thread.join()

    (tmp_path / LOCK).write_text("process 1 on a machine that was switched off")
    for _ in range(2):
        errors.clear()
        qdfool.evolve(small, fake.host_logits, out=tmp_path, overwrite=True, on_chunk=in_a_thread)
        assert len(errors) == 3
        assert all("in use by another run" in error for error in errors[1:])
        assert not (tmp_path / LOCK).exists()
    assert qdfool.resume(tmp_path, generations=12).generations == 12
    other.save(tmp_path, overwrite=True)
    assert not (tmp_path / LOCK).exists()
