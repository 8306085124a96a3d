"""Weights of other frameworks are put in place strictly: nothing unfilled, nothing unused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from qdfool.classifiers import porting, weights
from qdfool.classifiers.architecture import Architecture, Variant
from qdfool.classifiers.networks import ARCHITECTURES, architecture
from qdfool.errors import InputError

SMALL = architecture("mobilenet_v1_004")


def tensors_of(network: Architecture, variant: Variant) -> weights.Tensors:
    """Random tensors with the names and shapes that a file of the variant has."""
    generator = np.random.default_rng(0)
    shapes = porting._expected_shapes(variant, {})
    return {name: generator.uniform(0.5, 1.5, shape[0]).astype(np.float32) for name, shape in shapes.items()}


def timm_tensors() -> weights.Tensors:
    return tensors_of(SMALL, SMALL.variants[0])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_variant_fills_every_parameter(name):
    for variant in architecture(name).variants:
        paths = {path.rpartition("/")[0] for path in porting._shapes(variant)}
        assert paths == set(variant.layers)
        places = list(variant.layers.values())
        assert len({layer for layer, _ in places}) == len(places)


@pytest.mark.parametrize("variant", SMALL.variants, ids=lambda variant: variant.name)
def test_the_names_in_the_file_choose_the_variant(variant):
    found, parameters = porting.port(SMALL, tensors_of(SMALL, variant), "here")
    assert found is variant
    assert {name: value.shape for name, value in parameters.items()} == porting._shapes(variant)
    assert all(np.isfinite(value).all() for value in parameters.values())


def test_what_wraps_the_names_and_what_only_training_needs_is_passed_over():
    plain = timm_tensors()
    wrapped = {f"module.{name}": tensor for name, tensor in plain.items()}
    wrapped["module.bn1.num_batches_tracked"] = np.array(7)
    expected, found = (porting.port(SMALL, tensors, "here")[1] for tensors in (plain, wrapped))
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_a_batch_normalisation_is_folded():
    tensors = timm_tensors()
    _, parameters = porting.port(SMALL, tensors, "here")
    factor = tensors["bn1.weight"] / np.sqrt(tensors["bn1.running_var"] + 1e-5)
    kernel = tensors["conv_stem.weight"].transpose(2, 3, 1, 0) * factor
    np.testing.assert_allclose(parameters["stem/kernel"], kernel, rtol=1e-6)
    bias = tensors["bn1.bias"] - tensors["bn1.running_mean"] * factor
    np.testing.assert_allclose(parameters["stem/bias"], bias, rtol=1e-5, atol=1e-6)


def test_a_missing_tensor_is_named():
    tensors = timm_tensors()
    del tensors["blocks.3.2.bn1.running_mean"]
    with pytest.raises(
        InputError, match=r"^x\.pth does not hold .* 1 missing: blocks\.3\.2\.bn1\.running_mean\."
    ):
        porting.port(SMALL, tensors, "x.pth")


def test_an_unused_tensor_is_named():
    tensors = {**timm_tensors(), "head.weight": np.zeros((3, 4))}
    with pytest.raises(InputError, match=r"1 not used: head\.weight\."):
        porting.port(SMALL, tensors, "x.pth")


def test_a_wrong_shape_is_named():
    tensors = {**timm_tensors(), "classifier.weight": np.zeros((10, 40), np.float32)}
    with pytest.raises(
        InputError, match=r"1 of a wrong shape: classifier\.weight \(10, 40\), expected \(1000, 40, 1, 1\) or"
    ):
        porting.port(SMALL, tensors, "x.pth")


def test_a_negative_variance_is_named():
    tensors = timm_tensors()
    tensors["bn1.running_var"] = -tensors["bn1.running_var"]
    with pytest.raises(InputError, match=r"1 with a negative variance: bn1\.running_var"):
        porting.port(SMALL, tensors, "x.pth")


@pytest.mark.parametrize("dtype", [np.int64, np.bool_, np.complex64])
def test_weights_that_are_no_floating_point_numbers_are_refused(dtype):
    tensors = timm_tensors()
    tensors["bn1.weight"] = tensors["bn1.weight"].astype(dtype)
    with pytest.raises(InputError, match=r"Tensor 'bn1\.weight' of x\.pth is .*Expected weights as float16"):
        porting.port(SMALL, tensors, "x.pth")


def test_weights_that_become_infinite_when_folded_are_refused():
    tensors = timm_tensors()
    tensors["conv_stem.weight"] = tensors["conv_stem.weight"] * np.float32(1e38)
    tensors["bn1.weight"] = tensors["bn1.weight"] * np.float32(1e20)
    with pytest.raises(InputError, match=r"'stem/kernel' of x\.pth holds NaN or infinity"):
        porting.port(SMALL, tensors, "x.pth")


def test_names_of_a_file_are_quoted_and_shortened():
    tensors = {**timm_tensors(), "\x1b[2J\nqdfool: all good" + "x" * 5_000_000: np.zeros(1, np.float32)}
    with pytest.raises(InputError, match=r"1 not used: '\\x1b\[2J\\nqdfool: all good") as caught:
        porting.port(SMALL, tensors, "x.pth")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


def test_weights_of_another_width_are_refused():
    with pytest.raises(InputError) as error:
        porting.port(architecture("mobilenet_v1_008"), timm_tensors(), "x.pth")
    message = str(error.value)
    assert "of a wrong shape: conv_stem.weight (1, 3, 3, 3), expected (2, 3, 3, 3)" in message
    assert "MobileNet v1 of width 0.08" in message
    assert "another network or another width?" in message
    assert len(message) < 2000


def test_weights_of_another_network_are_refused():
    with pytest.raises(InputError, match=r"squeezenet1_1.*52 missing: .* and 44 more; .* not used: .* more"):
        porting.port(architecture("squeezenet1_1"), timm_tensors(), "x.pth")


@pytest.mark.parametrize(("name", "size"), [("alexnet", 227), ("vgg16", 256)])
def test_a_network_of_one_size_takes_no_other(name, size):
    with pytest.raises(InputError, match=rf"{name} takes images of 224 x 224 only.*got {size} x {size}"):
        porting.classifier(architecture(name), porting.RANDOM, image_size=size)


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if not ARCHITECTURES[name].fixed])
def test_images_that_are_too_small_are_refused(name):
    least = architecture(name).least_size
    with pytest.raises(InputError, match=rf"{name} takes images of at least {least} x {least}"):
        porting.classifier(architecture(name), porting.RANDOM, image_size=least - 1)


def test_random_weights_are_always_the_same_and_read_no_file():
    network = architecture("mobilenet_v1_025")
    first, second = (porting.classifier(network, "random", image_size=32) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, first.parameters, second.parameters)
    assert first.image_shape == (32, 32, 3)
    assert len(first.class_names) == 1000
    images = jnp.linspace(0, 1, 2 * 32 * 32 * 3).reshape(2, 32, 32, 3)
    logits = jax.jit(first.logits)(first.parameters, images)
    assert logits.shape == (2, 1000)
    assert np.isfinite(logits).all()
    assert np.std(logits) > 0


@pytest.mark.parametrize("name", ["squeezenet1_0", "squeezenet1_1"])
def test_the_least_image_leaves_something_to_average(name):
    least = architecture(name).least_size
    network = porting.classifier(architecture(name), "random", image_size=least)
    logits = jax.jit(network.logits)(network.parameters, jnp.full((1, least, least, 3), 0.3))
    assert np.isfinite(logits).all()
    logits = jax.jit(network.logits)(network.parameters, jnp.full((1, least - 1, least - 1, 3), 0.3))
    assert np.isnan(logits).all()


def test_bfloat16_computes_nearly_the_same():
    images = jnp.linspace(0, 1, 2 * 48 * 48 * 3).reshape(2, 48, 48, 3)
    logits = []
    for dtype in (jnp.float32, jnp.bfloat16):
        network = porting.classifier(architecture("mobilenet_v1_025"), "random", image_size=48, dtype=dtype)
        assert {leaf.dtype for leaf in jax.tree.leaves(network.parameters)} == {jnp.dtype(dtype)}
        logits.append(jax.jit(network.logits)(network.parameters, images))
        assert logits[-1].dtype == jnp.float32
    difference = jnp.abs(logits[0] - logits[1]).max() / jnp.abs(logits[0]).max()
    assert 0 < difference < 0.1


def test_safetensors_are_read_whatever_they_are_called(tmp_path):
    save_file(timm_tensors(), tmp_path / "network.pth")
    variant, _ = porting.port(SMALL, porting.read_weights(tmp_path / "network.pth"), "network.pth")
    assert variant.name == "timm"
    with pytest.raises(InputError, match="there is none at"):
        porting.read_weights(tmp_path / "none.pth")


@pytest.mark.parametrize(
    ("name", "file"),
    [("mobilenet_v1_025", "mobilenet_v1_0.25_224"), ("mobilenet_v2", "mobilenet_v2_1.0_224")],
)
def test_the_real_networks_tell_images_apart(weights_folder, name, file):
    network = porting.classifier(architecture(name), weights_folder / f"{file}.safetensors", image_size=96)
    assert len(network.fingerprint) == 64
    rows = jnp.linspace(0, 1, 96)
    images = jnp.stack(
        [
            jnp.broadcast_to(rows[:, None, None], (96, 96, 3)),
            (jnp.indices((96, 96)).sum(0) % 2)[..., None] * jnp.ones(3),
        ]
    )
    logits = np.asarray(jax.jit(network.logits)(network.parameters, images))
    assert logits.shape == (2, 1000)
    assert np.isfinite(logits).all()
    assert logits[0].argmax() != logits[1].argmax()


def test_the_table_knows_its_names():
    assert all(network.name == name for name, network in ARCHITECTURES.items())
    assert architecture("mobilenet_v1_033") is architecture("mobilenet_v1_033")
    with pytest.raises(InputError, match=r"Unknown network 'resnet19'\. Did you mean 'resnet18'\?"):
        architecture("resnet19")
    with pytest.raises(InputError, match="Unknown network"):
        architecture("mobilenet_v1_003")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_can_be_fetched_is_of_a_variant_that_there_is(name):
    network = architecture(name)
    for source in network.hub:
        assert source.variant in {variant.name for variant in network.variants}
        assert source.url.startswith("https://")
        assert source.url.endswith(source.file)
        assert source.sha256 is None or len(source.sha256) == 8
