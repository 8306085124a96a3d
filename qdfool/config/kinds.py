"""Whether a value is of the kind that a setting takes, and that kind in words."""

import collections.abc
import functools
import types
import typing
from numbers import Integral, Real
from typing import Any, Literal

from qdfool.errors import InputError, shown
from qdfool.types import Encoding, Measure

WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a name",
    type(None): "None",
    Encoding: "a qdfool.Encoding",
    Measure: "a qdfool.Measure",
}


@functools.cache
def kinds_of(group: type) -> dict[str, Any]:
    """The kinds of a group's settings by their names."""
    return typing.get_type_hints(group)


def check_kind(setting: str, value: Any, kind: Any) -> None:
    """Checks that a value is of a kind, given as a type annotation.

    Raises:
        InputError: it is not; the message names the setting.
    """
    if not _is_of_kind(value, kind):
        raise InputError(f"`{setting}` must be {_in_words(kind)}; got {shown(value)}.")


def _is_of_kind(value: Any, kind: Any) -> bool:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return any(_is_of_kind(value, argument) for argument in arguments)
    if origin is Literal:
        return isinstance(value, str) and value in arguments
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        of_each = arguments[:1] * len(value) if arguments[-1] is ... else arguments
        return len(value) == len(of_each) and all(map(_is_of_kind, value, of_each))
    if origin is collections.abc.Callable:
        return callable(value) and not isinstance(value, type)
    if kind in (int, float):
        return isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    return isinstance(value, kind)


def _in_words(kind: Any) -> str:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(
            _in_words(kind) for kind in sorted(arguments, key=lambda kind: kind is not type(None))
        )
    if origin is Literal:
        return f"one of {', '.join(arguments)}"
    if origin is tuple:
        if arguments[-1] is ...:
            return f"a tuple, each of it {_in_words(arguments[0])}"
        return f"a tuple of {len(arguments)}, each of it {_in_words(arguments[0])}"
    return "a function" if origin is collections.abc.Callable else WORDS[kind]
