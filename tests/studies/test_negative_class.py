"""The training sets of `negative-class`, and its classifiers of one network or several."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qdfool.analysis.statistics import Interval
from qdfool.classifiers import lenet
from qdfool.studies.negative_class.networks import (
    ONE,
    SIX,
    THREE,
    Examples,
    accuracy,
    logits,
    trained,
    with_class,
)
from qdfool.studies.negative_class.report import raised_and_lowered
from qdfool.studies.negative_class.search import ones_to_measure_with

RANDOM = np.random.default_rng(0)
DIGITS = Examples(
    np.where(RANDOM.random((60, 28, 28, 1)) < 0.2, 255, 0).astype(np.uint8),
    np.arange(60, dtype=np.int32) % 10,
)


def made(name: str) -> Examples:
    return {**SIX, **THREE}[name].make(DIGITS, np.random.default_rng(1))


@pytest.mark.parametrize("name", [*SIX, *THREE])
def test_training_sets_are_black_and_white_and_have_every_class(name):
    examples, negative = made(name), {**SIX, **THREE}[name]
    assert examples.images.shape == (len(examples.labels), 28, 28, 1)
    assert set(np.unique(examples.images)) <= {0, 255}
    # The fooling class is empty until images have fooled the network.
    expected = range(negative.classes - (1 if negative.rounds else 0))
    assert set(examples.labels) == set(expected)
    again = negative.make(DIGITS, np.random.default_rng(1))
    np.testing.assert_array_equal(examples.images, again.images)


@pytest.mark.parametrize("name", list(SIX)[1:])
def test_ones_have_as_many_opposites(name):
    examples = made(name)
    assert (examples.labels == ONE).sum() == (examples.labels == 0).sum() == 6


def test_opposites_are_what_the_document_says():
    ones = DIGITS.images[DIGITS.labels == ONE]
    for name, white in (("noise-50", 0.5), ("noise-95", 0.05), ("black", 0.0)):
        negative = made(name).images[6:] > 0
        assert negative.mean() == pytest.approx(white, abs=5 * np.sqrt(white * (1 - white) / negative.size))
        np.testing.assert_array_equal(made(name).images[:6], ones)
    np.testing.assert_array_equal(made("inversion").images[6:], 255 - ones)
    single = made("single-one")
    assert (single.images[:6] == single.images[0]).all()
    np.testing.assert_array_equal(single.images[6:], 255 - single.images[:6])
    assert single.images[0].tolist() in ones.tolist()


def test_the_yardstick_is_calibrated_on_ones_that_are_not_scored():
    images = np.zeros((40, 28, 28, 1), np.uint8)
    for image in images:
        image[4:24, 12 + RANDOM.integers(4)] = 255
    ones = Examples(images, np.full(40, ONE, np.int32))
    odd = np.arange(40)[:, None, None, None] % 2 == 1
    ruler, scored = ones_to_measure_with(ones, ones, 15)
    np.testing.assert_array_equal(scored, images[1::2][:15] / 255)
    others = ones._replace(images=np.where(odd, RANDOM.integers(0, 255, images.shape), images))
    assert ones_to_measure_with(ones, others, 15)[0].real == ruler.real


def test_what_raises_recognisability_is_corrected_for_their_number():
    barely, clear = Interval(0.1, 0.01, 0.19, 5), Interval(-0.1, -0.101, -0.099, 5)
    moved = {name: {"genetic": barely, "engine": barely} for name in ("black", "inversion", "ensemble")}
    assert raised_and_lowered({"black": {"engine": barely}}) == ([f"ones, black (engine: {barely})"], [])
    assert raised_and_lowered(moved | {"noise-50": {"genetic": clear}}) == (
        [],
        [f"ones, noise 50/50 (genetic: {clear})"],
    )


def test_with_class_adds_at_the_end():
    added = with_class(DIGITS, np.zeros((3, 28, 28, 1), np.uint8), 10)
    assert added.labels[-3:].tolist() == [10, 10, 10]
    assert not added.images[-3:].any()


@pytest.mark.slow
def test_an_ensemble_answers_with_the_mean_softmax():
    parameters = jax.jit(jax.vmap(lenet.initialise))(jax.random.split(jax.random.key(0), 3))
    images = jnp.asarray(DIGITS.images[:4], jnp.float32) / 255
    each = [
        jax.nn.softmax(lenet.logits(jax.tree.map(lambda leaf, n=n: leaf[n], parameters), images))
        for n in range(3)
    ]
    np.testing.assert_allclose(jax.nn.softmax(logits(parameters, images)), np.mean(each, axis=0), atol=1e-5)


@pytest.mark.release
def test_networks_are_of_any_number_of_classes_and_learn():
    examples = made("inversion")
    examples = Examples(np.tile(examples.images, (12, 1, 1, 1)), np.tile(examples.labels, 12))
    parameters = trained(SIX["inversion"], examples, jax.random.key(0), 4)
    assert parameters["ip2"]["bias"].shape == (1, 2)
    assert accuracy(parameters, made("inversion")) == 1.0
    flat = trained(SIX["inversion"], examples, jax.random.key(0), 4)
    jax.tree.map(np.testing.assert_array_equal, parameters, flat)
