"""Root keys: where the randomness of one purpose begins.

A key is split, or folded, or drawn from: never two of these, and it is never folded with one value twice. The first
rule is needed because `jax.random.split(key, n)[i]` is `jax.random.fold_in(key, i)`.
"""

import zlib

import jax

from qdfool.types import Key


def root_key(seed: int, purpose: str) -> Key:
    """The root of all randomness that a purpose has under a seed.

    Roots of two purposes differ, and so do all keys that come from them, even where both have the same seed: what
    trains a classifier is not what evolves images against it.

    Args:
        seed: at least 0 and below 2**32.
        purpose: its name, such as "evolution"; the same name gives the same root on every machine.
    """
    return jax.random.fold_in(jax.random.key(zlib.crc32(purpose.encode())), seed)
