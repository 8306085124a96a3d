"""LeNet with the batch as the minor axis is the LeNet that XLA computes, and so are its gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qdfool.classifiers import lenet, lenet_batch_minor, lenet_gradient
from qdfool.classifiers.lenet_batch_minor import AT_ONCE, Weights, hidden
from qdfool.types import Array

NEAR = 1e-5
"""Of the largest value."""


def _weights(seed: int) -> Weights:
    """Biases too, which are zeros at first."""
    keys = iter(jax.random.split(jax.random.key(seed), 6))
    shapes = ((5, 5, 1, 20), (20,), (5, 5, 20, 50), (50,), (800, 500), (500,))
    return Weights(*(jax.random.normal(next(keys), shape) / max(1, shape[0]) ** 0.5 for shape in shapes))


WEIGHTS = _weights(0)
IMAGES = jax.random.uniform(jax.random.key(1), (AT_ONCE + 1, 28, 28, 1))


FEW = IMAGES[:33]


@pytest.fixture(scope="module")
def units() -> np.ndarray:
    """Of one image more than are computed at once."""
    return np.asarray(jax.jit(hidden)(WEIGHTS, IMAGES))


def _agree(ours, theirs) -> None:
    theirs = np.asarray(theirs)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=NEAR * np.abs(theirs).max())


def test_it_is_the_network_that_xla_computes(units):
    _agree(units, jax.jit(lenet.channels_last)(WEIGHTS, IMAGES))


@pytest.mark.parametrize("batch", [0, 1, 17])
def test_an_image_has_the_same_units_whatever_is_beside_it(units, batch):
    beside = jax.jit(hidden)(WEIGHTS, IMAGES[len(IMAGES) - batch :])
    np.testing.assert_array_equal(beside, units[len(IMAGES) - batch :])


@pytest.mark.parametrize(("image", "value"), [(3, jnp.nan), (0, jnp.nan), (0, -jnp.inf), (0, jnp.inf)])
def test_what_is_no_number_stays_in_its_image(units, image, value):
    broken = jax.jit(hidden)(WEIGHTS, IMAGES[:17].at[image, 0, 0].set(value))
    assert not np.isfinite(broken[image]).all()
    np.testing.assert_array_equal(np.delete(broken, image, axis=0), np.delete(units[:17], image, axis=0))


def test_several_batches_are_one_and_several_networks_come_one_after_another(units):
    batches = IMAGES[:16].reshape(2, 8, 28, 28, 1)
    many = jax.jit(jax.vmap(hidden, in_axes=(None, 0)))(WEIGHTS, batches)
    np.testing.assert_array_equal(many.reshape(16, -1), units[:16])
    assert "scan" not in str(jax.make_jaxpr(jax.vmap(hidden, in_axes=(None, 0)))(WEIGHTS, batches))
    two = jax.tree.map(lambda *leaves: jnp.stack(leaves), WEIGHTS, _weights(2))
    other = jax.jit(hidden)(_weights(2), batches[1])
    each = jax.jit(jax.vmap(hidden))(two, batches)
    np.testing.assert_array_equal(each, jnp.stack([units[:8], other]))
    shared = jax.jit(jax.vmap(lambda kernel1: hidden(WEIGHTS._replace(kernel1=kernel1), batches[1])))
    np.testing.assert_array_equal(shared(two.kernel1)[0], units[8:16])


def _loss(function):
    return lambda weights, images: jnp.square(function(weights, images)).mean()


@pytest.fixture(scope="module")
def gradients() -> tuple[Weights, Array]:
    """Of weights and of images of XLA's own."""
    return jax.jit(jax.grad(_loss(lenet.channels_last), (0, 1)))(WEIGHTS, FEW)


def test_the_gradient_of_images_is_that_of_xla(gradients):
    ours = jax.jit(jax.grad(_loss(lenet._hidden), 1))(WEIGHTS, FEW)
    assert np.abs(gradients[1]).max() > 0
    _agree(ours, gradients[1])


@pytest.mark.release
def test_gradients_of_several_pieces_are_in_their_places():
    many = IMAGES[: lenet_gradient.AT_ONCE + 1]
    units, largest = lenet_gradient.hidden_and_largest(WEIGHTS, many)
    whole = lenet_gradient.gradient(WEIGHTS, many, largest, units)
    for few in (slice(0, 16), slice(-16, None)):
        _agree(whole[few], lenet_gradient.gradient(WEIGHTS, many[few], largest[few], units[few]))


@pytest.mark.release
def test_values_of_a_window_that_tie_share_its_gradient():
    largest = jnp.array([0b0001, 0b1010, 0b1111], jnp.uint8)
    shares = lenet_gradient._shares(jnp.array([4.0, 4.0, 4.0]), largest)
    np.testing.assert_array_equal(shares, [[4, 0, 1], [0, 2, 1], [0, 0, 1], [0, 2, 1]])
    flat = jnp.full((28, 28, 1), 0.5)
    np.testing.assert_array_equal(lenet_batch_minor.first(WEIGHTS, flat)[1], np.full((12, 12, 20, 1), 0b1111))


def test_who_learns_may_change_within_a_process(gradients):
    """What JAX remembers of one gradient is not used for another."""
    asked = {"images": 1, "weights": 0}
    expected = {"images": gradients[1], "weights": gradients[0]}
    for name in ("images", "weights", "images"):
        function = jax.grad(_loss(lenet._hidden), asked[name])
        jax.tree.map(_agree, jax.jit(lambda *given, own=function: own(*given))(WEIGHTS, FEW), expected[name])


@pytest.mark.release
def test_gradients_of_several_batches_are_those_of_one():
    """Also where all are handed the same back."""
    _, largest = lenet_gradient.hidden_and_largest(WEIGHTS, FEW[:16])
    batches = FEW[:16].reshape(2, 8, 28, 28, 1), largest.reshape(2, 8, -1)
    of_hidden = jnp.ones((8, 500))
    shared = jax.jit(jax.vmap(lenet_gradient.gradient, in_axes=(None, 0, 0, None)))
    own = jax.jit(lenet_gradient.gradient)(WEIGHTS, *(each[1] for each in batches), of_hidden)
    np.testing.assert_array_equal(shared(WEIGHTS, *batches, of_hidden)[1], own)


@pytest.mark.parametrize(("platform", "convolutions"), [("cpu", 0), ("cuda", 2), ("tpu", 2)])
def test_each_platform_has_its_own(platform, convolutions):
    classifier = lenet.classifier()
    traced = jax.jit(classifier.logits).trace(classifier.parameters, IMAGES[:8])
    text = traced.lower(lowering_platforms=(platform,)).as_text()
    assert text.count("stablehlo.convolution(") == convolutions


def test_logits_do_not_depend_on_how_many_images_there_are():
    classifier = lenet.classifier()
    logits = jax.jit(classifier.logits)
    whole = logits(classifier.parameters, IMAGES[:256])
    for batch in (1, 25):
        np.testing.assert_array_equal(logits(classifier.parameters, IMAGES[:batch]), whole[:batch])


def test_numbers_of_several_kinds_are_brought_to_one():
    classifier = lenet.classifier()
    images = IMAGES[:2].astype(jnp.bfloat16)
    logits = classifier.logits(classifier.parameters, images)
    np.testing.assert_array_equal(
        logits, classifier.logits(classifier.parameters, images.astype(jnp.float32))
    )


def test_devices_that_share_a_batch_are_taken_as_such():
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("batch",))
    shares = jax.sharding.PartitionSpec("batch")
    whole = jax.sharding.PartitionSpec()
    shared = jax.shard_map(hidden, mesh=mesh, in_specs=(whole, shares), out_specs=shares)
    np.testing.assert_array_equal(
        jax.jit(shared)(WEIGHTS, IMAGES[:16]), jax.jit(hidden)(WEIGHTS, IMAGES[:16])
    )


@pytest.mark.release
def test_pieces_are_filled_up_to_registers():
    widths = []

    def noted(layer, images):
        widths.append(images.shape[2])
        return images.reshape(-1, images.shape[2]).T

    for batch in (0, 1, 17, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE):
        images = IMAGES[:batch] if batch <= len(IMAGES) else jnp.zeros((batch, 28, 28, 1))
        rows = lenet_batch_minor.by_pieces(noted, images)
        np.testing.assert_array_equal(rows.reshape(images.shape), images)
    assert sorted(set(widths)) == [16, 32, AT_ONCE // 2 + 16, AT_ONCE]
