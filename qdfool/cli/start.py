"""How a command line begins: it is ready for signals, and for an odd environment, before JAX is imported."""

import gc
import importlib
import logging
import os
import re
import shutil
import subprocess
import sys
import warnings
from typing import NoReturn

from qdfool.cli.compiled import keep_compiled_programs, remedy
from qdfool.cli.streams import OneLine, lasting_streams, open_closed_descriptors
from qdfool.errors import InputError, described, one_line, shown
from qdfool.interrupts import end_at_once

CANNOT_START = 2
"""Exit code, that of bad input: the environment is."""
PREFIXES = ("JAX_", "XLA_", "MPL", "NUMBA_", "PYTHON")
"""Of environment variables that packages read while they are imported."""
NARROWEST, WIDEST = 40, 1000
"""Columns: tyro never ends breaking lines for one, and Rich prints none of zero."""
# In a process of its own, because XLA ends the process in which it meets a flag that it does not know.
FLAGS_CHECK = """
try:
    from jaxlib import xla_client
    xla_client.CompileOptions().executable_build_options.debug_options
except (ImportError, AttributeError):
    pass  # Another version: JAX will say it.
"""


def qdfool() -> NoReturn:
    """The installed command `qdfool`, which is `python -m qdfool.run`."""
    start("qdfool.run")


def start(module: str) -> NoReturn:
    """Imports a command line and runs its `main`; for the first lines of a process, which is changed as it likes.

    It takes a second until `main` has the signals in hand. Until then they end the process at once, without a word;
    what goes wrong is said in one line.

    Args:
        module: has the `main`, which ends the process.

    Raises:
        SystemExit: always.
    """
    open_closed_descriptors()
    end_at_once()
    # Pictures are drawn into files, whatever shows a user's own, and whether there is such a thing.
    os.environ["MPLBACKEND"] = "agg"
    _give_a_width()
    _say_in_one_line()
    keep_compiled_programs()
    try:
        _check_flags()
        # What is imported stays. To look through it for garbage, at every collection from now on, would take a tenth of
        # a short run.
        gc.disable()
        main = importlib.import_module(module).main
        gc.freeze()
        gc.enable()
    except Exception as error:
        program = module.removesuffix(".__main__").removesuffix(".run")
        trouble = (
            str(error) if isinstance(error, InputError) else f"{described(error)}. {_remedy(str(error))}"
        )
        with lasting_streams() as (_, errors):
            print(one_line(f"{program}: cannot start: {trouble}"), file=errors)
        sys.exit(CANNOT_START)
    main()
    raise AssertionError(f"{module}.main has not ended the process")


def _give_a_width() -> None:
    """A width that help and progress fit into, whatever the terminal, or the environment, says that it has."""
    width = shutil.get_terminal_size().columns
    if "COLUMNS" in os.environ or not NARROWEST <= width <= WIDEST:
        os.environ["COLUMNS"] = str(min(max(width, NARROWEST), WIDEST))


def _say_in_one_line() -> None:
    """Warnings, and what libraries log where nobody listens, may quote the environment."""

    def line(message: Warning | str, category: type[Warning], *where: object) -> str:
        return one_line(f"{category.__name__}: {message}{remedy(str(message))}") + "\n"

    warnings.formatwarning = line
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(OneLine())


def _check_flags() -> None:
    """Checks that XLA takes the flags that the environment has for it.

    Raises:
        InputError: it does not.
    """
    flags = os.environ.get("XLA_FLAGS")
    if not flags:
        return
    check = subprocess.run(
        [sys.executable, "-c", FLAGS_CHECK], capture_output=True, text=True, errors="replace"
    )
    if check.returncode:
        said = re.sub(r"^.*?\] ", "", check.stderr.partition("\n")[0]).rstrip(".")
        raise InputError(
            f"XLA does not take the environment variable XLA_FLAGS, {shown(flags)}: {said}. Mend it, or unset it."
        )


def _remedy(text: str) -> str:
    """What to do against an error of an import. It may be of a variable, which JAX names in small letters."""
    given = sorted(name for name in os.environ if name.startswith(PREFIXES))
    named = [name for name in given if name in text.upper()]
    if named:
        return f"Mend or unset the environment variable {', '.join(named)}."
    if given:
        return f"The environment variables {', '.join(given)} may be why: try without them. Else install qdfool again."
    return "Install qdfool again, with all that it needs."
