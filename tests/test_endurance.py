"""A long trial: a hundred faults at random moments of one run, and the end is that of a run that nothing happened to.

    pytest -m slow tests/test_endurance.py -n0

For each preset about a quarter of an hour, and an hour for what grows.
"""

import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from processes import check_whole, start

from qdfool.results.run_folder import CHECKPOINTS, OWN

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="a fault is a limit set from outside"),
]
FAULTS = 100
LONGEST = 2.0
"""Seconds after the first generation in which a fault comes."""
LATEST = 300.0
"""Seconds after which a process that was to end is a failure."""
WHOLE = 3600.0
"""Seconds for as many generations as a hundred processes made."""
AGAIN = ["--checkpoint-every", "0.3", "--chunk-seconds", "0.1"]
TINY = ["--classifier", "mobilenet_v1_025", "--weights", "random", "--image-shape", "32", "32", "3"]
PRESETS = {
    "mnist-direct": [],
    "mnist-binary": [],
    "mnist-cppn": [],
    "mnist-grid": ["--emitters.operators", "variation", "--selection.operator", "curiosity"],
    "imagenet-cppn": [*TINY, "--batch-size", "16"],
    "imagenet-direct": [*TINY, "--batch-size", "16"],
}
WITHOUT_PRIVILEGE = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
"""What makes a folder that is read-only so for root as well."""
READ_ONLY = os.geteuid() != 0 or shutil.which("setpriv") is not None
LONG = 3600
"""Seconds of the run in which nothing may grow."""


def no_space(process: subprocess.Popen, folder: Path) -> None:
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (2000, 2000))


def moved_away(process: subprocess.Popen, folder: Path) -> None:
    """The folder is gone until the process has ended of it, which must not make another in its place."""
    away = folder.with_name("away")
    folder.rename(away)
    process.wait(timeout=120)
    assert not folder.exists()
    away.rename(folder)


def newest_removed(process: subprocess.Popen, folder: Path) -> None:
    """Of two checkpoints somebody removes the newer one."""
    process.kill()
    process.wait()
    saved = sorted((path for path in (folder / CHECKPOINTS).iterdir() if path.name.isdigit()), key=by_number)
    if len(saved) > 1:
        shutil.rmtree(saved[-1])


def by_number(path: Path) -> int:
    return int(path.name)


def read_only(process: subprocess.Popen, folder: Path) -> None:
    folders = [folder, folder / CHECKPOINTS]
    for path in folders:
        path.chmod(0o555)
    process.wait(timeout=120)
    for path in folders:
        path.chmod(0o755)


def no_memory(process: subprocess.Popen, folder: Path) -> None:
    """From now on every request for memory is refused. Python then waits for ever for a thread that it began and that
    died at birth, so that somebody has to end the process."""
    resource.prlimit(process.pid, resource.RLIMIT_AS, (1 << 20, 1 << 20))
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=5)
    process.kill()


def stopped_a_while(process: subprocess.Popen, folder: Path) -> None:
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.3)
    process.send_signal(signal.SIGCONT)
    process.terminate()


ENDED_BY = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGINT: 130}
FAULT_KINDS = {
    **{
        number.name: lambda process, folder, number=number: process.send_signal(number) for number in ENDED_BY
    },
    "stopped a while": stopped_a_while,
    "no space": no_space,
    "no memory": no_memory,
    "moved away": moved_away,
    "newest removed": newest_removed,
    **({"read-only": read_only} if READ_ONLY else {}),
}
CODES = {
    **{number.name: code for number, code in ENDED_BY.items()},
    "stopped a while": 143,
    "no space": 1,
    "moved away": 1,
    "newest removed": -9,
    "read-only": 1,
}
"""What a process must end with; what no memory leads to is the system's and XLA's to say, but not success."""


def begin(*arguments: str) -> subprocess.Popen:
    """The command line, which a read-only folder stops whoever runs this."""
    return start(*arguments, before=WITHOUT_PRIVILEGE if READ_ONLY and os.geteuid() == 0 else ())


def ended(process: subprocess.Popen, latest: float = LATEST) -> str:
    """Waits for it, and returns what it said on standard error. Standard output is read in a thread meanwhile."""
    assert process.stdout is not None
    assert process.stderr is not None
    reader = threading.Thread(target=process.stdout.read)
    reader.start()
    late = threading.Timer(latest, process.kill)
    late.start()
    try:
        error = process.stderr.read()
        process.wait()
    finally:
        process.kill()
        reader.join()
        assert late.is_alive(), f"the process did not end within {latest:.0f} s"
        late.cancel()
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
    process = begin(*arguments, "--generations", "3", "--out", str(folder))
    assert not ended(process)
    for _ in range(FAULTS):
        process = begin("--resume", str(folder), "--generations", "1000000")
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("generation "):
                break
        time.sleep(chance.uniform(0, LONGEST))
        kind = chance.choice(list(FAULT_KINDS))
        FAULT_KINDS[kind](process, folder)
        error = ended(process)
        seen[kind] += 1
        if kind == "no memory":
            assert process.returncode, error
        else:
            assert process.returncode == CODES[kind], (kind, error)
            assert "Traceback" not in error, kind
        check_folder(folder)
    newest = max(int(path.name) for path in (folder / CHECKPOINTS).iterdir() if path.name.isdigit())
    last = str(newest + 20)
    assert not ended(begin("--resume", str(folder), "--generations", last))
    assert not ended(begin(*arguments, "--generations", last, "--out", str(tmp_path / "whole")), WHOLE)
    print(f"{preset}: {newest} generations, {seen}")
    for name in ("elites.npz", "history.npz"):
        assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    names = [sorted(path.name for path in one.iterdir()) for one in (folder, tmp_path / "whole")]
    assert names[0] == names[1]
    assert sum(seen.values()) == FAULTS


def test_a_run_of_an_hour_does_not_grow(tmp_path):
    """Many short chunks and checkpoints: the second half of an hour takes no more memory and files than the first."""
    folder = tmp_path / "run"
    process = start("mnist-direct", *AGAIN, "--seconds", str(LONG), "--quiet", "--out", str(folder))
    memory, files = [], []
    while process.poll() is None:
        time.sleep(LONG / 360)
        with contextlib.suppress(OSError, StopIteration):
            status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            resident = next(line for line in status if line.startswith("VmRSS"))
            files.append(len(list(Path(f"/proc/{process.pid}/fd").iterdir())))
            memory.append(int(resident.split()[1]) / 1024)
    assert process.stderr is not None
    assert (process.returncode, process.stderr.read()) == (0, "")
    quarters = [(np.median(part), np.max(part)) for part in np.array_split(memory, 4)]
    print(f"resident MiB, median and most by quarter: {quarters}; open files: at most {max(files)}")
    second, last = np.array_split(memory, 4)[1], np.array_split(memory, 4)[3]
    assert np.median(last) < np.median(second) + 16
    assert max(files[len(files) // 2 :]) <= max(files[: len(files) // 2])
    check_folder(folder)
