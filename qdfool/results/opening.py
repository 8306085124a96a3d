"""Opens the folder of a run: of a new one, or of one that goes on from its newest whole checkpoint."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from qdfool import hosts
from qdfool.build import NO_FILES, build_classifier, is_known, with_classifier
from qdfool.config import BUDGET, KEEPING, Config, differences, validate
from qdfool.engine.step import Evolution
from qdfool.errors import InputError, named, shown
from qdfool.files.lock import FolderLock, released_on_failure
from qdfool.results import run_folder
from qdfool.results.agreement import check_config, check_run, check_shared
from qdfool.results.answers import answers_otherwise
from qdfool.results.checkpoint import Checkpoints
from qdfool.results.config_file import (
    ClassifierRecord,
    check_resumable,
    classifier_record,
    own_files_that_changed,
    read_config,
    write_config,
)
from qdfool.results.encoding_check import check_encoding
from qdfool.results.measure_check import check_measures
from qdfool.results.run import Run
from qdfool.results.saved_run import SavedRun
from qdfool.types import Classifier

_LOG = logging.getLogger(__name__)


def start(
    config: Config,
    directory: Path,
    classifier: Any = None,
    overwrite: bool = False,
    how_to_resume: str = "",
) -> SavedRun:
    """A new run in a folder of its own.

    Args:
        config: its settings.
        directory: is made; one that has a run in it is refused unless `overwrite` is set.
        classifier: a user's own; if None, the one that the config names.
        overwrite: throws away the run that is there.
        how_to_resume: see `SavedRun`.

    Raises:
        InputError: bad settings, a classifier that does not return logits, or a folder that has a run in it, is in
            use or cannot be written to.
        OSError: the disk is full.
    """
    directory = directory.absolute()  # A classifier may change the working directory.
    return begin(new_run(config, classifier), directory, overwrite, how_to_resume)


def new_run(config: Config, classifier: Any = None) -> Run:
    """A run that begins, the same in every process.

    Raises:
        InputError: as `start`.
    """
    hosts.together(lambda: validate(config))
    check_config(config, begins=True)
    run = hosts.together(lambda: Run(*named_or_own(config, classifier)))
    check_run(run)
    return run


def begin(run: Run, directory: Path, overwrite: bool = False, how_to_resume: str = "") -> SavedRun:
    """As `start`, of a run that is new."""
    lock = hosts.together(lambda: _prepared(run, directory, overwrite) if hosts.is_first() else None)
    with released_on_failure(lock):
        check_shared(directory)
    return SavedRun(run, directory, lock, how_to_resume)


def _prepared(run: Run, directory: Path, overwrite: bool) -> FolderLock:
    lock = run_folder.prepare(directory, overwrite)
    with released_on_failure(lock):
        write_config(directory, run.config, run.classifier)
    return lock


def resume(config: Config, directory: Path, classifier: Any = None, how_to_resume: str = "") -> SavedRun:
    """The run of a folder, as it was at its newest whole checkpoint.

    Args:
        config: the settings that are saved there, with another budget where it is to go on.
        directory: the run folder.
        classifier: the user's own that the run began with; needed where it cannot be imported by its name.
        how_to_resume: see `SavedRun`.

    Raises:
        InputError: the folder has no run or no checkpoint, is in use or of another config, a file in it is damaged, or
            the classifier is not given or another one.
        OSError: a file cannot be read or written.
    """
    directory = directory.absolute()  # A classifier may change the working directory.
    hosts.together(lambda: _check_can_go_on(config, directory, classifier))
    check_config(config, begins=False)
    lock = hosts.together(lambda: FolderLock(directory) if hosts.is_first() else None)
    with released_on_failure(lock):
        check_shared(directory)
        run = hosts.together(lambda: restored(*named_or_own(config, classifier), directory))
        check_run(run)
    return SavedRun(run, directory, lock, how_to_resume)


def _check_can_go_on(config: Config, directory: Path, classifier: Any) -> None:
    validate(config)
    run_folder.check_files(directory)
    saved, values = read_config(directory, config)
    check_resumable(directory, values)
    check_same_config(directory, saved, config)
    if not (directory / run_folder.CHECKPOINTS).is_dir():
        raise InputError(
            f"No checkpoint in {directory}. Expected the folder of a run that saved one; give that, or start "
            "a new run with another `out`."
        )
    check_is_given(directory, config, classifier, "qdfool.resume")


def check_same_config(directory: Path, saved: Config, config: Config) -> None:
    """Checks that what is to go on has the settings that are saved, but for the budget and how it is kept.

    Raises:
        InputError: it has others.
    """
    # Weights may lie elsewhere by now: that they are the same is checked where the run goes on.
    if differing := differences(saved, config, ignoring=(*BUDGET, *KEEPING, "weights")):
        raise InputError(
            f"{directory} is a run of another config: {'; '.join(differing)}. Leave these settings as they are, or "
            "start a new run with another `out`."
        )


def check_is_given(directory: Path, config: Config, classifier: Any, function: str) -> None:
    """Checks that there is a classifier to go on with.

    Args:
        directory: of what is to go on, for the message.
        config: its settings.
        classifier: the user's own, None if none is given.
        function: what to give it to.

    Raises:
        InputError: it is not given and cannot be imported by its name.
    """
    if classifier is None and not is_known(config.classifier):
        raise InputError(
            f"{directory} is a run on {shown(config.classifier)}, which no module can be asked for by name. Go on with "
            f"it in Python, and give it: {function}({str(directory)!r}, classifier=...)."
        )


def restored(
    config: Config, classifier: Classifier, directory: Path, evolution: Evolution | None = None
) -> Run:
    """The run of a folder that is locked, as it was at its newest whole checkpoint; its `config.json` has the new
    budget then.

    Raises:
        InputError: as `resume`.
        OSError: as `resume`.
    """
    saved, values = read_config(directory, config)
    if config.classifier != saved.classifier:
        _LOG.warning(
            f"{directory} began on the classifier {named(saved.classifier)}, and goes on with "
            f"{named(config.classifier)}."
        )
    _check_same(directory, classifier_record(directory, config, values), classifier)
    run = Run(config, classifier, evolution=evolution, begins=False)
    checkpoints = Checkpoints(directory / run_folder.CHECKPOINTS)
    try:
        earlier = run_folder.read_metrics(directory / run_folder.METRICS)
        run.restore(checkpoints, earlier, _LOG.warning)
    finally:
        checkpoints.close()
    check_budget(directory, saved, run.config, run.generations, run.seconds)
    check_measures(directory, run.result(), run.evolution)
    check_encoding(directory, config, run.state, run.evolution)
    warn_of_own_files(directory, run.config, values)
    if hosts.is_first():
        write_config(directory, run.config, classifier)
    return run


def check_budget(directory: Path, saved: Config, config: Config, generations: int, seconds: float) -> None:
    """Checks that a run has not gone beyond the budget that it is to go on with.

    Args:
        directory: its folder, for the message.
        saved: the config of the folder. A run that ended with its seconds has always had a little more.
        config: that it is to go on with.
        generations: that it has.
        seconds: of evolution that it has.

    Raises:
        InputError: it has.
    """
    limit = config.budget_generations()
    if limit is not None and limit < generations:
        raise InputError(
            f"{directory} has {generations:,} generations already, and the budget allows {limit:,}. Give a larger one, "
            "as `generations`: those before count."
        )
    if config.seconds is not None and config.seconds != saved.seconds and config.seconds < seconds:
        raise InputError(
            f"{directory} has evolved for {seconds:,.6g} seconds already, and the budget allows {config.seconds:,g}. "
            "Give a larger one, as `seconds`: those before count."
        )


def named_or_own(config: Config, classifier: Any) -> tuple[Config, Classifier]:
    """The classifier that a config names, or the user's own, and the config that names it; weights in a file by their
    whole path, so that the run can go on wherever the process is.

    Raises:
        InputError: see `build_classifier` and `with_classifier`.
    """
    if classifier is not None:
        return with_classifier(config, classifier)
    found = build_classifier(config)
    # Of several processes each may have its own.
    if config.weights not in (None, *NO_FILES) and hosts.count() == 1:
        config = replace(config, weights=str(Path(config.weights).absolute()))
    return config, found


def _check_same(directory: Path, saved: ClassifierRecord, classifier: Classifier) -> None:
    """Checks that a run goes on with the classifier that it began with, as far as that can be told."""
    if saved.fingerprint != classifier.fingerprint:
        raise InputError(
            f"{directory} was run with other weights: SHA-256 {_hash(saved.fingerprint)} -> "
            f"{_hash(classifier.fingerprint)}. Give the weights it began with."
        )
    if how := answers_otherwise(saved.answers, classifier):
        raise InputError(
            f"{directory} was run on another classifier: {how}. Give the one it began with, or start a new run with "
            "another `out`."
        )
    if saved.class_names != classifier.class_names:
        raise InputError(
            f"{directory} was run on a classifier with other classes. Give the one it began with."
        )
    if saved.image_shape != classifier.image_shape:
        raise InputError(
            f"{directory} was run on a classifier of images {list(saved.image_shape)}; this one takes "
            f"{list(classifier.image_shape)}. Give the one it began with."
        )
    if saved.file_hash and saved.file_hash != classifier.file_hash:
        _warn_of_file(
            classifier.reference or classifier.name, directory, saved.file_hash, classifier.file_hash
        )


def warn_of_own_files(directory: Path, config: Config, values: dict[str, Any]) -> None:
    """Warns of the user's own parts, which have been imported, whose files have changed since a folder began; `values`
    are what `read_config` returned."""
    for reference, (then, now) in own_files_that_changed(config, values).items():
        _warn_of_file(reference, directory, then, now)


def _warn_of_file(name: str, directory: Path, then: object, now: str) -> None:
    _LOG.warning(
        f"The file of {name} has changed since {directory} began: SHA-256 {_hash(then)} -> {_hash(now)}. The run goes "
        "on with the new one, or with what this process had imported before."
    )


def _hash(found: object) -> str:
    """As a message has it; a folder may say anything."""
    return named(found) if found else "none"
