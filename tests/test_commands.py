"""What a page says can be typed: the module is there, and so are its options, with values of their kinds."""

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qdfool.cli.options import read
from qdfool.presets import preset
from qdfool.run import parse

ROOT = Path(__file__).parents[1]
COMMAND = re.compile(r"python -m ([\w.]+)([^\n`|]*)")
NOTHING_TYPED = ([], ["NAME"], ["--list"], ["--help"], ["[PRESET]", "[options]"])
"""What stands after a command line where it is only named."""


def pages() -> list[Path]:
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Modules, and what is typed after them."""
    for module, rest in COMMAND.findall(re.sub(r"\\\n *", "", page.read_text())):
        yield module, shlex.split(rest, comments=True)


WITH_COMMANDS = [page for page in pages() if any(commands(page))]


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_command_can_be_typed(page):
    for module, arguments in commands(page):
        read_command(module, arguments)


def test_no_command_line_is_left_out():
    found = {module for page in WITH_COMMANDS for module, _ in commands(page)}
    lines = {path.stem for path in (ROOT / "qdfool").glob("*.py") if "class CommandLine" in path.read_text()}
    assert {"qdfool.studies", "qdfool.train", *(f"qdfool.{name}" for name in lines)} <= found
    assert {"compare", "inspect", "run"} <= lines


@pytest.mark.parametrize(
    ("module", "typed"),
    [
        ("qdfool.run", "mnist-direct --no-such-option 1"),
        ("qdfool.run", "no-such-preset"),
        ("qdfool.compare", "a b --out"),
        ("qdfool.studies", "make-a-seven --no-such-option"),
        ("benchmarks.throughput", "--rounds many"),
        ("tests.fuzz", "--minute"),
        ("pytest", "tests/no_such_test.py"),
    ],
)
def test_what_cannot_be_typed_is_found(module, typed):
    with pytest.raises((SystemExit, ValueError, AssertionError)):
        read_command(module, typed.split())


def read_command(module: str, arguments: list[str]) -> None:
    """Reads what was typed as the command line itself does; raises where it cannot."""
    if module == "pytest":
        for word in arguments:
            assert not word.startswith("tests") or (ROOT / word.partition("::")[0]).exists(), word
        return
    packages = ("qdfool.studies", "benchmarks.peers")
    loaded: Any = importlib.import_module(f"{module}.__main__" if module in packages else module)
    if arguments in NOTHING_TYPED:
        return
    if module == "qdfool.run":
        name = arguments.pop(0) if not arguments[0].startswith("-") else "mnist-direct"
        parse(arguments, preset(name))
    elif module == "qdfool.studies":
        chosen = loaded.study(arguments[0])
        kind = loaded.CommandLine[type(chosen.settings)]
        read(kind, arguments[1:], default=kind(chosen.settings))
    elif module == "tests.fuzz":
        loaded.parser().parse_args(arguments)
    else:
        kinds = ("CommandLine", "Command", "Options")
        read(next(getattr(loaded, name) for name in kinds if hasattr(loaded, name)), arguments)
