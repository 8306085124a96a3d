"""What a release waits for (slow): no known vulnerabilities, and the lowest versions that pyproject.toml allows work.

`python -m pytest -m slow tests/test_release.py -n0`, where a package index can be reached. Licences and the form of the
bounds are in test_dependencies.py.
"""

import json
import re
import subprocess
import venv
from pathlib import Path

import pytest
from dependencies import EXTRAS, NEEDED, PYPROJECT, ROOT, dependencies
from packaging.utils import canonicalize_name
from packaging.version import Version

pytestmark = pytest.mark.slow

# What tests import. The other tools of the extra are theirs alone, and would raise bounds of ours: mutmut that of rich.
IMPORTED_BY_TESTS = {"pytest", "pytest-xdist", "hypothesis", "scikit-image"}
# What holds with any version, and calls each library that is bounded. Left out are the networks, which take long and
# call what others call too; PyTorch, which has no bound; documents and layers, which are about text; the tests of bits,
# which compare a version with itself and compile for minutes; and test_keys.py, whose instrument, a callback in a
# `custom_vmap` without outputs, is dropped by jax 0.8.0 and older, so that it sees no keys there.
SUBSET = [
    "tests/test_import.py",
    "tests/test_config.py",
    "tests/test_dependencies.py",
    "tests/engine",
    "tests/genomes",
    "tests/results",  # Orbax, pyribs
    "tests/test_emitters.py",  # evosax, Optax
    "tests/cli",  # tyro, rich
    "tests/analysis",  # matplotlib, ribs.visualize
    "tests/data",  # Pillow
    "tests/classifiers/test_weights.py",  # safetensors, Flax
    "tests/classifiers/test_hub.py",  # huggingface-hub
    "tests/test_classify.py",
    "tests/analysis/test_statistics.py",  # scipy
]
ALL = "not optimised and (not slow or release)"
"""Markers: what every submission runs of them, and what is left to a release."""


def run(*command: str | Path, environment: dict[str, str] | None = None) -> str:
    """What the command prints.

    Raises:
        AssertionError: it fails.
    """
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, f"{command}: {ended.stdout}\n{ended.stderr}"
    return ended.stdout


@pytest.fixture(scope="module")
def tools(tmp_path_factory) -> Path:
    """Where uv and pip-audit are, away from what is looked at."""
    folder = tmp_path_factory.mktemp("tools")
    venv.create(folder, with_pip=True)
    run(folder / "bin/pip", "install", "--quiet", "uv", "pip-audit")
    return folder / "bin"


@pytest.fixture(scope="module")
def lowest(tools, tmp_path_factory) -> Path:
    """The Python of an environment with the lowest versions of all that pyproject.toml names, on the lowest Python."""
    python = tmp_path_factory.mktemp("lowest") / "bin/python"
    least = PYPROJECT["project"]["requires-python"].removeprefix(">=")
    run(tools / "uv", "venv", "--python", least, python.parents[1])
    tested_by = [str(one) for one in EXTRAS["test"] if one.name in IMPORTED_BY_TESTS]
    install = [tools / "uv", "pip", "install", "--python", python, "--resolution", "lowest-direct"]
    run(*install, "--editable", f"{ROOT}[hub]", *tested_by)
    return python


def test_no_dependency_has_a_known_vulnerability(tools, tmp_path):
    pinned = {name: one.version for name, one in dependencies().items()}
    listed = tmp_path / "requirements.txt"
    listed.write_text("".join(f"{name}=={version}\n" for name, version in pinned.items()))
    ended = subprocess.run(
        [tools / "pip-audit", "--no-deps", "--disable-pip", "--format", "json", "--requirement", listed],
        capture_output=True,
        text=True,
    )
    if not ended.stdout and re.search("connect|resolve|timed out", ended.stderr, re.IGNORECASE):
        pytest.skip(f"NOT AUDITED, the service cannot be reached: {ended.stderr.strip().splitlines()[-1]}")
    assert ended.stdout, ended.stderr
    answers = json.loads(ended.stdout)["dependencies"]
    assert {canonicalize_name(one["name"]) for one in answers} == pinned.keys()
    unknown = [f"{one['name']}: {one['skip_reason']}" for one in answers if "skip_reason" in one]
    # A mirror of the index has the packages and knows nothing of vulnerabilities: it finds none of them.
    if len(unknown) == len(answers):
        pytest.skip(f"NOT AUDITED, the service knows none of {len(answers)} packages: {unknown[0]}")
    assert not unknown, f"not audited: {unknown}"
    vulnerable = [one for one in answers if one["vulns"]]
    assert not vulnerable, f"known vulnerabilities: {vulnerable}"


def test_each_lower_bound_can_be_installed(tools, lowest):
    listed = json.loads(run(tools / "uv", "pip", "list", "--python", lowest, "--format", "json"))
    versions = {canonicalize_name(one["name"]): Version(one["version"]) for one in listed}
    for requirement in (*NEEDED, *EXTRAS["hub"]):
        (bound,) = (Version(one.version) for one in requirement.specifier if one.operator == ">=")
        found = versions[canonicalize_name(requirement.name)]
        assert found == bound, f"{requirement} cannot be had with the others, which want {found}"


@pytest.fixture
def compiled_for_tests(compiled_for_a_user) -> dict[str, str]:
    """The environment of a process that is to choose by itself how its tests are compiled."""
    return {name: value for name, value in compiled_for_a_user.items() if name != "QDFOOL_TESTS_OPTIMISED"}


def test_the_lowest_versions_pass_the_tests(lowest, compiled_for_tests):
    run(
        lowest,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-m",
        ALL,
        *SUBSET,
        environment=compiled_for_tests,
    )


def test_the_lowest_versions_run_the_studies(lowest, compiled_for_tests, data_folder):
    """In their quick form: scikit-learn is called by nothing else."""
    arguments = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-m",
        "slow",
        "tests/studies/test_quick.py",
        "-k",
        "quick_study",
    ]
    run(lowest, "-m", "pytest", *arguments, environment=compiled_for_tests)


def test_the_lowest_versions_evolve_from_the_command_line(lowest, compiled_for_a_user, tmp_path):
    arguments = ["mnist-direct", "--generations", "20", "--out", str(tmp_path / "run")]
    printed = run(lowest, "-m", "qdfool.run", *arguments, environment=compiled_for_a_user)
    assert "4,000 evaluations" in printed
    assert (tmp_path / "run/gallery.png").exists()
