"""The architecture, walked: imports go to strictly lower layers, and some packages have one importer."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "qdfool"
LAYERS = [
    ["types", "errors"],
    ["config", "presets", "files", "hosts", "keys", "interrupts", "together", "compilation"],
    ["genomes", "measures", "data", "classifiers"],
    ["engine"],
    ["analysis", "build"],
    ["results"],
    ["api", "cli"],
    ["run", "train", "classify", "inspect", "compare", "audit", "studies"],
]
# Within a layer no package imports another, but for this pair.
PAIRS = {("presets", "config")}
LEVEL = {name: number for number, names in enumerate(LAYERS) for name in names}
ALONE = {
    "orbax": {"results"},
    "ribs.archives": {"results"},
    "ribs.visualize": {"analysis"},
    "matplotlib": {"analysis"},
    "bokeh": {"analysis"},
    "jinja2": {"analysis"},
    "optax": {"classifiers", "build"},
    "evosax": {"build"},
    "safetensors": {"classifiers"},
    "sklearn": {"studies"},
    "tyro": {"cli", "run", "train", "classify", "inspect", "compare", "audit", "studies"},
}
FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}


def unit(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@cache
def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imports(path) if name.startswith("qdfool.")}


def test_the_design_has_the_same_layers():
    page = (ROOT.parent / "docs" / "design.md").read_text()
    rows = re.findall(r"^\| (\d) \| ([^|]+) \|", page, re.MULTILINE)
    written = [(number, room) for number, rooms in rows for room in re.findall(r"`(\w+)[./]", rooms)]
    assert sorted(written) == sorted(
        (str(number), room) for number, rooms in enumerate(LAYERS, 1) for room in rooms
    )
    assert {unit(path) for path in FILES} == set(LEVEL)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_to_lower_layers(path):
    here = unit(path)
    assert here in LEVEL, f"{here} has no layer: give it one"
    for there in own(path) - {here}:
        assert LEVEL[there] < LEVEL[here] or (here, there) in PAIRS, f"{here} imports {there}"


@pytest.mark.parametrize("package", ALONE)
def test_a_package_with_one_importer_has_no_other(package):
    importers = {
        unit(path)
        for path in FILES
        if any(name == package or name.startswith(package + ".") for name in imports(path))
    }
    assert importers == ALONE[package]


@pytest.mark.parametrize("folder", ["qdfool", "tests", "benchmarks"])
def test_files_are_short_and_named(folder):
    for path in (ROOT.parent / folder).rglob("*.py"):
        assert path.stem not in BANNED_NAMES, path
        assert len(path.read_text().splitlines()) <= 400, f"{path} says more than one thing"
