"""A report as one HTML file: template, style, scripts, BokehJS and data, all in it. The only importer of Jinja.

The templates escape all that they are not told is safe: scripts and style, which are ours and Bokeh's, and JSON, which
`embedded` has made so.
"""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from qdfool.analysis.report import comparison
from qdfool.analysis.report.charts import charts
from qdfool.analysis.report.comparison import ComparisonReport
from qdfool.analysis.report.data import Report
from qdfool.analysis.report.payload import embedded, payload, shown_names
from qdfool.analysis.report.plots import Charts, script
from qdfool.files.atomic import atomic_write

SCRIPTS = ("state.js", "charts.js", "details.js", "gallery.js", "maps.js", "start.js")
"""Of a run's page, in the order in which they run."""


def write_report(path: Path, report: Report | ComparisonReport) -> None:
    """Writes the page of a report: the same report, the same bytes.

    Args:
        path: of the HTML file, replaced when the new one is whole.
        report: what it shows.

    Raises:
        OSError: it cannot be written.
    """
    page = render_comparison(report) if isinstance(report, ComparisonReport) else render(report)
    with atomic_write(path) as file:
        file.write(page.encode())


def render(report: Report) -> str:
    """The page of a run."""
    data, remarks = payload(report)
    has_elites = "elites" in data
    drawn = charts(shown_names(report.class_names), report.grid, report.growth, has_elites)
    return fill(
        "page.html",
        ("page.css",),
        SCRIPTS,
        data,
        drawn,
        report=report,
        remarks=remarks,
        has_elites=has_elites,
        has_curves="confidence" in drawn.roots,
        has_growth="growth" in drawn.roots,
        maps=[name for name in drawn.roots if name.startswith("map")],
        measures=data["grid"]["measures"] if has_elites and report.grid else [],
    )


def render_comparison(report: ComparisonReport) -> str:
    """The page of runs side by side."""
    return fill(
        "comparison.html",
        ("page.css", "comparison.css"),
        ("charts.js", "comparison.js"),
        comparison.values(report),
        comparison.charts(report),
        report=report,
        keys=comparison.keys(len(report.groups)),
    )


def fill(
    template: str, styles: Sequence[str], scripts: Sequence[str], data: Any, drawn: Charts, **shown: Any
) -> str:
    """A page: a template with styles, scripts, the data that these are given, charts, and what it shows."""
    return (
        _templates()
        .get_template(template)
        .render(
            css="".join(map(_text, styles)),
            scripts=list(map(_text, scripts)),
            bokeh=script(),
            data=embedded(data),
            charts=embedded({"document": drawn.document, "roots": drawn.roots}),
            **shown,
        )
    )


@cache
def _templates() -> Environment:
    return Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _text(name: str) -> str:
    return (files("qdfool.analysis.report") / name).read_text(encoding="utf-8")
