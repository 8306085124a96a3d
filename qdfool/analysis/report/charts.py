"""The charts of a run's page.

Names of classes are given to Bokeh as plain texts, which it does not search for formulas.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.models import (
    Axis,
    ColorBar,
    ColumnDataSource,
    FixedTicker,
    HoverTool,
    LinearColorMapper,
    NumeralTickFormatter,
    PanTool,
    PlainText,
    Plot,
    Range1d,
    Rect,
    WheelZoomTool,
)
from bokeh.models.glyphs import Image, Line, Text, VArea
from bokeh.palettes import Viridis256
from numpy.typing import NDArray

from qdfool.analysis import style
from qdfool.analysis.confidence import fitting_scale, nine_scale, nine_ticks, nines_of_confidence, percent
from qdfool.analysis.report.data import Grid, Growth
from qdfool.analysis.report.plots import Charts, add_axes, as_charts, axis, new_plot, span

MOST_POINTS, MOST_ROWS = 240, 1000
"""Of a chart over generations: columns, and rows of classes."""
MOST_NAMED, LONGEST_LABEL = 40, 18
"""Rows of classes that are named, and characters of a name there."""
MAPS = 12
"""Maps of classes that are shown at once."""


def charts(names: Sequence[str], grid: Grid | None, growth: Growth | None, has_elites: bool) -> Charts:
    """All charts of a page, of classes with these names."""
    plots: dict[str, Plot] = {}
    if has_elites:
        # One for all, so that the page sets it once.
        mapper = LinearColorMapper(palette=Viridis256, low=0, high=1, name="mapper")
        plots["colours"] = _colour_bar(mapper)
        plots |= _class_map(mapper) if grid is None else _grid_maps(mapper, len(names), grid)
    if growth is not None and len(growth.evaluations):
        plots |= _curves(growth)
        if growth.fitness is not None:
            plots["growth"] = _growth(growth.evaluations, growth.fitness, names)
    return as_charts(plots)


def _colour_bar(mapper: LinearColorMapper) -> Plot:
    """What the colours of the maps mean; the page says which of its scales it is."""
    # Half of the longest label at either end, which Bokeh else moves onto the next one.
    plot = new_plot(span(0, 1), span(0, 1), min_border_left=32, min_border_right=32)
    plot.add_layout(
        ColorBar(
            color_mapper=mapper,
            ticker=FixedTicker(ticks=[]),
            orientation="horizontal",
            height=10,
            width="auto",
            padding=0,
            margin=0,
            bar_line_alpha=0,
            background_fill_alpha=0,
            major_tick_line_alpha=0,
            major_label_text_font_size="12px",
            name="bar",
        ),
        "below",
    )
    return plot


def _tiles(plot: Plot, mapper: LinearColorMapper) -> None:
    """Coloured cells, which the page fills, and the frame of the one that is looked at."""
    place: dict[str, Any] = {"x": "x", "y": "y", "width": "width", "height": "height"}
    tile = Rect(fill_color={"field": "value", "transform": mapper}, line_alpha=0, **place)
    plot.add_glyph(_empty("x", "y", "width", "height", "value"), tile, name="tiles")
    label = Text(
        x="x",
        y="y",
        text="text",
        text_align="center",
        text_baseline="middle",
        text_font_size="13px",
        text_color="colour",
    )
    plot.add_glyph(_empty("x", "y", "text", "colour"), label, name="labels")
    _frame(plot)


def _frame(plot: Plot) -> None:
    """Around the cell that is looked at: dark within white, to be seen on any colour."""
    source = _empty("x", "y", "width", "height")
    place: dict[str, Any] = {"x": "x", "y": "y", "width": "width", "height": "height", "fill_alpha": 0}
    plot.add_glyph(source, Rect(line_width=5, line_color="white", **place))
    plot.add_glyph(source, Rect(line_width=2, line_color="#111111", **place), name="frame")


def _empty(*columns: str) -> ColumnDataSource:
    """What the page fills."""
    return ColumnDataSource({column: [] for column in columns})


def _class_map(mapper: LinearColorMapper) -> dict[str, Plot]:
    """Of a class archive: a cell per class, in the order of the classes, from the top left."""
    plot = new_plot(span(0, 1), span(1, 0))
    _tiles(plot, mapper)
    return {"map0": plot}


def _grid_maps(mapper: LinearColorMapper, classes: int, grid: Grid) -> dict[str, Plot]:
    """Of a grid archive: maps of several classes over the measures, all with the same ranges."""
    (low, high), (bottom, top) = grid.ranges
    x_range = span(low, high, bounds=(low, high))
    y_range = span(bottom, top, bounds=(bottom, top))
    # Turning the wheel alone goes on with the page.
    zoom, pan = WheelZoomTool(modifiers={"ctrl": True}), PanTool()
    plots = {}
    for number in range(min(MAPS, classes)):
        plot = new_plot(x_range, y_range, outline_line_alpha=0.35)
        _tiles(plot, mapper)
        plot.add_layout(axis(), "below")
        plot.add_layout(axis(), "left")
        plot.add_tools(zoom, pan)
        plot.toolbar.active_scroll = zoom
        plots[f"map{number}"] = plot
    return plots


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_LABEL else f"{name[: LONGEST_LABEL - 1]}…"


def growth_order(fitness: NDArray[np.float64]) -> NDArray[np.intp]:
    """[R] the classes that are the rows of the chart of growth, from the top: the surest at the end first. Of more than
    `MOST_ROWS` some, evenly chosen."""
    order = np.argsort(-fitness[-1], kind="stable")
    return order[np.unique(np.linspace(0, len(order) - 1, MOST_ROWS).round().astype(np.intp))]


def _growth(evaluations: NDArray[np.float64], fitness: NDArray[np.float64], names: Sequence[str]) -> Plot:
    """Class against evaluations, coloured by confidence."""
    # Columns of one width: each shows where the run stood at its middle.
    middles = (np.arange(MOST_POINTS) + 0.5) * evaluations[-1] / MOST_POINTS
    rows = np.maximum(np.searchsorted(evaluations, middles, side="right") - 1, 0)
    values = fitness[rows][:, growth_order(fitness)].T
    values = np.where(np.isneginf(values), np.nan, values).astype(np.float32)
    scale = fitting_scale(values)
    mapper = LinearColorMapper(
        palette=Viridis256, low=scale.low, high=scale.high, nan_color="rgba(0,0,0,0)", name="growth colours"
    )
    classes, end = len(values), int(evaluations[-1])
    plot = new_plot(span(0, end), span(classes, 0))
    plot.add_glyph(
        ColumnDataSource({"image": [values]}),
        Image(image="image", x=0, y=0, dw=end, dh=classes, color_mapper=mapper),
    )
    _frame(plot)
    plot.add_layout(axis("evaluations", formatter=NumeralTickFormatter(format="0,0")), "below")
    if classes <= MOST_NAMED:
        places = [row + 0.5 for row in range(classes)]
        order: list[int] = growth_order(fitness).tolist()
        labels = [PlainText(text=_short(names[index])) for index in order]
        named = {
            "ticker": FixedTicker(ticks=places),
            "major_label_overrides": dict(zip(places, labels, strict=True)),
        }
        plot.add_layout(axis(**named), "left")
    bar = ColorBar(
        color_mapper=mapper,
        ticker=FixedTicker(ticks=list(scale.ticks)),
        major_label_overrides=dict(zip(scale.ticks, scale.labels, strict=True)),
        width=10,
        bar_line_alpha=0,
        background_fill_alpha=0,
        major_tick_line_alpha=0,
        major_label_text_font_size="11px",
        padding=6,
    )
    plot.add_layout(bar, "right")
    return plot


def _curves(growth: Growth) -> dict[str, Plot]:
    """Confidence, QD score and coverage against evaluations, all with the same range."""
    points = len(growth.evaluations)
    rows = np.unique(np.linspace(0, points - 1, MOST_POINTS).round().astype(np.intp))
    x = growth.evaluations[rows]
    lines = {
        "low": growth.low[rows],
        "median": growth.median[rows],
        "high": growth.high[rows],
        "lowest": growth.lowest[rows],
    }
    nines = {name: nines_of_confidence(line) for name, line in lines.items()}
    top = nine_scale(np.concatenate(list(nines.values())))
    places, labels = nine_ticks(top)
    texts = {
        f"{name}_text": [percent(float(value)) for value in lines[name]] for name in ("median", "lowest")
    }
    x_range = span(0, float(x[-1]))
    confidence = _curve(
        x_range,
        1.04 * top,
        {"x": x, **{name: np.minimum(line, top) for name, line in nines.items()}, **texts},
        {"lowest": style.MINIMUM, "median": style.MEDIAN},
        axis(ticker=FixedTicker(ticks=places), major_label_overrides=dict(zip(places, labels, strict=True))),
        [("median", "@median_text"), ("lowest", "@lowest_text")],
        VArea(x="x", y1="low", y2="high", fill_color=style.MEDIAN, fill_alpha=0.18),
    )
    score = growth.qd_score[rows]
    return {
        "confidence": confidence,
        "score": _curve(
            x_range,
            1.06 * (float(score.max()) or 1.0),
            {"x": x, "score": score},
            {"score": style.MEDIAN},
            axis(formatter=NumeralTickFormatter(format="0,0.[00]")),
            [("QD score", "@score{0,0.00}")],
        ),
        "coverage": _curve(
            x_range,
            1.06,
            {"x": x, "coverage": growth.coverage[rows]},
            {"coverage": style.MEDIAN},
            axis(formatter=NumeralTickFormatter(format="0 %")),
            [("coverage", "@coverage{0.0 %}")],
        ),
    }


def _curve(
    x_range: Range1d,
    top: float,
    data: Mapping[str, Any],
    lines: Mapping[str, str],
    left: Axis,
    tooltips: Sequence[tuple[str, str]],
    band: VArea | None = None,
) -> Plot:
    """Lines, by their column and colour, over the evaluations, and a band behind them."""
    plot = new_plot(x_range, span(0, top))
    source = ColumnDataSource(dict(data))
    if band is not None:
        plot.add_glyph(source, band)
    drawn: list[Any] = [
        plot.add_glyph(source, Line(x="x", y=name, line_color=colour, line_width=2), name=name)
        for name, colour in lines.items()
    ]
    hover = HoverTool(
        mode="vline",
        renderers=drawn[:1],
        tooltips=[("evaluations", "@x{0,0}"), *tooltips],
        line_policy="nearest",
    )
    plot.add_tools(hover)
    add_axes(plot, axis("evaluations", formatter=NumeralTickFormatter(format="0,0")), left)
    return plot
