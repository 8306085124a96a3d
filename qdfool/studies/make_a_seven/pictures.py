"""The pictures of the study: images in the order of recognisability, the curves, and both answers side by side."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from qdfool.analysis import image_table, intervals, line_panels
from qdfool.analysis.statistics import bands, interval
from qdfool.engine.objectives import confidence
from qdfool.studies.study import Figures, Workbench

IN_ROW = 6
"""Images in a row of the gallery."""
POINTS = 120
"""Of a curve, evenly spaced on a logarithmic axis."""


def draw_gallery(bench: Workbench, looks: Mapping[str, Any]) -> None:
    """One image of every variant and of every kind of example, from the most to the least of a seven."""
    entries = []
    for name, look in looks.items():
        images, scores = look.images.reshape(-1, 28, 28, 1), look.measured.combined.ravel()
        middle = np.argsort(scores, kind="stable")[len(scores) // 2]
        entries.append((float(scores[middle]), name.replace("-", " "), images[middle]))
    entries.sort(key=lambda entry: -entry[0])
    rows = [entries[start : start + IN_ROW] for start in range(0, len(entries), IN_ROW)]
    path = bench.picture("gallery")
    image_table(
        path,
        [
            (
                f"{row[0][0]:.2f} to {row[-1][0]:.2f}",
                [image for _, _, image in row],
                [f"{name}\n{score:.2f}" for score, name, _ in row],
            )
            for row in rows
        ],
        "From the most to the least of a seven",
        "the image in the middle of its seeds, or of its examples; below it, its recognisability",
    )
    bench.report.picture(
        path,
        "Images sorted by recognisability, which never asks the classifier that they were evolved for. Real digits, "
        "sevens with specks and static are examples to compare with.",
    )


def draw_curves(
    bench: Workbench, found: Mapping[str, Figures], groups: Mapping[str, Any], spent: np.ndarray
) -> None:
    """The probability of a seven by evaluations, a panel for each group of variants."""
    chosen = np.unique(np.geomspace(1, len(spent), POINTS).astype(int)) - 1
    panels = {
        group: {name: sure(found[name]["log_odds"][:, chosen]) for name in members}
        for group, members in groups.items()
    }
    path = bench.picture("curves")
    line_panels(
        path,
        spent[chosen],
        panels,
        "How sure the classifier is of a seven",
        "the image with the highest confidence of each generation; mean and 95 % interval over seeds",
        "evaluations",
        "probability of a seven",
        y_range=(-0.02, 1.02),
        log_x=True,
    )
    bench.report.picture(
        path,
        "The probability of class 7, as the classifier sees the image with the highest confidence, by evaluations.",
    )


def sure(log_odds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, low and high [T] of the probability over seeds, within [0, 1], of log-odds [S, T]."""
    mean, low, high = bands(confidence(log_odds))
    return mean, np.clip(low, 0, 1), np.clip(high, 0, 1)


def draw_both(bench: Workbench, found: Mapping[str, Figures], looks: Mapping[str, Any]) -> None:
    """Beside each other for every variant: how sure the classifier is, and how much of a seven it is."""
    ordered = sorted(found, key=lambda name: -looks[name].measured.combined.mean())
    sides = {
        "how sure the classifier is": {name: confidence(found[name]["final"]) for name in ordered},
        "how much of a seven it is": {name: looks[name].measured.combined for name in ordered},
    }
    rows = [(name, interval(values[name]), side) for name in ordered for side, values in sides.items()]
    path = bench.picture("both")
    intervals(
        path,
        [name for name, _, _ in rows],
        [value.mean for _, value, _ in rows],
        [max(value.low, 0.0) for _, value, _ in rows],
        [min(value.high, 1.0) for _, value, _ in rows],
        "Sure, and a seven, are two things",
        "mean and 95 % interval over seeds, within 0 and 1",
        "probability of a seven by the classifier that was climbed; recognisability",
        groups=[side for _, _, side in rows],
    )
    bench.report.picture(
        path,
        "Both questions for every variant's best image: the classifier's probability, and recognisability.",
    )
