"""The examples run as they stand, from a folder of the user's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
LONG = {"map_of_digits"}
"""Run for a release."""


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short(example):
    assert len(example.read_text().splitlines()) <= 30
    assert f"python examples/{example.name}" in example.read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    "example",
    [
        pytest.param(path, id=path.stem, marks=pytest.mark.release if path.stem in LONG else ())
        for path in EXAMPLES
    ],
)
def test_an_example_leaves_what_it_says(example, tmp_path):
    done = subprocess.run(
        [sys.executable, str(example)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout
    (run,) = (tmp_path / "archives").iterdir()
    for name in ("elites.npz", "gallery.png", "heatmap.png", "summary.json"):
        assert (run / name).exists()
