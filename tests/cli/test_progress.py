"""Progress, as lines where there is no terminal."""

import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import Any

from qdfool.cli.progress import Progress
from qdfool.config import Config
from qdfool.results.history import Metrics

ATTACK = "\x1b[2J\r\nqdfool: all good"


def test_names_from_outside_are_printed_and_not_obeyed(capsys):
    Progress(Config(), quiet=False).say(f"{ATTACK} on a classifier [red]")
    said = capsys.readouterr().out
    assert said == r"\x1b[2J\r\nqdfool: all good on a classifier [red]" + "\n"


def row(generation: int, seconds: float) -> Metrics:
    names = [field.name for field in dataclasses.fields(Metrics)]
    values = {**dict.fromkeys(names, 0), "generation": generation, "seconds": seconds}
    return Metrics(**{**values, "evaluations_per_second": 100.0})


def test_what_is_left_is_that_of_the_seeds_to_come(capsys):
    """At 100 images a second, in batches of ten, budgets of 20 generations are two seconds each."""
    config = replace(Config(), generations=20, batch_size=10)
    progress = Progress(config, quiet=False, seeds={3: (0, 0.0), 5: (10, 9.0), 7: (0, 0.0)})
    progress.show({3: row(10, 1.0)})
    progress.show({5: row(20, 2.0)})
    Progress(config, quiet=False).show({3: row(10, 1.0)})
    first, second, alone = capsys.readouterr().out.splitlines()
    assert first.startswith("seed 3 (1 of 3) | generation 10 |")
    assert first.endswith("| 4 s left")
    assert second.startswith("seed 5 (2 of 3) | generation 20 |")
    assert second.endswith("| 2 s left | drawing pictures")
    assert alone.startswith("generation 10 |")
    assert alone.endswith("| 1 s left")


def test_seeds_side_by_side_have_one_line(capsys):
    """Evaluations of all, medians of the rest; what is left is of all, at the pace of all."""
    config = replace(Config(), generations=20, batch_size=10)
    progress = Progress(config, quiet=False, seeds=dict.fromkeys((3, 5, 7, 8, 9, 1), (0, 0.0)))
    sure = [replace(row(10, 1.0), evaluations=100, classes_at_99=count) for count in (1, 3, 9, 4, 9)]
    progress.show(dict(zip((3, 5, 7, 8, 9), sure, strict=True)))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(
        "seeds 3, 5, 7, 8 and 1 more (1 to 5 of 6, side by side) | generation 10 | 500 evaluations in all | 100/s | "
    )
    assert " | >= 99 %: 4 | " in line
    assert line.endswith("| 7 s left")


def test_the_folder_in_the_summary_is_printed_and_not_obeyed():
    names = ("classes_at_9999", "classes", "classes_at_99", "generations", "evaluations")
    shares = ("median_confidence", "min_confidence", "seconds", "compile_seconds")
    figures: dict[str, Any] = {**dict.fromkeys(names, 1), **dict.fromkeys(shares, 0.5), "ended_by": None}
    lines = Progress(replace(Config(), generations=2), quiet=True).summary(figures, Path(ATTACK)).split("\n")
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)
