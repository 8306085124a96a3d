"""The devices that `benchmarks.compiled` compiles for, none of which is needed: XLA's compilers run on any CPU."""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jax.experimental import topologies
from jax.experimental.topologies import TopologyDescription

H200 = Path(__file__).with_name("h200_target.txt")
"""The H200 as XLA describes it."""
H200_SHARE = 0.75
"""What JAX takes of a GPU's memory, unless XLA_PYTHON_CLIENT_MEM_FRACTION says otherwise."""


@dataclass(frozen=True)
class Topology:
    """Devices of one kind, and what compiles for them."""

    description: str
    platform: str
    """As JAX names it."""
    memory: int
    """Bytes that a program may use of one device."""
    devices: int
    extra: str
    """Of qdfool's, with the compiler."""
    needs: tuple[str, ...]
    """Modules of the compiler."""
    describe: Callable[[], TopologyDescription]

    def missing(self) -> str | None:
        """The extra to install where the compiler is not there."""
        return None if all(map(_is_there, self.needs)) else self.extra


def _gpu(topology: str) -> Callable[[], TopologyDescription]:
    def describe() -> TopologyDescription:
        return topologies.get_topology_desc("h200", "cuda", target_config=H200.read_text(), topology=topology)

    return describe


def _tpu(name: str) -> Callable[[], TopologyDescription]:
    return lambda: topologies.get_topology_desc(name, "tpu")


_CUDA: dict[str, Any] = {
    "platform": "cuda",
    "memory": int(H200_SHARE * 151_397_597_184),
    "extra": "aot-cuda13",
    "needs": ("jax_plugins.xla_cuda13", "jax_cuda13_plugin", "nvidia.cu13"),
}
_V5E: dict[str, Any] = {
    "platform": "tpu",
    # Of its 16 GiB, what XLA's TPU compiler says that it may fill.
    "memory": int(15.75 * 2**30),
    "extra": "aot-tpu",
    "needs": ("libtpu",),
}
TOPOLOGIES = {
    "h200": Topology("one H200", devices=1, describe=_gpu("1x1x1"), **_CUDA),
    "h200-2x4": Topology("8 H200 on two hosts", devices=8, describe=_gpu("1x2x4"), **_CUDA),
    "v5e-4": Topology("TPU v5e, 4 chips", devices=4, describe=_tpu("v5e:2x2"), **_V5E),
    "v5e-64": Topology("TPU v5e, 64 chips on 16 hosts", devices=64, describe=_tpu("v5e:8x8"), **_V5E),
}


def compilers() -> dict[str, str]:
    """The packages that compile, and their versions, as far as they are there."""
    found = {}
    for name in ("jax-cuda13-plugin", "nvidia-cuda-nvcc", "libtpu"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def without_devices() -> None:
    """Prepares this process, in which JAX has not begun, to compile for devices that are not here."""
    os.environ["JAX_PLATFORMS"] = "cpu"
    # The compilers would look for a driver, for cuDNN and for the machines of a pod.
    os.environ["JAX_SKIP_CUDA_CONSTRAINTS_CHECK"] = "1"
    os.environ["TPU_SKIP_MDS_QUERY"] = "1"


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # The package that it is part of is not there.
        return False
