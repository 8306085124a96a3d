"""Runs and seeds that were killed, or found no room, while they were written, and whose files, or JAX's settings, have
changed since: to go on makes all of it what it would have been, or says why it cannot."""

import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import fake
import pytest
from three_seeds import SEEDS, draw_nothing

import qdfool
from qdfool.errors import InputError
from qdfool.inspect import make_page
from qdfool.results import run_folder
from qdfool.results.checkpoint import Checkpoints
from qdfool.results.comparison import read_groups
from qdfool.results.pictures import draw

pytestmark = pytest.mark.usefixtures("few_pictures")
SEED = f"seed{SEEDS[0]}"


@pytest.fixture
def seeds(small, tmp_path) -> Path:
    """The folder of two seeds that are done."""
    folder = tmp_path / "seeds"
    qdfool.evolve(small, fake.logits, out=folder, seeds=SEEDS[:2])
    return folder


def test_a_summary_is_written_when_the_checkpoint_is_whole(small, tmp_path, monkeypatch):
    save, write, found = Checkpoints._save, run_folder.write_json, []
    others_are_there = threading.Event()

    def late(*arguments):
        assert others_are_there.wait(60)
        save(*arguments)

    def seen(path, values):
        if path.name == "summary.json":
            found.append((path.parent / "checkpoints" / "10").is_dir())
        write(path, values)

    def then(path, rows, write_metrics=run_folder.write_metrics):
        write_metrics(path, rows)
        if (path.parent / "elites.npz").exists():
            others_are_there.set()

    monkeypatch.setattr(Checkpoints, "_save", late)
    monkeypatch.setattr(run_folder, "write_json", seen)
    monkeypatch.setattr(run_folder, "write_metrics", then)
    qdfool.evolve(replace(small, checkpoint_every=1000.0), fake.logits, out=tmp_path / "run")
    assert found == [True]


def test_a_seed_whose_only_checkpoint_found_no_room_begins_anew(small, tmp_path, monkeypatch, alone):
    folder = tmp_path / "seeds"
    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "_make_sure_of_room", full)
        with pytest.raises(OSError, match="one of several seeds begins anew with `resume`"):
            qdfool.evolve(replace(small, checkpoint_every=1000.0), fake.logits, out=folder, seeds=SEEDS[:2])
    assert not (folder / SEED / "summary.json").exists()
    qdfool.resume_seeds(folder)
    assert (folder / SEED / "elites.npz").read_bytes() == (alone / SEED / "elites.npz").read_bytes()


def full(checkpoints: Checkpoints, needed: int) -> None:
    raise OSError(28, "No space left on device")


def test_pictures_of_a_smaller_budget_are_drawn_again(seeds, monkeypatch):
    def killed(result: qdfool.Result, directory: Path, classifier: object = None) -> None:
        """Before it drew."""

    (seeds / SEED / "report-partial.html").write_text("of what was there")
    with monkeypatch.context() as patched:
        patched.setattr(qdfool.Result, "draw", killed)
        qdfool.resume_seeds(seeds, generations=12)
    assert not (seeds / SEED / "curves.png").exists()
    assert not (seeds / SEED / "report-partial.html").exists()
    drawn = []

    def draws(result: qdfool.Result, directory: Path, classifier: object = None) -> None:
        drawn.append(directory.name)
        draw_nothing(result, directory)

    monkeypatch.setattr(qdfool.Result, "draw", draws)
    qdfool.resume_seeds(seeds, generations=12)
    assert sorted(drawn) == sorted(f"seed{seed}" for seed in SEEDS[:2])


def test_the_picture_that_says_all_are_there_is_drawn_last(small, tmp_path, monkeypatch):
    names = []
    monkeypatch.setattr("qdfool.results.pictures._attempt", lambda path, picture: names.append(path.name))
    result = qdfool.evolve(replace(small, generations=1), fake.logits)
    draw(
        tmp_path,
        config=result.config,
        class_names=result.class_names,
        fitness=result.snapshot.fitness_of(result.best()),
        images=lambda classes: result.levels(result.best()[classes]),
        history=result.history,
        generations=1,
        maps=list,
        page=lambda: None,
    )
    assert names == ["gallery.png", "heatmap.png", "report.html", "curves.png"]


@pytest.mark.parametrize("name", ["elites.npz", "history.npz"])
@pytest.mark.parametrize("size", [0, 300])
def test_what_is_damaged_is_written_again_from_the_checkpoint(seeds, name, size):
    path = seeds / SEED / name
    before = path.read_bytes()
    path.write_bytes(before[:size])
    qdfool.resume_seeds(seeds)
    assert path.read_bytes() == before


@pytest.mark.parametrize("where", [Path(), Path(SEED)])
def test_a_folder_in_the_place_of_a_file_is_named(seeds, where):
    path = seeds / where / "summary.json"
    path.unlink()
    path.mkdir()
    with pytest.raises(
        InputError, match=r"summary\.json is a folder, where a run writes a file of that name\."
    ):
        qdfool.resume_seeds(seeds, generations=12)


def test_a_folder_in_the_place_of_a_file_of_a_run_is_named(alone, tmp_path):
    folder = shutil.copytree(alone / SEED, tmp_path / "run")
    (folder / "report.html").mkdir()
    with pytest.raises(InputError, match=r"report\.html is a folder"):
        qdfool.resume(folder, generations=12)


@pytest.mark.parametrize("saved", [{"jax_enable_x64": True}, {"jax_threefry_partitionable": "\x1b[2J"}])
def test_settings_of_jax_that_draw_other_numbers_are_named(alone, tmp_path, saved):
    folder = with_settings_of_jax(alone, tmp_path, saved)
    with pytest.raises(
        InputError, match=rf"began with JAX's setting {next(iter(saved))} .*which draws other"
    ) as error:
        qdfool.resume(folder, generations=12)
    assert "\x1b" not in str(error.value)


@pytest.mark.parametrize("saved", [None, [], {}, {"jax_debug_nans": True}])
def test_settings_of_jax_that_a_run_does_not_say_are_those_of_here(alone, tmp_path, saved):
    folder = with_settings_of_jax(alone, tmp_path, saved)
    assert qdfool.resume(folder, generations=12).generations == 12


def with_settings_of_jax(alone: Path, tmp_path: Path, saved: object) -> Path:
    folder = shutil.copytree(alone / SEED, tmp_path / "run")
    values = json.loads((folder / "config.json").read_text())
    assert values["jax_settings"] == {
        "jax_enable_x64": False,
        "jax_random_seed_offset": 0,
        "jax_threefry_partitionable": True,
    }
    (folder / "config.json").write_text(json.dumps({**values, "jax_settings": saved}))
    return folder


def test_a_run_without_its_summary_is_one_to_go_on_with(alone, tmp_path):
    folder = shutil.copytree(alone / SEED, tmp_path / "run")
    (folder / "summary.json").unlink()
    with pytest.raises(
        InputError, match=r"ended before it saved its results.*`resume` .*run goes on with it"
    ):
        qdfool.load(folder)


@pytest.mark.parametrize("name", ["report.html", "curves.png"])
def test_a_page_or_picture_alone_is_of_no_run(tmp_path, name):
    """It may be of an audit or a comparison."""
    (tmp_path / name).write_text("of something else")
    with pytest.raises(InputError, match="No run in"):
        make_page(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("report.html", "of something else"),
        ("metrics.csv", "epoch,loss"),
        ("checkpoints/model.safetensors", "weights"),
        ("config.json", "{"),
        ("config.json", '{"architectures": ["ResNet"]}'),
        ("config.json", '{"settings": {}, "classifier": {}, "versions": "1"}'),
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_of_no_run_is_left_alone(small, tmp_path, name, text, overwrite):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    there = f"what a run would write over: {Path(name).parts[0]}. Move them away, or give another `out`"
    with pytest.raises(InputError, match=rf"has no whole config\.json of a run, but {there}"):
        qdfool.evolve(small, fake.logits, out=tmp_path, overwrite=overwrite)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file]
    assert file.read_text() == text


def test_what_is_half_thrown_away_can_be_thrown_away(small, alone, tmp_path, monkeypatch):
    """As a process leaves it that is killed while it throws a run away."""
    folder, unlink = shutil.copytree(alone / SEED, tmp_path / "run"), Path.unlink

    def killed(path: Path, missing_ok: bool = False) -> None:
        if path.name == "elites.npz":
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            qdfool.evolve(small, fake.logits, out=folder, overwrite=True)
    assert not (folder / "curves.png").exists()
    assert (folder / "config.json").exists()
    assert qdfool.evolve(small, fake.logits, out=folder, overwrite=True).generations == 10


def test_a_run_that_was_stopped_is_compared_and_named(alone, tmp_path, caplog):
    """As one that was to go on, to a larger budget, and was killed: its summary is of the smaller one."""
    folder = shutil.copytree(alone / SEED, tmp_path / "run")
    assert json.loads((folder / "summary.json").read_text())["ended_by"] == "generations"
    values = json.loads((folder / "config.json").read_text())
    values["settings"]["generations"] *= 2
    (folder / "config.json").write_text(json.dumps(values))
    read_groups([folder, alone / f"seed{SEEDS[1]}"])
    assert caplog.messages == [
        f"{folder} was stopped before its budget was spent, and is compared as it is. `resume` {folder} goes on with "
        "it."
    ]


def test_a_summary_of_more_figures_than_a_run_has_is_not_compared(alone, tmp_path):
    folder = shutil.copytree(alone / SEED, tmp_path / "run")
    summary = json.loads((folder / "summary.json").read_text())
    summary |= {f"figure {number}": number for number in range(101)}
    (folder / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(InputError, match=r"summary\.json is damaged: a run has at most 100 figures"):
        read_groups([folder])


def test_how_what_is_there_goes_on_is_said_as_it_can(small, seeds, alone, tmp_path):
    for folder, way in ((seeds, "`resume_seeds`"), (alone / SEED, "`resume`")):
        with pytest.raises(InputError, match=rf"Give another `out`, or go on with {way} .*; `overwrite`"):
            qdfool.evolve(small, fake.logits, out=folder)
    asked = qdfool.AskTell(small, fake.SHAPE, ["a", "b", "c", "d"])
    asked.result().save(tmp_path)
    with pytest.raises(InputError, match=r"Give another `out`; `overwrite` would throw"):
        asked.result().save(tmp_path)


def test_the_folder_of_an_audit_is_named(tmp_path):
    (tmp_path / "audit.json").write_text("{}")
    for read in (qdfool.load, make_page, qdfool.resume):
        with pytest.raises(
            InputError, match="is the folder of an audit, which has its runs in folders of their own"
        ):
            read(tmp_path)
