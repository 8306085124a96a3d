"""Files that a reader fell over once, or might: made here, so that they are small and can be read."""

import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pth_file
from hostile_pickles import HOSTILE
from readers import Reader, member, with_member

REFUSED, READ = "refused", "read"


class Case(NamedTuple):
    """A file, which reader it is for, and how reading it may end."""

    reader: str
    make: Callable[[Reader], bytes]
    """From the reader, which has a good file."""
    outcomes: tuple[str, ...] = (REFUSED,)


def _tensors(header: object, rest: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + rest


def _tensor(kind: str, content: bytes, name: str = "a") -> bytes:
    return _tensors({name: {"dtype": kind, "shape": [1], "data_offsets": [0, len(content)]}}, content)


def _config(reader: Reader, changes: dict[str, object]) -> bytes:
    """A good config.json in which groups, or settings, have other values."""
    values = json.loads(reader.content)
    for name, change in changes.items():
        (values if name in values else values["settings"])[name] = change
    return json.dumps(values).encode()


def _png(width: int, height: int, bits: int, colour: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    size = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def _tiff(width: int, height: int, tile: int, compression: int, tiles: int) -> bytes:
    """Grey pixels in square tiles, which all lie in the same place, where there is nothing for so many."""
    at = 8
    after = at + 2 + 12 * 10 + 4
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, compression),
        (262, 3, 1, 1),
        (277, 3, 1, 1),
        (322, 4, 1, tile),
        (323, 4, 1, tile),
        (324, 4, tiles, at if tiles == 1 else after),
        (325, 4, tiles, 64 if tiles == 1 else after + 4 * tiles),
    ]
    table = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    lists = struct.pack("<I", at) * tiles + struct.pack("<I", tile * tile) * tiles
    return b"II*\0" + struct.pack("<I", at) + table + bytes(4) + lists


def _npy(values: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, values, allow_pickle=True)
    return content.getvalue()


def _claims(kind: str, shape: tuple[int, ...]) -> bytes:
    """An array without its numbers."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def _within(reader: str, name: str, change: Callable[[np.ndarray], np.ndarray | bytes]) -> Case:
    """Another array within a good archive, made of the one that is there, or bytes in its place."""

    def make(found: Reader) -> bytes:
        changed = change(np.load(io.BytesIO(member(found.content, f"{name}.npy"))))
        content = changed if isinstance(changed, bytes) else _npy(changed)
        return with_member(found.content, f"{name}.npy")(content)

    return Case(reader, make)


def _with_bomb(reader: Reader) -> bytes:
    """An array more, which grows a thousand times when it is read."""
    made = io.BytesIO(reader.content)
    with zipfile.ZipFile(made, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("more.npy", _claims("|u1", (1 << 28,)) + bytes(1 << 28))
    return made.getvalue()


def _pickle_cases() -> dict[str, Case]:
    found, older = {}, pth_file.older({}, pth_file.KERNEL.tobytes()).split(pth_file.pickled({}))
    for name, content in HOSTILE.items():
        found[f"pth: {name}"] = Case(
            "pth", lambda reader, content=content: with_member(reader.content, "archive/data.pkl")(content)
        )
        found[f"older pth: {name}"] = Case("pth", lambda reader, content=content: content.join(older))
    return found


SETTINGS: dict[str, dict[str, object]] = {
    "a seed as text": {"seed": "seven"},
    "a null": {"seed": None},
    "cells of text": {"cells": "ab"},
    "an archive that there is not": {"archive": "bogus"},
    "a huge number": {"batch_size": 10**400},
    "a negative number": {"generations": -1},
    "a number that is none": {"checkpoint_every": float("nan")},
    "a group as a list": {"mutation": [1, 2]},
    "an unknown setting": {"\x1b[2Jall good\n": 1},
    "settings as a list": {"settings": [1]},
    "a classifier as text": {"classifier": "lenet"},
    "classes as numbers": {"classifier": {"class_names": [1, 2], "image_shape": [8, 8, 1]}},
    "images without size": {"classifier": {"class_names": ["a", "b"], "image_shape": [8, 0, 1]}},
    "no versions": {"versions": None},
    "a format to come": {"format": 99},
    "a format as text": {"format": "two"},
}
ELITES: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray | bytes]]] = {
    "shifted cells": ("cell", lambda cells: np.roll(cells, 1)),
    "repeated cells": ("cell", np.zeros_like),
    "true cells": ("cell", lambda cells: cells > -1),
    "fewer cells": ("cell", lambda cells: cells[1:]),
    "cells beyond the archive": ("cell", lambda cells: cells + np.int32(2**30)),
    "short genomes": ("genome", lambda genomes: genomes[:, :, 1:]),
    "complex genomes": ("genome", lambda genomes: genomes.astype(np.complex64)),
    "genomes of text": ("genome", lambda genomes: genomes.astype(str)),
    "other genomes": ("genome", lambda genomes: 1 - genomes),
    "a fitness that is no number": ("fitness", lambda fitness: fitness * np.float32(np.nan)),
    "another fitness": ("fitness", lambda fitness: fitness + np.float32(1)),
    "a fitness without its numbers": ("fitness", lambda fitness: _claims("<f4", fitness.shape)),
    "a fitness of an exabyte": ("fitness", lambda fitness: _claims("<f4", (2**58,))),
    "a pickle": ("images", lambda images: np.array([{}], dtype=object)),
    "a header of brackets": ("fitness", lambda fitness: b"\x93NUMPY\x01\x00\xff\xff" + b"[" * 65535),
}
CASES: dict[str, Case] = {
    **_pickle_cases(),
    "pth: two pickles": Case(
        "pth", lambda reader: pth_file.content({}, **{"data.pkl": b"}.", "again/data.pkl": b"}."})
    ),
    "safetensors: eight bits": Case("safetensors", lambda reader: _tensor("F8_E4M3", b"\x00")),
    "safetensors: beyond float32": Case(
        "safetensors", lambda reader: _tensor("F64", struct.pack("<d", 1e60))
    ),
    "safetensors: not a number": Case(
        "safetensors", lambda reader: _tensor("F32", struct.pack("<f", float("nan")))
    ),
    "safetensors: complex": Case("safetensors", lambda reader: _tensor("C64", bytes(8))),
    "safetensors: a long header": Case(
        "safetensors", lambda reader: (99_000_000).to_bytes(8, "little") + b"{}"
    ),
    "safetensors: a header of brackets": Case("safetensors", lambda reader: _tensors(b"[" * 100_000)),
    "safetensors: a long name": Case(
        "safetensors", lambda reader: _tensor("F8_E4M3", b"\x00", "x" * 1_000_000)
    ),
    "safetensors: a name that a terminal obeys": Case(
        "safetensors", lambda reader: _tensor("F8_E4M3", b"\x00", "\x1b[2J\nqdfool: all good")
    ),
    "image: 16 bits a channel": Case(
        "image, PNG", lambda reader: _png(8, 8, 16, 2, 8 * (b"\0" + 48 * b"\1"))
    ),
    "image: ten billion pixels": Case("image, PNG", lambda reader: _png(100_000, 100_000, 8, 2, b"")),
    "image: cut short": Case("image, GIF", lambda reader: reader.content[:-9]),
    "image: a tile of two gigabytes": Case("image, TIFF", lambda reader: _tiff(8, 8, 46_320, 8, 1)),
    "image: very many tiles": Case("image, TIFF", lambda reader: _tiff(2000, 2000, 1, 1, 700_000)),
    "config: a name twice among very many": Case(
        "run, config.json",
        lambda reader: b"{%s}" % b",".join(b'"%d":0' % min(number, 299_999) for number in range(300_001)),
    ),
    "config: deep": Case("run, config.json", lambda reader: b"[" * 100_000),
    "config: deep objects": Case("run, config.json", lambda reader: b'{"settings":' * 100_000),
    **{
        f"config: {name}": Case("run, config.json", lambda reader, changes=changes: _config(reader, changes))
        for name, changes in SETTINGS.items()
    },
    "metrics: three odd bytes": Case("metrics", lambda reader: b"\xef\xbb\xbf"),
    "metrics: one long field": Case("metrics", lambda reader: b"generation\n" + b"1" * 200_000),
    "metrics: another table": Case("metrics", lambda reader: b"a,b\n1,2\n"),
    "history: a pickle": _within("history", "fitness", lambda fitness: np.array([{}], dtype=object)),
    "history: an exabyte": _within("history", "fitness", lambda fitness: _claims("<f4", (2**58, 2))),
    "history: more axes than there are": _within(
        "history", "fitness", lambda fitness: _claims("<f4", (1,) * 99)
    ),
    **{
        f"elites: {name}": _within("run, elites.npz", array, change)
        for name, (array, change) in ELITES.items()
    },
    "elites: a bomb beside what is wanted": Case("run, elites.npz", _with_bomb, (REFUSED, READ)),
    "idx: much of nothing": Case(
        "idx, t10k-labels-idx1-ubyte.gz", lambda reader: gzip.compress(bytes(1 << 28), 1)
    ),
}
