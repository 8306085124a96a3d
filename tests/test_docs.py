"""The guides say what is true: their code runs, and what they name exists."""

import re
import shlex
from pathlib import Path

import pytest

from qdfool.cli.options import read
from qdfool.inspect import CommandLine
from qdfool.presets import preset
from qdfool.run import parse

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
]


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)


def test_the_guide_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "\n".join(
        block for block in blocks(ROOT / "docs/audit.md", "python") if "import torch" not in block
    )
    assert code.count("qdfool.evolve(") == 5
    exec(compile(code, "docs/audit.md", "exec"), {})
    assert (tmp_path / "audit/linear/gallery.png").exists()
    assert (tmp_path / "audit/service/elites.npz").exists()


def test_the_guide_to_emitters_runs():
    (code,) = blocks(ROOT / "docs/emitters.md", "python")
    names: dict = {}
    exec(compile(code, "docs/emitters.md", "exec"), names)
    assert names["result"].generations == 5


def test_the_guide_runs_with_pytorch():
    pytest.importorskip("torch.nn", reason="PyTorch is not installed: pip install torch==2.13.0")
    (code,) = (block for block in blocks(ROOT / "docs/audit.md", "python") if "import torch" in block)
    assert "qdfool.from_torch(" in code
    exec(compile(code, "docs/audit.md", "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page):
    for target, anchor in re.findall(r"\]\(([^)#:]+)(?:#([^)]+))?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
        if anchor:
            titles = re.findall(r"^#+ (.+)$", (page.parent / target).read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
            assert anchor in anchors, f"{page.name} links to {target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_commands_have_options_that_exist(page):
    commands = re.findall(r"python -m qdfool\.run([^\n`|]*)", page.read_text().replace("\\\n", " "))
    for command in commands:
        arguments = [
            word
            for word in shlex.split(command, comments=True)
            if word not in ("--help", "[PRESET]", "[options]")
        ]
        name = arguments.pop(0) if arguments and not arguments[0].startswith("-") else "mnist-direct"
        parse(arguments, preset(name))


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "qdfool.inspect" in page.read_text()], ids=lambda path: path.name
)
def test_inspections_have_options_that_exist(page):
    commands = re.findall(r"python -m qdfool\.inspect([^\n`|]*)", page.read_text())
    for command in commands:
        found = read(CommandLine, shlex.split(command, comments=True))
        assert found.run is not None


def test_every_promise_names_a_test_that_there_is():
    page = (ROOT / "docs/trust.md").read_text()
    named = re.findall(r"`((?:\w+/)*test_\w+\.py)(?:::(\w+))?`", page)
    assert len(named) > 20
    for path, function in named:
        source = (ROOT / "tests" / path).read_text()
        assert not function or re.search(rf"^def {function}\(", source, re.MULTILINE), f"{path}::{function}"
    for row in re.findall(r"^\| .*$", page, re.MULTILINE):
        assert row.count("|") in (3, 4), row
