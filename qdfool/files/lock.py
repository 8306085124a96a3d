"""A folder that one run has to itself: a lock, which the system takes back however its process ends."""

import contextlib
import errno
import logging
import os
import platform
import stat
import weakref
from collections.abc import Iterator
from pathlib import Path

from qdfool.errors import InputError, shown

try:
    import fcntl
except ImportError:  # Windows, where folders are not locked.
    fcntl = None

_LOG = logging.getLogger(__name__)
LOCK = ".lock"
"""The file that is locked. It says who has the lock, and is there as long as somebody has; a process that was killed
leaves it, which is no obstacle."""
MOST_READ = 200
"""Bytes of it that are read: anybody may have written them."""
HELD = (errno.EWOULDBLOCK, errno.EACCES)
"""What flock fails with where another has the lock; with anything else, the file system has no locks."""

_held: "weakref.WeakSet[FolderLock]" = weakref.WeakSet()


class FolderLock:
    """The lock of a folder. It ends with `release`, with its process, and when nobody has the object any more.

    It is flock's, because that also keeps two runs of one process apart, and is not lost when something in the
    process opens and closes the file, as a copy of the folder does. On local file systems it holds; on NFS Linux makes
    it a lock of the server, which other machines see; Lustre needs the mount option `flock`, without which, as on any
    file system that has no locks, a warning is logged and nothing is held.
    """

    def __init__(self, folder: Path) -> None:
        """Takes the lock.

        Raises:
            InputError: another run has it.
            OSError: the folder is not there or not writable.
        """
        self.path = folder / LOCK
        self._file: int | None = None
        self.take()

    def take(self) -> None:
        """Takes the lock, if it is not held already.

        Raises:
            InputError: another run has it.
            OSError: the folder is not there or not writable.
        """
        if self._file is None and fcntl is not None:
            self._file = _locked(self.path)
            self._end = weakref.finalize(self, _end, self.path, self._file)
            _held.add(self)

    def release(self) -> None:
        """Gives the lock back, and removes its file."""
        if self._file is not None:
            self._file = None
            _held.discard(self)
            self._end()

    def forget(self) -> None:
        """In a process that was forked from the one that has the lock: it is not this one's."""
        if self._file is not None and self._end.detach() is not None:
            os.close(self._file)
            self._file = None


def _end(path: Path, file: int) -> None:
    # Removed while it is locked: whoever opened it meanwhile sees that the name is of another file, or of none.
    with contextlib.suppress(OSError):
        if _is_named(file, path):
            path.unlink()
    with contextlib.suppress(OSError):
        os.close(file)


@contextlib.contextmanager
def released_on_failure(lock: FolderLock | None) -> Iterator[None]:
    """Lets a lock go, if there is one, where what is done meanwhile fails; else it stays held."""
    try:
        yield
    except BaseException:
        if lock is not None:
            lock.release()
        raise


def _locked(path: Path) -> int:
    """The descriptor of the locked file."""
    assert fcntl is not None
    while True:
        # A folder may be a stranger's: what a link there names, symbolic or hard, is not to be written to.
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise InputError(
                    f"{path} is a link. Expected the lock of a run, or nothing; remove it."
                ) from error
            raise
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
                raise InputError(
                    f"{path} is not a file, or has other names, too. Expected the lock of a run, or nothing; remove it."
                )
            if not _flock(file, path):
                return file
            if not _is_named(file, path):  # The run that had it has just removed it.
                os.close(file)
                continue
            _sign(file, path)
        except BaseException:
            os.close(file)
            raise
        return file


def _sign(file: int, path: Path) -> None:
    """Says in the file who has the lock; where there is no room for that, no file is left."""
    holder = f"process {os.getpid()} on {platform.node()}\n".encode(errors="replace")[:MOST_READ]
    try:
        os.ftruncate(file, 0)
        os.write(file, holder)
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from error


def _flock(file: int, path: Path) -> bool:
    """Locks the file; False where its file system has no locks."""
    assert fcntl is not None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in HELD:
            _LOG.warning(
                f"{path.parent} cannot be locked ({error.strerror}): make sure that no other process runs in it."
            )
            return False
        holder = os.pread(file, MOST_READ, 0).decode(errors="replace").strip()
        raise InputError(
            f"{path.parent} is in use by another run, {shown(holder) if holder else 'which has just begun'}. Expected "
            "one run in a folder at a time: wait until that one ends, or end it, and try again."
        ) from error
    return True


def _is_named(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False


def _forget_all() -> None:
    for lock in list(_held):
        lock.forget()


if hasattr(os, "register_at_fork"):
    # A forked child that lives on, such as a worker of a classifier, would hold the lock of a process that has died.
    os.register_at_fork(after_in_child=_forget_all)
