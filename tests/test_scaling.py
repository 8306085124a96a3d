"""The slopes of benchmarks/scaling.py, and that every axis can be measured."""

import pytest

from benchmarks import scaling
from benchmarks.scaling import AXES, Axis, Options, Row


def test_a_slope_is_the_exponent():
    assert scaling.slope((1, 10, 100), (5, 5, 5)) == pytest.approx(0)
    assert scaling.slope((1, 10, 100), (3, 30, 300)) == pytest.approx(1)
    assert scaling.slope((1, 4, 16), (8, 4, 2)) == pytest.approx(-0.5)


def test_slopes_of_step_and_forward_are_apart():
    rows = [Row("batch", value, 2.0 * value, 3.0) for value in (1, 2, 4)]
    found = scaling.slopes([*rows, Row("seeds", 1, 5.0, None)])
    assert found.keys() == {"batch"}
    assert found["batch"].step == pytest.approx(1)
    assert found["batch"].forward == pytest.approx(0)
    assert found["batch"].growth == 4.0


def test_an_axis_is_measured_at_each_of_its_values_up_to_the_most(monkeypatch):
    axis = Axis("an evaluation", (1, 10, 100), "0", lambda options, value: (value * 1e-6, 2e-6))
    monkeypatch.setitem(AXES, "batch", axis)
    rows = scaling.along("batch", Options(most=10))
    assert [(row.value, row.microseconds) for row in rows] == [(1, 1.0), (10, 10.0)]
    assert rows[0].forward_microseconds == 2.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--axes", "clases"], "Did you mean 'classes'?"),
        (["--batch-size", "20"], "--batch-size must be a multiple of 8; got 20."),
        (["--rounds", "2"], "--rounds must be at least 3"),
    ],
)
def test_bad_options_end_in_a_line(monkeypatch, capsys, arguments, said):
    monkeypatch.setattr("sys.argv", ["scaling", *arguments])
    with pytest.raises(SystemExit) as ended:
        scaling.main()
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow  # Compiles a program each.
@pytest.mark.parametrize("name", AXES)
def test_every_axis_can_be_measured(name):
    options = Options(batch_size=8, rounds=3, seconds=0.001, warm_up=2, most=10 if name == "cells" else 64)
    if name in ("batch", "chunk"):
        options = Options(batch_size=8, rounds=3, seconds=0.001, warm_up=2, most=16)
    rows = scaling.along(name, options)
    assert [row.value for row in rows] == [
        value for value in AXES[name].values if value <= (options.most or 0)
    ]
    assert all(row.microseconds > 0 for row in rows)
