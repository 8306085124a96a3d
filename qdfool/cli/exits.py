"""How the command lines end: their exit codes, and what they say to what went wrong."""

import atexit
import contextlib
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import NoReturn

from qdfool.cli.options import as_options
from qdfool.cli.streams import lasting_streams
from qdfool.errors import InputError, described, one_line
from qdfool.interrupts import Terminated, exit_code, terminations

DONE, DISK_TROUBLE, BAD_INPUT = 0, 1, 2
"""Exit codes of all command lines, beside those of signals (`qdfool.interrupts.exit_code`)."""


def run_and_exit(
    program: str, work: Callable[[], int | None], *, after_disk_trouble: str = "", after_interrupt: str = ""
) -> NoReturn:
    """Does the work of a command line and ends the process: 0 done, 2 bad input, 1 disk trouble, 130 interrupted by
    Ctrl-C, 143 by SIGTERM, 129 by SIGHUP. Code that ends the process itself is bad input; but tyro's, which has then
    printed help, or what is wrong with the options.

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
    with lasting_streams() as output, terminations():
        try:
            with _log_on_stderr(program):
                code = work()
            output.flush()
            if output.failure is not None:
                _say(program, f"standard output is not complete: {output.failure.strerror}.")
                code = code or DISK_TROUBLE
        except InputError as error:
            _say(program, str(error))
            sys.exit(BAD_INPUT)
        except OSError as error:
            _say(program, disk_trouble(error), after_disk_trouble if error.errno is not None else "")
            sys.exit(DISK_TROUBLE)
        except KeyboardInterrupt as error:
            number, by = (
                (error.signal, f" by {error}") if isinstance(error, Terminated) else (signal.SIGINT, "")
            )
            _say(program, f"interrupted{by}.", after_interrupt)
            # XLA goes on with a compilation that was interrupted, and crashes where Python takes its devices down
            # meanwhile, with an exit code of its own. So the process ends before that, when all threads are done.
            atexit.register(os._exit, exit_code(number))
            sys.exit(exit_code(number))
        except SystemExit as error:
            if _is_of_tyro(error):
                raise
            _say(program, f"code that is not qdfool's ended the program: {described(error)}.")
            sys.exit(BAD_INPUT)
        sys.exit(code or DONE)


def _is_of_tyro(error: BaseException) -> bool:
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_globals.get("__name__", "").partition(".")[0] == "tyro" for frame, _ in frames)


def _say(program: str, *sentences: str) -> None:
    print(one_line(as_options(f"{program}: {' '.join(filter(None, sentences))}")), file=sys.stderr)


def disk_trouble(error: OSError) -> str:
    """What is wrong, with which file; an error of our own says it itself."""
    if error.errno is None:
        return str(error)
    return f"{error.strerror}: {error.filename or 'a file that was being written'}."


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return one_line(super().format(record))


@contextlib.contextmanager
def _log_on_stderr(program: str) -> Iterator[None]:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine(f"{program}: %(message)s"))
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
