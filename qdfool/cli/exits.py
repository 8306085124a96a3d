"""How the command lines end: their exit codes, and what they say to what went wrong."""

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator
from typing import NoReturn

from qdfool.cli.options import as_options
from qdfool.errors import InputError, one_line

DONE, DISK_TROUBLE, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit codes of all command lines."""


def run_and_exit(
    program: str, work: Callable[[], int | None], *, after_disk_trouble: str = "", after_interrupt: str = ""
) -> NoReturn:
    """Does the work of a command line and ends the process: 0 done, 2 bad input, 1 disk trouble, 130 interrupted.

    What went wrong is said in one line on standard error, without a traceback, and so is what qdfool logs.

    Args:
        program: its name, which these lines begin with.
        work: returns an exit code; None is 0.
        after_disk_trouble: a sentence that says what was saved and what to do; ends the line of an `OSError`.
        after_interrupt: the same for Ctrl-C.

    Raises:
        SystemExit: always.
    """

    def say(*sentences: str) -> None:
        print(one_line(as_options(f"{program}: {' '.join(filter(None, sentences))}")), file=sys.stderr)

    try:
        with _log_on_stderr(program):
            code = work()
            sys.stdout.flush()
        sys.exit(code or DONE)
    except InputError as error:
        say(str(error))
        sys.exit(BAD_INPUT)
    except BrokenPipeError:
        # Nobody reads standard output any more; what Python still holds for it goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        say("standard output was closed.", after_interrupt)
        sys.exit(DISK_TROUBLE)
    except OSError as error:
        say(disk_trouble(error), after_disk_trouble if error.errno is not None else "")
        sys.exit(DISK_TROUBLE)
    except KeyboardInterrupt:
        say("interrupted.", after_interrupt)
        sys.exit(INTERRUPTED)


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
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
