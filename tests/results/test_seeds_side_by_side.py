"""Several seeds side by side in a folder: each finds what it finds alone, but for rounding; stopped, or failed."""

import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import fake
import numpy as np
import pytest
from three_seeds import SEEDS, arguments

import qdfool
from qdfool.errors import InputError
from qdfool.files.lock import FolderLock
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
    """Two and then one, with a checkpoint of each on the way; stopped after the first two, and gone on with by one."""
    folder = tmp_path / "seeds"
    status, out, error = command(*arguments(folder), "--seeds-at-once", "2")
    assert (status, error) == (0, "")
    assert "seeds 5, 0 (2 of 3 side by side) | generation 1 | 24 evaluations |" in out
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
        "Saved are 0 of 3 seeds, seed 5 until generation 1, seed 0 until generation 1, seed 7 until generation 1; go "
        f"on with: qdfool.resume_seeds({str(folder)!r})"
    )
    seen: list[tuple[int, int]] = []
    results = qdfool.resume_seeds(
        folder, on_chunk=lambda result: seen.append((result.config.seed, result.generations))
    )
    assert [result.config.seed for result in results] == list(SEEDS)
    assert [seed for seed, _ in seen] == list(SEEDS) * (len(seen) // 3)
    assert all(is_of_its_own_command_but_for_rounding(folder, alone, seed) for seed in SEEDS)
    nowhere = qdfool.evolve(config, fake.logits, seeds=SEEDS)
    for one, other in zip(results, nowhere, strict=True):
        np.testing.assert_allclose(one.confidences(), other.confidences(), rtol=1e-5)


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
    assert [list(turn) for turn in dict.fromkeys(map(tuple, turns))] == [[5, 7], [0]]
    assert all(is_of_its_own_command_but_for_rounding(folder, alone, seed) for seed in SEEDS)


def test_a_classifier_that_fails_with_several_seeds_names_them_all_and_saves_each(small, tmp_path):
    folder, config = tmp_path / "seeds", replace(small, seeds_at_once=3, generations=500)
    with pytest.raises(
        InputError,
        match=r"^Seeds 5, 0, 7: In generation \d+, \d+ of 12 images of seed \d had a logit .* Saved are 0 of 3 seeds, "
        r"seed 5 until generation (\d+), seed 0 until generation \1, seed 7 until generation \1; go on with: ",
    ):
        qdfool.evolve(config, fake.nan_when_bright, out=folder, seeds=SEEDS)
    assert all((folder / f"seed{seed}" / "elites.npz").is_file() for seed in SEEDS)


def test_a_folder_in_use_ends_all_that_are_side_by_side_and_lets_the_others_go(small, tmp_path):
    folder, config = tmp_path / "seeds", replace(small, seeds_at_once=3)
    saved = start(replace(config, classifier="fake:logits"), SEEDS, folder)
    lock = FolderLock(folder / "seed0")
    with pytest.raises(InputError, match=r"^Seed 0: .*seed0 is in use by another run") as refused:
        saved.evolve()
    lock.release()
    FolderLock(folder / "seed5").release()
    del refused  # Until here it had all that was at hand when it was raised.
    saved.evolve()
    assert not saved.to_do()


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
