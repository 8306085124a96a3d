"""The user's folder for what can be had again: fetched weights, compiled programs."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Where such files are kept: $QDFOOL_CACHE, else `$XDG_CACHE_HOME/qdfool`, else `~/.cache/qdfool`.

    Raises:
        RuntimeError: nothing says where, and there is no home.
    """
    if named := os.environ.get("QDFOOL_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qdfool"
