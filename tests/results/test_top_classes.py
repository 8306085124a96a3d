"""What a classifier says of elites: its surest classes, a batch at a time."""

from dataclasses import replace

import fake
import numpy as np
import pytest

from qdfool.errors import InputError
from qdfool.results import top_classes as module
from qdfool.results.top_classes import top_classes, top_of


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).random((count, *fake.SHAPE)).astype(np.float32)


def test_the_surest_classes_come_first_with_their_log_odds():
    logits = np.random.default_rng(0).normal(size=(7, 9)).astype(np.float32) * 3
    found = top_of(logits)
    softmax = np.exp(logits.astype(np.float64))
    softmax /= softmax.sum(axis=1, keepdims=True)
    assert found.classes.shape == (7, 5)
    for row, classes in enumerate(found.classes):
        assert classes.tolist() == np.argsort(-logits[row])[:5].tolist()
        np.testing.assert_allclose(1 / (1 + np.exp(-found.log_odds[row])), softmax[row, classes], rtol=1e-9)


def test_what_is_nearly_certain_is_told_apart():
    found = top_of(np.array([[60.0, 0.0], [90.0, 0.0]], np.float32))
    assert found.log_odds[:, 0].tolist() == [60.0, 90.0]
    assert found.log_odds[:, 1].tolist() == [-60.0, -90.0]


@pytest.mark.parametrize("batch", [1, 4, 5, 10, 64])
@pytest.mark.parametrize("traceable", [True, False])
def test_batches_change_nothing(batch, traceable):
    all_of_them, sizes = images(10), []

    def asked_for(rows):
        sizes.append(len(rows))
        return all_of_them[rows]

    classifier = fake.classifier if traceable else replace(fake.classifier, traceable=False)
    found = top_classes(classifier, asked_for, 10, batch)
    assert found is not None
    assert len(set(sizes)) == 1
    expected = top_of(np.asarray(fake.logits(all_of_them)))
    np.testing.assert_array_equal(found.classes, expected.classes)
    np.testing.assert_allclose(found.log_odds, expected.log_odds, rtol=1e-4, atol=1e-4)


def test_what_would_take_too_long_is_given_up_after_the_second_batch(monkeypatch):
    clock, asked = iter(range(0, 1000, 3)), []
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    all_of_them = images(40)

    def asked_for(rows):
        asked.append(len(rows))
        return all_of_them[rows]

    assert top_classes(fake.classifier, asked_for, 40, 4, seconds=10) is None
    assert len(asked) == 2
    assert top_classes(fake.classifier, asked_for, 40, 4, seconds=1000) is not None


def test_a_classifier_that_fails_is_named():
    def failing(parameters, images):
        raise ConnectionError("gone")

    with pytest.raises(InputError, match="fake failed on its elites: ConnectionError: gone"):
        top_classes(
            replace(fake.classifier, logits=failing, traceable=False), lambda rows: images(len(rows)), 3, 3
        )
    never = replace(
        fake.classifier, logits=lambda _, images: np.full((len(images), 4), np.nan), traceable=False
    )
    with pytest.raises(InputError, match="finite"):
        top_classes(never, lambda rows: images(len(rows)), 3, 3)
