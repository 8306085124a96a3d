"""Networks that studies train: their shape, that they learn, and that a workbench keeps them."""

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qdfool.errors import InputError
from qdfool.studies.mnist_networks import KINDS, initialise_resnet, resnet_logits, trained
from qdfool.studies.study import NoSettings, Study, Workbench

STUDY = Study("fake", "asks nothing", "Nothing", 2, 2, NoSettings(), lambda bench: None)


def bars(count: int) -> Any:
    """In the place of MNIST: ten classes that differ in which rows are white, under noise."""
    random, labels = np.random.default_rng(0), np.arange(count, dtype=np.int32) % 10
    images = random.integers(0, 80, (count, 28, 28, 1), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 * label + 3 : 2 * label + 6] = 255
    return SimpleNamespace(train_images=images, train_labels=labels, test_images=images, test_labels=labels)


@pytest.mark.release
def test_the_residual_network_begins_as_its_shortcuts():
    parameters = initialise_resnet(jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(parameters)) == 38_058
    for block in parameters["blocks"].values():
        assert not np.any(block["convolutions"][1]["kernel"])
        assert np.any(block["convolutions"][0]["kernel"])


@pytest.mark.slow  # Compiling both takes ten seconds.
@pytest.mark.parametrize("kind", KINDS)
def test_a_network_learns_and_is_kept(kind, tmp_path, monkeypatch):
    bench = Workbench(STUDY, tmp_path, settings=NoSettings(), log=lambda text: None)
    monkeypatch.setattr(bench, "mnist", lambda: bars(4000))
    first = trained(bench, kind, 0)
    assert first.name == f"{kind}-0"
    assert first.error < 0.05
    monkeypatch.setattr(bench, "mnist", lambda: pytest.fail("it is trained again"))
    again = trained(bench, kind, 0)
    jax.tree.map(np.testing.assert_array_equal, first.classifier.parameters, again.classifier.parameters)
    assert first.classifier.fingerprint == again.classifier.fingerprint
    monkeypatch.setattr(bench, "mnist", lambda: bars(200))
    assert trained(bench, kind, 1).classifier.fingerprint != first.classifier.fingerprint


@pytest.mark.slow
def test_the_residual_network_takes_any_number_of_classes():
    assert resnet_logits(initialise_resnet(jax.random.key(0), 3), jnp.zeros((2, 28, 28, 1))).shape == (2, 3)


def test_a_kind_that_there_is_not_is_refused(tmp_path):
    bench = Workbench(STUDY, tmp_path, settings=NoSettings())
    with pytest.raises(InputError, match=r"Unknown kind of network 'lenets'. Did you mean 'lenet'\?"):
        trained(bench, "lenets", 0)
