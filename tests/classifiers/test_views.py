"""Grouped classes and ten crops against plain NumPy in float64; what is refused and how."""

import fake
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdfool.classifiers import custom
from qdfool.classifiers.views import grouped, surrounded, ten_crops
from qdfool.engine.objectives import log_odds
from qdfool.errors import InputError
from qdfool.types import Classifier

NAMES = ("ant", "bee", "cat", "dog", "eel", "fly")


def of_given_logits(traceable: bool = True) -> Classifier:
    """Images [B, 1, 6, 1] whose pixels, times the one parameter, are the logits."""

    def logits(scale, images):
        assert traceable or isinstance(images, np.ndarray)
        return images.reshape(images.shape[0], 6) * scale

    scale = 100.0 if traceable else np.float64(100.0)
    return Classifier("given", (1, 6, 1), NAMES, scale, logits, traceable, "0123")


def of_corners(traceable: bool = True, shape: tuple[int, int, int] = (2, 3, 2)) -> Classifier:
    """As many logits as values, so that a score tells what was seen."""
    count = int(np.prod(shape))
    weights = np.random.default_rng(1).normal(size=(count, 5)).astype(np.float32) * 4

    def logits(parameters, images):
        assert images.shape[1:] == shape
        assert traceable or (isinstance(images, np.ndarray) and images.flags.c_contiguous)
        return images.reshape(images.shape[0], -1) @ parameters

    return Classifier("corners", shape, NAMES[:5], weights, logits, traceable, "abcd")


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def call(classifier: Classifier, images: np.ndarray) -> np.ndarray:
    function = jax.jit(classifier.logits) if classifier.traceable else classifier.logits
    found = function(classifier.parameters, images)
    assert isinstance(found, jax.Array if classifier.traceable else np.ndarray)
    assert found.dtype == np.float32
    return np.asarray(found)


@pytest.mark.parametrize("traceable", [True, False])
def test_a_group_has_the_probability_of_its_members(traceable):
    view = grouped(of_given_logits(traceable), ["pet=2,dog", " insects = 0-1, fly "])
    assert view.class_names == ("pet", "insects", "rest")
    assert (view.traceable, view.fingerprint, view.image_shape) == (traceable, "0123", (1, 6, 1))
    assert view.parameters == 100.0
    images = np.random.default_rng(0).random((7, 1, 6, 1), np.float32) / 25
    expected = softmax(images.reshape(7, 6).astype(np.float64) * 100)
    expected = np.stack([expected[:, list(rows)].sum(axis=1) for rows in ((2, 3), (0, 1, 5), (4,))], axis=1)
    np.testing.assert_allclose(softmax(call(view, images).astype(np.float64)), expected, rtol=1e-5)
    custom.wrap(view)


@given(st.lists(st.floats(0, 1, width=32), min_size=6, max_size=6))
@settings(max_examples=50, deadline=None)
def test_the_log_odds_of_a_group_are_exact_where_its_softmax_is_one(pixels):
    view = grouped(of_given_logits(), ["pet=cat,dog"])
    images = np.array(pixels, np.float32).reshape(1, 1, 6, 1)
    logits = (images.reshape(6) * np.float32(100)).astype(np.float64)
    found = np.asarray(log_odds(jnp.asarray(view.logits(view.parameters, images)[0])))
    exact = np.logaddexp.reduce(logits[2:4]) - np.logaddexp.reduce(logits[[0, 1, 4, 5]])
    np.testing.assert_allclose(found, [exact, -exact], rtol=1e-5, atol=1e-4)


@pytest.mark.release
def test_a_saturated_group_still_has_an_order():
    view = grouped(of_given_logits(), ["pet=cat,dog"])
    images = np.array([[0, 0, 0.8, 0.8, 0, 0], [0, 0, 0.9, 0.9, 0, 0]], np.float32).reshape(2, 1, 6, 1)
    logits = call(view, images)
    assert (np.asarray(jax.nn.softmax(logits))[:, 0] == 1.0).all()
    odds = np.asarray(jax.vmap(log_odds)(jnp.asarray(logits)))[:, 0]
    np.testing.assert_allclose(odds, np.array([80, 90]) + np.log(2) - np.log(4), rtol=1e-6)


def test_groups_that_have_all_classes_leave_no_rest():
    view = grouped(of_given_logits(), ["insects=ant,bee,fly", "others=2-4"])
    assert view.class_names == ("insects", "others")
    assert call(view, np.zeros((1, 1, 6, 1), np.float32)).shape == (1, 2)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([], "needs a group. Expected NAME=CLASS"),
        (["cat"], "'cat' has no name, or a class is missing. Expected NAME="),
        (["=1,2"], "'=1,2' has no name"),
        (["pet="], "'pet=' has no name, or a class is missing"),
        (["pet=1,,2"], "a class is missing"),
        (["pet=1,6"], "a class in the group 'pet=1,6' must be between 0 and 5; got 6"),
        (["pet=-1"], "must be between 0 and 5; got -1"),
        (["pet=4-999999999"], "must be between 0 and 5; got 999999999"),
        (["pet=3-2"], "range '3-2' in the group 'pet=3-2' is empty"),
        (["pet=caat"], "Unknown class in the group 'pet=caat' 'caat'. Did you mean 'cat'"),
        (["pet=2,3", "four=4,3"], r"the groups 'pet' and 'four' overlap in class 3 \(dog\)"),
        (["pet=2,1-3"], r"the group 'pet' has twice class 2 \(cat\)"),
        (["pet=2", "pet=3"], "'pet' names two groups; give the group 'pet=3' another name"),
        (["rest=2"], "'rest' is the name of what no group has"),
        (["all=0-5"], "'all=0-5' has all the classes of given"),
    ],
)
def test_a_group_that_makes_no_sense_is_refused(groups, message):
    with pytest.raises(InputError, match=message):
        grouped(of_given_logits(), groups)


def ten(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """[10, B, H, W, C]: the crops, spelt out."""
    down, across = images.shape[1] - height, images.shape[2] - width
    cuts = [
        images[:, :height, :width],
        images[:, :height, across:],
        images[:, down:, :width],
        images[:, down:, across:],
        images[:, down // 2 : down // 2 + height, across // 2 : across // 2 + width],
    ]
    return np.stack(cuts + [np.flip(cut, axis=2) for cut in cuts])


@pytest.mark.parametrize("traceable", [True, False])
@pytest.mark.parametrize("side", [3, 6, 7])
def test_ten_crops_average_the_softmax(traceable, side):
    classifier = of_corners(traceable)
    view = ten_crops(classifier, side)
    assert view.image_shape == (side, side, 2)
    assert view.name == "corners, ten crops"
    assert (view.class_names, view.traceable, view.fingerprint) == (NAMES[:5], traceable, "abcd")
    assert view.parameters is classifier.parameters
    images = np.random.default_rng(2).random((4, side, side, 2), np.float32)
    cuts = ten(images.astype(np.float64), 2, 3).reshape(10, 4, -1)
    expected = softmax(cuts @ classifier.parameters.astype(np.float64)).mean(axis=0)
    found = call(view, images).astype(np.float64)
    np.testing.assert_allclose(np.exp(found), expected, rtol=1e-5)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, rtol=1e-6)
    custom.wrap(view)


@pytest.mark.parametrize("traceable", [True, False])
def test_the_log_odds_of_ten_crops_are_exact_where_the_mean_softmax_is_one(traceable):
    images = np.zeros((2, 1, 6, 1), np.float32)
    images[0, 0, 2], images[1, 0, 2:4] = 0.5, 0.6
    square = Classifier(
        "wide",
        (6, 6, 1),
        NAMES,
        np.float32(100),
        lambda scale, images: images[:, 0, :, 0] * scale,
        traceable,
    )
    # All ten crops of an image of the classifier's size are that image or its mirror image.
    view = ten_crops(square, 6)
    logits = call(view, np.broadcast_to(images, (2, 6, 6, 1)))
    exact = images.reshape(2, 6).astype(np.float64) * 100
    both = np.stack([exact, exact[:, ::-1]])
    log_probabilities = both - np.logaddexp.reduce(both, axis=2, keepdims=True)
    expected = np.logaddexp.reduce(log_probabilities, axis=0) - np.log(2)
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)
    pair = grouped(view, ["middle=cat,dog"])
    odds = np.asarray(jax.vmap(log_odds)(jnp.asarray(call(pair, np.broadcast_to(images, (2, 6, 6, 1))))))
    inner, outer = expected[:, 2:4], expected[:, [0, 1, 4, 5]]
    exact_odds = np.logaddexp.reduce(inner, axis=1) - np.logaddexp.reduce(outer, axis=1)
    assert (exact_odds > 40).all()
    np.testing.assert_allclose(odds[:, 0], exact_odds, rtol=1e-5)


@pytest.mark.parametrize(("shape", "side"), [((8, 4, 1), 7), ((4, 8, 1), 7), ((8, 8, 1), -1)])
def test_a_side_smaller_than_the_classifier_is_refused(shape, side):
    classifier = Classifier("big", shape, NAMES, {}, lambda parameters, images: images)
    with pytest.raises(InputError, match=f"at least as large as big takes them.*got a side of {side}"):
        ten_crops(classifier, side)


@pytest.mark.parametrize("traceable", [True, False])
@pytest.mark.parametrize(("margin", "value"), [(0, 0.5), (1, 0.25), (2, 1.0)])
def test_a_surrounded_image_is_seen_in_the_middle_of_a_canvas(traceable, margin, value):
    shape = (5, 6, 3)
    classifier = of_corners(traceable, shape)
    view = surrounded(classifier, margin, value)
    assert view.image_shape == (5 - 2 * margin, 6 - 2 * margin, 3)
    assert (view.class_names, view.traceable, view.fingerprint) == (NAMES[:5], traceable, "abcd")
    images = np.random.default_rng(4).random((4, *view.image_shape), np.float32)
    canvas = np.full((4, *shape), value, np.float32)
    canvas[:, margin : 5 - margin, margin : 6 - margin] = images
    np.testing.assert_allclose(call(view, images), call(classifier, canvas), rtol=1e-5, atol=1e-5)
    custom.wrap(view)


@pytest.mark.parametrize(
    ("margin", "value", "message"),
    [
        (3, 0.5, "image of 5 x 6 pixels: a margin from 0 to 2; got 3"),
        (-1, 0.5, "a margin from 0 to 2; got -1"),
        (1, 1.5, "grey level of a surround must be between 0 and 1; got 1.5"),
    ],
)
def test_a_surround_that_leaves_no_image_is_refused(margin, value, message):
    with pytest.raises(InputError, match=message):
        surrounded(of_corners(shape=(5, 6, 3)), margin, value)


def test_views_of_a_classifier_on_the_host():
    host = custom.wrap(fake.host_logits)
    view = grouped(ten_crops(host, 9), ["first=0,1"])
    custom.wrap(view)
    assert not view.traceable
    same = grouped(ten_crops(fake.classifier, 9), ["first=a,b"])
    images = np.random.default_rng(3).random((3, 9, 9, 1), np.float32)
    np.testing.assert_allclose(call(view, images), call(same, images), rtol=1e-4, atol=1e-5)
