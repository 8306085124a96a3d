"""The page of a run: self-contained, bounded, the same bytes again, and names in it are text."""

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from qdfool.analysis.report import EliteTable, Grid, Growth, Report, TopClasses, render
from qdfool.analysis.report.payload import embedded
from qdfool.analysis.report.thumbnails import EXACT, room_for, thumbnails

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<!-- <img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "$$\\frac{1}{2}$$ \\(x\\)",
    "a\nb\r\n\tc\x1b[31m\u2028\u2029\x00",
    "\u202egnp.exe",
    "&lt;b&gt;&#x3c;",
    "';\"`${alert(1)}\\",
    "x" * 10_000,
    "same",
    "same",
    "名前",
)


def elites(classes: int, shape=(6, 5, 1), per_class: int = 1, seed: int = 0) -> EliteTable:
    count = classes * per_class
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (min(count, 300), *shape), np.uint8)
    index = np.repeat(np.arange(classes), per_class)
    top = np.stack([(index + step) % classes for step in range(min(5, classes))], axis=1)
    return EliteTable(
        images=lambda rows: images[rows % len(images)],
        cell=np.arange(count),
        class_index=index,
        fitness=random.normal(3, 4, count),
        birth_generation=random.integers(0, 50, count),
        parent_class=random.integers(-1, classes, count),
        num_replacements=random.integers(1, 90, count),
        measures=random.random((count, 2 if per_class > 1 else 0)),
        top=TopClasses(top, -np.sort(-random.normal(0, 3, top.shape), axis=1)),
    )


def growth(classes: int, rows: int = 30) -> Growth:
    fitness = np.cumsum(np.ones((rows, classes)), axis=0) - 5
    fitness[0] = -np.inf
    line = np.linspace(0, 0.99, rows)
    return Growth(
        np.arange(1.0, rows + 1) * 200, line * 0.5, line * 0.8, line, line * 0.2, line * 10, line, fitness
    )


def report(names, shape=(6, 5, 1), per_class: int = 1) -> Report:
    return Report(
        title="A run",
        headline="It is sure.",
        lede="It is.",
        figures=[("median", "99 %")],
        class_names=names,
        elites=elites(len(names), shape, per_class),
        grid=Grid((2, 3), ((0.0, 1.0), (0.0, 2.0)), ("ink", "order")) if per_class > 1 else None,
        growth=growth(len(names)),
        tables={"Settings": [("seed", "0")]},
        command="python -m qdfool.run",
    )


class Page(HTMLParser):
    """The tags of a page with their attributes, and the texts of its scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str | None, str] = {}
        self._script: str | None = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._script = dict(attrs).get("id")

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] == "script":
            self.scripts[self._script] = self.scripts.get(self._script, "") + data

    def json(self, name: str):
        return json.loads(self.scripts[name])


@pytest.fixture(scope="module")
def ten() -> Page:
    return Page(render(report([f"class {index}" for index in range(10)])))


def test_the_same_report_is_the_same_page():
    names = ["a", "b", "c"]
    assert render(report(names, per_class=6)) == render(report(names, per_class=6))


def test_a_page_needs_nothing_but_itself(ten):
    asked = [
        value for _, attributes in ten.tags for name, value in attributes.items() if name in ("src", "href")
    ]
    assert asked == ["data:,"]
    (style,) = re.findall(r"<style>(.*?)</style>", render(report(["a", "b"])), re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style
    assert [tag for tag, _ in ten.tags].count("script") == 4


def test_an_image_on_the_page_is_the_elites_own(ten):
    images = ten.json("data")["images"]
    assert images["type"] == "image/png"
    table = elites(10)
    for row, text in enumerate(images["data"]):
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))
        cell = ten.json("data")["elites"]["cell"][row]
        np.testing.assert_array_equal(shown, table.images(np.array([cell]))[0, ..., 0])


def test_what_is_shown_of_an_elite_is_its_own(ten):
    table, shown = elites(10), ten.json("data")["elites"]
    for row, cell in enumerate(shown["cell"]):
        assert shown["class"][row] == table.class_index[cell]
        assert shown["odds"][row] == pytest.approx(table.fitness[cell], abs=1e-4)
        assert shown["birth"][row] == table.birth_generation[cell]
        assert shown["parent"][row] == table.parent_class[cell]
        assert shown["replacements"][row] == table.num_replacements[cell]
        assert table.top is not None
        assert shown["top"][row][0] == table.top.classes[cell].tolist()


@pytest.mark.parametrize("per_class", [1, 6])
def test_hostile_names_stay_text(per_class):
    hostile = report(HOSTILE, per_class=per_class)
    hostile = replace(
        hostile,
        title=HOSTILE[0],
        headline=HOSTILE[0],
        lede=HOSTILE[1],
        figures=[(HOSTILE[2], HOSTILE[0])],
        tables={HOSTILE[0]: [(HOSTILE[1], HOSTILE[6])]},
        command=HOSTILE[0],
        notes=[HOSTILE[0]],
        grid=hostile.grid and replace(hostile.grid, measures=(HOSTILE[0], HOSTILE[3])),
    )
    plain = replace(report(["name"] * len(HOSTILE), per_class=per_class), notes=["a note"])
    page, usual = Page(render(hostile)), Page(render(plain))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in usual.tags]
    assert [sorted(attributes) for _, attributes in page.tags] == [sorted(a) for _, a in usual.tags]
    names = page.json("data")["names"]
    assert names[0] == HOSTILE[0]
    assert names[4] == "a\\nb\\r\\n\\tc\\x1b[31m\\u2028\\u2029\\x00"
    assert names[5] == "\\u202egnp.exe"
    assert max(map(len, names)) == 300
    assert names[-1] == "名前"
    # Bokeh searches a text for formulas, but none that it is told is plain.
    labels = [
        part
        for part in walk(page.json("charts"))
        if isinstance(part, dict) and part.get("name") == "PlainText"
    ]
    assert any("frac" in label["attributes"]["text"] for label in labels)
    texts = [part for part in walk(page.json("charts")) if isinstance(part, str) and "frac" in part]
    assert len(texts) == 1


def walk(value):
    yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(part)


def test_json_in_a_page_cannot_end_its_script():
    values = {"<a>": ["</script>", "&", "\u2028", "<!--", 1.5]}
    text = embedded(values)
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == values


def test_ten_classes_stay_below_5_mb_whatever_they_are():
    page = render(report([str(index) for index in range(10)], shape=(299, 299, 3)))
    assert len(page.encode()) < 5_000_000
    assert "Images are compressed here" in page


@pytest.mark.slow
def test_a_full_map_of_ten_classes_stays_below_5_mb():
    assert len(render(report([str(i) for i in range(10)], (28, 28, 1), per_class=400)).encode()) < 5_000_000


@pytest.mark.slow
def test_thirty_thousand_classes_stay_bounded():
    names = [f"{index} {'<' * 200}" for index in range(30_000)]
    page = render(replace(report(names), growth=None))
    assert len(page.encode()) < 25_000_000
    data = Page(page).json("data")
    assert len(data["names"]) == 30_000
    assert len(data["elites"]["cell"]) == 20_000
    assert "Of 30,000 elites the page has 20,000" in page


@pytest.mark.slow
def test_a_thousand_classes_of_noise_stay_below_25_mb():
    page = render(report([f"class {index}" for index in range(1000)], shape=(224, 224, 3)))
    assert len(page.encode()) < 25_000_000
    assert all(Page(page).json("data")["images"]["data"])


@pytest.mark.parametrize("room", [0, 3_000, 40_000, 10**9])
def test_images_take_no_more_than_their_room(room):
    images = elites(200, (64, 64, 3)).images
    found = thumbnails(images, 200, room)
    assert len(found.data) == 200
    assert sum(map(len, found.data)) <= room
    assert (found.form == EXACT) == (room == 10**9)
    # What has no room is the last.
    there = [bool(text) for text in found.data]
    assert there == sorted(there, reverse=True)


def test_images_that_no_browser_shows_are_left_out():
    page = render(report(["a", "b", "c"], (6, 5, 4)))
    assert Page(page).json("data")["images"]["data"] == ["", "", ""]
    assert "Of 3 elites the page does not have the image." in page


def test_more_classes_have_more_room_and_all_have_no_more_than_a_page():
    assert room_for(2) == room_for(10) < room_for(1000) <= room_for(30_000) < 20_000_000


def test_the_best_of_each_class_comes_first():
    table = elites(4, per_class=6)
    shown = table.shown(7)
    assert table.class_index[shown[:4]].tolist() == [0, 1, 2, 3]
    for index, row in enumerate(shown[:4]):
        assert table.fitness[row] == table.fitness[table.class_index == index].max()
    assert (np.diff(table.fitness[shown[4:]]) <= 0).all()
    assert len(set(table.shown().tolist())) == 24


def test_a_page_without_elites_or_curves_says_what_is_missing():
    page = Page(render(Report("A run", "No elites.", "", (), ["a", "b"], notes=["elites.npz is missing."])))
    identifiers = {attributes.get("id") for _, attributes in page.tags}
    assert "again" in identifiers
    assert not identifiers & {"archive", "gallery", "evolution", "details"}
    assert page.json("charts")["roots"] == {}


def test_curves_alone_are_drawn():
    lonely = replace(report(["a", "b"]), elites=None, growth=replace(growth(2), fitness=None))
    assert Page(render(lonely)).json("charts")["roots"].keys() == {"confidence", "score", "coverage"}


def test_no_value_that_json_lacks_reaches_a_page():
    """-inf stands for no elite, and curves of one point have no width."""
    alone = replace(report(["a", "b"]), growth=growth(2, rows=1))
    for text in ("NaN", "Infinity"):
        page = Page(render(alone))
        assert text not in page.scripts["data"]
        assert text not in page.scripts["charts"]
