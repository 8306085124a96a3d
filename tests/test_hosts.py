"""Several processes, here on one host: what they find is what one finds, they end together, and options that make no
sense are refused."""

import contextlib
import functools
import re
import signal
import socket
import time
from pathlib import Path

import jax
import pytest
from processes import ROOT, start

from qdfool import hosts
from qdfool.build.devices import check_devices, with_devices
from qdfool.cli.processes import Processes, check_options
from qdfool.config import Config, Emitters
from qdfool.errors import InputError
from qdfool.run import main

PROGRAM = (str(ROOT / "tests/audited/of_hosts.py"),)
GENERATIONS = 240
RUN = ("--classifier", "of_hosts:exact_logits", "--batch-size", "32", "--mutation.rate", "0.2")
KEPT = ("--chunk-seconds", "0.05", "--checkpoint-every", "0")
TO_THE_END = ("--generations", str(GENERATIONS))
BOUND = 120
"""Seconds in which everything ends, on a machine that has much else to do."""


@contextlib.contextmanager
def pair(*arguments, of_second=()):
    """Two processes with the same arguments, but for those of the second. They end with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = ("--coordinator", f"127.0.0.1:{port}", "--num-processes", "2", "--process-id")
    both = [start(*arguments, *address, "0", program=PROGRAM)]
    both.append(start(*arguments, *of_second, *address, "1", program=PROGRAM))
    try:
        yield both
    finally:
        for process in both:
            process.kill()
            process.wait()


def ended(process):
    """Its exit code, and what it said on standard error."""
    _, errors = process.communicate(timeout=BOUND)
    return process.returncode, errors


def wait_for_checkpoint(folder, both):
    until = time.monotonic() + BOUND
    while not [path for path in folder.glob("checkpoints/*") if path.name.isdecimal()]:
        assert time.monotonic() < until
        assert all(process.poll() is None for process in both), [ended(process) for process in both]
        time.sleep(0.05)


def finish_alone(folder, *more):
    """Goes on with a run in this process, which has one device."""
    with pytest.raises(SystemExit) as end:
        main(["--resume", str(folder), "--devices", "1", *more, "--quiet"])
    assert not end.value.code


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What one process with one device finds."""
    folder = tmp_path_factory.mktemp("one") / "run"
    with pytest.raises(SystemExit) as end:
        main(["mnist-direct", *RUN, *TO_THE_END, "--out", str(folder), "--quiet"])
    assert not end.value.code
    return found(folder)


def found(folder):
    return {name: (folder / name).read_bytes() for name in ("elites.npz", "history.npz")}


@pytest.mark.slow
def test_two_processes_go_on_with_the_run_of_one_and_find_the_same(undisturbed, tmp_path):
    with pytest.raises(SystemExit):
        main(["mnist-direct", *RUN, "--generations", "20", "--out", str(tmp_path / "run"), "--quiet"])
    with pair("--resume", str(tmp_path / "run"), *TO_THE_END) as both:
        assert [ended(process)[0] for process in both] == [0, 0]
    assert found(tmp_path / "run") == undisturbed
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {"gallery.png", "summary.json"}


@pytest.mark.slow
def test_a_signal_to_one_ends_both_after_the_same_chunk_and_one_goes_on(undisturbed, tmp_path):
    out = tmp_path / "run"
    with pair("mnist-direct", *RUN, *KEPT, *TO_THE_END, "--out", str(out)) as both:
        wait_for_checkpoint(out, both)
        both[1].send_signal(signal.SIGTERM)
        codes, errors = zip(*map(ended, both), strict=True)
    assert codes == (143, 143)
    generations = [re.search(r"until generation (\d+) is saved", text) for text in errors]
    assert all(generations), errors
    assert generations[0][1] == generations[1][1]
    assert int(generations[0][1]) < GENERATIONS
    finish_alone(out)
    assert found(out) == undisturbed


@pytest.mark.slow
def test_one_is_killed_the_other_names_it_and_the_run_goes_on(undisturbed, tmp_path):
    out = tmp_path / "run"
    with pair("mnist-direct", *RUN, *KEPT, *TO_THE_END, "--out", str(out)) as both:
        wait_for_checkpoint(out, both)
        both[1].kill()
        begun = time.monotonic()
        code, errors = ended(both[0])
        assert time.monotonic() - begun < 30
    assert code == 4
    assert re.search(r"Process 1 \(on .+\) is lost: .*can go on with: .*--resume", errors)
    finish_alone(out)
    assert found(out) == undisturbed


@pytest.mark.slow
def test_the_coordinator_is_killed_and_the_other_ends_with_a_line(tmp_path):
    with pair("mnist-direct", *RUN, "--seconds", "600", *KEPT, "--out", str(tmp_path / "run")) as both:
        wait_for_checkpoint(tmp_path / "run", both)
        both[0].kill()
        code, errors = ended(both[1])
    assert code in (4, -signal.SIGABRT)
    assert re.search(r"qdfool: .*rocess 0, the coordinator.*can go on with: .*--resume", errors)


@pytest.mark.slow
def test_processes_that_disagree_both_name_the_setting(tmp_path):
    out = tmp_path / "run"
    with pair(
        "mnist-direct", *RUN, *TO_THE_END, "--out", str(out), of_second=("--mutation.rate", "0.3")
    ) as both:
        for code, errors in map(ended, both):
            assert code == 2
            assert "do not agree on --mutation.rate: it is 0.2 in process 0 and 0.3 in process 1" in errors
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.parametrize(("process", "said"), [("0", "Not all 2 processes"), ("1", "The coordinator at ")])
def test_a_wait_for_others_that_do_not_come_is_bounded(process, said, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        options = ("--coordinator", address, "--num-processes", "2", "--process-id", process)
        if process == "0":
            taken.close()
        alone = start(*RUN, *options, "--coordinator-timeout", "1.5", "--out", str(tmp_path), program=PROGRAM)
        code, errors = ended(alone)
    assert code == 2
    assert said in errors
    assert "within 1.5 s" in errors
