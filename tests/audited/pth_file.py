"""PyTorch's files, built by hand without PyTorch."""

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from qdfool.classifiers import pytorch_file

KERNEL = np.arange(12, dtype=np.float32).reshape(3, 4)


class Named:
    """Pickles as a name of a module, which need not exist here."""

    def __init__(self, name: str) -> None:
        self.name = name


class Called:
    """Pickles as the call of a name."""

    def __init__(self, name: str, *arguments: object) -> None:
        self.name, self.arguments = Named(name), arguments


class Storage:
    """Pickles as a reference to a row of numbers."""

    def __init__(self, key: str, count: int, kind: str = "torch.FloatStorage") -> None:
        self.key, self.count, self.kind = key, count, kind


# pickle's own refuses to write a name that is not there; the one that is written in Python can be told to.
_Pickler: Any = pickle._Pickler


class _NamePickler(_Pickler):
    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, Storage):
            return ("storage", Named(obj.kind), obj.key, "cpu", obj.count)
        return None

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if isinstance(obj, Named):
            module, _, name = obj.name.rpartition(".")
            self.write(b"c" + module.encode() + b"\n" + name.encode() + b"\n")
        elif isinstance(obj, Called):
            self.save(obj.name)
            self.save(obj.arguments)
            self.write(b"R")
        else:
            super().save(obj, save_persistent_id)


def pickled(found: object) -> bytes:
    content = io.BytesIO()
    _NamePickler(content, protocol=2).dump(found)
    return content.getvalue()


def tensor(key: str, shape: tuple, strides: tuple, offset: int = 0, count: int = 12) -> Called:
    storage = Storage(key, count)
    arguments = (storage, offset, shape, strides, False, OrderedDict())
    return Called("torch._utils._rebuild_tensor_v2", *arguments)


def content(found: object, **entries: bytes) -> bytes:
    """A file as PyTorch writes it: a pickle, and storage 0 with the numbers 0 to 11."""
    files = {"data.pkl": pickled(found), "byteorder": b"little", "data/0": KERNEL.tobytes(), **entries}
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, value in files.items():
            archive.writestr(f"archive/{name}", value)
    return made.getvalue()


def write(path: Path, found: object, **entries: bytes) -> Path:
    """The same, written."""
    path.write_bytes(content(found, **entries))
    return path


def older(found: object, *storages: bytes) -> bytes:
    """A file as PyTorch wrote it before 1.6."""
    parts = [1001, {"little_endian": True, "protocol_version": 1001, "type_sizes": {}}, found, ["0"]]
    content = pytorch_file.ROW_OF_PICKLES + b"".join(map(pickled, parts))
    return content + b"".join((len(s) // 4).to_bytes(8, "little") + s for s in storages)
