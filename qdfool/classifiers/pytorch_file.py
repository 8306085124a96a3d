"""Reads the tensors of a PyTorch `.pth` file, without PyTorch and without executing anything that it names.

Such a file is a pickle, and a pickle may name any function of any module to be called with any arguments. Here
it is read into records that do nothing (`inert_pickle`), and only names of ordered dictionaries, and of PyTorch's
tensors, parameters and storages, may be in it; whatever else it names is refused, by name. What the tensors say
of themselves is checked before any of their numbers are read.

Two formats are read. Since PyTorch 1.6 a file is a zip archive of one pickle and one entry of raw numbers for
each storage. Before, it was a row of pickles (a magic number, a version, facts about the machine, the tensors,
the keys of the storages) with the storages behind them; some files of torchvision's still are.
"""

import io
import math
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import ml_dtypes
import numpy as np

from qdfool.classifiers import inert_pickle
from qdfool.classifiers.inert_pickle import Call, Dict, List, Name, Reference, kind_of
from qdfool.classifiers.weights import Tensors, check_finite
from qdfool.errors import InputError, described, shown
from qdfool.files.regular import open_regular

ROW_OF_PICKLES = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""The magic number that begins a file of the older format, as pickled."""
DTYPES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}
"""What the storages of a module `torch` hold; little-endian."""
WRAPPERS = ("state_dict", "model")
"""Under these names a training checkpoint keeps the network's tensors."""


REBUILT = ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2")
"""What makes a tensor of a storage, an offset, a shape and strides."""
METADATA = 2
"""Where among the arguments after those it says what else is to be done with the numbers."""
PARAMETERS = ("torch._utils._rebuild_parameter", "torch.nn.parameter.Parameter")
"""What makes a parameter of a tensor; the oldest files have the second."""
ALLOWED = frozenset(
    {inert_pickle.DICTIONARY, *REBUILT, *PARAMETERS, *(f"torch.{storage}" for storage in DTYPES)}
)
"""Everything that a file may name."""
MOST_TENSORS = 20_000
"""Of a network; the largest here has a thousand."""
MOST_AXES = 32
"""Of a tensor."""
MOST_SHARED = 4
"""How many times the size of its file all tensors may have together: tied weights are the same numbers twice."""


def read(path: Path) -> Tensors:
    """Returns the tensors of a `.pth` file by name.

    A training checkpoint may have them under "state_dict" or "model"; what stands beside them is passed over.

    Raises:
        InputError: the file is not there, damaged or cut short, names anything but tensors and ordered
            dictionaries, is not what a state dict's would be in depth or size, or a tensor holds NaN or infinity.
    """
    try:
        with open_regular(path) as file:
            zipped = zipfile.is_zipfile(file)
            file.seek(0)
            found, rows = _read_zip(file) if zipped else _read_row(file)
            named = _named(found)
            _check_sharing(named, os.fstat(file.fileno()).st_size)
            tensors = {name: _array(tensor, rows[tensor.storage.key]) for name, tensor in named.items()}
    except InputError as error:
        raise InputError(f"{path} {error}") from error
    except MemoryError:
        raise
    except Exception as error:
        # A damaged pickle can fail in any way: what it builds is decided by its bytes.
        raise InputError(
            f"{path} is not a whole PyTorch file ({described(error)}). Copy or download it again."
        ) from error
    check_finite(tensors, path)
    return tensors


@dataclass(frozen=True)
class _Storage:
    """A row of `count` numbers in the file."""

    key: str
    dtype: np.dtype
    count: int

    @property
    def size(self) -> int:
        """In bytes."""
        return self.count * self.dtype.itemsize


@dataclass(frozen=True)
class _Tensor:
    """Where the numbers of a tensor lie, counted in numbers."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


Rows = Mapping[str, np.ndarray]
"""The numbers of each storage, by its key."""


def _read_zip(file: IO[bytes]) -> tuple[Any, Rows]:
    archive = zipfile.ZipFile(file)
    entries = {entry.filename: entry for entry in archive.infolist()}
    if len(entries) < len(archive.infolist()):
        raise InputError(
            "has two entries of one name, of which only one can be meant. Save it anew with PyTorch."
        )
    pickled = [name for name in entries if name.endswith("data.pkl") and name.count("/") <= 1]
    if len(pickled) != 1:
        raise InputError(
            f"has {len(pickled)} entries data.pkl; expected one, as PyTorch writes it. Save it anew with PyTorch."
        )
    root = pickled[0].removesuffix("data.pkl")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
        raise InputError("is compressed, which PyTorch's files are not. Save it anew with PyTorch.")
    if f"{root}byteorder" in entries and _entry(archive, f"{root}byteorder", len(b"little")) != b"little":
        raise InputError("was written on a big-endian machine. Save it anew on another.")
    found = inert_pickle.load(io.BytesIO(_entry(archive, pickled[0], inert_pickle.MOST_BYTES)), ALLOWED)
    storages = _storages(found, file)
    # Not those of what stands beside the network, which may be three times as much.
    keys = {tensor.storage.key for tensor in _named(found).values()}
    rows = {
        key: _row(_entry(archive, f"{root}data/{key}", storages[key].size), storages[key]) for key in keys
    }
    return found, rows


def _entry(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """The content of an entry, `most` bytes and one at most; where it is whole, its checksum was compared."""
    with archive.open(name) as entry:
        return entry.read(most + 1)


def _read_row(file: IO[bytes]) -> tuple[Any, Rows]:
    if file.read(len(ROW_OF_PICKLES)) != ROW_OF_PICKLES:
        raise InputError(
            "is no PyTorch file that this reads: neither a zip archive, whole to its end, nor a row of pickles. "
            "Copy or download it again, or save its state dict anew with PyTorch."
        )
    version, machine, found, keys = (inert_pickle.load(file, ALLOWED) for _ in range(4))
    if version != 1001 or not isinstance(machine, Dict) or machine.parts.get("little_endian") is not True:
        raise InputError(
            "is of another version than 1001, or of a big-endian machine. Save it anew with PyTorch."
        )
    storages = _storages(found, file)
    rows = {}
    for key in keys.parts:
        if not isinstance(key, str) or key not in storages:
            raise InputError(f"holds a storage {_quoted(key)} that no tensor has. Save it anew with PyTorch.")
        storage = storages[key]
        count = int.from_bytes(file.read(8), "little")
        if count != storage.count:
            raise ValueError(f"storage {shown(key)} has {count} numbers where {storage.count} are expected")
        rows[key] = _row(file.read(storage.size), storage)
    return found, rows


def _row(content: bytes, storage: _Storage) -> np.ndarray:
    if len(content) != storage.size:
        raise ValueError(f"storage {shown(storage.key)} has not its {storage.count} {storage.dtype}")
    return np.frombuffer(content, storage.dtype)


def _storages(found: Any, file: IO[bytes]) -> dict[str, _Storage]:
    """The storages of all tensors of nested dictionaries and lists, by key; together no larger than the file."""
    storages: dict[str, _Storage] = {}
    seen: set[int] = set()  # Parts may be shared, again and again.
    ahead = [found]
    while ahead:
        part = ahead.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, Dict):
            ahead.extend(part.parts.values())
        elif isinstance(part, List):
            ahead.extend(part.parts)
        elif isinstance(part, Call):
            storage = _tensor(part).storage
            if storages.setdefault(storage.key, storage) != storage:
                raise ValueError(f"storage {shown(storage.key)} is two different ones")
    size, most = sum(storage.size for storage in storages.values()), os.fstat(file.fileno()).st_size
    if size > most:
        raise ValueError(f"its tensors say that they have {size} bytes, and the file has {most}")
    return storages


def _named(found: Any) -> dict[str, _Tensor]:
    for wrapper in WRAPPERS:
        if isinstance(found, Dict) and isinstance(found.parts.get(wrapper), Dict):
            found = found.parts[wrapper]
    if not isinstance(found, Dict) or not found.parts:
        raise InputError("holds no dictionary of tensors. Save the network's state dict.")
    if len(found.parts) > MOST_TENSORS:
        raise InputError(
            f"has {len(found.parts):,} tensors; expected {MOST_TENSORS:,} at most. Save the network's state dict alone."
        )
    for name, value in found.parts.items():
        if not isinstance(value, Call):
            raise InputError(
                f"has no tensor but a {kind_of(value)} under {shown(name)}. Save the network's state dict, or a "
                f"checkpoint that has it under {' or '.join(map(repr, WRAPPERS))}."
            )
    return {str(name): _tensor(value) for name, value in found.parts.items()}


def _check_sharing(named: Mapping[str, _Tensor], file_size: int) -> None:
    """A small file could hold one row of numbers under a million names, each of which is looked through."""
    size = sum(math.prod(tensor.shape) * tensor.storage.dtype.itemsize for tensor in named.values())
    if size > MOST_SHARED * file_size:
        raise ValueError(f"its tensors have {size} bytes together, far more than the file's {file_size}")


def _tensor(call: Call) -> _Tensor:
    """What a call describes.

    Raises:
        ValueError: it is no tensor and no parameter, or has other arguments than a tensor has.
    """
    if call.name in PARAMETERS and call.arguments and isinstance(call.arguments[0], Call):
        call = call.arguments[0]
    match call.arguments:
        case (Reference() as storage, int(offset), List() as shape, List() as strides, *others) if (
            call.name in REBUILT
        ):
            if others[METADATA:] not in ([], [None]):
                raise ValueError(
                    "a tensor has metadata, as that its numbers are to be negated; save it as `clone` of it"
                )
            return _Tensor(_storage(storage), offset, _whole_numbers(shape), _whole_numbers(strides))
    raise ValueError("a tensor is made of something else than a storage, an offset, a shape and strides")


def _storage(reference: Reference) -> _Storage:
    match reference.parts:
        case ("storage", Name(text), str(key), _, int(count), *view) if all(part is None for part in view):
            name = text.removeprefix("torch.")
            if name in DTYPES and count >= 0:
                return _Storage(key, DTYPES[name], count)
    raise InputError("refers to what is no whole storage. Save it anew with PyTorch.")


def _whole_numbers(found: List) -> tuple[int, ...]:
    if len(found.parts) > MOST_AXES or not all(type(part) is int for part in found.parts):
        raise ValueError(f"a shape or strides that are not {MOST_AXES} whole numbers at most")
    return tuple(found.parts)


def _array(tensor: _Tensor, row: np.ndarray) -> np.ndarray:
    places = (tensor.offset, *tensor.shape, *tensor.strides)
    size = math.prod(tensor.shape)
    reach = (
        tensor.offset + 1 + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True))
    )
    if min(places) < 0 or size > len(row) or (size and reach > len(row)):
        raise ValueError(
            f"a tensor reaches beyond its storage of {len(row)}: offset {tensor.offset}, shape "
            f"{shown(tensor.shape)}, strides {shown(tensor.strides)}"
        )
    steps = [step * row.itemsize for step in tensor.strides]
    if not size:
        return np.zeros(tensor.shape, row.dtype)
    return np.lib.stride_tricks.as_strided(row[tensor.offset :], tensor.shape, steps, writeable=False)


def _quoted(key: Any) -> str:
    return shown(key) if isinstance(key, str | int) else f"({kind_of(key)})"
