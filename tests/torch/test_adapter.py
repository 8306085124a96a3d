"""PyTorch modules and tensors as they are: layout, normalisation, evaluation mode, no gradients."""

from dataclasses import replace
from typing import Any

import fake
import numpy as np
import pytest

import qdfool
from qdfool.build import build_classifier, with_classifier
from qdfool.classifiers.custom import wrap
from qdfool.errors import InputError

pytestmark = pytest.mark.torch

IMAGES = np.random.default_rng(1).random((5, 8, 6, 3), np.float32)


@pytest.fixture
def module(torch) -> Any:
    """A network that answers differently in training, and that tells height from width and colours apart."""
    torch.manual_seed(0)
    layers = (
        torch.nn.Conv2d(3, 4, (3, 2)),
        torch.nn.BatchNorm2d(4),
        torch.nn.Dropout(0.5),
        torch.nn.Flatten(),
    )
    module = torch.nn.Sequential(*layers, torch.nn.Linear(4 * 6 * 5, 3))
    module(torch.rand(16, 3, 8, 6))  # batch normalisation has seen something
    return module.train()


def expected(torch, module, images, mean, std):
    """What the module makes of images [B, H, W, C], written out."""
    module.eval()
    normalised = (images - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    return module(torch.from_numpy(normalised).permute(0, 3, 1, 2)).detach().numpy()


@pytest.mark.parametrize(("mean", "std"), [((0.1, 0.5, 0.9), (0.2, 0.3, 0.4)), (0.5, 0.25), (None, None)])
def test_a_module_sees_its_own_layout_and_normalisation(torch, module, mean, std):
    classifier = qdfool.from_torch(module, mean, std, image_shape=(8, 6, 3))
    found = classifier.logits({}, IMAGES)
    wanted = expected(torch, module, IMAGES, 0.0 if mean is None else mean, 1.0 if std is None else std)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    assert isinstance(found, np.ndarray)
    assert not classifier.traceable
    assert classifier.class_names == ("class 0", "class 1", "class 2")
    module.train()
    np.testing.assert_array_equal(classifier.logits({}, IMAGES), found)


def test_a_module_in_bfloat16_is_called_in_it(torch, module):
    classifier = qdfool.from_torch(module.bfloat16(), image_shape=(8, 6, 3), class_names=("a", "b", "c"))
    assert classifier.class_names == ("a", "b", "c")
    assert classifier.logits({}, IMAGES).dtype == np.float32


def test_the_fingerprint_is_of_the_weights(torch, module):
    first = qdfool.from_torch(module, image_shape=(8, 6, 3)).fingerprint
    assert first == qdfool.from_torch(module, 0.5, 0.5, image_shape=(8, 6, 3)).fingerprint
    with torch.no_grad():
        module[0].weight[0, 0, 0, 0] += 1
    assert len(first) == 64
    assert qdfool.from_torch(module, image_shape=(8, 6, 3)).fingerprint != first


def test_what_has_no_tensor_to_hash_has_no_fingerprint(torch):
    """As an ensemble in a list, or packed weights: it is known by its answers alone."""

    class Ensemble(torch.nn.Module):
        def __init__(self, extra):
            super().__init__()
            self.networks = [torch.nn.Linear(48, 3)]
            self.extra = extra

        def forward(self, images):
            return self.networks[0](images.flatten(1)[:, :48])

        def get_extra_state(self):
            return self.extra

        def set_extra_state(self, state):
            self.extra = state

    class Plain(Ensemble):
        get_extra_state = torch.nn.Module.get_extra_state

    for module in (Ensemble("packed"), Plain("")):
        assert qdfool.from_torch(module, image_shape=(8, 6, 3)).fingerprint == ""


def test_a_module_without_its_weights_is_named(torch):
    for layer in (torch.nn.LazyLinear(3), torch.nn.Linear(48, 3).to("meta")):
        module = torch.nn.Sequential(torch.nn.Flatten(), layer)
        with pytest.raises(
            InputError, match=r"The tensors of Sequential cannot be read: .* with its weights\."
        ):
            qdfool.from_torch(module, image_shape=(4, 4, 3))


def test_what_does_not_fit_a_module_is_refused(torch, module):
    for settings, message in (
        ({"mean": (0.5, 0.5)}, "mean must be a finite number, or 3 of them"),
        ({"std": float("nan")}, "std must be a finite number, or 3 of them"),
        ({"mean": "x"}, "mean must be a finite number, or 3 of them, one per channel; got 'x'"),
        ({"std": [[1], [1, 2]]}, "std must be a finite number, or 3 of them"),
        ({"image_shape": (8, 6)}, "`image_shape` must be"),
        ({"image_shape": (8, 6, 0)}, "`image_shape` must be"),
        ({"std": (1, 1, 0)}, "std must be above 0"),
        ({"class_names": ("a", "b")}, "names 2 classes but returns 3"),
        ({"image_shape": (8, 8, 3)}, "failed on images .*RuntimeError.*say so with `image_shape`"),
    ):
        with pytest.raises(InputError, match=message):
            qdfool.from_torch(module, **{"image_shape": (8, 6, 3), **settings})
    with pytest.raises(InputError, match=r"takes a torch.nn.Module; got function"):
        qdfool.from_torch(fake.logits)


def test_a_module_given_as_the_classifier_is_adapted_and_says_how(torch, module, small, caplog):
    config, classifier = with_classifier(replace(small, image_shape=(8, 6, 3)), module)
    np.testing.assert_allclose(
        classifier.logits({}, IMAGES), expected(torch, module, IMAGES, 0.0, 1.0), rtol=1e-4, atol=1e-5
    )
    assert config.classifier == "Sequential"
    (line,) = caplog.messages
    assert line.startswith(
        "Sequential is a torch.nn.Module. It is called in evaluation mode with tensors [B, 3, 8, 6]"
    )
    assert "(RGB), without normalisation" in line
    assert "qdfool.from_torch(module, mean=..., std=...)" in line


def test_a_module_named_by_its_module_and_attribute_evolves(torch, small, tmp_path, monkeypatch, caplog):
    (tmp_path / "linear_in_torch.py").write_text(
        "import fake, torch\n"
        "net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 4, bias=False))\n"
        "net[1].weight.data = torch.from_numpy(fake.WEIGHTS.T.copy())\n"
        "net.image_shape, net.class_names = (8, 8, 1), ['a', 'b', 'c', 'd']\n"
        "normalised = __import__('qdfool').from_torch(net, mean=0.5)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = build_classifier(replace(small, classifier="linear_in_torch:normalised"))
    assert found.reference == "linear_in_torch:normalised"
    assert not caplog.messages
    images = np.random.default_rng(0).random((12, *fake.SHAPE), np.float32)
    np.testing.assert_allclose(found.logits({}, images), fake.logits(images), rtol=1e-4, atol=1e-4)
    result = qdfool.evolve(replace(small, classifier="linear_in_torch:net", generations=2))
    assert result.class_names == ("a", "b", "c", "d")
    assert len(caplog.messages) == 1


def test_a_tensor_that_comes_back_is_taken_as_it_is(torch, small):
    weights = torch.from_numpy(fake.WEIGHTS).requires_grad_()

    def logits(images):
        return (torch.from_numpy(images).flatten(1) - 0.5) @ weights

    def rounded(images):
        return logits(images).bfloat16()

    images = np.random.default_rng(0).random((12, *fake.SHAPE), np.float32)
    for function, tolerance in ((logits, 1e-4), (rounded, 1e-2)):
        classifier = wrap(function, fake.SHAPE)
        found = classifier.logits({}, images)
        assert (type(found), found.dtype, classifier.traceable) == (np.ndarray, np.float32, False)
        np.testing.assert_allclose(found, fake.logits(images), rtol=tolerance, atol=tolerance)
    own = qdfool.Classifier(
        "own", fake.SHAPE, ("a", "b", "c", "d"), {}, lambda _, i: rounded(i), traceable=False
    )
    assert isinstance(wrap(own).logits({}, images), np.ndarray)
    audit = qdfool.AskTell(replace(small, generations=None), fake.SHAPE, ("a", "b", "c", "d"))
    audit.tell(rounded(audit.ask()))
    assert audit.result().generations == 1
