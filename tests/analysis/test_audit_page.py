"""The page of an audit: needs nothing but itself, the same bytes again, and names in it are text."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
from PIL import Image

from qdfool.analysis.report import AuditReport, Curves, Picture, Shares, WayRow, render_audit

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<!-- <img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "';\"`${alert(1)}\\",
)
IMAGES = np.random.default_rng(0).integers(0, 256, (len(HOSTILE), 6, 5, 1), np.uint8)


def report(names) -> AuditReport:
    ways = ("pixels", "gradients")
    heights = np.linspace(0, 1, 40) * np.ones((3, 1))
    return AuditReport(
        title=names[0],
        headline=names[1],
        lede=names[2],
        figures=[("score", names[0])],
        notes=[names[1]],
        ways=[
            WayRow(way, way, names[3], "0.5", "99 %", "1 of 4", [("seed 0", f"{way}/seed0/report.html")])
            for way in ways
        ],
        curves=Curves(
            np.geomspace(100, 1000, 40), dict.fromkeys(ways, heights), [(0.0, "chance"), (1.0, "99.99 %")]
        ),
        worst=[
            (name, "0.9", [Picture("pixels", "99 %", image), Picture("gradients", "none", None)])
            for name, image in zip(names, IMAGES, strict=True)
        ],
        class_head=["Class", "Score"],
        class_rows=[[name, "0.9"] for name in names],
        classes_note=names[0],
        threshold_rows=[("99 %", "100 %", "5 %")],
        thresholds_note=names[1],
        shares=Shares(np.linspace(0, 6, 121), np.linspace(1, 0, 121), np.linspace(0, 1, 121)),
        next_steps=[(names[0], names[1])],
        command=names[2],
        tables={names[0]: [(names[1], names[3])]},
    )


class Page(HTMLParser):
    """The tags of a page with their attributes, and its texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data.strip())


def test_hostile_names_stay_text():
    page, usual = Page(render_audit(report(HOSTILE))), Page(render_audit(report(["name"] * 4)))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in usual.tags]
    assert [sorted(attributes) for _, attributes in page.tags] == [sorted(a) for _, a in usual.tags]
    assert all(page.texts.count(name) >= 3 for name in HOSTILE)


def test_a_page_needs_nothing_but_itself_and_the_pages_of_its_runs():
    text = render_audit(report(HOSTILE))
    assert text == render_audit(report(HOSTILE))
    asked = [
        value or "" for _, tag in Page(text).tags for name, value in tag.items() if name in ("src", "href")
    ]
    own = ["data:,", "pixels/seed0/report.html", "gradients/seed0/report.html"]
    assert [address for address in asked if not address.startswith("data:image/png")] == own
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style
    assert len(text) < 2_000_000


def test_the_worst_classes_have_their_own_images():
    sources = [
        attributes["src"] for tag, attributes in Page(render_audit(report(HOSTILE))).tags if tag == "img"
    ]
    assert len(sources) == len(IMAGES)
    for source, image in zip(sources, IMAGES, strict=True):
        assert source is not None
        shown = Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))
        np.testing.assert_array_equal(np.asarray(shown), image[..., 0])
