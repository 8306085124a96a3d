"""How many of several seeds evolve side by side, in one program."""

from qdfool.build.batch import child_bytes
from qdfool.build.memory import (
    ARCHIVE,
    MOST_CELLS,
    RECORDS,
    cells_of,
    device_memory,
    gigabytes,
    needs_on_device,
)
from qdfool.build.target import Target, here
from qdfool.config import Config
from qdfool.errors import InputError
from qdfool.types import Classifier

SHARE = 2
"""Of the memory, one part in so many is given to seeds where their number is chosen."""
MOST = 64
"""Seeds that are chosen: a guess, not measured."""


def seeds_at_once(config: Config, classifier: Classifier, seeds: int, target: Target | None = None) -> int:
    """How many of so many seeds evolve side by side: as many as the config wants, or if it leaves that open, as fit.

    Args:
        config: of all of them, but for the seed; only `seeds_at_once` is left open, with 0.
        classifier: that the images of all are shown to.
        seeds: how many there are.
        target: the device; that which is here without it.

    Raises:
        InputError: the config wants more than one where that cannot be, or more than the memory holds or can be
            numbered.
    """
    target, wanted = target or here(), config.seeds_at_once
    obstacle = _obstacle(config, classifier)
    if obstacle and wanted > 1:
        raise InputError(f"`seeds_at_once` must be 1 {obstacle}; got {wanted:,}. Give 1.")
    if obstacle or wanted == 1 or seeds == 1 or (not wanted and target.platform == "cpu"):
        return 1
    memory, classes = target.memory or device_memory(), len(classifier.class_names)
    needs = needs_on_device(config, classifier, target)
    # Each archive is there once as it lies in its run, and while a chunk runs once more, joined with the others.
    archives = 2 * needs[ARCHIVE]
    most = MOST_CELLS // cells_of(config, classes)
    if not wanted:
        each = archives + needs[RECORDS] + config.batch_size * child_bytes(config, classifier, target)
        return max(1, min(seeds, MOST, most, memory // SHARE // each))
    each, at_once = sum(needs.values()) + needs[ARCHIVE], min(wanted, seeds)
    most = min(most, memory // each)
    if at_once > most:
        raise InputError(
            f"{at_once:,} seeds side by side need about {gigabytes(at_once * each)} of memory, of which there are "
            f"{gigabytes(memory)}, and have {at_once * cells_of(config, classes):,} cells, of which there may be "
            f"{MOST_CELLS:,}. Give `seeds_at_once` of at most {max(1, most):,}."
        )
    return at_once


def _obstacle(config: Config, classifier: Classifier) -> str:
    """Why seeds must evolve in turn; empty if they need not."""
    if not classifier.traceable:
        return "where the classifier is called from the host, because JAX cannot trace it"
    if config.devices > 1:
        return f"where {config.devices:,} `devices` share a batch"
    if config.seconds is not None:
        return "with a budget in `seconds`, which a seed has for itself"
    return ""
