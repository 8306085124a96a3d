"""What XLA is told about a network, where its defaults are not the fastest."""

from collections.abc import Mapping
from functools import lru_cache

import jax

from qdfool.build.target import Target
from qdfool.classifiers.architecture import Architecture

LIBRARY = "xla_cpu_experimental_ynn_fusion_type"
"""Which operations of a program for a CPU XLA hands to a library, YNNPACK. None of them where it is empty."""


def compiler_options(architecture: Architecture, target: Target) -> Mapping[str, str]:
    """The options of XLA for a network, where this version of XLA takes them; docs/networks.md has what they bring."""
    if target.platform != "cpu" or architecture.depthwise:
        return {}
    return {LIBRARY: ""} if _taken(LIBRARY, "") else {}


@lru_cache
def _taken(option: str, value: str) -> bool:
    """Whether XLA takes it, which it says only when it compiles."""
    try:
        jax.jit(lambda number: number).lower(0.0).compile(compiler_options={option: value})
    except jax.errors.JaxRuntimeError:
        return False
    return True
