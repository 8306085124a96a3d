"""The page of a comparison: self-contained, the same bytes again, and names in it are text."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from qdfool.analysis.report import ComparedCurves, ComparedFigure, ComparisonReport, Run, render_comparison

X = np.geomspace(100.0, 10_000.0, 20)
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"


def report(groups: int = 2) -> ComparisonReport:
    names = [f"setting {index}" for index in range(groups)]
    middle = [np.linspace(0.1, 0.9 - 0.05 * index, 20) for index in range(groups)]
    bands = [(one, one - 0.05, one + 0.2) for one in middle]
    return ComparisonReport(
        title="qdfool: runs side by side",
        headline="They differ.",
        lede="Four runs.",
        figures=[("settings", str(groups))],
        groups=[(name, [Run("seed 0", f"../{name[-1]}/report.html"), Run("seed 1", "")]) for name in names],
        evaluations=X,
        curves=[
            ComparedCurves("Median confidence", "by its nines", "confidence", bands),
            ComparedCurves("QD score", "a sum", "number", bands),
            ComparedCurves("Coverage", "a share", "share", bands),
        ],
        table=[("median confidence", ["90 %"] * groups)],
        differences=[ComparedFigure("QD score", names[-1], names[0], "+1", "paired", "0.01", True)],
        settings=[("encoding", names)],
        alike=[("seed", "0")],
        command="python -m qdfool.compare a b --out c",
        figures_are="Medians.",
        differences_are="Means.",
    )


class Page(HTMLParser):
    """The tags of a page with their attributes, and its texts by the tag that they are in."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if data.strip():
            self.texts.append((self.tags[-1][0], data))

    def data(self):
        start = [attributes.get("id") for tag, attributes in self.tags if tag == "script"].index("data")
        return json.loads([text for tag, text in self.texts if tag == "script"][start])


def test_the_same_comparison_is_the_same_page_and_asks_for_nothing():
    page = render_comparison(report())
    assert page == render_comparison(report())
    found = Page(page)
    asked = [value for _, attributes in found.tags for name, value in attributes.items() if name == "src"]
    assert not asked
    links = [attributes["href"] for tag, attributes in found.tags if tag == "a"]
    assert links == ["../0/report.html", "../1/report.html"]
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert "url(" not in style


def test_names_of_settings_and_runs_stay_text():
    plain = report()
    hostile = replace(
        plain,
        title=HOSTILE,
        headline=HOSTILE,
        lede=HOSTILE,
        groups=[(HOSTILE, [Run(HOSTILE, "../0/report.html"), Run("seed 1", "")]), *plain.groups[1:]],
        table=[(HOSTILE, [HOSTILE, "1"])],
        differences=[ComparedFigure("QD score", HOSTILE, HOSTILE, "+1", "paired", "0.01", True)],
        settings=[(HOSTILE, [HOSTILE, HOSTILE])],
        alike=[(HOSTILE, HOSTILE)],
        command=HOSTILE,
        notes=[HOSTILE],
    )
    page, usual = Page(render_comparison(hostile)), Page(render_comparison(replace(plain, notes=["a note"])))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in usual.tags]
    assert sum(text == HOSTILE for _, text in page.texts) >= 12


@pytest.mark.parametrize(("beyond", "said"), [(True, "yes"), (False, "no"), (None, "?")])
def test_what_cannot_be_tested_is_neither_beyond_chance_nor_not(beyond, said):
    one = replace(report().differences[0], beyond_chance=beyond)
    page = Page(render_comparison(replace(report(), differences=[one])))
    assert page.texts[page.texts.index(("td", "0.01")) + 1] == ("td", said)


def test_what_is_read_off_is_what_is_drawn():
    texts = Page(render_comparison(report())).data()["texts"]
    confidence, score, coverage = (curve[1] for curve in texts)
    assert confidence[0] == "10.0 % (5.0 % to 30.0 %)"
    # An interval of a confidence ends at 1.
    assert confidence[-1] == "85.0 % (80.0 % to > 99.99999 %)"
    assert score[-1] == "0.85 (0.8 to 1.05)"
    assert coverage[0] == "10.0 % (5.0 % to 30.0 %)"


@pytest.mark.parametrize("groups", [1, 12])
def test_any_number_of_settings_with_values_that_are_missing_has_its_curves(groups):
    some = report(groups)
    middle = np.where(X < 500, np.nan, 0.5)
    nothing = np.full(20, np.nan)
    first = [(middle, middle, middle), *some.curves[0].bands[1:]]
    curves = [replace(some.curves[0], bands=first), replace(some.curves[1], bands=[(nothing,) * 3] * groups)]
    page = render_comparison(replace(some, curves=curves))
    found = Page(page)
    assert found.data()["texts"][0][0][0] == "-"
    assert found.data()["texts"][0][0][-1] == "50.0 %"
    swatches = [str(attributes.get("class")) for tag, attributes in found.tags if tag == "span"]
    kinds = [one.split()[1:] for one in swatches if one.startswith("series ")]
    assert len({tuple(kind) for kind in kinds}) == groups
    # Bokeh writes what JSON lacks as a text, and draws a band from there.
    assert '"nan"' not in page.split('id="charts">')[1].split("</script>")[0]
