"""Runs that end before their time, by whatever a classifier raises or by a signal: nothing is lost, and all is said."""

import re
import signal
import threading
from dataclasses import replace
from pathlib import Path

import fake
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qdfool
from qdfool.errors import ClassifierInterrupt, InputError
from qdfool.run import main

pytestmark = pytest.mark.usefixtures("no_pictures")
TERMINATIONS = [
    pytest.param(signal.SIGTERM, 143),
    pytest.param(
        getattr(signal, "SIGHUP", None),
        129,
        marks=pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason=""),
    ),
]


class Mine(BaseException):
    """Of no kind that anybody expects."""


@pytest.fixture
def no_pictures(monkeypatch):
    """They take most of the time."""
    monkeypatch.setattr(qdfool.Result, "draw", lambda self, directory, classifier=None: None)


@pytest.fixture
def ends(monkeypatch):
    """Makes `fake:fails_later` end in its own way."""

    def how(failure) -> None:
        monkeypatch.setattr("fake.calls", 0)
        monkeypatch.setattr("fake.failure", failure)

    return how


@pytest.fixture
def handled():
    """Gives a signal a handler; afterwards it has its former one."""
    before = {}

    def by(number, handler) -> None:
        before[number] = signal.signal(number, handler)

    yield by
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def whole(small) -> qdfool.Result:
    """The same run, undisturbed."""
    return qdfool.evolve(small, fake.host_logits)


def same(folder: Path, result: qdfool.Result) -> bool:
    with np.load(folder / "elites.npz") as arrays:
        return all(np.array_equal(arrays[name], array) for name, array in result.arrays().items())


def goes_on_to_the_same_end(folder: Path, whole: qdfool.Result, monkeypatch) -> bool:
    monkeypatch.setattr("fake.fails_later", fake.host_logits)
    qdfool.resume(folder, generations=10)
    return same(folder, whole)


@pytest.mark.parametrize("failure", [SystemExit(0), GeneratorExit(), KeyboardInterrupt(), Mine("odd")])
def test_whatever_a_classifier_raises_the_command_line_saves_and_names_it(ends, failure, tmp_path, capsys):
    ends(failure)
    arguments = ["--classifier", "fake:fails_later", "--batch-size", "12", "--generations", "10", "--quiet"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--out", str(tmp_path / "run")])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert re.search(f"In generation 4, fake:fails_later .*{type(failure).__name__}", said)
    assert "Everything until generation 4 is saved" in said
    assert said.count("\n") == 1
    assert (tmp_path / "run" / "checkpoints" / "4").is_dir()


@pytest.mark.parametrize("failure", [SystemExit(0), GeneratorExit(), KeyboardInterrupt(), Mine("odd")])
def test_whatever_a_classifier_raises_python_gets_an_input_error(
    ends, failure, small, whole, tmp_path, monkeypatch
):
    ends(failure)
    with pytest.raises(InputError, match=r"In generation 4, .*Everything until generation 4 is saved"):
        qdfool.evolve(replace(small, checkpoint_every=100), fake.fails_later, out=tmp_path)
    assert goes_on_to_the_same_end(tmp_path, whole, monkeypatch)


def test_where_another_handles_ctrl_c_an_interrupt_goes_on_as_one_and_nothing_is_lost(
    ends, handled, small, whole, tmp_path, monkeypatch
):
    def hosts(number, frame):
        raise KeyboardInterrupt

    handled(signal.SIGINT, hosts)
    ends(signal.SIGINT)
    with pytest.raises(
        ClassifierInterrupt, match=r"In generation 4, .*Everything until generation 4 is saved"
    ):
        qdfool.evolve(replace(small, checkpoint_every=100), fake.fails_later, out=tmp_path)
    assert signal.getsignal(signal.SIGINT) is hosts
    assert goes_on_to_the_same_end(tmp_path, whole, monkeypatch)


def test_ctrl_c_in_a_classifier_of_a_run_without_a_folder_is_an_interrupt(ends, small):
    ends(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="In generation 4"):
        qdfool.evolve(small, fake.fails_later)


def test_a_run_whose_first_generation_has_no_valid_image_has_nothing_to_go_on_from(small, tmp_path):
    def not_numbers(images):
        logits = fake.host_logits(images)
        return logits if len(images) != small.batch_size else np.full_like(logits, np.nan)

    settings = replace(small, image_shape=fake.SHAPE)
    with pytest.raises(
        InputError, match=r"12 of 12 images .* Nothing is saved yet, and so there is nothing to go on from\.$"
    ):
        qdfool.evolve(settings, not_numbers, out=tmp_path)
    assert not list((tmp_path / "checkpoints").iterdir())
    with pytest.raises(InputError, match="No checkpoint"):
        qdfool.resume(tmp_path, fake.host_logits)


def test_a_classifier_that_turned_to_nan_is_asked_again(small, tmp_path):
    """Of what it was asked about then nothing was kept, and nothing is lost."""
    asked = []

    def turns(images):
        asked.append(len(images))
        logits = fake.host_logits(images)
        return np.full_like(logits, np.nan) if asked.count(small.batch_size) > 5 else logits

    config = replace(small, image_shape=fake.SHAPE, chunk_seconds=99.0)
    with pytest.raises(InputError, match=r"In generation 5, 12 of 12 .* until generation 5 is saved"):
        qdfool.evolve(config, turns, out=tmp_path)
    asked.clear()
    found, whole = qdfool.resume(tmp_path, fake.host_logits), qdfool.evolve(config, fake.host_logits)
    np.testing.assert_array_equal(found.images(), whole.images())
    np.testing.assert_array_equal(found.elites.birth_generation, whole.elites.birth_generation)


def test_a_second_ctrl_c_leaves_the_numbers_undrawn_but_loses_nothing(small, whole, tmp_path):
    asked = []

    def twice(images):
        answer = fake.host_logits(images)
        asked.append(len(images))
        if len(asked) == 5:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return answer

    with pytest.raises(KeyboardInterrupt, match="Everything until generation 3 is saved"):
        qdfool.evolve(replace(small, checkpoint_every=100, image_shape=fake.SHAPE), twice, out=tmp_path)
    assert not (tmp_path / "elites.npz").exists()
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) > 1
    qdfool.resume(tmp_path, fake.host_logits)
    assert same(tmp_path, whole)


@pytest.mark.release
def test_a_function_that_jax_traces_may_fail_on_the_host(small, tmp_path):
    calls = 0

    def fails_later(images):
        nonlocal calls
        calls += len(images) == 12
        if calls > 4:
            raise SystemExit(0)
        return fake.logits(np.asarray(images))

    def traced(images):
        return jax.pure_callback(fails_later, jax.ShapeDtypeStruct((len(images), 4), jnp.float32), images)

    with pytest.raises(
        InputError, match=r"In generation \d+ or one of the next, traced failed: SystemExit: 0"
    ):
        qdfool.evolve(replace(small, image_shape=fake.SHAPE), traced, out=tmp_path)


@pytest.mark.parametrize(("number", "code"), TERMINATIONS)
def test_a_termination_ends_the_command_line_after_a_chunk(ends, number, code, tmp_path, capsys):
    ends(number)
    before = signal.getsignal(number)
    arguments = ["--classifier", "fake:fails_later", "--batch-size", "12", "--generations", "9999", "--quiet"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--chunk-seconds", "0.05", "--out", str(tmp_path / "run")])
    assert ended.value.code == code
    said = capsys.readouterr().err
    assert re.search(f"interrupted by {number.name}. Everything until generation \\d+ is saved", said)
    assert (tmp_path / "run" / "elites.npz").exists()
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(("number", "code"), TERMINATIONS)
def test_a_termination_ends_a_run_from_python_after_a_chunk(
    number, code, small, whole, tmp_path, caplog, capfd
):
    def twice(result: qdfool.Result) -> None:  # At once, as `timeout` does.
        signal.raise_signal(number)
        signal.raise_signal(number)

    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as ended:
        qdfool.evolve(replace(small, checkpoint_every=100), fake.host_logits, out=tmp_path, on_chunk=twice)
    assert ended.value.code == code
    assert caplog.messages[-1].startswith(f"{number.name}: Everything until generation 1 is saved")
    assert f"qdfool: {number.name}: stopping after this chunk" in capfd.readouterr().err
    assert signal.getsignal(number) is before
    qdfool.resume(tmp_path)
    assert same(tmp_path, whole)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has none")
@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda number, frame: None])
def test_what_the_host_ignores_or_handles_stays_so(ends, handled, handler, small, whole, tmp_path):
    handled(signal.SIGHUP, handler)
    ends(signal.SIGHUP)
    qdfool.evolve(small, fake.fails_later, out=tmp_path)
    assert same(tmp_path, whole)
    assert signal.getsignal(signal.SIGHUP) is handler


def test_a_run_in_a_thread_leaves_all_handlers(small, whole, tmp_path):
    seen = []
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    def look(result):
        seen.append([signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)])

    thread = threading.Thread(target=qdfool.evolve, args=(small, fake.host_logits, tmp_path, False, look))
    thread.start()
    thread.join()
    assert all(handlers == before for handlers in seen)
    assert same(tmp_path, whole)


def test_a_run_that_ended_with_its_seconds_is_taken_again(small, tmp_path):
    """It has always had a little more than them."""
    config = replace(small, generations=None, seconds=0.01)
    generations = qdfool.evolve(config, fake.logits, out=tmp_path).generations
    assert qdfool.resume(tmp_path).generations == generations
