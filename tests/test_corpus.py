"""The corpus of hostile files: each is refused, within limits on time and memory, by a process of its own for all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="this system does not say how much memory a file took"
)


@pytest.mark.slow
def test_every_hostile_file_is_refused():
    root = Path(__file__).parents[1]
    ended = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--corpus"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    # What was printed last is the file that ended the process, if one did.
    assert ended.returncode == 0, ended.stdout[-500:] + ended.stderr
    assert len(ended.stdout.splitlines()) > 80
