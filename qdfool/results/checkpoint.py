"""Checkpoints: written asynchronously and atomically, the last two are there.

A checkpoint holds a pytree of NumPy arrays and a dict of plain values. The SHA-256 of the files of both are with them.
So damage is what they say and nothing else: once every file is, byte for byte, as it was written, any trouble in
reading it (memory, the disk, a run of another version) is not the checkpoint's, and is raised.
"""

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np

from qdfool.errors import InputError, named
from qdfool.files.atomic import atomic_write, new_file
from qdfool.results import run_folder
from qdfool.results.orbax_manager import orbax_is_quiet, orbax_manager

CHECKPOINTS_KEPT = 2
"""Checkpoints that there are of a run: the newest."""
DATA_FILE_BYTES = 1 << 26
"""Of a file of a checkpoint, about: what is written is held in memory until its file is full."""
SPARE_BYTES = 1 << 20
"""Beside the arrays that must be free for a checkpoint to be begun."""
DIGESTS = "sha256.json"
"""The file that has the SHA-256 of the others beside it."""
DAMAGED = "damaged-"
"""What the name of a checkpoint begins with that is put aside."""
ITEMS = ("state", "values")
"""What a checkpoint consists of: folders, with a file of digests in each."""

# Orbax is imported where it is used: it takes a while, and only runs that are saved need it.


class Checkpoints:
    """The checkpoints of one run, numbered by generations completed."""

    def __init__(self, directory: Path) -> None:
        """Opens the folder, making it if need be, and clears what a killed run left under a temporary name.

        Raises:
            InputError: the folder is a link.
            OSError: the folder is not writable.
        """
        self.directory = run_folder.no_link(directory)
        self._manager = orbax_manager(directory, CHECKPOINTS_KEPT, lambda folder: _write_digests(folder))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._saving: Future[None] | None = None

    def save(self, generation: int, state: Any, values: dict[str, Any]) -> None:
        """Saves in the background; waits only for the save before this one.

        Args:
            generation: the checkpoint's number.
            state: pytree of NumPy arrays that nobody changes any more.
            values: plain values, as JSON has them.

        Raises:
            OSError: the save before this one failed.
        """
        self.finish()
        self._saving = self._thread.submit(self._save, generation, state, values)

    def finish(self) -> None:
        """Waits until the last save is on disk.

        Raises:
            OSError: it failed.
        """
        saving, self._saving = self._saving, None
        if saving is None:
            return
        try:
            saving.result()
        except Exception as error:
            raise OSError(
                f"Could not write a checkpoint to {self.directory}: {_first_line(error)}. The ones before it are "
                "whole; make room and go on with `resume`."
            ) from error

    def close(self) -> None:
        """Waits for what is being saved and lets the folder go; never fails."""
        self._thread.shutdown()
        with orbax_is_quiet():
            self._manager.close()

    def _save(self, generation: int, state: Any, values: dict[str, Any]) -> None:
        import orbax.checkpoint as ocp

        if generation in self._manager.all_steps():
            return
        self._make_sure_of_room(sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(state)) + SPARE_BYTES)
        arrays = ocp.args.PyTreeSave(_not_empty(state), ocdbt_target_data_file_size=DATA_FILE_BYTES)
        plain = ocp.args.JsonSave({**values, "structure": _structure(state)})
        with orbax_is_quiet():
            self._manager.save(generation, args=ocp.args.Composite(state=arrays, values=plain))

    def _make_sure_of_room(self, size: int) -> None:
        """Reserves and releases the bytes of a checkpoint: a full disk or a quota then fails here, cleanly, and
        not in the middle of Orbax's many parallel writes."""
        reserve = self.directory / ".room"
        try:
            with new_file(reserve) as file:
                if hasattr(os, "posix_fallocate"):  # not on every system; there Orbax meets the full disk
                    os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            raise OSError(f"{error.strerror} ({size:,} bytes are needed)") from error
        finally:
            reserve.unlink(missing_ok=True)

    def restore(
        self, template: Callable[[dict[str, Any]], Any], log: Callable[[str], None]
    ) -> tuple[int, Any, dict[str, Any]]:
        """The newest checkpoint that is whole. Damaged ones, all newer, are renamed to `damaged-GENERATION`.

        Args:
            template: from the plain values to a pytree of NumPy arrays with the shapes to restore.
            log: gets a line about each damaged checkpoint that is passed over.

        Returns:
            Its number, its pytree of NumPy arrays, and its plain values.

        Raises:
            InputError: there is none, or none is whole, or it is of another structure than the template.
            OSError: it cannot be read, or a damaged one cannot be renamed.
        """
        names = [path.name for path in self.directory.iterdir() if path.is_dir()]
        said, put_aside = [], []
        for generation in sorted((int(name) for name in names if name.isdecimal()), reverse=True):
            damage = _damage(self.directory / str(generation))
            if damage is None:
                if said:
                    said.append(f"Going on from checkpoint {generation}, the one before.")
                for line in said:
                    log(line)
                return generation, *self._restore(generation, template)
            aside = self._put_aside(generation)
            put_aside.append(f"{aside.name} ({damage})")
            said.append(
                f"Checkpoint {generation} in {self.directory} is damaged ({damage}); it is now {aside}."
            )
        if put_aside:
            raise InputError(
                f"No checkpoint in {self.directory} is whole. The damaged ones are still there, as "
                f"{', '.join(put_aside)}: bring a whole one back under its number, from a copy or a repaired disk, "
                "and resume again. What the run last wrote beside them can be read with qdfool.load."
            )
        raise InputError(
            f"No checkpoint in {self.directory}. Expected the folder of a run that saved one; give that, or start "
            "a new run with another `out`."
        )

    def _restore(
        self, generation: int, template: Callable[[dict[str, Any]], Any]
    ) -> tuple[Any, dict[str, Any]]:
        """State and values of a checkpoint whose files are whole."""
        import orbax.checkpoint as ocp

        values = self._read(generation, values=ocp.args.JsonRestore())["values"]
        state, saved = template(values), values.pop("structure")
        wanted = _structure(state)
        if saved != wanted:
            name = min(name for name in saved.keys() | wanted.keys() if saved.get(name) != wanted.get(name))
            raise InputError(
                f"Checkpoint {generation} in {self.directory} is whole but not of this run: its {named(name)} is "
                f"{named(saved.get(name, 'missing'))}, expected {wanted.get(name, 'none')}. Resume it with the "
                "settings and the version of qdfool that saved it."
            )
        arrays = _not_empty(state)
        restore = ocp.args.PyTreeRestore(arrays, ocp.checkpoint_utils.construct_restore_args(arrays))
        arrays = self._read(generation, state=restore)["state"]
        return jax.tree_util.tree_map_with_path(
            lambda path, leaf: arrays[jax.tree_util.keystr(path)] if leaf.size else leaf, state
        ), values

    def _read(self, generation: int, **items: Any) -> Any:
        import orbax.checkpoint as ocp

        try:
            with orbax_is_quiet():
                return self._manager.restore(generation, args=ocp.args.Composite(**items))
        except (MemoryError, OSError):
            raise
        except Exception as error:
            raise OSError(
                f"Could not read checkpoint {generation} in {self.directory}, although its files are whole: "
                f"{_first_line(error)}. Nothing was changed; resume again when the cause is gone."
            ) from error

    def _put_aside(self, generation: int) -> Path:
        aside, count = self.directory / f"{DAMAGED}{generation}", 1
        while aside.exists():
            count += 1
            aside = self.directory / f"{DAMAGED}{generation}-{count}"
        (self.directory / str(generation)).rename(aside)
        with orbax_is_quiet():
            self._manager.reload()
        return aside


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
    numbers = [int(name) for name in names_of_checkpoints(directory) if name.isdecimal()]
    whole = (number for number in sorted(numbers, reverse=True) if _damage(directory / str(number)) is None)
    return next(whole, None)


def _damage(folder: Path) -> str | None:
    """What is wrong with the files of a checkpoint; None if they are, byte for byte, those that were written.

    Raises:
        OSError: they cannot be read.
    """
    for item in ITEMS:
        try:
            digests = json.loads((folder / item / DIGESTS).read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return f"{item}/{DIGESTS} is missing"
        except ValueError:
            return f"{item}/{DIGESTS} is not JSON"
        if not isinstance(digests, dict) or not digests:
            return f"{item}/{DIGESTS} lists no files"
        for name, digest in digests.items():
            try:
                if _digest(folder / item / name) != digest:
                    return f"{item}/{name} has other bytes than were written"
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return f"{item}/{name} is missing"
    return None


def _write_digests(folder: Path) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digests = {str(path.relative_to(folder)): _digest(path) for path in files}
    with atomic_write(folder / DIGESTS) as file:
        file.write((json.dumps(digests, indent=2) + "\n").encode())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _not_empty(state: Any) -> dict[str, np.ndarray]:
    """The arrays by their paths, less those of size zero, which Orbax does not store."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves if leaf.size}


def _structure(state: Any) -> dict[str, str]:
    """Of each array by its path, its dtype and shape: Orbax restores other shapes than asked for without a word."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {jax.tree_util.keystr(path): f"{leaf.dtype} {list(leaf.shape)}" for path, leaf in leaves}


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
