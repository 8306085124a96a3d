"""What XLA is told about the programs that take time, where its defaults are not the fastest."""

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from qdfool.types import Array, Classifier

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


def computed_once(make: Callable[[], Any], generation: Array) -> Any:
    """What `make` gives, which a CPU computes once, however many operations read it.

    What XLA takes to be cheap it computes there anew within each operation that reads it, and the rounds of random
    numbers are many cheap steps. What a conditional returns it does not, as long as it cannot know which branch is
    taken.

    Args:
        make: gives a pytree of arrays.
        generation: [] int32, the number of the generation, never negative: an argument of the program, and the same
            for all that `jax.vmap` has computed together, or nothing is gained.
    """

    def nothing() -> Any:
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(make))

    return lax.platform_dependent(
        generation,
        cpu=lambda generation: lax.cond(generation >= 0, make, nothing),
        default=lambda generation: make(),
    )
