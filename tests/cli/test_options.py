"""Settings as the command line shows and reads them."""

import json
from pathlib import Path

import pytest

import qdfool.classify
import qdfool.run
import qdfool.studies.__main__
import qdfool.train

SAMPLE = Path(__file__).parents[2] / "archives/mnist-direct-sample"
ATTACK = "\x1b[2J\r\n\u202eqdfool: all good"


@pytest.mark.parametrize("setting", ["weights", "classifier", "group", "encoding"])
def test_the_settings_of_a_strangers_run_are_shown_and_not_obeyed(setting, tmp_path, capsys):
    value = (ATTACK,) if setting == "group" else f"module:{ATTACK}"
    config = json.loads((SAMPLE / "config.json").read_text())
    config["settings"][setting] = value
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(SystemExit) as ended:
        qdfool.run.main(["--resume", str(tmp_path), "--help"])
    said = capsys.readouterr()
    assert ended.value.code == 0
    assert all(line.isprintable() for line in said.out.splitlines())
    assert r"\x1b[2J\r\n\u202e" in said.out


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (qdfool.run, [f"--{ATTACK}"]),
        (qdfool.run, [f"--{ATTACK}=1"]),
        (qdfool.run, ["mnist-direct", ATTACK]),
        (qdfool.run, ["--seed", ATTACK]),
        (qdfool.run, ["--archive", ATTACK]),
        (qdfool.run, ["--no-such-option\udcff"]),
        pytest.param(qdfool.run, ["--" + "a" * 100_000], marks=pytest.mark.slow),
        (qdfool.run, ["--seed", "a" * 100_000]),
        (qdfool.run, ["--generations", "9" * 5_000]),
        (qdfool.run, ["mnist-direct", "--overwrite", "--out", ""]),
        (qdfool.run, ["mnist-direct", "--out="]),
        (qdfool.classify, [f"--{ATTACK}"]),
        (qdfool.train, ["lenet", f"--{ATTACK}"]),
        (qdfool.studies.__main__, ["make-a-seven", f"--{ATTACK}"]),
    ],
    ids=lambda value: ascii(value[-1])[:20] if isinstance(value, list) else value.__name__,
)
def test_what_was_typed_is_shown_and_not_obeyed(command, arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")
    lines = said.err.splitlines()
    assert lines
    assert all(line.isprintable() for line in lines)
    assert len(lines) < 40
    assert max(map(len, lines)) < 300


def test_a_value_may_end_in_a_sign_of_equality():
    assert str(qdfool.run.parse(["--out=runs/a="], qdfool.preset("mnist-direct")).out) == "runs/a="


def test_odd_values_that_are_right_are_read_as_they_are(tmp_path):
    from qdfool.cli.options import read

    path = tmp_path / f"{ATTACK}{'a' * 200}"
    assert read(qdfool.classify.CommandLine, [str(path)]).images == (path,)
