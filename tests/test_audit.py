"""`python -m qdfool.audit`: its runs, its card and its score, and what it refuses."""

import json
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import fake
import numpy as np
import pytest
from PIL import Image

import qdfool
from qdfool import audit
from qdfool.build import Target, seeds_at_once
from qdfool.classifiers.lenet import PRETRAINED
from qdfool.cli.options import read
from qdfool.data.image import read_image
from qdfool.files.lock import FolderLock
from qdfool.results import run_folder
from qdfool.results.audit import folder, plan
from qdfool.results.audit.advice import share

BUDGET = 900
QUICK = ("fake:classifier", "--seeds", "0:2", "--out", "audited")
LEFT = {"audit.json", "card.json", "report.html", "pixels"}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Nine generations a run, of one way, without pictures: compiling and drawing are what an audit takes."""
    whole = plan.plan

    def fewer(settings, classifier):
        found = whole(settings, classifier)
        return found._replace(configs={"pixels": found.configs["pixels"]})

    monkeypatch.setattr(folder, "plan", fewer)
    monkeypatch.setitem(plan.BUDGETS, "quick", BUDGET)
    monkeypatch.setattr(
        qdfool.Result, "draw", lambda self, directory, classifier=None: (directory / "curves.png").touch()
    )
    monkeypatch.setattr("qdfool.results.over_seeds.draw", lambda *_: None)


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            audit.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, captured.out, captured.err

    return run


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md", "docs/audit.md", "docs/score.md"])
def test_commands_in_the_documents_have_options_that_exist(page):
    text = (Path(__file__).parents[1] / page).read_text().replace("\\\n", " ")
    commands = re.findall(r"python -m qdfool\.audit([^\n`|]*)", text)
    assert commands
    for words in commands:
        assert read(audit.CommandLine, shlex.split(words, comments=True)).classifier


def card(path: str = "audited") -> dict:
    return json.loads((Path(path) / "card.json").read_text())


def left(path: str = "audited") -> tuple[bytes, bytes]:
    return (Path(path) / "card.json").read_bytes(), (Path(path) / "report.html").read_bytes()


def test_it_leaves_runs_a_card_and_a_page_and_again_the_same(command, tmp_path):
    status, out, error = command(*QUICK)
    assert (status, error) == (0, "")
    assert {path.name for path in Path("audited").iterdir()} == LEFT
    made = card()
    assert 0 <= made["score_low"] < made["score"] < made["score_high"] <= 1
    assert made["score"] == pytest.approx(np.mean(made["ways"]["pixels"]["score_by_seed"]))
    assert (made["schema"], made["classifier"], made["seeds"]) == (1, "fake", [0, 1])
    assert made["evaluations"] == 2 * BUDGET
    assert [row["name"] for row in made["by_class"]] == ["a", "b", "c", "d"]
    assert sorted(made["worst"]) == ["a", "b", "c", "d"]
    assert made["real"] is None
    assert {row["lost"] for row in made["thresholds"]} == {None}
    assert f"score {made['score']:.4f}" in out
    page = left()[1].decode()
    assert f"scores {made['score']:.3f} of 1" in page
    assert 'href="pixels/seed1/report.html"' in page
    first = left()
    for more in ((), ("--overwrite",)):  # With nothing left to do, and from the beginning.
        assert command(*QUICK, *more)[0] == 0
        assert left() == first
    for way in ("pixels", "pixels/seed1"):  # Somebody goes on with a run of it.
        lock = FolderLock(Path("audited") / way)
        status, _, error = command(*QUICK, "--overwrite")
        lock.release()
        assert status == 2
        assert "another run" in error
        assert left() == first
        assert (Path("audited") / "pixels/seed0/elites.npz").exists()


def test_what_is_only_called_like_an_audits_files_is_not_thrown_away(command):
    """As what `npm audit --json` writes; or a folder `map` beside a true audit."""
    place = Path("audited")
    (place / "map").mkdir(parents=True)
    (place / "map" / "photo.txt").write_text("mine")
    (place / "audit.json").write_text('{"auditReportVersion": 2}')
    status, _, error = command(*QUICK, "--overwrite")
    assert (status, "holds something else than an audit" in error) == (2, True)
    (place / "audit.json").unlink()
    (place / "map").rename("aside")
    assert command(*QUICK)[0] == 0
    Path("aside").rename(place / "map")
    assert command(*QUICK, "--overwrite")[0] == 0
    assert (place / "map" / "photo.txt").read_text() == "mine"


def test_an_audit_with_a_damaged_way_is_thrown_away_whole_or_not_at_all(command):
    assert command(*QUICK)[0] == 0
    first = left()
    Path("audited/pixels/config.json").write_text("{")
    status, _, error = command(*QUICK, "--overwrite")
    assert (status, "pixels has no whole config.json of a run" in error) == (2, True)
    assert left() == first


def test_an_audit_is_the_same_wherever_its_weights_lie(command):
    shutil.copy(PRETRAINED, "mine.safetensors")
    assert command("lenet", *QUICK[1:], "--weights", "mine.safetensors")[0] == 0
    first = left()[0]
    Path("mine.safetensors").rename("moved.safetensors")
    assert command("lenet", *QUICK[1:], "--weights", "moved.safetensors")[0] == 0
    assert json.loads(left()[0])["score"] == json.loads(first)["score"]


def test_a_share_is_all_or_none_only_where_it_is():
    shown = [share(part) for part in (0.0, 1 / 9000, 0.0012, 0.5, 0.98765, 1 - 1 / 2500, 1.0)]
    assert shown == ["0 %", "< 0.1 %", "0.12 %", "50 %", "98.8 %", "> 99.9 %", "100 %"]


def test_an_audit_that_was_thrown_away_by_half_can_be_thrown_away_again(command, monkeypatch):
    assert command(*QUICK)[0] == 0
    whole = left()
    removed = []

    def killed(path):
        removed.append(path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(run_folder.shutil, "rmtree", killed)
        assert command(*QUICK, "--overwrite")[0] == 130
    assert removed
    assert command(*QUICK, "--overwrite")[0] == 0
    assert left() == whole


def test_an_audit_of_a_classifier_that_answers_otherwise_by_now_is_not_its_own(command, monkeypatch):
    """Its module may load weights from anywhere."""
    host, answers = ("fake:host_logits", *QUICK[1:]), fake.host_logits
    assert command(*host)[0] == 0
    first = left()

    def others(images):
        return 1.5 * answers(images)

    vars(others).update(vars(answers))
    monkeypatch.setattr(fake, "host_logits", others)
    status, _, error = command(*host, "--fail-above", "1")
    assert status == 2
    assert "audited holds an audit of another classifier: of the same image one logit was" in error
    assert left() == first
    assert command(*host, "--overwrite")[0] == 0
    assert left() != first
    record = json.loads(Path("audited/audit.json").read_text())
    Path("audited/audit.json").write_text(json.dumps({**record, "answers": ["1.0"]}))
    status, _, error = command(*host)
    assert status == 2
    assert "audit.json is damaged: its answers are ['1.0'], and no numbers." in error


def test_it_goes_on_where_a_signal_stopped_it(command, monkeypatch):
    assert command(*QUICK)[0] == 0
    whole = left()
    evolve = folder.SavedSeeds.evolve
    calls = []

    def interrupted(self, stop, on_chunk):
        calls.append(self)
        if len(calls) == 1:
            return evolve(self, stop, lambda run: signal.raise_signal(signal.SIGTERM))
        return evolve(self, stop, on_chunk)

    monkeypatch.setattr(folder.SavedSeeds, "evolve", interrupted)
    status, _, error = command(*QUICK, "--overwrite", "--fail-above", "1")
    assert status == 143
    assert (
        "go on with: python -m qdfool.audit fake:classifier --budget quick --seeds 0:2 --out audited --fail-above 1.0"
        in error
    )
    assert not (Path("audited") / "card.json").exists()
    assert not (Path("audited/pixels/seed1/summary.json")).exists()
    assert command(*QUICK)[0] == 0
    assert left() == whole


def test_the_score_opens_or_closes_the_gate(command):
    assert command(*QUICK, "--fail-above", 1)[0] == 0
    status, _, error = command(*QUICK, "--fail-above", 0.01)
    assert status == 5
    assert error.startswith("qdfool.audit: the score 0.")
    assert "is above 0.01" in error


def test_real_images_say_what_a_threshold_would_lose(command, tmp_path):
    (tmp_path / "real").mkdir()
    for number, levels in enumerate(np.random.default_rng(1).integers(0, 256, (20, 8, 8), np.uint8)):
        Image.fromarray(levels).save(tmp_path / f"real/{number}.png")
    assert command(*QUICK, "--real", "real", "--quiet")[1] == ""
    made, images = card(), [read_image(path, *fake.SHAPE) for path in sorted(Path("real").iterdir())]
    odds = np.sort([_odds(fake.logits(image[None])[0]).max() for image in images])
    for row in made["thresholds"]:
        level = np.log(row["confidence"] / (1 - row["confidence"]))
        assert row["lost"] == pytest.approx((odds < level).mean())
    assert made["real"]["images"] == 20
    assert "  of 20 real images at least 95 % are at " in audit.as_text(made, Path("audited"))
    made["real"]["images"] = 1_000  # Of so many, not all are asked about.
    assert "  of 20 of 1,000 real images at least " in audit.as_text(made, Path("audited"))
    page = Path("audited/report.html").read_text()
    assert "Give more real images: 20 do not tell" in page
    # What it advises goes into the same folder with the same images, or into one of its own.
    assert re.search(r"--seeds 0:2 --real real --out \S*/?audited --fail-above", page)
    assert re.search(r"--real real --out \S*/?audited-standard", page)
    assert made["real"]["threshold"] == pytest.approx(1 / (1 + np.exp(-odds[1])), rel=1e-4)


def _odds(logits: np.ndarray) -> np.ndarray:
    share = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    return np.log(share / (1 - share))


def test_a_class_that_stands_for_nothing_is_not_counted(command):
    assert command(*QUICK, "--reject", "b")[0] == 0
    made = card()
    assert [row["name"] for row in made["by_class"]] == ["a", "c", "d"]
    assert [row["index"] for row in made["by_class"]] == [0, 2, 3]
    assert "Not counted, because they stand for nothing: b." in left()[1].decode()


@pytest.mark.slow
def test_without_gradients_the_score_is_the_same(command):
    assert command(*QUICK)[0] == 0
    traced = card()
    assert command("fake:host_logits", *QUICK[1:3], "--out", "host")[0] == 0
    made = card("host")
    assert made["score"] == pytest.approx(traced["score"], abs=1e-4)
    assert made["ways"]["gradients"] is None
    assert "cannot trace" in made["left_out"]["gradients"]
    assert "JAX cannot trace this classifier" in left("host")[1].decode()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "No classifier to audit"),
        (("fake:classifier", "--budget", "endless"), "Unknown budget 'endless'"),
        (("fake:classifier", "--fail-above", "1.5"), "--fail-above must be between 0 and 1; got 1.5"),
        (("fake:classifier", "--fail-above", "nan"), "--fail-above must be between 0 and 1; got nan"),
        (("lenet", "--preprocessing.std", "0"), "preprocessing.std"),
        (("fake:classifier", "--reject", "a", "a", "b"), "--reject has a class twice: a, a, b"),
        (("fake:classifier", "--seeds", "3"), "the number of seeds must be between 2 and 100; got 1"),
        (("fake:classifier", "--seeds", "x"), "--seeds must be numbers and ranges"),
        (("fake:classifier", "--real", "nowhere"), "found nothing"),
        (("fake:classifier", "--reject", "e"), "has no class 'e' to --reject"),
        (("fake:classifier", "--reject", "a", "b", "c"), "Expected two classes or more"),
        (("fake:probabilities",), "these are probabilities"),
        (("fake:always_nan",), "NaN or infinity"),
        (("nowhere.onnx",), "nowhere.onnx"),
        (("fake:classifier", "--out", "file"), "is a file"),
        (("fake:classifier", "--out", "other"), "holds something else than an audit: notes.txt"),
    ],
)
def test_what_cannot_be_audited_is_one_line(command, tmp_path, arguments, said):
    (tmp_path / "file").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other/notes.txt").touch()
    status, out, error = command(*arguments)
    assert (status, out) == (2, "")
    assert said in error
    assert error.count("\n") == 1
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["notes.txt"]


def test_a_damaged_real_image_is_named_before_anything_is_evolved(command, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    status, _, error = command(*QUICK, "--real", ".")
    assert status == 2
    assert "broken.png" in error
    assert not Path("audited").exists()


def test_an_audit_of_something_else_is_not_gone_on_with(command):
    assert command(*QUICK)[0] == 0
    before = left()
    status, _, error = command("fake:classifier", "--seeds", "0:3", "--out", "audited")
    assert status == 2
    assert "of a classifier that has changed since (seeds: [0, 1] there, [0, 1, 2] here)" in error
    assert left() == before


def test_a_card_of_a_thousand_classes_has_no_map(monkeypatch):
    classifier = qdfool.Classifier("wide", (224, 224, 3), tuple(map(str, range(1000))), {}, lambda p, x: x)
    found = plan.plan(plan.Settings("wide", "standard"), classifier)
    assert found.evaluations == plan.BUDGETS["standard"] // 4
    assert list(found.configs) == ["pixels", "cppns", "gradients"]
    assert "does not fit into memory" in found.left_out["map"]


def test_an_audit_shows_a_classifier_no_larger_batch_on_a_gpu_than_on_a_cpu():
    found = plan.plan(plan.Settings("fake"), fake.classifier).configs.values()
    assert {seeds_at_once(config, fake.classifier, 3, Target("cuda", 10**11)) for config in found} == {1}


@pytest.mark.slow
def test_the_quick_audit_of_lenet_takes_two_minutes_of_two_cores_and_has_its_score_again(
    tmp_path, compiled_for_a_user
):
    cards = []
    for name in ("first", "second"):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        words = [sys.executable, "-m", "qdfool.audit", "lenet", "--budget", "quick", "--out", name, "--quiet"]
        subprocess.run(words, cwd=tmp_path, env=compiled_for_a_user, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        # Of the processor, so that it does not matter what else the machine does.
        assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 150
        cards.append(json.loads((tmp_path / name / "card.json").read_text()))
    assert cards[0]["score"] == cards[1]["score"]
    assert cards[0]["by_class"] == cards[1]["by_class"]


@pytest.mark.slow
def test_all_ways_of_an_audit_as_it_is(command, monkeypatch, tmp_path):
    monkeypatch.undo()
    monkeypatch.setitem(plan.BUDGETS, "quick", BUDGET)
    out = tmp_path / "whole"
    assert command(*QUICK[:3], "--out", out)[0] == 0
    made = card(str(out))
    assert [way for way, found in made["ways"].items() if found is not None] == list(plan.WAYS)
    scores = [found["score"] for found in made["ways"].values() if found["scored"]]
    assert made["score"] == pytest.approx(np.mean(scores))
    assert all((out / way / "seed1/report.html").stat().st_size > 1_000_000 for way in plan.WAYS)
