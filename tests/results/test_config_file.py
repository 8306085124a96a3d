"""What a run folder says of its run; and folders of a former version, which can be read and not gone on with."""

import json
import shutil
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import fake
import numpy as np
import pytest

import qdfool
from qdfool.errors import InputError
from qdfool.results.config_file import FORMAT, read_config, write_config
from qdfool.results.run import Run
from qdfool.run import main

FORMER = Path(__file__).parent / "former_run"
"""Three generations of qdfool 0.1.0: the fake classifier, binary images, a grid archive of 3 x 3 cells a class."""


@pytest.fixture
def former(tmp_path) -> Path:
    return Path(shutil.copytree(FORMER, tmp_path / "former"))


def changed(folder: Path, change) -> None:
    values = json.loads((folder / "config.json").read_text())
    change(values)
    (folder / "config.json").write_text(json.dumps(values))


def test_a_run_folder_of_the_former_version_is_read(former):
    result = qdfool.load(former)
    assert result.config.objective == "full-image"
    assert (result.classifier.name, result.classifier.reference) == ("fake:logits", "")
    with np.load(former / "elites.npz") as file:
        cells = file["cell"]
        np.testing.assert_array_equal(result.cells(), cells)
        np.testing.assert_array_equal(result.elites.num_replacements[cells], file["changes"])
        np.testing.assert_array_equal(result.confidences(), file["confidence"])
        np.testing.assert_array_equal(result.levels(cells), file["images"])
        np.testing.assert_array_equal(np.sort(result.archive.data("index")), cells)
    assert result.summary()["elites"] == json.loads((former / "summary.json").read_text())["elites"]


def test_its_run_cannot_go_on_and_the_message_names_both_versions(former, capsys):
    before = {path: path.read_bytes() for path in former.iterdir()}
    with pytest.raises(SystemExit) as ended:
        main(["--resume", str(former), "--generations", "6"])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is a run of qdfool 0.1.0 (run folder format 1)" in line
    assert f"qdfool {version('qdfool')} (format {FORMAT}) cannot go on with" in line
    assert {path: path.read_bytes() for path in former.iterdir()} == before


def test_a_folder_of_a_later_version_is_refused(former):
    changed(former, lambda values: values.update(format=FORMAT + 1, versions={"qdfool": "7.0"}))
    with pytest.raises(
        InputError, match=rf"is of qdfool 7.0 \(run folder format 3\); this is qdfool {version('qdfool')}"
    ):
        qdfool.load(former)


def test_the_classifier_is_recorded_and_comes_back(tmp_path, small):
    classifier = replace(
        fake.classifier, reference="fake:logits", file_hash="ab12", fingerprint="cd34", answers=(0.5, -1.25)
    )
    run = Run(replace(small, generations=1), classifier)
    for _ in run.advance():
        pass
    run.result().save(tmp_path / "run")
    values = json.loads((tmp_path / "run/config.json").read_text())
    assert values["format"] == FORMAT
    assert values["classifier"] == {
        "name": "fake",
        "reference": "fake:logits",
        "file_hash": "ab12",
        "fingerprint": "cd34",
        "image_shape": [8, 8, 1],
        "class_names": ["a", "b", "c", "d"],
        "answers": [0.5, -1.25],
    }
    loaded = qdfool.load(tmp_path / "run")
    assert loaded.classifier == run.result().classifier
    assert (loaded.class_names, loaded.image_shape, loaded.fingerprint) == (
        ("a", "b", "c", "d"),
        (8, 8, 1),
        "cd34",
    )
    loaded.save(tmp_path / "again")
    assert json.loads((tmp_path / "again/config.json").read_text()) == values
    # What begins a run writes the same.
    write_config(tmp_path, run.config, classifier)
    assert read_config(tmp_path)[1] == values


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        ("classifier", "class_names", "abcd"),
        ("classifier", "class_names", [1, 2, 3, 4]),
        ("classifier", "image_shape", [8, 8]),
        ("classifier", "image_shape", [8, 8, -1]),
        ("classifier", "fingerprint", None),
        ("classifier", "name", 3),
    ],
)
def test_a_damaged_description_of_the_classifier_is_named(former, group, name, value):
    changed(former, lambda values: values[group].update({name: value}))
    with pytest.raises(InputError, match=r"config.json is damaged: expected the classifier's name"):
        qdfool.load(former)


@pytest.mark.parametrize("group", ["settings", "classifier", "versions"])
def test_a_missing_group_is_named(former, group):
    changed(former, lambda values: values.update({group: []}))
    with pytest.raises(InputError, match=r"config.json is damaged: expected settings, classifier, versions"):
        qdfool.load(former)


def damaged(name, change):
    def apply(arrays):
        arrays[name] = change(arrays[name])

    return apply


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (damaged("cell", lambda cells: cells + 36), "in an archive of 36"),
        (damaged("cell", lambda cells: cells - 36), "in an archive of 36"),
        (damaged("cell", np.zeros_like), "not a list of different cells"),
        (damaged("fitness", lambda fitness: fitness[:1]), r"fitness is float32 \[1\], not float32 \[16\]"),
        (damaged("fitness", lambda fitness: fitness * np.nan), "fitness is not finite"),
        (damaged("genome", lambda genome: genome.astype(float)), "genome is float64"),
        (lambda arrays: arrays.pop("measures"), "measures is missing"),
    ],
)
def test_elites_that_do_not_fit_are_refused(former, change, said):
    with np.load(former / "elites.npz") as file:
        arrays = dict(file)
    change(arrays)
    np.savez(former / "elites.npz", **arrays)
    with pytest.raises(InputError, match=f"does not fit config.json: .*{said}"):
        qdfool.load(former)


def test_measures_of_other_cells_are_refused(former):
    with np.load(former / "elites.npz") as file:
        arrays = dict(file)
    arrays["measures"] = arrays["measures"][::-1] * 0 + np.array([0.9, 0.1], np.float32)
    np.savez(former / "elites.npz", **arrays)
    with pytest.raises(InputError, match="measures lie in other cells of the grid"):
        _ = qdfool.load(former).archive


def test_figures_that_are_missing_are_named(former):
    (former / "summary.json").write_text('{"generations": 3}')
    with pytest.raises(
        InputError, match=r"summary.json is damaged: expected numbers as generations, seconds"
    ):
        qdfool.load(former)
