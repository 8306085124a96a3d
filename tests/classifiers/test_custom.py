"""A user's own classifier: what is taken, what is refused and how."""

import contextlib
import hashlib
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import fake
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from qdfool.classifiers.custom import wrap
from qdfool.classifiers.logits_check import check_values
from qdfool.classifiers.program import Traced
from qdfool.errors import InputError
from qdfool.types import Classifier


class Module(nnx.Module):
    image_shape = fake.SHAPE

    def __init__(self):
        self.dense = nnx.Linear(64, 3, rngs=nnx.Rngs(0))
        self.dropout = nnx.Dropout(0.5, rngs=nnx.Rngs(1))

    def __call__(self, images):
        return self.dense(self.dropout(images.reshape(images.shape[0], -1)))


class Service:
    """Counts how often it is really called: a tracer is turned away before it costs anything."""

    def __init__(self, answer):
        self.calls = 0
        self.answer = answer

    def __call__(self, images):
        images = np.asarray(images)
        self.calls += 1
        return self.answer(images)


def test_a_function_is_wrapped_with_its_own_shape():
    classifier = wrap(fake.logits)
    assert classifier.image_shape == fake.SHAPE
    assert classifier.class_names == ("class 0", "class 1", "class 2", "class 3")
    assert classifier.traceable


def test_a_function_on_numpy_is_called_from_the_host():
    classifier = wrap(fake.host_logits)
    assert not classifier.traceable
    images = np.random.default_rng(1).random((5, *fake.SHAPE), np.float32)
    np.testing.assert_array_equal(classifier.logits(classifier.parameters, images), fake.logits(images))


def test_a_module_is_split_and_evaluated_without_dropout():
    module = Module()
    classifier = wrap(module)
    assert classifier.traceable
    assert len(jax.tree.leaves(classifier.parameters)) >= 2
    images = jnp.ones((3, *fake.SHAPE))
    module.eval()
    np.testing.assert_allclose(classifier.logits(classifier.parameters, images), module(images), rtol=1e-6)


def test_a_classifier_is_taken_as_it_is():
    classifier = wrap(fake.classifier)
    known = {name: getattr(classifier, name) for name in ("fingerprint", "answers", "logits")}
    assert classifier == replace(fake.classifier, **known)
    assert classifier.answers
    assert re.fullmatch("[0-9a-f]{64}", classifier.fingerprint)
    assert isinstance(classifier.logits, Traced)
    assert classifier.logits.logits is fake.classifier.logits


def test_parameters_that_are_no_arrays_have_no_fingerprint():
    for parameters in ({"model": object()}, {"names": np.array(["a", None], dtype=object)}, {}):
        own = replace(
            fake.classifier, parameters=parameters, logits=lambda p, images: fake.host_logits(images)
        )
        assert wrap(replace(own, traceable=False)).fingerprint == ""


@pytest.mark.parametrize("answer", [fake.host_logits, fake.probabilities, lambda images: images[:, 0, 0]])
def test_a_service_is_called_once_to_be_checked(answer):
    """Its class count, values and type are all of one answer."""
    service = Service(answer)
    with contextlib.suppress(InputError):
        assert wrap(service, fake.SHAPE).class_names == tuple(f"class {index}" for index in range(4))
    assert service.calls == 1
    service = Service(answer)
    names = ("a", "b", "c", "d")
    own = Classifier("own", fake.SHAPE, names, {}, lambda _, images: service(images), traceable=False)
    with contextlib.suppress(InputError):
        wrap(own)
    assert service.calls == 1


@pytest.mark.parametrize("file", [5, None, b"a", "/no/such/file", "a\0b", "/dev/zero"])
def test_a_module_may_say_anything_of_its_file(monkeypatch, file):
    monkeypatch.setattr(fake, "__file__", file)
    assert wrap(fake.logits, reference="fake:logits").file_hash == ""


def test_what_can_be_imported_is_named_and_its_file_hashed():
    classifier = wrap(fake.logits)
    file_hash = hashlib.sha256(Path(fake.__file__).read_bytes()).hexdigest()
    assert (classifier.name, classifier.reference, classifier.file_hash) == (
        "fake:logits",
        "fake:logits",
        file_hash,
    )
    named = wrap(fake.classifier, reference="fake:classifier")
    assert (named.name, named.reference, named.file_hash) == ("fake", "fake:classifier", file_hash)


def test_what_cannot_be_imported_has_a_name_alone():
    def local(images):
        return fake.logits(images)

    for found, name in ((local, "local"), (Service(fake.host_logits), "Service")):
        classifier = wrap(found, fake.SHAPE)
        assert (classifier.name, classifier.reference, classifier.file_hash) == (name, "", "")


@pytest.mark.parametrize("found", [fake.logits, fake.classifier])
def test_images_of_another_size_than_its_own_are_refused(found):
    assert wrap(found, fake.SHAPE).image_shape == fake.SHAPE
    with pytest.raises(InputError, match="takes images of 8 x 8 x 1; got the `image_shape` 28 x 28 x 1"):
        wrap(found, (28, 28, 1))


class Guarded:
    """Raises what it is told when it is asked for what it has not."""

    def __init__(self, failure):
        self.__dict__["failure"] = failure

    def __getattr__(self, name):
        raise self.failure

    def __call__(self, images):
        return fake.host_logits(images)


@pytest.mark.parametrize(
    "failure", [SystemExit(0), RuntimeError("\x1b[2J\nall good"), KeyError("__qualname__")]
)
def test_what_fails_when_it_is_asked_for_an_attribute_is_named(failure):
    with pytest.raises(InputError, match=f"a Guarded, fails .*: {type(failure).__name__}") as caught:
        wrap(Guarded(failure), fake.SHAPE)
    assert str(caught.value).isprintable()
    assert wrap(Guarded(AttributeError()), fake.SHAPE).name == "Guarded"


@pytest.mark.parametrize("name", ["\x1b[2J", "two\nlines", "", "x" * 301])
def test_a_function_of_an_odd_name_is_refused(name):
    def function(images):
        return fake.host_logits(images)

    function.__name__ = name
    with pytest.raises(InputError, match=r"A classifier of your own .*name") as caught:
        wrap(function, fake.SHAPE)
    assert str(caught.value).isprintable()


def test_a_module_that_fails_when_it_is_asked_names_nothing(monkeypatch):
    def asked(name):
        raise SystemExit(0)

    module = ModuleType("guarded_module")
    module.__dict__["__getattr__"] = asked
    monkeypatch.setitem(sys.modules, "guarded_module", module)

    def function(images):
        return fake.host_logits(images)

    function.__module__, function.__qualname__ = "guarded_module", "function"
    assert wrap(function, fake.SHAPE).reference == ""


def test_as_many_classes_as_nothing_has_are_refused_by_the_shape():
    with pytest.raises(InputError, match=r"returned shape \[8, 1000000000\]"):
        wrap(lambda images: np.broadcast_to(np.float32(0), (len(images), 10**9)), fake.SHAPE)


class Odd(BaseException):
    """Of no kind that anybody expects."""

    def __str__(self):
        raise RuntimeError("not even a text")


@pytest.mark.parametrize(
    "failure", [SystemExit(0), GeneratorExit(), Odd(), ValueError("\x1b[2J\nall good" * 1000)]
)
def test_whatever_a_classifier_raises_at_the_start_is_one_short_line(failure):
    def mine(images):
        raise failure

    with pytest.raises(
        InputError, match=rf"mine failed on images .*: {type(failure).__name__}[.:] "
    ) as refused:
        wrap(mine)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 1000


def test_a_classifier_that_leaves_when_it_meets_a_tracer_is_called_from_the_host():
    def mine(images):
        if not isinstance(images, np.ndarray):
            raise SystemExit(0)
        return fake.host_logits(images)

    assert not wrap(mine, fake.SHAPE).traceable


def test_an_interrupt_at_the_start_is_one():
    def mine(images):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wrap(mine)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (fake.probabilities, "these are probabilities. Expected logits"),
        (fake.always_nan, "8 of 8 images got NaN or infinity"),
        (fake.one_number, r"returned shape \[8\] for 8 images. Expected logits \[8, K\]"),
        (fake.not_a_classifier, "mine is of type int. Expected a function from images"),
        (Module, "mine is the class Module. Expected a function"),
        (lambda images: images @ np.ones(7), r"failed on images \[8, 28, 28, 1\].*`image_shape`"),
        (
            lambda images: np.argmax(fake.logits(images[:, :8, :8]), axis=1)[:, None] * [1, 0],
            "returned int64",
        ),
        (lambda images: "cat", r"mine returned a str\. Expected an array of logits \[B, K\]"),
        (lambda images: {"logits": np.zeros((len(images), 2))}, r"mine returned a dict\. Expected an array"),
        (lambda images: [["a", "b"]] * len(images), r"mine returned <U1\. Expected logits as floating-point"),
    ],
)
def test_what_does_not_return_logits_is_refused(function, message):
    with pytest.raises(InputError, match=message):
        wrap(function, reference="mine")


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_probabilities_are_refused_from_jax_too(dtype):
    """In bfloat16 they sum to 1 by a few thousandths."""

    def softmax(images):
        logits = jnp.tile(fake.logits(images[:, :8, :8]), 25) + jnp.arange(100) / 30
        return jax.nn.softmax(logits.astype(dtype), axis=-1)

    with pytest.raises(InputError, match="these are probabilities"):
        wrap(softmax)


def test_what_may_come_from_a_sigmoid_is_warned_of(caplog):
    wrap(lambda images: jax.nn.sigmoid(fake.logits(images[:, :8, :8])), reference="mine")
    assert "All that mine answers to 8 images lies in [0, 1], as confidences of a sigmoid do." in caplog.text
    caplog.clear()
    wrap(lambda images: fake.logits(images[:, :8, :8]))
    assert not caplog.messages


def test_names_must_be_as_many_as_logits_and_unique():
    with pytest.raises(InputError, match="names 3 classes but returns 4 logits"):
        wrap(replace(fake.classifier, class_names=("a", "b", "c")))
    with pytest.raises(InputError, match="must be unique; fake has twice: crane"):
        wrap(replace(fake.classifier, class_names=("crane", "b", "crane", "d")))


def test_logits_that_happen_to_be_positive_are_fine():
    check_values("mine", np.array([[0.2, 0.9], [0.1, 0.9]]))
