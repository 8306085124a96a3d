"""Weights from the network: fetched once, checked by their hash, kept in a folder."""

import hashlib
import importlib
from pathlib import Path
from typing import Any

from rich.console import Console

from qdfool.classifiers.architecture import Architecture
from qdfool.classifiers.weights import fingerprint
from qdfool.errors import InputError
from qdfool.files.atomic import atomic_write
from qdfool.files.cache import cache_folder
from qdfool.files.fetch import NotFetchedError, announce, stream

_SHA256_DIGITS = 64


def fetch(architecture: Architecture) -> Path:
    """The published weights of a network, fetched into the cache folder if they are not there.

    Raises:
        InputError: none are published under names that are known here, or they cannot be fetched.
        OSError: the folder is not writable, the disk is full.
    """
    if not architecture.hub:
        raise InputError(
            f"No published weights of {architecture.name} are known. Give `weights`: a file (safetensors or .pth), or "
            '"random" for an untrained network.'
        )
    folder = cache_folder()
    by_https = [source for source in architecture.hub if source.place.startswith("https://")]
    # The hub's library is an extra; where it is not installed, a plain address will do.
    source = by_https[0] if by_https and _library() is None else architecture.hub[0]
    if source.place.startswith("https://"):
        return fetch_url(source.url, source.file, source.sha256 or "", folder)
    return fetch_hub(source.place, source.file, folder)


def fetch_url(
    url: str, file_name: str, sha256_prefix: str, folder: Path, console: Console | None = None
) -> Path:
    """Returns a file of the folder, fetching it if it is not there or is damaged.

    It is written aside, checked and renamed: what stands under its name was whole.

    Args:
        url: of the file.
        file_name: what it is called in the folder.
        sha256_prefix: the first hexadecimal digits of its SHA-256; torchvision's file names end in eight.
        folder: created if need be.
        console: shows the progress; standard error if None.

    Raises:
        InputError: it cannot be fetched, or what came has another hash.
        OSError: the folder is not writable, the disk is full.
    """
    path = folder / file_name
    damage = ""
    if path.is_file():
        found = fingerprint(path)
        if found.startswith(sha256_prefix):
            return path
        damage = f" The file that is there is damaged: {_two_hashes(found, sha256_prefix)}."
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    try:
        with atomic_write(path) as file:

            def receive(piece: bytes) -> None:
                file.write(piece)
                digest.update(piece)

            stream(url, receive, console)
            if not digest.hexdigest().startswith(sha256_prefix):
                raise InputError(
                    f"What came from {url} is damaged, or another file: "
                    f"{_two_hashes(digest.hexdigest(), sha256_prefix)}. Try again, or {_by_hand(url, path)}."
                )
    except NotFetchedError as error:
        raise InputError(
            f"{url} could not be fetched: {error}.{damage} Where there is no network, {_by_hand(url, path)}."
        ) from error
    return path


def fetch_hub(repository: str, file_name: str, folder: Path, console: Console | None = None) -> Path:
    """Returns a file of a repository on the Hugging Face hub, fetching it if it is not in the folder.

    A file put at `folder/repository/file_name` by hand is taken as it is. Others are kept as the hub's own
    library keeps them, and checked by the SHA-256 that the hub gave; a damaged one is fetched anew.

    Args:
        repository: `timm/resnet18.tv_in1k`.
        file_name: `model.safetensors`.
        folder: created if need be.
        console: is told what is fetched, and how large it is; standard error if None.

    Raises:
        InputError: huggingface-hub is not installed, the file cannot be fetched, or it came damaged.
    """
    placed = folder / repository / file_name
    if placed.is_file():
        return placed
    by_hand = _by_hand(f"{file_name} of https://huggingface.co/{repository}", placed)
    hub = _library()
    if hub is None:
        raise InputError(
            f"Fetching {repository} takes huggingface-hub: pip install 'qdfool[hub]'. Or {by_hand}."
        )
    saved = hub.try_to_load_from_cache(repository, file_name, cache_dir=folder)
    if isinstance(saved, str) and _hashes(Path(saved)) is None:
        return Path(saved)
    url = f"https://huggingface.co/{repository}/resolve/main/{file_name}"
    announce(url, _size(hub, repository, file_name), console or Console(stderr=True))
    try:
        # Left to itself the library takes a saved file for whole.
        path = Path(
            hub.hf_hub_download(
                repository, file_name, cache_dir=folder, force_download=isinstance(saved, str)
            )
        )
    except (
        Exception
    ) as error:  # The library's own, requests' or httpx's: they differ from release to release.
        raise InputError(
            f"{file_name} of {repository} could not be fetched from the Hugging Face hub: "
            f"{type(error).__name__}: {error} Where there is no network, {by_hand}."
        ) from error
    if hashes := _hashes(path):
        raise InputError(
            f"{file_name} of {repository} came damaged: {_two_hashes(*hashes)}. Try again, or {by_hand}."
        )
    return path


def _library() -> Any:
    """The hub's own library; None where the extra is not installed."""
    try:
        # Not an import statement: it may be missing, for the type checker too.
        return importlib.import_module("huggingface_hub")
    except ImportError:
        return None


def _size(hub: Any, repository: str, file_name: str) -> int | None:
    """Bytes of a file on the hub; None where it does not say."""
    try:
        return hub.get_hf_file_metadata(hub.hf_hub_url(repository, file_name)).size
    except Exception:  # whatever it is, the download that follows says it
        return None


def _hashes(path: Path) -> tuple[str, str] | None:
    """The SHA-256 of a file that the hub's library keeps and the one it should have, where they differ.

    The library keeps a large file under its SHA-256 and links to that; on a system without links the hash is
    not to be had, and the file is taken for whole.
    """
    expected = path.readlink().name if path.is_symlink() else ""
    if len(expected) != _SHA256_DIGITS:
        return None
    found = fingerprint(path)
    return None if found == expected else (found, expected)


def _two_hashes(found: str, expected: str) -> str:
    return f"its SHA-256 is {found} where {expected}{'...' * (len(expected) < _SHA256_DIGITS)} is expected"


def _by_hand(what: str, path: Path) -> str:
    return f"fetch {what} elsewhere and put it at {path}, or name the file with `weights`"
