"""Where tests find the data beside a checkout, and what most of them evolve."""

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import jax
import pytest

from qdfool.config import BlackPixels, Config

# What one test compiled serves the others, also those of another worker and of the processes that tests start.
COMPILED, LEAST_SECONDS = "JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"
OURS = COMPILED not in os.environ
if OURS:
    os.environ[COMPILED] = tempfile.mkdtemp(prefix="qdfool-compiled-")
    os.environ[LEAST_SECONDS] = "0.2"
jax.config.update("jax_compilation_cache_dir", os.environ[COMPILED])
jax.config.update("jax_persistent_cache_min_compile_time_secs", float(os.environ.get(LEAST_SECONDS, "0.2")))


def pytest_unconfigure() -> None:
    """Takes the folder away that this process made; workers, which inherit its name, do not."""
    if OURS:
        shutil.rmtree(os.environ[COMPILED], ignore_errors=True)


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
        black_pixels=BlackPixels(capacity=20),
        chunk_seconds=0.05,
        checkpoint_every=0,
    )
