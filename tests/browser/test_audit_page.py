"""The page of an audit in headless Chromium, from the disk and with the network off (slow); see test_report_page.py."""

import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from qdfool.analysis.report import AuditReport, Curves, Picture, Shares, WayRow, write_audit

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install -e '.[browser]'")
from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium"),
]
HOSTILE = "<img src=x onerror=document.title='obeyed'>"
NAMES = [
    HOSTILE,
    "</script><script>document.title='obeyed'</script>",
    *(f"class {index}" for index in range(200)),
]
WAYS = ("pixels", "cppns", "map", "gradients")


def report() -> AuditReport:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (10, 8, 8, 1), np.uint8)
    rise = np.sort(random.random((3, 60)), axis=1)
    return AuditReport(
        title="qdfool: audit of it, quick",
        headline="It scores 0.6 of 1.",
        lede="The standard examination.",
        figures=[("score, 0 to 1", "0.612"), ("95 % interval", "0.59 to 0.63")],
        notes=["A note."],
        ways=[
            WayRow(way, way, "a line", "0.6", "99 %", "1 of 2", [("seed 0", f"{way}/seed0/report.html")])
            for way in WAYS
        ],
        curves=Curves(
            np.geomspace(100, 10_000, 60), dict.fromkeys(WAYS, rise), [(0.0, "chance"), (1.0, "99.99 %")]
        ),
        worst=[
            (name, "0.9", [Picture(way, "99.9 %", image) for way in WAYS])
            for name, image in zip(NAMES[:10], images, strict=True)
        ],
        class_head=["Class", "Score", *WAYS],
        class_rows=[[name, "0.9", "99 %", "99 %", "99 %", "99 %"] for name in NAMES],
        classes_note="The worst first.",
        threshold_rows=[("99 %", "100 %", "5 %")] * 11,
        thresholds_note="A threshold.",
        shares=Shares(np.linspace(0, 6, 121), np.linspace(1, 0, 121), np.linspace(0, 1, 121)),
        next_steps=[("Do it again.", "python -m qdfool.audit it --budget standard --seeds 0:3")],
        command="python -m qdfool.audit it --budget quick --seeds 0:3",
        tables={"Versions": [("python", "3.11")]},
    )


@pytest.fixture(scope="module")
def opened(tmp_path_factory) -> Iterator[Any]:
    """Opens the page from the disk, offline, and fails where the page or the console reports an error."""
    path, errors = tmp_path_factory.mktemp("audit") / "report.html", []
    write_audit(path, report())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])

        def open_page(width: int = 1280, **how: Any) -> Page:
            page: Any = browser.new_context(
                offline=True, viewport={"width": width, "height": 900}, **how
            ).new_page()
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("console", lambda line: line.type in ("error", "warning") and errors.append(line.text))
            page.on(
                "request", lambda asked: asked.url.startswith(("file:", "data:")) or errors.append(asked.url)
            )
            page.goto(path.as_uri())
            page.wait_for_selector("html[data-ready]", state="attached", timeout=60_000)
            return page

        yield open_page
        browser.close()
    assert errors == []


def test_curves_have_the_colours_of_their_ways_and_names_stay_text(opened):
    page = opened()
    assert page.title() == "qdfool: audit of it, quick"
    assert page.locator("img[src=x]").count() == 0
    assert page.locator("#by-class tbody th").first.text_content() == HOSTILE
    drawn = page.evaluate(
        """Bokeh.documents[0].roots().flatMap((plot) => plot.renderers.filter((one) => one.glyph.type === "Line")
            .map((one) => [one.name, one.glyph.line_color.value]))"""
    )
    assert [name for name, _ in drawn] == [*WAYS, "nothing", "real"]
    keys = [
        page.locator(f".key.{name}").first.evaluate("(key) => getComputedStyle(key).backgroundColor")
        for name, _ in drawn
    ]
    rgb = [
        "rgb({}, {}, {})".format(*(int(colour[place : place + 2], 16) for place in (1, 3, 5)))
        for _, colour in drawn
    ]
    assert rgb == keys


def test_classes_are_searched(opened):
    page = opened()
    page.locator("#search").fill("CLASS 19")
    assert page.locator("#by-class tbody tr:visible th").all_text_contents() == [
        "class 19",
        *(f"class 19{i}" for i in range(10)),
    ]
    assert page.locator("#found").text_content() == "11 of 202 classes."


@pytest.mark.parametrize("scheme", [pytest.param("light", marks=pytest.mark.release), "dark"])
def test_axe_finds_no_serious_fault(opened, scheme):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is not installed: .[browser]"
    )
    page = opened(color_scheme=scheme)
    for summary in page.locator("summary").all():
        summary.click()
    found = axe.Axe().run(page).response["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert not serious, [(one["id"], one["nodes"][0]["html"][:200]) for one in serious]


def test_a_phone_has_no_sideways_scrolling(opened):
    page = opened(390, has_touch=True, is_mobile=True, device_scale_factor=2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
