"""What every benchmark writes: its rows under a header of machine, versions and date."""

import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from qdfool.files.atomic import atomic_write


def write(path: Path, rows: Sequence[Any], more: Mapping[str, Any] | None = None) -> None:
    """Writes dataclass rows as JSON under a header, and what more there is to say in it.

    Raises:
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        content = {"header": {**header(), **(more or {})}, "rows": [vars(row) for row in rows]}
        file.write((json.dumps(content, indent=2) + "\n").encode())


def header() -> dict[str, str | int]:
    """Command, machine, versions and date: what a figure means nothing without."""
    device = jax.devices()[0]
    packages = ("qdfool", "jax", "jaxlib", "flax", "numpy")
    return {
        "command": command(),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "device": f"{device.platform}: {device.device_kind}",
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def command() -> str:
    """As it was typed, from the checkout."""
    spec = sys.modules["__main__"].__spec__
    program = [sys.argv[0]] if spec is None else ["-m", spec.name.removesuffix(".__main__")]
    return shlex.join(["python", *program, *sys.argv[1:]])


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
