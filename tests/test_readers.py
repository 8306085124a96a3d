"""Everything that is read from outside, damaged at random: a value or an InputError, and the file as it was.

Random bytes come upon what nobody thought of; what is known to have been thought of stands beside each reader's
other tests. PyTorch's files are in `classifiers/test_pytorch_file.py`.
"""

import os
import signal
import socket
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import damaged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from readers import DIGITS, ELITES_PARTS, READERS, RUN_FILES, Reader, check, run_readers

import qdfool
from qdfool.config import Config, from_dict, to_dict
from qdfool.errors import InputError
from qdfool.results import npz, run_folder

# The same examples in every run: a test that fails at times tells nothing about the change before it.
EXAMPLES = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("name", READERS)
@EXAMPLES
@given(data=st.data())
def test_a_damaged_file_is_a_value_or_an_input_error(tmp_path: Path, name: str, data: st.DataObject):
    reader = READERS[name]
    found = check(reader, reader.wrap(data.draw(damaged(reader.content))), tmp_path)
    if name.startswith("idx") and not isinstance(found, InputError):
        # What is read past the hash is what was written: a gzip file has bytes that do not matter.
        for read, values in zip(found, DIGITS, strict=True):
            np.testing.assert_array_equal(read.reshape(values.shape), values)


@pytest.mark.parametrize("name", READERS)
def test_the_files_that_are_damaged_are_otherwise_read(tmp_path: Path, name: str):
    """Else the test above would have only refusals to see."""
    reader = READERS[name]
    assert not isinstance(check(reader, reader.wrap(reader.content), tmp_path), InputError)


READ = {
    "config.json": run_folder.read_json,
    "metrics.csv": run_folder.read_metrics,
    "elites.npz": lambda path: npz.read(path, lambda headers: headers),
}


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
        READ[name](tmp_path / name)


@pytest.mark.parametrize("name", ["metrics.csv", "elites.npz"])
def test_a_folder_where_a_file_should_be_is_refused(tmp_path: Path, name: str):
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=rf"{name} is damaged"):
        READ[name](tmp_path / name)


@pytest.mark.parametrize("kind", ["pipe", "device", "socket"])
@pytest.mark.parametrize("name", READ)
def test_what_is_no_file_is_refused_at_once(monkeypatch, tmp_path: Path, name: str, kind: str):
    """A pipe would keep the reader waiting for ever, and /dev/zero has no end."""
    monkeypatch.chdir(tmp_path)
    if kind == "pipe":
        os.mkfifo(name)
    elif kind == "device":
        Path(name).symlink_to("/dev/zero")
    else:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(name)
    signal.alarm(10)
    try:
        with pytest.raises(InputError, match=rf"{name} is damaged"):
            READ[name](Path(name))
    finally:
        signal.alarm(0)


@pytest.mark.parametrize("name", ["pth", "safetensors", "history", "image, WEBP", "metrics"])
def test_a_file_of_holes_is_not_read(tmp_path: Path, name: str):
    """Some kilobytes on the disk, and three gigabytes when they are read."""
    reader = READERS[name]
    path = tmp_path / reader.file_name
    path.write_bytes(reader.wrap(reader.content))
    os.truncate(path, 3 << 30)
    with pytest.raises(InputError, match=r"it has 3,221,225,472 bytes, and nearly all of them are holes"):
        reader.read(path)


def test_a_table_of_any_size_is_not_read(tmp_path: Path):
    path = tmp_path / "metrics.csv"
    with path.open("wb") as file:
        file.truncate(run_folder.LONGEST_METRICS + 1)  # takes no room on the disk
    with pytest.raises(InputError, match=r"metrics.csv is damaged: it has more than 134,217,728 bytes"):
        run_folder.read_metrics(path)


@pytest.mark.parametrize(
    "number", ["nan", "inf", "-1", "-0.5", "1_0", " 7", "\u0667", "1e400", "0x7", "", "9" * 30]
)
@pytest.mark.parametrize("column", ["generation", "median_confidence"])
def test_numbers_that_no_run_writes_are_refused(tmp_path: Path, column: str, number: str):
    rows = READERS["metrics"].content.decode().splitlines()
    values = dict(zip(rows[0].split(","), rows[1].split(","), strict=True)) | {column: number}
    path = tmp_path / "metrics.csv"
    path.write_text(f"{rows[0]}\n{','.join(values.values())}\n", "utf-8")
    with pytest.raises(InputError, match=r"metrics.csv is damaged: "):
        run_folder.read_metrics(path)


@pytest.fixture(scope="module")
def of_a_run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reader]:
    return run_readers(tmp_path_factory.mktemp("readers") / "run")


@pytest.mark.parametrize("name", [f"run, {name}" for name in (*RUN_FILES, *ELITES_PARTS)])
@settings(EXAMPLES, max_examples=30)
@given(data=st.data())
def test_a_run_folder_with_a_damaged_file_is_a_result_or_an_input_error(
    of_a_run: dict[str, Reader], tmp_path: Path, name: str, data: st.DataObject
):
    reader = of_a_run[name]
    found = check(reader, reader.wrap(data.draw(damaged(reader.content))), tmp_path)
    assert isinstance(found, qdfool.Result | InputError)


ANY_TEXT = st.text(max_size=8) | st.sampled_from(["pixels", "grid", "fake:measure", "ink"])
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)


def config_or_refusal(values: Any) -> None:
    try:
        found = from_dict(values)
    except InputError:
        return
    assert isinstance(found, Config)
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
