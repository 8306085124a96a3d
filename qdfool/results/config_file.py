"""`config.json`: what a run was: every setting, the classifier, versions, device; and what former versions wrote."""

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from qdfool.build.reference import is_reference, parts_of
from qdfool.classifiers.custom import file_hash
from qdfool.classifiers.names_check import check_class_names
from qdfool.config import (
    BUDGET,
    KEEPING,
    Config,
    check_image_shape,
    check_seeds,
    contradictions,
    from_dict,
    reference_to,
    to_dict,
    validate,
)
from qdfool.errors import InputError, named, shown
from qdfool.results import run_folder
from qdfool.types import Classifier

FORMAT = 2
"""Of run folders. 1: qdfool 0.1, whose keys were others, so that its runs cannot go on here."""
PACKAGES = ("qdfool", "jax", "flax", "optax", "numpy", "ribs", "orbax-checkpoint")
NOT_COMPARED = (*BUDGET, *KEEPING, "classifier", "preset", "initial", "batch_size")
"""Settings in which the config that is given to go on, or to load, may differ: those that may be others, and those that
are written otherwise than they are given."""
JAX_SETTINGS = ("jax_enable_x64", "jax_random_seed_offset", "jax_threefry_partitionable")
"""Settings of the process under which the same seed draws other numbers."""


@dataclass(frozen=True)
class ClassifierRecord:
    """What a run keeps of the classifier that it audited; the fields are those of `qdfool.Classifier`."""

    name: str
    reference: str
    file_hash: str
    fingerprint: str
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    answers: tuple[float, ...] = ()


def record_of(classifier: Classifier) -> ClassifierRecord:
    """What a run keeps of a classifier."""
    return ClassifierRecord(
        name=classifier.name,
        reference=classifier.reference,
        file_hash=classifier.file_hash,
        fingerprint=classifier.fingerprint,
        image_shape=classifier.image_shape,
        class_names=classifier.class_names,
        answers=classifier.answers,
    )


def write_config(
    directory: Path, config: Config, classifier: Classifier | ClassifierRecord, seeds: Sequence[int] = ()
) -> None:
    """Writes `config.json`; with `seeds`, that of a folder with a run folder for each of them.

    Raises:
        OSError: it cannot be written.
    """
    record = record_of(classifier) if isinstance(classifier, Classifier) else classifier
    device = jax.devices()[0]
    run_folder.write_json(
        directory / run_folder.CONFIG,
        {
            "format": FORMAT,
            **({run_folder.SEEDS: list(seeds)} if seeds else {}),
            "settings": to_dict(config),
            "classifier": asdict(record),
            "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
            "jax_settings": _jax_settings(),
            **({"own_files": own_files} if (own_files := _own_files(config)) else {}),
            "device": {
                "platform": device.platform,
                "kind": device.device_kind,
                "machine": platform.machine(),
            },
        },
    )


def read_config(directory: Path, objects: Config | None = None) -> tuple[Config, dict[str, Any]]:
    """The settings of a run folder, also of a former version, and all of its `config.json`.

    Args:
        directory: the run folder.
        objects: a config that has the run's own objects that no module can be asked for by name; see `from_dict`.

    Raises:
        InputError: it is missing or damaged, or of a later version, a setting or what describes the classifier is of
            another kind or out of range, or `objects` lacks an object. The message names the file and the setting.
            Or it is that of several seeds.
    """
    values = run_folder.read_json(directory / run_folder.CONFIG)
    if run_folder.SEEDS in values:
        seeds = values[run_folder.SEEDS] if isinstance(values[run_folder.SEEDS], list) else []
        example = f", for example {directory / run_folder.name_of_seed(seeds[0])}" if seeds else ""
        raise InputError(
            f"{directory} has a run folder for each of {len(seeds):,} seeds. Expected a single one{example}; "
            "`resume_seeds` goes on with all of them."
        )
    return _config(directory, values, objects), values


def read_config_of_seeds(
    directory: Path, objects: Config | None = None
) -> tuple[Config, dict[str, Any], tuple[int, ...]]:
    """As `read_config`, of a folder of several seeds; the seeds are as the file says, and the config's is the first.

    Raises:
        InputError: as `read_config`; or it is that of a single run, or its seeds are damaged.
    """
    values = run_folder.read_json(directory / run_folder.CONFIG)
    if run_folder.SEEDS not in values:
        raise InputError(
            f"{directory} is no folder of several seeds. Expected one as `seeds` leaves it; "
            "qdfool.resume goes on with a single run."
        )
    config = _config(directory, values, objects)
    try:
        seeds = check_seeds(values[run_folder.SEEDS])
    except InputError as error:
        raise InputError(f"{directory / run_folder.CONFIG} is damaged: {error}") from error
    return config, values, seeds


def is_of_seeds(directory: Path) -> bool:
    """Whether a folder has several seeds.

    Raises:
        InputError: its `config.json` is missing or damaged.
    """
    return run_folder.SEEDS in run_folder.read_json(directory / run_folder.CONFIG)


def _config(directory: Path, values: dict[str, Any], objects: Config | None) -> Config:
    path = directory / run_folder.CONFIG
    if not all(isinstance(values.get(group), dict) for group in run_folder.GROUPS):
        raise InputError(
            f"{path} is damaged: expected {', '.join(run_folder.GROUPS)}, each a group of values."
        )
    for name, found in values["versions"].items():
        if not isinstance(found, str):
            raise InputError(
                f"{path} is damaged: the version of {shown(name)} must be text; got {shown(found)}."
            )
    found = _format(values)
    if not _is_whole(found) or not 1 <= found <= FORMAT:
        raise InputError(
            f"{directory} is of qdfool {_version(values)} (run folder format {shown(found)}); this is qdfool "
            f"{version('qdfool')}, which reads formats 1 to {FORMAT}. Read it with that version."
        )
    try:
        config = from_dict(values["settings"], objects)
        # A result of ask and tell has no budget.
        validate(config, needs_budget=False)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    classifier_record(directory, config, values)
    return config


def check_given(
    directory: Path, saved: Config, given: Config | None, ignoring: tuple[str, ...] = NOT_COMPARED
) -> None:
    """Checks that a config which a user gives for its objects does not contradict the folder.

    Raises:
        InputError: it does.
    """
    if given is not None and (found := contradictions(saved, given, ignoring)):
        raise InputError(
            f"{directory} is a run of another config: {'; '.join(found)}. Give the config it began with."
        )


def check_resumable(directory: Path, values: dict[str, Any]) -> None:
    """Checks that a run can go on bit for bit; `values` are what `read_config` returned.

    Raises:
        InputError: it is of a former version, or JAX has other settings here under which it would draw other numbers.
    """
    if _format(values) != FORMAT:
        raise InputError(
            f"{directory} is a run of qdfool {_version(values)} (run folder format {_format(values)}), which "
            f"qdfool {version('qdfool')} (format {FORMAT}) cannot go on with, because it draws other random "
            "numbers: go on with it in that version, or start a new run with another `out`; qdfool.load reads it."
        )
    began = values.get("jax_settings")
    for name, here in _jax_settings().items():
        there = began.get(name, here) if isinstance(began, dict) else here
        if there != here:
            raise InputError(
                f"{directory} began with JAX's setting {name} {shown(there)}, and it is {here!r} here, which draws "
                f"other numbers. Set {name.upper()} in the environment, or the setting in Python, to what it was, or "
                "start a new run with another `out`."
            )


def own_files_that_changed(config: Config, values: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Of the user's own operators, encoding, emitters and measures that the config names, those whose files are others
    than when the run began: the SHA-256 then and now.

    Args:
        config: whose parts have been imported.
        values: what `read_config` returned.
    """
    began = values.get("own_files")
    if not isinstance(began, dict):
        return {}
    return {
        reference: (began[reference], now)
        for reference, now in _own_files(config).items()
        if began.get(reference, now) != now
    }


def _own_files(config: Config) -> dict[str, str]:
    """SHA-256 by reference, as the file names the parts, also those that were given as objects; of measures too,
    although they are asked again (`check_measures`)."""
    names = (part if isinstance(part, str) else reference_to(part) for part in parts_of(config))
    found = {name: file_hash(name, name) for name in names if name and is_reference(name)}
    return {name: file for name, file in found.items() if file}


def _jax_settings() -> dict[str, Any]:
    return {name: getattr(jax.config, name) for name in JAX_SETTINGS if hasattr(jax.config, name)}


def classifier_record(directory: Path, config: Config, values: dict[str, Any]) -> ClassifierRecord:
    """The classifier of a run folder; what `read_config` returned.

    Raises:
        InputError: its description is damaged, its names are not unique, or its images are too large.
    """
    path = directory / run_folder.CONFIG
    # Format 1 had no name, reference and hash; its name is that of the settings.
    texts = {"name": config.classifier, "reference": "", "file_hash": "", "fingerprint": ""}
    found = {**texts, **values["classifier"]}
    names, shape = found.get("class_names"), found.get("image_shape")
    answers = found.get("answers", [])
    if (
        not all(isinstance(found[name], str) for name in texts)
        or not isinstance(names, list)
        or not names
        or not all(isinstance(name, str) for name in names)
        or not isinstance(shape, list)
        or len(shape) != 3
        or not all(_is_whole(size) and size > 0 for size in shape)
        or not isinstance(answers, list)
        or not all(isinstance(answer, float) for answer in answers)
    ):
        raise InputError(
            f"{path} is damaged: expected the classifier's {', '.join(texts)} as text, its class_names as a list of "
            "texts, its image_shape as three whole numbers above 0, and its answers, if any, as numbers."
        )
    height, width, channels = shape
    try:
        check_image_shape("the classifier's image_shape", (height, width, channels))
        check_class_names("The classifier", names, len(names))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return ClassifierRecord(
        **{name: found[name] for name in texts},
        image_shape=(height, width, channels),
        class_names=tuple(names),
        answers=tuple(answers),
    )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _format(values: dict[str, Any]) -> Any:
    return values.get("format", 1)


def _version(values: dict[str, Any]) -> str:
    """As the folder says: it may be from anywhere."""
    return named(values["versions"].get("qdfool", "of no known version"))
