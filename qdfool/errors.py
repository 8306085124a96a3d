"""Errors that say what was expected, what came, and what to do."""

import difflib
from collections.abc import Iterable

MOST_LISTED = 40
"""Names that a message lists."""
LONGEST_SHOWN = 100
"""Characters of a value that a message shows."""


class InputError(ValueError):
    """Bad input. The message names what was expected, what came, and the remedy.

    It names a setting as Python does, between backticks: `mutation.rate`. The command line shows that as the
    option --mutation.rate (`qdfool.cli.options.as_options`), without a traceback, and exits with 2.
    """


def shown(value: object) -> str:
    """A value from outside as a message quotes it: its repr, shortened."""
    try:
        text = repr(value)
    except ValueError:  # An integer of thousands of digits.
        return f"a {type(value).__name__} too long to show"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def known_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Returns `name` if it is one of `known`.

    Raises:
        InputError: it is not; the message has the nearest name and all of them, or the first of very many.
    """
    names = list(known)
    if name in names:
        return name
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    more = f" and {len(names) - MOST_LISTED:,} more" if len(names) > MOST_LISTED else ""
    raise InputError(f"Unknown {kind} {shown(name)}.{hint} Known: {', '.join(names[:MOST_LISTED])}{more}.")


def in_range(name: str, value: float, low: float, high: float = float("inf")) -> None:
    """Checks that low <= value <= high.

    Raises:
        InputError: it is not, or it is NaN.
    """
    if not low <= value <= high:
        bounds = f"at least {low:,.16g}" if high == float("inf") else f"between {low:,.16g} and {high:,.16g}"
        raise InputError(f"{name} must be {bounds}; got {shown(value)}.")
