"""What the processes of a run must have in common, checked before they compute anything together."""

import secrets
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from qdfool import hosts
from qdfool.config import Config, flat
from qdfool.engine.sharding import local
from qdfool.errors import InputError
from qdfool.files.atomic import atomic_write
from qdfool.files.digest import digest_of
from qdfool.results.config_file import PACKAGES
from qdfool.results.run import Run
from qdfool.types import Pictures

SHARED = ".shared"
"""A file that is there for a moment, by which processes see that a folder is the same for all."""


def check_config(config: Config, begins: bool) -> None:
    """Checks that all processes were given the same settings, by the same versions of what computes.

    Raises:
        InputError: they were not; see `qdfool.hosts.check_same`.
    """
    if hosts.count() > 1:
        versions = {f"the version of {name}": version(name) for name in PACKAGES}
        what = {"what to do": "begin a run" if begins else "go on with one"}
        hosts.check_same({**versions, **what, **_settings(config)})


def check_run(run: Run) -> None:
    """Checks that all processes have come to the same run: what its settings left open, the classifier, and the
    generation that it goes on from.

    Raises:
        InputError: they have not; see `qdfool.hosts.check_same`.
    """
    if hosts.count() > 1:
        hosts.check_same(
            {
                "the generation to go on from": run.generations,
                "the weights of the classifier (SHA-256)": run.classifier.fingerprint,
                "the classes": list(run.classifier.class_names),
                "the pictures to begin with (SHA-256)": _pictures(run),
                **_settings(run.config),
            }
        )


def _pictures(run: Run) -> str:
    """Digest of the pictures that a run began with, of which every process has all; empty where it began with noise."""
    if not isinstance(pictures := local(run.state.pictures), Pictures):
        return ""
    return digest_of({name: np.asarray(leaf) for name, leaf in pictures._asdict().items()}).hex()


def check_shared(directory: Path) -> None:
    """Checks that all processes see the folder that the first one has made or locked: each writes its part of a
    checkpoint into it.

    Raises:
        InputError: they do not; see `qdfool.hosts.together`.
        OSError: the folder is not writable.
    """
    if hosts.count() == 1:
        return
    token, path = hosts.exchanged(secrets.token_hex(8))[0], directory / SHARED

    def look() -> None:
        if hosts.is_first():
            with atomic_write(path) as file:
                file.write(token.encode())
        elif not path.is_file() or path.read_bytes()[:100] != token.encode():
            raise InputError(
                f"{directory} is not the folder that process 0 writes into. `out` must be one that all processes "
                "share, on a file system that all hosts have."
            )

    try:
        hosts.together(look, first_before_others=True)
    finally:
        if hosts.is_first():
            path.unlink(missing_ok=True)


def _settings(config: Config) -> dict[str, Any]:
    """Settings by their names between backticks, as messages have them."""
    return {f"`{name}`": value for name, value in flat(config).items()}
