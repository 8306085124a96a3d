"""What JAX compiled is kept, so that the second run of a command line starts at once."""

import contextlib
import hashlib
import os
import platform
import stat
from pathlib import Path

from qdfool.files.cache import cache_folder

FOLDER, LEAST_SECONDS = "JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"
"""JAX's own variables. It reads them when it is imported; what the user has set is left alone."""
SHORTEST = "0.1"
"""Seconds that a program takes to compile, to be worth a file."""
MOST_BYTES = 1 << 30
NAME_LENGTH = 16
"""Characters of a folder's name, a hash."""
PROGRAMS = f"{'[0-9a-f]' * NAME_LENGTH}/*-cache"
"""Files that are ours to remove: whatever else lies in the folder is somebody's."""
TROUBLE = "persistent compilation cache"
"""Is in what JAX says of a file of its cache that it cannot read or write; it then does without."""


def keep_compiled_programs() -> None:
    """Has JAX keep what it compiles in the user's cache folder, unless the environment says where, or
    `JAX_ENABLE_COMPILATION_CACHE=false`. To be called before JAX is imported.

    JAX finds a program by a hash of it and of its own version, but not of the processor, and a program compiled for
    another one may not run here: folders of several machines are apart. Such a file is machine code, so that a folder
    into which others may write is not used. Where there is none to be had, nothing is kept, which is only slower.
    """
    if FOLDER in os.environ:
        return
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        folder = cache_folder().absolute() / "compiled" / _processor()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK) or not all(map(_is_ours, (folder, folder.parent))):
            return
        _remove_oldest(folder.parent)
        os.environ[FOLDER] = str(folder)
        os.environ.setdefault(LEAST_SECONDS, SHORTEST)


def remedy(message: str) -> str:
    """What to do about a warning, if JAX cannot read a file of its cache, as one that a full disk cut short."""
    folder = os.environ.get(FOLDER)
    if not folder or TROUBLE not in message:
        return ""
    may_go = f"; {folder} may be deleted at any time" if Path(folder).is_dir() else ""
    return f". The run goes on{may_go}."


def _is_ours(folder: Path) -> bool:
    """Whether it is a folder, and not a link to one, where nobody else may write, so far as the system knows users."""
    status = folder.lstat()
    ours = not hasattr(os, "geteuid") or (status.st_uid == os.geteuid() and not status.st_mode & 0o022)
    return ours and stat.S_ISDIR(status.st_mode)


def _processor() -> str:
    """A name for what a program is compiled for: processors with the same name may differ in what they can do."""
    said = [platform.machine()]
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
        said += sorted(
            {line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))}
        )
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:NAME_LENGTH]


def _remove_oldest(folder: Path) -> None:
    """Removes the programs of longest ago that are too many to keep."""
    files = [
        (path.lstat(), path) for path in folder.glob(PROGRAMS) if path.is_file() and _is_ours(path.parent)
    ]
    size = 0
    for status, path in sorted(files, key=lambda entry: -entry[0].st_mtime):
        size += status.st_size
        if size > MOST_BYTES:
            path.unlink(missing_ok=True)
