"""Settings as options of the command line: which were typed, and how messages name them."""

import contextlib
import io
import itertools
import re
import typing
from collections.abc import Sequence
from typing import Any, TypeVar

import tyro

from qdfool.config import Config, name_of, option, setting_names
from qdfool.errors import LONGEST_SHOWN, InputError, printable
from qdfool.types import EmitterMaker, Encoding, Measure, Operator

PROCESSES = ("coordinator", "num_processes", "process_id", "coordinator_timeout")
OTHERS = ("out", "seeds", "resume", "overwrite", "preset", "quiet", "reject", *PROCESSES)
"""Options of the command line that are no settings."""
NAMED_OR_OBJECT = (Encoding, Measure, Operator, EmitterMaker)
"""What Python may give instead of a name; the command line takes the name, or package.module:attribute."""

Command = TypeVar("Command")

registry = tyro.constructors.ConstructorRegistry()
"""How tyro reads what a config may hold: `tyro.cli(..., registry=registry)`."""


@registry.primitive_rule
def _named(info: tyro.constructors.PrimitiveTypeInfo) -> tyro.constructors.PrimitiveConstructorSpec | None:
    kinds = typing.get_args(info.type)
    if str not in kinds or not any(kind in NAMED_OR_OBJECT for kind in kinds):
        return None
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="NAME",
        instance_from_str=lambda words: words[0],
        is_instance=lambda value: True,
        str_from_instance=lambda value: [printable(name_of(value))],
    )


@registry.primitive_rule
def _text(info: tyro.constructors.PrimitiveTypeInfo) -> tyro.constructors.PrimitiveConstructorSpec | None:
    """As tyro has it, but shown printable: with --resume, --help shows what a stranger's config says."""
    if info.type is not str:
        return None
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="STR",
        instance_from_str=lambda words: words[0],
        is_instance=lambda value: isinstance(value, str),
        str_from_instance=lambda value: [printable(value)],
    )


def read(kind: type[Command], arguments: Sequence[str], **how: Any) -> Command:
    """The options of a command line, as `tyro.cli` reads them; what it says of wrong ones can be printed, and is no
    page, whatever was typed.

    Args:
        kind: dataclass of the options.
        arguments: what was typed.
        how: passed on to `tyro.cli`.

    Raises:
        SystemExit: help, or an option that there is not, or a value of another kind; tyro has said it.
        InputError: what was typed is so odd that tyro cannot say what is wrong with it.
    """
    for word, following in itertools.pairwise([*arguments, "nothing follows the last"]):
        name, given, value = word.partition("=")
        if word.startswith("--") and (value if given else following) == "":
            raise InputError(
                f"{name[:LONGEST_SHOWN]} is given an empty text, as an unset variable of the shell "
                "leaves it. Give it a value, or leave it away."
            )
    shown = [
        printable(word if len(word) <= LONGEST_SHOWN else f"{word[:LONGEST_SHOWN]}...") for word in arguments
    ]
    if shown == list(arguments):
        return tyro.cli(kind, args=arguments, **how)
    try:
        # Of a value that its type refuses tyro speaks all the same.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return tyro.cli(kind, args=arguments, console_outputs=False, **how)
    except SystemExit:  # tyro quotes what was typed as it is, so it is told what can be printed instead.
        tyro.cli(kind, args=shown, **how)
    raise InputError(f"The options cannot be read: {' '.join(shown)}. --help has those that there are.")


def as_options(message: str) -> str:
    """A message with its settings, which stand between backticks, named as they are typed."""
    options = {name: option(name) for name in (*setting_names(), *OTHERS)} | {"resume_seeds": "--resume"}

    def typed(found: re.Match[str]) -> str:
        return options.get(found[1], found[0])

    return re.sub(r"`([a-z_.]+)`", typed, message)


def typed_settings(arguments: Sequence[str], config: Config) -> dict[str, Any]:
    """The settings that are among the arguments, as nested dicts with their values from the parsed config.

    A setting counts as typed whatever its value, so also with the one that it had.
    """
    words = {word.partition("=")[0].replace("_", "-") for word in arguments if word.startswith("--")}
    typed: dict[str, Any] = {}
    for setting in setting_names():
        group, _, last = setting.rpartition(".")
        opposite = f"{group}.no_{last}" if group else f"no_{last}"
        if setting == "preset" or not words & {option(setting), option(opposite)}:
            continue
        holder, values = (getattr(config, group), typed.setdefault(group, {})) if group else (config, typed)
        values[last] = getattr(holder, last)
    return typed
