"""The command line: what it leaves, and what it says to bad input."""

import json
from pathlib import Path

import numpy as np
import pytest

from qdfool.cli.options import as_options
from qdfool.presets import preset
from qdfool.run import main, parse

SMALL = ["--classifier", "fake:logits", "--batch-size", "12", "--generations", "6", "--chunk-seconds", "0.05"]


@pytest.fixture
def command(capsys):
    """Runs the command line in this process: exit status, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        captured = capsys.readouterr()
        status = ended.value.code
        return status if isinstance(status, int) else 1, captured.out, captured.err

    return run


@pytest.fixture
def done(command, tmp_path) -> Path:
    """A finished run."""
    status, _, error = command(*SMALL, "--out", str(tmp_path / "run"), "--checkpoint-every", "0")
    assert (status, error) == (0, "")
    return tmp_path / "run"


def refused(command, *arguments: str) -> str:
    status, out, error = command(*arguments)
    assert status == 2
    assert "Traceback" not in error
    return out + error


@pytest.mark.parametrize(
    ("budget", "ended_by"),
    [((), "--generations 6"), (("--generations", "99", "--evaluations", "75"), "--evaluations 75")],
)
def test_a_run_says_how_it_goes_and_leaves_its_folder(command, tmp_path, budget, ended_by):
    status, out, error = command(*SMALL, *budget, "--out", str(tmp_path / "run"))
    assert (status, error) == (0, "")
    assert "generation 1 | 12 evaluations |" in out
    assert "generation 6 | 72 evaluations |" in out
    assert ">= 99.99 %:" in out
    assert "s left" in out
    assert f", ended by {ended_by}; pictures" in out
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert f"--{summary['ended_by']} " in ended_by
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"config.json", "metrics.csv", "summary.json", "elites.npz", "checkpoints"} < names
    assert {"gallery.png", "heatmap.png", "curves.png"} < names
    assert not [name for name in names if name.endswith(".part")]


def test_the_default_folder_names_preset_and_seed(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, _ = command("mnist-binary", *SMALL, "--seed", "3", "--quiet")
    assert status == 0
    (folder,) = (tmp_path / "archives").iterdir()
    assert folder.name.startswith("mnist-binary-20")
    assert folder.name.endswith("-seed3")


def test_quiet_prints_nothing(command, tmp_path):
    assert command(*SMALL, "--quiet", "--out", str(tmp_path / "run")) == (0, "", "")


def test_the_same_command_gives_the_same_bytes_and_another_seed_others(command, tmp_path):
    for name, seed in (("one", "5"), ("two", "5"), ("three", "6")):
        assert command(*SMALL, "--quiet", "--seed", seed, "--out", str(tmp_path / name))[0] == 0
    one, two, three = ((tmp_path / name / "elites.npz").read_bytes() for name in ("one", "two", "three"))
    assert one == two
    assert one != three


def test_list_has_a_line_for_everything(command):
    status, out, _ = command("--list")
    assert status == 0
    for name in (
        "mnist-direct",
        "lenet",
        "pixels",
        "polynomial",
        "rectangle_swap",
        "tournament",
        "eccentricity",
        "imagenet-cppn",
        "inception_resnet_v2",
        "gaussian",
    ):
        assert any(line.split()[:1] == [name] and len(line.split()) > 2 for line in out.splitlines()), name


@pytest.mark.optimised
def test_a_resumed_run_ends_as_one_that_never_stopped(command, tmp_path, done):
    assert command("--resume", str(done), "--generations", "20", "--quiet")[0] == 0
    whole = tmp_path / "whole"
    assert command(*SMALL, "--generations", "20", "--quiet", "--out", str(whole))[0] == 0
    assert (done / "elites.npz").read_bytes() == (whole / "elites.npz").read_bytes()
    with np.load(done / "history.npz") as one, np.load(whole / "history.npz") as other:
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name])
    generations = [int(line.split(",")[0]) for line in (done / "metrics.csv").read_text().splitlines()[1:]]
    assert generations == sorted(set(generations))
    assert generations[-1] == 20
    assert json.loads((done / "config.json").read_text())["settings"]["generations"] == 20


@pytest.mark.parametrize(
    ("typed", "budget"),
    [
        ([], (200, None, None)),
        (["--evaluations", "300000"], (None, 300_000, None)),
        (["--evaluations=300000"], (None, 300_000, None)),
        (["--seconds", "5", "--generations", "200"], (200, None, 5.0)),
        (["--generations=200", "--evaluations", "9000"], (200, 9000, None)),
        (["--seed", "200"], (200, None, None)),
        (["--resume", "somewhere", "--evaluations", "9000"], (None, 9000, None)),
    ],
)
def test_a_budget_that_is_typed_replaces_the_one_before(typed, budget):
    config = parse(typed, preset("mnist-direct")).config
    assert (config.generations, config.evaluations, config.seconds) == budget


@pytest.mark.parametrize(
    "options", [["--generations", "1"], ["--generations=1"], ["--quiet"], ["--seed", "1", "--overwrite"]]
)
def test_a_preset_that_is_not_first_is_named(command, tmp_path, options):
    said = refused(command, *options, "mnist-grid", "--out", str(tmp_path / "run"))
    assert "The preset 'mnist-grid' stands after options. Give it first" in said
    said = refused(command, "mnist-direct", *options, "mnist-grid", "--out", str(tmp_path / "run"))
    assert "Two presets are given: 'mnist-direct' and 'mnist-grid'" in said


def test_a_folder_may_be_called_as_a_preset_is(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command(*SMALL, "--out", "mnist-grid", "--quiet")[0] == 0
    assert (tmp_path / "mnist-grid" / "config.json").exists()


def test_a_finished_run_says_that_nothing_is_left_of_its_budget(command, done):
    status, out, _ = command("--resume", str(done))
    assert status == 0
    assert "The budget is spent already, so nothing evolves" in out
    assert "is spent" not in command("--resume", str(done), "--generations", "21")[1]


def test_a_budget_that_is_typed_replaces_a_saved_one(command, done):
    assert command("--resume", str(done), "--evaluations", "100", "--quiet")[0] == 0
    assert json.loads((done / "summary.json").read_text())["generations"] == 8
    settings = json.loads((done / "config.json").read_text())["settings"]
    assert (settings["generations"], settings["evaluations"]) == (None, 100)


def test_options_are_read_into_their_settings():
    typed = ["--batch_size", "7", "--no-rounding", "--mutation.halve-every=5", "--black-pixels.inverted"]
    own = ["--encoding", "own_parts:stripes", "--measures", "fake:darkness", "ink"]
    command = parse([*typed, *own, "--mutation.operators", "own_parts:ones", "swap"], preset("mnist-cppn"))
    assert command.config == preset(
        "mnist-cppn",
        batch_size=7,
        rounding=False,
        black_pixels={"inverted": True},
        encoding="own_parts:stripes",
        measures=("fake:darkness", "ink"),
        mutation={"halve_every": 5, "operators": ("own_parts:ones", "swap")},
    )


def test_messages_name_a_setting_as_it_is_typed():
    message = "`mutation.halve_every` or `out` must be; got `other` and 'seed'."
    assert as_options(message) == "--mutation.halve-every or --out must be; got `other` and 'seed'."


NETWORK = ["--classifier", "mobilenet_v1_025", "--weights", "random", "--image-shape", "32", "32", "3"]
NETWORK += ["--batch-size", "16", "--quiet", "--out"]


@pytest.mark.optimised
@pytest.mark.parametrize("preset", [pytest.param("imagenet-cppn", marks=pytest.mark.slow), "imagenet-direct"])
def test_imagenet_runs_resume_bit_for_bit(command, tmp_path, preset):
    arguments = [preset, "--group", "animals=0-397", "plants=984-998", *NETWORK]
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert command(*arguments, str(whole), "--generations", "7")[0] == 0
    assert command(*arguments, str(stopped), "--generations", "3")[0] == 0
    assert command("--resume", str(stopped), "--generations", "7", "--quiet")[0] == 0
    assert (stopped / "elites.npz").read_bytes() == (whole / "elites.npz").read_bytes()
    names = json.loads((whole / "config.json").read_text())["classifier"]["class_names"]
    assert names == ["animals", "plants", "rest"]


@pytest.mark.slow
def test_a_run_of_a_thousand_classes_leaves_all_its_files(command, tmp_path):
    assert command("imagenet-direct", *NETWORK, str(tmp_path / "run"), "--generations", "2")[0] == 0
    with np.load(tmp_path / "run/elites.npz", allow_pickle=False) as file:
        assert file["images"].shape == (1000, 32, 32, 3)
        assert file["images"].dtype == np.uint8
        assert len(file["class_index"]) == 1000
    for name in ("gallery.png", "heatmap.png", "curves.png", "classes.png"):
        assert (tmp_path / "run" / name).stat().st_size > 10_000
    assert len(list((tmp_path / "run/gallery").glob("*.png"))) == 10


def test_a_state_too_large_to_copy_is_saved_where_it_lies(command, tmp_path, done, monkeypatch):
    monkeypatch.setattr("qdfool.results.run.COPIED_AT_MOST", 0)
    monkeypatch.setattr("qdfool.results.npz.LARGE", 0)
    whole = tmp_path / "whole"
    assert command(*SMALL, "--generations", "8", "--quiet", "--out", str(whole))[0] == 0
    assert command("--resume", str(whole), "--generations", "20", "--quiet")[0] == 0
    assert command("--resume", str(done), "--generations", "20", "--quiet")[0] == 0
    assert (done / "elites.npz").read_bytes() == (whole / "elites.npz").read_bytes()


def test_resume_of_another_config_says_which_settings_differ(command, done):
    said = refused(command, "--resume", str(done), "--seed", "9", "--mutation.rate", "0.3")
    assert "seed: 0 -> 9" in said
    assert "mutation.rate: 0.1 -> 0.3" in said
    assert "preset: 'mnist-direct' -> 'mnist-binary'" in refused(
        command, "mnist-binary", "--resume", str(done)
    )


def test_what_decides_the_settings_is_given_once(command, done, tmp_path):
    """tyro takes the last: the run of one folder would go on with the settings of the other."""
    other = tmp_path / "other"
    assert command(*SMALL, "--seed", "1", "--out", str(other), "--quiet")[0] == 0
    before = [(folder / "config.json").read_bytes() for folder in (done, other)]
    for arguments in (
        ["--resume", str(done), f"--resume={other}"],
        [f"--resume={done}", "--resume", str(done)],
    ):
        assert "--resume is there 2 times" in refused(command, *arguments, "--generations", "9")
    assert [(folder / "config.json").read_bytes() for folder in (done, other)] == before
    assert "--preset is there 2 times: 'mnist-direct', 'mnist-binary'" in refused(
        command, "--preset", "mnist-direct", "--preset=mnist-binary"
    )
    assert "Two presets" in refused(command, "mnist-direct", "--preset", "mnist-binary")


def test_resume_with_other_weights_says_so(command, done):
    values = json.loads((done / "config.json").read_text())
    values["classifier"]["fingerprint"] = "0" * 64
    (done / "config.json").write_text(json.dumps(values))
    assert "was run with other weights" in refused(command, "--resume", str(done))


def test_resume_without_a_run_or_a_checkpoint(command, tmp_path, done):
    assert "No config.json in" in refused(command, "--resume", str(tmp_path))
    assert "No folder" in refused(command, "--resume", str(tmp_path / "mistyped"))
    for path in (done / "checkpoints").iterdir():
        path.rename(tmp_path / path.name)
    assert "No checkpoint in" in refused(command, "--resume", str(done))
    (done / "checkpoints").rmdir()
    assert "No checkpoint in" in refused(command, "--resume", str(done))


def test_a_damaged_newest_checkpoint_falls_back_and_says_so(command, done):
    expected = (done / "elites.npz").read_bytes()
    for path in (done / "checkpoints" / "6" / "state").rglob("*"):
        if path.is_file():
            path.write_bytes(b"damaged")
    status, _, error = command("--resume", str(done), "--quiet")
    assert status == 0
    assert "Checkpoint 6 in" in error
    assert "Going on from checkpoint" in error
    assert (done / "elites.npz").read_bytes() == expected


def test_resume_goes_on_in_its_own_folder(command, tmp_path, done):
    assert "Leave --out away" in refused(command, "--resume", str(done), "--out", str(tmp_path / "x"))
    assert "give one of them" in refused(command, "--resume", str(done), "--overwrite")


def test_a_folder_with_a_run_is_kept_unless_overwritten(command, done):
    before = (done / "elites.npz").read_bytes()
    assert "has a run in it" in refused(command, *SMALL, "--seed", "1", "--out", str(done))
    assert (done / "elites.npz").read_bytes() == before
    assert command(*SMALL, "--seed", "1", "--out", str(done), "--overwrite", "--quiet")[0] == 0
    assert (done / "elites.npz").read_bytes() != before


def test_a_folder_that_cannot_be_made_is_named(command, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert "Cannot write to" in refused(command, *SMALL, "--out", str(tmp_path / "file" / "run"))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--preset", "mnist-drect"], "Unknown preset 'mnist-drect'"),
        (["mnist-drect"], "Unknown preset 'mnist-drect'. Did you mean 'mnist-direct'?"),
        (["--classifier", "tests/fake.py"], "Unknown classifier 'tests/fake.py'"),
        (["--classifier", "lanet"], "Unknown classifier 'lanet'. Did you mean 'lenet'?"),
        (["--archive", "grid", "--measures", "ink", "simetry"], "Did you mean 'symmetry'?"),
        (["--mutaton.rate", "0.2"], "--mutation.rate"),
        (["--batch-size", "-1"], "--batch-size must be between 0 and 1,048,576; got -1."),
        (["--mutation.rate", "-0.5"], "--mutation.rate must be between 0 and 1; got -0.5."),
        (["--encoding", "binary", "--mutation.operators", "gaussian"], "or leave --mutation.operators away."),
        (["--archive", "grid", "--ranges", "0", "2", "0", "1"], "Expected low < high, both within [0, 1]"),
        (["--weights", "no/such.safetensors"], "no/such.safetensors"),
        (["--classifier", "fake:probabilities"], "these are probabilities. Expected logits"),
        (["--classifier", "fake:always_nan"], "got NaN or infinity"),
        (["--classifier", "fake:one_number"], "Expected logits [8, K]"),
        (["--classifier", "fake:nan_when_bright", "--generations", "500"], "logit that is not finite"),
    ],
)
def test_bad_input_is_refused_with_one_clear_message(command, tmp_path, arguments, expected):
    said = refused(command, *arguments, "--out", str(tmp_path / "run"))
    assert expected in " ".join(said.replace("│", " ").split())


@pytest.mark.parametrize("name", ["mine.py", "mine"])
def test_a_file_that_does_not_say_what_in_it_is_the_classifier(command, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("raise SystemExit")
    assert "Expected which function in it is the classifier, as mine:NAME." in refused(
        command, "--classifier", name
    )


def test_a_classifier_that_fails_in_the_middle_is_named_and_nothing_is_lost(command, tmp_path, monkeypatch):
    monkeypatch.setattr("fake.calls", 0)
    folder = tmp_path / "run"
    said = refused(command, *SMALL, "--classifier", "fake:fails_later", "--out", str(folder))
    assert "In generation 4, fake:fails_later failed on images [12, 8, 8, 1]: ConnectionError" in said
    assert "Everything until generation 4 is saved" in said
    assert json.loads((folder / "summary.json").read_text())["generations"] == 4
    assert (folder / "checkpoints" / "4").is_dir()


def test_nan_in_the_middle_loses_nothing(command, tmp_path):
    folder = tmp_path / "run"
    bright = ["--classifier", "fake:nan_when_bright", "--generations", "500", "--out", str(folder)]
    said = refused(command, *SMALL, *bright)
    assert "logit that is not finite" in said
    assert "is saved; go on with" in said
    assert np.isfinite(np.load(folder / "elites.npz")["fitness"]).all()


def test_a_disk_that_fills_up_is_named_and_what_was_saved_stays(command, done, monkeypatch):
    before = {path: path.read_bytes() for path in done.rglob("*") if path.is_file()}

    def full(*arguments, **settings):
        raise OSError(28, "No space left on device", "elites.npz")

    monkeypatch.setattr(np, "savez_compressed", full)
    status, _, error = command("--resume", str(done), "--generations", "8", "--quiet")
    assert status == 1
    assert "No space left on device: elites.npz. What was saved before is whole" in error
    assert {path: path.read_bytes() for path in before if path.name == "elites.npz"} == {
        path: content for path, content in before.items() if path.name == "elites.npz"
    }
    assert not list(done.glob(".*.part"))
