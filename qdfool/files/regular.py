"""Files from anywhere, opened only where they are files, and no larger than what is in them."""

import errno
import io
import os
import stat
from pathlib import Path

LARGE = 1 << 28
"""Bytes of a file that may be mostly holes."""
MOST_OF_HOLES = 64
"""How many times what is in a larger file it may be in size. A copy that leaves out zeros has a part of what is there;
a file of gigabytes with some kilobytes in it is no copy of anything that is read here, and would take gigabytes."""


def open_regular(path: Path) -> io.BufferedReader:
    """Opens a file to be read that is one on a disk: a pipe may keep a reader waiting for ever, and a device, such as
    /dev/zero, may have no end.

    Raises:
        ValueError: it is a pipe, a device or the like, nearly all of it is holes, or no file can have such a name.
        OSError: it is missing, a folder, or cannot be read.
    """
    file = open(path, "rb", opener=_at_once)  # noqa: SIM115 - the caller closes it
    try:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is a pipe or a device, not a file")
        if status.st_size > LARGE and _is_hollow(file.fileno(), status.st_size):
            raise ValueError(f"it has {status.st_size:,} bytes, and nearly all of them are holes")
    except BaseException:
        file.close()
        raise
    return file


def _is_hollow(file: int, size: int) -> bool:
    """Whether nearly all of a file is holes; where the system does not say, none is."""
    there = end = 0
    try:
        while there * MOST_OF_HOLES < size:
            start = os.lseek(file, end, os.SEEK_DATA)
            end = os.lseek(file, start, os.SEEK_HOLE)
            there += end - start
    except OSError as error:
        return error.errno == errno.ENXIO  # There is no more.
    except AttributeError:
        return False
    finally:
        os.lseek(file, 0, os.SEEK_SET)
    return False


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
