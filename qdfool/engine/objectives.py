"""What a child is scored by, the log-odds of each class, and the confidence that they stand for."""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from qdfool.types import Array


def log_odds(logits: Array) -> Array:
    """Log-odds of every class, log(p / (1 - p)) of the softmax p, for one image.

    Orders children as the softmax confidence does, without its saturation: in float32 a softmax is 1.0
    from a margin of 17 on, and thousands of children would tie. Computed as the class's logit less the
    log-sum-exp of the others, without the cancellation of log(1 - p).

    Args:
        logits: [K] float32, K >= 2.

    Returns:
        [K] float32, finite where the logits are: odds beyond what float32 holds are its largest number.
    """
    # The first of the largest, found by two reductions: XLA's argmax is slower on a CPU than all of the rest.
    numbers, highest = jnp.arange(logits.shape[0]), logits.max()
    is_largest = numbers == jnp.where(logits == highest, numbers, logits.shape[0]).min()
    # Every class but the largest has p <= 1/2, where log1p(-p) loses nothing.
    log_p = jax.nn.log_softmax(logits)
    of_the_rest = log_p - jnp.log1p(-jnp.exp(jnp.where(is_largest, -jnp.log(2.0), log_p)))
    of_the_largest = highest - jax.nn.logsumexp(jnp.where(is_largest, -jnp.inf, logits))
    limits = jnp.finfo(jnp.float32)
    return jnp.clip(jnp.where(is_largest, of_the_largest, of_the_rest), limits.min, limits.max)


def confidence(fitness: ArrayLike) -> np.ndarray:
    """Softmax confidence p of log-odds, in float64; 0 for an empty cell (-inf)."""
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-np.asarray(fitness, np.float64)))
