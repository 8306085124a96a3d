"""Standard output and error that cost no result: what nobody reads any more is dropped, and the work goes on. And lines
that a terminal prints and does not obey."""

import contextlib
import errno
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from qdfool.errors import one_line

GONE = (errno.EPIPE, errno.ESHUTDOWN, errno.EIO, errno.EBADF)
"""What writing fails with when the reader, or the terminal, has gone or was never there."""


class OneLine(logging.Formatter):
    """What is logged, as `one_line` has it."""

    def format(self, record: logging.LogRecord) -> str:
        """A record with what it quotes escaped, and with no line break."""
        return one_line(super().format(record))


class LastingStream:
    """A text stream whose `write` and `flush` never fail."""

    def __init__(self, stream: Any) -> None:
        """Takes the stream that is written to; all but writing is its own."""
        self._stream = stream
        self.failure: OSError | None = None
        """Why it was given up, where that is not that its reader has gone: a full disk."""
        self._dropped = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Writes, or drops; characters that the stream's encoding lacks are escaped."""
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._attempt(self._stream.write, text.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        """Writes what is held back, or drops it."""
        self._attempt(self._stream.flush)

    def _attempt(self, action: Callable[..., Any], *arguments: str) -> None:
        if self._dropped:
            return
        try:
            action(*arguments)
        except ValueError:  # Somebody closed it.
            self._dropped = True
        except OSError as error:
            if error.errno not in GONE:
                self.failure = error
            self._drop()

    def _drop(self) -> None:
        """What Python and others still hold for it, or write, goes nowhere."""
        self._dropped = True
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


def open_closed_descriptors() -> None:
    """Opens standard input, output and error into nowhere where they are closed: the next file that is opened would
    be given the descriptor, and what is meant for the user be written into that."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # The lowest one free is always given first.


@contextlib.contextmanager
def lasting_streams() -> Iterator[tuple[LastingStream, LastingStream]]:
    """Standard output and error, while they are such streams."""
    open_closed_descriptors()
    before = sys.stdout, sys.stderr
    with Path(os.devnull).open("w") as nowhere:
        output, errors = (LastingStream(nowhere if stream is None else stream) for stream in before)
        sys.stdout, sys.stderr = output, errors
        try:
            yield output, errors
        finally:
            output.flush()
            errors.flush()
            sys.stdout, sys.stderr = before
