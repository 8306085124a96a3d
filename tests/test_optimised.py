"""Tests of bits, in one process whose programs are compiled as for a user; the others are compiled quickly."""

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_bits_as_compiled_for_a_user(request, compiled_for_a_user):
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-n0",
            "-q",
            "-m",
            "optimised and not slow",
            "-p",
            "no:cacheprovider",
        ],
        cwd=request.config.rootpath,
        env=compiled_for_a_user,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
