from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdfool.classifiers.training import Epoch, Training, error, moved, train
from qdfool.errors import InputError
from qdfool.types import Array, Parameters

FAST = Training(epochs=4, batch_size=16, learning_rate=0.1, shift=0)


def _linear(parameters: Parameters, images: Array) -> Array:
    return images.reshape(len(images), -1) @ parameters["kernel"] + parameters["bias"]


def _start() -> Parameters:
    return {"kernel": jnp.zeros((16, 2)), "bias": jnp.zeros(2)}


def _stripes() -> tuple[np.ndarray, np.ndarray]:
    """Class 0 is bright on the left, class 1 on the right."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 200)
    images = random.integers(0, 100, (200, 4, 4, 1), dtype=np.uint8)
    images[labels == 0, :, :2] += 150
    images[labels == 1, :, 2:] += 150
    return images, labels


def _train(seed: int = 0, **changed: Callable) -> tuple[Parameters, list[Epoch]]:
    return train(_linear, _start(), *_stripes(), jax.random.key(seed), FAST, **changed)


def test_training_learns_what_can_be_learned():
    parameters, history = _train()
    assert error(_linear, _start(), *_stripes()) > 0.3
    assert error(_linear, parameters, *_stripes()) == 0
    assert [epoch.number for epoch in history] == [1, 2, 3, 4]
    assert history[-1].loss < 0.5 * history[0].loss
    assert history[-1].error == 0


def test_training_follows_the_key():
    one, same, other = _train(0)[0], _train(0)[0], _train(1)[0]
    jax.tree.map(np.testing.assert_array_equal, one, same)
    assert not np.array_equal(one["kernel"], other["kernel"])


def test_a_network_that_learns_is_given_a_key_of_its_own_each_step():
    def shaken(parameters: Parameters, images: Array, key: Array) -> Array:
        return _linear(parameters, images) + 3 * jax.random.normal(key, (len(images), 2))

    still, moving = _train()[1], _train(learner=shaken)[1]
    assert moving[0].loss != still[0].loss
    assert _train(learner=shaken)[1] == moving
    ignored = _train(learner=lambda parameters, images, key: _linear(parameters, images))[0]
    assert error(_linear, ignored, *_stripes()) == 0


def test_the_first_loss_is_the_cross_entropy_of_the_start():
    images, labels = _stripes()
    one_step = Training(epochs=1, batch_size=len(images), shift=0)
    _, history = train(_linear, _start(), images, labels, jax.random.key(0), one_step)
    assert history[0].loss == pytest.approx(np.log(2))
    assert history[0].error == pytest.approx(np.mean(labels != 0))


def test_callbacks_see_every_step_and_epoch():
    steps, epochs = [], []
    _, history = _train(on_step=lambda done, total: steps.append((done, total)), on_epoch=epochs.append)
    assert steps == [(done, 48) for done in range(1, 49)]
    assert epochs == history


def test_labels_that_are_smoothed_leave_the_other_classes_their_share():
    images, labels = np.zeros((64, 1, 1, 1), np.uint8), np.zeros(64, np.int32)
    start = {"bias": jnp.zeros(4)}
    smooth = Training(epochs=60, batch_size=64, learning_rate=1.0, label_smoothing=0.2)

    def biases(parameters: Parameters, images: Array) -> Array:
        return jnp.broadcast_to(parameters["bias"], (len(images), 4))

    found, _ = train(biases, start, images, labels, jax.random.key(0), smooth)
    np.testing.assert_allclose(jax.nn.softmax(found["bias"]), [0.85, 0.05, 0.05, 0.05], atol=0.01)


def test_error_counts_every_image_once():
    images, labels = _stripes()
    always_zero = {"kernel": jnp.zeros((16, 2)), "bias": jnp.array([1.0, 0.0])}
    for batch_size in (1, 64, 200, 500):
        found = error(_linear, always_zero, images, labels, batch_size)
        assert found == pytest.approx(np.mean(labels != 0))


@pytest.mark.parametrize(
    "settings",
    [
        Training(epochs=0),
        Training(batch_size=0),
        Training(learning_rate=0.0),
        Training(learning_rate=-0.1),
        Training(learning_rate=float("nan")),
        Training(learning_rate=float("inf")),
        Training(momentum=1.0),
        Training(weight_decay=-1.0),
        Training(shift=-1),
        Training(label_smoothing=-0.1),
        Training(label_smoothing=1.0),
        Training(batch_size=201),
    ],
)
def test_settings_out_of_range_are_refused(settings: Training):
    with pytest.raises(InputError, match="must be"):
        train(_linear, _start(), *_stripes(), jax.random.key(0), settings)


def test_training_that_diverges_says_so():
    def explosive(parameters: Parameters, images: Array) -> Array:
        return _linear(parameters, images) * 1e30

    with pytest.raises(InputError, match="diverged"):
        train(
            explosive, _start(), *_stripes(), jax.random.key(0), Training(learning_rate=10.0, batch_size=16)
        )


@settings(max_examples=25, deadline=None)
@given(shift=st.integers(0, 2), seed=st.integers(0, 1000))
def test_moved_images_are_the_images_moved(shift: int, seed: int):
    images = np.random.default_rng(seed).integers(1, 255, (3, 5, 4, 2), dtype=np.uint8)
    found = moved(jnp.asarray(images), jax.random.key(seed), shift)
    padded = np.pad(images, ((0, 0), (shift, shift), (shift, shift), (0, 0)))
    for image, around in zip(np.asarray(found), padded, strict=True):
        places = range(2 * shift + 1)
        assert any(np.array_equal(image, around[y : y + 5, x : x + 4]) for y in places for x in places)


def test_images_move_in_every_direction_and_each_its_own_way():
    images = np.zeros((500, 5, 5, 1), np.uint8)
    images[:, 2, 2] = 1
    found = np.asarray(moved(jnp.asarray(images), jax.random.key(0), 1))
    assert found.sum((1, 2, 3)).tolist() == [1] * 500
    counts = found.sum(0)[1:4, 1:4, 0]
    assert counts.sum() == 500
    assert counts.min() > 30  # 500 / 9 = 56 expected, sd 7
