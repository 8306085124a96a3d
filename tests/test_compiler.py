"""What XLA is told about programs and networks."""

from dataclasses import replace
from functools import partial

import fake
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qdfool
from qdfool import compilation
from qdfool.build import build_classifier, compiler
from qdfool.build.compiler import LIBRARY
from qdfool.build.target import Target
from qdfool.classifiers.asking import asked
from qdfool.classifiers.networks import architecture
from qdfool.compilation import WIDEST, WIDTH, compiler_options, computed_once, of_platform, taken
from qdfool.engine.loop import jitted_tell
from qdfool.errors import InputError
from qdfool.keys import new_key

CPU = Target("cpu")


def test_programs_for_a_cpu_are_made_of_wide_vectors(monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    assert of_platform("cpu") == {WIDTH: WIDEST}
    assert of_platform("gpu") == of_platform("tpu") == {}
    told = replace(fake.classifier, compiler_options={WIDTH: "128"})
    assert compiler_options(told, "cpu") == {WIDTH: "128"}


def test_vectors_are_as_wide_as_the_user_said_and_this_version_of_xla_takes(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", f"--xla_some_flag=1 --{WIDTH}=256")
    assert of_platform("cpu") == {}
    monkeypatch.delenv("XLA_FLAGS")
    monkeypatch.setattr(compilation, "WIDTH", "xla_has_no_such_option")
    assert of_platform("cpu") == {}


def test_random_numbers_that_several_operations_read_are_drawn_once():
    def read(once, seed, generation):
        key = jax.random.fold_in(jax.random.fold_in(new_key(0), seed), generation)
        drawn = once(lambda: jax.random.normal(key, (32, 128)), generation)
        return drawn, jnp.clip(drawn, 0.0, 1.0), jnp.round(255.0 * drawn.T)

    def compiled(once):
        # Seeds side by side have come equally far.
        of_seeds = jax.vmap(partial(read, once), in_axes=(0, None))
        return jax.jit(partial(of_seeds, jnp.arange(2))).lower(jnp.int32(0)).compile()

    program, repeating = compiled(computed_once), compiled(lambda make, generation: make())
    # The twenty rounds of the numbers have a bitwise operation each.
    draws = [
        sum(
            text.count(" xor(") >= 20 and "u32[2,32,128]" in text for text in str(one.as_text()).split("\n\n")
        )
        for one in (program, repeating)
    ]
    assert draws[0] == 1 < draws[1]
    jax.tree.map(np.testing.assert_array_equal, program(jnp.int32(0)), repeating(jnp.int32(0)))


def test_what_fails_for_another_reason_is_raised(monkeypatch):
    def no_memory(*_):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: no memory")

    monkeypatch.setattr(jax, "jit", no_memory)
    with pytest.raises(jax.errors.JaxRuntimeError, match="no memory"):
        taken.__wrapped__(WIDTH, WIDEST)


def _evolved(small, classifier):
    qdfool.evolve(replace(small, seed=1), classifier)


def _told(small, _):
    told = qdfool.AskTell(small, fake.SHAPE, ("a", "b", "c", "d"))
    told.tell(fake.host_logits(told.ask()))


def _asked(_, classifier):
    asked(classifier)(np.zeros((1, *fake.SHAPE), np.float32), "an image")


@pytest.mark.parametrize("way", [_evolved, _told, _asked])
def test_every_way_to_a_program_has_the_options_of_the_platform(small, way, monkeypatch):
    """They are given one here that XLA does not know."""
    monkeypatch.setattr(compilation, "WIDTH", "xla_has_no_such_option")
    monkeypatch.setattr(compilation, "taken", lambda option, value: True)
    jitted_tell.cache_clear()
    try:
        with pytest.raises((jax.errors.JaxRuntimeError, InputError), match="xla_has_no_such_option"):
            way(small, fake.classifier)
    finally:
        jitted_tell.cache_clear()


@pytest.mark.release
@pytest.mark.parametrize("name", ["mnist-direct", "mnist-cppn"])
def test_wide_vectors_have_the_bits_of_narrow_ones(name, monkeypatch):
    """So archives and logits do not depend on which program computed them."""
    found = []
    for width in ("256", "512"):
        monkeypatch.setattr(compilation, "WIDEST", width)
        elites = qdfool.evolve(qdfool.preset(name, generations=20, evaluations=None)).elites
        found.append(jax.tree.leaves((elites.genome, elites.fitness, elites.birth_generation)))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "alexnet", "vgg16"])
def test_no_operation_of_a_network_goes_to_the_library_on_a_cpu(name):
    options = compiler.options_of_network(architecture(name), CPU)
    assert options in ({LIBRARY: ""}, {})
    assert bool(options) == taken(LIBRARY, "")
    assert not compiler.options_of_network(architecture(name), Target("cuda"))


def test_mobilenets_and_a_version_that_does_not_take_it_have_the_defaults(monkeypatch):
    assert not compiler.options_of_network(architecture("mobilenet_v2"), CPU)
    monkeypatch.setattr(compiler, "LIBRARY", "xla_has_no_such_option")
    assert not compiler.options_of_network(architecture("resnet18"), CPU)


@pytest.mark.slow
def test_they_are_in_what_is_compiled_and_the_logits_are_the_same(small):
    config = replace(small, classifier="resnet18", weights="random", image_shape=(64, 64, 3))
    network = build_classifier(config)
    images = np.random.default_rng(0).random((2, 64, 64, 3), np.float32)
    lowered = jax.jit(network.logits).lower(network.parameters, images)
    without = lowered.compile(compiler_options=dict(network.compiler_options))
    assert "__ynn_fusion" not in str(without.as_text())
    logits = [one(network.parameters, images) for one in (without, lowered.compile())]
    np.testing.assert_allclose(*logits, atol=1e-5 * abs(np.asarray(logits[0])).max())


def test_an_option_that_xla_does_not_take_is_named(small):
    told = replace(fake.classifier, compiler_options={"xla_no_such": "1"})
    with pytest.raises(
        InputError, match=r"XLA does not take the `compiler_options` of .*xla_no_such.*Leave them out"
    ):
        qdfool.evolve(small, told)
