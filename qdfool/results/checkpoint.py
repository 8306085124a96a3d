"""Checkpoints: written asynchronously and atomically, the last two are there.

A checkpoint holds a pytree of NumPy arrays and a dict of plain values. The SHA-256 of the files of both are with them.
So damage is what they say and nothing else: once every file is, byte for byte, as it was written, any trouble in
reading it (memory, the disk, a run of another version) is not the checkpoint's, and is raised.
"""

import contextlib
import functools
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np

from qdfool import hosts
from qdfool.errors import MOST_LISTED, InputError, named, printable, text_of
from qdfool.files.atomic import new_file
from qdfool.results import run_folder
from qdfool.results.checkpoint_files import (
    DAMAGED,
    VALUES,
    damage_of,
    is_misnamed,
    is_number,
    oddity_of,
    write_digests,
)
from qdfool.results.orbax_manager import DELETED, orbax_is_quiet, orbax_manager, without_unfinished
from qdfool.results.packed import PACKED, packed, small, unpacked

CHECKPOINTS_KEPT = 2
"""Checkpoints that there are of a run: the newest."""
DATA_FILE_BYTES = 1 << 26
"""Of a file of a checkpoint, about: what is written is held in memory until its file is full."""
MANAGERS = ("_manager", "_reader")
SPARE_BYTES = 1 << 20
"""Beside the arrays that must be free for a checkpoint to be begun."""
# Orbax is imported where it is used: it takes a while, and only runs that are saved need it.


class Checkpoints:
    """The checkpoints of one run, numbered by generations completed."""

    def __init__(self, directory: Path) -> None:
        """Opens the folder, making it if need be, and clears what a killed run left under a temporary name. Of several
        processes the first one does that.

        Raises:
            InputError: the folder is a link.
            OSError: the folder is not writable.
        """
        self.directory = run_folder.no_link(directory)
        if hosts.is_first():
            self._folder = without_unfinished(directory).stat()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._saving: Future[None] | None = None

    @functools.cached_property
    def _manager(self) -> Any:
        # Opened when it is needed: it reads what lies in the folder, of which `restore` has put aside by then what is
        # no checkpoint.
        return orbax_manager(self.directory, CHECKPOINTS_KEPT, lambda folder: write_digests(folder))

    @functools.cached_property
    def _reader(self) -> Any:
        if hosts.count() == 1:
            return self._manager
        return orbax_manager(self.directory, CHECKPOINTS_KEPT, lambda folder: None, by_itself=True)

    def save(self, generation: int, state: Any, values: dict[str, Any]) -> None:
        """Saves in the background; waits only for the save before this one.

        Args:
            generation: the checkpoint's number.
            state: pytree of NumPy arrays that nobody changes any more; of several processes also of arrays that lie on
                the devices of all, of which each process writes what lies on its own. Every process has to save.
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
            if not self.directory.is_dir():
                left = "Those before it are where it is now: bring it back, and go on with `resume`."
            elif any(is_number(path.name) for path in self.directory.iterdir()):
                left = "The ones before it are whole; make room and go on with `resume`."
            else:
                left = (
                    "There is none before it: make room, and start the run anew, with `overwrite`; one of several "
                    "seeds begins anew with `resume`."
                )
            raise OSError(
                f"Could not write a checkpoint to {self.directory}: {_first_line(error)}. {left}"
            ) from error

    def close(self) -> None:
        """Waits for what is being saved and lets the folder go; never fails."""
        self._thread.shutdown()
        opened = {id(manager): manager for name, manager in vars(self).items() if name in MANAGERS}
        for manager in opened.values():
            with orbax_is_quiet():
                manager.close()

    def _save(self, generation: int, state: Any, values: dict[str, Any]) -> None:
        import orbax.checkpoint as ocp

        if generation in self._manager.all_steps():
            return
        if hosts.is_first():
            self._make_sure_of_room(sum(leaf.nbytes for leaf in jax.tree.leaves(state)) + SPARE_BYTES)
        every = _not_empty(state)
        names = small(every)
        arrays = ocp.args.PyTreeSave(packed(every, names), ocdbt_target_data_file_size=DATA_FILE_BYTES)
        plain = ocp.args.JsonSave({**values, "structure": _structure(state), "packed": names})
        try:
            with orbax_is_quiet():
                self._manager.save(generation, args=ocp.args.Composite(state=arrays, values=plain))
        finally:
            if hosts.is_first():
                shutil.rmtree(self.directory / DELETED, ignore_errors=True)
                self._check_is_in_place(generation)

    def _check_is_in_place(self, generation: int) -> None:
        """Checks that the folder is the one that it was. When it is moved away while Orbax writes, Orbax makes another,
        with this checkpoint alone: that one goes, because a run that goes on from where the folder is now makes it
        again, bit for bit.

        Raises:
            OSError: the folder is gone.
        """
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(self._folder, self.directory.stat()):
                return
            shutil.rmtree(self.directory / str(generation), ignore_errors=True)
            with contextlib.suppress(OSError):  # Something else is in it.
                without_unfinished(self.directory).rmdir()
                self.directory.parent.rmdir()
        raise OSError("the folder was moved away or replaced while it was written to")

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
        self,
        template: Callable[[dict[str, Any]], Any],
        log: Callable[[str], None],
        check: Callable[[Any], None] = lambda tree: None,
    ) -> tuple[int, Any, dict[str, Any]]:
        """The newest checkpoint that is whole. Damaged ones, all newer, are renamed to `damaged-GENERATION`.

        Args:
            template: from the plain values to a pytree of NumPy arrays with the shapes to restore.
            log: gets a line about each damaged checkpoint that is passed over.
            check: raises a ValueError if values of the pytree are none that the run can have.

        Returns:
            Its number, its pytree of NumPy arrays, and its plain values.

        Raises:
            InputError: there is none, or none is whole, or it is of another structure than the template, or has values
                that its run cannot have.
            OSError: it cannot be read, or a damaged one cannot be renamed.
        """
        newest = hosts.together(lambda: self._newest_whole(log), first_before_others=True)
        tree, values = self._restore(newest, template)
        try:
            check(tree)
        except ValueError as error:
            raise InputError(
                f"Checkpoint {newest} in {self.directory} has values that no run has: {text_of(error)}. Bring the one "
                "back that the run saved, from a copy; or move it out of the folder, to go on from the one before."
            ) from error
        return newest, tree, values

    def _newest_whole(self, log: Callable[[str], None]) -> int:
        """The number of the newest checkpoint that is whole, when damaged ones are put aside."""
        names = [path.name for path in self.directory.iterdir()]
        put_aside = [
            self._put_aside(name, "no checkpoint is named so") for name in names if is_misnamed(name)
        ]
        newest = None
        for generation in sorted(map(int, filter(is_number, names)), reverse=True):
            # Of those before the newest that is whole only what Orbax could stumble over: they may be large.
            damage = (damage_of if newest is None else oddity_of)(self.directory / str(generation))
            if damage is not None:
                put_aside.append(self._put_aside(str(generation), damage))
            elif newest is None:
                newest = generation
        if newest is not None:
            for name, aside, damage in put_aside:
                now = printable(str(aside))
                log(f"Checkpoint {named(name)} in {self.directory} is damaged ({damage}); it is now {now}.")
            if put_aside:
                log(f"Going on from checkpoint {newest}.")
            return newest
        if put_aside:
            where = ", ".join(
                f"{named(aside.name)} ({damage})" for _, aside, damage in put_aside[:MOST_LISTED]
            )
            raise InputError(
                f"No checkpoint in {self.directory} is whole. The damaged ones are still there, as "
                f"{where}: bring a whole one back under its number, from a copy or a repaired disk, "
                "and resume again. What the run last wrote beside them can be read with qdfool.load."
            )
        raise InputError(
            f"No checkpoint in {self.directory}. Expected the folder of a run that saved one; give that, or start "
            "a new run with another `out`, or in this folder with `overwrite`."
        )

    def _restore(
        self, generation: int, template: Callable[[dict[str, Any]], Any]
    ) -> tuple[Any, dict[str, Any]]:
        """State and values of a checkpoint whose files are whole."""
        import orbax.checkpoint as ocp

        with self._of_this_run(generation):
            values = run_folder.json_of(self.directory / str(generation) / "values" / VALUES)
            saved, names = values.pop("structure", None), values.pop("packed", [])
            state = template(values)
            _check_structure(saved, _structure(state))
            every = _not_empty(state)
            _check_packed(names, every)
            stored = {*every} - {*names} | ({PACKED} if names else set())
            if self._stored(generation) != stored:
                raise ValueError("its arrays are not those that it says it has")
        arrays = packed(every, names)
        restore = ocp.args.PyTreeRestore(arrays, ocp.checkpoint_utils.construct_restore_args(arrays))
        read = jax.tree.map(np.asarray, self._read(generation, state=restore)["state"])
        with self._of_this_run(generation):
            _check_structure(_structure(read), _structure(arrays))
        read = unpacked(read, every, names)
        return jax.tree_util.tree_map_with_path(
            lambda path, leaf: read[jax.tree_util.keystr(path)] if leaf.size else leaf, state
        ), values

    def _stored(self, generation: int) -> set[str]:
        """The names of the arrays of a checkpoint as Orbax has them."""
        with self._reading(generation):
            return set(self._reader.item_metadata(generation)["state"].tree)

    def _read(self, generation: int, **items: Any) -> Any:
        import orbax.checkpoint as ocp

        with self._reading(generation):
            return self._reader.restore(generation, args=ocp.args.Composite(**items))

    @contextlib.contextmanager
    def _reading(self, generation: int) -> Iterator[None]:
        """While Orbax reads a checkpoint whose files are whole."""
        try:
            with orbax_is_quiet():
                yield
        except (MemoryError, OSError):
            raise
        except Exception as error:
            raise OSError(
                f"Could not read checkpoint {generation} in {self.directory}, although its files are whole: "
                f"{_first_line(error)}. Nothing was changed; resume again when the cause is gone."
            ) from error

    @contextlib.contextmanager
    def _of_this_run(self, generation: int) -> Iterator[None]:
        """While what a checkpoint holds is compared with its run: a ValueError becomes an InputError that names it."""
        try:
            yield
        except ValueError as error:
            raise InputError(
                f"Checkpoint {generation} in {self.directory} is whole but not of this run: {text_of(error)}. Resume "
                "it with the settings and the version of qdfool that saved it."
            ) from error

    def _put_aside(self, name: str, damage: str) -> tuple[str, Path, str]:
        """Renames what is damaged; returns its former name, its path now, and the damage."""
        aside, count = self.directory / f"{DAMAGED}{name}", 1
        while os.path.lexists(aside):
            count += 1
            aside = self.directory / f"{DAMAGED}{name}-{count}"
        (self.directory / name).rename(aside)
        return name, aside, damage


def _check_structure(found: Any, wanted: dict[str, str]) -> None:
    if not isinstance(found, dict) or not all(isinstance(array, str) for array in found.values()):
        raise ValueError("it does not say which arrays it has")
    if found != wanted:
        name = min(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
        raise ValueError(
            f"its {named(name)} is {named(found.get(name, 'missing'))}, expected {wanted.get(name, 'none')}"
        )


def _check_packed(names: Any, arrays: dict[str, Any]) -> None:
    """Checks the names of the arrays that are stored as one. Checkpoints of version 0.2 and before have none.

    Raises:
        ValueError: they are not names of small arrays, in their order, each once.
    """
    known = isinstance(names, list) and all(isinstance(name, str) for name in names)
    # A large one would be made here, whether it is there or not.
    if not known or names != sorted(set(names) & set(small(arrays))):
        raise ValueError("it does not say which of its arrays are stored as one")


def _not_empty(state: Any) -> dict[str, Any]:
    """The arrays by their paths, less those of size zero, which Orbax does not store."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {
        jax.tree_util.keystr(path): np.asarray(leaf) if _is_here(leaf) else leaf
        for path, leaf in leaves
        if leaf.size
    }


def _is_here(leaf: Any) -> bool:
    """Whether an array is this process's alone."""
    return not isinstance(leaf, jax.Array) or leaf.is_fully_addressable


def _structure(state: Any) -> dict[str, str]:
    """Of each array by its path, its dtype and shape: Orbax restores other shapes than asked for without a word."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {jax.tree_util.keystr(path): f"{leaf.dtype} {list(leaf.shape)}" for path, leaf in leaves}


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
