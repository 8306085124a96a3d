"""A user's own classifier: what is taken, what is refused and how."""

from dataclasses import replace

import fake
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from qdfool.classifiers.custom import check, check_values, wrap
from qdfool.errors import InputError


class Module(nnx.Module):
    image_shape = fake.SHAPE

    def __init__(self):
        self.dense = nnx.Linear(64, 3, rngs=nnx.Rngs(0))
        self.dropout = nnx.Dropout(0.5, rngs=nnx.Rngs(1))

    def __call__(self, images):
        return self.dense(self.dropout(images.reshape(images.shape[0], -1)))


def wrapped(function):
    classifier = wrap(function, "mine", (28, 28, 1))
    check(classifier)
    return classifier


def test_a_function_is_wrapped_with_its_own_shape():
    classifier = wrapped(fake.logits)
    assert classifier.image_shape == fake.SHAPE
    assert classifier.class_names == ("class 0", "class 1", "class 2", "class 3")
    assert classifier.traceable


def test_a_function_on_numpy_is_called_from_the_host():
    classifier = wrapped(fake.host_logits)
    assert not classifier.traceable
    images = np.random.default_rng(1).random((5, *fake.SHAPE), np.float32)
    np.testing.assert_array_equal(classifier.logits(classifier.parameters, images), fake.logits(images))


def test_a_module_is_split_and_evaluated_without_dropout():
    module = Module()
    classifier = wrapped(module)
    assert classifier.traceable
    assert len(jax.tree.leaves(classifier.parameters)) >= 2
    images = jnp.ones((3, *fake.SHAPE))
    module.eval()
    np.testing.assert_allclose(classifier.logits(classifier.parameters, images), module(images), rtol=1e-6)


def test_a_classifier_is_taken_as_it_is():
    assert wrap(fake.classifier, "mine", (28, 28, 1)) is fake.classifier


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (fake.probabilities, "these are probabilities. Expected logits"),
        (fake.always_nan, "8 of 8 images got NaN or infinity"),
        (fake.one_number, r"returned shape \[8\] for 8 images. Expected logits \[8, K\]"),
        (fake.not_a_classifier, "mine is of type int. Expected a function from images"),
        (Module, "mine is the class Module. Expected a function"),
        (lambda images: images @ np.ones(7), r"failed on images \[8, 28, 28, 1\].*--image-shape"),
        (
            lambda images: np.argmax(fake.logits(images[:, :8, :8]), axis=1)[:, None] * [1, 0],
            "returned int64",
        ),
        (lambda images: "cat", "returned shape"),
    ],
)
def test_what_does_not_return_logits_is_refused(function, message):
    with pytest.raises(InputError, match=message):
        wrapped(function)


def test_probabilities_are_refused_from_jax_too():
    with pytest.raises(InputError, match="these are probabilities"):
        wrapped(lambda images: jax.nn.softmax(fake.logits(images[:, :8, :8]), axis=-1))


def test_names_must_be_as_many_as_logits_and_unique():
    with pytest.raises(InputError, match="names 3 classes but returns 4 logits"):
        check(replace(fake.classifier, class_names=("a", "b", "c")))
    with pytest.raises(InputError, match="must be unique; fake has twice: crane"):
        check(replace(fake.classifier, class_names=("crane", "b", "crane", "d")))


def test_logits_that_happen_to_be_positive_are_fine():
    check_values("mine", np.array([[0.2, 0.9], [0.1, 0.9]]))
