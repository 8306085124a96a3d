"""Everything that is read from outside: what reads it, good files to be damaged, and how reading has to end."""

import gzip
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import fake
import numpy as np
import pth_file
from PIL import Image
from safetensors.numpy import save

import qdfool
from qdfool.classifiers import weights
from qdfool.classifiers.adapters import service
from qdfool.classifiers.porting import read_weights
from qdfool.config import Config
from qdfool.data import mnist
from qdfool.data.collection import collection
from qdfool.data.image import read_image
from qdfool.errors import InputError
from qdfool.results import history_file, run_folder
from qdfool.results.config_file import read_config
from qdfool.results.history import Metrics

CHANCE = np.random.default_rng(0)
LONGEST_MESSAGE = 4000
"""Characters of a refusal."""
Wrap = Callable[[bytes], bytes]


def as_it_is(content: bytes) -> bytes:
    return content


@dataclass(frozen=True)
class Reader:
    """One way in, and a good file for it."""

    file_name: str
    read: Callable[[Path], Any]
    """From the path of the file, whose folder has `beside` in it."""
    content: bytes
    """What is damaged: the file, or a part of it."""
    wrap: Wrap = as_it_is
    """From the part to the file, so that a checksum around it does not hide the damage."""
    beside: Mapping[str, bytes] = field(default_factory=dict)


def npz(**arrays: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    return content.getvalue()


def npy(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    return content.getvalue()


def picture(kind: str) -> bytes:
    content = io.BytesIO()
    Image.fromarray(CHANCE.integers(0, 256, (9, 8, 3), np.uint8)).save(content, kind)
    return content.getvalue()


def member(archive: bytes, name: str) -> bytes:
    """The bytes of a file within a zip archive."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return opened.read(name)


def with_member(archive: bytes, name: str) -> Wrap:
    """Puts other bytes in the place of a file within a zip archive, with the checksum that is theirs."""

    def wrap(content: bytes) -> bytes:
        made = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(archive)) as opened, zipfile.ZipFile(made, "w") as written:
            for found in opened.namelist():
                written.writestr(found, content if found == name else opened.read(found))
        return made.getvalue()

    return wrap


def after_its_length(rest: bytes) -> Wrap:
    """A safetensors header before the numbers."""
    return lambda header: len(header).to_bytes(8, "little") + header + rest


def idx(values: np.ndarray) -> bytes:
    return np.array([0x800 + values.ndim, *values.shape], ">u4").tobytes() + values.tobytes()


DIGITS = [CHANCE.integers(0, 10, shape, np.uint8) for shape in ((3, 4, 4), (3,), (2, 4, 4), (2,))]
IDX_FILES = tuple(
    mnist.IdxFile(official.name, values.shape, hashlib.sha256(idx(values)).hexdigest())
    for official, values in zip(mnist.FILES, DIGITS, strict=True)
)


def _idx_readers() -> dict[str, Reader]:
    contents = {file.name: idx(values) for file, values in zip(IDX_FILES, DIGITS, strict=True)}

    def read(path: Path) -> Any:
        return mnist.load(path.parent, IDX_FILES)

    found = {}
    for name, content in contents.items():
        beside = {other: there for other, there in contents.items() if other != name}
        found[f"idx, {name}"] = Reader(name, read, content, beside=beside)
        found[f"idx, {name}.gz"] = Reader(f"{name}.gz", read, gzip.compress(content, mtime=0), beside=beside)

    def read_collection(path: Path) -> Any:
        images = collection(path, (4, 4, 1))
        return images.images(np.arange(images.count))

    found["collection"] = Reader("images", read_collection, idx(DIGITS[0]))
    found["collection, gz"] = Reader("images.gz", read_collection, gzip.compress(idx(DIGITS[0]), mtime=0))
    return found


def _csv_rows() -> bytes:
    kinds = Metrics.__annotations__
    row = ",".join("7" if kind in (int, "int") else "0.25" for kind in kinds.values())
    return (",".join(kinds) + f"\n{row}\n{row}\n").encode()


PTH = pth_file.content(
    {"a": pth_file.tensor("0", (3, 4), (4, 1)), "b.weight": pth_file.tensor("0", (2,), (1,))}
)
SAFE = save(
    {"conv/kernel": np.ones((3, 3, 1, 2), np.float32), "conv/bias": np.zeros(2, np.float32)},
    {"classes": json.dumps(["a", "b"])},
)
HEADER_END = int.from_bytes(SAFE[:8], "little") + 8
HISTORY = {
    "generation": np.arange(1, 4, dtype=np.int32),
    "fitness": np.zeros((3, 2), np.float32),
    "updates": np.zeros((3, 2), np.int32),
    "qd_score": np.zeros(3, np.float32),
    "coverage": np.ones(3, np.float32),
    "last_updates": np.zeros(2, np.int32),
}
READERS: dict[str, Reader] = {
    "pth": Reader("network.pth", read_weights, PTH),
    "pth, pickle": Reader(
        "network.pth", read_weights, member(PTH, "archive/data.pkl"), with_member(PTH, "archive/data.pkl")
    ),
    "pth, older": Reader(
        "network.pth",
        read_weights,
        pth_file.older({"a": pth_file.tensor("0", (3, 4), (4, 1))}, pth_file.KERNEL.tobytes()),
    ),
    "safetensors": Reader("network.safetensors", weights.read, SAFE),
    "safetensors, header": Reader(
        "network.safetensors", weights.read, SAFE[8:HEADER_END], after_its_length(SAFE[HEADER_END:])
    ),
    "service, npy": Reader(
        "answer.npy",
        lambda path: service.npy_logits("it", path.read_bytes(), 4),
        npy(np.ones((4, 3), np.float32)),
    ),
    "service, json": Reader(
        "answer.json",
        lambda path: service.json_logits("it", path.read_bytes(), 2),
        b"[[1.5, -2], [3e4, 0.25]]",
    ),
    "metrics": Reader("metrics.csv", run_folder.read_metrics, _csv_rows()),
    "history": Reader("history.npz", lambda path: history_file.read(path, 2), npz(**HISTORY)),
    **_idx_readers(),
    **{
        f"image, {kind}": Reader(
            f"image.{kind.lower()}", lambda path: read_image(path, 8, 8, 3), picture(kind)
        )
        for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
    },
}
"""By name: what needs no run."""
RUN_FILES = ("config.json", "summary.json", "metrics.csv", "elites.npz", "history.npz")
"""Of a run folder, what is read from it."""
ELITES_PARTS = ("cell.npy", "images.npy", "fitness.npy")
"""Files within `elites.npz`."""


def run_readers(folder: Path) -> dict[str, Reader]:
    """The same for the files of a run, which is made in `folder`: three generations on a grid, without pictures."""
    config = replace(Config(), generations=3, batch_size=12, archive="grid", cells=(3, 3), checkpoint_every=0)
    with mock.patch("qdfool.results.result.Result.draw"):
        qdfool.evolve(config, fake.classifier).save(folder)
    contents = {name: (folder / name).read_bytes() for name in RUN_FILES}

    def without(name: str) -> dict[str, bytes]:
        return {other: content for other, content in contents.items() if other != name}

    def load(path: Path) -> Any:
        return qdfool.load(path.parent)

    found = {f"run, {name}": Reader(name, load, contents[name], beside=without(name)) for name in RUN_FILES}
    for part in ELITES_PARTS:
        content, wrap = member(contents["elites.npz"], part), with_member(contents["elites.npz"], part)
        found[f"run, {part}"] = Reader("elites.npz", load, content, wrap, without("elites.npz"))
    found["config.json"] = Reader(
        "config.json", lambda path: read_config(path.parent), contents["config.json"]
    )
    return found


class Fault(AssertionError):
    """A reader that did something else than it should."""


def check(reader: Reader, content: bytes, folder: Path) -> Any:
    """Reads a file, and returns the value, or the InputError that refused it.

    Args:
        reader: what reads.
        content: of the file.
        folder: where it is written, with what lies beside it.

    Raises:
        Fault: the reader raised something else, said it in other than one printable line, or changed a file.
    """
    for name, there in {**reader.beside, reader.file_name: content}.items():
        (folder / name).write_bytes(there)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    try:
        found = reader.read(folder / reader.file_name)
    except InputError as error:
        found = error
        if not str(error).isprintable():
            raise Fault(f"refused with characters that a terminal obeys: {str(error)[:500]!r}") from error
        if len(str(error)) > LONGEST_MESSAGE:
            raise Fault(f"refused with {len(str(error)):,} characters: {str(error)[:200]!r}...") from error
    except BaseException as error:
        raise Fault(f"raised {type(error).__name__}: {error!s:.500}") from error
    if {path.name: path.read_bytes() for path in folder.iterdir()} != before:
        raise Fault("changed a file")
    return found
