"""Recognisability orders images as people do: digits, speckled ones, blots, static, nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdfool.data import mnist
from qdfool.errors import InputError
from qdfool.studies import recognisability as r

SIDE = 28
random = np.random.default_rng(0)


def stack(*masks):
    return np.array(masks, np.float32)[..., None]


def drawn_seven(left=8):
    """A seven of straight strokes three pixels wide."""
    image = np.zeros((SIDE, SIDE), np.float32)
    image[6:9, left : left + 12] = 1
    for row in range(8, 23):
        column = left + 10 - round((row - 8) * 0.5)
        image[row, column : column + 3] = 1
    return image


def drawn_four():
    image = np.zeros((SIDE, SIDE), np.float32)
    image[5:15, 8:11], image[13:16, 8:20], image[5:23, 17:20] = 1, 1, 1
    return image


def static(share, number=20):
    return (random.random((number, SIDE, SIDE, 1)) < share).astype(np.float32)


def with_specks(images, share):
    return np.where(random.random(images.shape) < share, 1 - images, images).astype(np.float32)


def blot():
    image = np.zeros((SIDE, SIDE), np.float32)
    image[6:20, 7:21] = 1
    return image


SEVENS = stack(*(drawn_seven(left) for left in range(4, 13)))
BLACK, WHITE = np.zeros((1, SIDE, SIDE, 1), np.float32), np.ones((1, SIDE, SIDE, 1), np.float32)
SURE_OF_SEVEN = np.where(np.arange(10) == 7, 9.0, 0.0)


def test_strokes_order_images_as_people_do():
    median = {
        name: np.median(r.connected_ink(images))
        for name, images in {
            "seven": SEVENS,
            "specks": with_specks(np.repeat(SEVENS, 3, 0), 0.05),
            "more": with_specks(np.repeat(SEVENS, 3, 0), 0.2),
            "blot": stack(blot()),
            "black": BLACK,
            "white": WHITE,
        }.items()
    }
    assert median["seven"] > 0.98
    assert median["seven"] > median["specks"] > median["more"] > max(median["black"], median["white"])
    assert median["specks"] > median["blot"]
    assert median["black"] == median["white"] == 0


@pytest.mark.parametrize("share", [0.02, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95])
def test_static_of_any_density_has_no_strokes(share):
    assert np.mean(r.connected_ink(static(share))) < 0.1


@pytest.mark.release
@settings(max_examples=12, deadline=None)
@given(st.integers(0, 3), st.booleans(), st.booleans())
def test_strokes_do_not_depend_on_how_an_image_lies(turns, flipped, transposed):
    image = drawn_four()
    image = np.rot90(image, turns)
    image = image[:, ::-1] if flipped else image
    image = image.T if transposed else image
    assert r.connected_ink(stack(image))[0] > 0.95


@pytest.mark.release
def test_strokes_of_many_images_are_those_of_each():
    images = np.concatenate([SEVENS, static(0.5, 60), with_specks(SEVENS, 0.1)])
    together = r.connected_ink(images)
    np.testing.assert_array_equal(
        together, np.concatenate([r.connected_ink(images[i : i + 7]) for i in range(0, 78, 7)])
    )
    with pytest.raises(InputError, match=r"\[n, height, width, 1\]"):
        r.connected_ink(images[..., 0])


def test_nearest_distance_is_that_of_plain_arithmetic():
    images, references = random.random((300, 4, 5, 1)), random.random((7, 4, 5, 1))
    plain = np.sqrt(((images[:, None] - references) ** 2).mean((2, 3, 4)).min(1))
    np.testing.assert_allclose(r.nearest_distance(images, references), plain, atol=1e-5)
    assert r.nearest_distance(BLACK, WHITE)[0] == 1
    flat_images, flat_references = images.reshape(300, -1), references.reshape(7, -1)
    correlation = np.corrcoef(flat_images, flat_references)[:300, 300:].max(1)
    np.testing.assert_allclose(r.nearest_correlation(images, references), correlation, atol=1e-5)
    with pytest.raises(InputError, match="20 pixels"):
        r.nearest_distance(images, WHITE)


def test_a_reference_is_compared_with_the_others_when_asked():
    references = random.random((600, 9))
    distances = np.sqrt(((references[:, None] - references) ** 2).mean(2))
    np.fill_diagonal(distances, np.inf)
    np.testing.assert_allclose(r.nearest_distance(references, references), 0, atol=1e-3)
    left_out = r.nearest_distance(references, references, among=True)
    np.testing.assert_allclose(left_out, distances.min(1), atol=1e-5)
    assert (r.nearest_correlation(references, references, among=True) < 1).all()


def test_correlation_knows_neither_brightness_nor_contrast_nor_nothing():
    np.testing.assert_allclose(r.nearest_correlation(0.2 + 0.5 * SEVENS, SEVENS), 1, atol=1e-5)
    np.testing.assert_allclose(r.nearest_correlation(np.concatenate([BLACK, WHITE, WHITE / 3]), SEVENS), 0)


def test_agreement_counts_judges():
    logits = np.zeros((4, 2, 3))
    logits[:3, 0, 1] = 5  # three of four judges say 1 of the first image
    logits[3, 0, 2] = 5
    votes, probability = r.agreement(logits, 1)
    sure = np.exp(5) / (np.exp(5) + 2)
    np.testing.assert_allclose(votes, [0.75, 0])
    np.testing.assert_allclose(probability, [(3 * sure + (1 - sure) / 2) / 4, 1 / 3], rtol=1e-5)
    for bad in (logits[0], logits[..., :1]):
        with pytest.raises(InputError, match=r"\[judges, images, classes\]"):
            r.agreement(bad, 1)


def test_the_combined_number_needs_all_three():
    ruler = r.yardstick(SEVENS[::2], SEVENS[1::2])
    images = np.concatenate([SEVENS[:1], stack(drawn_four()), static(0.5, 1), BLACK, WHITE])
    sure = np.broadcast_to(SURE_OF_SEVEN, (3, len(images), 10))
    found = r.recognisability(images, sure, 7, ruler)
    assert all(((value >= 0) & (value <= 1)).all() for value in found)
    assert found.combined[0] > 0.95
    assert found.combined[0] > found.combined[1] > 0
    np.testing.assert_array_equal(found.combined[2:], 0)
    np.testing.assert_allclose(
        found.combined, found.probability * np.sqrt(found.closeness * found.strokes), rtol=1e-5
    )
    # What the judges read as another digit is no seven, however it is drawn.
    assert r.recognisability(images, np.roll(sure, 1, axis=2), 7, ruler).combined[0] < 0.1
    with pytest.raises(InputError, match="logits of 5 images"):
        r.recognisability(images, sure[:, :2], 7, ruler)


def test_halves_share_no_example_and_leave_none_out():
    examples = np.arange(7)
    calibrating, scored = r.halves(examples)
    assert not set(calibrating) & set(scored)
    assert sorted([*calibrating, *scored]) == examples.tolist()


def test_a_yardstick_needs_examples_of_one_digit():
    with pytest.raises(InputError, match="got 0 and 9"):
        r.yardstick(SEVENS[:0], SEVENS)
    with pytest.raises(InputError, match="same digit"):
        r.yardstick(SEVENS, static(0.5))


@pytest.mark.release
def test_real_digits_keep_the_order(data_folder):
    data = mnist.load(data_folder)
    references = data.train_images[data.train_labels == 7][:2000] / np.float32(255)
    sevens = data.test_images[data.test_labels == 7][:60] / np.float32(255)
    others = {
        digit: data.test_images[data.test_labels == digit][:60] / np.float32(255) for digit in (0, 3, 4)
    }
    ruler = r.yardstick(references, sevens)
    sets = {
        "real": sevens,
        "5 %": with_specks(sevens, 0.05),
        "20 %": with_specks(sevens, 0.2),
        "static": static(0.2, 60),
        "half": static(0.5, 60),
    }
    # The judges agree throughout: this is the order of closeness and strokes alone.
    medians = [
        np.median(r.recognisability(images, np.broadcast_to(SURE_OF_SEVEN, (2, 60, 10)), 7, ruler).combined)
        for images in sets.values()
    ]
    assert medians[0] > 0.9
    assert medians == sorted(medians, reverse=True)
    assert medians[1] - medians[2] > 0.1
    assert medians[2] > 0.2
    assert medians[3] == medians[4] == 0
    for images in others.values():
        assert np.median(r.connected_ink(images)) > 0.85
        far = np.median(r.nearest_correlation(images, references))
        assert far < np.median(r.nearest_correlation(sevens, references)) - 0.1
