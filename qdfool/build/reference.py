"""Finds a Python object that a user names as package.module:attribute, and says where a config has some."""

import contextlib
import importlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from qdfool.config import Config
from qdfool.errors import InputError, code_of_a_user, known_name, shown


def is_reference(name: str) -> bool:
    """Whether a name points at a user's own object rather than into one of qdfool's tables."""
    return ":" in name


def named_object(reference: str) -> Any:
    """Imports what `package.module:attribute` names; the working directory is searched too.

    Raises:
        InputError: there is no such module or attribute, or the module fails, whatever it raises.
    """
    module_name, _, attribute = reference.partition(":")
    if not module_name or not attribute:
        raise InputError(f"Expected package.module:attribute; got {shown(reference)}.")
    failing = f"Cannot import {shown(module_name)} (named by {shown(reference)})"
    remedy = "Expected the name of a module in the working directory or installed beside qdfool."
    with code_of_a_user(failing, remedy), _working_directory_on_path():
        found = importlib.import_module(module_name)
        # A module may make what it names only now.
        for name in attribute.split("."):
            if not hasattr(found, name):
                known_name(f"attribute of {module_name}", name, [n for n in dir(found) if n[0] != "_"])
            found = getattr(found, name)
    return found


@contextlib.contextmanager
def _working_directory_on_path() -> Iterator[None]:
    """What is imported meanwhile is searched for in the working directory first; then the path is as it was."""
    here = str(Path.cwd())
    if here in sys.path:
        yield
        return
    sys.path.insert(0, here)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # The module may have changed the path itself.
            sys.path.remove(here)


def named_parts(parts: Iterable[object]) -> set[str]:
    """Those that are named. Objects of the user's are not compared with a name: that is code of theirs."""
    return {part for part in parts if isinstance(part, str)}


def parts_of(config: Config) -> tuple[object, ...]:
    """What makes and measures images: names, and objects of the user's."""
    return (*_makers(config), *(config.measures if config.archive == "grid" else ()))


def has_own_parts(config: Config) -> bool:
    """Whether what makes genomes and images is the user's own in part, so that nobody else knows their range."""
    return any(not isinstance(part, str) or is_reference(part) for part in _makers(config))


def _makers(config: Config) -> tuple[object, ...]:
    return (
        config.encoding,
        *(config.mutation.operators or ()),
        *(config.crossover.operators or ()),
        *config.emitters.operators,
    )
