"""What XLA is told about a program, where its defaults are not the fastest."""

import os
from functools import lru_cache
from typing import Any

import jax

from qdfool.types import Classifier

WIDTH = "xla_cpu_prefer_vector_width"
"""Bits of the vectors that a CPU's program is made of, where the processor has such; 256 by default."""
WIDEST = "512"


def compiler_options(classifier: Classifier, platform: str) -> dict[str, str]:
    """The options of a program with a classifier in it, as `jax.jit` takes them: those of the platform, and then the
    classifier's own."""
    return {**of_platform(platform), **classifier.compiler_options}


def jitted_logits(classifier: Classifier) -> Any:
    """The logits of a classifier that JAX can trace, as a function of parameters and images [B, H, W, C], jitted."""
    return jax.jit(classifier.logits, compiler_options=compiler_options(classifier, jax.default_backend()))


def of_platform(platform: str) -> dict[str, str]:
    """The options of every program for a platform, where this version of XLA takes them and `XLA_FLAGS` does not say
    otherwise. On a CPU without such vectors they change nothing."""
    told = WIDTH in os.environ.get("XLA_FLAGS", "")
    return {WIDTH: WIDEST} if platform == "cpu" and not told and taken(WIDTH, WIDEST) else {}


@lru_cache
def taken(option: str, value: str) -> bool:
    """Whether XLA takes it, which it says only when it compiles."""
    try:
        jax.jit(lambda number: number).lower(0.0).compile(compiler_options={option: value})
    except jax.errors.JaxRuntimeError:
        return False
    return True
