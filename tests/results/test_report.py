"""The page that a run leaves: what is on it, when the classifier is asked, and what a damaged folder still shows."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import fake
import numpy as np
import pytest

import qdfool
from qdfool.build import build_classifier
from qdfool.errors import InputError
from qdfool.results import report
from qdfool.results.report import asked_about, kept_of, report_of, write_page
from qdfool.results.salvage import salvaged

pytestmark = pytest.mark.page

SAMPLE = Path(__file__).parents[2] / "archives/mnist-direct-sample"


@pytest.fixture
def sample(tmp_path) -> Path:
    return Path(shutil.copytree(SAMPLE, tmp_path / "sample"))


@pytest.fixture(scope="module")
def loaded() -> qdfool.Result:
    return qdfool.load(SAMPLE)


def data_of(page: Path) -> dict:
    (text,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL
    )
    return json.loads(text)


def test_a_run_leaves_a_page_with_what_its_classifier_says(sample, loaded):
    write_page(sample, loaded, build_classifier(loaded.config))
    page, shown = sample / "report.html", data_of(sample / "report.html")
    assert page.stat().st_size < 5_000_000
    with np.load(sample / "elites.npz") as arrays:
        assert shown["elites"]["cell"] == arrays["cell"].tolist()
        assert shown["elites"]["parent"] == arrays["parent_class"].tolist()
    assert [row[0][0] for row in shown["elites"]["top"]] == list(range(10))
    text = page.read_text()
    assert "lenet is at least 99.99\N{NO-BREAK SPACE}% sure of an image of nothing" in text
    assert "python -m qdfool.run mnist-direct" in text
    assert '<section class="notes"' not in text


def test_the_page_is_the_same_again(sample, loaded):
    classifier, pages = build_classifier(loaded.config), set()
    for result in (loaded, qdfool.load(sample)):
        write_page(sample, result, classifier)
        pages.add((sample / "report.html").read_bytes())
    assert len(pages) == 1


def test_a_classifier_on_the_host_or_one_that_failed_is_not_asked_again(small, tmp_path):
    for number, classifier in enumerate((fake.host_logits, None)):
        result = qdfool.evolve(replace(small, generations=2), fake.host_logits)
        report.run_folder.write_json(tmp_path / "config.json", {})
        built = None if classifier is None else replace(fake.classifier, traceable=False, logits=never)
        write_page(tmp_path, result, built)
        assert data_of(tmp_path / "report.html")["elites"]["top"] is None, number
        assert (
            f"it was not asked again. python -m qdfool.inspect {tmp_path} asks it."
            in (tmp_path / "report.html").read_text()
        )


def never(parameters, images):
    raise AssertionError("it was asked")


def test_a_classifier_that_fails_costs_what_it_says(sample, loaded):
    def failing(parameters, images):
        raise ValueError("no more <b>")

    write_page(sample, loaded, replace(build_classifier(loaded.config), logits=failing))
    text = (sample / "report.html").read_text()
    assert "What the classifier says of each elite is not here" in text
    assert "ValueError: no more &lt;b&gt;" in text
    assert data_of(sample / "report.html")["elites"]["top"] is None


def test_what_takes_long_is_left_to_inspect(sample, loaded, monkeypatch):
    monkeypatch.setattr(report, "BATCH", 2)
    monkeypatch.setattr(report, "SECONDS", 0.0)
    write_page(sample, loaded, build_classifier(loaded.config))
    assert "it would have taken long" in (sample / "report.html").read_text()
    assert data_of(sample / "report.html")["elites"]["top"] is None


def test_a_grid_archive_has_its_grid_and_measures(folder):
    result = qdfool.load(folder)
    page = report_of(kept_of(result, {}, asked_about(result, fake.classifier)))
    assert page.grid is not None
    assert page.grid.cells == (3, 3)
    assert page.grid.measures == ("ink", "eccentricity")
    assert page.elites is not None
    np.testing.assert_array_equal(page.elites.cell, result.cells())
    np.testing.assert_array_equal(page.elites.class_index, result.cells() // 9)
    np.testing.assert_array_equal(page.elites.measures, result.elites.measures[result.cells()])
    assert page.headline.startswith("In the median over its 4 classes, the classifier is ")


def test_the_headline_says_no_more_than_is_so(loaded):
    kept = kept_of(loaded, {"classifier": {"name": "net"}}, None)
    whole = kept.elites
    assert whole is not None

    def headline(*odds: float) -> str:
        table = replace(whole, fitness=np.array(odds), class_index=np.arange(len(odds)))
        return report_of(replace(kept, class_names=["a", "b", "c"], elites=table)).headline.replace(
            "\xa0", " "
        )

    sure = "net is at least 99.99 % sure of an image of nothing, for"
    assert headline(12, 13, 14) == f"{sure} every one of its 3 classes."
    assert headline(12, 13, 9) == f"{sure} 2 of its 3 classes."
    assert headline(12, 13) == f"{sure} 2 of its 3 classes."
    assert (
        headline(0, 0, 12) == "In the median over its 3 classes, net is 50.0 % sure of an image of nothing."
    )
    assert headline() == "Of this run on net, no elites can be shown."


@pytest.mark.parametrize("name", ["config.json", "summary.json", "elites.npz", "history.npz"])
@pytest.mark.parametrize("how", ["gone", "cut"])
def test_what_is_left_of_a_folder_is_shown_and_what_is_missing_said(sample, name, how):
    path = sample / name
    content = path.read_bytes()
    path.unlink()
    if how == "cut":
        path.write_bytes(content[: len(content) // 2])
    kept = salvaged(sample)
    assert name in " ".join(kept.notes)
    page = report_of(kept)
    assert (page.elites is None) == (name == "elites.npz")
    assert page.growth is not None, "metrics.csv has some of it"
    assert (page.growth.fitness is None) == (name in ("history.npz", "config.json"))
    assert bool(page.command) == (name != "config.json")
    assert len(page.class_names) == 10
    if page.elites is not None:
        with np.load(sample / "elites.npz") as arrays:
            np.testing.assert_array_equal(page.elites.images(np.arange(10)), arrays["images"])


def test_a_run_of_a_later_version_is_shown_with_its_names(sample):
    values = json.loads((sample / "config.json").read_text())
    (sample / "config.json").write_text(json.dumps({**values, "format": 99}))
    with pytest.raises(InputError, match="format"):
        qdfool.load(sample)
    kept = salvaged(sample)
    assert "reads formats 1 to 2" in kept.notes[0]
    assert kept.class_names == [str(digit) for digit in range(10)]
    page = report_of(kept)
    assert page.elites is not None
    assert page.tables["Versions"]
    assert len(page.elites) == 10


def test_elites_that_do_not_agree_with_their_digest_are_not_shown(sample):
    with np.load(sample / "elites.npz") as arrays:
        changed = {name: arrays[name] for name in arrays.files}
    changed["images"] = 255 - changed["images"]
    np.savez_compressed(sample / "elites.npz", allow_pickle=False, **changed)
    kept = salvaged(sample)
    assert kept.elites is None
    assert "sha256" in " ".join(kept.notes)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="No run in"):
        salvaged(tmp_path)
