"""Where tests find the data beside a checkout, and what most of them evolve."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from qdfool.config import BlackPixels, Config


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


@pytest.fixture
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
