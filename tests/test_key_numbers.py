"""Keys whose rounds are written out give the numbers of JAX's own."""

from functools import partial

import jax
import numpy as np
import pytest

from qdfool.keys import WRITTEN_OUT, key_of, new_key, root_key


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize(
    "draw",
    [
        lambda key: jax.random.key_data(jax.random.split(key, (3, 5))),
        lambda key: jax.random.key_data(jax.random.fold_in(key, 2**32 - 1)),
        lambda key: jax.random.uniform(key, (7, 5)),
        lambda key: jax.random.randint(key, (), 0, 1000),
        lambda key: jax.random.bits(key, (9,), "uint8"),
        lambda key: jax.vmap(jax.random.normal)(jax.random.split(key, 4)),
    ],
    ids=["split", "fold in", "uniform", "randint", "bytes", "vmap"],
)
def test_keys_give_the_numbers_of_those_of_jax(draw, traced):
    draw = jax.jit(draw) if traced else draw
    ours, theirs = (jax.random.key(2**31, impl=impl) for impl in (WRITTEN_OUT, None))
    np.testing.assert_array_equal(draw(ours), draw(theirs))


def test_a_root_is_a_key_of_ours():
    assert jax.random.key_impl(root_key(1, "evolution")) == WRITTEN_OUT


def test_a_root_comes_back_from_its_data():
    root = root_key(1, "evolution")
    again = key_of(jax.random.key_data(root))
    assert again.dtype == root.dtype != jax.random.key(0).dtype
    assert again == root


@pytest.mark.parametrize(
    "option", [{"jax_default_prng_impl": "rbg"}, {"jax_threefry_partitionable": False}], ids=str
)
def test_keys_under_options_of_jax(option):
    """A root does not follow the kind of keys that is the user's default; it does follow how numbers are counted."""
    usual = jax.random.key_data(jax.random.split(root_key(1, "evolution")))
    ((name, value),) = option.items()
    before = getattr(jax.config, name)
    jax.config.update(name, value)
    try:
        keys = jax.random.key_data(jax.random.split(root_key(1, "evolution")))
        theirs = jax.random.split(jax.random.wrap_key_data(root_data(), impl="threefry2x32"))
        np.testing.assert_array_equal(keys, jax.random.key_data(theirs))
        assert np.array_equal(keys, usual) == (name == "jax_default_prng_impl")
    finally:
        jax.config.update(name, before)


def root_data():
    return jax.random.key_data(root_key(1, "evolution"))


@pytest.mark.parametrize("platform", ["cpu", "cuda"])
@pytest.mark.parametrize(
    "derive", [jax.random.split, partial(jax.random.fold_in, data=3)], ids=["split", "folded"]
)
def test_a_cpu_has_keys_at_hand_before_it_draws_with_them(platform, derive):
    """In one kernel with what is drawn, the LLVM of jax 0.12 compiles keys of keys for ever."""
    lowered = jax.jit(derive).trace(new_key(0)).lower(lowering_platforms=(platform,)).as_text()
    assert ("optimization_barrier" in lowered) == (platform == "cpu")
