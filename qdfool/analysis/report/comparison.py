"""What a page shows of runs side by side, and its charts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from bokeh.models import (
    ColumnDataSource,
    FixedTicker,
    LogAxis,
    LogScale,
    NumeralTickFormatter,
    Plot,
    Span,
)
from bokeh.models.glyphs import Line, VArea
from numpy.typing import NDArray

from qdfool.analysis import style
from qdfool.analysis.charts import Band
from qdfool.analysis.confidence import nine_scale, nine_ticks, nines_of_confidence, percent
from qdfool.analysis.report.plots import Charts, add_axes, as_charts, axis, new_plot, span

DASHES = ([], [7, 4])
"""When the colours are used up, they begin again with the next of these."""
MOST_TICKS = 8
"""Of evaluations, beyond which only powers of ten have one."""
Scale = Literal["confidence", "share", "number"]
"""How values are drawn and written: by nines, in percent, or as they are."""


@dataclass(frozen=True)
class Run:
    """A run, as it is named, and the address of its page from this one's; empty where it has none."""

    name: str
    address: str


@dataclass(frozen=True)
class ComparedCurves:
    """One figure by evaluations, a band for each group in their order; NaN where there is no value."""

    title: str
    what: str
    """Said after the title."""
    scale: Scale
    bands: Sequence[Band]


@dataclass(frozen=True)
class ComparedFigure:
    """A difference, in words."""

    figure: str
    group: str
    than: str
    difference: str
    kind: str
    p: str
    beyond_chance: bool | None
    """None where that cannot be tested."""


@dataclass(frozen=True)
class ComparisonReport:
    """Everything on a page that compares settings, in the order of its groups."""

    title: str
    headline: str
    lede: str
    figures: Sequence[tuple[str, str]]
    """Labels and values of the few numbers that count."""
    groups: Sequence[tuple[str, Sequence[Run]]]
    """Names, and runs."""
    evaluations: NDArray[np.float64]
    """[T] rising, of the curves."""
    curves: Sequence[ComparedCurves]
    """None where only the figures are known."""
    table: Sequence[tuple[str, Sequence[str]]]
    """Label of a figure, and what each group came to."""
    differences: Sequence[ComparedFigure]
    settings: Sequence[tuple[str, Sequence[str]]]
    """Those in which groups differ, and what each has."""
    alike: Sequence[tuple[str, str]]
    """The other settings."""
    command: str
    """That makes the comparison again; empty where there is none."""
    figures_are: str
    differences_are: str
    """How `table` and `differences` are to be read."""
    notes: Sequence[str] = ()
    """What is missing, and why."""


def keys(groups: int) -> list[tuple[int, int]]:
    """The number of a colour, and of a dash, for each of so many groups."""
    return [(index % len(style.SERIES), index // len(style.SERIES) % len(DASHES)) for index in range(groups)]


def charts(report: ComparisonReport) -> Charts:
    """A chart for each of the curves, all with the same evaluations."""
    if not report.curves:
        return as_charts({})
    x = np.asarray(report.evaluations, np.float64)
    x_range = span(float(x[0]), max(float(x[-1]), float(x[0]) * (1 + 1e-9)))
    return as_charts({f"curve{number}": _chart(x, x_range, one) for number, one in enumerate(report.curves)})


def _chart(x: NDArray[np.float64], x_range: Any, curves: ComparedCurves) -> Plot:
    drawn, top, left = _scaled(curves)
    plot = new_plot(x_range, span(0, top), x_scale=LogScale())
    for index, ((colour, dash), lines) in enumerate(zip(keys(len(drawn)), drawn, strict=True)):
        there = np.isfinite(lines[0])
        middle, low, high = (line[there] for line in lines)
        source = ColumnDataSource({"x": x[there], "middle": middle, "low": low, "high": high})
        band = VArea(x="x", y1="low", y2="high", fill_color=style.SERIES[colour], fill_alpha=0.16)
        line = Line(x="x", y="middle", line_color=style.SERIES[colour], line_width=2, line_dash=DASHES[dash])
        for glyph in (band, line):
            plot.add_glyph(source, glyph, name=str(index))
    plot.add_layout(
        Span(location=float(x[-1]), dimension="height", line_width=1, line_alpha=0.7, name="moment")
    )
    ticker = FixedTicker(ticks=_round_numbers(x[0], x[-1]))
    below = axis("evaluations", LogAxis, ticker=ticker, formatter=NumeralTickFormatter(format="0,0"))
    add_axes(plot, below, left)
    return plot


def _round_numbers(low: float, high: float) -> list[int]:
    """1, 2, 5, 10 and so on between two numbers, or of many the powers of ten."""
    found = [
        digit * 10**power for power in range(20) for digit in (1, 2, 5) if low <= digit * 10**power <= high
    ]
    return found if len(found) <= MOST_TICKS else [number for number in found if str(number)[0] == "1"]


def _scaled(curves: ComparedCurves) -> tuple[list[tuple[NDArray[np.float64], ...]], float, Any]:
    """The bands as they are drawn, where their axis ends, and that axis."""
    bands = [tuple(np.asarray(line, np.float64) for line in band) for band in curves.bands]
    if curves.scale == "confidence":
        by_nines = [tuple(nines_of_confidence(np.clip(line, 0, 1)) for line in band) for band in bands]
        top = nine_scale(np.concatenate([line for band in by_nines for line in band]))
        places, labels = nine_ticks(top)
        overrides = dict(zip(places, labels, strict=True))
        left = axis(ticker=FixedTicker(ticks=places), major_label_overrides=overrides)
        return [tuple(np.minimum(line, top) for line in band) for band in by_nines], 1.04 * top, left
    highest = max(
        (float(np.nanmax(line)) for band in bands for line in band if np.isfinite(line).any()), default=1.0
    )
    share = curves.scale == "share"
    left = axis(formatter=NumeralTickFormatter(format="0 %" if share else "0,0.[00]"))
    return bands, 1.06 * (1.0 if share else highest or 1.0), left


def values(report: ComparisonReport) -> dict[str, Any]:
    """The data of the page's script: evaluations, and what each group had come to by then, as texts."""
    return {
        "evaluations": [f"{value:,.0f}" for value in report.evaluations],
        "x": [float(value) for value in report.evaluations],
        "texts": [[_texts(band, curves.scale) for band in curves.bands] for curves in report.curves],
    }


def _texts(band: Band, scale: Scale) -> list[str]:
    def said(value: float) -> str:
        if scale == "number":
            return f"{value:,.6g}"
        return (
            percent(float(np.clip(value, 0, 1)))
            if scale == "confidence"
            else f"{value:.1%}".replace("%", " %")
        )

    texts = []
    for middle, low, high in zip(*(np.asarray(line, np.float64) for line in band), strict=True):
        if not np.isfinite(middle):
            texts.append("-")
        else:
            texts.append(said(middle) if low == high else f"{said(middle)} ({said(low)} to {said(high)})")
    return texts
