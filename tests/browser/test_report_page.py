"""The page of a run in headless Chromium, from the disk and with the network off (slow).

Wants Debian's `chromium` and the extra `browser`; without either, these tests say so and are skipped.
"""

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from qdfool.analysis.report import EliteTable, Grid, Growth, Report, TopClasses, write_report

if TYPE_CHECKING:
    from playwright.sync_api import Page
else:
    Page = Any
pytestmark = pytest.mark.slow
HOSTILE = ["<img src=x onerror=document.title='obeyed'>", "</script><script>document.title='obeyed'</script>"]
HOSTILE += ["$$\\frac{1}{2}$$", "\u202eevil", "a\nb", "x" * 10_000, "same", "same"]


def report(names: list[str], per_class: int = 1, shape: tuple[int, int, int] = (8, 8, 1)) -> Report:
    """Of random images; `per_class` cells of a grid of 4 x 5 a class."""
    random, classes = np.random.default_rng(0), len(names)
    cells = np.concatenate(
        [np.sort(random.choice(20, per_class, False)) + 20 * index for index in range(classes)]
        if per_class > 1
        else [np.arange(classes)]
    )
    index = cells // 20 if per_class > 1 else cells
    images = random.integers(0, 256, (len(cells), *shape), np.uint8)
    top = np.stack([(index + step) % classes for step in range(5)], axis=1)
    rows = np.arange(1.0, 41)
    fitness = np.cumsum(random.random((40, classes)), axis=0) - 8
    sure = np.linspace(0.1, 0.999, 40)
    return Report(
        title="qdfool: a run, seed 0",
        headline="It is sure of an image of nothing.",
        lede="MAP-Elites over grey pixels.",
        figures=[("median confidence", "99.9 %"), ("elites", str(len(cells)))],
        class_names=names,
        elites=EliteTable(
            images=lambda some: images[some],
            cell=cells,
            class_index=index,
            fitness=random.normal(5, 3, len(cells)),
            birth_generation=random.integers(0, 40, len(cells)),
            parent_class=(index + 1) % classes,
            num_replacements=random.integers(1, 9, len(cells)),
            measures=random.random((len(cells), 2 if per_class > 1 else 0)),
            top=TopClasses(top, np.tile([3.0, -1.0, -2.0, -3.0, -4.0], (len(cells), 1))),
        ),
        grid=Grid((4, 5), ((0.0, 1.0), (-1.0, 3.0)), ("ink", "eccentricity")) if per_class > 1 else None,
        growth=Growth(rows * 200, sure / 2, sure, sure, sure / 3, rows, rows / 40, fitness),
        tables={"Settings": [("seed", "0")], "Versions": [("python", "3.11")]},
        command="python -m qdfool.run mnist-direct",
        notes=["A note."],
    )


FOCUSABLE_WITHIN = """() => {
    const found = [];
    const walk = (root) => root.querySelectorAll("*").forEach((part) => {
        if (part.tabIndex >= 0 && root !== document) found.push(part.className);
        if (part.shadowRoot) walk(part.shadowRoot);
    });
    walk(document);
    return found;
}"""
"""What Tab stops at within the charts."""
TEN, THOUSAND = [f"class {index}" for index in range(10)], [f"class {index}" for index in range(1000)]
REPORTS = {
    "ten": report(TEN),
    "ten grids": report(TEN, per_class=12),
    "thousand": report(THOUSAND, shape=(48, 48, 3)),
    "hostile": report(HOSTILE),
    "hostile grids": report(HOSTILE, per_class=6),
    "thirty grids": report([f"class {index}" for index in range(30)], per_class=5),
}


LOOKED_AT = ["ten grids", *(pytest.param(name, marks=pytest.mark.release) for name in ("ten", "thousand"))]
"""The first at every submission."""


@pytest.fixture
def opened(open_file, tmp_path) -> Any:
    """Opens a report by its name."""

    def open_page(name: str, **how: Any) -> Page:
        write_report(tmp_path / "report.html", REPORTS[name])
        return open_file(tmp_path / "report.html", **how)

    return open_page


def shown(page: Page) -> np.ndarray:
    """The pixels of the large image."""
    address = page.locator("#portrait").get_attribute("src")
    assert address is not None
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))


def table_of(name: str) -> EliteTable:
    table = REPORTS[name].elites
    assert table is not None
    return table


def row_of(name: str, cell: int) -> int:
    table = table_of(name)
    return int(np.flatnonzero(table.cell == cell)[0])


def assert_shown(page: Page, name: str, cell: int) -> None:
    """All that is said of an elite is that of the cell."""
    table, row = table_of(name), row_of(name, cell)
    image = table.images(np.array([row]))[0]
    np.testing.assert_array_equal(shown(page), image.squeeze())
    assert page.locator("#name").text_content() == REPORTS[name].class_names[table.class_index[row]]
    facts = page.locator("#facts dt").all_text_contents()
    values = dict(zip(facts, page.locator("#facts dd").all_text_contents(), strict=True))
    assert values["cell"] == str(cell)
    assert values["born in generation"] == str(table.birth_generation[row])
    assert values["replacements of its cell"] == str(table.num_replacements[row])
    assert values["parent's class"] == REPORTS[name].class_names[table.parent_class[row]]
    if table.measures.shape[1]:
        assert float(values["ink"]) == pytest.approx(table.measures[row, 0], abs=1e-4)
    assert table.top is not None
    assert page.locator("#top .of").all_text_contents() == [
        REPORTS[name].class_names[index] for index in table.top.classes[row]
    ]


def point_of(page: Page, map_id: str, x: float, y: float) -> tuple[float, float]:
    """Where a point of a chart's data lies on the page."""
    page.locator(f"#{map_id}").scroll_into_view_if_needed()
    place = page.evaluate(
        """([id, x, y]) => {
            const plot = Bokeh.documents[0].roots().find((root) => root.name === id);
            const view = Bokeh.index.get_one(plot);
            const box = view.canvas_view.el.getBoundingClientRect();
            return [box.left + view.frame.x_scale.compute(x), box.top + view.frame.y_scale.compute(y)];
        }""",
        [map_id, x, y],
    )
    return place[0], place[1]


def centre(name: str, cell: int) -> tuple[str, float, float]:
    """The map of a cell, and its centre there."""
    grid = REPORTS[name].grid
    if grid is None:
        columns = 5 if len(REPORTS[name].class_names) == 10 else int(np.ceil(np.sqrt(1700)))
        return "map0", cell % columns + 0.5, cell // columns + 0.5
    x, y = cell % 20 // 5, cell % 5
    return f"map{cell // 20}", (x + 0.5) / 4, -1 + (y + 0.5) * 4 / 5


@pytest.mark.parametrize("name", LOOKED_AT)
def test_what_is_pointed_at_clicked_and_moved_to_is_shown(opened, name):
    page, cells = opened(name), table_of(name).cell.tolist()
    for cell in (cells[0], cells[7], cells[-1]):
        map_id, x, y = centre(name, cell)
        page.mouse.move(*point_of(page, map_id, x, y))
        page.wait_for_function(
            "(cell) => document.querySelector('#facts dd').textContent === cell", arg=str(cell)
        )
        assert_shown(page, name, cell)
    page.mouse.click(*point_of(page, *centre(name, cells[7])))
    page.mouse.move(2, 2)
    page.wait_for_function(
        "(cell) => document.querySelector('#facts dd').textContent === cell", arg=str(cells[7])
    )
    assert_shown(page, name, cells[7])
    # Its parent's class is the next one, and so on: they are followed by a click.
    table = table_of(name)
    parents = page.locator("#parents button span").all_text_contents()
    first = int(table.class_index[row_of(name, cells[7])])
    assert parents[:3] == [
        REPORTS[name].class_names[(first + step) % len(REPORTS[name].class_names)] for step in (1, 2, 3)
    ]
    page.locator("#parents button").first.click()
    assert page.locator("#name").text_content() == parents[0]


@pytest.mark.parametrize("name", LOOKED_AT)
def test_the_keyboard_goes_from_cell_to_cell(opened, name):
    page, cells = opened(name), set(table_of(name).cell.tolist())
    page.locator("#search").focus()
    page.keyboard.press("Shift+Tab")  # From the gallery back to the last map.
    focused = page.evaluate("document.activeElement.id")
    assert focused.startswith("map")
    assert "Arrow keys move" in page.locator(f"#{focused}").get_attribute("aria-label")
    steps = {"ArrowRight": 5, "ArrowLeft": -5, "ArrowUp": 1, "ArrowDown": -1}
    if REPORTS[name].grid is None:
        columns = 5 if name == "ten" else int(np.ceil(np.sqrt(1700)))
        steps = {"ArrowRight": 1, "ArrowLeft": -1, "ArrowUp": -columns, "ArrowDown": columns}
    page.keyboard.press("ArrowRight")
    for key in ("ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown"):
        before = int(page.locator("#facts dd").first.text_content())
        page.keyboard.press(key)
        now = int(page.locator("#facts dd").first.text_content())
        assert now in (before, before + steps[key])
        if now in cells:
            assert_shown(page, name, now)
            assert f"cell {now}" in page.locator("#announcement").text_content()
        else:
            assert page.locator("#no-portrait").text_content() == "No elite here"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == focused


def test_tab_reaches_every_control(opened):
    page, met = opened("ten grids"), []
    page.locator("body").click(position={"x": 1, "y": 1})
    for _ in range(60):
        page.keyboard.press("Tab")
        met.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
    for control in ("zoom-in", "zoom-all", "map0", "map9", "search", "sort", "card"):
        assert control in met, control
    # Bokeh's own canvases have no names to be read out.
    assert page.evaluate(FOCUSABLE_WITHIN) == []


@pytest.mark.parametrize("name", [pytest.param("ten", marks=pytest.mark.release), "thousand"])
def test_search_and_sort_find_classes(opened, name):
    page, table = opened(name), table_of(name)
    page.locator("#search").fill("CLASS 7")
    expected = [one for one in REPORTS[name].class_names if "class 7" in one]
    assert page.locator("#cards .called").all_text_contents() == expected[:60]
    assert f"{len(expected)} of" in page.locator("#found").text_content()
    page.locator("#cards button").first.click()
    assert_shown(page, name, 7)
    page.locator("#search").fill("no such class")
    assert page.locator("#cards li").count() == 0
    page.locator("#search").fill("")
    page.locator("#sort").select_option("sure")
    surest = np.argsort(-table.fitness, kind="stable")
    first = page.locator("#cards .called").all_text_contents()
    assert first == [REPORTS[name].class_names[index] for index in surest[:60]]
    if name == "thousand":
        page.locator("#more").click()
        assert page.locator("#cards li").count() == 120


def colours(page: Page, map_id: str) -> list:
    return page.evaluate(
        """(id) => {
            const plot = Bokeh.documents[0].roots().find((root) => root.name === id);
            const tiles = plot.renderers.find((one) => one.name === "tiles");
            return [...tiles.data_source.get("value")];
        }""",
        map_id,
    )


def test_what_colours_the_maps_is_chosen(opened):
    page, table = opened("ten grids"), table_of("ten grids")
    own = np.flatnonzero(table.class_index == 3)
    for choice, values in {
        "age": table.birth_generation,
        "replacements": np.log10(table.num_replacements),
        "confidence": table.fitness,
    }.items():
        page.get_by_label(choice, exact=True).check()
        np.testing.assert_allclose(sorted(colours(page, "map3")), sorted(values[own]), atol=1e-4)


def test_all_maps_zoom_together(opened):
    page = opened("ten grids")

    def ranges() -> list:
        return page.evaluate(
            """Bokeh.documents[0].roots().filter((root) => root.name.startsWith("map"))
                .map((root) => [root.x_range.start, root.x_range.end, root.y_range.start, root.y_range.end])"""
        )

    whole = ranges()
    assert whole == [[0, 1, -1, 3]] * 10
    page.locator("#zoom-in").click()
    near = ranges()
    assert near[0] != whole[0]
    assert near == [near[0]] * 10
    assert near[0][1] - near[0][0] == pytest.approx(0.5)
    page.locator("#zoom-all").click()
    assert ranges() == whole


def test_more_classes_than_maps_are_paged_through(opened):
    page = opened("thirty grids")
    assert page.locator("#maps-shown").text_content() == "classes 0 to 11 of 30"
    page.locator("#maps-after").click()
    page.locator("#maps-after").click()
    assert page.locator("#maps figcaption b:visible").all_text_contents() == [
        f"class {i}" for i in range(24, 30)
    ]
    page.locator("#search").fill("class 5")
    page.locator("#cards button").first.click()
    assert page.locator("#maps-shown").text_content() == "classes 0 to 11 of 30"


@pytest.mark.parametrize("name", [pytest.param("hostile", marks=pytest.mark.release), "hostile grids"])
def test_hostile_names_stay_text(opened, name):
    page = opened(name)
    page.wait_for_timeout(300)
    assert page.title() == "qdfool: a run, seed 0"
    assert page.locator("img[src=x]").count() == 0
    called = page.locator("#cards .called").all_text_contents()
    assert called[:2] == HOSTILE[:2]
    assert called[3] == "\\u202eevil"
    page.locator("#cards button").first.click()
    assert page.locator("#name").text_content() == HOSTILE[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", LOOKED_AT)
def test_axe_finds_no_serious_fault(opened, serious_faults, name, scheme):
    assert serious_faults(opened(name, color_scheme=scheme)) == []


@pytest.mark.parametrize("name", LOOKED_AT)
def test_a_phone_has_no_sideways_scrolling_and_shows_what_is_tapped(opened, name):
    page = opened(name, has_touch=True, is_mobile=True, device_scale_factor=2)
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(400)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert not page.locator("#details").is_visible()
    page.locator("#cards button").nth(2).tap()
    assert page.locator("#details").is_visible()
    assert_shown(page, name, int(page.locator("#facts dd").first.text_content()))
    page.locator("#close").tap()
    assert not page.locator("#details").is_visible()
