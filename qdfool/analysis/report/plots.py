"""What the charts of every page are made of: Bokeh's models, made here and drawn by BokehJS in the browser.

Bokeh is imported here and by the modules of charts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from bokeh.document import Document
from bokeh.models import Axis, BasicTicker, LinearAxis, PlainText, Plot, Range1d, Toolbar
from bokeh.models import Grid as GridLines
from bokeh.resources import Resources

PLAIN: dict[str, Any] = {
    "background_fill_alpha": 0.0,
    "border_fill_alpha": 0.0,
    "outline_line_alpha": 0.0,
    "toolbar_location": None,
    "sizing_mode": "stretch_both",
    "min_border": 2,
    "output_backend": "canvas",
}
"""Transparent, so that the page decides what is light and what dark, and as large as the page makes it."""


@dataclass(frozen=True)
class Charts:
    """Charts as the page holds them."""

    document: dict[str, Any]
    """Bokeh's JSON."""
    roots: Mapping[str, str]
    """Name of each chart to the id of its model."""


@cache
def script() -> str:
    """BokehJS, without what only widgets, tables and formulas need."""
    resources = Resources(mode="inline", components=["bokeh"])
    # The last line sets how much is logged, and logs that.
    return "\n".join(part for part in resources.js_raw if not part.startswith("Bokeh.set_log_level"))


def as_charts(plots: Mapping[str, Plot]) -> Charts:
    """Named plots as a page holds them: the same plots, the same JSON."""
    document = Document()
    for name, plot in plots.items():
        plot.name = name
        document.add_root(plot)
    return _numbered(document.to_json(deferred=False), plots)


def _numbered(document: Any, plots: Mapping[str, Plot]) -> Charts:
    """Bokeh counts its models on for as long as a process lives; here they are counted from 1, so that the same charts
    have the same JSON."""
    numbers: dict[str, str] = {}

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: numbers.setdefault(part, f"m{len(numbers) + 1}")
                if key == "id" and isinstance(part, str)
                else renamed(part)
                for key, part in value.items()
            }
        return [renamed(part) for part in value] if isinstance(value, list | tuple) else value

    written = renamed(document)
    return Charts(written, {name: numbers[plot.id] for name, plot in plots.items()})


def span(start: float, end: float, bounds: tuple[float, float] | None = None) -> Range1d:
    """What an axis reaches over, and how far it can be moved."""
    return Range1d(start=start, end=end, bounds=bounds)


def new_plot(x_range: Range1d, y_range: Range1d, **how: Any) -> Plot:
    """A plot with nothing in it."""
    return Plot(x_range=x_range, y_range=y_range, toolbar=Toolbar(tools=[], logo=None), **{**PLAIN, **how})


def axis(label: str = "", kind: type[Axis] = LinearAxis, **how: Any) -> Axis:
    """An axis without lines of its own."""
    return kind(
        **{
            # A text alone would be searched for formulas.
            "axis_label": PlainText(text=label) if label else None,
            "ticker": BasicTicker(desired_num_ticks=4),
            "axis_line_alpha": 0,
            "minor_tick_line_alpha": 0,
            "major_tick_line_alpha": 0,
            "major_label_text_font_size": "11px",
            "axis_label_text_font_size": "12px",
            "axis_label_text_font_style": "normal",
            **how,
        }
    )


def add_axes(plot: Plot, below: Axis, left: Axis) -> None:
    """Gives a plot its axes, and quiet lines at their ticks."""
    plot.add_layout(below, "below")
    plot.add_layout(left, "left")
    across: Any = below.ticker
    up: Any = left.ticker
    plot.add_layout(GridLines(dimension=0, ticker=across, grid_line_alpha=0.18))
    plot.add_layout(GridLines(dimension=1, ticker=up, grid_line_alpha=0.18))
