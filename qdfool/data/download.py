"""Fetching a file from the first mirror that has it whole."""

import gzip
import hashlib
import http.client
import urllib.request
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from qdfool.files import whole_file

TIMEOUT = 30.0
"""Seconds without a byte after which a mirror counts as silent."""
_PIECE = 1 << 16


class NotFetchedError(OSError):
    """No mirror gave the file; the message has what each of them said."""


def fetch_gzip(
    name: str, mirrors: Sequence[str], folder: Path, sha256: str, console: Console | None = None
) -> Path:
    """Fetches a gzip file into a folder, which is created; a file of that name is replaced.

    It is checked before it is written, then written aside and renamed: what stands in `folder` is whole.

    Args:
        name: of the file, there and here.
        mirrors: URLs that end in a slash, tried in order.
        folder: where to put it.
        sha256: of the decompressed content, in hexadecimal digits.
        console: shows a progress bar, or a plain line where it is not a terminal; standard error if None.

    Returns:
        The path of the file.

    Raises:
        NotFetchedError: no mirror answered, or none had the content of that hash.
        OSError: the folder is not writable, the disk is full.
    """
    console = console or Console(stderr=True)
    failures = []
    for mirror in mirrors:
        url = mirror + name
        try:
            content = _download(url, console)
            if hashlib.sha256(gzip.decompress(content)).hexdigest() != sha256:
                raise ValueError("its content has another SHA-256")
        except (OSError, EOFError, ValueError, zlib.error, http.client.HTTPException) as error:
            failures.append(f"{url}: {error}")
            continue
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(folder / name) as file:
            file.write(content)
        return folder / name
    raise NotFetchedError("; ".join(failures))


def _download(url: str, console: Console) -> bytes:
    request = urllib.request.Request(url, headers={"User-Agent": "qdfool"})
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with (
        urllib.request.urlopen(request, timeout=TIMEOUT) as response,
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
    ):
        if not console.is_terminal:
            console.print(f"Fetching {url}", soft_wrap=True)
        length = response.headers.get("Content-Length")
        task = progress.add_task(url.rpartition("/")[2], total=int(length) if length else None)
        content = bytearray()
        for piece in _pieces(response):
            content += piece
            progress.update(task, completed=len(content))
    return bytes(content)


def _pieces(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while piece := response.read(_PIECE):
        yield piece
