"""Everything that is read from outside, damaged at random: a value or an InputError, and the file as it was.

Random bytes come upon what nobody thought of; what is known to have been thought of stands beside each reader's
other tests. PyTorch's files are in `classifiers/test_pytorch_file.py`.
"""

import gzip
import hashlib
import io
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import fake
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.numpy import save

import qdfool
from qdfool.classifiers import weights
from qdfool.config import Config, from_dict, to_dict
from qdfool.data import mnist
from qdfool.data.image import read_image
from qdfool.errors import InputError
from qdfool.results import history_file, run_folder
from qdfool.results import npz as npz_files
from qdfool.results.history import Metrics

CHANCE = np.random.default_rng(0)
# The same examples in every run: a test that fails at times tells nothing about the change before it.
EXAMPLES = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """`content` cut short, with a bit flipped, with bytes replaced, added or taken out; or other bytes."""
    kind = draw(st.sampled_from(["cut", "flip", "replace", "insert", "remove", "turn", "other"]))
    if kind == "other":
        return draw(st.binary(max_size=40))
    start = draw(st.integers(0, len(content) - 1))
    before, after = content[:start], content[start:]
    if kind in ("cut", "turn"):
        return before if kind == "cut" else after + before
    if kind == "flip":
        return before + bytes([after[0] ^ 1 << draw(st.integers(0, 7))]) + after[1:]
    some = draw(st.binary(min_size=1, max_size=12))
    return before + (b"" if kind == "remove" else some) + (after if kind == "insert" else after[len(some) :])


def value_or_refusal(read: Callable[..., Any], *arguments: Any) -> Any:
    """What `read` returns, or the InputError that it raises; anything else is raised."""
    try:
        return read(*arguments)
    except InputError as error:
        return error


def check(read: Callable[[Path], Any], path: Path, content: bytes) -> None:
    """Reading `content` at `path` gives a value or an InputError, and leaves the file as it was."""
    path.write_bytes(content)
    assert value_or_refusal(read, path) is not None
    assert path.read_bytes() == content
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def npz(**arrays: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    return content.getvalue()


def csv_rows() -> bytes:
    kinds = Metrics.__annotations__
    row = ",".join("7" if kind in (int, "int") else "0.25" for kind in kinds.values())
    return (",".join(kinds) + f"\n{row}\n{row}\n").encode()


def picture(kind: str) -> bytes:
    content = io.BytesIO()
    Image.fromarray(CHANCE.integers(0, 256, (9, 8, 3), np.uint8)).save(content, kind)
    return content.getvalue()


HISTORY = {
    "generation": np.arange(1, 4, dtype=np.int32),
    "fitness": np.zeros((3, 2), np.float32),
    "updates": np.zeros((3, 2), np.int32),
    "qd_score": np.zeros(3, np.float32),
    "coverage": np.ones(3, np.float32),
    "last_updates": np.zeros(2, np.int32),
}
TENSORS = {"conv/kernel": np.ones((3, 3, 1, 2), np.float32), "conv/bias": np.zeros(2, np.float32)}
READERS: dict[str, tuple[Callable[[Path], Any], bytes]] = {
    "config.json": (run_folder.read_json, b'{"settings": {"seed": 1, "cells": [20, 20]}, "versions": null}'),
    "metrics.csv": (run_folder.read_metrics, csv_rows()),
    "elites.npz": (
        lambda path: npz_files.read(path, lambda headers: headers),
        npz(cell=np.arange(3), images=np.zeros((3, 8, 8, 1), np.uint8)),
    ),
    "history.npz": (lambda path: history_file.read(path, 2), npz(**HISTORY)),
    "network.safetensors": (weights.read, save(TENSORS, {"classes": "ab"})),
    **{
        f"image.{kind.lower()}": (lambda path: read_image(path, 8, 8, 3), picture(kind))
        for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
    },
}


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("name", READERS)
@EXAMPLES
@given(data=st.data())
def test_a_damaged_file_is_a_value_or_an_input_error(tmp_path: Path, name: str, data: st.DataObject):
    read, content = READERS[name]
    check(read, tmp_path / name, data.draw(damaged(content)))


@pytest.mark.parametrize("name", READERS)
def test_the_files_that_are_damaged_are_otherwise_read(tmp_path: Path, name: str):
    """Else the test above would have only refusals to see."""
    read, content = READERS[name]
    (tmp_path / name).write_bytes(content)
    assert len(read(tmp_path / name)) if name != "history.npz" else read(tmp_path / name).generation.size == 3


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b"[" * 100_000),
        ("metrics.csv", b"generation\n" + b"1" * 200_000),
        ("metrics.csv", b"gener\xffation\n"),
        (
            "elites.npz",
            b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '|u1', 'fortran_order': False, 'shape': (0,), }",
        ),
    ],
    ids=["nesting", "a long field", "no text", "an array alone"],
)
def test_what_fails_in_its_own_way_is_refused_as_well(tmp_path: Path, name: str, content: bytes):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name} is damaged"):
        READERS[name][0](tmp_path / name)


@pytest.mark.parametrize("name", ["metrics.csv", "elites.npz"])
def test_a_folder_where_a_file_should_be_is_refused(tmp_path: Path, name: str):
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=rf"{name} is damaged"):
        READERS[name][0](tmp_path / name)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readers") / "run"
    config = replace(Config(), generations=3, batch_size=12, archive="grid", cells=(3, 3), checkpoint_every=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qdfool.results.result.Result.draw", lambda *_: None)  # no picture is read
        qdfool.evolve(config, fake.classifier).save(folder)
    return folder


@pytest.mark.parametrize("name", ["config.json", "summary.json", "metrics.csv", "elites.npz", "history.npz"])
@settings(EXAMPLES, max_examples=30)
@given(data=st.data())
def test_a_run_folder_with_a_damaged_file_is_a_result_or_an_input_error(
    run: Path, name: str, data: st.DataObject
):
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    content = data.draw(damaged(before[name]))
    (run / name).write_bytes(content)
    try:
        found = value_or_refusal(qdfool.load, run)
    finally:
        after = {path.name: path.read_bytes() for path in run.iterdir()}
        (run / name).write_bytes(before[name])
    assert isinstance(found, qdfool.Result | InputError)
    assert after == {**before, name: content}


SHAPES = ((3, 4, 4), (3,), (2, 4, 4), (2,))
VALUES = [CHANCE.integers(0, 10, shape, dtype=np.uint8) for shape in SHAPES]


def idx(values: np.ndarray) -> bytes:
    return np.array([0x800 + values.ndim, *values.shape], ">u4").tobytes() + values.tobytes()


FILES = tuple(
    mnist.IdxFile(official.name, values.shape, hashlib.sha256(idx(values)).hexdigest())
    for official, values in zip(mnist.FILES, VALUES, strict=True)
)


@pytest.mark.parametrize("ending", ["", ".gz"])
@EXAMPLES
@given(data=st.data())
def test_a_damaged_idx_file_is_refused_or_the_same(tmp_path: Path, ending: str, data: st.DataObject):
    number = data.draw(st.integers(0, len(FILES) - 1))
    for file, values in zip(FILES, VALUES, strict=True):
        content = gzip.compress(idx(values), mtime=0) if ending else idx(values)
        (tmp_path / f"{file.name}{ending}").write_bytes(content)
    path = tmp_path / f"{FILES[number].name}{ending}"
    content = data.draw(damaged(path.read_bytes()))
    path.write_bytes(content)
    found = value_or_refusal(mnist.load, tmp_path, FILES)
    if isinstance(found, InputError):
        assert path.name in str(found)
    else:
        # What is read past the hash is what was written: a gzip file has bytes that do not matter.
        for read, values in zip(found, VALUES, strict=True):
            np.testing.assert_array_equal(read.reshape(values.shape), values)
    assert path.read_bytes() == content


ANY_TEXT = st.text(max_size=8) | st.sampled_from(["pixels", "grid", "fake:measure", "ink"])
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)


def config_or_refusal(values: Any) -> None:
    found = value_or_refusal(from_dict, values)
    assert isinstance(found, Config | InputError)
    if isinstance(found, Config):
        assert from_dict(to_dict(found)) == found


@EXAMPLES
@given(values=ANY_JSON)
def test_any_json_is_a_config_or_an_input_error(values: Any):
    config_or_refusal(values)


@settings(EXAMPLES, max_examples=120)
@given(data=st.data())
def test_any_value_of_any_setting_is_a_config_or_an_input_error(data: st.DataObject):
    values = asdict(Config(generations=1))
    group = values
    name = data.draw(st.sampled_from(sorted(group)))
    while isinstance(group[name], dict) and data.draw(st.booleans()):
        group = group[name]
        name = data.draw(st.sampled_from(sorted(group)))
    group[name] = data.draw(ANY_JSON)
    config_or_refusal(values)
