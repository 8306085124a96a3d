"""The folder of a small run with a grid archive, for the tests of what is read of it."""

import shutil
from dataclasses import replace
from pathlib import Path

import fake
import pytest

import qdfool
from qdfool.config import Config


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
