"""Functions on the host that a classifier has JAX call: what they raise is said by us, in a line."""

import contextlib
import logging
from collections.abc import Iterator

from qdfool.errors import InputError, described, process_kept

CALLED_BACK = "callback"
"""What XLA names when a function on the host failed that the device had called; all else is trouble of its own."""
LOGGERS = ("jax._src.callback", "jax._src.debugging")
"""Those with which JAX logs what such a function raised, and its traceback."""


@contextlib.contextmanager
def code_called_back(failing: str, remedy: str = "") -> Iterator[None]:
    """As `qdfool.errors.code_of_a_user`, but of functions on the host that JAX calls meanwhile; all else passes.

    JAX does not log what they raise meanwhile. What others log passes.

    Raises:
        InputError: such a function raised something.
    """
    raised: list[BaseException] = []

    def is_something_else(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            raised.append(error)
        return error is None

    loggers = [logging.getLogger(name) for name in LOGGERS]
    for logger in loggers:
        logger.addFilter(is_something_else)
    try:
        with process_kept():
            yield
    except InputError:
        raise
    except Exception as error:  # XLA's error is also a plain ValueError, where it comes late.
        if CALLED_BACK not in described(error).lower():
            raise
        cause = raised[0] if raised else error
        raise InputError(f"{failing}: {described(cause)}. {remedy}".rstrip()) from error
    finally:
        for logger in loggers:
            logger.removeFilter(is_something_else)
