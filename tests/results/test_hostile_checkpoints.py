"""Checkpoints from anywhere: what no run writes is put aside, or refused in a line, and nothing else is read."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake
import pytest

import qdfool
from qdfool.errors import InputError
from qdfool.results.checkpoint_files import DIGESTS, write_digests

NEWEST, BEFORE = "3", "1"


@pytest.fixture(scope="module")
def saved(small, tmp_path_factory) -> Path:
    """A run with two checkpoints."""
    folder = tmp_path_factory.mktemp("hostile") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(qdfool.Result, "draw", lambda *_: None)
        qdfool.evolve(replace(small, generations=1, checkpoint_every=100), fake.classifier, out=folder)
        qdfool.resume(folder, fake.classifier, generations=3)
    assert {BEFORE, NEWEST} <= {path.name for path in (folder / "checkpoints").iterdir()}
    return folder


@pytest.fixture
def folder(saved, tmp_path, monkeypatch) -> Iterator[Path]:
    """A copy of it. What waits for ever or reads without end is ended."""
    monkeypatch.setattr(qdfool.Result, "draw", lambda *_: None)
    signal.alarm(60)
    yield Path(shutil.copytree(saved, tmp_path / "run"))
    signal.alarm(0)


def digests(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def forge(newest: Path) -> None:
        path = newest / "state" / DIGESTS
        values = json.loads(path.read_bytes())
        values = change(values) or values
        path.write_text(json.dumps(values))

    return forge


def lists(name: str) -> Callable[[Path], None]:
    return digests(lambda values: values.update({name: "0" * 64}))


def instead(name: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    def forge(newest: Path) -> None:
        path = newest / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        make(path)

    return forge


def without(*names: str) -> Callable[[Path], None]:
    """Removed, and not listed either."""

    def forge(newest: Path) -> None:
        for name in names:
            shutil.rmtree(newest / "state" / name) if (newest / "state" / name).is_dir() else (
                newest / "state" / name
            ).unlink()
        (newest / "state" / DIGESTS).unlink()
        write_digests(newest / "state")

    return forge


DAMAGED = {
    "a null character": lists("a\0b"),
    "half a pair": lists("\udc80"),
    "a name of a terminal": lists("\x1b[31m\nqdfool: good"),
    "a way out": lists("../../../../../../../../dev/zero"),
    "an absolute way": lists("/dev/zero"),
    "a long name": lists("x" * 5_000),
    "a long way": lists("x/" * 5_000),
    "no files": digests(lambda values: values.clear()),
    "numbers": digests(lambda values: dict.fromkeys(values, 7)),
    "a list": digests(lambda values: list(values)),
    "not all files": digests(lambda values: {"_METADATA": values["_METADATA"]}),
    "deep": lambda newest: (newest / "state" / DIGESTS).write_text("[" * 200_000),
    "no manifest": without("manifest.ocdbt"),
    "digests a pipe": instead(f"state/{DIGESTS}", os.mkfifo),
    "digests a folder": instead(f"state/{DIGESTS}", os.mkdir),
    "digests a device": instead(f"state/{DIGESTS}", lambda path: path.symlink_to("/dev/zero")),
    "a file a pipe": instead("state/manifest.ocdbt", os.mkfifo),
    "a file a device": instead("state/_METADATA", lambda path: path.symlink_to("/dev/zero")),
    "a pipe more": lambda newest: os.mkfifo(newest / "more"),
    "state a link": instead("state", lambda path: path.symlink_to(path.parents[1] / BEFORE / "state")),
    "a pipe of Orbax's": instead("_CHECKPOINT_METADATA", os.mkfifo),
    "a deep one of Orbax's": lambda newest: (newest / "_CHECKPOINT_METADATA").write_text("[" * 200_000),
    "a file": lambda newest: (shutil.rmtree(newest), newest.write_text("")),
    "a link": lambda newest: (shutil.rmtree(newest), newest.symlink_to(newest.parent / BEFORE)),
}


@pytest.mark.parametrize("how", DAMAGED)
def test_what_no_run_writes_is_put_aside_and_the_one_before_is_used(folder, how, capfd, caplog):
    newest = folder / "checkpoints" / NEWEST
    DAMAGED[how](newest)
    assert qdfool.resume(folder, fake.classifier, generations=4).generations == 4
    assert os.path.lexists(folder / "checkpoints" / f"damaged-{NEWEST}")
    assert [
        f"Checkpoint {NEWEST}" in caplog.messages[0],
        "Going on from checkpoint" in caplog.messages[1],
    ] == [
        True,
        True,
    ]
    assert all(message.isprintable() and len(message) < 1_000 for message in caplog.messages)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("how", ["a pipe of Orbax's", "a deep one of Orbax's", "a pipe more", "a file"])
def test_one_before_the_newest_is_put_aside_too_where_orbax_would_read_it(folder, how):
    DAMAGED[how](folder / "checkpoints" / BEFORE)
    assert qdfool.resume(folder, fake.classifier, generations=4).generations == 4
    assert os.path.lexists(folder / "checkpoints" / f"damaged-{BEFORE}")


@pytest.mark.parametrize("name", ["0031", "\u0663", "3\u0663", "\u00b2", "9\n", "9_9"])
def test_a_name_that_no_checkpoint_has_is_put_aside(folder, name, caplog):
    shutil.copytree(folder / "checkpoints" / NEWEST, folder / "checkpoints" / name)
    assert qdfool.resume(folder, fake.classifier, generations=4).generations == 4
    assert (folder / "checkpoints" / f"damaged-{name}").is_dir()
    assert (folder / "checkpoints" / "4").is_dir()
    assert "no checkpoint is named so" in caplog.messages[0]
    assert all(message.isprintable() for message in caplog.messages)


def test_one_under_another_number_is_refused(folder):
    (folder / "checkpoints" / NEWEST).rename(folder / "checkpoints" / "7")
    with pytest.raises(InputError, match=r"Checkpoint 7 in .* is of generation 3"):
        qdfool.resume(folder, fake.classifier, generations=9)


@pytest.mark.parametrize("plant", ["file", "link"])
def test_what_is_called_unfinished_and_is_no_folder_is_removed(folder, plant):
    path = folder / "checkpoints" / "5.orbax-checkpoint-tmp"
    path.symlink_to(folder) if plant == "link" else path.write_text("")
    assert qdfool.resume(folder, fake.classifier, generations=4).generations == 4
    assert not os.path.lexists(path)


VALUES: dict[str, tuple[str, Any]] = {
    "no rows": ("history_rows", None),
    "rows of text": ("history_rows", "3"),
    "negative rows": ("history_rows", -1),
    "true rows": ("history_rows", True),
    "rows beyond memory": ("history_rows", 10**12),
    "other rows": ("history_rows", 2),
    "processes without devices": ("rows", {"devices": 0, "sizes": [12]}),
    "processes of another batch": ("rows", {"devices": 2, "sizes": [10**9]}),
    "processes with unequal parts": ("rows", {"devices": 5, "sizes": [12]}),
    "processes of a truth value": ("rows", {"devices": True, "sizes": [12]}),
    "processes of truth values": ("rows", {"devices": 1, "sizes": [True] * 12}),
    "processes of text": ("rows", {"devices": 2, "sizes": "12"}),
    "NaN seconds": ("seconds", float("nan")),
    "negative seconds": ("seconds", -1.0),
    "seconds of text": ("seconds", "1"),
    "compiled for ever": ("compile_seconds", 10**400),
    "seconds that no summary has": ("seconds", 1e12),
    "no structure": ("structure", None),
    "a structure of numbers": ("structure", {"a": 1}),
    "another structure": ("structure", {"\x1b[2J": "float32 [3]"}),
    "packed by a number": ("packed", 1),
    "packed names of lists": ("packed", [[]]),
    "packed names that are not there": ("packed", ["\x1b[2J"]),
    "nothing packed": ("packed", []),
    "settings of text": ("settings", "seed 3"),
    "settings of another run": ("settings", {"seed": 3}),
    "settings of many levels": ("settings", {"mutation.rate": {"\x1b[2J": []}}),
}


def test_a_config_that_was_edited_is_not_gone_on_with(folder):
    values = json.loads((folder / "config.json").read_text())
    values["settings"]["mutation"]["rate"] = 0.9
    (folder / "config.json").write_text(json.dumps(values))
    with pytest.raises(
        InputError, match=r"not of this run: its mutation.rate is 0\.1, that of config.json 0\.9\. Resume"
    ):
        qdfool.resume(folder, fake.classifier, generations=4)


def forged(folder: Path, content: str) -> None:
    values = folder / "checkpoints" / NEWEST / "values"
    (values / "metadata").write_text(content)
    (values / DIGESTS).unlink()
    write_digests(values)


def refused(folder: Path, capfd) -> None:
    before = sorted((folder / "checkpoints").iterdir())
    config = (folder / "config.json").read_bytes()
    with pytest.raises(
        InputError, match=f"Checkpoint {NEWEST} in .* is whole but not of this run: "
    ) as error:
        qdfool.resume(folder, fake.classifier, generations=4)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 2_000
    assert sorted((folder / "checkpoints").iterdir()) == before
    assert (folder / "config.json").read_bytes() == config
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("how", VALUES)
def test_values_that_no_run_has_are_refused(folder, how, capfd):
    name, value = VALUES[how]
    values = json.loads((folder / "checkpoints" / NEWEST / "values" / "metadata").read_bytes())
    forged(folder, json.dumps(values | {name: value}))
    refused(folder, capfd)


@pytest.mark.parametrize(
    "change", [lambda names: names[::-1], lambda names: names[1:], lambda names: names * 2]
)
def test_small_arrays_in_another_order_or_number_are_refused(folder, change, capfd):
    values = json.loads((folder / "checkpoints" / NEWEST / "values" / "metadata").read_bytes())
    forged(folder, json.dumps(values | {"packed": change(values["packed"])}))
    refused(folder, capfd)


@pytest.mark.parametrize("content", ["", "[]", "[" * 200_000, "{}", "7"])
def test_values_that_are_no_object_are_refused(folder, content, capfd):
    forged(folder, content)
    refused(folder, capfd)


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_arrays_that_are_gone_and_not_listed_are_refused_in_a_line(folder, capfd):
    without("d", "ocdbt.process_0")(folder / "checkpoints" / NEWEST)
    with pytest.raises((InputError, OSError)) as error:
        qdfool.resume(folder, fake.classifier, generations=4)
    assert str(error.value).count("\n") == 0
    assert "Traceback" not in capfd.readouterr().err
