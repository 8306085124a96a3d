"""Reads the tensors of a PyTorch `.pth` file, without PyTorch and without executing anything that it names.

Such a file is a pickle, and a pickle may name any function of any module to be called with any arguments. Here
an allow-list stands in its way: ordered dictionaries, and PyTorch's tensors, parameters and storages, which
become plain descriptions of where their numbers lie. Whatever else a file names is refused, by name.

Two formats are read. Since PyTorch 1.6 a file is a zip archive of one pickle and one entry of raw numbers for
each storage. Before, it was a row of pickles (a magic number, a version, facts about the machine, the tensors,
the keys of the storages) with the storages behind them; some files of torchvision's still are.
"""

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import ml_dtypes
import numpy as np

from qdfool.classifiers.weights import Tensors, check_finite
from qdfool.errors import InputError

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


def read(path: Path) -> Tensors:
    """Returns the tensors of a `.pth` file by name.

    A training checkpoint may have them under "state_dict" or "model"; what stands beside them is passed over.

    Raises:
        InputError: the file is not there, damaged or cut short, names anything but tensors and ordered
            dictionaries, or a tensor holds NaN or infinity.
    """
    try:
        with path.open("rb") as file:
            zipped = zipfile.is_zipfile(file)
            file.seek(0)
            found, numbers = _read_zip(file) if zipped else _read_row(file)
            tensors = {name: _array(tensor, numbers) for name, tensor in _named(found).items()}
    except InputError as error:
        raise InputError(f"{path} {error}") from error
    except Exception as error:
        # A damaged pickle can fail in any way: what it builds is decided by its bytes.
        raise InputError(
            f"{path} is not a whole PyTorch file ({type(error).__name__}: {error}). Copy or download it again."
        ) from error
    check_finite(tensors, path)
    return tensors


@dataclass(frozen=True)
class _Storage:
    """A row of `count` numbers in the file."""

    key: str
    dtype: np.dtype
    count: int


@dataclass(frozen=True)
class _Tensor:
    """Where the numbers of a tensor lie, counted in numbers."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Parameter:
    """A parameter as the oldest files have it: a tensor, and a state that only training needs."""

    tensor: _Tensor

    def __new__(cls, tensor: _Tensor) -> "_Parameter":
        # Not `__init__`, which a pickle does not call.
        parameter = super().__new__(cls)
        parameter.tensor = tensor
        return parameter

    def __setstate__(self, state: object) -> None:
        pass


def _rebuild_tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


def _rebuild_parameter(tensor: _Tensor, *_: object) -> _Tensor:
    return tensor


ALLOWED: dict[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch.nn.parameter.Parameter": _Parameter,
    # A storage is never called, only named: its own name will do.
    **{f"torch.{name}": name for name in DTYPES},
}
"""Everything that a file may name, and what stands in for it here."""


class _Unpickler(pickle._Unpickler):  # type: ignore[name-defined]
    # The one written in Python: the other makes room for as many objects as a few bytes of the file claim.

    def find_class(self, module: str, name: str) -> Any:
        name = f"{module}.{name}"
        if name not in ALLOWED:
            raise InputError(
                f"names {name}, which is not a tensor, a float or integer storage or an ordered dictionary. "
                "Reading it could execute code, so nothing of it was read. If you trust the file, load it with "
                "PyTorch and save its state dict as safetensors."
            )
        return ALLOWED[name]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage_type, key, _, count, *view = pid
        if kind != "storage" or any(part is not None for part in view):
            raise InputError("refers to what is no whole storage. Save it anew with PyTorch.")
        return _Storage(str(key), DTYPES[storage_type], count)


Numbers = Callable[[_Storage], np.ndarray]
"""The row of numbers of a storage."""


class _Whole:
    """A file that says so when it ends too early; the unpickler would take what there is."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        content = self._file.read(size)
        if len(content) < size:
            raise EOFError("it ends in the middle")
        return content

    def readline(self) -> bytes:
        line = self._file.readline()
        if not line.endswith(b"\n"):
            raise EOFError("it ends in the middle of a name")
        return line


def _load(file: IO[bytes]) -> Any:
    return _Unpickler(_Whole(file), encoding="utf-8").load()


def _read_zip(file: IO[bytes]) -> tuple[Any, Numbers]:
    archive = zipfile.ZipFile(file)
    names = archive.namelist()
    (pickled,) = [name for name in names if name.endswith("data.pkl") and name.count("/") <= 1]
    root = pickled.removesuffix("data.pkl")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
        raise InputError("is compressed, which PyTorch's files are not. Save it anew with PyTorch.")
    if f"{root}byteorder" in names and archive.read(f"{root}byteorder") != b"little":
        raise InputError("was written on a big-endian machine. Save it anew on another.")
    found = _load(io.BytesIO(archive.read(pickled)))  # read whole, its checksum is compared
    rows: dict[_Storage, np.ndarray] = {}

    def numbers(storage: _Storage) -> np.ndarray:
        if storage not in rows:
            rows[storage] = _row(archive.read(f"{root}data/{storage.key}"), storage)
        return rows[storage]

    return found, numbers


def _read_row(file: IO[bytes]) -> tuple[Any, Numbers]:
    if file.read(len(ROW_OF_PICKLES)) != ROW_OF_PICKLES:
        raise InputError(
            "is no PyTorch file that this reads: neither a zip archive, whole to its end, nor a row of pickles. "
            "Copy or download it again, or save its state dict anew with PyTorch."
        )
    version, machine = _load(file), _load(file)
    if version != 1001 or not machine["little_endian"]:
        raise InputError(
            "is of another version than 1001, or of a big-endian machine. Save it anew with PyTorch."
        )
    found, keys = _load(file), _load(file)
    storages = {tensor.storage.key: tensor.storage for tensor in _all_tensors(found)}
    rows: dict[str, np.ndarray] = {}
    for key in map(str, keys):
        if key not in storages:
            raise InputError(f"holds a storage {key!r} that no tensor has. Save it anew with PyTorch.")
        storage = storages[key]
        count = int.from_bytes(file.read(8), "little")
        if count != storage.count:
            raise ValueError(f"storage {key} has {count} numbers where {storage.count} are expected")
        rows[key] = _row(file.read(count * storage.dtype.itemsize), storage)
    return found, lambda storage: rows[storage.key]


def _row(content: bytes, storage: _Storage) -> np.ndarray:
    if len(content) != storage.count * storage.dtype.itemsize:
        raise ValueError(
            f"storage {storage.key} has {len(content)} bytes, not {storage.count} {storage.dtype}"
        )
    return np.frombuffer(content, storage.dtype)


def _array(tensor: _Tensor, numbers: Numbers) -> np.ndarray:
    row = numbers(tensor.storage)
    places = (tensor.offset, *tensor.shape, *tensor.strides)
    size = math.prod(tensor.shape)
    reach = (
        tensor.offset + 1 + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True))
    )
    if min(places) < 0 or size > len(row) or (size and reach > len(row)):
        raise ValueError(f"a tensor reaches beyond its storage: {tensor}")
    steps = [step * row.itemsize for step in tensor.strides]
    if not size:
        return np.zeros(tensor.shape, row.dtype)
    return np.lib.stride_tricks.as_strided(row[tensor.offset :], tensor.shape, steps, writeable=False)


def _all_tensors(found: Any) -> list[_Tensor]:
    """All tensors of nested dictionaries, lists and tuples, each once: parts may be shared, again and again."""
    tensors: list[_Tensor] = []
    seen: set[int] = set()
    ahead = [found]
    while ahead:
        part = ahead.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, _Parameter):
            tensors.append(part.tensor)
        elif isinstance(part, _Tensor):
            tensors.append(part)
        elif isinstance(part, Mapping):
            ahead.extend(part.values())
        elif isinstance(part, list | tuple):
            ahead.extend(part)
    return tensors


def _named(found: Any) -> dict[str, _Tensor]:
    for wrapper in WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    if not isinstance(found, Mapping) or not found:
        raise InputError("holds no dictionary of tensors. Save the network's state dict.")
    named = {}
    for name, tensor in found.items():
        tensor = tensor.tensor if isinstance(tensor, _Parameter) else tensor
        if not isinstance(tensor, _Tensor):
            raise InputError(
                f"has no tensor but a {type(tensor).__name__} under {name!r}. Save the network's state dict, or a "
                f"checkpoint that has it under {' or '.join(map(repr, WRAPPERS))}."
            )
        named[str(name)] = tensor
    return named
