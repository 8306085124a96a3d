import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from qdfool.classifiers import weights
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
