"""PyTorch's own networks, which the ports are compared with."""

from importlib.util import find_spec
from typing import Any

import pytest

MISSING = "is not installed: pip install --no-deps torchvision==0.28.0 timm"


@pytest.fixture(scope="session")
def torch() -> Any:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch==2.13.0")
    torch.set_num_threads(1)
    return torch


@pytest.fixture(scope="session")
def torchvision(torch: Any) -> Any:
    if find_spec("torchvision") is None:
        pytest.skip(f"torchvision {MISSING}")
    from benchmarks.torch_networks import torchvision

    return torchvision()


@pytest.fixture(scope="session")
def timm(torchvision: Any) -> Any:
    return pytest.importorskip("timm", reason=f"timm {MISSING}")
