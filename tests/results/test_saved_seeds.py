"""Several seeds in a folder: each is bit for bit the run of its own command; stopped, failed, gone on with together."""

import contextlib
import io
import json
import re
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import fake
import pytest
from three_seeds import SEEDS, arguments, draw_nothing

import qdfool
from qdfool.build import with_classifier
from qdfool.engine.loop import jitted_init, run_generations
from qdfool.errors import InputError
from qdfool.files.lock import FolderLock
from qdfool.results.result import _decoder
from qdfool.results.saved_seeds import start
from qdfool.run import main

pytestmark = pytest.mark.usefixtures("few_pictures")


def is_of_its_own_command(folder: Path, alone: Path, seed: int) -> bool:
    ours, theirs = folder / f"seed{seed}", alone / f"seed{seed}"
    configs = [json.loads((run / "config.json").read_text()) for run in (ours, theirs)]
    return configs[0] == configs[1] and all(
        (ours / name).read_bytes() == (theirs / name).read_bytes() for name in ("elites.npz", "history.npz")
    )


def are_of_their_own_commands(folder: Path, alone: Path) -> bool:
    return all(is_of_its_own_command(folder, alone, seed) for seed in SEEDS)


def contents(*folders: Path) -> dict[Path, tuple[bytes, int]]:
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@pytest.fixture(scope="module")
def by_command(tmp_path_factory) -> tuple[Path, str]:
    """Three seeds by the command line, and what it said."""
    folder, said = tmp_path_factory.mktemp("command") / "seeds", io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setattr(qdfool.Result, "draw", draw_nothing)
        with pytest.raises(SystemExit) as ended:
            main(arguments(folder))
    assert ended.value.code == 0
    return folder, said.getvalue()


@pytest.fixture
def done(by_command, tmp_path, monkeypatch) -> Path:
    """A copy of them, over which no curves are drawn again."""
    monkeypatch.setattr("qdfool.results.over_seeds.draw", lambda *arguments: None)
    return shutil.copytree(by_command[0], tmp_path / "seeds")


def test_each_folder_is_that_of_its_own_command(by_command, alone):
    folder, out = by_command
    assert are_of_their_own_commands(folder, alone)
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "curves.png",
        "seed0",
        "seed5",
        "seed7",
        "summary.json",
    ]
    assert (folder / "seed7" / "checkpoints" / "10").is_dir()
    assert "3 seeds, into" in out
    assert "seed 5 (1 of 3) | generation 1 |" in out
    assert "seed 7 (3 of 3) | generation 10 |" in out
    assert "3 of 3 seeds are done; medians over them: " in out
    assert (folder / "curves.png").stat().st_size > 10_000


def test_the_summary_is_over_those_of_the_seeds(done):
    summary = json.loads((done / "summary.json").read_text())
    runs = [json.loads((done / f"seed{seed}" / "summary.json").read_text()) for seed in SEEDS]
    assert summary["runs"] == [{**run, "seed": seed} for run, seed in zip(runs, SEEDS, strict=True)]
    assert (summary["seeds"], summary["seeds_done"]) == (list(SEEDS), 3)
    for name in ("median_confidence", "qd_score", "evaluations"):
        values = sorted(run[name] for run in runs)
        figure = summary["figures"][name]
        assert figure["median"] == values[1]
        assert values[0] <= figure["low"] <= values[1] <= figure["high"] <= values[2]
    assert summary["figures"]["qd_score"]["low"] < summary["figures"]["qd_score"]["high"]


def test_python_gets_a_result_of_each_seed(small, tmp_path, alone):
    seen = []
    results = qdfool.evolve(
        small,
        fake.logits,
        out=tmp_path / "seeds",
        seeds=SEEDS,
        on_chunk=lambda result: seen.append(result.config.seed),
    )
    assert [result.config.seed for result in results] == list(SEEDS)
    assert list(dict.fromkeys(seen)) == list(SEEDS)
    assert are_of_their_own_commands(tmp_path / "seeds", alone)
    nowhere = qdfool.evolve(small, fake.logits, seeds=iter(SEEDS))
    loaded = [qdfool.load(alone / f"seed{seed}") for seed in SEEDS]
    for one, other, third in zip(results, nowhere, loaded, strict=True):
        assert one.confidences().tolist() == other.confidences().tolist() == third.confidences().tolist()
    before = contents(tmp_path / "seeds" / "seed0")
    again = qdfool.resume_seeds(tmp_path / "seeds")
    assert [result.config.seed for result in again] == list(SEEDS)
    assert again[2].confidences().tolist() == results[2].confidences().tolist()
    assert contents(tmp_path / "seeds" / "seed0") == before


@pytest.mark.slow
@pytest.mark.parametrize("archive", ["class", pytest.param("grid", marks=pytest.mark.release)])
def test_all_share_what_was_compiled(small, tmp_path, monkeypatch, archive):
    for function in (jitted_init, run_generations):
        function.cache_clear()
    _decoder.cache_clear()
    qdfool.evolve(replace(small, archive=archive), fake.classifier, seeds=range(4), out=tmp_path)
    assert (jitted_init.cache_info().misses, run_generations.cache_info().misses) == (1, 1)
    assert _decoder.cache_info().misses == 1
    runs = json.loads((tmp_path / "summary.json").read_text())["runs"]
    assert max(run["compile_seconds"] for run in runs[1:]) < max(0.1, runs[0]["compile_seconds"] / 2)
    for function in (jitted_init, run_generations):
        function.cache_clear()
    qdfool.resume_seeds(tmp_path, fake.classifier, generations=11)
    assert (jitted_init.cache_info().misses, run_generations.cache_info().misses) == (1, 1)


def test_a_signal_ends_all_after_the_chunk_and_they_go_on_together(small, tmp_path, alone, command):
    folder = tmp_path / "seeds"

    def interrupt(result: qdfool.Result) -> None:
        if result.config.seed == 0:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as ended:
        qdfool.evolve(small, fake.logits, out=folder, seeds=SEEDS, on_chunk=interrupt)
    assert str(ended.value) == (
        f"1 of 3 seeds are done, seed 0 is saved until generation 1; go on with: qdfool.resume_seeds({str(folder)!r})"
    )
    assert json.loads((folder / "summary.json").read_text())["seeds_done"] == 1
    assert not any((folder / "seed7").iterdir())
    first = contents(folder / "seed5")
    status, out, error = command("--resume", str(folder))
    assert (status, error) == (0, "")
    assert "seed 0 (1 of 2) | generation" in out
    assert "is spent" not in out
    assert contents(folder / "seed5") == first
    assert are_of_their_own_commands(folder, alone)


def test_a_seed_that_was_killed_goes_on_from_its_checkpoint_or_from_the_start(small, tmp_path, alone):
    """As a process that is killed leaves them: without the last files, or before the first checkpoint."""
    folder = tmp_path / "seeds"
    qdfool.evolve(replace(small, generations=4), fake.logits, out=folder, seeds=SEEDS)
    for name in ("summary.json", "elites.npz", "history.npz", "curves.png"):
        (folder / "seed0" / name).unlink()
    shutil.rmtree(folder / "seed7" / "checkpoints")
    for name in ("summary.json", "elites.npz", "history.npz", "curves.png"):
        (folder / "seed7" / name).unlink()
    results = qdfool.resume_seeds(folder, generations=10)
    assert [result.generations for result in results] == [10, 10, 10]
    assert are_of_their_own_commands(folder, alone)


def test_a_larger_budget_is_that_of_all(done, command, alone, tmp_path):
    assert command("--resume", str(done), "--generations", "12", "--quiet")[0] == 0
    for seed in SEEDS:
        own = shutil.copytree(alone / f"seed{seed}", tmp_path / "own" / f"seed{seed}")
        qdfool.resume(own, generations=12)
    assert are_of_their_own_commands(done, tmp_path / "own")
    assert json.loads((done / "config.json").read_text())["settings"]["generations"] == 12
    before = contents(done)
    said = command("--resume", str(done), "--generations", "11")[2]
    assert "seed5 has 12 generations already, and the budget allows 11" in said
    said = command("--resume", str(done), "--seconds", "0.00001")[2]
    assert re.search(r"seed5 has evolved for \S* seconds already, and the budget allows 1e-05", said)
    assert contents(done) == before


def test_a_classifier_that_fails_names_the_seed(command, small, tmp_path, monkeypatch):
    monkeypatch.setattr("fake.calls", -10)  # the second seed's generation 4
    folder = tmp_path / "seeds"
    status, _, error = command(*arguments(folder, classifier="fake:fails_later"), "--quiet")
    assert status == 2
    assert error.startswith(
        "qdfool: Seed 0: In generation 4, fake:fails_later failed on images [12, 8, 8, 1]:"
    )
    assert error.endswith(
        "1 of 3 seeds are done, seed 0 is saved until generation 4; go on with: python -m qdfool.run --resume "
        f"{folder}\n"
    )
    assert json.loads((folder / "summary.json").read_text())["seeds_done"] == 1
    monkeypatch.setattr("fake.calls", -100)
    assert command("--resume", str(folder), "--quiet")[0] == 0
    undisturbed = qdfool.evolve(replace(small, seed=0), fake.host_logits)
    assert qdfool.load(folder / "seed0").confidences().tolist() == undisturbed.confidences().tolist()
    assert json.loads((folder / "summary.json").read_text())["seeds_done"] == 3


def with_damaged_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def with_another_config(folder: Path) -> None:
    values = json.loads((folder / "config.json").read_text())
    values["settings"]["mutation"]["rate"] = 0.3
    (folder / "config.json").write_text(json.dumps(values))


def with_summary(text: str):
    return lambda folder: (folder / "summary.json").write_text(text)


def with_damaged_checkpoints(folder: Path) -> None:
    for path in (folder / "checkpoints").rglob("*"):
        if path.is_file():
            path.write_bytes(b"damaged")


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (shutil.rmtree, "seed0 is missing. Bring it back, or make an empty one"),
        (with_damaged_config, "seed0/config.json is damaged"),
        (
            with_another_config,
            "seed0 is a run of another config than its folder of seeds: mutation.rate: 0.3 -> 0.1",
        ),
        (with_summary('{"generations": "many"}'), "seed0/summary.json is damaged"),
        (
            with_summary('{"generations": 10, "seconds": 1, "compile_seconds": 1}'),
            "seed0/summary.json is damaged: expected numbers as evaluations",
        ),
        (with_damaged_checkpoints, "seed0/checkpoints is whole. Bring one back"),
    ],
)
def test_a_seed_that_is_missing_or_damaged_is_named_and_the_others_stay(done, command, damage, expected):
    damage(done / "seed0")
    before = contents(done)
    status, _, error = command("--resume", str(done), "--generations", "12", "--quiet")
    assert status == 2
    assert expected in error
    assert contents(done) == before


def test_a_seed_in_an_empty_folder_begins_anew(done, command, alone):
    shutil.rmtree(done / "seed0")
    (done / "seed0").mkdir()
    assert command("--resume", str(done), "--quiet") == (0, "", "")
    assert "The budget is spent already, so nothing evolves" in command("--resume", str(done))[1]
    assert are_of_their_own_commands(done, alone)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", "--seeds is given an empty text"),
        ("5:5", "--seeds 5:5 are empty"),
        ("0:3,2", "--seeds must differ; 2 is there twice"),
        ("4,4", "4 is there twice"),
        ("-1", "got '-1'"),
        ("4294967296", "between 0 and 4,294,967,295; one is 4294967296"),
        ("0:99999999999999999999", "can be at most 10,000"),
        ("one", "got 'one'"),
        ("0:10:2", "got '0:10:2'"),
        ("0:10001", "can be at most 10,000"),
    ],
)
def test_seeds_that_are_none_are_refused(command, tmp_path, typed, expected):
    status, _, error = command(
        *arguments(tmp_path / "run")[:-4], f"--seeds={typed}", "--out", str(tmp_path / "run")
    )
    assert status == 2
    assert expected in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("seeds", [(), (1, 1), (-1,), (2**32,), (0.5,), (True,), "0:3", 7, range(10**12)])
def test_seeds_that_are_none_are_refused_in_python(small, tmp_path, seeds):
    with pytest.raises(InputError, match="`seeds`"):
        qdfool.evolve(small, fake.logits, seeds=seeds)
    with pytest.raises(InputError, match="`seeds`"):
        qdfool.evolve(small, fake.logits, seeds=seeds, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_options_that_do_not_go_together(done, command, alone):
    single = str(alone / "seed5")
    for options, expected in (
        (["--seeds", "0:2", "--seed", "0"], "Leave --seed away"),
        (["--resume", str(done), "--seed", "5"], "Leave --seed away"),
        (["--resume", str(done), "--seeds", "0:10"], "Leave --seeds away"),
        (["--resume", single, "--seeds", "0:10"], "Leave --seeds away"),
        (["--resume", str(done), "--mutation.rate", "0.3"], "mutation.rate: 0.1 -> 0.3"),
        (["--resume", str(done), "--overwrite"], "give one of them"),
    ):
        status, _, error = command(*options, "--quiet")
        assert (status, expected in error) == (2, True), error


def test_a_folder_of_several_seeds_is_no_run(done, alone):
    for read in (qdfool.load, qdfool.resume):
        with pytest.raises(
            InputError, match=r"for each of 3 seeds. Expected a single one, for example .*seed5"
        ):
            read(done)
    with pytest.raises(InputError, match="is no folder of several seeds"):
        qdfool.resume_seeds(alone / "seed5")


def test_what_is_there_is_kept_unless_overwritten(done, command, tmp_path, alone):
    before = contents(done)
    assert "has a run in it" in command(*arguments(done), "--quiet")[2]
    assert "has a run in it" in command(*arguments(done)[:-4], "--out", str(done), "--quiet")[2]
    (tmp_path / "other").mkdir()
    shutil.copytree(alone / "seed7", tmp_path / "other" / "seed7")
    assert "seed7 has a run in it" in command(*arguments(tmp_path / "other"), "--quiet")[2]
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["seed7"]
    assert contents(done) == before
    (done / "seed7" / "notes.txt").write_text("mine")
    (done / "seed1").mkdir()
    (done / "seed1" / "elites.npz").write_text("of nobody's seeds")
    assert command(*arguments(done, "0,3"), "--overwrite", "--quiet") == (0, "", "")
    names = {path.name for path in done.iterdir() if path.is_dir()}
    assert names == {"seed0", "seed1", "seed3", "seed7"}
    assert [path.name for path in (done / "seed7").iterdir()] == ["notes.txt"]
    assert (done / "seed1" / "elites.npz").exists()


def test_folder_and_seeds_are_locked(small, done, command, tmp_path):
    before = contents(done)
    saved = start(small, (1, 2), tmp_path / "held", fake.logits)
    with pytest.raises(InputError, match=r"held is in use by another run"):
        qdfool.resume_seeds(tmp_path / "held")
    lock = FolderLock(tmp_path / "held" / "seed2")
    with pytest.raises(InputError, match=r"Seed 2: .*seed2 is in use by another run"):
        saved.evolve()
    lock.release()
    lock = FolderLock(done / "seed7")
    status, _, error = command(*arguments(done, "0,5"), "--overwrite", "--quiet")
    assert (status, "seed7 is in use by another run" in error) == (2, True)
    lock.release()
    assert contents(done) == before, "also of the seeds that come before it"
    assert not list(done.rglob(".lock"))


def test_a_classifier_without_a_name_is_to_be_given_again(small, tmp_path):
    def local(images):
        return fake.logits(images)

    config = replace(small, generations=1, image_shape=fake.SHAPE)
    qdfool.evolve(config, local, out=tmp_path, seeds=[1, 2])
    with pytest.raises(InputError, match=r"qdfool.resume_seeds\(.*classifier=\.\.\."):
        qdfool.resume_seeds(tmp_path)
    assert [result.generations for result in qdfool.resume_seeds(tmp_path, local, generations=2)] == [2, 2]
    assert with_classifier(config, local)[0].classifier == "local"
