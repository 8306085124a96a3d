"""What the script of a page is given: JSON that no text of a classifier can end or add to."""

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qdfool.analysis.confidence import fitting_scale, percent
from qdfool.analysis.report.charts import growth_order
from qdfool.analysis.report.data import EliteTable, Report
from qdfool.analysis.report.thumbnails import Thumbnails, room_for, thumbnails
from qdfool.errors import printable

LONGEST_NAME, SHORTEST, NAMES = 300, 8, 2_000_000
"""Characters of a name that a page shows: at most the first, and so many that all have no more than the last."""
SMALL = 64
"""Pixels of a side, up to which an enlarged image has square pixels."""
ESCAPED = "<>&\u2028\u2029"
"""Characters that HTML, or an older JavaScript, would not take for text."""


def embedded(values: Any) -> str:
    """JSON for a <script type="application/json">: the same values, without a character that could end it."""
    text = json.dumps(values, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    for character in ESCAPED:
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def shown_names(names: Any) -> list[str]:
    """Names as the page shows them: on one line, in characters that can be printed, and of a bounded length."""
    most = min(LONGEST_NAME, max(SHORTEST, NAMES // max(1, len(names))))
    return [printable(name if len(name) <= most else f"{name[: most - 1]}…") for name in map(str, names)]


def payload(report: Report) -> tuple[dict[str, Any], list[str]]:
    """The data of a page, and sentences about what of it is not there or not exact."""
    names, remarks = shown_names(report.class_names), []
    data: dict[str, Any] = {"names": names}
    if report.growth is not None and report.growth.fitness is not None and len(report.growth.fitness):
        data["rows"] = growth_order(report.growth.fitness).tolist()
    elites = report.elites
    if elites is None or not len(elites):
        return data, remarks
    rows = elites.shown()
    if len(rows) < len(elites):
        remarks.append(
            f"Of {len(elites):,} elites the page has {len(rows):,}: the best of each class first, then the highest."
        )
    elites = elites.rows(rows)
    pictures = thumbnails(elites.images, len(elites), room_for(len(names)))
    if sentence := _about(pictures):
        remarks.append(sentence)
    data |= {
        "elites": _table(elites),
        "images": {
            "type": f"image/{pictures.form.kind}",
            "data": list(pictures.data),
            "small": pictures.side <= SMALL,
        },
        "scales": _scales(elites),
        "grid": None,
    }
    if report.grid is not None:
        grid = report.grid
        data["grid"] = {
            "cells": list(grid.cells),
            "ranges": [list(ends) for ends in grid.ranges],
            "measures": shown_names(grid.measures),
        }
    return data, remarks


def _about(pictures: Thumbnails) -> str:
    sentences = []
    if pictures.form.kind != "png":
        sentences.append(
            f"Images are {pictures.form} here, so that the page stays small; elites.npz has them as the classifier saw "
            "them."
        )
    if missing := sum(not text for text in pictures.data):
        sentences.append(f"Of {missing:,} elites the page does not have the image.")
    return " ".join(sentences)


def _table(elites: EliteTable) -> dict[str, Any]:
    """The elites by columns. Confidences are texts, which never say more than is true."""
    table: dict[str, Any] = {
        "cell": elites.cell.tolist(),
        "class": elites.class_index.tolist(),
        "odds": _rounded(elites.fitness),
        "confidence": _percents(elites.fitness),
        "birth": elites.birth_generation.tolist(),
        "parent": elites.parent_class.tolist(),
        "replacements": elites.num_replacements.tolist(),
        "measures": [_rounded(row) for row in elites.measures] if elites.measures.shape[1] else None,
        "top": None,
    }
    if elites.top is not None:
        shares = np.exp(-np.logaddexp(0, -elites.top.log_odds))
        table["top"] = [
            [classes, _percents(odds), [round(share, 4) for share in of_one]]
            for classes, odds, of_one in zip(
                elites.top.classes.tolist(), elites.top.log_odds, shares.tolist(), strict=True
            )
        ]
    return table


def _percents(odds: NDArray[np.float64]) -> list[str]:
    return [percent(log_odds=float(value)) for value in odds]


def _rounded(values: NDArray[np.float64]) -> list[float]:
    return [round(float(value), 4) for value in values]


def _scales(elites: EliteTable) -> dict[str, Any]:
    """What colours a map: ends, ticks and their labels, and the column that it is of."""
    scale = fitting_scale(elites.fitness)
    return {
        "confidence": {
            "low": scale.low,
            "high": scale.high,
            "ticks": list(scale.ticks),
            "labels": list(scale.labels),
        },
        "birth": _linear(elites.birth_generation),
        "replacements": _logarithmic(elites.num_replacements),
    }


def _linear(values: NDArray[np.intp]) -> dict[str, Any]:
    low, high = float(values.min()), float(values.max())
    high = high if high > low else low + 1
    ticks = np.unique(np.linspace(low, high, 5).round())
    return {"low": low, "high": high, "ticks": ticks.tolist(), "labels": [f"{tick:,.0f}" for tick in ticks]}


def _logarithmic(values: NDArray[np.intp]) -> dict[str, Any]:
    """Of counts from 1: places are their logarithms to the base 10."""
    high = max(float(np.log10(values.max())), math.log10(2))
    counts = [count for power in range(10) for count in (10**power, 2 * 10**power, 5 * 10**power)]
    counts = [count for count in counts if math.log10(count) <= high + 1e-9]
    counts = counts if len(counts) <= 6 else [count for count in counts if str(count)[0] == "1"]
    return {
        "low": 0.0,
        "high": high,
        "ticks": [math.log10(count) for count in counts],
        "labels": [f"{count:,}" for count in counts],
    }
