"""Reads a pickle into records that do nothing: no name in it is looked up, nothing in it is called.

Python's own unpickler builds what a file tells it to, and what is built can be hashed, compared and printed, each of
which a few bytes can make last for ever. Here the instructions are parsed by `pickletools`, which executes none, and a
stack of our own takes those that write dictionaries, lists, tuples, numbers, texts and calls; any other is refused.
A list, a dictionary or a call becomes a record, which is hashed and compared by what it is and not by what it
holds, so that neither depth nor sharing can cost anything. What a call means is for the reader to say.
"""

import pickletools
from collections.abc import Collection
from dataclasses import dataclass
from typing import IO, Any

from qdfool.errors import InputError, named

MOST_BYTES = 16 * 2**20
"""Of a pickle; a tensor takes some 300, so that a network of 10,000 of them has 3 MB."""
MOST_INSTRUCTIONS = 2**20
"""Of a pickle; a tensor takes some 40."""
MOST_ARGUMENTS = 16
"""Of a call; a tensor has 7."""
LONGEST_LINE = 1024
"""Bytes of a line, which is part of a name."""
WHOLE_NUMBERS = range(-(2**63), 2**64)
"""Larger ones are refused, so that products of a few stay small."""
DICTIONARY = "collections.OrderedDict"
"""The one call that is carried out, because what is put into it comes later."""


@dataclass(eq=False, repr=False, slots=True)
class List:
    """A list or a tuple."""

    parts: list[Any]


@dataclass(eq=False, repr=False, slots=True)
class Dict:
    """A dictionary, ordered or not; the names in it are texts and whole numbers."""

    parts: dict[str | int, Any]


@dataclass(eq=False, repr=False, slots=True)
class Name:
    """The full name of a class or function: a text, nothing else."""

    text: str


@dataclass(eq=False, repr=False, slots=True)
class Call:
    """What would have been called, with what."""

    name: str
    arguments: tuple[Any, ...]


@dataclass(eq=False, repr=False, slots=True)
class Reference:
    """A reference to something outside the pickle."""

    parts: tuple[Any, ...]


def load(file: IO[bytes], allowed: Collection[str]) -> Any:
    """Reads one pickle from where the file stands, up to its end and not beyond.

    Args:
        file: of which 16 MiB are read at most.
        allowed: full names that the pickle may have in it.

    Returns:
        None, a bool, a number, a text, or one of the records above; what a list or dictionary holds, it may hold
        many times, itself included.

    Raises:
        InputError: it has another name or instruction in it, or more than there is room for. The message
            lacks the file's name, and begins with a verb.
        Exception: any other, if it is damaged.
    """
    stack = _Stack(allowed)
    # Any: an IO by its two methods alone.
    instructions: Any = pickletools.genops(_Bounded(file))  # type: ignore[arg-type]
    for number, (instruction, argument, _) in enumerate(instructions):
        if number >= MOST_INSTRUCTIONS:
            raise _too_much(f"{MOST_INSTRUCTIONS:,} instructions")
        stack.execute(instruction.name, argument)
    return stack.values.pop()


class _Bounded:
    """A file that gives so many bytes, and says so when it ends too early."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._left = file, MOST_BYTES

    def read(self, size: int) -> bytes:
        # Before anything is read: the size is a claim.
        if size > self._left:
            raise _too_much(f"{MOST_BYTES:,} bytes")
        self._left -= size
        content = self._file.read(size)
        if len(content) < size:
            raise EOFError("it ends in the middle")
        return content

    def readline(self) -> bytes:
        line = self._file.readline(LONGEST_LINE)
        self._left -= len(line)
        if not line.endswith(b"\n"):
            raise EOFError("it ends in the middle of a name")
        return line


class _Stack:
    def __init__(self, allowed: Collection[str]) -> None:
        self.values: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._allowed = allowed

    def execute(self, instruction: str, argument: Any) -> None:
        match instruction:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case "NONE":
                self.values.append(None)
            case "NEWTRUE" | "NEWFALSE":
                self.values.append(instruction == "NEWTRUE")
            case "BINFLOAT" | "BINUNICODE" | "SHORT_BINUNICODE":
                self.values.append(argument)
            case "BININT" | "BININT1" | "BININT2" | "LONG1":
                if argument not in WHOLE_NUMBERS:
                    raise ValueError("a whole number of more than 64 bits")
                self.values.append(argument)
            case "BINSTRING" | "SHORT_BINSTRING":
                self.values.append(argument.encode("latin-1").decode())  # Python 2's text, here as bytes
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = self.values[-1]
            case "MEMOIZE":
                self._memo[len(self._memo)] = self.values[-1]
            case "BINGET" | "LONG_BINGET":
                self.values.append(self._memo[argument])
            case "MARK":
                self._marks.append(len(self.values))
            case "EMPTY_LIST" | "EMPTY_TUPLE":
                self.values.append(List([]))
            case "TUPLE":
                self.values.append(List(self._since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                self.values.append(List(self._last(int(instruction[-1]))))
            case "APPEND" | "APPENDS":
                parts = self._last(1) if instruction == "APPEND" else self._since_mark()
                self._top(List).parts.extend(parts)
            case "EMPTY_DICT":
                self.values.append(Dict({}))
            case "SETITEM" | "SETITEMS":
                parts = self._last(2) if instruction == "SETITEM" else self._since_mark()
                self._set(self._top(Dict), parts)
            case "GLOBAL":
                self._name(*argument.split(" ", 1))
            case "STACK_GLOBAL":
                self._name(*self._last(2))
            case "BINPERSID":
                self.values.append(Reference(self._arguments()))
            case "REDUCE" | "NEWOBJ":
                self._call()
            case "BUILD":
                # An attribute of what is only described: of a dictionary's versions, or how a parameter was trained.
                self.values.pop()
                self._top(Dict, Call)
            case _:
                raise InputError(
                    f"has the instruction {instruction} in its pickle, which no state dict needs. If you trust the "
                    "file, load it with PyTorch and save its state dict as safetensors."
                )

    def _last(self, count: int) -> list[Any]:
        if len(self.values) < count:
            raise IndexError("the stack is empty")
        parts = self.values[-count:]
        del self.values[-count:]
        return parts

    def _since_mark(self) -> list[Any]:
        start = self._marks.pop()
        parts = self.values[start:]
        del self.values[start:]
        return parts

    def _top(self, *kinds: type) -> Any:
        if not isinstance(self.values[-1], kinds):
            raise ValueError(
                f"a {kind_of(self.values[-1])} is filled or changed as if it were something else"
            )
        return self.values[-1]

    def _set(self, found: Dict, parts: list[Any]) -> None:
        for key, value in zip(parts[::2], parts[1::2], strict=True):
            if not isinstance(key, str | int):
                raise InputError(
                    f"has a {kind_of(key)} as a key of a dictionary. Expected texts and whole numbers, as a "
                    "state dict has them; save it anew with PyTorch."
                )
            found.parts[key] = value

    def _name(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("a name that is no text")
        full = f"{module}.{name}"
        if full not in self._allowed:
            raise InputError(
                f"names {named(full)}, which is not a tensor, a float or integer storage or an ordered dictionary. "
                "Reading it could execute code, so nothing of it was read. If you trust the file, load it with "
                "PyTorch and save its state dict as safetensors."
            )
        self.values.append(Name(full))

    def _arguments(self) -> tuple[Any, ...]:
        found = self.values.pop()
        if not isinstance(found, List) or len(found.parts) > MOST_ARGUMENTS:
            raise ValueError(f"a call or reference whose arguments are not {MOST_ARGUMENTS} at most")
        return tuple(found.parts)

    def _call(self) -> None:
        arguments, called = self._arguments(), self.values.pop()
        if not isinstance(called, Name):
            raise ValueError(f"a {kind_of(called)} is called")
        if called.text != DICTIONARY:
            self.values.append(Call(called.text, arguments))
            return
        made = Dict({})
        if arguments:
            # Python 2 gives all pairs with the call. They are moved: copied again and again they could take any time.
            for pair in arguments[0].parts:
                key, value = pair.parts
                self._set(made, [key, value])
            arguments[0].parts.clear()
        self.values.append(made)


def kind_of(value: object) -> str:
    """What a value is called in a message."""
    return "None" if value is None else type(value).__name__.lower()


def _too_much(bound: str) -> InputError:
    return InputError(
        f"has a pickle of more than {bound}, which is more than a state dict needs. If you trust the file, load it "
        "with PyTorch and save its state dict as safetensors."
    )
