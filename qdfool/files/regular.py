"""Files from anywhere, opened only where they are files."""

import io
import os
import stat
from pathlib import Path


def open_regular(path: Path) -> io.BufferedReader:
    """Opens a file to be read that is one on a disk: a pipe may keep a reader waiting for ever, and a device, such as
    /dev/zero, may have no end.

    Raises:
        ValueError: it is a pipe, a device or the like, or no file can have such a name.
        OSError: it is missing, a folder, or cannot be read.
    """
    file = open(path, "rb", opener=_at_once)  # noqa: SIM115 - the caller closes it
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise ValueError("it is a pipe or a device, not a file")


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
