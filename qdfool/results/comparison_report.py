"""The page of a comparison: from groups of runs and their differences to what it shows, in words."""

import math
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from qdfool.analysis import percent
from qdfool.analysis.charts import Band
from qdfool.analysis.report import ComparedCurves, ComparedFigure, ComparisonReport, Run, Scale
from qdfool.errors import named, printable
from qdfool.results import run_folder
from qdfool.results.comparison import DIFFERENCES_ARE, FIGURES_ARE, Difference, Group, compared, left_out
from qdfool.results.over_seeds import intervals
from qdfool.results.report import setting_text

LABELS = {
    "median_confidence": "median confidence",
    "min_confidence": "lowest confidence",
    "classes_at_99": "classes ≥ 99 %",
    "classes_at_9999": "classes ≥ 99.99 %",
    "cells_at_9999": "cells ≥ 99.99 %",
    "qd_score": "QD score",
    "coverage": "coverage",
    "evaluations": "evaluations",
    "seconds": "seconds of evolution",
}
CONFIDENCES = ("median_confidence", "min_confidence")


def report_of(
    groups: Sequence[Group],
    found: Sequence[Difference],
    evaluations: np.ndarray,
    curves: Mapping[str, Mapping[str, Band]],
    out: Path,
    command: str = "",
) -> ComparisonReport:
    """What the page of a comparison shows.

    Args:
        groups: of `read_groups`.
        found: their `differences`.
        evaluations: [T] of their `curves`; [0] where there are none.
        curves: their `curves`, if they have any.
        out: the folder that the page is for; addresses of the runs' pages begin there.
        command: that makes the comparison again, if there is one.
    """
    runs = [one for group in groups for one in group.members]
    seeds = sorted({one.seed for one in runs})
    differing, alike = _settings(groups)
    notes = [note for note in (left_out(groups), _without_page(groups)) if note]
    return ComparisonReport(
        title="qdfool: runs side by side",
        headline=_headline(groups, found),
        lede=f"{_count(len(runs), 'run')} of {_count(len(groups), 'setting')}, {_count(len(seeds), 'seed')}. Runs that "
        "differ in their seed alone are repeats of one setting.",
        figures=[
            ("settings", f"{len(groups):,}"),
            ("runs", f"{len(runs):,}"),
            ("differences tested", f"{sum(math.isfinite(one.p_value) for one in found):,}"),
            ("beyond chance", f"{sum(one.beyond_chance is True for one in found):,}"),
        ],
        groups=[
            (group.name, [_run(member.folder, member.seed, out) for member in group.members])
            for group in groups
        ],
        evaluations=evaluations,
        curves=_curves(groups, curves),
        table=_table(groups),
        differences=[_difference(one) for one in found],
        settings=differing,
        alike=alike,
        command=printable(command),
        notes=notes,
        figures_are=_sentence(FIGURES_ARE),
        differences_are=_sentence(DIFFERENCES_ARE.replace("p_adjusted", "p")),
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _label(figure: str) -> str:
    return LABELS.get(figure) or named(figure.replace("_", " "))


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _headline(groups: Sequence[Group], found: Sequence[Difference]) -> str:
    if len(groups) == 1:
        return f"{groups[0].name}: {_count(len(groups[0].members), 'run')} of one setting."
    tested = [one for one in found if math.isfinite(one.p_value)]
    if not tested:
        return (
            f"{_count(len(groups), 'setting')} side by side; whether they differ cannot be tested without two seeds of "
            "each."
        )
    beyond = [one for one in tested if one.beyond_chance]
    if len(groups) == 2 and len(beyond) == 1:
        return f"{groups[0].name} and {groups[1].name} differ beyond chance in their {_label(beyond[0].figure)} alone."
    if len(groups) == 2:
        how = f"in {len(beyond)} of {_count(len(tested), 'figure')}" if beyond else "in no figure"
        return f"{groups[0].name} and {groups[1].name} differ beyond chance {how}."
    return f"Of {_count(len(tested), 'difference')} between {len(groups)} settings, {len(beyond)} are beyond chance."


def _run(folder: Path, seed: int, out: Path) -> Run:
    """Its page is named from the page of the comparison, so that both can be moved together."""
    page = folder / run_folder.REPORT
    address = quote(os.fsencode(os.path.relpath(page, out))) if page.is_file() else ""
    return Run(f"seed {seed}", address)


def _without_page(groups: Sequence[Group]) -> str:
    runs = [one for group in groups for one in group.members if one.config is not None]
    missing = [one for one in runs if not (one.folder / run_folder.REPORT).is_file()]
    if not missing:
        return ""
    first = printable(shlex.quote(str(missing[0].folder)))
    return (
        f"Of {_count(len(missing), 'run')} there is no page to link to. The first is made by: python -m qdfool.inspect "
        f"{first} --no-open"
    )


def _curves(groups: Sequence[Group], curves: Mapping[str, Mapping[str, Band]]) -> list[ComparedCurves]:
    kinds: dict[str, tuple[str, str, Scale]] = {
        "median_confidence": ("Median confidence", "of the classes, by its nines", "confidence"),
        "qd_score": ("QD score", "sum of the confidence over cells", "number"),
        "coverage": ("Coverage", "share of cells with an elite", "share"),
    }
    found = []
    for series, (title, what, scale) in kinds.items() if curves else ():
        bands = [curves[series][group.name] for group in groups]
        lines = np.array(bands, np.float64)
        # A class archive is full from the first generation on.
        if series != "coverage" or np.nanmin(lines) < np.nanmax(lines):
            found.append(ComparedCurves(title, what, scale, bands))
    return found


def _table(groups: Sequence[Group]) -> list[tuple[str, list[str]]]:
    figures = [intervals([one.figures for one in group.members]) for group in groups]
    return [
        (_label(name), [figure_text(name, row.get(name)) for row in figures])
        for name in compared(groups)
        if any(name in row for row in figures)
    ]


def figure_text(name: str, figure: Mapping[str, float | None] | None) -> str:
    """A figure of a group with its interval; a dash where there is none.

    Args:
        name: of `COMPARED`.
        figure: median, low and high, the latter None of a single run.
    """
    if figure is None:
        return "-"

    def said(value: float) -> str:
        # Else 99.99999 % would be rounded to what is not true.
        sure = name in CONFIDENCES and 0 <= value <= 1
        return percent(value) if sure else f"{value:,.6g}"

    median, low, high = (figure[part] for part in ("median", "low", "high"))
    assert median is not None
    return said(median) if low is None or high is None else f"{said(median)} ({said(low)} to {said(high)})"


def difference_text(one: Difference) -> tuple[str, str, str]:
    """A difference with its interval, whether it is of pairs, and its p-value."""
    mean, low, high, _ = one.difference
    bounds = f" ({low:+.4g} to {high:+.4g})" if math.isfinite(low) else ""
    p = f"{one.p_adjusted:.2g}" if math.isfinite(one.p_adjusted) else "?"
    return f"{mean:+.4g}{bounds}", "paired" if one.paired else "not paired", p


def _difference(one: Difference) -> ComparedFigure:
    return ComparedFigure(_label(one.figure), one.group, one.than, *difference_text(one), one.beyond_chance)


def _settings(groups: Sequence[Group]) -> tuple[list[tuple[str, list[str]]], list[tuple[str, str]]]:
    """Those in which groups differ, with what each has, and the others."""
    names: list[str] = list(dict.fromkeys(name for group in groups for name in group.settings))
    differing, alike = [], []
    for name in names:
        values: list[Any] = [group.settings.get(name) for group in groups]
        if any(value != values[0] for value in values):
            differing.append((name, list(map(setting_text, values))))
        else:
            alike.append((name, setting_text(values[0])))
    return differing, alike
