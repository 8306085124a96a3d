"""PyTorch's files are read without PyTorch, and execute nothing. Those here are built by hand."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pth_file import KERNEL, Called, Storage, older, pickled, tensor, write

from qdfool.classifiers import pytorch_file
from qdfool.classifiers.porting import read_weights
from qdfool.errors import InputError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "network.pth"


def test_tensors_are_read_with_their_strides(path: Path):
    write(path, {"a": tensor("0", (3, 4), (4, 1)), "b": tensor("0", (4, 2), (1, 4), 4)})
    read = pytorch_file.read(path)
    np.testing.assert_array_equal(read["a"], KERNEL)
    np.testing.assert_array_equal(read["b"], KERNEL.T[:, 1:])


def test_parameters_of_the_oldest_files_are_read(path: Path):
    old = Called("torch._utils._rebuild_tensor", Storage("0", 12), 0, (3, 4), (4, 1))
    write(path, {"a": Called("torch.nn.parameter.Parameter", old)})
    np.testing.assert_array_equal(pytorch_file.read(path)["a"], KERNEL)


def test_a_tensor_that_is_to_be_negated_is_refused(path: Path):
    """As an imaginary part that was saved as a view of its conjugate."""
    plain = ("torch._utils._rebuild_tensor_v2", Storage("0", 12), 0, (3, 4), (4, 1), False, None)
    write(path, {"a": Called(*plain, None)})
    np.testing.assert_array_equal(pytorch_file.read(path)["a"], KERNEL)
    write(path, {"a": Called(*plain, {"neg": True})})
    with pytest.raises(InputError, match="a tensor has metadata, as that its numbers are to be negated"):
        pytorch_file.read(path)


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "posix.system",
        "builtins.eval",
        "builtins.getattr",
        "subprocess.Popen",
        "collections.defaultdict",
        "torch.load",
        "torch._utils._rebuild_tensor_v2.__globals__",
        "torch.hub.load",
        "numpy.core.multiarray._reconstruct",
        "qdfool.classifiers.pytorch_file.read",
    ],
)
def test_any_other_name_is_refused_by_name(path: Path, name: str):
    witness = path.with_name("executed")
    write(path, {"a": tensor("0", (3, 4), (4, 1)), "evil": Called(name, f"touch {witness}")})
    with pytest.raises(InputError, match=rf"network\.pth names {name}, which is not a tensor") as error:
        pytorch_file.read(path)
    assert "safetensors" in str(error.value)
    assert not witness.exists()


def test_a_plain_evil_pickle_executes_nothing(path: Path):
    witness = path.with_name("executed")
    path.write_bytes(pickled(Called("os.system", f"touch {witness}")))
    with pytest.raises(InputError, match="no PyTorch file that this reads"):
        pytorch_file.read(path)
    path.write_bytes(pytorch_file.ROW_OF_PICKLES + path.read_bytes())
    with pytest.raises(InputError, match=r"names os\.system"):
        pytorch_file.read(path)
    assert not witness.exists()


@pytest.mark.parametrize(
    ("shape", "strides", "offset", "count"),
    [
        ((3, 5), (4, 1), 0, 12),  # beyond the end
        ((3, 4), (4, 1), 1, 12),
        ((3, 4), (-4, 1), 8, 12),  # before the beginning
        ((3, 4), (4, 1), -1, 12),
        ((1000, 1000, 1000), (0, 0, 0), 0, 12),  # more than there is
        ((3,), (4, 1), 0, 12),
        ((3, 4), (4, 1), 0, 13),
        ((3.0, 4), (4, 1), 0, 12),
    ],
)
def test_a_tensor_that_does_not_lie_in_its_storage_is_refused(path: Path, shape, strides, offset, count):
    write(path, {"a": tensor("0", shape, strides, offset, count)})
    with pytest.raises(InputError, match="not a whole PyTorch file"):
        pytorch_file.read(path)


def test_what_is_no_dictionary_of_tensors_is_refused(path: Path):
    write(path, [1, 2])
    with pytest.raises(InputError, match="holds no dictionary of tensors"):
        pytorch_file.read(path)
    write(path, {"a": tensor("0", (3, 4), (4, 1)), "epoch": 3})
    with pytest.raises(InputError, match="no tensor but a int under 'epoch'"):
        pytorch_file.read(path)


def test_numbers_that_are_not_finite_are_refused_by_tensor(path: Path):
    bad = np.full(12, np.nan, np.float32)
    write(path, {"a": tensor("0", (3, 4), (4, 1))}, **{"data/0": bad.tobytes()})
    with pytest.raises(InputError, match=r"'a' of .* holds NaN"):
        read_weights(path)


def test_a_damaged_name_is_refused(path: Path):
    content = write(path, {"first": tensor("0", (3, 4), (4, 1))}).read_bytes()
    path.write_bytes(content.replace(b"first", b"third"))
    with pytest.raises(InputError, match=r"not a whole PyTorch file.*CRC"):
        pytorch_file.read(path)


def test_another_byte_order_is_refused(path: Path):
    write(path, {"a": tensor("0", (3, 4), (4, 1))}, byteorder=b"big")
    with pytest.raises(InputError, match="big-endian"):
        pytorch_file.read(path)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_truncation_is_refused(path: Path, data: st.DataObject):
    content = write(path, {"a": tensor("0", (3, 4), (4, 1))}).read_bytes()
    cut = path.with_name("cut.pth")
    cut.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(InputError, match=r"cut\.pth is no"):
        read_weights(cut)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_byte_is_refused_or_does_not_matter(path: Path, data: st.DataObject):
    content = bytearray(write(path, {"a": tensor("0", (3, 4), (4, 1))}).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    damaged = path.with_name("damaged.pth")
    damaged.write_bytes(content)
    try:
        read = read_weights(damaged)
    except InputError:
        return
    np.testing.assert_array_equal(read["a"], KERNEL)


def test_the_older_format_is_read(path: Path):
    path.write_bytes(older({"a": tensor("0", (3, 4), (4, 1))}, KERNEL.tobytes()))
    np.testing.assert_array_equal(read_weights(path)["a"], KERNEL)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_truncation_of_the_older_format_is_refused(path: Path, data: st.DataObject):
    content = older({"a": tensor("0", (3, 4), (4, 1))}, KERNEL.tobytes())
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(InputError, match=r"network\.pth is no"):
        read_weights(path)


@pytest.mark.parametrize("format_", ["zip", "older"])
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_replaced_bytes_are_refused_or_tensors(path: Path, format_: str, data: st.DataObject):
    found = {"a": tensor("0", (3, 4), (4, 1))}
    content = write(path, found).read_bytes() if format_ == "zip" else older(found, KERNEL.tobytes())
    start, some = data.draw(st.integers(0, len(content) - 1)), data.draw(st.binary(min_size=1, max_size=9))
    content = content[:start] + some + content[start + data.draw(st.integers(0, len(some))) :]
    path.write_bytes(content)
    try:
        read = read_weights(path)
    except InputError:
        read = {}
    assert all(isinstance(array, np.ndarray) for array in read.values())
    assert path.read_bytes() == content


def test_a_file_does_not_decide_how_much_memory_it_takes(tmp_path):
    """A few bytes that claim a place for 2^31 objects; a compressed entry; lists of the same list of lists."""
    claims = b"\x80\x02}r" + (2**31 - 1).to_bytes(4, "little") + b"."
    with pytest.raises(InputError, match="holds no dictionary of tensors"):
        pytorch_file.read(write(tmp_path / "claims.pth", {}, **{"data.pkl": claims}))

    bomb = tmp_path / "bomb.pth"
    with zipfile.ZipFile(bomb, "w") as archive:
        archive.writestr("archive/data.pkl", pickled({}))
        archive.writestr("archive/byteorder", b" " * 10_000_000, zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match="is compressed"):
        pytorch_file.read(bomb)

    shared: list = []
    for _ in range(200):
        shared = [shared, shared]
    path = tmp_path / "shared.pth"
    row = [pickled(part) for part in (1001, {"little_endian": True}, {"x": shared}, [])]
    path.write_bytes(pytorch_file.ROW_OF_PICKLES + b"".join(row))
    with pytest.raises(InputError, match="has no tensor but a list under 'x'"):
        pytorch_file.read(path)
