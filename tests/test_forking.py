"""A classifier that forks leaves no second program that goes on with the run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qdfool.results.loading import load

ROOT = Path(__file__).parents[1]
FORKS = """
import os, sys
import numpy as np

calls = 0

def logits(images):
    global calls
    images = np.asarray(images)
    calls += 1
    if os.fork() == 0:
        if calls % 3 == 1:
            sys.exit(0)
        if calls % 3 == 2:
            raise ValueError("copy")
    return np.stack([images.mean((1, 2, 3)), images[:, 0, 0, 0], images[:, 1, 1, 0]], 1) - 0.5
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_copy_of_the_process_ends_where_it_would_go_on_with_the_run(tmp_path):
    (tmp_path / "forks.py").write_text(FORKS)
    options = ["--classifier", "forks:logits", "--generations", "3", "--batch-size", "8", "--out", "run"]
    # All who hold the pipes are waited for: a copy that is left keeps them open.
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "qdfool.run", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("pictures, elites and checkpoints are in run/") == 1
    assert load(tmp_path / "run").generations == 3
