"""What benchmarks/gate.py says of ratios that fell, rose or are new."""

import pytest

from benchmarks import gate
from benchmarks.gate import NotHere, Row


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs the gate with ratios that are given in the place of measured ones."""

    def run(*arguments, **ratios):
        monkeypatch.setattr(
            gate, "RATIOS", {name: lambda options, values=values: values for name, values in ratios.items()}
        )
        command = ["gate", "--committed", str(tmp_path / "gate.json"), *arguments]
        monkeypatch.setattr("sys.argv", command)
        gate.main()

    return run


def test_what_fell_is_said_and_ends_with_one(run, capsys):
    run("--write", speed=[1.0, 1.01, 1.02], size=[2.0, 2.0, 2.0])
    run(speed=[1.0, 1.01, 1.02], size=[1.95, 1.95, 1.95])
    assert "FELL" not in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        run(speed=[0.8, 0.81, 0.82], size=[2.5, 2.5, 2.5])
    assert ended.value.code == 1
    out, err = capsys.readouterr()
    assert err == "Fell: speed.\n"
    assert [line.endswith("FELL") for line in out.splitlines()] == [True, False]


def test_what_overlaps_did_not_fall():
    committed = {"speed": Row("speed", 1.0, 0.9, 1.1)}
    assert not gate.compared(Row("speed", 0.8, 0.7, 0.95), committed, 0.05)
    assert gate.compared(Row("speed", 0.8, 0.7, 0.85), committed, 0.05)
    assert not gate.compared(Row("speed", 0.8, 0.7, 0.85), committed, 0.25)


def test_a_ratio_that_cannot_be_measured_is_left_out(run, monkeypatch, capsys):
    def absent(options):
        raise NotHere("it needs PyTorch.")

    monkeypatch.setattr(gate, "RATIOS", {"torch": absent, "speed": lambda options: [1.0] * 3})
    rows = gate.measured(["torch", "speed"], gate.Options())
    assert [row.name for row in rows] == ["speed"]
    assert "torch is left out: it needs PyTorch." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "is not there"), ("{}", "does not hold ratios"), ("[", "does not hold ratios")],
)
def test_a_committed_file_that_will_not_do_ends_in_a_line(run, tmp_path, capsys, content, said):
    if content is not None:
        (tmp_path / "gate.json").write_text(content)
    with pytest.raises(SystemExit) as ended:
        run(speed=[1.0] * 3)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "spede"], "Did you mean 'speed'?"),
        (["--tolerance", "1"], "--tolerance must be between 0 and 0.99"),
    ],
)
def test_bad_options_end_in_a_line(run, capsys, arguments, said):
    with pytest.raises(SystemExit) as ended:
        run(*arguments, speed=[1.0] * 3)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
