"""What travels between devices, read from the text of a compiled program."""

import math
import re
from dataclasses import dataclass

_COLLECTIVE = re.compile(
    r" = (.+?) (all-\w+|collective-\w+|reduce-scatter|ragged-all-to-all|send|recv)(-start|-done)?\("
)
_ARRAY = re.compile(r"(?:pred|[a-z]+(\d+))\w*\[([\d,]*)\]")


@dataclass(frozen=True)
class Collective:
    """One instruction that moves arrays between devices."""

    kind: str
    """As XLA names it, "all-reduce"."""
    shapes: list[list[int]]
    """Of the arrays that arrive."""
    bytes: int
    """That arrive on a device, each time that the instruction runs."""


def collectives(program: str) -> list[Collective]:
    """Those of a compiled program, in the order of its text; of one in two parts the start is counted.

    Args:
        program: `jax.stages.Compiled.as_text()`.
    """
    found = []
    for made, kind, part in _COLLECTIVE.findall(program):
        if part == "-done":
            continue
        arrays = [
            (int(bits or 8) // 8, [int(size) for size in shape.split(",") if size])
            for bits, shape in _ARRAY.findall(made)
        ]
        if kind == "all-gather" and part == "-start":
            # It names what is sent, and then what arrives.
            arrays = arrays[len(arrays) // 2 :]
        size = sum(item * math.prod(shape) for item, shape in arrays)
        found.append(Collective(kind, [shape for _, shape in arrays], size))
    return found
