"""MobileNet v1 of any width (Howard et al. 2017, arXiv 1704.04861, table 1)."""

import functools

from flax import nnx

from qdfool.classifiers.architecture import HALF, KERAS, Architecture, Layers, Variant, timm_source
from qdfool.classifiers.layers import Conv, Dense, Formulation, Padding
from qdfool.types import Array

STAGES = ((64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 6, 2), (1024, 2, 2))
"""Channels at width 1, number of pairs of a depthwise and a 1 x 1 convolution, stride of the first of them."""


class Pair(nnx.Module):
    """A depthwise 3 x 3 convolution and a 1 x 1 one, each followed by ReLU6."""

    def __init__(self, inputs: int, outputs: int, stride: int, padding: Padding | int) -> None:
        self.depthwise = Conv(
            inputs, inputs, 3, stride=stride, padding=padding, groups=inputs, activation=nnx.relu6
        )
        self.pointwise = Conv(inputs, outputs, activation=nnx.relu6)

    def __call__(self, features: Array, formulation: Formulation) -> Array:
        """Feature map to feature map."""
        return self.pointwise(self.depthwise(features, formulation), formulation)


class MobileNetV1(nnx.Module):
    """A 3 x 3 convolution, 13 depthwise-separable pairs, mean, dense; `percent` is 100 times the width."""

    def __init__(self, percent: int, padding: Padding | int, halving: Padding | int) -> None:
        """Pads by `padding`, but by `halving` before the depthwise convolutions of stride 2."""
        inputs = 32 * percent // 100
        self.stem = Conv(3, inputs, 3, stride=2, padding=padding, activation=nnx.relu6)
        self.pairs = nnx.List([])
        for channels, count, first_stride in STAGES:
            outputs = channels * percent // 100
            for stride in (first_stride, *[1] * (count - 1)):
                self.pairs.append(Pair(inputs, outputs, stride, halving if stride == 2 else padding))
                inputs = outputs
        self.classifier = Dense(inputs, 1000)

    def __call__(self, images: Array, formulation: Formulation) -> Array:
        """Preprocessed images [B, H, W, 3] to logits [B, 1000]."""
        features = self.stem(formulation.enter(images), formulation)
        for pair in self.pairs:
            features = pair(features, formulation)
        return self.classifier(formulation.mean(features))


def _timm_layers() -> Layers:
    layers: dict[str, tuple[str, str | None]] = {
        "stem": ("conv_stem", "bn1"),
        "classifier": ("classifier", None),
    }
    blocks = [f"blocks.{stage}.{index}" for stage, (_, n, _) in enumerate(STAGES) for index in range(n)]
    for pair, block in enumerate(blocks):
        layers[f"pairs/{pair}/depthwise"] = (f"{block}.conv_dw", f"{block}.bn1")
        layers[f"pairs/{pair}/pointwise"] = (f"{block}.conv_pw", f"{block}.bn2")
    return layers


def _keras_layers() -> Layers:
    layers: dict[str, tuple[str, str | None]] = {
        "stem": ("conv1", "conv1_bn"),
        "classifier": ("conv_preds", None),
    }
    for pair in range(sum(count for _, count, _ in STAGES)):
        for ours, theirs in (("depthwise", "dw"), ("pointwise", "pw")):
            name = f"conv_{theirs}_{pair + 1}"
            layers[f"pairs/{pair}/{ours}"] = (name, f"{name}_bn")
    return layers


@functools.cache
def mobilenet_v1(percent: int) -> Architecture:
    """MobileNet v1 with `percent` per cent of the channels, at least 4 (one channel in the first layer)."""

    def padded(padding: Padding | int, halving: Padding | int) -> functools.partial[MobileNetV1]:
        return functools.partial(MobileNetV1, percent, padding, halving)

    return Architecture(
        name=f"mobilenet_v1_{percent:03d}",
        description=f"MobileNet v1 of width {percent / 100:g} (Howard et al. 2017, arXiv 1704.04861)",
        variants=(
            Variant("timm", padded(1, 1), _timm_layers(), mean=HALF, std=HALF),
            # Keras pads below and at the right before it halves: of maps that are even that is the same as "SAME".
            Variant(
                "Keras",
                padded("SAME", ((0, 1), (0, 1))),
                _keras_layers(),
                KERAS,
                epsilon=1e-3,
                mean=HALF,
                std=HALF,
            ),
        ),
        hub=(timm_source("mobilenetv1_100.ra4_e3600_r224_in1k"),) if percent == 100 else (),
        depthwise=True,
    )
