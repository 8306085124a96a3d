"""A user's own objects in a config: what they are called, and where they can be imported from."""

import sys
from collections.abc import Iterator
from typing import Any

from qdfool.types import Encoding, Measure


def name_of(part: Any) -> str:
    """What a measure, an encoding or an operator is called: its name where it is one, else the object's own."""
    if isinstance(part, str):
        return part
    name = getattr(part, "name", None) or getattr(part, "__name__", None)
    return name if isinstance(name, str) else type(part).__name__


def reference_to(found: Any) -> str | None:
    """`package.module:attribute` that another process can import this very object by; None where none is known.

    Looked for where the object, or a function that it holds, says that it was defined. `__main__` is no such
    module: it is another one in every process.
    """
    for module_name, attribute in _candidates(found):
        module = sys.modules.get(module_name)
        if module is None or module_name == "__main__" or getattr(module, "__spec__", None) is None:
            continue
        value: Any = module
        for name in attribute.split("."):
            value = getattr(value, name, None)
        if value is found:
            return f"{module_name}:{attribute}"
    return None


def _candidates(found: Any) -> Iterator[tuple[str, str]]:
    functions = {Encoding: ("initialise", "decode"), Measure: ("measure",)}.get(type(found))
    if functions is None:
        yield getattr(found, "__module__", None) or "", getattr(found, "__qualname__", None) or "?"
        return
    for function in functions:
        module_name = getattr(getattr(found, function), "__module__", None) or ""
        for attribute, value in vars(sys.modules.get(module_name, object)).items():
            if value is found:
                yield module_name, attribute
