import json
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from qdfool.classifiers import lenet, weights
from qdfool.errors import InputError

TENSORS = {"conv/kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "conv/bias": np.ones(3, np.float32)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    weights.write(tmp_path / "network.safetensors", TENSORS, {"preprocessing": "pixel/255"})
    return tmp_path / "network.safetensors"


def test_what_was_written_is_read(file: Path):
    tensors, metadata = weights.read(file)
    assert metadata == {"preprocessing": "pixel/255"}
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        np.testing.assert_array_equal(tensors[name], tensor)


def test_the_same_weights_are_the_same_bytes(tmp_path: Path):
    path, metadata = tmp_path / "network.safetensors", dict.fromkeys("abcdefgh", "é")
    contents = set()
    for order in (1, -1) * 5:
        weights.write(path, dict(list(TENSORS.items())[::order]), dict(list(metadata.items())[::order]))
        contents.add(path.read_bytes())
    assert len(contents) == 1
    assert weights.read(path)[1] == metadata


def test_a_transposed_array_is_written_as_it_looks(tmp_path: Path):
    weights.write(tmp_path / "transposed.safetensors", {"a": TENSORS["conv/kernel"].T}, {})
    np.testing.assert_array_equal(
        weights.read(tmp_path / "transposed.safetensors")[0]["a"], TENSORS["conv/kernel"].T
    )


def test_writing_replaces_the_old_file_and_leaves_nothing_beside_it(file: Path):
    weights.write(file, {"a": np.zeros(1, np.float32)}, {})
    assert list(weights.read(file)[0]) == ["a"]
    assert list(file.parent.iterdir()) == [file]


def test_writing_that_fails_leaves_the_old_file(file: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*paths: object) -> None:
        raise OSError("No space left on device")

    before = file.read_bytes()
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        weights.write(file, {"a": np.zeros(1, np.float32)}, {})
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"found nothing at .*none\.safetensors"):
        weights.read(tmp_path / "none.safetensors")
    with pytest.raises(InputError, match="found a folder"):
        weights.read(tmp_path)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_truncation_is_refused(file: Path, data: st.DataObject):
    content = file.read_bytes()
    cut = file.with_name("cut.safetensors")
    cut.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(InputError, match=r"cut\.safetensors is not a whole safetensors file"):
        weights.read(cut)


def test_a_pickle_is_refused(tmp_path: Path):
    path = tmp_path / "network.pth"
    path.write_bytes(b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x07network\x94.")
    with pytest.raises(InputError, match="not a whole safetensors file"):
        weights.read(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused_by_tensor(tmp_path: Path, value: float):
    tensors = {**TENSORS, "conv/bias": np.array([0, value, 0], np.float32)}
    save_file(tensors, tmp_path / "bad.safetensors")
    with pytest.raises(InputError, match=r"'conv/bias' of .* holds NaN or infinity"):
        weights.read(tmp_path / "bad.safetensors")


def test_fill_is_the_inverse_of_named():
    parameters = {
        "conv": {"kernel": jnp.ones((2, 3)), "bias": jnp.zeros(3)},
        "deep": {"er": {"a": jnp.ones(1)}},
    }
    tensors = weights.named(parameters)
    assert sorted(tensors) == ["conv/bias", "conv/kernel", "deep/er/a"]
    filled = weights.fill(jax.eval_shape(lambda: parameters), tensors, "here")
    assert jax.tree.structure(filled) == jax.tree.structure(parameters)
    jax.tree.map(np.testing.assert_array_equal, filled, parameters)


EXPECTED = {"conv": {"kernel": jnp.zeros((2, 3)), "bias": jnp.zeros(3)}}


@pytest.mark.parametrize(
    ("tensors", "fault"),
    [
        ({"conv/kernel": TENSORS["conv/kernel"]}, r"no tensor 'conv/bias' \(3,\)"),
        ({**TENSORS, "fc/kernel": np.zeros((4, 5))}, r"unknown tensor 'fc/kernel' \(4, 5\)"),
        ({**TENSORS, "conv/bias": np.zeros(4)}, r"'conv/bias' has shape \(4,\) where \(3,\) is expected"),
        ({**TENSORS, "conv/kernel": np.zeros((3, 2))}, r"'conv/kernel' has shape \(3, 2\) where \(2, 3\)"),
    ],
)
def test_weights_of_another_network_are_refused_by_tensor(tensors: weights.Tensors, fault: str):
    with pytest.raises(InputError, match=rf"^x\.safetensors holds the weights of another network: .*{fault}"):
        weights.fill(EXPECTED, tensors, "x.safetensors")


def test_the_fingerprint_is_of_the_bytes(file: Path):
    before = weights.fingerprint(file)
    assert len(before) == 64
    file.write_bytes(file.read_bytes() + b" ")
    assert weights.fingerprint(file) != before


def by_hand(path: Path, content: bytes, **tensors: tuple[str, list[int], int]) -> Path:
    """A file of tensors as (dtype, shape, bytes), which share nothing: what the library refuses to write."""
    header, start = {}, 0
    for name, (dtype, shape, size) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, start + size]}
        start += size
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content)
    return path


@pytest.mark.parametrize(("dtype", "size"), [("F8_E4M3", 1), ("F8_E5M2", 1), ("C64", 8)])
def test_another_dtype_is_refused_before_anything_is_read(tmp_path: Path, dtype: str, size: int):
    path = by_hand(tmp_path / "network.safetensors", bytes(2 * size), weight=(dtype, [2], 2 * size))
    with pytest.raises(
        InputError, match=f"Tensor 'weight' of .* is {dtype}. Expected weights as F16, BF16, F32, F64"
    ):
        weights.read(path)


def test_bfloat16_and_float16_and_float64_are_read(tmp_path: Path):
    one = {"F16": b"\x00\x3c", "BF16": b"\x80\x3f", "F64": np.float64(1).tobytes()}
    tensors = {name: (name, [1], len(content)) for name, content in one.items()}
    read, _ = weights.read(by_hand(tmp_path / "a.safetensors", b"".join(one.values()), **tensors))
    assert {name: float(tensor[0]) for name, tensor in read.items()} == dict.fromkeys(one, 1.0)


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.int64, np.uint8, np.complex64])
def test_lenet_of_what_are_no_weights_is_refused(tmp_path: Path, dtype: type):
    tensors, metadata = weights.read(lenet.PRETRAINED)
    path = tmp_path / "lenet.safetensors"
    save_file({name: tensor.astype(dtype) for name, tensor in tensors.items()}, path, metadata)
    with pytest.raises(
        InputError, match=r"Tensor 'conv1/\w+' of .*lenet\.safetensors is .*\. Expected weights as"
    ):
        lenet.classifier(path)


@pytest.mark.parametrize("value", [1e60, -1e39])
def test_what_is_infinite_as_float32_is_refused(tmp_path: Path, value: float):
    save_file({"a": np.array([1.0, value])}, tmp_path / "large.safetensors")
    with pytest.raises(InputError, match=r"'a' of .* holds NaN or infinity, or more than float32 can be"):
        weights.read(tmp_path / "large.safetensors")


def test_a_long_header_is_refused_before_it_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(weights, "safe_open", lambda *_, **__: pytest.fail("the library was asked"))
    path = tmp_path / "network.safetensors"
    path.write_bytes((99_000_000).to_bytes(8, "little") + b"{")
    os.truncate(path, 100_000_000)  # a hole, which takes no room
    with pytest.raises(InputError, match="says that its header has 99,000,000 bytes"):
        weights.read(path)


def test_a_file_that_is_another_format_shows_how_it_begins(tmp_path: Path):
    path = tmp_path / "hello.safetensors"
    path.write_text("hello world")
    with pytest.raises(InputError, match="has 11 bytes and begins with b'hello wo'"):
        weights.read(path)


def test_names_are_quoted_and_shortened(tmp_path: Path):
    odd = "\x1b[2J\nqdfool: all good"
    path = by_hand(tmp_path / "a.safetensors", b"\x00" * 4, **{odd + "x" * 100_000: ("F8_E4M3", [4], 4)})
    unknown = {f"{odd}{n}" + "x" * 10_000: np.ones(1, np.float32) for n in range(500)}
    for read in (lambda: weights.read(path), lambda: weights.fill({"a": jnp.ones(1)}, unknown, "here")):
        with pytest.raises(InputError, match=r"'\\x1b\[2J\\nqdfool: all good") as caught:
            read()
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 8_500
