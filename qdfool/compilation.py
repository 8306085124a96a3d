"""What XLA is told about the programs that take time, where its defaults are not the fastest."""

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
    """The logits of a classifier that JAX can trace, of parameters and images [B, H, W, C], jitted. Within another
    jitted function JAX refuses it, for its options."""
    return jax.jit(classifier.logits, compiler_options=compiler_options(classifier, jax.default_backend()))


def of_platform(platform: str) -> dict[str, str]:
    """The options of what takes time on a platform, where this version of XLA takes them and `XLA_FLAGS` does not say
    otherwise."""
    told = WIDTH in os.environ.get("XLA_FLAGS", "")
    return {WIDTH: WIDEST} if platform == "cpu" and not told and taken(WIDTH, WIDEST) else {}


@lru_cache
def taken(option: str, value: str) -> bool:
    """Whether XLA takes it, which it says only when it compiles."""
    try:
        jax.jit(lambda number: number).lower(0.0).compile(compiler_options={option: value})
    except jax.errors.JaxRuntimeError as error:
        if not is_of_options(error):
            raise
        return False
    return True


def is_of_options(error: Exception) -> bool:
    """Whether XLA says that it does not take an option."""
    return any(said in str(error) for said in ("compile option", "setting option"))
