"""Errors that say what was expected, what came, and what to do."""

import contextlib
import difflib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MOST_LISTED = 40
"""Names that a message lists."""
LONGEST_SHOWN = 100
"""Characters of a value that a message shows."""
LONGEST_MESSAGE = 8000
"""Characters of a message; of a longer one the middle is left out."""
LONGEST_DESCRIBED = 600
"""Characters of an error of a user's own code that a message shows."""


class InputError(ValueError):
    """Bad input. The message names what was expected, what came, and the remedy.

    It names a setting as Python does, between backticks: `mutation.rate`. The command line shows that as the
    option --mutation.rate (`qdfool.cli.options.as_options`), without a traceback, and exits with 2.

    Whatever a message quotes, it is one line that can be printed on any terminal, and no page.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def one_line(message: str) -> str:
    """A message as a terminal may have it: one line, `printable`, and the middle of a very long one left out."""
    if len(message) > LONGEST_MESSAGE:
        half = LONGEST_MESSAGE // 2
        message = f"{message[:half]} ... {message[-half:]}"
    return printable(message)


def printable(text: str) -> str:
    """Text with what a terminal would obey (control characters, line breaks, marks that turn the direction of
    writing) as Python escapes it."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


class ClassifierInterrupt(KeyboardInterrupt):
    """A KeyboardInterrupt that came out of a classifier, between two generations; the message names the generation.

    It is the user's Ctrl-C or the classifier's own: who has a handler for Ctrl-C knows (`qdfool.interrupts`).
    """


def shown(value: object) -> str:
    """A value from outside as a message quotes it: its repr, shortened, in characters that can be printed."""
    try:
        if isinstance(value, str):
            value = value[: LONGEST_SHOWN + 1]  # Else the repr of megabytes is made for a hundred characters.
        text = str.__str__(repr(value))  # plain, also where it is of a class of the user's
    except ValueError:
        return f"a {type(value).__name__} too long to show"  # An integer of thousands of digits.
    except BaseException:  # A user's own object may raise anything, also what sys.exit raises.
        return f"a {type(value).__name__} that cannot be shown"
    return printable(text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}...")


def listed(names: Iterable[str], most: int = MOST_LISTED) -> str:
    """The first of names from outside, quoted only where they are long or odd, and how many there are more."""
    names = list(names)
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(named, names[:most])) + more


def named(name: object) -> str:
    """A name from outside as a message has it: as it is, if it is a short text that can be printed, else `shown`."""
    usual = isinstance(name, str) and len(name) <= LONGEST_SHOWN and name.isprintable()
    return str(name) if usual else shown(name)


OWN = "one of your own, as package.module:attribute"
"""What a part may be instead of one of ours."""


def known_name(kind: str, name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Returns `name` if it is one of `known`; the message of an error also says what it may be otherwise.

    Raises:
        InputError: it is not; the message has the nearest name and all of them, or the first of very many.
    """
    names = list(known)
    if name in names:
        return name
    # Comparing texts takes the product of their lengths.
    nearest = difflib.get_close_matches(name[:LONGEST_SHOWN], names, n=1, cutoff=0.5)
    hint = f" Did you mean {shown(nearest[0])}?" if nearest else ""
    more = f"; or {otherwise}" if otherwise else ""
    raise InputError(f"Unknown {kind} {shown(name)}.{hint} Known: {listed(names)}{more}.")


def there_and_here(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """In which of our entries what was found differs, the first few as a message has them; empty where in none."""
    differing = [
        f"{name}: {shown(theirs.get(name))} there, {shown(value)} here"
        for name, value in ours.items()
        if theirs.get(name) != value
    ]
    return "; ".join(differing[:MOST_LISTED])


def in_range(name: str, value: float, low: float, high: float = float("inf")) -> None:
    """Checks that low <= value <= high.

    Raises:
        InputError: it is not, or it is NaN.
    """
    if not low <= value <= high:
        bounds = f"at least {low:,.16g}" if high == float("inf") else f"between {low:,.16g} and {high:,.16g}"
        raise InputError(f"{name} must be {bounds}; got {shown(value)}.")


@contextlib.contextmanager
def process_kept() -> Iterator[None]:
    """A user's own code that runs meanwhile leaves one process behind it, in which a run can still be saved.

    A copy that it makes by forking ends where it would go on with our code: it has the run folder open, and none of the
    threads that JAX computes with. A limit of recursion that it lowered is as before, unless not even this function can
    return under it.
    """
    process, recursion_limit = os.getpid(), sys.getrecursionlimit()
    try:
        yield
    finally:
        if os.getpid() != process:
            os._exit(1)
        sys.setrecursionlimit(max(recursion_limit, sys.getrecursionlimit()))


@contextlib.contextmanager
def code_of_a_user(failing: str, remedy: str = "") -> Iterator[None]:
    """Whatever a user's own code raises meanwhile, also what sys.exit raises, is bad input; Ctrl-C is not.

    Args:
        failing: what failed, as the message begins.
        remedy: sentences that end it.

    Raises:
        InputError: the code raised something; an InputError as it is.
    """
    try:
        with process_kept():
            yield
    except (InputError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise InputError(f"{failing}: {described(error)}. {remedy}".rstrip()) from error


def described(error: BaseException) -> str:
    """What a user's own code raised, as a message says it: its type and text, on one line, shortened."""
    text = text_of(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def text_of(error: BaseException) -> str:
    """The text of an error of other code, on one line, shortened: it may quote what it met, of any length."""
    try:
        text = printable(" ".join(str.__str__(str(error)).split()))
    except BaseException:  # The user's code once more, which may raise anything, also what sys.exit raises.
        text = "(has no text)"
    return text if len(text) <= LONGEST_DESCRIBED else f"{text[:LONGEST_DESCRIBED]}..."
