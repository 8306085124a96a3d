"""The folder of a small run with a grid archive, for the tests of what is read of it; and folders of several seeds."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import fake
import pytest
import three_seeds

import qdfool
from qdfool.config import Config
from qdfool.run import main


@pytest.fixture(scope="session")
def saved(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("grid") / "run"
    config = replace(Config(), generations=3, batch_size=12, archive="grid", cells=(3, 3), checkpoint_every=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qdfool.results.result.Result.draw", lambda *_: None)  # no picture is read
        qdfool.evolve(config, fake.classifier).save(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(saved, tmp_path / "run"))


@pytest.fixture
def few_pictures(monkeypatch) -> None:
    monkeypatch.setattr(qdfool.Result, "draw", three_seeds.draw_nothing)


@pytest.fixture(scope="session")
def alone(tmp_path_factory, small) -> Path:
    """Each of three seeds by a command of its own."""
    folder = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(qdfool.Result, "draw", three_seeds.draw_nothing)
        for seed in three_seeds.SEEDS:
            qdfool.evolve(replace(small, seed=seed), fake.logits, out=folder / f"seed{seed}")
    return folder


@pytest.fixture
def command(capsys) -> Callable[..., tuple[int, str, str]]:
    """The command line: its exit status, and what it printed and said of errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        captured = capsys.readouterr()
        return ended.value.code if isinstance(ended.value.code, int) else 1, captured.out, captured.err

    return run
