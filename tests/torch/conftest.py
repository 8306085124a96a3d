"""PyTorch's own networks, which the ports are compared with."""

from typing import Any

import pytest

MISSING = "is not installed: pip install --no-deps torchvision==0.28.0 timm"


@pytest.fixture(scope="session")
def torch() -> Any:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch==2.13.0")
    torch.set_num_threads(1)
    return torch


@pytest.fixture(scope="session")
def _operators(torch: Any) -> Any:
    """torchvision without its compiled part, which no network of ours needs, wants two operators declared."""
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library  # its declarations last as long as it does


@pytest.fixture(scope="session")
def torchvision(_operators: Any) -> Any:
    return pytest.importorskip("torchvision", reason=f"torchvision {MISSING}")


@pytest.fixture(scope="session")
def timm(torchvision: Any) -> Any:
    return pytest.importorskip("timm", reason=f"timm {MISSING}")
