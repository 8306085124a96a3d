"""Orbax as checkpoints need it: quiet, without copies, and done with a save that fails before it says so."""

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from qdfool import hosts

TEMPORARY = ".orbax-checkpoint-tmp"
"""In the name of a checkpoint that was being written when its process was killed."""
DELETED = ".deleted"
"""Where Orbax moves a checkpoint that it does not keep. Were it deleted in its place, and the process killed amid that,
what is left would look like a damaged one."""
SETTLING_SECONDS = 60.0
"""For what was still being written when a write failed."""


@contextlib.contextmanager
def orbax_is_quiet() -> Iterator[None]:
    """While we call Orbax: what it has to say reaches the user as our own messages. What others log passes."""

    def is_not_of_orbax(record: logging.LogRecord) -> bool:
        return "orbax" not in Path(record.pathname).parts

    logger = logging.getLogger("absl")
    logger.addFilter(is_not_of_orbax)
    try:
        yield
    finally:
        logger.removeFilter(is_not_of_orbax)


async def _settled(work: Awaitable[Any]) -> Any:
    """Awaits work of Orbax. If it fails, also what else it began: Orbax closes the event loop at the first failure, and
    all that ends later would print a traceback of its own, "Event loop is closed"."""
    before = asyncio.all_tasks()
    try:
        return await work
    except BaseException:
        others = asyncio.all_tasks() - before
        if others:
            _, slow = await asyncio.wait(others, timeout=SETTLING_SECONDS)
            for task in others - slow:
                _ = task.cancelled() or task.exception()  # seen: it is not reported again
        raise


def without_unfinished(directory: Path) -> Path:
    """A folder of checkpoints, made if need be, when those in it are removed that are half written or half deleted.
    Orbax would do it in a thread that nothing waits for: a process that ends soon prints its traceback.

    Raises:
        OSError: the folder cannot be made, or what is unfinished in it not removed.
    """
    directory.mkdir(exist_ok=True)
    for unfinished in (*directory.glob(f"*{TEMPORARY}*"), *directory.glob(DELETED)):
        if unfinished.is_dir() and not unfinished.is_symlink():
            shutil.rmtree(unfinished)
        else:
            unfinished.unlink()
    return directory


def _by_itself(ocp: Any) -> dict[str, Any]:
    process = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=process, active_processes={process}, barrier_sync_key_prefix=f"process-{process}"
    )
    return {"multiprocessing_options": alone, "create": False}


@orbax_is_quiet()
def orbax_manager(
    directory: Path, kept: int, written: Callable[[Path], None], by_itself: bool = False
) -> Any:
    """An Orbax `CheckpointManager` with handlers of our own, of a folder that `without_unfinished` was called of.

    Args:
        directory: of the checkpoints.
        kept: checkpoints that there are at most: the newest.
        written: called with each folder of a checkpoint that has been written, before the checkpoint gets its name; of
            several processes in the first one.
        by_itself: waits for no other process, and may only read. Else all processes do all together.
    """
    import orbax.checkpoint as ocp

    class Writes(ocp.type_handlers.NumpyHandler):
        async def _background_serialize(self, *arguments: Any, **settings: Any) -> None:
            await _settled(super()._background_serialize(*arguments, **settings))

        async def deserialize(self, *arguments: Any, **settings: Any) -> Any:
            return await _settled(super().deserialize(*arguments, **settings))

    # Orbax calls `finalize` before it renames a checkpoint from its temporary name, so that one that is there has
    # its digests, whenever a process is killed.
    class Arrays(ocp.PyTreeCheckpointHandler):
        def finalize(self, directory: Any) -> None:
            super().finalize(directory)
            if hosts.is_first():
                written(Path(directory))

    class Values(ocp.JsonCheckpointHandler):
        def finalize(self, directory: Any) -> None:
            super().finalize(directory)
            if hosts.is_first():
                written(Path(directory))

    # A registry of our own: Orbax's, which all of the process shares, has a handler that copies arrays, against
    # changes while they are written. Nobody changes ours, and there may be gigabytes.
    arrays = Arrays(
        type_handler_registry=ocp.type_handlers.create_type_handler_registry(
            (np.ndarray, Writes(deepcopy_host_arrays=False)),
            # What lies on the devices of several processes.
            (jax.Array, ocp.type_handlers.ArrayHandler()),
        )
    )
    handlers = ocp.handlers.DefaultCheckpointHandlerRegistry()
    handlers.add("state", ocp.args.PyTreeSave, arrays)
    handlers.add("state", ocp.args.PyTreeRestore, arrays)
    values = Values()
    handlers.add("values", ocp.args.JsonSave, values)
    handlers.add("values", ocp.args.JsonRestore, values)
    options = ocp.CheckpointManagerOptions(
        preservation_policy=ocp.checkpoint_managers.LatestN(kept),
        # Asynchronous by a thread of our own: a save that fails then says so at once.
        enable_async_checkpointing=False,
        todelete_subdir=DELETED,
        **(_by_itself(ocp) if by_itself else {}),
    )
    return ocp.CheckpointManager(directory.absolute(), options=options, handler_registry=handlers)
