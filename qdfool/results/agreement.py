"""What the processes of a run must have in common, checked before they compute anything together."""

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from qdfool import hosts
from qdfool.config import Config, to_dict
from qdfool.results.config_file import PACKAGES
from qdfool.results.run import Run


def check_config(config: Config, begins: bool) -> None:
    """Checks that all processes were given the same settings, by the same versions of what computes.

    Raises:
        InputError: they were not; see `qdfool.hosts.check_same`.
    """
    if hosts.count() > 1:
        versions = {f"the version of {name}": version(name) for name in PACKAGES}
        what = {"what to do": "begin a run" if begins else "go on with one"}
        hosts.check_same({**versions, **what, **dict(_flat(to_dict(config)))})


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
                **dict(_flat(to_dict(run.config))),
            }
        )


def _flat(settings: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by their dotted names between backticks, as messages have them."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{name}.")
        else:
            yield f"`{path}{name}`", value
