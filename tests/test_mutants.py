"""Which mutants `tests/mutants.py` draws from."""

import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip("mutmut")

SOURCE = '''
"""A module."""

LIMIT = 3


class Group:
    """A class."""

    @property
    def size(self) -> int:
        """A docstring 7."""
        return 5


@cache(maxsize=9)
def outer(n: Literal["kind"], given="default"):
    def inner():
        return n < 11

    if not inner():
        raise InputError(f"n must be {LIMIT + 12} or more" + " or less")
    assert n == 13, "a message"
    return n
'''


@pytest.fixture(scope="module")
def mutants():
    path = Path(__file__).with_name("mutants.py")
    spec = importlib.util.spec_from_file_location("mutants", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def changed(mutants):
    """The lines of the source that one of its mutants changed, as they are after."""
    lines = set()
    for line, *change in mutants.mutants_of(SOURCE):
        code = mutants.mutated(*change)
        assert code.count("\n") == SOURCE.count("\n")
        (after,) = set(code.splitlines()) - set(SOURCE.splitlines())
        assert code.splitlines()[line - 1] == after
        lines.add(after.strip())
    return lines


@pytest.mark.parametrize(
    "line",
    [
        "return 6",
        "return n <= 11",
        "return n < 12",
        "if inner():",
        "raise InputError(None)",
        'def outer(n: Literal["kind"], given="XXdefaultXX"):',
        'assert n != 13, "a message"',
        'assert n == 14, "a message"',
    ],
)
def test_faults_are_drawn_from_all_functions(changed, line):
    assert line in changed


def test_what_no_test_can_be_asked_to_notice_is_not_drawn(changed):
    for line in changed:
        for same in ("@cache(maxsize", "LIMIT = ", "docstring", "A module", "A class"):
            assert same not in line
        assert "def outer" not in line or 'n: Literal["kind"]' in line
        assert "assert" not in line or line.endswith(', "a message"')
        assert "InputError" not in line or line == "raise InputError(None)" or "LIMIT + 12" in line
        assert " or less" in line or "InputError(f" not in line


def test_a_draw_is_its_seeds_and_begins_with_smaller_ones(mutants):
    few, of = mutants.draw(["files"], 3, 0)
    more, same = mutants.draw(["files"], 6, 0)
    other, _ = mutants.draw(["files"], 3, 1)
    assert more[:3] == few
    assert other != few
    assert of == same > 6
    assert all(one.path.startswith("qdfool/files/") and one.diff for one in more)
