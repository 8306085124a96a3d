"""A run goes on, and is compared, wherever its weights lie: what they are is what counts."""

import shutil

import pytest

import qdfool
from qdfool.classifiers.lenet import PRETRAINED
from qdfool.results.comparison import read_groups
from qdfool.run import main


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory with weights of LeNet in it; nothing is drawn."""
    monkeypatch.setattr(
        qdfool.Result, "draw", lambda self, directory, classifier=None: (directory / "curves.png").touch()
    )
    monkeypatch.setattr("qdfool.results.over_seeds.draw", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    shutil.copy(PRETRAINED, tmp_path / "mine.safetensors")
    return tmp_path


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments), "--quiet"])
    assert isinstance(ended.value.code, int)
    return ended.value.code


NEW = ("--weights", "mine.safetensors", "--generations", 2, "--batch-size", 8)


@pytest.mark.parametrize("seeds", [(), ("--seeds", "0,1")], ids=["one", "several"])
def test_it_goes_on_from_another_folder_and_with_weights_that_were_moved(place, monkeypatch, seeds):
    assert run("mnist-direct", *NEW, *seeds, "--out", "run") == 0
    (place / "elsewhere").mkdir()
    monkeypatch.chdir(place / "elsewhere")
    assert run("--resume", place / "run", "--generations", 3) == 0
    (place / "mine.safetensors").rename(place / "elsewhere" / "moved.safetensors")
    assert run("--resume", place / "run", "--generations", 4) == 2
    assert run("--resume", place / "run", "--generations", 4, "--weights", "moved.safetensors") == 0


def test_runs_of_the_same_weights_in_two_places_are_repeats(place):
    assert run("mnist-direct", *NEW, "--out", "one") == 0
    (place / "mine.safetensors").rename(place / "moved.safetensors")
    moved = ("--weights", "moved.safetensors", *NEW[2:])
    assert run("mnist-direct", *moved, "--seed", 1, "--out", "two") == 0
    assert [len(group.members) for group in read_groups([place / "one", place / "two"])] == [2]
