"""`report.html`: from what is kept of a run to the page that shows it."""

import functools
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qdfool.analysis import percent
from qdfool.analysis.report import EliteTable, Grid, Growth, Report, TopClasses, write_report
from qdfool.build import begins_with_pictures, build_measures, grid_ranges
from qdfool.config import Config, flat, name_of
from qdfool.engine.objectives import confidence
from qdfool.errors import InputError, named, printable
from qdfool.results import run_folder
from qdfool.results.command import command_of
from qdfool.results.history import VERY_SURE, History, Metrics
from qdfool.results.pictures import name_of_run
from qdfool.results.result import Result
from qdfool.results.top_classes import top_classes
from qdfool.types import Classifier

SECONDS = 8.0
"""That a classifier may take at the end of a run to say what it sees in all elites."""
BATCH = 64
"""Elites that it is asked about at once."""
LONGEST_VALUE = 2_000
"""Characters of a setting that the page shows."""


@dataclass(frozen=True)
class Kept:
    """What is kept of a run, as far as it can be read."""

    class_names: Sequence[str]
    config: Config | None = None
    image_shape: tuple[int, int, int] = (0, 0, 0)
    values: dict[str, Any] | None = None
    """All of `config.json`."""
    elites: EliteTable | None = None
    history: History | None = None
    metrics: Sequence[Metrics] = ()
    generations: int | None = None
    seconds: float | None = None
    is_whole: bool = True
    """Whether the elites are all, in the cells of the config's archive; else they are each class's best."""
    notes: Sequence[str] = ()
    """What cannot be read, or is not there, and why."""


def write_page(directory: Path, result: Result, classifier: Classifier | None) -> None:
    """Writes the page of a run that is over.

    Args:
        directory: of the run; has its `config.json`.
        result: of the run.
        classifier: is asked what it sees in the elites, if JAX can trace it and it takes no longer than `SECONDS`; None
            is not asked.

    Raises:
        OSError: it cannot be written.
    """
    notes, top = [], None
    if classifier is None or not classifier.traceable:
        notes.append(
            f"What the classifier says of each elite is not here: it was not asked again. {_asks(directory)}"
        )
    else:
        try:
            top = asked_about(result, classifier, SECONDS)
        except InputError as error:
            notes.append(f"What the classifier says of each elite is not here: {error}")
        else:
            if top is None and len(result.cells()):
                notes.append(
                    f"What the classifier says of each elite is not here: it would have taken long. {_asks(directory)}"
                )
    values = run_folder.read_json(directory / run_folder.CONFIG)
    write_report(directory / run_folder.REPORT, report_of(kept_of(result, values, top, notes)))


def _asks(directory: Path) -> str:
    return f"python -m qdfool.inspect {shlex.quote(str(directory))} asks it."


def asked_about(result: Result, classifier: Classifier, seconds: float = float("inf")) -> TopClasses | None:
    """What a classifier says of all elites of a result; see `top_classes`."""
    cells = result.cells()
    if not len(cells):
        return None

    def images(rows: np.ndarray) -> np.ndarray:
        return result.images_in(cells[rows])

    return top_classes(classifier, images, len(cells), BATCH, seconds)


def kept_of(
    result: Result, values: dict[str, Any] | None, top: TopClasses | None, notes: Sequence[str] = ()
) -> Kept:
    """All of a result; `values` are those of its `config.json`, and `top` what the classifier says of its elites."""
    return Kept(
        class_names=result.class_names,
        config=result.config,
        image_shape=result.image_shape,
        values=values,
        elites=table_of(result, top),
        history=result.history,
        metrics=result.metrics,
        generations=result.generations,
        seconds=result.seconds,
        notes=notes,
    )


def table_of(result: Result, top: TopClasses | None) -> EliteTable:
    """The elites of a result, a row each."""
    cells = result.cells()
    # Without the genomes, which are looked at when their images are.
    rows = result.snapshot.take(cells)
    return EliteTable(
        images=lambda some: result.levels(cells[some]),
        cell=cells,
        class_index=cells // result.grid_cells(),
        fitness=np.asarray(rows.fitness, np.float64),
        birth_generation=np.asarray(rows.birth_generation),
        parent_class=np.asarray(rows.parent_class),
        num_replacements=np.asarray(rows.num_replacements),
        measures=np.asarray(rows.measures, np.float64),
        top=top,
    )


def report_of(kept: Kept) -> Report:
    """The page of what is kept of a run."""
    config, notes = kept.config, list(kept.notes)
    command = command_note = ""
    if config is not None:
        command = command_of(config, kept.image_shape)
        if not command:
            command_note = "No command makes it again: it was given parts, or ended, from Python."
    return Report(
        title=f"qdfool: {_title(config)}",
        headline=_unbroken(_headline(kept)),
        lede=_unbroken(_lede(kept)),
        figures=_figures(kept),
        class_names=kept.class_names,
        elites=kept.elites,
        grid=_grid(config) if config is not None and kept.elites is not None and kept.is_whole else None,
        growth=_growth(kept),
        tables=_tables(kept),
        command=command,
        command_note=command_note,
        notes=notes,
    )


def _unbroken(text: str) -> str:
    """A text in which no line begins with a unit."""
    return re.sub(r"(?<=\d) (?=(%|s)\b|%)", "\N{NO-BREAK SPACE}", text)


def _title(config: Config | None) -> str:
    return "a run" if config is None else printable(name_of_run(config))


def _name(kept: Kept) -> str:
    values = (kept.values or {}).get("classifier")
    name = values.get("name") if isinstance(values, dict) else None
    return named(name) if isinstance(name, str) and name else "the classifier"


def _sure(kept: Kept) -> np.ndarray:
    """[K] log-odds of each class's best elite, -inf where there is none."""
    best = np.full(len(kept.class_names), -np.inf)
    if kept.elites is not None:
        np.maximum.at(best, kept.elites.class_index, kept.elites.fitness)
    return best


def _headline(kept: Kept) -> str:
    best, name = _sure(kept), _name(kept)
    classes, what = len(best), "an image of nothing"
    if kept.config is not None and begins_with_pictures(kept.config):
        what = "what a picture of the user's was bred into"
    if not np.isfinite(best).any():
        return f"Of this run on {name}, no elites can be shown."
    certain = int((confidence(best) >= VERY_SURE).sum())
    if certain == classes:
        return f"{name} is at least 99.99 % sure of {what}, for every one of its {classes:,} classes."
    if 2 * certain >= classes:
        return f"{name} is at least 99.99 % sure of {what}, for {certain:,} of its {classes:,} classes."
    median = percent(confidence=float(np.median(confidence(best))))
    return f"In the median over its {classes:,} classes, {name} is {median} sure of {what}."


def _lede(kept: Kept) -> str:
    config = kept.config
    if config is None or kept.generations is None:
        return ""
    evaluations = config.charges().of(kept.generations)
    kinds = {
        "pixels": f"{'colour' if kept.image_shape[2] == 3 else 'grey'} pixels",
        "binary": "black and white pixels",
        "cppn": "pattern-producing networks",
    }
    what = kinds.get(name_of(config.encoding), f"the encoding {named(name_of(config.encoding))}")
    archive = "one image a class" if config.archive == "class" else "a map of images for each class"
    digits = 0 if kept.seconds and kept.seconds >= 10 else 1
    spent = f", in {kept.seconds:,.{digits}f} s of evolution" if kept.seconds else ""
    begun = ", begun with pictures instead of noise" if begins_with_pictures(config) else ""
    return (
        f"MAP-Elites over {what}{begun}, {archive}: {evaluations:,} evaluations in {kept.generations:,} "
        f"generations{spent}. Confidence is the softmax of the classifier's own answer."
    )


def _figures(kept: Kept) -> list[tuple[str, str]]:
    best = _sure(kept)
    if kept.elites is None or not len(kept.elites):
        return []
    sure, occupied = confidence(best), best[np.isfinite(best)]
    figures = [
        ("median confidence", percent(confidence=float(np.median(sure)))),
        (
            "lowest",
            percent(log_odds=float(occupied.min())) if len(occupied) == len(best) else "a class is empty",
        ),
        ("classes ≥ 99.99 %", f"{int((sure >= VERY_SURE).sum()):,} of {len(best):,}"),
        ("elites", f"{len(kept.elites):,}"),
    ]
    if kept.config is not None and kept.generations is not None:
        figures.append(("evaluations", f"{kept.config.charges().of(kept.generations):,}"))
    return figures


def _grid(config: Config) -> Grid | None:
    measures = build_measures(config)
    if not measures:
        return None
    first, second = grid_ranges(config, measures)
    return Grid(config.cells, (first, second), (measures[0].name, measures[1].name))


def _growth(kept: Kept) -> Growth | None:
    history = kept.history
    if history is not None and kept.config is not None and len(history.generation):
        confidences = confidence(history.fitness)
        low, median, high = np.quantile(confidences, [0.05, 0.5, 0.95], axis=1)
        return Growth(
            kept.config.charges().of(history.generation.astype(np.int64)).astype(np.float64),
            low,
            median,
            high,
            confidences.min(axis=1),
            np.asarray(history.qd_score, np.float64),
            np.asarray(history.coverage, np.float64),
            np.asarray(history.fitness, np.float64),
        )
    if not kept.metrics:
        return None
    column = functools.partial(_column, kept.metrics)
    return Growth(
        column("evaluations"),
        column("low_confidence"),
        column("median_confidence"),
        column("high_confidence"),
        column("min_confidence"),
        column("qd_score"),
        column("coverage"),
    )


def _column(metrics: Sequence[Metrics], name: str) -> np.ndarray:
    return np.array([getattr(row, name) for row in metrics], np.float64)


def _tables(kept: Kept) -> dict[str, list[tuple[str, str]]]:
    tables: dict[str, list[tuple[str, str]]] = {}
    values = kept.values or {}
    if kept.config is not None:
        settings = flat(kept.config)
        tables["Settings"] = [(name, setting_text(value)) for name, value in settings.items()]
    for title, group in (("Classifier", "classifier"), ("Versions", "versions"), ("Device", "device")):
        found = values.get(group)
        if isinstance(found, dict):
            rows = [
                (printable(name), setting_text(value))
                for name, value in found.items()
                if name != "class_names"
            ]
            tables[title] = rows
    return tables


def setting_text(value: Any) -> str:
    """A value of `config.json` as people write it."""
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        text = ", ".join(map(setting_text, value[:100])) + (", …" if len(value) > 100 else "") or "none"
    elif isinstance(value, dict):
        text = ", ".join(f"{name} {setting_text(part)}" for name, part in value.items())
    elif isinstance(value, float):
        text = f"{value:g}"
    else:
        text = str(value)
    text = printable(text[: LONGEST_VALUE + 1])
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
