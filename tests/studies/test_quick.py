"""Every study in its quick form: it runs, reports, and says truly where the parts of its document are."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from qdfool.studies.__main__ import STUDIES, main

PACKAGE = Path(__file__).parents[2] / "qdfool"
DOCS = Path(__file__).parents[2] / "docs" / "studies"
SHORT = ("lineage",)
"""Run at every submission."""
IN_ALL = {"Question", "Method", "Answer", "What the document names, and where it is", "How this was made"}
FILE = re.compile(r"`((?:[a-z_]+/)*[a-z_]+\.py)`")
NAME = re.compile(r"`([A-Za-z_]+)(?:\([^`]*\))?`")


def run(name: str, out: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--quick", "--quiet", "--out", str(out)])
    assert ended.value.code == 0


def numbers(value: object) -> list[float]:
    if isinstance(value, dict):
        return [number for entry in value.values() for number in numbers(entry)]
    if isinstance(value, list):
        return [number for entry in value for number in numbers(entry)]
    return [float(value)] if isinstance(value, (int, float)) else []


def check_named(report: str) -> None:
    """Every file that the list of the document's parts names exists and defines what is said to be there."""
    listed = report.split("## What the document names, and where it is")[1].split("\n## ")[0]
    rows = [row.split(" | ") for row in listed.splitlines() if row.startswith("| ")][2:]
    assert len(rows) >= 10
    seen = 0
    for row in rows:
        where = row[-1].rstrip(" |")
        for path in FILE.findall(where):
            source = PACKAGE / path
            assert source.is_file(), f"{row[0]}: there is no {path}"
            names = NAME.findall(FILE.sub("", where))
            text = "".join(
                (PACKAGE / there).read_text() for there in FILE.findall(where) if (PACKAGE / there).is_file()
            )
            for name in names:
                assert re.search(rf"\b{name}\b", text), f"{row[0]}: there is no {name} in {where}"
            seen += 1
    assert seen >= 10


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in SHORT else pytest.mark.release) for name in STUDIES]
)
def test_quick_study(name, tmp_path, data_folder):
    run(name, tmp_path)
    report = (tmp_path / "report.md").read_text()
    assert set(re.findall(r"^## (.*)$", report, re.MULTILINE)) >= IN_ALL
    assert "This is the quick form" in report
    assert "±" in report
    assert "Holm" in report
    check_named(report)
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", report)
    assert pictures
    for picture in pictures:
        with Image.open(tmp_path / picture) as image:
            assert min(image.size) > 200
            assert len(image.convert("L").getcolors() or []) > 3
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["quick"] is True
    assert results["seeds"] >= 2
    assert len(numbers(results["results"])) >= 20


@pytest.mark.release
@pytest.mark.parametrize("name", STUDIES)
def test_rerun_gives_the_same_numbers(name, tmp_path, data_folder):
    for again in ("first", "second"):
        run(name, tmp_path / again)
    first, second = ((tmp_path / again / "results.json").read_bytes() for again in ("first", "second"))
    assert first == second


@pytest.mark.parametrize("name", STUDIES)
def test_published_report_is_of_a_full_run(name):
    report = (DOCS / f"{name}.md").read_text()
    assert set(re.findall(r"^## (.*)$", report, re.MULTILINE)) >= IN_ALL
    assert f"python -m qdfool.studies {name}" in report
    assert "This is the quick form" not in report
    check_named(report)
    for picture in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", report):
        assert (DOCS / picture).is_file()
