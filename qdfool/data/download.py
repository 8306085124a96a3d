"""Fetching a file from the first mirror that has it whole."""

import gzip
import hashlib
import zlib
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from qdfool.files.atomic import atomic_write
from qdfool.files.fetch import NotFetchedError, stream


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
        NotFetchedError: no mirror answered, or none had the content of that hash; the message has what each
            of them said.
        OSError: the folder is not writable, the disk is full.
    """
    failures = []
    for mirror in mirrors:
        url = mirror + name
        content = bytearray()
        try:
            stream(url, content.extend, console)
            if hashlib.sha256(gzip.decompress(content)).hexdigest() != sha256:
                raise ValueError("its content has another SHA-256")
        except (OSError, EOFError, ValueError, zlib.error) as error:
            failures.append(f"{url}: {error}")
            continue
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / name) as file:
            file.write(content)
        return folder / name
    raise NotFetchedError("; ".join(failures))
