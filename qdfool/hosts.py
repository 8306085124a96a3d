"""Several processes that evolve one archive, on one host or many: what they say to each other between chunks.

They are those that `jax.distributed.initialize` has brought together, whoever called it. What is said travels as JAX's
own small collectives (`multihost_utils`), so every process has to come to the same lines in the same order. Where there
is one process, all of this is that process, and nothing travels.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax
import numpy as np

from qdfool.errors import InputError, named, shown

BLOCK = 4096
"""Bytes of which a message is a multiple, so that few programs are compiled for all lengths."""
TOLD = "told"
"""Attribute of an error that all processes have been told of."""

Made = TypeVar("Made")


def count() -> int:
    """How many processes there are. Of one, JAX is not asked for its devices."""
    return jax.process_count() if jax.distributed.is_initialized() else 1


def is_first() -> bool:
    """Whether this process is the one that writes what is not sharded, and whose word counts."""
    return count() == 1 or jax.process_index() == 0


def refuse_several(what: str) -> None:
    """Checks that there is one process, for what several cannot do together.

    Raises:
        InputError: there are more.
    """
    if (processes := count()) > 1:
        raise InputError(f"{processes:,} processes cannot {what}. Run it in one process.")


def exchanged(text: str) -> list[str]:
    """What each process says, in their order."""
    if count() == 1:
        return [text]
    said = np.frombuffer(text.encode(errors="replace"), np.uint8)
    lengths = _gathered(np.int32(len(said)))
    padded = np.zeros(-(-int(lengths.max()) // BLOCK) * BLOCK, np.uint8)
    padded[: len(said)] = said
    rows = _gathered(padded) if len(padded) else np.zeros((len(lengths), 0), np.uint8)
    return [row[:length].tobytes().decode() for row, length in zip(rows, lengths, strict=True)]


def highest(number: int) -> int:
    """The highest of the numbers that the processes say."""
    return number if count() == 1 else int(_gathered(np.int32(number)).max())


def of_first(number: int) -> int:
    """What the first process says, whatever the others do."""
    return number if count() == 1 else int(_gathered(np.int32(number))[0])


def together(work: Callable[[], Made], first_before_others: bool = False) -> Made:
    """Does what every process has to do, and knows whether all of them could.

    Args:
        work: without collectives, but for those of a `together` in it.
        first_before_others: the others begin when the first process is done, because it changes what they read.

    Raises:
        InputError: the work failed so, here or in another process, which is then named. All processes raise.
        OSError: it failed so here.
    """
    if count() == 1:
        return work()
    result: Any = None
    first = is_first()
    for own_turn in (first, not first) if first_before_others else (True,):
        failure: Exception | None = None
        if own_turn:
            try:
                result = work()
            except (InputError, OSError) as error:
                if vars(error).get(TOLD):
                    raise
                failure = error
        others = exchanged("" if failure is None else str(failure) or type(failure).__name__)
        if failure is None:
            failed = [(process, text) for process, text in enumerate(others) if text]
            failure = InputError(f"Process {failed[0][0]}: {failed[0][1]}") if failed else None
        if failure is not None:
            vars(failure)[TOLD] = True
            raise failure
    return result


def check_same(values: Mapping[str, Any]) -> None:
    """Checks that all processes have the same.

    Args:
        values: plain values, as JSON has them, by what a message calls them.

    Raises:
        InputError: they have not; the first difference is named, in every process.
    """
    if count() == 1:
        return
    said = [json.loads(text) for text in exchanged(json.dumps(values))]
    for process, others in enumerate(said):
        for name in [*said[0], *others]:
            if said[0].get(name) != others.get(name):
                raise InputError(
                    f"The processes do not agree on {named(name)}: it is {shown(said[0].get(name))} in process 0 and "
                    f"{shown(others.get(name))} in process {process}. Give all of them the same command, the same "
                    "versions and the same files."
                )


def _gathered(value: np.ndarray | np.generic) -> np.ndarray:
    """[N, ...] the value of each process."""
    # Imported here because one process has no use for it.
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(value))
