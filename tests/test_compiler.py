"""What XLA is told about a network."""

from dataclasses import replace

import fake
import jax
import numpy as np
import pytest

import qdfool
from qdfool.build import build_classifier, compiler
from qdfool.build.compiler import LIBRARY, compiler_options
from qdfool.build.target import Target
from qdfool.classifiers.networks import architecture
from qdfool.errors import InputError

CPU = Target("cpu")


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "alexnet", "vgg16"])
def test_no_operation_of_a_network_goes_to_the_library_on_a_cpu(name):
    options = compiler_options(architecture(name), CPU)
    assert options in ({LIBRARY: ""}, {})
    assert bool(options) == compiler._taken(LIBRARY, "")
    assert not compiler_options(architecture(name), Target("cuda"))


def test_mobilenets_and_a_version_that_does_not_take_it_have_the_defaults(monkeypatch):
    assert not compiler_options(architecture("mobilenet_v2"), CPU)
    monkeypatch.setattr(compiler, "LIBRARY", "xla_has_no_such_option")
    assert not compiler_options(architecture("resnet18"), CPU)


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
