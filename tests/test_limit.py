"""What benchmarks/counted.py counts, and what benchmarks/limit.py makes of it, on a network of two layers."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import qdfool
from benchmarks import limit
from benchmarks.counted import count, xla_operations
from qdfool.classifiers import lenet
from qdfool.types import Classifier


def convolution(images, kernel, stride=1, padding=((0, 0), (0, 0)), groups=1):
    return lax.conv_general_dilated(
        images,
        kernel,
        (stride, stride),
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )


@pytest.mark.parametrize(
    ("images", "kernel", "settings", "products"),
    [
        # 3 x 3 outputs, each 3 x 3 x 2 products for each of 4 channels.
        ((1, 5, 5, 2), (3, 3, 2, 4), {}, 9 * 9 * 2 * 4),
        # Padded: of the three places of the kernel along an axis, 2, 3, 3, 3 and 2 meet a value.
        ((1, 5, 5, 2), (3, 3, 2, 4), {"padding": ((1, 1), (1, 1))}, 13 * 13 * 2 * 4),
        ((3, 5, 5, 2), (3, 3, 2, 4), {"stride": 2}, 3 * 4 * 9 * 2 * 4),
        # Depthwise: each channel has a kernel of its own.
        ((1, 5, 5, 2), (3, 3, 1, 2), {"groups": 2}, 9 * 9 * 2),
    ],
)
def test_a_convolution_is_its_products_of_values_that_are_there(images, kernel, settings, products):
    def convolved(images, kernel):
        return convolution(images, kernel, **settings)

    counted = count(convolved, jnp.zeros(images), jnp.zeros(kernel))
    assert counted.operations == 2 * products
    outcome = np.prod(jax.eval_shape(convolved, jnp.zeros(images), jnp.zeros(kernel)).shape)
    assert counted.layer_bytes == 4 * (np.prod(images) + np.prod(kernel) + outcome)


def test_products_poolings_and_sums_are_counted():
    assert count(jnp.matmul, jnp.zeros((2, 3)), jnp.zeros((3, 5))).operations == 2 * 2 * 3 * 5
    assert count(lambda x: x + 1.0, jnp.zeros((2, 3))).operations == 6
    assert count(lambda x: x + 1, jnp.zeros((2, 3), jnp.int32)).operations == 0
    assert count(lenet.max_pool, jnp.zeros((1, 4, 4, 2))).operations == 4 * 2 * 3


def test_what_is_counted_agrees_with_xla():
    network = lenet.classifier()
    images = jax.ShapeDtypeStruct((2, *network.image_shape), jnp.float32)
    ours = count(network.logits, network.parameters, images)
    assert ours.operations == pytest.approx(
        xla_operations(network.logits, network.parameters, images), rel=1e-3
    )
    # Both convolutions and both dense layers, by hand; the rest is poolings, biases and activations.
    layers = 2 * (24 * 24 * 25 * 20 + 8 * 8 * 25 * 20 * 50 + 800 * 500 + 500 * 10)
    assert layers < ours.operations / 2 < 1.01 * layers


def test_a_loop_is_not_counted_once():
    with pytest.raises(ValueError, match="scan"):
        count(lambda x: lax.map(jnp.sin, x), jnp.zeros(3))


def test_parts_of_a_generation_and_their_limits(monkeypatch):
    def logits(parameters, images):
        return images.reshape(images.shape[0], -1) @ parameters

    classifier = Classifier("dense", (4, 4, 1), ("a", "b", "c"), jnp.ones((16, 3)), logits)
    monkeypatch.setattr(limit, "build_classifier", lambda config, target=None: classifier)
    timed = {"forward": [2e-6, 4e-6, 2e-6], "decoding": [1e-6] * 3, "variation": [1e-6] * 3}
    timed |= {"competition": [1e-6] * 3, "whole step": [4e-6, 8e-6, 10e-6]}
    monkeypatch.setattr(limit, "time_parts", lambda *arguments: timed)
    machine = limit.Machine(operations=1e8, bandwidth=1e9)
    rows, agreement = limit.of_network(limit.Options(batch_sizes=(8,)), machine, "lenet")
    assert agreement == 1.0
    found = {row.part: row for row in rows}
    forward = found["forward"]
    assert forward.operations == 2 * 16 * 3
    assert forward.compulsory_bytes == 4 * (16 + 3) + 4 * 48 / 8
    # By its operations, which take longer than its bytes.
    assert forward.limit_microseconds == pytest.approx(0.96)
    assert forward.share_of_limit == pytest.approx(0.48)
    assert forward.share_of_step == pytest.approx(0.5)  # The ratios within rounds are 0.5, 0.5 and 0.2.
    assert found["decoding"].limit_microseconds == pytest.approx(0.128)
    assert found["variation"].compulsory_bytes == 128
    assert found["whole step"].share_of_step == 1.0


@pytest.mark.slow  # Compiles each part.
def test_every_part_can_be_timed():
    config = replace(qdfool.preset("mnist-direct"), batch_size=4)

    def logits(parameters, images):
        return images.reshape(images.shape[0], -1) @ parameters

    classifier = Classifier("dense", (4, 4, 1), ("a", "b", "c"), jnp.eye(16, 3), logits)
    parts = limit.contenders(config, classifier, warm_up=3)
    assert list(parts) == ["forward", "decoding", "variation", "competition", "whole step"]
    for part in parts.values():
        part(2)
