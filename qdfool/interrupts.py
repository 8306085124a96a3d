"""What ends a program from outside, Ctrl-C, SIGTERM and SIGHUP, and how a run ends then: after its chunk, saved."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn

from qdfool.errors import ClassifierInterrupt, InputError

TERMINATIONS = [signal.Signals[name] for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""What schedulers, terminals and other programs send to end a process. Windows has no SIGHUP."""
TOGETHER = 1.0
"""Seconds in which a second SIGTERM or SIGHUP belongs to the first: `timeout` signals a process and its group, and a
terminal that closes signals once itself and once through its shell."""


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP, as Ctrl-C raises KeyboardInterrupt; see `terminations`."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.signal = signal.Signals(number)


def exit_code(number: int) -> int:
    """What a process ends with that a signal ended, as shells say it: 130 for Ctrl-C, 143 for SIGTERM."""
    return 128 + number


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)  # Once more ends it at once.
    raise Terminated(number)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    # No exception: in the middle of an import, some are caught and others printed by whoever is being imported.
    os._exit(exit_code(number))


DEFAULTS = (signal.SIG_DFL, signal.default_int_handler, _terminate, _end)
"""Handlers that nobody chose, so that ours may take their place. An ignored signal, as `nohup` leaves SIGHUP, stays
ignored, and a host program's own handler stays as it is."""


@contextlib.contextmanager
def _handled(handlers: dict[signal.Signals, Any]) -> Iterator[None]:
    """Signals have these handlers meanwhile; only the first thread of a process can change handlers."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in handlers}
    taken = [number for number in handlers if before[number] in DEFAULTS]
    for number in taken:
        signal.signal(number, handlers[number])
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])


def end_at_once() -> None:
    """From now on Ctrl-C, SIGTERM and SIGHUP end the process without a word, where nobody takes their place or ignores
    them: for a process of which nothing has to be saved yet."""
    for number in (signal.SIGINT, *TERMINATIONS):
        if signal.getsignal(number) in DEFAULTS:
            signal.signal(number, _end)


@contextlib.contextmanager
def terminations() -> Iterator[None]:
    """While it lasts, Ctrl-C raises KeyboardInterrupt, and SIGTERM and SIGHUP `Terminated`, of which a second one ends
    the process at once."""
    handlers = {signal.SIGINT: signal.default_int_handler, **dict.fromkeys(TERMINATIONS, _terminate)}
    with _handled(handlers):
        yield


@contextlib.contextmanager
def interrupts(second: Any) -> Iterator[list[signal.Signals]]:
    """A list that is empty until a signal is to end the run; none raises an exception in the middle of a chunk.

    A handler of the host program stays, and so does everything in another thread than the first.

    Args:
        second: handler of the second Ctrl-C, as `signal.signal` takes it. A second SIGTERM or SIGHUP ends the
            process at once.

    Raises:
        InputError: a KeyboardInterrupt came out of the classifier while Ctrl-C raises none, so that it is the
            classifier's own.
    """
    received: list[signal.Signals] = []
    first_at = 0.0

    def receive(number: int, frame: FrameType | None) -> None:
        nonlocal first_at
        if not received:
            received.append(signal.Signals(number))
            first_at = time.monotonic()
            if signal.getsignal(signal.SIGINT) is receive:
                signal.signal(signal.SIGINT, second)
            what, again = (
                ("", "Ctrl-C again") if number == signal.SIGINT else (f"{received[0].name}: ", "once more")
            )
            with contextlib.suppress(OSError):  # Nobody may read it: the terminal has gone.
                os.write(
                    2,
                    f"\nqdfool: {what}stopping after this chunk and saving; {again} stops at once.\n".encode(),
                )
        elif time.monotonic() - first_at > TOGETHER:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    with _handled(dict.fromkeys([signal.SIGINT, *TERMINATIONS], receive)):
        try:
            yield received
        except ClassifierInterrupt as error:
            if signal.getsignal(signal.SIGINT) is receive:
                raise InputError(str(error)) from error
            raise
