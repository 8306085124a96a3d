"""A run folder read again: every file is checked, by itself and against the others."""

import functools
from pathlib import Path
from typing import Any

import jax
import numpy as np

from qdfool.build import (
    begins_with_pictures,
    build_encoding,
    build_measures,
    check_archive,
    grid_ranges,
    is_own_encoding,
    placed,
)
from qdfool.config import MOST_GENERATIONS, Config
from qdfool.engine.archive import empty
from qdfool.errors import InputError, shown
from qdfool.results import elites_file, history_file, run_folder
from qdfool.results.config_file import check_given, classifier_record, read_config
from qdfool.results.genome_check import check_genomes
from qdfool.results.result import Result
from qdfool.results.run_folder import folder_given


def load(directory: str | Path, config: Config | None = None) -> Result:
    """The result that a run folder holds, as it was saved; needs neither classifier nor checkpoint.

    Args:
        directory: the run folder.
        config: the config that the run began with; needed only where it held objects of your own that no module
            can be asked for by name. All else is read from the folder.

    Raises:
        InputError: a file is missing or damaged, or the config's objects are needed.
    """
    directory = folder_given("directory", directory)
    given, (config, values) = config, read_config(directory, config)
    check_given(directory, config, given)
    figures = figures_of(directory / run_folder.SUMMARY)
    classifier = classifier_record(directory, config, values)
    classes = len(classifier.class_names)
    try:
        measures = build_measures(config)
        if measures:
            grid_ranges(config, measures)
        check_archive(config, classifier.image_shape, classes)
    except InputError as error:
        raise InputError(f"{directory / run_folder.CONFIG}: {error}") from error
    encoding = build_encoding(config, classifier.image_shape)
    genome = jax.eval_shape(encoding.initialise, jax.random.key(0))
    grid_cells = config.cells[0] * config.cells[1] if measures else 1
    snapshot = elites_file.read(
        directory / run_folder.ELITES,
        lambda cells: empty(genome, cells, 1, len(measures), np, begins_with_pictures(config)),
        classes * grid_cells,
        classes,
        classifier.image_shape,
        functools.partial(placed, config, measures),
        functools.partial(check_genomes, config, classifier.image_shape),
        figures["generations"],
    )
    return Result(
        config=config,
        classifier=classifier,
        snapshot=snapshot,
        history=history_file.read(directory / run_folder.HISTORY, classes, figures["generations"]),
        metrics=run_folder.read_metrics(directory / run_folder.METRICS),
        decode=encoding.decode if is_own_encoding(config) else None,
        **figures,
    )


def figures_of(path: Path) -> dict[str, Any]:
    """What a result needs of `summary.json`: generations, seconds and compile_seconds.

    Raises:
        InputError: it is missing or damaged.
    """
    summary = run_folder.read_summary(path)
    figures = {name: summary.get(name) for name in ("generations", "seconds", "compile_seconds")}
    for name, figure in figures.items():
        kinds = int if name == "generations" else int | float
        if not isinstance(figure, kinds) or isinstance(figure, bool) or not 0 <= figure <= MOST_GENERATIONS:
            raise InputError(
                f"{path} is damaged: expected numbers as {', '.join(figures)}; {name} is {shown(figure)}."
            )
    return figures
