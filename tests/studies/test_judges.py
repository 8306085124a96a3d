"""Judges are trained apart, on parts that no two share, and survive being kept as arrays."""

import numpy as np
import pytest

from qdfool.classifiers import lenet
from qdfool.data import mnist
from qdfool.errors import InputError
from qdfool.studies import judges

random = np.random.default_rng(0)


def bars(number):
    """Ten classes of bright rows: easy to learn in a few steps."""
    labels = random.integers(0, 10, number).astype(np.int32)
    images = random.integers(0, 40, (number, 28, 28, 1)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 + 2 * label : 5 + 2 * label] = 255
    return images, labels


@pytest.fixture(scope="module")
def data():
    return mnist.Mnist(*bars(800), *bars(200))


@pytest.fixture(scope="module")
def panel(data):
    return judges.train_judges(data, count=2, images=400, epochs=2)


@pytest.mark.slow
def test_judges_learn_and_differ(panel, data):
    assert (panel.errors < 0.3).all()
    logits = judges.logits(panel, data.test_images / 255)
    assert logits.shape == (2, 200, 10)
    assert np.abs(logits[0] - logits[1]).max() > 0.1
    np.testing.assert_allclose((logits.argmax(2) != data.test_labels).mean(1), panel.errors, atol=1e-6)
    # In batches of another size, and for the network itself, the same.
    np.testing.assert_allclose(judges.logits(panel, data.test_images / 255, 64), logits, atol=1e-3)
    first = {name: {key: leaf[0] for key, leaf in layer.items()} for name, layer in panel.parameters.items()}
    np.testing.assert_allclose(lenet.logits(first, data.test_images / 255), logits[0], atol=1e-3)
    assert judges.logits(panel, data.test_images[:0]).shape == (2, 0, 10)


@pytest.mark.slow
def test_judges_come_back_from_arrays(panel, data):
    arrays = judges.to_arrays(panel)
    back = judges.from_arrays(arrays)
    np.testing.assert_array_equal(back.errors, panel.errors)
    np.testing.assert_array_equal(
        judges.logits(back, data.test_images / 255), judges.logits(panel, data.test_images / 255)
    )
    with pytest.raises(InputError, match="judges"):
        judges.from_arrays({name: array for name, array in arrays.items() if name != "ip2/bias"})


@pytest.mark.parametrize("wrong", [{"count": 0}, {"images": 10}, {"count": 3, "images": 400}])
def test_parts_must_fit(data, wrong):
    with pytest.raises(InputError, match="must be"):
        judges.train_judges(data, **wrong)


def test_half_of_the_images_get_specks():
    images = np.zeros((400, 28, 28, 1), np.uint8)
    inverted = (judges.speckled(images, 3) == 255).mean((1, 2, 3))
    assert 0.4 < (inverted == 0).mean() < 0.6
    assert 0.2 < inverted.max() < 0.3
    np.testing.assert_array_equal(judges.speckled(images, 3), judges.speckled(images, 3))
