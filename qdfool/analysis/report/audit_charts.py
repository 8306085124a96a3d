"""The charts of the page of an audit."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, Plot
from bokeh.models.glyphs import Line, VArea
from numpy.typing import NDArray

from qdfool.analysis.confidence import nine_ticks
from qdfool.analysis.report.audit_data import Curves, Shares
from qdfool.analysis.report.plots import Charts, add_axes, as_charts, axis, new_plot, span

Ticks = Sequence[tuple[float, str]]


def audit_charts(curves: Curves, shares: Shares) -> Charts:
    """Both charts of the page of an audit."""
    return as_charts({"rise": _rise(curves), "thresholds": _thresholds(shares)})


def _rise(curves: Curves) -> Plot:
    """The height of each way against the logarithm of evaluations: the mean over seeds, from their lowest to their
    highest."""
    x = np.log10(curves.evaluations)
    columns: dict[str, Any] = {"x": x, "evaluations": curves.evaluations}
    for way, heights in curves.heights.items():
        columns[way] = heights.mean(axis=0)
        columns[f"{way} low"], columns[f"{way} high"] = heights.min(axis=0), heights.max(axis=0)
    whole = range(int(np.ceil(x[0])), int(np.floor(x[-1])) + 1)
    places = [float(power) for power in whole]
    plot = _framed(
        (float(x[0]), float(x[-1])),
        1.03,
        [(place, f"{10**place:,.0f}") for place in places],
        curves.ticks,
        "evaluations",
    )
    ways = list(curves.heights)
    _draw(plot, columns, ways, [("evaluations", "@evaluations{0,0}")], ways)
    return plot


def _thresholds(shares: Shares) -> Plot:
    """Shares of images against the nines of the threshold."""
    columns: dict[str, NDArray[np.float64]] = {"x": shares.nines, "nothing": shares.passing}
    if shares.lost is not None:
        columns["real"] = shares.lost
    top = round(float(shares.nines[-1]))
    tooltips = [("threshold, nines", "@x{0.0}"), ("of nothing, pass", "@nothing{0.0 %}")]
    tooltips += [("real, lost", "@real{0.0 %}")] if shares.lost is not None else []
    plot = _framed(
        (0.0, float(top)),
        1.03,
        list(zip(*nine_ticks(top), strict=True)),
        [(share, f"{100 * share:.0f} %") for share in (0.0, 0.25, 0.5, 0.75, 1.0)],
        "threshold on the confidence",
    )
    _draw(plot, columns, [name for name in columns if name != "x"], tooltips, [])
    return plot


def _framed(x_ends: tuple[float, float], top: float, below: Ticks, left: Ticks, label: str) -> Plot:
    """A chart with labelled places along both axes, and lines at them."""
    plot = new_plot(span(*x_ends), span(0, top))
    across, up = (
        axis(text, ticker=FixedTicker(ticks=[place for place, _ in ticks]), major_label_overrides=dict(ticks))
        for ticks, text in ((below, label), (left, ""))
    )
    add_axes(plot, across, up)
    return plot


def _draw(
    plot: Plot,
    columns: Mapping[str, Any],
    lines: Sequence[str],
    tooltips: Sequence[tuple[str, str]],
    banded: Sequence[str],
) -> None:
    """Lines of some columns, by whose names the page colours them, and bands from low to high of some."""
    source = ColumnDataSource(dict(columns))
    for name in banded:
        area = VArea(x="x", y1=f"{name} low", y2=f"{name} high", fill_alpha=0.16)
        plot.add_glyph(source, area, name=name)
    drawn: list[Any] = [
        plot.add_glyph(source, Line(x="x", y=name, line_width=2), name=name) for name in lines
    ]
    hover = HoverTool(mode="vline", renderers=drawn[:1], tooltips=list(tooltips), line_policy="nearest")
    plot.add_tools(hover)
