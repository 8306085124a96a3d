"""A long trial: a hundred faults at random moments of one run, and the end is that of a run that nothing happened to.

    pytest -m slow tests/test_endurance.py -n0

For each preset of MNIST about a quarter of an hour.
"""

import contextlib
import random
import resource
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from processes import check_whole, start

from qdfool.results.run_folder import CHECKPOINTS, OWN

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="a fault is a limit set from outside"),
]
ROOT = Path(__file__).parents[1]
FAULTS = 100
LONGEST = 2.0
"""Seconds after the first generation in which a fault comes."""
AGAIN = ["--checkpoint-every", "0.3", "--chunk-seconds", "0.1"]
PRESETS = {
    "mnist-direct": [],
    "mnist-binary": [],
    "mnist-cppn": [],
    "mnist-grid": ["--selection.operator", "curiosity"],
}


def no_space(process: subprocess.Popen) -> None:
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (2000, 2000))


def no_memory(process: subprocess.Popen) -> None:
    """From now on every request for memory is refused. Python then waits for ever for a thread that it began and that
    died at birth, so that somebody has to end the process."""
    resource.prlimit(process.pid, resource.RLIMIT_AS, (1 << 20, 1 << 20))
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=5)
    process.kill()


def stopped_a_while(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.3)
    process.send_signal(signal.SIGCONT)
    process.terminate()


ENDED_BY = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGINT: 130}
FAULT_KINDS = {
    **{number.name: lambda process, number=number: process.send_signal(number) for number in ENDED_BY},
    "stopped a while": stopped_a_while,
    "no space": no_space,
    "no memory": no_memory,
}
CODES = {**{number.name: {code} for number, code in ENDED_BY.items()}, "stopped a while": {143}}
"""What a process may end with; what no memory leads to is the system's and XLA's to say."""


def ended(process: subprocess.Popen) -> str:
    """Waits for it, and returns what it said on standard error. Standard output is read in a thread meanwhile."""
    assert process.stdout is not None
    assert process.stderr is not None
    reader = threading.Thread(target=process.stdout.read)
    reader.start()
    try:
        error = process.stderr.read()
        process.wait(timeout=120)
    finally:
        process.kill()
        reader.join()
    return error


def check_folder(folder: Path) -> None:
    """Nothing partial has a final name, and nothing lies there that a run does not write."""
    check_whole(folder)
    strangers = [path.name for path in folder.iterdir() if path.name not in OWN and path.name[0] != "."]
    assert not strangers


@pytest.mark.parametrize("preset", PRESETS)
def test_a_hundred_faults_lose_nothing(preset, tmp_path):
    chance, seen = random.Random(preset), dict.fromkeys(FAULT_KINDS, 0)
    folder, arguments = tmp_path / "run", [preset, *PRESETS[preset], *AGAIN]
    process = start(*arguments, "--generations", "3", "--out", str(folder))
    assert not ended(process)
    for _ in range(FAULTS):
        process = start("--resume", str(folder), "--generations", "1000000")
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("generation "):
                break
        time.sleep(chance.uniform(0, LONGEST))
        kind = chance.choice(list(FAULT_KINDS))
        FAULT_KINDS[kind](process)
        error = ended(process)
        seen[kind] += 1
        assert process.returncode in CODES.get(kind, {process.returncode} - {0}), (kind, error)
        if kind != "no memory":
            assert "Traceback" not in error, kind
        check_folder(folder)
    newest = max(int(path.name) for path in (folder / CHECKPOINTS).iterdir() if path.name.isdigit())
    last = str(newest + 20)
    assert not ended(start("--resume", str(folder), "--generations", last))
    assert not ended(start(*arguments, "--generations", last, "--out", str(tmp_path / "whole")))
    print(f"{preset}: {newest} generations, {seen}")
    for name in ("elites.npz", "history.npz"):
        assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    names = [sorted(path.name for path in one.iterdir()) for one in (folder, tmp_path / "whole")]
    assert names[0] == names[1]
    assert sum(seen.values()) == FAULTS
