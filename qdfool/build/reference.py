"""Finds a Python object that a user names as package.module:attribute."""

import contextlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qdfool.errors import InputError, known_name, shown


def is_reference(name: str) -> bool:
    """Whether a name points at a user's own object rather than into one of qdfool's tables."""
    return ":" in name


def named_object(reference: str) -> Any:
    """Imports what `package.module:attribute` names; the working directory is searched too.

    Raises:
        InputError: there is no such module or attribute, or the module fails to import.
    """
    module_name, _, attribute = reference.partition(":")
    if not module_name or not attribute:
        raise InputError(f"Expected package.module:attribute; got {shown(reference)}.")
    try:
        with _working_directory_on_path():
            found = importlib.import_module(module_name)
    except Exception as error:
        raise InputError(
            f"Cannot import {shown(module_name)} (named by {shown(reference)}): {type(error).__name__}: {error}. "
            "Expected the name of a module in the working directory or installed beside qdfool."
        ) from error
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
