"""The workbench: units that are saved, settings that must fit, reports and results that come again."""

import json
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import pytest

from qdfool.analysis.statistics import interval
from qdfool.errors import InputError, printable
from qdfool.studies import __main__ as command_line
from qdfool.studies import origin, study
from qdfool.studies.report import Named, Report
from qdfool.studies.study import Study, Workbench

PICTURE = b"a picture"


@dataclass(frozen=True)
class Settings:
    factor: float = 2.0

    def check(self) -> None:
        if self.factor < 0:
            raise InputError(f"--factor must be at least 0; got {self.factor}.")


class Fake:
    """A study of four units that can be interrupted before one of them."""

    def __init__(self) -> None:
        self.computed: list[tuple[str, int]] = []
        self.stop_before = -1

    def __call__(self, bench: Workbench) -> None:
        bench.expect(2 * len(bench.seeds))
        for condition in ("one", "two"):

            def compute(seed: int, condition: str = condition) -> dict[str, object]:
                if len(self.computed) == self.stop_before:
                    raise KeyboardInterrupt
                self.computed.append((condition, seed))
                return {"value": bench.settings.factor * jax.random.normal(jax.random.key(seed))}

            found = bench.units(condition, compute)
            bench.results[condition] = interval(found["value"])
        bench.report.section("Answer")
        bench.report.table(["condition", "value"], list(bench.results.items()))
        path = bench.picture("nothing")
        path.write_bytes(PICTURE)
        bench.report.picture(path, "Nothing")

    def study(self) -> Study:
        return Study("fake", "asks nothing", "Nothing", 3, 2, Settings(), self)


@pytest.fixture
def fake(monkeypatch) -> Fake:
    made = Fake()
    monkeypatch.setattr(command_line, "study", lambda name: made.study())
    return made


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        command_line.main([str(argument) for argument in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_study_leaves_report_results_and_pictures(fake, tmp_path, capsys):
    assert call("fake", "--out", tmp_path, "--publish", tmp_path / "docs") == 0
    assert fake.computed == [("one", 0), ("one", 1), ("one", 2), ("two", 0), ("two", 1), ("two", 2)]
    report = (tmp_path / "report.md").read_text()
    assert "python -m qdfool.studies fake" in report
    assert "![Nothing](fake-nothing.png)" in report
    assert "![Nothing](fake/fake-nothing.png)" in (tmp_path / "docs" / "fake.md").read_text()
    assert (tmp_path / "docs" / "fake" / "fake-nothing.png").read_bytes() == PICTURE
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["seeds"] == 3
    assert results["results"]["one"]["seeds"] == 3
    assert "fake [6/6] two, seed 2" in capsys.readouterr().out


def test_an_interrupted_study_goes_on_at_its_unit(fake, tmp_path, capsys):
    whole = tmp_path / "whole"
    assert call("fake", "--out", whole) == 0
    fake.computed.clear()
    fake.stop_before = 4
    assert call("fake", "--out", tmp_path / "parts") == 130
    assert "go on with the same command" in capsys.readouterr().err
    assert not (tmp_path / "parts" / "results.json").exists()
    fake.stop_before = -1
    assert call("fake", "--out", tmp_path / "parts") == 0
    assert fake.computed == [("one", 0), ("one", 1), ("one", 2), ("two", 0), ("two", 1), ("two", 2)]
    assert "one, seed 0: saved before" in capsys.readouterr().out
    assert (tmp_path / "parts" / "results.json").read_bytes() == (whole / "results.json").read_bytes()


def test_more_seeds_go_on_and_a_damaged_unit_is_computed_again(fake, tmp_path):
    assert call("fake", "--out", tmp_path, "--seeds", 2) == 0
    unit = tmp_path / "units" / "one-seed1.npz"
    unit.write_bytes(unit.read_bytes()[:-100])
    fake.computed.clear()
    assert call("fake", "--out", tmp_path, "--seeds", 3) == 0
    assert fake.computed == [("one", 1), ("one", 2), ("two", 2)]


def test_overwrite_computes_anew(fake, tmp_path):
    assert call("fake", "--out", tmp_path) == 0
    assert call("fake", "--out", tmp_path, "--overwrite", "--factor", 3) == 0
    assert len(fake.computed) == 12


def test_a_unit_of_other_code_data_or_versions_is_computed_again_and_the_log_says_why(
    fake, tmp_path, monkeypatch
):
    logged = []

    def value(of: float, inputs: str = "") -> float:
        bench = Workbench(fake.study(), tmp_path, settings=Settings(), log=logged.append)
        return float(bench.unit("one", 0, lambda: {"value": of}, inputs=inputs)["value"])

    here = origin.origin()
    assert set(here) == {
        "code",
        "data",
        "device",
        "jax",
        "jaxlib",
        "flax",
        "numpy",
        "optax",
        "scikit-learn",
        "scipy",
    }
    assert here["code"] == origin.code_digest(origin.PACKAGE)
    assert here["jax"] == jax.__version__
    with monkeypatch.context() as patched:
        patched.setattr(origin.mnist, "FILES", origin.mnist.FILES[1:])
        assert origin.origin()["data"] != here["data"]
    assert (value(0), value(1)) == (0, 0)
    assert logged[-1].endswith("one, seed 0: saved before")
    for name, reason in (
        ("code", "other code"),
        ("data", "other data"),
        ("jax", f"jax {here['jax']} instead of another"),
    ):
        monkeypatch.setattr(study, "origin", lambda name=name: here | {name: "another"})
        assert value(2) == 2, name
        assert f"computed again: the saved unit is of {reason}" in logged[-1]
        monkeypatch.setattr(study, "origin", lambda: here)
        assert value(3) == 3, name
    assert value(4, inputs="weights") == 4
    assert "the saved unit is of other inputs" in logged[-1]
    unit = tmp_path / "units" / "one-seed0.npz"
    np.savez(unit, value=5.0, _seconds=0.0, _inputs="weights")  # as they were saved before
    assert value(6, inputs="weights") == 6
    assert "does not say what it was made with" in logged[-1]
    unit.write_bytes(b"")
    assert value(7, inputs="weights") == 7
    assert "the saved unit is damaged" in logged[-1]


def test_the_code_of_a_unit_is_all_that_computes_and_no_wording(tmp_path):
    for name in ("engine/step.py", "studies/study.py", "studies/one/evolution.py", "results/pictures.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    before = origin.code_digest(tmp_path)
    for name in ("studies/one/report.py", "studies/report.py", "analysis/charts.py", "studies/named/one.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("words")
    assert origin.code_digest(tmp_path) == before
    digests = {before}
    for name in ("engine/step.py", "studies/one/evolution.py", "results/pictures.py", "engine/new.py"):
        (tmp_path / name).write_text("2")
        digests.add(origin.code_digest(tmp_path))
    assert len(digests) == 5


def test_files_that_do_not_count_as_code_exist():
    names = {path.name for path in (origin.PACKAGE / "studies").rglob("*.py")}
    assert names >= origin.AFTERWARDS
    assert all((origin.PACKAGE / folder).is_dir() for folder in origin.AFTERWARDS_FOLDERS)


def test_units_of_other_inputs_are_computed_again(fake, tmp_path):
    bench = Workbench(fake.study(), tmp_path, settings=Settings(), log=lambda text: None)
    values = [
        float(bench.unit("one", 0, lambda value=value: {"value": value}, inputs=inputs)["value"])
        for value, inputs in ((1.0, "a"), (2.0, "a"), (3.0, "b"))
    ]
    assert values == [1, 1, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "1"], "--seeds must be between 2 and 100; got 1"),
        (["--seeds", "101"], "--seeds must be between 2 and 100; got 101"),
        (["--factor", "-1"], "--factor must be at least 0; got -1.0"),
    ],
)
def test_settings_out_of_range_are_refused_before_work(fake, tmp_path, capsys, arguments, message):
    assert call("fake", "--out", tmp_path / "new", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
    assert not fake.computed


@pytest.mark.parametrize("arguments", [["--seeds", "two"], ["--quick", "7"], ["--nothing"]])
def test_what_is_no_option_is_refused(fake, arguments):
    assert call("fake", *arguments) == 2


def test_a_folder_holds_one_study_of_one_setting(fake, tmp_path, capsys):
    assert call("fake", "--out", tmp_path) == 0
    assert call("fake", "--out", tmp_path, "--factor", 5) == 2
    assert call("fake", "--out", tmp_path, "--quick") == 2
    assert "Give another folder with --out" in capsys.readouterr().err
    theirs = tmp_path / "theirs"
    (theirs / "units").mkdir(parents=True)
    (theirs / "units" / "mine.txt").write_text("keep")
    assert call("fake", "--out", theirs, "--overwrite") == 2
    assert (theirs / "units" / "mine.txt").read_text() == "keep"


def test_a_command_that_was_refused_claims_no_folder(fake, tmp_path, capsys, monkeypatch):
    def refused(bench: Workbench) -> None:
        raise InputError("no weights")

    monkeypatch.setattr(Fake, "__call__", lambda self, bench: refused(bench))
    assert call("fake", "--out", tmp_path / "new", "--factor", 3) == 2
    assert not (tmp_path / "new").exists()
    file = tmp_path / "file"
    file.write_text("mine")
    assert call("fake", "--out", file) == 2
    assert call("fake", "--out", tmp_path / "new", "--publish", file) == 2
    assert capsys.readouterr().err.count("is a file. Expected a folder") == 2
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 200_000 + b"]" * 200_000,
        b"[1, 2]",
        b"\xff",
        b'{"study": "\x1b[2J"}',
        b'{"study": "\\u001b[2J"}',
    ],
    ids=["deep", "a list", "no text", "no JSON", "another's"],
)
def test_what_says_whose_units_these_are_is_refused_in_a_line(fake, tmp_path, capsys, content):
    assert call("fake", "--out", tmp_path) == 0
    (tmp_path / "units" / "study.json").write_bytes(content)
    capsys.readouterr()
    assert call("fake", "--out", tmp_path) == 2
    said = capsys.readouterr().err
    assert said[:-1].isprintable()
    assert len(said) < 2000
    assert ("study.json is damaged" in said) == ("u001b" not in content.decode(errors="replace"))
    assert call("fake", "--out", tmp_path, "--overwrite") == 0


@pytest.mark.parametrize("option", ["--out", "--publish"])
@pytest.mark.parametrize("folder", ["/proc/mine", "file/mine", "a\0b"])
def test_a_folder_that_cannot_be_written_is_refused_before_work(
    fake, tmp_path, capsys, monkeypatch, option, folder
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert call("fake", "--out", tmp_path / "out", option, folder) == 2
    assert f"Cannot write to {printable(folder)}" in capsys.readouterr().err
    assert fake.computed == []
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_paths_are_printed_and_not_obeyed(fake, tmp_path, capsys):
    attack = "\x1b[2J\r\n\u202eqdfool: all good"
    assert call("fake", "--out", tmp_path / attack) == 0
    printed = capsys.readouterr().out
    assert all(line.isprintable() for line in printed.splitlines())
    assert printable(attack) in printed


def test_seeds_may_be_computed_side_by_side(fake, tmp_path):
    bench = Workbench(fake.study(), tmp_path, settings=Settings(), seeds=7, log=lambda text: None)
    found = bench.units("one", lambda seed: {"value": 10 * seed}, workers=3)
    assert found["value"].tolist() == [0, 10, 20, 30, 40, 50, 60]
    again = bench.units("one", lambda seed: {"value": -1}, workers=1)
    assert again["value"].tolist() == found["value"].tolist()


def test_a_full_disk_is_named(fake, tmp_path, capsys, monkeypatch):
    def full(*arguments: object, **settings: object) -> None:
        raise OSError(28, "No space left on device", "a unit")

    monkeypatch.setattr(np, "savez_compressed", full)
    assert call("fake", "--out", tmp_path) == 1
    assert (
        "No space left on device: a unit. Units that are done are saved; make room" in capsys.readouterr().err
    )


def test_missing_data_says_what_to_put_where(fake, tmp_path, monkeypatch):
    monkeypatch.delenv("QDFOOL_WEIGHTS", raising=False)
    bench = Workbench(fake.study(), tmp_path / "a", settings=Settings(), data=tmp_path)
    with pytest.raises(InputError, match=r"needs net\.safetensors\. Put it into a folder"):
        bench.weights("net.safetensors")
    bench = Workbench(fake.study(), tmp_path / "a", settings=Settings(), weights=tmp_path)
    with pytest.raises(InputError, match=r"no net.safetensors in .*Expected that file there"):
        bench.weights("net.safetensors")
    monkeypatch.setattr("qdfool.data.mnist.MIRRORS", ())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    bench = Workbench(fake.study(), tmp_path / "a", settings=Settings(), data=Path(tmp_path / "none"))
    with pytest.raises(InputError, match=r"t10k-labels-idx1-ubyte"):
        bench.mnist()


def test_names_are_checked_and_listed(capsys):
    assert call("--list") == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == list(command_line.STUDIES)
    assert call("ga-operator") == 2
    assert "Did you mean 'ga-operators'?" in capsys.readouterr().err
    assert call() == 2
    assert "Expected the name of a study" in capsys.readouterr().err


def test_a_report_escapes_and_refuses_crooked_tables(tmp_path):
    report = Report("Title")
    report.named([Named("a | b", "here", "`there`")])
    with pytest.raises(ValueError, match="A row of 2 cells was expected"):
        report.table(["a", "b"], [("only one",)])
    report.write(tmp_path / "report.md")
    assert "| a \\| b | here | `there` |" in (tmp_path / "report.md").read_text()
