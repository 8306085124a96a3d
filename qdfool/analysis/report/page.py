"""A report as one HTML file: template, style, scripts, BokehJS and data, all in it. The only importer of Jinja."""

from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template

from qdfool.analysis.report.charts import charts
from qdfool.analysis.report.data import Report
from qdfool.analysis.report.payload import embedded, payload, shown_names
from qdfool.analysis.report.plots import script
from qdfool.files.atomic import atomic_write

SCRIPTS = ("state.js", "details.js", "gallery.js", "maps.js", "start.js")
"""In the order in which they run."""


def write_report(path: Path, report: Report) -> None:
    """Writes the page of a report: the same report, the same bytes.

    Args:
        path: of the HTML file, replaced when the new one is whole.
        report: what it shows.

    Raises:
        OSError: it cannot be written.
    """
    page = render(report)
    with atomic_write(path) as file:
        file.write(page.encode())


def render(report: Report) -> str:
    """The page of a report. The template escapes all that it is not told is safe: scripts and style, which are ours and
    Bokeh's, and JSON, which `embedded` has made so."""
    data, remarks = payload(report)
    has_elites = "elites" in data
    drawn = charts(shown_names(report.class_names), report.grid, report.growth, has_elites)
    return _template().render(
        report=report,
        remarks=remarks,
        has_elites=has_elites,
        has_curves="confidence" in drawn.roots,
        has_growth="growth" in drawn.roots,
        maps=[name for name in drawn.roots if name.startswith("map")],
        measures=data["grid"]["measures"] if has_elites and report.grid else [],
        css=_text("page.css"),
        scripts=[_text(name) for name in SCRIPTS],
        bokeh=script(),
        data=embedded(data),
        charts=embedded({"document": drawn.document, "roots": drawn.roots}),
    )


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.from_string(_text("page.html"))


def _text(name: str) -> str:
    return (files("qdfool.analysis.report") / name).read_text(encoding="utf-8")
