"""Settings as the command line shows and reads them."""

import json
from pathlib import Path

import pytest

import qdfool.run

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
