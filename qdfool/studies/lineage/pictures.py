"""The pictures of the study `lineage`."""

from collections.abc import Mapping, Sequence

import numpy as np

from qdfool import analysis
from qdfool.analysis.statistics import bands, interval
from qdfool.studies.lineage.conditions import COMPETITIONS, Setting
from qdfool.studies.lineage.effects import (
    PARTS,
    against_chance,
    others_against_chance,
    switched_in_parts,
)
from qdfool.studies.study import Figures, Workbench

BLOCK = 50
"""Classes of ImageNet in a block of the matrix."""
SEEDS, COLUMNS, LARGE_COLUMNS = {"all": 2, "parent": 1}, 10, 8
"""Of the pictures of images; seeds by competition, and columns of images of digits and of larger ones."""
POINTS = 100
"""Of a curve, at most."""


def matrices(
    bench: Workbench,
    chosen: Mapping[str, Setting],
    found: Mapping[tuple[str, str], Figures],
    names: Mapping[str, Sequence[str]],
) -> None:
    """Which classes are parents of which others, and how the share of other classes' children goes along the runs."""
    small = {name: setting for name, setting in chosen.items() if not setting.imagenet}
    digits = names[next(iter(small))]
    for picture, against, whose, caption in (
        ("matrix", against_chance, "digit's", "Cells of each digit (columns) won by children of each (rows)"),
        (
            "matrix-others",
            others_against_chance,
            "other digit's",
            "Cells of each digit (columns) won by children of other digits (rows), the few that there are",
        ),
    ):
        path = bench.picture(picture)
        analysis.density_maps(
            path,
            {setting.line: against(found[name, "all"]["wins"]) for name, setting in small.items()},
            f"Whose children win which {whose} cell",
            f"cells won, over those of chance; all {len(bench.seeds)} seeds together",
            "cells won, against chance",
            centre=1.0,
            names=digits,
            axes=("won the cell of", "child of"),
        )
        bench.report.picture(path, f"{caption}, over those of chance; 1 is chance.")
    for name, setting in chosen.items():
        if not setting.imagenet:
            continue
        path, wins = bench.picture("matrix-imagenet"), found[name, "all"]["wins"]
        ratios = others_against_chance(wins, BLOCK)
        analysis.density_maps(
            path,
            {f"blocks of {BLOCK} classes": ratios},
            "Whose children win which other class's cell",
            f"cells won by children of other classes, over those of chance; {len(wins)} seeds together",
            "cells won, against chance",
            centre=1.0,
            names=[str(BLOCK * block) if block % 4 == 0 else "" for block in range(len(ratios))],
            axes=("won the cell of", "child of"),
        )
        bench.report.picture(
            path,
            f"{setting.line}: cells won by children of other classes, by blocks of {BLOCK}, over those of chance.",
        )
    path = bench.picture("switching")
    analysis.lines(
        path,
        (np.arange(PARTS) + 0.5) / PARTS,
        {
            setting.line: _shares(
                switched_in_parts(found[name, "all"]["won"], found[name, "all"]["switched"])
            )
            for name, setting in chosen.items()
        },
        "How many cells are won by children of another class",
        f"of those won in each of {PARTS} equal parts of the run; bands: 95 % over seeds",
        "share of the run",
        "share of the cells won",
        y_range=(0.0, 1.0),
    )
    bench.report.picture(path, "Share of the cells won that a child of another class won, along the run.")


def curves(bench: Workbench, chosen: Mapping[str, Setting], found: Mapping[tuple[str, str], Figures]) -> None:
    """Median log-odds against evaluations, with both ways to compete; settings of one budget share a picture."""
    budgets = {(setting.batch_size, setting.generations) for setting in chosen.values()}
    for batch_size, generations in sorted(budgets, reverse=True):
        of = {
            name: setting
            for name, setting in chosen.items()
            if (setting.batch_size, setting.generations) == (batch_size, generations)
        }
        shown = np.unique(np.linspace(0, generations - 1, min(POINTS, generations)).round().astype(int))
        panels = {
            setting.line: {
                f"competing for {line}": bands(
                    np.median(found[name, way]["fitness"][:, shown].astype(np.float64), axis=2)
                )
                for way, line in COMPETITIONS.items()
            }
            for name, setting in of.items()
        }
        path = bench.picture("curves-imagenet" if any(each.imagenet for each in of.values()) else "curves")
        analysis.line_panels(
            path,
            (shown + 1) * batch_size,
            panels,
            "Median log-odds over the classes",
            "mean over seeds; bands: 95 %",
            "evaluations",
            "median log-odds",
        )
        bench.report.picture(path, f"Median log-odds over the classes: {', '.join(panels)}.")


def images(
    bench: Workbench,
    chosen: Mapping[str, Setting],
    found: Mapping[tuple[str, str], Figures],
    names: Mapping[str, Sequence[str]],
) -> None:
    """Elites of some classes, seed by seed, with both ways to compete."""
    for imagenet in sorted({setting.imagenet for setting in chosen.values()}):
        of = {name: setting for name, setting in chosen.items() if setting.imagenet == imagenet}
        rows, titles = [], []
        for name, setting in of.items():
            columns = LARGE_COLUMNS if imagenet else COLUMNS
            classes = np.linspace(0, len(names[name]) - 1, columns).round().astype(int)
            titles = [names[name][int(index)].split(",")[0] for index in classes]
            for way, line in COMPETITIONS.items():
                figures = found[name, way]
                for seed in range(min(SEEDS[way], len(figures["images"]))):
                    odds = figures["fitness"][seed, -1]
                    captions = [analysis.percent(log_odds=float(odds[index])) for index in classes]
                    label = f"{setting.line}\n{line}, seed {seed}"
                    rows.append((label, list(figures["images"][seed, classes]), captions))
        path = bench.picture("images-imagenet" if imagenet else "images")
        analysis.image_table(
            path, rows, "Elites of several seeds", "by what their ancestors competed for", titles
        )
        bench.report.picture(
            path, "Elites of several seeds, with their confidence, by what children compete for."
        )


def _shares(parts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and interval [PARTS] of shares [S, PARTS], of the seeds in which cells were won."""
    known = [interval(column[np.isfinite(column)]) for column in parts.T]
    mean, low, high, _ = np.array(known).T
    return mean, low, high
