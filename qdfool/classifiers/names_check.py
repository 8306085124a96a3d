"""What classes are called: names from a user, checked before anything is done with them."""

import itertools
import unicodedata
from collections.abc import Iterable
from typing import Any

from qdfool.errors import InputError, code_of_a_user, listed, shown

NAMES_LISTED = 5
"""Doubled class names that a message lists."""
LONGEST_NAME = 300
"""Characters of a name."""
MOST_CLASSES = 1_000_000
"""Names that are read where nothing says how many there are to be."""
NOT_IN_A_LINE = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of what no line of text has: control characters, lone surrogates, separators of lines."""
EXPECTED = f"Expected a text of one line and 1 to {LONGEST_NAME} characters"


def check_class_names(name: str, given: Any, classes: int | None) -> tuple[str, ...]:
    """The names of a classifier's classes, as plain texts.

    Args:
        name: the classifier's.
        given: any iterable of texts; where it is None or empty, the classes are called `class 0`, `class 1`, ...
        classes: the logits of an image; None where that is not known yet, and names must be given.

    Raises:
        InputError: they are no texts, are empty, too long or of more than one line, are not unique, or not as many as
            the logits.
    """
    names = _read(name, given, MOST_CLASSES if classes is None else classes)
    if not names and classes is not None:
        return tuple(f"class {index}" for index in range(classes))
    plain = tuple(check_name(f"The class {index} of {name}", one) for index, one in enumerate(names))
    if len(set(plain)) < len(plain):
        seen: set[str] = set()
        doubles = sorted({one for one in plain if one in seen or seen.add(one)})
        raise InputError(f"Class names must be unique; {name} has twice: {listed(doubles, NAMES_LISTED)}.")
    if classes is not None and classes != len(plain):
        count = f"more than {classes}" if len(plain) > classes else len(plain)
        raise InputError(
            f"{name} names {count} classes but returns {classes} logits an image. Expected as many names as logits."
        )
    if len(plain) < 2:
        raise InputError(f"{name} names {len(plain)} classes. Expected 2 or more.")
    return plain


def _read(name: str, given: Any, most: int) -> tuple[Any, ...]:
    """What is named, one more than there should be at most."""
    if given is None:
        return ()
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise InputError(f"The class names of {name} are {shown(given)}. {EXPECTED} for each class.")
    with code_of_a_user(f"The class names of {name} cannot be read", f"{EXPECTED} for each class."):
        return tuple(itertools.islice(given, most + 1))


def check_name(what: str, name: Any) -> str:
    """A name, as a plain text.

    Args:
        what: it is the name of, as a message begins.
        name: as the user gave it.

    Raises:
        InputError: it is no text, is empty, too long or of more than one line.
    """
    if not isinstance(name, str):
        raise InputError(f"{what} is named {shown(name)}, of type {type(name).__name__}. {EXPECTED}.")
    text = str.__str__(name)  # plain also where it is NumPy's, or of a class of the user's
    if not text.strip():
        fault = "has an empty name"
    elif len(text) > LONGEST_NAME:
        fault = f"has a name of {len(text):,} characters, {shown(text)}"
    # Text that is printable has none of these, and there may be a million names.
    elif not text.isprintable() and any(unicodedata.category(one) in NOT_IN_A_LINE for one in text):
        fault = f"has a control character, a line break or half a character in its name, {shown(text)}"
    else:
        return text
    raise InputError(f"{what} {fault}. {EXPECTED}.")
