"""The page of a comparison in headless Chromium, from the disk and with the network off (slow).

Wants Debian's `chromium` and the extra `browser`; without either, these tests say so and are skipped.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from qdfool.analysis.report import ComparedCurves, ComparedFigure, ComparisonReport, Run, write_report
from qdfool.analysis.report.comparison import values

pytestmark = pytest.mark.slow
HOSTILE = "<img src=x onerror=document.title='obeyed'></script>" + "x" * 200
X = np.geomspace(200.0, 20_000.0, 50)


def report(names: list[str]) -> ComparisonReport:
    sure = [np.linspace(0.2, 0.9999 - 0.01 * index, 50) for index in range(len(names))]
    bands = [(one, one - 0.05, np.minimum(one + 0.05, 1)) for one in sure]
    return ComparisonReport(
        title="qdfool: runs side by side",
        headline="They differ.",
        lede="Some runs.",
        figures=[("settings", str(len(names))), ("runs", "20")],
        groups=[
            (name, [Run(f"seed {seed}", f"runs/{seed}/report.html") for seed in range(3)]) for name in names
        ],
        evaluations=X,
        curves=[
            ComparedCurves("Median confidence", "by its nines", "confidence", bands),
            ComparedCurves("QD score", "a sum", "number", bands),
        ],
        table=[("median confidence", ["99.9 % (99.8 % to 99.99 %)"] * len(names))],
        differences=[
            ComparedFigure("QD score", name, names[0], "+1 (+0.5 to +1.5)", "paired", "0.01", True)
            for name in names[1:]
        ],
        settings=[("encoding", names)],
        alike=[("seed", "0")],
        command="python -m qdfool.compare a b --out c",
        figures_are="Medians.",
        differences_are="Means.",
        notes=["A note."],
    )


REPORTS = {
    "two": report(["mnist-direct", "mnist-cppn"]),
    "twelve": report([f"mnist-direct, mutation.rate 0.{index}" for index in range(12)]),
    "rows": replace(report(["one", "other"]), curves=[], evaluations=np.zeros(0)),
    "hostile": replace(report([HOSTILE, "other"]), settings=[(HOSTILE, [HOSTILE, "b"])]),
}


@pytest.fixture
def opened(open_file, tmp_path) -> Any:
    """Opens a report by its name."""

    def open_page(name: str, **how: Any) -> Any:
        write_report(tmp_path / "report.html", REPORTS[name])
        return open_file(tmp_path / "report.html", **how)

    return open_page


def said(page: Any) -> list[str]:
    """What the table says that each setting had come to, row by row."""
    return page.locator("#then tbody td").all_text_contents()


def expected(name: str, index: int) -> list[str]:
    texts = values(REPORTS[name])["texts"]
    return [curve[group][index] for group in range(len(REPORTS[name].groups)) for curve in texts]


@pytest.mark.parametrize("name", ["twelve"])
def test_what_is_pointed_at_and_slid_to_is_said(opened, name):
    page = opened(name)
    assert said(page) == expected(name, 49)
    assert page.locator("#evaluations").text_content() == "20,000"
    page.locator("#moment").focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    assert said(page) == expected(name, 46)
    page.keyboard.press("Home")
    assert said(page) == expected(name, 0)
    assert page.locator("#moment").get_attribute("aria-valuetext") == "200 evaluations"
    # The middle of a logarithmic axis from 200 to 20,000 are 2,000.
    page.locator("#curve0").scroll_into_view_if_needed()
    place = page.evaluate(
        """() => {
            const plot = Bokeh.documents[0].roots().find((root) => root.name === "curve0");
            const view = Bokeh.index.get_one(plot);
            const box = view.canvas_view.el.getBoundingClientRect();
            return [box.left + view.frame.x_scale.compute(2010), box.top + view.frame.bbox.height / 2];
        }"""
    )
    page.mouse.move(*place)
    nearest = int(np.argmin(np.abs(np.log(X / 2010))))
    page.wait_for_function("(index) => document.getElementById('moment').value === index", arg=str(nearest))
    assert said(page) == expected(name, nearest)
    locations = page.evaluate(
        "Bokeh.documents[0].roots().map((root) => root.center.find((one) => one.name === 'moment').location)"
    )
    assert locations == pytest.approx([X[nearest]] * 2)


def test_a_setting_can_be_left_out_of_the_charts(opened):
    page = opened("two")

    def drawn() -> list[str]:
        return page.evaluate(
            """Bokeh.documents[0].roots().flatMap((root) => root.renderers.filter((one) => one.visible).map((one) =>
                one.name))"""
        )

    assert drawn() == ["0", "0", "1", "1"] * 2
    page.get_by_label("mnist-direct", exact=True).uncheck()
    assert drawn() == ["1", "1"] * 2
    page.get_by_label("mnist-direct", exact=True).check()
    assert drawn() == ["0", "0", "1", "1"] * 2


def test_lines_have_the_colours_of_their_keys(opened):
    for scheme in ("light", "dark"):
        page = opened("twelve", color_scheme=scheme)
        keys = page.evaluate(
            "[...document.querySelectorAll('#then .series')].map((one) => getComputedStyle(one).borderTopColor)"
        )
        lines = page.evaluate(
            """() => {
                const named = (colour) => Object.assign(document.createElement("i").style, { color: colour }).color;
                const plot = Bokeh.documents[0].roots()[0];
                const lines = plot.renderers.map((one) => one.glyph).filter((glyph) => glyph.type === "Line");
                return lines.map((line) => named(line.line_color.value));
            }"""
        )
        assert lines == keys
        assert len(set(keys)) == 7


def test_hostile_names_stay_text_and_widen_nothing(opened):
    page = opened("hostile")
    page.wait_for_timeout(300)
    assert page.title() == "qdfool: runs side by side"
    assert page.locator("img").count() == 0
    assert page.locator("#then tbody th span:not(.series)").first.text_content() == HOSTILE
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("two", "light"),
        ("twelve", "dark"),
        *(pytest.param(*case, marks=pytest.mark.release) for case in (("two", "dark"), ("rows", "light"))),
    ],
)
def test_axe_finds_no_serious_fault(opened, serious_faults, name, scheme):
    assert serious_faults(opened(name, color_scheme=scheme)) == []


@pytest.mark.parametrize("name", ["twelve", pytest.param("hostile", marks=pytest.mark.release)])
def test_a_phone_has_no_sideways_scrolling_and_says_what_is_tapped(opened, name):
    page = opened(name, has_touch=True, is_mobile=True, device_scale_factor=2)
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(400)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#curve0").scroll_into_view_if_needed()
    box = page.locator("#curve0").bounding_box()
    page.touchscreen.tap(box["x"] + 0.6 * box["width"], box["y"] + 0.5 * box["height"])
    page.wait_for_function("() => document.getElementById('moment').value !== '49'")
    assert said(page) == expected(name, int(page.locator("#moment").input_value()))


def test_tab_reaches_every_control_and_no_chart_has_a_stop_of_its_own(opened):
    page, met = opened("two"), []
    page.locator("body").click(position={"x": 1, "y": 1})
    for _ in range(20):
        page.keyboard.press("Tab")
        met.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    for control in ("moment", "INPUT", "SUMMARY", "A", "PRE"):
        assert control in met, control
    assert page.evaluate("[...document.querySelectorAll('.bk-events')].every((one) => one.tabIndex < 0)")
