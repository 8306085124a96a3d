"""Files that are whole at every moment: written aside, then renamed into place."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Opens a file to be written; it appears under its name only when the block ends without an error.

    A file that was there stays as it was until then, and stays for good if the block fails.

    Raises:
        OSError: the folder is not writable, the disk is full.
    """
    aside = path.with_name(f".{path.name}.part")
    file = new_file(aside)
    try:
        with file:
            yield file
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def new_file(path: Path) -> BinaryIO:
    """Opens a file to be written that was not there before. What has its name is removed, such as the rest that a
    killed process left; a link that somebody planted there goes, and what it names stays as it is.

    Raises:
        OSError: the folder is not writable, or a folder has the name.
    """
    path.unlink(missing_ok=True)
    return path.open("xb")
