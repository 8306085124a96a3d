"""The pictures of the study `repeats`."""

from collections.abc import Mapping, Sequence

import numpy as np

from qdfool import analysis
from qdfool.analysis.statistics import bands
from qdfool.studies.repeats.conditions import Setting, Unit
from qdfool.studies.repeats.effects import BETWEEN, COPIES, GRID, Effects
from qdfool.studies.repeats.occlusion import looked_at
from qdfool.studies.repeats.removal import FILLS, background, without
from qdfool.studies.study import Workbench

SHOWN = 4
"""Images of a setting."""
SMALLEST = 112
"""Pixels that a side is enlarged to before copies are framed."""
FRAME = (255, 60, 0)
NAMES: dict[str, str] = {"copies": "copies", "between": "patches between them"}
"""What is gone."""
COLUMNS = (
    "evolved",
    "its copies",
    "one kept, blur",
    "one kept, border",
    "patches gone",
    "where it looks",
    "the same, one kept",
)


def draw(
    bench: Workbench,
    chosen: Sequence[Setting],
    found: Mapping[str, Sequence[Unit]],
    effects: Mapping[str, Effects],
) -> None:
    """Draws all pictures and adds them to the report."""
    some = [setting for setting in chosen if effects[setting.name].images]
    bench.report.section("Pictures")
    if not some:
        bench.report.text("No image had repeats: there is nothing to show.")
        return
    _courses(bench, some, {name: each.courses for name, each in effects.items()}, "confidence")
    _courses(bench, some, {name: each.course_of_odds for name, each in effects.items()}, "loss of log-odds")
    for setting in some:
        _images(bench, setting, found[setting.name])


def _courses(
    bench: Workbench,
    chosen: Sequence[Setting],
    courses: Mapping[str, Mapping[str, Mapping[str, np.ndarray]]],
    what: str,
) -> None:
    panels = {
        f"{setting.line}, {fill}": {NAMES[arm]: bands(values) for arm, values in by_arm.items()}
        for setting in chosen
        for fill, by_arm in courses[setting.name].items()
    }
    seeds = ", ".join(f"{setting.line} {len(setting.seeds)}" for setting in chosen)
    path = bench.picture(what.replace(" ", "-"))
    analysis.line_panels(
        path,
        100 * GRID,
        panels,
        f"{what.capitalize()} as copies, or patches between them, go",
        f"mean over images; bands: 95 % over seeds ({seeds}); at 100 one copy is left",
        "copies beyond the first that are gone, %",
        what,
        y_range=(0.0, 1.0) if what == "confidence" else None,
    )
    bench.report.picture(
        path,
        f"{what.capitalize()} against the copies that are gone, and against as many patches between them, for both "
        "backgrounds.",
    )


def _images(bench: Workbench, setting: Setting, units: Sequence[Unit]) -> None:
    names = names_of(setting, units)
    rows = [
        (names[number], *_row(units[seed], row, setting.square))
        for number, (seed, row) in enumerate(shown(units))
    ]
    path = bench.picture(f"{setting.name}-images")
    analysis.image_table(
        path,
        rows,
        f"Without copies: {setting.line}",
        "with the confidence of the class; bright is where a grey square lowers the log-odds",
        COLUMNS,
    )
    bench.report.picture(
        path,
        "Evolved images, evenly spaced over those that were occluded; their copies; what is left when one is kept, or "
        "when as many patches between them are gone (blur); and where the network looks, before and after.",
    )


def shown(units: Sequence[Unit]) -> list[tuple[int, int]]:
    """Seed and row, among the occluded, of the images of a picture: evenly spaced over all."""
    every = [(seed, row) for seed, unit in enumerate(units) for row in range(len(unit.occlusion["row"]))]
    places = np.linspace(0, len(every) - 1, min(SHOWN, len(every))).round().astype(int)
    return [every[place] for place in places]


def names_of(setting: Setting, units: Sequence[Unit]) -> list[str]:
    """Class and seed of the images that are shown, and their number of copies."""
    names = []
    for seed, row in shown(units):
        unit = units[seed]
        elite = unit.removal["followed"][unit.occlusion["row"][row]]
        name = setting.class_names[unit.elites["classes"][elite]]
        names.append(f"{name}, seed {seed}: {unit.removal['copies'][elite]} copies")
    return names


def _row(unit: Unit, row: int, square: int) -> tuple[list[np.ndarray], list[str]]:
    """Images and captions of one of the occluded, as copies and patches go in the first order."""
    gone, number = unit.removal, unit.occlusion["row"][row]
    elite, patch = gone["followed"][number], (int(gone["patch"][number, 0]), int(gone["patch"][number, 1]))
    image, copies = unit.elites["images"][elite], int(gone["copies"][elite])
    places, controls = gone["places"][number, :copies], gone["controls"][number, : copies - 1]
    grounds = [background(image, float(gone["period"][elite]), fill) for fill in FILLS]
    looks = [looked_at(falls, image.shape, square) for falls in unit.occlusion["falls"][row]]
    brightest = max(float(look.max()) for look in looks) or 1.0
    images = [
        image,
        framed(image, places, patch),
        *(without(image, ground, places[:-1], patch) for ground in grounds),
        without(image, grounds[0], controls, patch),
        *(look / brightest for look in looks),
    ]
    one = int(np.flatnonzero(gone["kept"][number] == 1)[0])
    odds = gone["log_odds"][number, 0, :, :, one]
    shown_odds = [unit.elites["log_odds"][elite], *odds[:, COPIES], odds[0, BETWEEN]]
    sure = [analysis.percent(log_odds=float(value)) for value in shown_odds]
    return images, [sure[0], "", *sure[1:], "", ""]


def framed(image: np.ndarray, places: np.ndarray, patch: tuple[int, int]) -> np.ndarray:
    """The image in colour, enlarged if it is small, with a frame around each patch."""
    times = max(1, -(-SMALLEST // image.shape[0]))
    large = np.repeat(np.repeat(np.broadcast_to(image, (*image.shape[:2], 3)), times, 0), times, 1)
    thick = len(large) // SMALLEST
    for row, column in times * places:
        bottom, right = row + times * patch[0], column + times * patch[1]
        within = large[row + thick : bottom - thick, column + thick : right - thick].copy()
        large[row:bottom, column:right] = FRAME
        large[row + thick : bottom - thick, column + thick : right - thick] = within
    return large
