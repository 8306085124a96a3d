"""All command lines end alike: the same exit codes, one line and no traceback."""

import io
import logging
import os
import signal
import sys
from pathlib import Path

import pytest
from rich.console import Console

import qdfool.classify
import qdfool.run
import qdfool.studies.__main__
import qdfool.train
from qdfool.errors import InputError

COMMANDS = {
    "qdfool": qdfool.run,
    "qdfool.train": qdfool.train,
    "qdfool.classify": qdfool.classify,
    "qdfool.studies": qdfool.studies.__main__,
}


@pytest.fixture(params=COMMANDS)
def ends(request, monkeypatch, capsys):
    """Runs a command whose work is replaced: its name, exit code, and standard error."""

    def run(work) -> tuple[str, int, str]:
        monkeypatch.setattr(COMMANDS[request.param], "_main", work)
        with pytest.raises(SystemExit) as ended:
            COMMANDS[request.param].main([])
        assert isinstance(ended.value.code, int)
        return request.param, ended.value.code, capsys.readouterr().err

    return run


def raising(error: BaseException):
    def work(arguments):
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("this is bad"), 2, "this is bad\n"),
        (OSError(28, "No space left on device", "a.npz"), 1, "No space left on device: a.npz."),
        (
            OSError(13, "Permission denied", "a/.lock"),
            1,
            "Permission denied: a/.lock. Whoever runs this must be allowed",
        ),
        (
            OSError(36, "File name too long", "a" * 300),
            2,
            "no file can be called 'aaa",
        ),
        (OSError(36, "File name too long"), 1, "File name too long"),
        (OSError("a checkpoint is damaged"), 1, "a checkpoint is damaged\n"),
        (KeyboardInterrupt(), 130, "interrupted."),
        (RuntimeError("odd\x1b[31m"), 3, "RuntimeError: odd\\x1b[31m (line "),
    ],
)
def test_what_goes_wrong_has_its_code_and_a_line(ends, error, code, line):
    program, found, said = ends(raising(error))
    assert found == code
    assert said.startswith(f"{program}: {line}")
    assert said.count("\n") == 1


def without_a_reader():
    """A stream into a pipe that nobody reads any more, as after `| head -1`."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w", encoding="utf-8")


def test_a_closed_standard_output_costs_nothing(ends, monkeypatch):
    done = []

    def work(arguments):
        print("a line", flush=True)
        Console().print("another")
        print("more than a buffer holds " * 10_000)
        done.append(True)

    with without_a_reader() as closed:
        monkeypatch.setattr("sys.stdout", closed)
        _, code, said = ends(work)
        assert sys.stdout is closed
    assert (done, code, said) == ([True], 0, "")


def test_a_closed_standard_error_leaves_the_exit_code(ends, monkeypatch):
    with without_a_reader() as closed:
        monkeypatch.setattr("sys.stderr", closed)
        _, code, _ = ends(raising(InputError("this is bad")))
    assert code == 2


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_standard_streams_that_are_not_there_are_done_without(ends, monkeypatch, stream):
    monkeypatch.setattr(sys, stream, None)
    _, code, _ = ends(
        lambda arguments: (print("out"), logging.getLogger("qdfool.some.module").warning("look"))[0]
    )
    assert code == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_standard_output_on_a_full_disk_is_said_at_the_end(ends, monkeypatch):
    done = []

    def work(arguments):
        print("a line", flush=True)
        done.append(True)

    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        program, code, said = ends(work)
    assert (done, code) == ([True], 1)
    assert said.startswith(f"{program}: standard output is not complete: No space left on device")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_help_that_could_not_be_written_is_no_success(monkeypatch, capsys):
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        with pytest.raises(SystemExit) as ended:
            qdfool.classify.main(["--help"])
    assert ended.value.code == 1
    assert "standard output is not complete" in capsys.readouterr().err


@pytest.mark.parametrize("replaced", [None, 5])
def test_streams_that_a_users_code_replaces_leave_the_line_and_the_code(ends, monkeypatch, replaced):
    def work(arguments):
        sys.stdout = sys.stderr = replaced
        raise InputError("this is bad")

    program, code, said = ends(work)
    assert (code, said) == (2, f"{program}: this is bad\n")


def test_what_is_unexpected_has_its_notes(ends):
    error = ValueError("odd")
    error.add_note("Generation 7 is saved.")
    _, code, said = ends(raising(error))
    assert (code, "Generation 7 is saved." in said) == (3, True)


def test_what_the_encoding_lacks_is_escaped(ends, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", stream)
    assert ends(lambda arguments: print("\N{GREATER-THAN OR EQUAL TO} 99 %, \udcff"))[1] == 0
    assert stream.buffer.getvalue() == b"\\u2265 99 %, \\udcff\n"


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_terminations_are_interrupts_with_a_code_of_their_own(ends, at_exit, name, code):
    number = signal.Signals[name]
    before = signal.getsignal(number)
    program, found, said = ends(lambda arguments: signal.raise_signal(number))
    assert found == code
    assert said.startswith(f"{program}: interrupted by {name}.")
    assert at_exit == [(os._exit, code)], "JAX is taken down amid what it computes"
    assert signal.getsignal(number) is before


def test_what_is_logged_is_shown_and_the_logger_left_as_it_was(ends):
    before = list(logging.getLogger("qdfool").handlers)
    program, code, said = ends(
        lambda arguments: logging.getLogger("qdfool.some.module").warning("give `mutation.halve_every`")
    )
    assert (code, said) == (0, f"{program}: give --mutation.halve-every\n")
    assert logging.getLogger("qdfool").handlers == before


@pytest.mark.parametrize("ended_with", [0, None, 3, "all good"])
def test_a_users_code_that_ends_the_program_is_bad_input(ends, ended_with):
    program, code, said = ends(raising(SystemExit(ended_with)))
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith(f"{program}: code that is not qdfool's ended the program: SystemExit")


@pytest.mark.parametrize(("argument", "code"), [("--help", 0), ("--no-such-option", 2)])
def test_help_and_unknown_options_end_with_what_tyro_says(argument, code, capsys):
    for name, command in COMMANDS.items():
        first = ["make-a-seven"] if name == "qdfool.studies" else []
        with pytest.raises(SystemExit) as ended:
            command.main([*first, argument])
        assert ended.value.code == code
        assert "ended the program" not in capsys.readouterr().err


def test_what_is_logged_is_shown_once_whoever_else_listens(ends, monkeypatch):
    """Importing Orbax gives the root logger a handler that writes to standard error."""

    def work(arguments):
        monkeypatch.setattr(logging.getLogger(), "handlers", [logging.StreamHandler(sys.stderr)])
        logging.getLogger("qdfool.some.module").warning("look \x1b[31m")

    program, code, said = ends(work)
    assert (code, said) == (0, f"{program}: look \\x1b[31m\n")
    assert logging.getLogger("qdfool").propagate


ATTACK = "\x1b[2J\r\n\u202eqdfool: all good"


@pytest.mark.parametrize(
    "work",
    [
        raising(OSError(28, "No space left on device", ATTACK)),
        raising(OSError(ATTACK)),
        raising(InputError(f"{ATTACK} is bad")),
        lambda arguments: logging.getLogger("qdfool").warning(ATTACK),
    ],
    ids=["a file name", "another's words", "bad input", "a log"],
)
def test_what_comes_from_outside_is_printed_and_not_obeyed(ends, work):
    _, _, said = ends(work)
    assert said.endswith("\n")
    assert said[:-1].isprintable()
    assert r"\x1b[2J\r\n\u202eqdfool: all good" in said
