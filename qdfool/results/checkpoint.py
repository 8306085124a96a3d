"""Checkpoints: written asynchronously and atomically, the last two kept. The only importer of orbax.

A checkpoint holds a pytree of NumPy arrays and a dict of plain values. Its digest is stored with it, so
that one that was damaged on disk is noticed, and the one before it is used.
"""

import hashlib
import logging
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from qdfool.errors import InputError

KEPT = 2
"""Checkpoints that are kept."""
DATA_FILE = 1 << 26
"""Bytes of a file of a checkpoint, about: what is written is held in memory until its file is full."""
SPARE = 1 << 20
"""Bytes beside the arrays that must be free for a checkpoint to be begun."""

# What Orbax has to say reaches the user as our own messages.
logging.getLogger("absl").setLevel(logging.CRITICAL)
# Nobody changes the arrays while they are written, so Orbax need not copy them first: there may be gigabytes.
ocp.type_handlers.register_type_handler(
    np.ndarray, ocp.type_handlers.NumpyHandler(deepcopy_host_arrays=False), override=True
)


class Checkpoints:
    """The checkpoints of one run, numbered by generations completed."""

    def __init__(self, directory: Path) -> None:
        """Opens the folder, making it if need be, and clears what a killed run left unfinished.

        Raises:
            OSError: the folder is not writable.
        """
        self.directory = directory
        options = ocp.CheckpointManagerOptions(
            preservation_policy=ocp.checkpoint_managers.LatestN(KEPT),
            cleanup_tmp_directories=True,
            # Asynchronous by a thread of our own: a save that fails then says so at once.
            enable_async_checkpointing=False,
        )
        self._manager = ocp.CheckpointManager(directory.absolute(), options=options)
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
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise OSError(
                f"Could not write a checkpoint to {self.directory}: {reason[:300]}. The ones before it are "
                "whole; make room and go on with --resume."
            ) from error

    def close(self) -> None:
        """Waits for what is being saved and lets the folder go; never fails."""
        self._thread.shutdown()
        self._manager.close()

    def _save(self, generation: int, state: Any, values: dict[str, Any]) -> None:
        if generation in self._manager.all_steps():
            return
        self._make_sure_of_room(sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(state)) + SPARE)
        arrays = ocp.args.PyTreeSave(_not_empty(state), ocdbt_target_data_file_size=DATA_FILE)
        plain = ocp.args.JsonSave({**values, "digest": digest(state)})
        self._manager.save(generation, args=ocp.args.Composite(state=arrays, values=plain))

    def _make_sure_of_room(self, size: int) -> None:
        """Reserves and releases the bytes of a checkpoint: a full disk or a quota then fails here, cleanly, and
        not in the middle of Orbax's many parallel writes."""
        reserve = self.directory / ".room"
        try:
            with reserve.open("wb") as file:
                if hasattr(os, "posix_fallocate"):  # not on every system; there Orbax meets the full disk
                    os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            raise OSError(f"{error.strerror} ({size:,} bytes are needed)") from error
        finally:
            reserve.unlink(missing_ok=True)

    def restore(
        self, template: Callable[[dict[str, Any]], Any], say: Callable[[str], None]
    ) -> tuple[int, Any, dict[str, Any]]:
        """The newest checkpoint that is whole.

        Args:
            template: from the plain values to a pytree of NumPy arrays with the shapes to restore.
            say: told about each damaged checkpoint that is passed over.

        Returns:
            Its number, its pytree of NumPy arrays, and its plain values.

        Raises:
            InputError: there is none, or none is whole.
        """
        generations = sorted(self._manager.all_steps(), reverse=True)
        for generation in generations:
            try:
                values = self._restore(generation, values=ocp.args.JsonRestore())["values"]
                state = template(values)
                arrays = _not_empty(state)
                wanted = ocp.args.PyTreeRestore(arrays, ocp.checkpoint_utils.construct_restore_args(arrays))
                state = _filled(state, self._restore(generation, state=wanted)["state"])
                if digest(state) != values.pop("digest"):
                    raise ValueError("its content does not match its digest")
            except Exception as error:
                reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
                say(f"Checkpoint {generation} in {self.directory} is damaged ({reason[:200]}).")
                continue
            if generation != generations[0]:
                say(f"Going on from checkpoint {generation}, the one before.")
            self._forget([g for g in generations if g > generation])
            return generation, state, values
        if generations:
            raise InputError(f"Every checkpoint in {self.directory} is damaged; start the run anew.")
        raise InputError(
            f"No checkpoint in {self.directory}. Expected the folder of a run that saved one; start it anew "
            "with --overwrite."
        )

    def _restore(self, generation: int, **items: Any) -> Any:
        return self._manager.restore(generation, args=ocp.args.Composite(**items))

    def _forget(self, damaged: list[int]) -> None:
        for generation in damaged:
            self._manager.delete(generation)


def _not_empty(state: Any) -> dict[str, np.ndarray]:
    """The arrays by their paths, less those of size zero, which Orbax does not store."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves if leaf.size}


def _filled(state: Any, arrays: dict[str, np.ndarray]) -> Any:
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: arrays[jax.tree_util.keystr(path)] if leaf.size else leaf, state
    )


def digest(state: Any) -> str:
    """SHA-256 of a pytree of arrays: their paths, dtypes, shapes and bytes."""
    found = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        array = np.ascontiguousarray(leaf)
        found.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        found.update(array.reshape(-1).view(np.uint8).data)
    return found.hexdigest()
