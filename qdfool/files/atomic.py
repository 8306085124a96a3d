"""Files that are whole at every moment: written aside, then renamed into place.

Who writes has a file of its own aside, so that several processes may write the same one at a time: the last one's
stays. It is locked meanwhile. The rest that a killed process left is not, and goes when that file is written again.
"""

import glob
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows, where a rest stays.
    fcntl = None


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Opens a file to be written; it appears under its name only when the block ends without an error.

    A file that was there stays as it was until then, and stays for good if the block fails.

    Raises:
        OSError: the folder is not writable, the disk is full.
    """
    _remove_rests(path)
    aside, file, lock = _new_aside(path)
    try:
        with file:
            yield file
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    finally:
        if lock is not None:
            os.close(lock)


def _new_aside(path: Path) -> tuple[Path, BinaryIO, int | None]:
    """A file beside `path`, opened to be written, and a descriptor that keeps it locked until it is closed."""
    while True:
        aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        file = new_file(aside)
        if fcntl is None:
            return aside, file, None
        lock = os.dup(file.fileno())
        with suppress(OSError):  # Some file systems have no locks.
            fcntl.flock(lock, fcntl.LOCK_EX)
        if aside.exists():
            return aside, file, lock
        # Another process took it for a rest before it was locked.
        file.close()
        os.close(lock)


def _remove_rests(path: Path) -> None:
    if fcntl is None:
        return
    for rest in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with suppress(OSError):
            file = os.open(rest, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # Fails where another process has it.
                rest.unlink()
            finally:
                os.close(file)


def new_file(path: Path) -> BinaryIO:
    """Opens a file to be written that was not there before. What has its name is removed, such as the rest that a
    killed process left; a link that somebody planted there goes, and what it names stays as it is.

    Raises:
        OSError: the folder is not writable, or a folder has the name.
    """
    path.unlink(missing_ok=True)
    return path.open("xb")
