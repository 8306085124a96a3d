"""Finds a Python object that a user names as package.module:attribute."""

import importlib
import sys
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
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
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
