"""Several processes, here on one host: what they find is what one finds, they end together, and options that make no
sense are refused."""

import contextlib
import re
import signal
import socket
import time
from dataclasses import replace
from types import SimpleNamespace

import fake
import jax
import numpy as np
import own_parts
import pytest
from processes import ROOT, start

import qdfool
from qdfool import hosts
from qdfool.api import AskTell
from qdfool.build.devices import check_devices, with_devices
from qdfool.cli import processes
from qdfool.cli.processes import Processes, check_options
from qdfool.config import Emitters
from qdfool.engine import sharding
from qdfool.engine.sharding import Shares
from qdfool.errors import InputError
from qdfool.results import run as runs
from qdfool.results.checkpoint import Checkpoints
from qdfool.results.run import Run
from qdfool.run import main

PROGRAM = (str(ROOT / "tests/audited/of_hosts.py"),)
GENERATIONS = 240
# Of three emitters, each process has a part of the children of all, and of the strategies.
RUN = (
    *("--classifier", "of_hosts:exact_logits", "--batch-size", "64", "--mutation.rate", "0.2"),
    *("--emitters.operators", "variation", "gradient_ascent", "evolution_strategy"),
    *("--emitters.shares", "3", "1", "4", "--evolution-strategy.strategy", "sep_cma_es"),
    *("--evolution-strategy.strategies", "8", "--evolution-strategy.ranking", "annealed"),
    *("--gradient-ascent.steps", "1", "--gradient-ascent.rule", "sign", "--gradient-ascent.sigma", "0"),
    *("--gradient-ascent.learning-rate", "0.03125"),
)
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


@pytest.mark.release
def test_a_signal_to_one_ends_both_after_the_same_chunk_and_one_goes_on(undisturbed, tmp_path):
    out = tmp_path / "run"
    with pair("mnist-direct", *RUN, *KEPT, *TO_THE_END, "--out", str(out)) as both:
        wait_for_checkpoint(out, both)
        both[1].send_signal(signal.SIGTERM)
        codes, errors = zip(*map(ended, both), strict=True)
    assert codes == (143, 143)
    first, second = (re.findall(r"until generation (\d+) is saved", text) for text in errors)
    assert first == second
    assert 0 < int(first[0]) < GENERATIONS
    finish_alone(out)
    assert found(out) == undisturbed


@pytest.mark.release
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


@pytest.mark.release
def test_the_coordinator_is_killed_and_the_other_ends_with_a_line(tmp_path):
    with pair("mnist-direct", *RUN, "--seconds", "600", *KEPT, "--out", str(tmp_path / "run")) as both:
        wait_for_checkpoint(tmp_path / "run", both)
        both[0].kill()
        code, errors = ended(both[1])
    assert code in (4, -signal.SIGABRT)
    assert re.search(r"qdfool: .*rocess 0, the coordinator.*can go on with: .*--resume", errors)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("of_second", "message"),
    [
        (
            ("--mutation.rate", "0.3"),
            "do not agree on --mutation.rate: it is 0.2 in process 0 and 0.3 in process 1",
        ),
        pytest.param(
            ("--out", "elsewhere"),
            "elsewhere is not the folder that process 0 writes into. --out must be one that",
            marks=pytest.mark.release,
        ),
    ],
)
def test_processes_that_disagree_both_name_the_setting(of_second, message, tmp_path):
    out = tmp_path / "run"
    with pair("mnist-direct", *RUN, *TO_THE_END, "--out", str(out), of_second=of_second) as both:
        for code, errors in map(ended, both):
            assert code == 2
            assert message in errors
    assert not (out / "checkpoints").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("process", "said"),
    [
        ("0", "Not all 2 processes"),
        pytest.param("1", "The coordinator at ", marks=pytest.mark.release),
    ],
)
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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coordinator": "node1"}, "must be HOST:PORT, the address of process 0, or auto; got 'node1'"),
        ({"coordinator": "node1:port"}, "must be HOST:PORT"),
        ({"coordinator": ":1234"}, "must be HOST:PORT"),
        ({"coordinator": "node1:65536"}, "must be HOST:PORT"),
        ({"coordinator": "node1:1234"}, "'node1:1234' needs `num_processes` and `process_id`, too"),
        ({"coordinator": "node1:1234", "process_id": 0}, "needs `num_processes`, too"),
        (
            {"coordinator": "node1:1234", "num_processes": 2, "process_id": 2},
            "`process_id` must be between 0 and 1",
        ),
        (
            {"coordinator": "auto", "process_id": 0},
            "`process_id` must come with .* HOST:PORT.*finds out both",
        ),
        ({"num_processes": 2}, "`num_processes` must come with .* got no `coordinator`"),
        ({"coordinator": "auto", "coordinator_timeout": 0.5}, "`coordinator_timeout` must be between 1 and"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        check_options(Processes(**options))


def test_options_that_go_together_are_not():
    check_options(Processes())
    check_options(Processes("auto"))
    check_options(Processes("[::1]:1234", 2, 1))


def test_several_seeds_of_several_processes_are_refused_on_the_command_line(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--coordinator", "auto", "--seeds", "0:2"])
    assert end.value.code == 2
    assert "Several processes cannot evolve --seeds: leave --coordinator away." in capsys.readouterr().err


@pytest.fixture
def two(monkeypatch):
    """As if there were two processes with four devices each."""
    monkeypatch.setattr(hosts, "count", lambda: 2)
    monkeypatch.setattr(jax, "device_count", lambda: 8)


def test_what_several_processes_cannot_do_is_refused(small, two):
    with pytest.raises(InputError, match=r"2 processes cannot ask and tell. Run it in one process"):
        AskTell(small, fake.SHAPE, ("a", "b"))
    with pytest.raises(InputError, match="2 processes cannot evolve `seeds`"):
        qdfool.evolve(small, classifier=fake.logits, seeds=range(2))
    shared = replace(small, batch_size=16, devices=8)
    with pytest.raises(InputError, match="one process, not 2, with the emitter copies, whose memory"):
        check_devices(replace(shared, emitters=Emitters((own_parts.copies,))), traceable=True)
    with pytest.raises(InputError, match="one process, not 2, where the classifier is called from the host"):
        check_devices(shared, traceable=False)


def test_several_processes_have_all_devices(small, two):
    assert with_devices(small).devices == 8
    assert with_devices(replace(small, devices=8)).devices == 8
    with pytest.raises(InputError, match="`devices` must be 8, which are those of all 2 processes"):
        with_devices(replace(small, devices=4))


def test_where_one_fails_all_do_with_its_words(two, monkeypatch):
    """What the other process says is made up."""
    said = []

    def exchanged(text):
        said.append(text)
        return [text, others]

    def fails():
        raise InputError("no such file")

    monkeypatch.setattr(hosts, "exchanged", exchanged)
    others = ""
    assert hosts.together(lambda: 7) == 7
    with pytest.raises(InputError, match=r"^no such file$"):
        hosts.together(lambda: hosts.together(fails))
    assert said == ["", "no such file"]  # once
    others = "disk full"
    with pytest.raises(InputError, match=r"^Process 1: disk full$"):
        hosts.together(lambda: hosts.together(lambda: 7), first_before_others=True)


def test_what_processes_do_not_agree_on_is_named(two, monkeypatch):
    monkeypatch.setattr(hosts, "exchanged", lambda text: [text, '{"`seed`": 1, "`rate`": 0.3}'])
    with pytest.raises(InputError, match=r"agree on `rate`: it is 0.2 in process 0 and 0.3 in process 1"):
        hosts.check_same({"`seed`": 1, "`rate`": 0.2})
    hosts.check_same({"`seed`": 1, "`rate`": 0.3})


def test_children_that_were_saved_as_the_devices_had_them_are_in_order_again(small, tmp_path, monkeypatch):
    saved, shares = Run(small, fake.classifier), Shares(2, (8, 4))
    checkpoints = Checkpoints(tmp_path)
    with monkeypatch.context() as several:
        several.setattr(runs, "hosts", SimpleNamespace(count=lambda: 2))
        several.setattr(
            runs,
            "gathered",
            lambda state, shares, emitter: sharding._rearranged(state, np.ravel(shares.numbers())),
        )
        saved.evolution = replace(saved.evolution, shares=shares)
        saved.save(checkpoints)
    restored = Run(small, fake.classifier, begins=False)
    restored.restore(checkpoints, [], pytest.fail)
    checkpoints.close()
    for name in sharding.SHARDED:
        np.testing.assert_array_equal(getattr(restored.state, name), getattr(saved.state, name))


class Store(dict):
    """The coordinator's store, of which nobody else has a part."""

    def key_value_set(self, key, value, allow_overwrite=False):
        self[key] = value

    def key_value_dir_get(self, prefix):
        return [(key, value) for key, value in self.items() if key.startswith(prefix)]


def test_who_is_lost_is_named_and_why_another_ended(monkeypatch):
    store = Store({"qdfool/host/1": "node7", "qdfool/beat/1": "3"})
    monkeypatch.setattr(processes, "_store", lambda: store)
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(processes, "BEAT", 1000.0)  # Its threads wait.
    watch = processes.Watch("qdfool")
    watch._listen()
    now = watch._heard
    assert watch._lost(now) is None
    late = now + processes.SILENCE + 1
    assert watch._lost(late) == "Process 0, the coordinator, has not answered for 31 s"
    watch._heard = late
    assert watch._lost(late) == "Process 1 (on node7) is lost: it has given no sign of life for 31 s"
    store["qdfool/done/1"] = "yes"
    watch._listen()
    watch._heard = late
    assert watch._lost(late) is None
    store["qdfool/ended/1"] = "Disk full."
    watch._listen()
    assert watch._lost(time.monotonic()) is None
    soon = time.monotonic() + processes.GRACE + 1
    assert watch._lost(soon) == "Process 1 (on node7) has ended: Disk full"
