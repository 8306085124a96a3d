"""A file from the network, piece by piece, while its progress is shown."""

import http.client
import urllib.request
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

TIMEOUT = 30.0
"""Seconds without a byte after which a server counts as silent."""
_PIECE = 1 << 16


class NotFetchedError(OSError):
    """The network did not give the file; the message says why."""


def stream(url: str, receive: Callable[[bytes], object], console: Console | None = None) -> None:
    """Fetches a file and hands over each piece as it comes; nothing of it stays in memory.

    Args:
        url: of the file.
        receive: called with one piece after the other; what it raises ends the download.
        console: gets a line that says what is fetched from where, and its size; a terminal, a progress bar too.
            Standard error if None.

    Raises:
        NotFetchedError: no answer, an answer that is an error, or one that ends early.
    """
    console = console or Console(stderr=True)
    request = urllib.request.Request(url, headers={"User-Agent": "qdfool"})
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    received = 0
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except (OSError, http.client.HTTPException) as error:
        raise NotFetchedError(str(error)) from error
    with response, Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        length = response.headers.get("Content-Length")
        announce(url, int(length) if length else None, console)
        task = progress.add_task(url.rpartition("/")[2], total=int(length) if length else None)
        while piece := _read(response):
            receive(piece)
            received += len(piece)
            progress.update(task, completed=received)
    # A connection that is cut reads like the end of the file.
    if length and received != int(length):
        raise NotFetchedError(f"it ended after {received:,} of {int(length):,} bytes")


def announce(url: str, size: int | None, console: Console) -> None:
    """Prints what is about to be fetched, and its size in bytes where that is known."""
    if size is None:
        much = "size unknown"
    else:
        much = f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} kB"
    console.print(f"Fetching {url} ({much})", soft_wrap=True, highlight=False)


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(_PIECE)
    except (OSError, http.client.HTTPException) as error:
        raise NotFetchedError(str(error) or type(error).__name__) from error
