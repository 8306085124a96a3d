"""What a unit was computed with: units of other code, data or versions are not mixed with new ones."""

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import jax

from qdfool.data import mnist

PACKAGE = Path(__file__).parents[1]
LIBRARIES = ("jax", "jaxlib", "flax", "numpy", "optax", "scikit-learn", "scipy")
"""What computes units beside our own code."""
AFTERWARDS_FOLDERS = ("analysis", "cli")
AFTERWARDS = frozenset(
    {
        "__main__.py",
        "answer.py",
        "effects.py",
        "mechanisms.py",
        "origin.py",
        "pictures.py",
        "recognisability.py",
        "report.py",
        "similarity.py",
    }
)
"""Files of studies that are at work when all units are there, at every call: they read units and compute none."""
HASHES = ("code", "data", "inputs")


def origin() -> dict[str, str]:
    """What units are computed with here and now, by name.

    `code` is the SHA-256 of our own sources (`code_digest`), `data` that of MNIST's files, which loading enforces;
    then the kind of device and the versions of the libraries.
    """
    return {
        "code": code_digest(PACKAGE),
        "data": hashlib.sha256("".join(file.sha256 for file in mnist.FILES).encode()).hexdigest(),
        "device": jax.default_backend(),
        **{name: version(name) for name in LIBRARIES},
    }


def code_digest(package: Path) -> str:
    """SHA-256 of all Python files of the package, with their paths, that may have a part in a unit.

    Those that only draw, say and test what units hold (`AFTERWARDS`) are left out: another word in a report does not
    cost hours of computing. All others count, whether the study at hand needs them or not.
    """
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        relative = path.relative_to(package)
        in_studies = relative.parts[0] == "studies"
        if relative.parts[0] in AFTERWARDS_FOLDERS or (in_studies and relative.name in AFTERWARDS):
            continue
        content = path.read_bytes()
        digest.update(f"{relative.as_posix()} {len(content)} ".encode() + content)
    return digest.hexdigest()


def differences(theirs: Mapping[str, str], ours: Mapping[str, str]) -> str:
    """What differs between two origins, in words; empty where nothing does."""
    names = [name for name in {**ours, **theirs} if theirs.get(name) != ours.get(name)]
    return ", ".join(
        f"other {name}" if name in HASHES else f"{name} {theirs.get(name)} instead of {ours.get(name)}"
        for name in names
    )
