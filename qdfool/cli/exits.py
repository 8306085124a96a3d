"""How the command lines end: their exit codes, and what they say to what went wrong."""

import atexit
import contextlib
import errno
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import NoReturn

import jax

from qdfool.cli.options import as_options
from qdfool.cli.streams import LastingStream, OneLine, lasting_streams
from qdfool.errors import InputError, described, one_line, shown
from qdfool.interrupts import Terminated, exit_code, terminations

DONE, DISK_TROUBLE, BAD_INPUT, FAULT, LOST, ABOVE = 0, 1, 2, 3, 4, 5
"""Exit codes of all command lines, beside those of signals (`qdfool.interrupts.exit_code`)."""
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
NOT_PERMITTED = "Whoever runs this must be allowed to read and write there; a copy may do."
UNEXPECTED = "Nothing in qdfool expects this error: please report it, with the command."
"""What is said to it; its traceback is for who calls qdfool from Python."""


def run_and_exit(
    program: str, work: Callable[[], int | None], *, after_disk_trouble: str = "", after_interrupt: str = ""
) -> NoReturn:
    """Does the work of a command line and ends the process: 0 done, 2 bad input, 1 disk trouble, 3 an error that
    nothing expects, 130 interrupted by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP. (Another process of the run is lost: 4,
    from `qdfool.cli.processes`. A score is above what was allowed: 5, from `qdfool.audit`.) Code that ends the process
    itself is bad input; but tyro's, which has then printed help, or what is wrong with the options.

    What went wrong is said in one line on standard error, without a traceback, and so is what qdfool logs. Where nobody
    reads standard output or error, what is written there is dropped; that is no trouble.

    Args:
        program: its name, which these lines begin with.
        work: returns an exit code; None is 0.
        after_disk_trouble: a sentence that says what was saved and what to do; ends the line of an `OSError`.
        after_interrupt: the same for Ctrl-C and other signals.

    Raises:
        SystemExit: always.
    """
    # The working directory, as `python -m` has it: a user's own module may import its neighbours at any time.
    if "" not in sys.path:
        sys.path.append("")
    with lasting_streams() as (output, errors), terminations():

        def say(*sentences: str) -> None:
            line = f"{program}: {' '.join(filter(None, sentences))}"
            print(one_line(as_options(line)), file=errors)  # A user's code may have replaced sys.stderr.

        try:
            with _log(program, errors):
                code = _done(work) or DONE
            output.flush()
            if output.failure is not None:
                say(f"standard output is not complete: {output.failure.strerror}.")
                code = code or DISK_TROUBLE
        except InputError as error:
            say(str(error))
            code = BAD_INPUT
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG and error.filename is not None:
                say(
                    f"no file can be called {shown(str(error.filename))}: the name is too long. Give another."
                )
                code = BAD_INPUT
            else:
                remedy = NOT_PERMITTED if error.errno in FORBIDDEN else after_disk_trouble
                say(disk_trouble(error), remedy if error.errno is not None else "")
                code = DISK_TROUBLE
        except KeyboardInterrupt as error:
            number, by = (
                (error.signal, f" by {error}") if isinstance(error, Terminated) else (signal.SIGINT, "")
            )
            say(f"interrupted{by}.", after_interrupt)
            # XLA goes on with a compilation that was interrupted, and crashes where Python takes its devices down
            # meanwhile, with an exit code of its own. So the process ends before that, when all threads are done.
            atexit.register(os._exit, exit_code(number))
            code = exit_code(number)
        except Exception as error:
            say(f"{described(error)}{_where(error)}.", *getattr(error, "__notes__", ()), UNEXPECTED)
            code = FAULT
        if jax.distributed.is_initialized():
            # Else JAX waits for the other processes, of which none knows that this one ends.
            atexit.register(os._exit, code)
        sys.exit(code)


def _done(work: Callable[[], int | None]) -> int | None:
    """The work and its exit code, also where tyro ends it, after help or what is wrong with the options.

    Raises:
        InputError: other code ended the process itself.
    """
    try:
        return work()
    except SystemExit as error:
        if _is_of_tyro(error):
            return error.code if isinstance(error.code, int) else BAD_INPUT
        raise InputError(f"code that is not qdfool's ended the program: {described(error)}.") from error


def _is_of_tyro(error: BaseException) -> bool:
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_globals.get("__name__", "").partition(".")[0] == "tyro" for frame, _ in frames)


def _where(error: BaseException) -> str:
    """The line of qdfool that an error came through last."""
    ours = [
        f" (line {line} of {frame.f_globals['__name__']})"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).partition(".")[0] == "qdfool"
    ]
    return ours[-1] if ours else ""


def disk_trouble(error: OSError) -> str:
    """What is wrong, with which file; an error of our own says it itself."""
    if error.errno is None:
        return str(error)
    return f"{error.strerror}: {error.filename or 'a file that was being written'}."


class _AsTyped(OneLine):
    """What is logged, with its settings named as they are typed."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a message of this command line."""
        return as_options(super().format(record))


@contextlib.contextmanager
def _log(program: str, errors: LastingStream) -> Iterator[None]:
    handler = logging.StreamHandler(errors)
    handler.setFormatter(_AsTyped(f"{program}: %(message)s"))
    logger = logging.getLogger("qdfool")
    propagated = logger.propagate
    logger.addHandler(handler)
    # absl gives the root logger a handler when Orbax is imported, which would say everything again, unescaped.
    logger.propagate = False
    try:
        yield
    finally:
        logger.propagate = propagated
        logger.removeHandler(handler)
