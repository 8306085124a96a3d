"""Several seeds side by side in a folder: each finds what it finds alone, but for rounding; stopped, or failed."""

import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake
import numpy as np
import pytest
from three_seeds import SEEDS, arguments

import qdfool
from qdfool.errors import InputError
from qdfool.files.lock import FolderLock
from qdfool.results import npz, saved_seeds
from qdfool.results.config_file import read_config_of_seeds
from qdfool.results.saved_seeds import resume, start

pytestmark = pytest.mark.usefixtures("few_pictures")


def is_of_its_own_command_but_for_rounding(folder: Path, alone: Path, seed: int) -> bool:
    ours, theirs = (qdfool.load(place / f"seed{seed}") for place in (folder, alone))
    same = ("birth_generation", "parent_class", "num_replacements")
    return (
        all(
            (getattr(ours.snapshot.elites, name) == getattr(theirs.snapshot.elites, name)).all()
            for name in same
        )
        and np.allclose(ours.snapshot.elites.fitness, theirs.snapshot.elites.fitness, rtol=1e-5)
        and (ours.generations, ours.config.seed) == (theirs.generations, seed)
    )


def test_seeds_side_by_side_find_what_each_finds_alone(command, alone, tmp_path):
    """Two and then one."""
    folder = tmp_path / "seeds"
    status, out, error = command(*arguments(folder), "--seeds-at-once", "2")
    assert (status, error) == (0, "")
    assert "seeds 5, 0 (1 to 2 of 3, side by side) | generation 1 | 24 evaluations in all |" in out
    assert "seed 7 (3 of 3) | generation 10 |" in out
    assert all(is_of_its_own_command_but_for_rounding(folder, alone, seed) for seed in SEEDS)
    runs = json.loads((folder / "summary.json").read_text())["runs"]
    assert runs[0]["seconds"] == runs[1]["seconds"]
    assert {path.name for path in (folder / "seed5").iterdir()} == {
        path.name for path in (alone / "seed5").iterdir()
    }


def test_seeds_side_by_side_stop_and_go_on_together(small, tmp_path, alone):
    folder, config = tmp_path / "seeds", replace(small, seeds_at_once=3, checkpoint_every=1000)

    def interrupt(result: qdfool.Result) -> None:
        if result.config.seed == 7:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as ended:
        qdfool.evolve(config, fake.logits, out=folder, seeds=SEEDS, on_chunk=interrupt)
    assert str(ended.value) == (
        "0 of 3 seeds are done, seeds 5, 0, 7 are saved until generation 1; go "
        f"on with: qdfool.resume_seeds({str(folder)!r})"
    )
    seen: list[tuple[int, int]] = []
    results = qdfool.resume_seeds(
        folder, on_chunk=lambda result: seen.append((result.config.seed, result.generations))
    )
    assert [result.config.seed for result in results] == list(SEEDS)
    assert all(result.snapshot._shared is None for result in results)
    assert len(seen) >= 3
    assert [seed for seed, _ in seen] == list(SEEDS) * (len(seen) // 3)
    assert all(is_of_its_own_command_but_for_rounding(folder, alone, seed) for seed in SEEDS)
    nowhere = qdfool.evolve(config, fake.logits, seeds=SEEDS)
    for one, other in zip(results, nowhere, strict=True):
        np.testing.assert_allclose(one.confidences(), other.confidences(), rtol=1e-5)


@pytest.mark.slow
def test_seeds_that_have_not_come_as_far_are_not_side_by_side(small, tmp_path, alone):
    """One of three was ahead of the others when all were killed."""
    folder, config = tmp_path / "seeds", replace(small, generations=4, seeds_at_once=3)
    qdfool.evolve(config, fake.logits, out=folder, seeds=SEEDS)
    (folder / "seed0" / "summary.json").unlink()
    shutil.rmtree(folder / "seed0" / "checkpoints" / "4")
    assert any((folder / "seed0" / "checkpoints").iterdir())
    turns: list[list[int]] = []
    saved = resume(replace(read_config_of_seeds(folder)[0], generations=10), folder)
    saved.evolve(on_chunk=lambda runs: turns.append([run.config.seed for run in runs]))
    assert [list(turn) for turn in dict.fromkeys(map(tuple, turns))] == [[5], [0], [7]]
    assert all(is_of_its_own_command_but_for_rounding(folder, alone, seed) for seed in SEEDS)


def test_a_classifier_that_fails_with_several_seeds_names_them_all_and_saves_each(small, tmp_path):
    folder, config = tmp_path / "seeds", replace(small, seeds_at_once=3, generations=500)
    with pytest.raises(
        InputError,
        match=r"^Seeds 5, 0, 7: In generation \d+, \d+ of 12 images of seed \d had a logit .* 0 of 3 seeds are done, "
        r"seeds 5, 0, 7 are saved until generation \d+; go on with: ",
    ):
        qdfool.evolve(config, fake.nan_when_bright, out=folder, seeds=SEEDS)
    assert all((folder / f"seed{seed}" / "elites.npz").is_file() for seed in SEEDS)


@pytest.mark.slow
def test_a_folder_in_use_ends_all_that_are_side_by_side_and_lets_the_others_go(small, tmp_path):
    folder, config = tmp_path / "seeds", replace(small, seeds_at_once=3)
    saved = start(replace(config, classifier="fake:logits"), SEEDS, folder)
    lock = FolderLock(folder / "seed0")
    with pytest.raises(InputError, match=r"^Seed 0: .*seed0 is in use by another run"):
        saved.evolve()
    assert [seed in saved.to_do() for seed in SEEDS] == [False, True, True]
    lock.release()
    saved.evolve()
    assert not saved.to_do()


@pytest.mark.slow
def test_a_seed_that_another_process_has_gone_on_with_meanwhile_evolves_by_itself(
    small, tmp_path, alone, monkeypatch
):
    """It has come further by the time when its folder is locked than it had when it was looked at."""
    folder, config = tmp_path / "seeds", replace(small, generations=4, seeds_at_once=3)
    qdfool.evolve(config, fake.logits, out=folder, seeds=SEEDS)
    qdfool.resume(folder / "seed7", generations=6)
    behind = saved_seeds.Standing(True, 4, 0.0, False)
    saved = resume(replace(read_config_of_seeds(folder)[0], generations=10), folder)
    looked_at = saved_seeds.standing
    monkeypatch.setattr(
        saved_seeds,
        "standing",
        lambda *where: behind if looked_at(*where).generations < 10 else looked_at(*where),
    )
    turns: list[tuple[int, ...]] = []
    saved.evolve(on_chunk=lambda runs: turns.append(tuple(run.config.seed for run in runs)))
    assert list(dict.fromkeys(turns)) == [(5, 0), (7,)]
    assert all(is_of_its_own_command_but_for_rounding(folder, alone, seed) for seed in SEEDS)


@pytest.mark.release
def test_a_seed_that_is_damaged_is_met_when_the_others_are_done(small, tmp_path, alone):
    folder = tmp_path / "seeds"
    qdfool.evolve(replace(small, generations=4, seeds_at_once=3), fake.logits, out=folder, seeds=SEEDS)
    saved = resume(replace(read_config_of_seeds(folder)[0], generations=10), folder)
    (folder / "seed7" / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"^Seed 7: .*2 of 3 seeds are done"):
        saved.evolve()
    assert all(is_of_its_own_command_but_for_rounding(folder, alone, seed) for seed in (5, 0))


def test_what_cannot_be_written_of_one_is_written_of_the_others(small, tmp_path, monkeypatch):
    folder, write = tmp_path / "seeds", npz.write

    def full(path: Path, *arguments: Any, **more: Any) -> None:
        if path.parent.name == "seed5":
            raise OSError(28, "No space left on device")
        write(path, *arguments, **more)

    monkeypatch.setattr("qdfool.results.npz.write", full)
    with pytest.raises(OSError, match="No space left"):
        qdfool.evolve(replace(small, seeds_at_once=3), fake.logits, out=folder, seeds=SEEDS)
    assert [(folder / f"seed{seed}" / "elites.npz").exists() for seed in SEEDS] == [False, True, True]
    assert all((folder / f"seed{seed}" / "checkpoints" / "10").is_dir() for seed in SEEDS)


def test_without_a_folder_seeds_take_turns_of_several(small):
    """Each has the results of a run alone, on the host, whichever turn it was in."""
    results = qdfool.evolve(replace(small, seeds_at_once=2), fake.logits, seeds=SEEDS)
    for seed, result in zip(SEEDS, results, strict=True):
        own = qdfool.evolve(replace(small, seed=seed), fake.logits)
        assert result.config.seed == seed
        np.testing.assert_allclose(result.confidences(), own.confidences(), rtol=1e-5)
        assert result.snapshot._shared is None  # The device is free for the next turn.


@pytest.mark.slow
def test_a_folder_of_seeds_side_by_side_goes_on_in_turn_where_it_must(small, tmp_path):
    folder = tmp_path / "seeds"
    qdfool.evolve(replace(small, seeds_at_once=3), fake.logits, out=folder, seeds=SEEDS)
    with pytest.raises(
        InputError,
        match=r"`seeds_at_once` must be 1 with a budget in `seconds`.*; got 3\. Give 1\. That is what .* began with\.$",
    ):
        qdfool.resume_seeds(folder, seconds=0.5)
    qdfool.resume_seeds(folder, seconds=0.5, seeds_at_once=1)
    assert read_config_of_seeds(folder)[0].seeds_at_once == 1


def test_a_classifier_that_cannot_take_the_images_of_several_is_told_of_the_setting(small):
    @fake.sized
    def of_one_batch(images):
        assert len(images) <= small.batch_size, "one batch at a time"
        return fake.logits(images)

    with pytest.raises(
        InputError, match=r"failed on images \[36, 8, 8, 1\].*with `seeds_at_once` 1 it is shown"
    ):
        qdfool.evolve(replace(small, seeds_at_once=3), of_one_batch, seeds=SEEDS)


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        (["--seconds", "2"], "with a budget in --seconds, which a seed has for itself; got 2"),
        (["--classifier", "fake:host_logits"], "where the classifier is called from the host"),
    ],
)
def test_what_cannot_be_side_by_side_is_refused(command, tmp_path, setting, why):
    status, _, error = command(*arguments(tmp_path / "seeds"), *setting, "--seeds-at-once", "2")
    assert status == 2
    assert f"--seeds-at-once must be 1 {why}" in error
    assert not (tmp_path / "seeds").exists()


def test_a_single_run_has_no_seeds_at_once(command, tmp_path):
    status, _, error = command("--out", str(tmp_path / "run"), "--seeds-at-once", "2")
    assert (status, error) == (
        2,
        "qdfool: --seeds-at-once is of several seeds, and this is a single run. Leave it away, or give --seeds.\n",
    )
