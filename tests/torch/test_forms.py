"""The other side of `benchmarks.throughput --torch`."""

import functools
from typing import cast

import jax
import numpy as np
import pytest

from qdfool.classifiers.networks import architecture
from qdfool.classifiers.porting import classifier
from qdfool.errors import InputError

pytestmark = pytest.mark.torch


def test_every_form_is_the_network_and_folding_leaves_no_batch_norm(torch, torchvision, tmp_path):
    from benchmarks.torch_networks import forms, random_weights

    weights = random_weights("resnet18", tmp_path)
    ours = classifier(architecture("resnet18"), weights, image_size=32)
    images = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)
    expected = np.asarray(jax.jit(ours.logits)(ours.parameters, images))
    found = forms(ours, weights)
    assert list(found) == [
        "eager batch norms",
        "compiled batch norms",
        "eager folded",
        "compiled folded",
        "compiled, frozen folded",
    ]
    given = torch.from_numpy(images).permute(0, 3, 1, 2)
    for name in ("eager batch norms", "eager folded"):
        np.testing.assert_allclose(found[name](given), expected, atol=1e-4 * abs(expected).max())
    network = cast(functools.partial, found["eager folded"]).args[0]
    assert not [one for one in network.modules() if isinstance(one, torch.nn.BatchNorm2d)]


def test_a_network_that_torchvision_has_not_is_refused(torch, torchvision, tmp_path):
    from benchmarks.torch_networks import forms

    ours = classifier(architecture("inception_resnet_v2"), "random", image_size=75)
    with pytest.raises(InputError, match=r"--torch has MobileNets and alexnet, .* got inception_resnet_v2"):
        forms(ours, None)
