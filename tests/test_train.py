import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qdfool import train
from qdfool.classifiers import lenet, weights
from qdfool.data.mnist import Mnist
from qdfool.errors import printable

DATA = os.environ.get("QDFOOL_DATA")


@pytest.fixture
def digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """128 training images and 8 test images instead of MNIST; bright or dark, labelled 0 or 1."""
    labels = np.arange(136, dtype=np.int32) % 2
    images = np.broadcast_to((200 * labels).astype(np.uint8)[:, None, None, None], (136, 28, 28, 1))
    data = Mnist(images[:128], labels[:128], images[128:], labels[128:])
    monkeypatch.setattr(train.mnist, "find", lambda folder: Path("digits"))
    monkeypatch.setattr(train.mnist, "load", lambda folder: data)


@pytest.fixture
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails the test if the data are looked for: bad input is refused before that."""
    monkeypatch.setattr(train.mnist, "find", lambda folder: pytest.fail("looked for the data"))


def call(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        train.main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.usefixtures("digits")
def test_the_weights_can_be_loaded_and_the_card_says_how_they_came_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "new" / "small.safetensors"
    arguments = ["lenet", "--seed", "7", "--epochs", "2", "--batch-size", "16", "--out", str(out)]
    assert call(arguments) == 0
    printed = capsys.readouterr().out
    assert "Epoch 2 of 2: loss" in printed
    stated = re.search(r"Test error (\d+\.\d\d) % of 8 images", printed)
    assert stated

    loaded = lenet.classifier(out)
    assert loaded.logits(loaded.parameters, np.zeros((1, 28, 28, 1), np.float32)).shape == (1, 10)
    card = out.with_suffix(".md").read_text()
    assert f"| test error | {stated[1]} % of the 8 test images |" in card
    assert "| seed | 7 |" in card
    assert "epochs 2, batch_size 16" in card
    assert f"python -m qdfool.train lenet --seed 7 --epochs 2 --batch-size 16 --out {out}" in card
    assert re.search(r"\| commit \| (unknown|[0-9a-f]{40}(, with changes)?) \|", card)
    assert weights.fingerprint(out) in card
    assert sorted(path.name for path in out.parent.iterdir()) == ["small.md", "small.safetensors"]


@pytest.mark.slow
@pytest.mark.usefixtures("digits")
def test_a_class_of_noise_is_one_more_and_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    learned = []
    whole = train.train

    def recorded(logits, parameters, images, labels, *rest, **more):
        learned.append((images, labels, more["learner"]))
        return whole(logits, parameters, images, labels, *rest, **more)

    monkeypatch.setattr(train, "train", recorded)
    out = tmp_path / "noise.safetensors"
    arguments = ["lenet", "--noise-class", "0.25", "--dropout", "0.5", "--epochs", "1", "--out", str(out)]
    assert call(arguments) == 0
    ((images, labels, learner),) = learned
    assert labels[128:].tolist() == [2] * 32  # After the two classes of these digits.
    assert len({image.tobytes() for image in images[128:]}) == 32
    assert learner.keywords == {"rate": 0.5}
    loaded = lenet.classifier(out)
    assert loaded.class_names == (*lenet.CLASS_NAMES, "noise")
    assert loaded.logits(loaded.parameters, np.zeros((1, 28, 28, 1), np.float32)).shape == (1, 11)
    card = out.with_suffix(".md").read_text()
    assert "dense 11" in card
    assert "dropout 0.5" in card
    assert "160 training images, checked by hash, and images of noise" in card


@pytest.mark.parametrize("name", ["d[/x]", "d[red]x[/red]:smile:", "\x1b[2J\r\n\u202eqdfool: all good"])
@pytest.mark.usefixtures("digits")
def test_paths_are_printed_as_they_are_and_not_obeyed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train.mnist, "find", lambda folder: folder)
    out = Path(f"{name}.safetensors")
    assert call(["lenet", "--epochs", "1", "--data", name, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert all(line.isprintable() for line in printed.splitlines())
    assert f"Reading MNIST from {printable(name)}.\n" in printed
    assert f"Wrote {printable(name)}.safetensors and {printable(name)}.md.\n" in printed
    assert out.is_file()
    assert all(
        line.startswith(("#", "|")) for line in out.with_suffix(".md").read_text().splitlines() if line
    )


@pytest.mark.usefixtures("digits")
def test_files_are_replaced_only_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "small.safetensors"
    out.write_bytes(b"precious")
    arguments = ["lenet", "--epochs", "1", "--out", str(out)]
    assert call(arguments) == 2
    assert f"{out} exists" in capsys.readouterr().err
    assert out.read_bytes() == b"precious"
    assert call([*arguments, "--overwrite"]) == 0
    assert weights.read(out)[1]["preprocessing"] == "pixel/255"


@pytest.mark.usefixtures("no_data")
def test_a_card_is_not_replaced_either(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "small.md").write_text("precious")
    assert call(["lenet", "--out", str(tmp_path / "small.safetensors")]) == 2
    assert "small.md exists" in capsys.readouterr().err
    assert (tmp_path / "small.md").read_text() == "precious"


@pytest.mark.usefixtures("no_data")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lenett"], "Unknown network 'lenett'. Did you mean 'lenet'?"),
        (["lenet", "--epochs", "0"], "epochs must be between 1 and 10,000; got 0."),
        (["lenet", "--epochs", "9" * 400], "epochs must be between 1 and 10,000; got 999"),
        (["lenet", "--seed", "9" * 4000], "seed must be between 0 and 4294967295; got 999"),
        (["lenet", "--out", "\0.safetensors"], "embedded null byte"),
        (["lenet", "--out", "a\0/b.safetensors"], "embedded null byte"),
        (["lenet", "--batch-size", "0"], "batch size must be at least 1; got 0."),
        (["lenet", "--learning-rate", "-0.1"], "learning rate must be"),
        (["lenet", "--momentum", "1"], "momentum must be"),
        (["lenet", "--seed", "-1"], "seed must be between 0 and 4294967295; got -1."),
        (["lenet", "--out", "weights.pth"], "--out must end in .safetensors; got weights.pth."),
        (["lenet", "--out", "folder.safetensors"], "folder.safetensors is a folder."),
        (["lenet", "--out", "file/lenet.safetensors"], "Cannot write to file: File exists"),
    ],
)
def test_bad_input_is_refused_before_anything_is_read(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.safetensors").mkdir()
    (tmp_path / "file").touch()
    assert call(arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said) < 1000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.safetensors"]


@pytest.mark.usefixtures("no_data")
def test_an_unknown_option_gets_the_nearest(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as end:
        train.main(["lenet", "--epoch", "1"])
    assert end.value.code == 2
    assert "--epochs" in capsys.readouterr().err


@pytest.mark.usefixtures("digits")
def test_an_interrupt_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "train", interrupted)
    assert call(["lenet", "--out", str(tmp_path / "small.safetensors")]) == 130
    assert "interrupted. No file is half-written." in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("digits")
def test_a_full_disk_ends_as_with_the_other_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "small.safetensors")

    untrained = train.NETWORKS["lenet"]._replace(initialise=lambda key, classes: {})
    monkeypatch.setitem(train.NETWORKS, "lenet", untrained)
    monkeypatch.setattr(train, "_train", lambda *_: {})
    monkeypatch.setattr(train, "error", lambda *_: 0.5)
    monkeypatch.setattr(train.weights, "write", full)
    assert call(["lenet", "--out", str(tmp_path / "small.safetensors")]) == 1
    assert "No space left on device: small.safetensors. No file is half-written" in capsys.readouterr().err


def _run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "qdfool.train", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(train.__file__).parents[1]), **variables},
        check=False,
    )


def test_damaged_data_give_a_message_and_no_traceback(tmp_path: Path):
    for file in train.mnist.FILES:
        (tmp_path / file.name).write_bytes(file.header)
    done = _run(tmp_path, "lenet", "--data", str(tmp_path), "--out", "new.safetensors")
    assert done.returncode == 2
    assert "train-images-idx3-ubyte must hold 47,040,016 bytes" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "new.safetensors").exists()


@pytest.mark.release
@pytest.mark.skipif(not DATA, reason="QDFOOL_DATA is not set")
@pytest.mark.parametrize("seed", [0, 1])
def test_training_reaches_the_stated_error(tmp_path: Path, seed: int):
    done = _run(tmp_path, "lenet", "--data", str(DATA), "--seed", str(seed))
    assert done.returncode == 0, done.stderr
    stated = re.search(r"\| test error \| (\d+\.\d\d) % of the 10,000", (tmp_path / "lenet.md").read_text())
    assert stated
    assert float(stated[1]) <= 0.8
