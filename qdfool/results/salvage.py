"""A run folder that is half-written, damaged or of another version: what of it can be shown, and what is missing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from qdfool.analysis.report import EliteTable
from qdfool.errors import InputError
from qdfool.results import elites_file, history_file, npz, run_folder
from qdfool.results.config_file import classifier_record, read_config
from qdfool.results.loading import figures_of
from qdfool.results.npz import Header
from qdfool.results.report import Kept

NUMBERS = ("cell", "class_index", "birth_generation", "parent_class", "num_replacements")
"""Arrays of `elites.npz` [n] that a page shows, all of int32."""
MOST_CLASSES = 1_000_000

Part = TypeVar("Part")


def salvaged(directory: Path) -> Kept:
    """What can be read of a run folder that `qdfool.results.loading.load` refuses; its notes say what cannot.

    Raises:
        InputError: it is no run folder, or one of several seeds, or nothing in it is of a run.
    """
    if (directory / run_folder.AUDIT).exists():
        run_folder.read_json(directory / run_folder.CONFIG)  # Says what it is.
    if not run_folder.has_run(directory):
        raise InputError(
            f"No run in {directory}. Expected the folder of a run, as `out` names it: it has {run_folder.CONFIG} and "
            f"{run_folder.ELITES}."
        )
    notes: list[str] = []

    def part(read: Callable[[], Part], otherwise: Part) -> Part:
        try:
            return read()
        except InputError as error:
            notes.append(str(error))
            return otherwise

    values = part(lambda: run_folder.read_json(directory / run_folder.CONFIG), None)
    if values is not None and run_folder.SEEDS in values:
        read_config(directory)  # Says where the folders of the seeds are.
    config, record = part(lambda: _checked(directory), (None, None))
    figures = part(lambda: figures_of(directory / run_folder.SUMMARY), {})
    elites = part(lambda: _elites(directory / run_folder.ELITES), None)
    given = _names(values) if record is None else record.class_names
    most = 0 if elites is None or not len(elites) else int(elites.class_index.max()) + 1
    names = [*given, *(f"class {index}" for index in range(len(given), most))]
    history = part(lambda: history_file.read(directory / run_folder.HISTORY, len(names)), None)
    metrics = part(lambda: run_folder.read_metrics(directory / run_folder.METRICS), [])
    if elites is None and history is None and not metrics and not run_folder.is_of_a_run(directory):
        raise InputError(f"Nothing in {directory} can be shown as a run: {notes[0]}")
    kept = Kept(
        class_names=names,
        values=values,
        elites=elites,
        history=history,
        metrics=metrics,
        is_whole=False,
        notes=[*notes, "What the classifier says of each elite is not here: such a folder is not loaded."],
    )
    if config is None or record is None:
        return kept
    return replace(
        kept,
        config=config,
        image_shape=record.image_shape,
        generations=figures.get("generations"),
        seconds=figures.get("seconds"),
    )


def _checked(directory: Path) -> tuple[Any, Any]:
    config, values = read_config(directory)
    return config, classifier_record(directory, config, values)


def _names(values: Mapping[str, Any] | None) -> Sequence[str]:
    """The names of classes in a `config.json` that is of another version, or damaged elsewhere."""
    classifier = (values or {}).get("classifier")
    names = classifier.get("class_names") if isinstance(classifier, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return ()
    return names[:MOST_CLASSES]


def _elites(path: Path) -> EliteTable | None:
    """Each class's best, by what the file alone says, without the config that it belongs to: images and numbers, but
    no genomes.

    Raises:
        InputError: the file is missing or damaged.
    """
    arrays = npz.read(path, _expected)
    with npz.fitting(path):
        elites_file.check_seal(arrays)
        fitness, classes = arrays["fitness"], arrays["class_index"]
        if not np.isfinite(fitness).all():
            raise ValueError("fitness is not finite")
        if len(classes) and not 0 <= classes.min() <= classes.max() < MOST_CLASSES:
            raise ValueError(f"class_index is not from 0 to {MOST_CLASSES - 1:,}")
        if (arrays["parent_class"] < -1).any() or (arrays["num_replacements"] < 1).any():
            raise ValueError("parent_class is below -1, or num_replacements below 1")
    order = np.argsort(-fitness, kind="stable")
    found, first = np.unique(classes[order], return_index=True)
    best = order[first]
    images = arrays["images"]
    return EliteTable(
        images=lambda rows: images[best[rows]],
        cell=found.astype(np.intp),
        class_index=found.astype(np.intp),
        fitness=fitness[best].astype(np.float64),
        birth_generation=arrays["birth_generation"][best],
        parent_class=arrays["parent_class"][best],
        num_replacements=arrays["num_replacements"][best],
        measures=np.zeros((len(best), 0)),
    )


def _expected(headers: Mapping[str, Header]) -> dict[str, Header]:
    shape = headers["images"].shape if "images" in headers else ()
    if len(shape) != 4 or headers["images"].dtype != np.uint8 or not all(shape[1:]):
        raise ValueError("images are not [n, H, W, C] of uint8")
    rows = shape[:1]
    return {
        **headers,
        **(elites_file.SEAL if elites_file.SEAL.keys() & headers.keys() else {}),
        "fitness": Header(np.dtype(np.float32), rows),
        **{name: Header(np.dtype(np.int32), rows) for name in NUMBERS},
    }
