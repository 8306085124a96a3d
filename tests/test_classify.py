"""What a classifier sees in image files, from the command line."""

import json
from dataclasses import replace
from pathlib import Path

import fake
import numpy as np
import pytest
from PIL import Image

from qdfool.classify import main
from qdfool.data import mnist

SAMPLE = Path(__file__).parents[1] / "archives/mnist-direct-sample/elites.npz"


@pytest.fixture
def command(capsys):
    """Runs the command line in this process: exit status, standard output, standard error."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        status = ended.value.code
        return status if isinstance(status, int) else 1, captured.out, captured.err

    return run


@pytest.fixture
def elite(tmp_path) -> Path:
    """An elite of the sample run as a PNG: LeNet is sure that it is a seven."""
    with np.load(SAMPLE) as archive:
        Image.fromarray(archive["images"][7].squeeze()).save(tmp_path / "seven.png")
    return tmp_path / "seven.png"


@pytest.fixture
def square(tmp_path) -> Path:
    """An image for the fake classifier."""
    Image.fromarray(np.full((8, 8), 200, np.uint8)).save(tmp_path / "square.png")
    return tmp_path / "square.png"


def test_the_top_five_are_printed(command, elite, square):
    status, out, error = command(elite, square)
    assert (status, error) == (0, "")
    lines = out.splitlines()
    assert (lines[0], lines[6]) == (str(elite), str(square))
    assert len(lines) == 12
    assert lines[1].split()[-2:] == ["7", "7"]
    assert lines[1].lstrip(" >").startswith("99.99")


def test_an_elite_scores_in_a_file_as_in_its_archive(command, elite):
    status, out, _ = command(elite, "--json", "--top", "3")
    (answer,) = json.loads(out)
    assert status == 0
    assert answer["image"] == str(elite)
    assert [set(row) for row in answer["top"]] == [
        {"class_index", "class_name", "confidence", "log_odds"}
    ] * 3
    best = answer["top"][0]
    assert (best["class_index"], best["class_name"]) == (7, "7")
    with np.load(SAMPLE) as archive:
        assert best["log_odds"] == pytest.approx(archive["fitness"][7], rel=1e-4)
        assert best["confidence"] == pytest.approx(archive["confidence"][7], abs=1e-6)
    odds = [row["log_odds"] for row in answer["top"]]
    assert odds == sorted(odds, reverse=True)


def test_digits_are_seen(command, data_folder, tmp_path):
    digits = mnist.load(mnist.find(data_folder))
    paths = [tmp_path / f"{index}.png" for index in range(5)]
    for path, image in zip(paths, digits.test_images, strict=False):
        Image.fromarray(image.squeeze()).save(path)
    status, out, _ = command(*paths, "--classifier", "lenet", "--json")
    assert status == 0
    seen = [answer["top"][0]["class_index"] for answer in json.loads(out)]
    assert seen == digits.test_labels[:5].tolist()


@pytest.mark.parametrize("name", ["fake:classifier", "fake:host_logits"])
def test_a_classifier_of_ones_own(command, square, name):
    status, out, error = command(square, "--classifier", name, "--json")
    assert (status, error) == (0, "")
    (answer,) = json.loads(out)
    assert len(answer["top"]) == 4
    assert sum(row["confidence"] for row in answer["top"]) == pytest.approx(1)


def test_bad_input_is_named_without_a_traceback(command, elite, square, tmp_path):
    text = tmp_path / "text.png"
    text.write_text("no image")
    bright = tmp_path / "bright.png"
    Image.fromarray(np.full((8, 8), 150, np.uint8)).save(bright)
    for arguments, message in {
        (): "give one or more image files",
        (text,): "cannot be read as an image",
        (elite, tmp_path / "missing.png"): "found nothing",
        (tmp_path,): "found a folder",
        (elite, "--classifier", "lennet"): "Did you mean 'lenet'?",
        (elite, "--weights", text): "text.png",
        (elite, "--weights", tmp_path / "none.safetensors"): "none.safetensors",
        (elite, "--top", "0"): "--top must be at least 1",
        (square, "--classifier", "fake:classifier", "--preprocessing.mean", "0.5"): "`preprocessing`",
        (elite, "--image-shape", "0", "8", "1"): "--image-shape must be between 1",
        (square, "--classifier", "fake:probabilities"): "these are probabilities",
        (square, "--classifier", "fake:classifier", "--weights", text): "must load its own",
        (bright, "--classifier", "fake:nan_when_bright"): "1 of 1 images got NaN",
        (square, "--classifier", "no_such_module:logits"): "no_such_module",
        (elite, "--no-such-option"): "no-such-option",
    }.items():
        status, out, error = command(*arguments)
        assert status == 2, arguments
        assert message in out + error, arguments
        assert "Traceback" not in error


@pytest.mark.parametrize("failure", ["ConnectionError: the service has gone", "SystemExit: 0"])
def test_a_classifier_that_fails_on_an_image_is_named(command, square, tmp_path, monkeypatch, failure):
    kind, _, text = failure.partition(": ")
    module = f"gone_later_{kind}"
    (tmp_path / f"{module}.py").write_text(
        "import numpy as np\n"
        "def logits(images):\n"
        "    if len(images) == 1:\n"
        f"        raise {kind}({text!r})\n"
        "    return np.asarray(images).reshape(len(images), -1)[:, :3] - 0.5\n"
        "logits.image_shape = (8, 8, 1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    status, _, error = command(square, "--classifier", f"{module}:logits")
    assert status == 2
    assert f"failed on {square}: {failure}" in error


@pytest.mark.parametrize("traced", [True, False])
@pytest.mark.parametrize(
    ("otherwise", "message"),
    [
        ("answer + 1j", "returned complex64. Expected logits"),
        ("answer.astype(int)", "returned int"),
        ("answer[:, :2]", "returned shape [1, 2]. Expected logits [1, 3]"),
        ("answer[0]", "returned shape [3]. Expected logits [1, 3]"),
        ("sys.exit(0)", "SystemExit: 0"),
    ],
)
def test_what_is_no_answer_for_an_image_is_named(
    command, square, tmp_path, monkeypatch, traced, otherwise, message
):
    module = f"other_{abs(hash((traced, otherwise)))}"
    (tmp_path / f"{module}.py").write_text(
        "import sys\n"
        "import numpy as np\n"
        "def logits(images):\n"
        f"    images = images if {traced} else np.asarray(images)\n"
        "    answer = images.reshape(len(images), -1)[:, :3] - 0.5\n"
        f"    return {otherwise} if len(images) == 1 else answer\n"
        "logits.image_shape = (8, 8, 1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    status, out, error = command(square, "--classifier", f"{module}:logits")
    assert (status, out) == (2, "")
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("classifier", "file"),
    [
        ("mobilenet_v1_025", "mobilenet_v1_0.25_224.safetensors"),
        ("mobilenet_v2", "mobilenet_v2_1.0_224.safetensors"),
    ],
)
def test_the_real_networks_know_a_cat_and_an_espresso(command, weights_folder, tmp_path, classifier, file):
    data = pytest.importorskip("skimage.data")
    cat, coffee = tmp_path / "chelsea.png", tmp_path / "coffee.png"
    Image.fromarray(data.chelsea()).save(cat)
    Image.fromarray(data.coffee()).save(coffee)
    arguments = ("--classifier", classifier, "--weights", weights_folder / file, "--json")
    status, out, error = command(cat, coffee, *arguments)
    assert (status, error) == (0, "")
    first, second = (answer["top"][0]["class_index"] for answer in json.loads(out))
    assert first in (281, 282, 285)
    assert second == 967


def test_names_from_outside_are_printed_and_not_obeyed(command, square, monkeypatch):
    attack = "\x1b[2J\r\nqdfool: all good"
    path = square.rename(square.with_name(f"{attack}.png"))
    status, out, _ = command(path, "--classifier", "fake:classifier")
    assert status == 0
    assert len(lines := out.splitlines()) == 5
    assert all(line.isprintable() for line in lines)
    for name in (attack, "b" * 5_000_000):
        named = replace(fake.classifier, class_names=("a", "b", "c", name))
        monkeypatch.setattr(fake, "classifier", named)
        status, _, error = command(path, "--classifier", "fake:classifier")
        assert status == 2
        assert error[:-1].isprintable()
        assert len(error) < 1000
    monkeypatch.undo()
    path.write_bytes(b"damaged")
    status, _, error = command(path, "--classifier", "fake:classifier")
    assert status == 2
    assert error[:-1].isprintable()
    assert r"\x1b[2J\r\nqdfool: all good.png cannot be read as an image" in error


def test_images_are_looked_for_before_weights_are_fetched(command, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "qdfool.classify.build_classifier", lambda config: pytest.fail("weights were asked for")
    )
    status, _, error = command(tmp_path / "missing.png", "--classifier", "resnet50")
    assert status == 2
    assert "missing.png; found nothing" in error
