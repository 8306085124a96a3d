"""How tests are compiled, where they find the data beside a checkout, and what most of them evolve."""

import gc
import os
import signal
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

# Compiling is most of what tests take, and most programs run once: XLA optimises little, except where OPTIMISED is
# set, as tests/test_optimised.py does for the tests of bits. XLA ends the process at a flag that it does not know, so
# that the flags are for the versions that are known to have them. A program is compiled in one part, because many take
# a sixth more of the processor, which the workers of the tests keep busy.
OPTIMISED = "QDFOOL_TESTS_OPTIMISED"
LITTLE = "JAX_DISABLE_MOST_OPTIMIZATIONS"
FLAGS = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
CACHE, LEAST_SECONDS = "JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"
CACHE_BYTES = 500_000_000

if OPTIMISED not in os.environ and LITTLE not in os.environ:
    os.environ[LITTLE] = "1"
    if tuple(map(int, version("jax").split(".")[:2])) < (0, 11):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {FLAGS}".strip()
# What one test compiled serves the others, those of another worker, the processes that tests start, and the next run.
if CACHE not in os.environ:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    os.environ[CACHE] = str(folder / "qdfool" / "compiled-by-tests")
os.environ.setdefault(LEAST_SECONDS, "0")

# Tracing makes hundreds of thousands of objects that stay: what is garbage is looked for among them more seldom.
gc.set_threshold(100_000, 50, 1000)

# JAX reads the settings above when it is imported, which nothing before this line does.
from qdfool.config import Config  # noqa: E402


def pytest_configure() -> None:
    """Takes signals back that whoever began the tests ignores, as their processes then would: a shell in the
    background Ctrl-C, `nohup` SIGHUP."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is left to a release is slow besides, before tests are chosen by their markers."""
    for item in items:
        if item.get_closest_marker("release") is not None:
            item.add_marker("slow")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Removes the programs of longest ago that are too many to keep."""
    if hasattr(session.config, "workerinput"):
        return
    files = [(path.stat(), path) for path in Path(os.environ[CACHE]).glob("*") if path.is_file()]
    size = 0
    for status, path in sorted(files, key=lambda entry: -entry[0].st_mtime):
        size += status.st_size
        if size > CACHE_BYTES:
            path.unlink(missing_ok=True)


@pytest.fixture
def compiled_for_a_user() -> dict[str, str]:
    """The environment of a process whose programs are compiled as for a user."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment.pop(LITTLE, None)
    flags = environment.pop("XLA_FLAGS", "").replace(FLAGS, "").strip()
    return {**environment, **({"XLA_FLAGS": flags} if flags else {}), OPTIMISED: "1"}


@pytest.fixture(autouse=True)
def at_exit(monkeypatch) -> list[tuple]:
    """What an interrupted command line wants called when its process ends: the tests' own goes on."""
    calls: list[tuple] = []
    monkeypatch.setattr("qdfool.cli.exits.atexit", SimpleNamespace(register=lambda *call: calls.append(call)))
    return calls


@pytest.fixture(autouse=True)
def page(request, monkeypatch) -> None:
    """A run leaves an empty page, and grey curves and maps, where no test looks at them: they take longer than most
    tests evolve."""
    if "page" not in request.keywords:
        monkeypatch.setattr(
            "qdfool.results.report.write_page", lambda directory, *_: (directory / "report.html").touch()
        )
    if "drawn" not in request.keywords:
        for name in ("curves", "seed_curves", "class_heatmap", "grid_heatmaps"):
            monkeypatch.setattr(f"qdfool.results.pictures.analysis.{name}", _grey)


def _grey(path: Path, *_: object, **__: object) -> None:
    Image.new("L", (8, 8), 128).save(path)


def _folder(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set: it names the folder of data that is not shipped")
    return Path(value)


@pytest.fixture
def data_folder() -> Path:
    return _folder("QDFOOL_DATA")


@pytest.fixture
def weights_folder() -> Path:
    return _folder("QDFOOL_WEIGHTS")


@pytest.fixture(scope="session")
def small() -> Config:
    """Ten small generations against the fake classifier."""
    return replace(
        Config(),
        generations=10,
        batch_size=12,
        chunk_seconds=0.05,
        checkpoint_every=0,
    )
