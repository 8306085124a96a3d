"""Links in a run folder from anywhere: what they name is never written to, emptied or removed."""

from pathlib import Path

import fake
import numpy as np
import pytest

import qdfool
from qdfool.errors import InputError
from qdfool.results import pictures
from qdfool.results.history import empty_history

pytestmark = pytest.mark.page

FILES = ("config.json", "metrics.csv", "elites.npz", "history.npz", "summary.json")


@pytest.fixture
def run(small, tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(qdfool.Result, "draw", lambda self, directory, classifier=None: None)
    qdfool.evolve(small, fake.host_logits, out=tmp_path / "run")
    return tmp_path / "run"


def test_a_run_that_goes_on_writes_through_no_link(run, tmp_path):
    other = tmp_path / "other"
    other.write_text("mine")
    for name in FILES:
        (run / f".{name}.0123abcd.part").hardlink_to(other)
    (run / "checkpoints" / ".room").symlink_to(other)
    (run / "checkpoints" / "7.orbax-checkpoint-tmp").symlink_to(tmp_path)
    (run / "checkpoints" / "8.orbax-checkpoint-tmp").write_text("no folder")
    assert qdfool.resume(run, generations=12).generations == 12
    assert other.read_text() == "mine"
    assert not [path for path in run.rglob("*") if path.is_symlink()]


def test_checkpoints_elsewhere_are_refused(run, tmp_path):
    (run / "checkpoints").rename(tmp_path / "elsewhere")
    (run / "checkpoints").symlink_to(tmp_path / "elsewhere")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="checkpoints is a link"):
        qdfool.resume(run, generations=12)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_is_thrown_away_without_what_its_links_name(small, run, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("mine")
    (run / "checkpoints").rename(tmp_path / "elsewhere")
    (run / "checkpoints").symlink_to(tmp_path / "other")
    (run / "gallery").symlink_to(tmp_path / "nothing")
    qdfool.evolve(small, fake.host_logits, out=run, overwrite=True)
    assert (tmp_path / "other" / "file").read_text() == "mine"
    assert not [path for path in run.rglob("*") if path.is_symlink()]


def test_the_folder_of_a_seed_that_is_a_link_is_refused(small, run, tmp_path):
    before = sorted(run.rglob("*"))
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds" / "seed1").symlink_to(run)
    with pytest.raises(InputError, match="seed1 is a link"):
        qdfool.evolve(small, fake.host_logits, out=tmp_path / "seeds", seeds=[0, 1], overwrite=True)
    (tmp_path / "seeds" / "seed1").unlink()
    qdfool.evolve(small, fake.host_logits, out=tmp_path / "seeds", seeds=[0])
    (tmp_path / "seeds" / "seed0").rename(tmp_path / "elsewhere")
    (tmp_path / "seeds" / "seed0").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="seed0 is a link"):
        qdfool.resume_seeds(tmp_path / "seeds", generations=12)
    assert sorted(run.rglob("*")) == before


def test_pages_are_not_drawn_into_another_folder(small, tmp_path, monkeypatch, caplog):
    for name in ("overview", "class_index_figure", "class_heatmap", "curves"):
        monkeypatch.setattr(f"qdfool.analysis.{name}", lambda *arguments: None)
    (tmp_path / "run").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "run" / "gallery").symlink_to(tmp_path / "other")
    pictures.draw(
        tmp_path / "run",
        config=small,
        class_names=[str(index) for index in range(101)],
        fitness=np.zeros(101, np.float32),
        images=lambda classes: np.zeros((len(classes), 8, 8, 1), np.uint8),
        history=empty_history(101),
        generations=1,
        maps=list,
        page=lambda: None,
    )
    assert "gallery is a link" in caplog.text
    assert list((tmp_path / "other").iterdir()) == []
