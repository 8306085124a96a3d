"""The command line as a process of its own, and the folder that it leaves."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]


def start(
    *arguments: str, program: Sequence[str] = ("-m", "qdfool.run"), before: Sequence[str] = ()
) -> subprocess.Popen:
    """Starts it, by the command `before` where there is one."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests/audited'}",
        "PYTHONUNBUFFERED": "1",
    }
    return subprocess.Popen(
        [*before, sys.executable, *program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def check_whole(folder: Path) -> None:
    """Every file that is there can be read."""
    for path in folder.glob("*.npz"):
        with np.load(path, allow_pickle=False) as file:
            assert all(file[name] is not None for name in file.files)
    for path in folder.glob("*.json"):
        assert path.read_text().endswith("}\n")
