"""Root keys: where the randomness of one purpose begins.

A key is split, or folded, or drawn from: never two of these, and it is never folded with one value twice. The first
rule is needed because `jax.random.split(key, n)[i]` is `jax.random.fold_in(key, i)`.

The keys are JAX's own, Threefry's, and give the same numbers. Only their program is another: JAX's for a CPU goes
through the twenty rounds in a loop, whose steps cost more than the rounds where few numbers are drawn at a time. Here
they are written out, as JAX does it for a GPU or TPU.
"""

import math
import zlib

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.random import define_prng_impl, threefry_prng_impl

from qdfool.types import Array, Key

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA


def root_key(seed: int, purpose: str) -> Key:
    """The root of all randomness that a purpose has under a seed.

    Roots of two purposes differ, and so do all keys that come from them, even where both have the same seed: what
    trains a classifier is not what evolves images against it.

    Args:
        seed: at least 0 and below 2**32.
        purpose: its name, such as "evolution"; the same name gives the same root on every machine.
    """
    return jax.random.fold_in(new_key(zlib.crc32(purpose.encode())), seed)


def new_key(seed: int) -> Key:
    """`jax.random.key(seed)`, of the kind that a root is of."""
    return jax.random.key(seed, impl=WRITTEN_OUT)


def key_of(data: Array) -> Key:
    """Keys of the kind that a root is of, from what `jax.random.key_data` gives of them, [..., 2] uint32."""
    return jax.random.wrap_key_data(data, impl=WRITTEN_OUT)


@jax.jit
def _threefry(key: Array, low: Array) -> tuple[Array, Array]:
    """Threefry-2x32 (Salmon et al. 2011, Parallel random numbers) of each count, [...] uint32, below 2**32."""
    keys = (key[0], key[1], key[0] ^ key[1] ^ jnp.uint32(PARITY))
    left, right = jnp.full_like(low, keys[0]), low + keys[1]
    for group in range(5):
        for rotation in ROTATIONS[group % 2]:
            left = left + right
            right = left ^ ((right << rotation) | (right >> (32 - rotation)))
        left = left + keys[(group + 1) % 3]
        right = right + keys[(group + 2) % 3] + jnp.uint32(group + 1)
    return left, right


def _partitionable() -> bool:
    """Whether JAX numbers what is drawn as it does by default; the other way is an option of its own."""
    return getattr(jax.config, "jax_threefry_partitionable", True)


def _counted(shape: tuple[int, ...]) -> Array:
    return jnp.arange(math.prod(shape), dtype=jnp.uint32).reshape(shape)


def _split(key: Array, shape: tuple[int, ...]) -> Array:
    if not _partitionable():
        return threefry_prng_impl.split(key, shape)
    return _at_hand(jnp.stack(_threefry(key, _counted(shape)), axis=-1))


def _fold_in(key: Array, data: int | Array) -> Array:
    return _at_hand(jnp.stack(_threefry(key, jnp.asarray(data, jnp.uint32))))


def _at_hand(keys: Array) -> Array:
    """The keys, which a CPU computes before what is drawn with them.

    Where one kernel has the rounds of a key, of the keys from it and of what is drawn with those, LLVM (of jax 0.12)
    follows every way through all of them, and compiles for ever.
    """
    return lax.platform_dependent(keys, cpu=lax.optimization_barrier, default=lambda keys: keys)


def _random_bits(key: Array, bit_width: int, shape: tuple[int, ...]) -> Array:
    if bit_width != 32 or math.prod(shape) > 2**32 or not _partitionable():
        return threefry_prng_impl.random_bits(key, bit_width, shape)
    left, right = _threefry(key, _counted(shape))
    return left ^ right


WRITTEN_OUT = define_prng_impl(
    key_shape=(2,),
    seed=threefry_prng_impl.seed,
    split=_split,
    random_bits=_random_bits,
    fold_in=_fold_in,
    name="threefry2x32, written out",
    tag="qdfool",
)
"""JAX's default keys in another program."""
