"""What the package needs, as pyproject.toml and what is installed declare it."""

import tomllib
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
BUILD = [Requirement(line) for line in PYPROJECT["build-system"]["requires"]]
NEEDED = [Requirement(line) for line in PYPROJECT["project"]["dependencies"]]
EXTRAS = {
    name: [Requirement(line) for line in lines]
    for name, lines in PYPROJECT["project"]["optional-dependencies"].items()
}
# Tests, also in a browser, the documentation as a site, and the peers of a benchmark are not what a user installs. An
# accelerator's libraries are NVIDIA's and Google's, under their own terms. Keras needs namex, whose package does not
# say its licence.
LEFT_OUT = {"test", "browser", "docs", "bench", "cuda12", "cuda13", "tpu", "aot-cuda13", "aot-tpu", "keras"}


def dependencies() -> dict[str, Distribution]:
    """Everything that the package needs, directly or not, by name; of its extras what is installed.

    Raises:
        PackageNotFoundError: something is needed and not installed.
    """
    names = {canonicalize_name(one.name) for one in distributions()}
    optional = [one for name, extra in EXTRAS.items() if name not in LEFT_OUT for one in extra]
    waiting = [*NEEDED, *(one for one in optional if canonicalize_name(one.name) in names)]
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras}:
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            found[name] = distribution(name)
            needs = map(Requirement, found[name].requires or [])
            waiting += [one for one in needs if one.marker is None or one.marker.evaluate({"extra": extra})]
    return found
