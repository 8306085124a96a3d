"""Several seeds: the pictures of one are drawn while the next evolves, in a folder that is still its own."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake
import jax
import pytest
from three_seeds import SEEDS

import qdfool
from qdfool.errors import InputError
from qdfool.files.lock import FolderLock
from qdfool.results.opening import start
from qdfool.results.saved_run import evolve_together

pytestmark = pytest.mark.usefixtures("few_pictures")


@pytest.fixture
def drawn(monkeypatch) -> list[tuple[str, bool, bool, float]]:
    """Of each run whose pictures were drawn: its folder, whether by a thread of their own, whether its folder was
    locked, and what its elites were worth."""
    rows = []

    def draw(result: qdfool.Result, directory: Path, classifier: Any = None) -> None:
        with pytest.raises(InputError, match="in use"):
            FolderLock(directory)
        beside = threading.current_thread() is not threading.main_thread()
        rows.append((directory.name, beside, classifier is not None, float(result.elites.fitness.sum())))
        (directory / "curves.png").touch()

    monkeypatch.setattr(qdfool.Result, "draw", draw)
    return rows


def test_pictures_are_drawn_beside_the_next_seed_of_what_was_found(drawn, small, tmp_path):
    results = qdfool.evolve(small, fake.logits, out=tmp_path / "seeds", seeds=SEEDS)
    assert drawn == [
        (f"seed{seed}", True, True, float(result.elites.fitness.sum()))
        for seed, result in zip(SEEDS, results, strict=True)
    ]
    for seed in SEEDS:
        FolderLock(tmp_path / "seeds" / f"seed{seed}").release()


def test_what_is_drawn_later_is_copied_before_the_state_is_gone(drawn, small, tmp_path):
    saved, later = start(small, tmp_path / "run", fake.logits), []
    evolve_together((saved,), saved.what_is_saved, draw_later=later.append)
    jax.tree.map(lambda leaf: leaf.delete(), saved.run.state)
    (draw,) = later
    draw()
    assert [row[0] for row in drawn] == ["run"]
    FolderLock(tmp_path / "run").release()


@pytest.mark.parametrize(
    ("settings", "classifier"),
    [({}, fake.host_logits), ({"generations": None, "seconds": 0.01}, fake.logits)],
    ids=["on the host", "a budget in seconds"],
)
def test_what_has_no_time_to_share_is_drawn_in_turn(drawn, small, tmp_path, settings, classifier):
    qdfool.evolve(replace(small, **settings), classifier, out=tmp_path / "seeds", seeds=SEEDS)
    assert [row[:2] for row in drawn] == [(f"seed{seed}", False) for seed in SEEDS]


@pytest.mark.parametrize(
    "failing", [SEEDS[0], *(pytest.param(seed, marks=pytest.mark.release) for seed in SEEDS[1:])]
)
def test_a_disk_that_is_full_of_pictures_is_said_and_the_seed_draws_them_again(
    drawn, small, tmp_path, monkeypatch, failing
):
    folder, draw = tmp_path / "seeds", qdfool.Result.draw

    def full(result: qdfool.Result, directory: Path, classifier: Any = None) -> None:
        if directory.name == f"seed{failing}":
            raise OSError(28, "No space left on device")
        draw(result, directory, classifier)

    with monkeypatch.context() as patch:
        patch.setattr(qdfool.Result, "draw", full)
        with pytest.raises(OSError, match="No space left"):
            qdfool.evolve(small, fake.logits, out=folder, seeds=SEEDS)
    drawn.clear()
    qdfool.resume_seeds(folder, fake.logits)
    assert f"seed{failing}" in [row[0] for row in drawn]
    assert all((folder / f"seed{seed}" / "curves.png").exists() for seed in SEEDS)
