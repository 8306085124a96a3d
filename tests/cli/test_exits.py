"""All command lines end alike: the same exit codes, one line and no traceback."""

import logging

import pytest

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
        (OSError("a checkpoint is damaged"), 1, "a checkpoint is damaged\n"),
        (KeyboardInterrupt(), 130, "interrupted."),
    ],
)
def test_what_goes_wrong_has_its_code_and_a_line(ends, error, code, line):
    program, found, said = ends(raising(error))
    assert found == code
    assert said.startswith(f"{program}: {line}")
    assert said.count("\n") == 1


def test_a_closed_standard_output_is_no_traceback(ends, monkeypatch, tmp_path):
    with (tmp_path / "out").open("w") as closed:
        monkeypatch.setattr("sys.stdout", closed)
        _, code, said = ends(raising(BrokenPipeError()))
    assert code == 1
    assert "standard output was closed." in said


def test_what_is_logged_is_shown_and_the_logger_left_as_it_was(ends):
    before = list(logging.getLogger("qdfool").handlers)
    program, code, said = ends(lambda arguments: logging.getLogger("qdfool.some.module").warning("look"))
    assert (code, said) == (0, f"{program}: look\n")
    assert logging.getLogger("qdfool").handlers == before


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
