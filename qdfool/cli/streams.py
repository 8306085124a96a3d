"""Standard output and error that cost no result: what nobody reads any more is dropped, and the work goes on."""

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

GONE = (errno.EPIPE, errno.ESHUTDOWN, errno.EIO, errno.EBADF)
"""What writing fails with when the reader, or the terminal, has gone or was never there."""


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


@contextlib.contextmanager
def lasting_streams() -> Iterator[LastingStream]:
    """Standard output, while it and standard error are such streams."""
    # A descriptor that was closed when the process began would be given to the next file that is opened, and what
    # is meant for the user would be written into that. The lowest one free is always given first.
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    before = sys.stdout, sys.stderr
    with Path(os.devnull).open("w") as nowhere:
        lasting = [LastingStream(nowhere if stream is None else stream) for stream in before]
        sys.stdout, sys.stderr = lasting  # type: ignore[assignment]
        try:
            yield lasting[0]
        finally:
            for stream in lasting:
                stream.flush()
            sys.stdout, sys.stderr = before
