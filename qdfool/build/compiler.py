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
    options = {LIBRARY: ""} if target.platform == "cpu" and not architecture.depthwise else {}
    return options if _taken(tuple(options.items())) else {}


@lru_cache
def _taken(options: tuple[tuple[str, str], ...]) -> bool:
    """Whether XLA takes them, which it says only when it compiles."""
    try:
        jax.jit(lambda number: number).lower(0.0).compile(compiler_options=dict(options))
    except jax.errors.JaxRuntimeError:
        return False
    return True
