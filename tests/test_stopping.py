"""Runs that are stopped from outside: signals, a reader who leaves, a full disk. Each is a process of its own."""

import random
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from processes import check_whole, start

from qdfool.interrupts import TOGETHER

ROOT = Path(__file__).parents[1]
SMALL = ["--classifier", "fake:host_logits", "--batch-size", "12", "--chunk-seconds", "0.05"]

TINY = ["--classifier", "mobilenet_v1_025", "--weights", "random", "--image-shape", "32", "32", "3"]


def wait_for_generation(process: subprocess.Popen, least: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        found = re.match(r"generation (\d+)", line)
        if found and int(found[1]) >= least:
            return
    raise AssertionError(f"the run ended before generation {least}: {process.communicate()}")


@pytest.mark.slow
def test_ctrl_c_saves_a_checkpoint_and_the_pictures(tmp_path):
    process = start(*SMALL, "--generations", "100000", "--out", str(tmp_path / "run"))
    wait_for_generation(process, 2)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Ctrl-C again stops at once" in error
    stopped = re.search(
        r"interrupted. Everything until generation (\d+) is saved; go on with: .*--resume", error
    )
    assert stopped
    assert "Traceback" not in error
    assert (tmp_path / "run" / "checkpoints" / stopped[1]).is_dir()
    assert (tmp_path / "run" / "gallery.png").exists()
    assert (tmp_path / "run" / "elites.npz").exists()
    resumed = start("--resume", str(tmp_path / "run"), "--generations", str(int(stopped[1]) + 3))
    out, error = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, error
    assert f"generation {int(stopped[1]) + 3} |" in out


@pytest.mark.release
def test_a_second_ctrl_c_stops_at_once(tmp_path):
    # One chunk of many generations: the first Ctrl-C has to wait for its end, the second must not.
    arguments = [*SMALL, "--generations", "100000", "--chunk-seconds", "300", "--out", str(tmp_path / "run")]
    process = start(*arguments)
    wait_for_generation(process, 1)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert "Ctrl-C again" in next(line for line in process.stderr if line.strip())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT


@pytest.mark.release
def test_a_second_sigterm_stops_at_once(tmp_path):
    slow = [*SMALL, "--classifier", "fake:slow_logits", "--chunk-seconds", "300"]
    process = start(*slow, "--generations", "100000", "--out", str(tmp_path / "run"))
    wait_for_generation(process, 1)
    time.sleep(1)
    process.terminate()
    assert process.stderr is not None
    assert "SIGTERM: stopping after this chunk" in next(line for line in process.stderr if line.strip())
    time.sleep(TOGETHER + 0.1)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM


@pytest.mark.slow
def test_what_nobody_reads_costs_no_result(tmp_path):
    process = start(*SMALL, "--generations", "40", "--out", str(tmp_path / "run"))
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()  # as `| head -1` does
    assert process.stderr is not None
    error = process.stderr.read()
    assert (process.wait(timeout=120), error) == (0, "")
    assert (tmp_path / "run" / "checkpoints" / "40").is_dir()
    assert (tmp_path / "run" / "curves.png").exists()


LIMITED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
sys.argv[0] = "qdfool"
runpy.run_module("qdfool.run", run_name="__main__")
"""


@pytest.mark.slow
def test_writes_that_fail_are_named_and_the_process_ends(tmp_path):
    """A limit on the size of files stands in for the full disk: the first file that is larger fails."""
    process = start(*SMALL, "--generations", "5", "--out", str(tmp_path / "run"), program=["-c", LIMITED])
    _, error = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Traceback" not in error
    assert "whole; make room" in error
    assert not list((tmp_path / "run").glob("*.part"))


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_named_and_the_process_ends(small_disk):
    process = start(*SMALL, "--generations", "5", "--out", str(small_disk / "run"))
    _, error = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Traceback" not in error
    assert "No space left on device" in error
    assert "make room" in error


def killed_again_and_again(folder: Path, arguments: list[str], kills: int, longest: float) -> int:
    """Runs to the end, killed at random moments on the way; returns how many kills there were."""
    chance = random.Random(0)
    done = 0
    while True:
        there = (folder / "checkpoints").is_dir() and any(
            path.name.isdigit() for path in (folder / "checkpoints").iterdir()
        )
        process = start(
            *(["--resume", str(folder)] if there else [*arguments, "--out", str(folder), "--overwrite"])
        )
        if done < kills:
            try:
                process.communicate(timeout=chance.uniform(0, longest))
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                done += 1
                check_whole(folder)
                continue
        _, error = process.communicate()
        assert process.returncode == 0, error
        return done


@pytest.mark.release
@pytest.mark.parametrize(
    "arguments",
    [
        ["mnist-direct", "--generations", "4000"],
        ["mnist-direct", "--generations", "1500", "--archive", "grid", "--selection.operator", "curiosity"],
        ["mnist-cppn", "--generations", "1500"],
        ["imagenet-cppn", *TINY, "--generations", "2000"],
        ["imagenet-direct", *TINY, "--generations", "1000"],
    ],
    ids=["class", "grid", "cppn", "imagenet-cppn", "imagenet-direct"],
)
def test_ten_kills_change_nothing(tmp_path, arguments):
    arguments = [*arguments, "--checkpoint-every", "0.5", "--chunk-seconds", "0.2"]
    process = start(*arguments, "--out", str(tmp_path / "whole"))
    begun = time.monotonic()
    wait_for_generation(process, 1)
    starting = time.monotonic() - begun
    _, error = process.communicate()
    assert process.returncode == 0, error
    # A process may be killed while it starts, evolves or ends; ten together get through part of the run only.
    longest = starting + (time.monotonic() - begun - starting) / 6
    kills = killed_again_and_again(tmp_path / "killed", arguments, 10, longest)
    assert kills == 10
    assert (tmp_path / "killed/elites.npz").read_bytes() == (tmp_path / "whole/elites.npz").read_bytes()
