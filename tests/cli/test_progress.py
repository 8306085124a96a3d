"""Progress, as lines where there is no terminal."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from qdfool.cli.progress import Progress
from qdfool.config import Config

ATTACK = "\x1b[2J\r\nqdfool: all good"


def test_names_from_outside_are_printed_and_not_obeyed(capsys):
    Progress(Config(), quiet=False).say(f"{ATTACK} on a classifier [red]")
    said = capsys.readouterr().out
    assert said == r"\x1b[2J\r\nqdfool: all good on a classifier [red]" + "\n"


def test_the_folder_in_the_summary_is_printed_and_not_obeyed():
    names = ("classes_at_9999", "classes", "classes_at_99", "generations", "evaluations")
    shares = ("median_confidence", "min_confidence", "seconds", "compile_seconds")
    figures: dict[str, Any] = {**dict.fromkeys(names, 1), **dict.fromkeys(shares, 0.5), "ended_by": None}
    lines = Progress(replace(Config(), generations=2), quiet=True).summary(figures, Path(ATTACK)).split("\n")
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)
