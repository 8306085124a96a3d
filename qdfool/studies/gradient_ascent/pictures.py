"""The pictures of the study `gradient-ascent`."""

from collections.abc import Mapping, Sequence

import numpy as np

from qdfool import analysis
from qdfool.analysis.statistics import bands
from qdfool.engine.objectives import confidence
from qdfool.genomes.levels import LEVELS
from qdfool.results.history import VERY_SURE
from qdfool.studies.gradient_ascent.conditions import WAYS, Setting
from qdfool.studies.gradient_ascent.effects import GREY, held
from qdfool.studies.study import Figures, Workbench

POINTS = 200
"""Of a curve."""
COLUMNS, LARGE_COLUMNS = 10, 3
"""Images in a row, at most; of large ones fewer."""
SHOWN_LEVELS = 16
"""Levels that large images are shown in: noise of 256 is dear to keep."""


def curves(bench: Workbench, setting: Setting, found: Mapping[str, Sequence[Figures]]) -> None:
    """Median confidence, and the share of the classes that are certain, against evaluations and against seconds."""
    of_seeds = f"mean over {len(setting.seeds)} seeds; bands: 95 %" if len(setting.seeds) > 1 else "one seed"
    for name, place, label, said in (
        ("curves", "charged", "evaluations, as they are charged", of_seeds),
        (
            "seconds",
            "seconds",
            "seconds",
            f"{of_seeds}; of one machine that other work shared, compilation not counted",
        ),
    ):
        places = [unit[place] for units in found.values() for unit in units]
        grid = np.geomspace(
            max(min(at[0] for at in places), 1e-4), max(at[-1] for at in places) * 1.01, POINTS
        )
        panels: dict[str, dict[str, tuple]] = {"median confidence": {}, "share at 99.99 %": {}}
        for way, units in found.items():
            sure = [confidence(unit["fitness"]) for unit in units]
            for panel, summed in zip(
                panels.values(),
                (
                    [np.median(each, axis=1) for each in sure],
                    [(each >= VERY_SURE).mean(axis=1) for each in sure],
                ),
                strict=True,
            ):
                panel[WAYS[way]] = bands(
                    [held(unit[place], values, grid) for unit, values in zip(units, summed, strict=True)]
                )
        path = bench.picture(f"{setting.name}-{name}")
        analysis.line_panels(
            path,
            grid,
            panels,
            f"{setting.line}: how soon each way is certain",
            f"{said}; a line goes on where its run has ended",
            label,
            "",
            (0.0, 1.02),
            log_x=True,
        )
        bench.report.picture(
            path,
            f"{setting.line}: median confidence, and the share of the classes of which the network is at least 99.99 % "
            f"sure, against {label}" + (f" ({said})." if name == "seconds" else "."),
        )


def images(
    bench: Workbench, setting: Setting, found: Mapping[str, Sequence[Figures]], names: Sequence[str]
) -> None:
    """Images of each way, as they were scored."""
    shown = _columns(setting)
    rows = []
    for way, units in found.items():
        fitness, pictures = units[0]["fitness"][-1], units[0]["images"]
        rows.append(
            (
                WAYS[way],
                [_shown(setting, pictures[setting.kept.index(index)]) for index in shown],
                [analysis.percent(log_odds=float(fitness[index])) for index in shown],
            )
        )
    path = bench.picture(f"{setting.name}-images")
    analysis.image_table(
        path,
        rows,
        f"{setting.line}: the images of each way",
        f"as they were scored, with the network's confidence; seed 0{_how(setting)}",
        _titles(names, shown),
    )
    bench.report.picture(
        path, f"{setting.line}: images of the first seed by each way, with their confidence."
    )


def regularisers(
    bench: Workbench,
    setting: Setting,
    found: Mapping[str, Figures],
    lines: Mapping[str, str],
    names: Sequence[str],
) -> None:
    """Images by ascent under each regulariser, shown as the authors' program saves them: grey kept, contrast raised."""
    shown = _columns(setting)
    rows = []
    for name, unit in found.items():
        order = [setting.shown.index(index) for index in shown]
        captions = [analysis.percent(log_odds=float(unit["log_odds"][index])) for index in order]
        rows.append(
            (lines[name], [_shown(setting, stretched(unit["images"][index])) for index in order], captions)
        )
    path = bench.picture(f"{setting.name}-regularisers")
    analysis.image_table(
        path,
        rows,
        f"{setting.line}: ascent under each regulariser",
        f"contrast about grey raised to fill the range, as the authors' program does; seed 0{_how(setting)}",
        _titles(names, shown),
    )
    bench.report.picture(
        path,
        f"{setting.line}: images by ascent under each regulariser, with their confidence; contrast about grey raised.",
    )


def stretched(image: np.ndarray) -> np.ndarray:
    """An image [H, W, C] uint8 with grey where it was, and its furthest value at an end of the range."""
    apart = image / LEVELS - GREY
    return np.round(LEVELS * (GREY + apart / (2 * max(np.abs(apart).max(), 1e-6)))).astype(np.uint8)


def _columns(setting: Setting) -> tuple[int, ...]:
    return setting.shown[: LARGE_COLUMNS if _large(setting) else COLUMNS]


def _large(setting: Setting) -> bool:
    return "image_shape" in setting.network


def _shown(setting: Setting, image: np.ndarray) -> np.ndarray:
    step = (LEVELS + 1) // SHOWN_LEVELS
    return image // step * step + step // 2 if _large(setting) else image


def _how(setting: Setting) -> str:
    return f"; drawn in {SHOWN_LEVELS} levels" if _large(setting) else ""


def _titles(names: Sequence[str], shown: Sequence[int]) -> list[str]:
    return [names[index].split(",")[0] for index in shown]
