"""What a checkpoint consists of on disk, and whether all of it is, byte for byte, as it was written."""

import hashlib
import json
import re
from pathlib import Path

from qdfool.errors import named, text_of
from qdfool.files.atomic import atomic_write
from qdfool.files.regular import open_regular
from qdfool.results import run_folder

DIGESTS = "sha256.json"
"""The file that has the SHA-256 of the others beside it."""
DAMAGED = "damaged-"
"""What the name of a checkpoint begins with that is put aside."""
VALUES = "metadata"
"""The file of the plain values."""
ITEMS = {"state": ("_METADATA", "manifest.ocdbt"), "values": (VALUES,)}
"""What a checkpoint consists of: folders, with a file of digests in each, and these files among others."""
UNLISTED = {DIGESTS, "commit_success.txt"}
"""Files of an item without a digest: that of the digests, and what Orbax writes after it."""
STEP = "_CHECKPOINT_METADATA"
"""What Orbax keeps of a checkpoint, beside its items."""
MOST_FILES = 10_000
"""Of a checkpoint; those of a hundred gigabytes are some thousand."""


def names_of_checkpoints(directory: Path) -> list[str]:
    """The checkpoints in a folder, damaged ones too; none where there is no folder. Changes nothing.

    Raises:
        InputError: the folder is a link.
    """
    if not run_folder.no_link(directory).is_dir():
        return []
    names = [path.name for path in directory.iterdir() if path.is_dir()]
    return [name for name in names if name.removeprefix(DAMAGED).split("-")[0].isdecimal()]


def newest_whole(directory: Path) -> int | None:
    """The number of the newest checkpoint that is whole; None where there is none. Changes nothing.

    Raises:
        InputError: the folder is a link.
        OSError: one cannot be read.
    """
    numbers = [int(name) for name in names_of_checkpoints(directory) if is_number(name)]
    whole = (number for number in sorted(numbers, reverse=True) if damage_of(directory / str(number)) is None)
    return next(whole, None)


def is_number(name: str) -> bool:
    """Whether it is the name of a checkpoint: its number, as Orbax writes it."""
    return re.fullmatch("0|[1-9][0-9]*", name) is not None


def is_misnamed(name: str) -> bool:
    """Whether Orbax may take it for a checkpoint although it is not named like one: 007, or digits of other scripts."""
    return name[0].isdigit() and not is_number(name)


def damage_of(folder: Path) -> str | None:
    """What is wrong with the files of a checkpoint; None if they are, byte for byte, those that were written.

    Raises:
        OSError: they cannot be read.
    """
    if oddity := oddity_of(folder):
        return oddity
    for item in ITEMS:
        for name, digest in run_folder.json_of(folder / item / DIGESTS).items():
            try:
                same = _digest(folder / item / name) == digest
            except ValueError as error:
                return f"{item}/{named(name)}: {text_of(error)}"
            if not same:
                return f"{item}/{named(name)} has other bytes than were written"
    return None


def oddity_of(folder: Path) -> str | None:
    """What is wrong with a checkpoint, but for the bytes of its files: it is no folder, holds something else than
    folders and files, or other files than are listed in it. Nothing that it names is opened, only what it holds.

    Raises:
        OSError: it cannot be read.
    """
    try:
        files = _files(folder)
    except ValueError as error:
        return text_of(error)
    for item, needed in ITEMS.items():
        there = {name.removeprefix(f"{item}/") for name in files if name.startswith(f"{item}/")}
        if DIGESTS not in there:
            return f"{item}/{DIGESTS} is missing"
        try:
            digests = run_folder.json_of(folder / item / DIGESTS)
        except ValueError:
            return f"{item}/{DIGESTS} is not JSON"
        for name in sorted({*digests, *needed} - there):
            return f"{item}/{named(name)} is missing"
        for name in sorted(there - digests.keys() - UNLISTED):
            return f"{item}/{named(name)} is not among those that were written"
    try:
        if STEP in files:
            run_folder.json_of(folder / STEP)
    except ValueError:
        return f"{STEP} is not JSON"
    return None


def _files(folder: Path) -> set[str]:
    """The files of a folder, also in those below it, by their names from there.

    Raises:
        ValueError: it is no folder, or has a link, a pipe or the like in it, or more than a checkpoint has.
        OSError: it cannot be read.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise ValueError("it is no folder")
    files: set[str] = set()
    folders = [folder]
    while folders:
        for path in folders.pop().iterdir():
            name = path.relative_to(folder).as_posix()
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise ValueError(f"{named(name)} is neither a file nor a folder")
            if path.is_dir():
                folders.append(path)
            else:
                files.add(name)
        if len(files) + len(folders) > MOST_FILES:
            raise ValueError(f"it has more than {MOST_FILES:,} files")
    return files


def write_digests(folder: Path) -> None:
    """Writes beside the files of an item their digests.

    Raises:
        OSError: it cannot be written.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digests = {str(path.relative_to(folder)): _digest(path) for path in files}
    with atomic_write(folder / DIGESTS) as file:
        file.write((json.dumps(digests, indent=2) + "\n").encode())


def _digest(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
