"""A run looked at again, from the command line."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import fake
import numpy as np
import pytest
from PIL import Image

import qdfool
from qdfool import inspect

pytestmark = pytest.mark.page

SAMPLE = Path(__file__).parents[1] / "archives/mnist-direct-sample"


@pytest.fixture
def sample(tmp_path) -> Path:
    return Path(shutil.copytree(SAMPLE, tmp_path / "sample"))


@pytest.fixture
def command(capsys):
    """Runs the command line in this process: exit status, standard output, standard error."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            inspect.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        status = ended.value.code
        return status if isinstance(status, int) else 1, captured.out, captured.err

    return run


def test_the_page_is_made_anew_and_opened(command, sample, monkeypatch):
    opened: list[str] = []
    monkeypatch.setattr(inspect.webbrowser, "open", lambda address: bool(opened.append(address)) or True)
    assert command(sample) == (0, f"{sample / 'report.html'} is made anew.\n", "")
    assert opened == [(sample / "report.html").as_uri()]
    assert "What the classifier says of each elite is not here" not in (sample / "report.html").read_text()
    monkeypatch.setattr(inspect.webbrowser, "open", lambda address: False)
    status, out, _ = command(sample)
    assert (status, out.splitlines()[1]) == (0, "No browser was found: open it yourself.")


def test_no_browser_is_opened_if_none_is_wanted(command, sample, monkeypatch):
    monkeypatch.setattr(inspect.webbrowser, "open", lambda address: pytest.fail("it was opened"))
    assert command(sample, "--no-open")[0] == 0


@pytest.mark.parametrize("which", [("--class", "7"), ("--cell", "7")])
def test_an_elite_is_printed_and_saved(command, sample, which):
    status, out, error = command(sample, *which)
    assert (status, error) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["7", "(class", "7),", "cell", "7"]
    assert lines[lines.index(["the", "classifier", "now", "says"]) + 1][-2:] == ["7", "7"]
    png = sample / "inspected/cell7.png"
    assert lines[-1] == [str(png)]
    with np.load(sample / "elites.npz") as arrays:
        np.testing.assert_array_equal(np.asarray(Image.open(png)), arrays["images"][7, ..., 0])


def test_json_has_what_the_file_has(command, sample, tmp_path):
    status, out, _ = command(sample, "--class", "3", "--json", "--out", tmp_path / "there")
    elite = json.loads(out)
    assert status == 0
    with np.load(sample / "elites.npz") as arrays:
        assert elite["log_odds"] == arrays["fitness"][3]
        assert elite["birth_generation"] == arrays["birth_generation"][3]
        assert elite["num_replacements"] == arrays["num_replacements"][3]
        assert elite["parent_class"] == str(arrays["parent_class"][3])
    assert elite["files"] == [str(tmp_path / "there/cell3.png")]
    assert elite["now"][0]["log_odds"] == pytest.approx(elite["log_odds"], abs=1e-2)
    assert not (sample / "inspected").exists()


@pytest.mark.release
def test_a_cppn_has_its_network_drawn(command, small, tmp_path):
    config = replace(small, generations=2, encoding="cppn")
    qdfool.evolve(config, fake.classifier).save(tmp_path / "run")
    status, out, _ = command(tmp_path / "run", "--cell", "0")
    assert status == 0
    assert out.splitlines()[-1].strip() == str(tmp_path / "run/inspected/cell0-network.png")
    assert Image.open(tmp_path / "run/inspected/cell0-network.png").size[0] > 500


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--class", "seven"), "Unknown class 'seven'."),
        (("--class", "77"), "Did you mean '7'?"),
        (("--class", "\x1b[2J" * 99), r"Unknown class '\x1b[2J"),
        (("--cell", "10"), "--cell must be between 0 and 9; got 10."),
        (("--cell", "-1"), "--cell must be between 0 and 9; got -1."),
        (("--cell", "1", "--class", "1"), "Give one of them."),
    ],
)
def test_what_cannot_be_meant_is_said_in_a_line(command, sample, arguments, said):
    status, out, error = command(sample, *arguments)
    assert (status, out) == (2, "")
    assert said in error
    assert error.count("\n") == 1
    assert "\x1b" not in error


def test_a_folder_without_a_run_is_refused(command, tmp_path):
    for arguments in ((), (tmp_path,), (tmp_path / "nothing", "--no-open"), (tmp_path / "no", "--cell", "1")):
        status, out, error = command(*arguments)
        assert (status, out) == (2, "")
        assert error.startswith("qdfool.inspect: No ")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_several_seeds_names_its_own(command, sample):
    values = json.loads((sample / "config.json").read_text())
    (sample / "config.json").write_text(json.dumps({**values, "seeds": [3, 4]}))
    status, _, error = command(sample, "--no-open")
    assert status == 2
    assert "for example" in error
    assert "seed3" in error


@pytest.fixture
def another_by_now(sample) -> Path:
    """A run whose classifier has other weights by now."""
    values = json.loads((sample / "config.json").read_text())
    values["classifier"]["fingerprint"] = "0" * 64
    (sample / "config.json").write_text(json.dumps(values))
    return sample


def test_a_damaged_folder_is_shown_as_far_as_it_can_be(command, sample):
    (sample / "history.npz").write_bytes(b"damaged")
    before = {path.name: path.read_bytes() for path in sample.iterdir()}
    partial = sample / "report-partial.html"
    for _ in range(2):
        status, out, error = command(sample, "--no-open")
        assert (status, out) == (0, f"{partial} is made anew.\n")
        assert "Not all of" in error
        assert "history.npz is damaged" in error
        assert "history.npz is damaged" in partial.read_text()
        assert 'id="gallery"' in partial.read_text()
        assert {path.name: path.read_bytes() for path in sample.iterdir() if path != partial} == before


def test_a_folder_of_somebody_else_gets_no_page(command, tmp_path):
    """As a model that was downloaded: it has a `config.json` of its own."""
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    status, _, error = command(tmp_path, "--no-open")
    assert status == 2
    assert f"Nothing in {tmp_path} can be shown as a run: {tmp_path / 'config.json'} is damaged" in error
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_a_page_that_may_show_more_stays(command, another_by_now):
    """As where the module of a measure is not there any more; the page was made when it was."""
    page, partial = (another_by_now / name for name in ("report.html", "report-partial.html"))
    page.write_text("all of it")
    status, out, _ = command(another_by_now, "--no-open")
    assert (status, out.splitlines()) == (
        0,
        [f"{partial} is made anew.", "report.html, which may show more, is left as it was."],
    )
    assert "has other weights by now" in partial.read_text()
    assert page.read_text() == "all of it"


def test_a_page_that_shows_all_replaces_both(command, sample):
    (sample / "report-partial.html").write_text("less")
    (sample / "report.html").write_text("old")
    assert command(sample, "--no-open")[:2] == (0, f"{sample / 'report.html'} is made anew.\n")
    assert not (sample / "report-partial.html").exists()
    assert (sample / "report.html").stat().st_size > 1000


def test_a_classifier_that_is_another_one_by_now_is_not_asked(command, another_by_now):
    status, _, error = command(another_by_now, "--no-open")
    assert status == 0
    assert "has other weights by now" in error
    assert "has other weights by now" in (another_by_now / "report-partial.html").read_text()
    status, out, _ = command(another_by_now, "--class", "7")
    assert status == 0
    assert "the classifier was not asked: lenet has other weights by now." in out


def test_pictures_are_not_saved_through_a_link(command, sample, tmp_path):
    (tmp_path / "other").mkdir()
    (sample / "inspected").symlink_to(tmp_path / "other")
    status, _, error = command(sample, "--class", "7")
    assert status == 2
    assert "is a link" in error
    assert list((tmp_path / "other").iterdir()) == []
