"""Several seeds: which they can be, and how they are typed."""

import itertools
import re
from collections.abc import Iterable
from numbers import Integral
from typing import Any

from qdfool.config.validation import RANGES
from qdfool.errors import InputError, shown

MOST_SEEDS = 10_000
"""Of one command: a run folder each."""
_TYPED = re.compile(r"([0-9]{1,20})(?::([0-9]{1,20}))?", re.ASCII)


def check_seeds(seeds: Iterable[Any]) -> tuple[int, ...]:
    """Several seeds in their order, each once and in its range. No more are read than there can be.

    Raises:
        InputError: there is none or too many, one is there twice, out of range or no whole number.
    """
    if isinstance(seeds, str | bytes):
        raise InputError(
            f"`seeds` must be whole numbers, as range(10) or [3, 5, 8]; got the text {shown(seeds)}."
        )
    try:
        found = tuple(itertools.islice(seeds, MOST_SEEDS + 1))
    except TypeError as error:
        raise InputError(
            f"`seeds` must be whole numbers, as range(10) or [3, 5, 8]; got {shown(seeds)}."
        ) from error
    low, high = RANGES["seed"]
    for seed in found:
        if isinstance(seed, bool) or not isinstance(seed, Integral) or not low <= int(seed) <= high:
            raise InputError(
                f"`seeds` must be whole numbers between {low:,} and {high:,}; one is {shown(seed)}."
            )
    if not found:
        raise InputError(
            "`seeds` is empty: expected one or more, as 0:10 (in Python range(10)), which are 0 to 9."
        )
    if len(found) > MOST_SEEDS:
        raise InputError(f"`seeds` can be at most {MOST_SEEDS:,}; got more. Share them out among commands.")
    numbers = tuple(map(int, found))
    if len(set(numbers)) < len(numbers):
        twice = next(seed for place, seed in enumerate(numbers) if seed in numbers[:place])
        raise InputError(f"`seeds` must differ; {twice} is there twice. Leave one of them away.")
    return numbers


def seeds_of_text(text: str) -> tuple[int, ...]:
    """Seeds as they are typed: numbers and ranges without their ends, as 3,5,8 or 0:10 or 0:3,7.

    Raises:
        InputError: it is not such a text, or as `check_seeds`.
    """
    ranges = []
    for part in text.split(","):
        typed = _TYPED.fullmatch(part.strip())
        if typed is None:
            raise InputError(
                f"`seeds` must be numbers and ranges, as 0:10 (which are 0 to 9), 3,5,8 or 0:3,7; got {shown(text)}."
            )
        first, end = int(typed[1]), int(typed[2] or int(typed[1]) + 1)
        if end <= first:
            raise InputError(
                f"`seeds` {first}:{end} are empty: a range begins with its first seed and ends before its last "
                f"number, as 0:10, which are 0 to 9. Got {shown(text)}."
            )
        ranges.append(range(first, end))
    return check_seeds(itertools.chain.from_iterable(ranges))
