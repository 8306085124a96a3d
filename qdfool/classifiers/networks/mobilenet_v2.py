"""MobileNet v2 of width 1 (Sandler et al. 2018, arXiv 1801.04381, table 2)."""

import functools

from flax import nnx

from qdfool.classifiers.architecture import (
    HALF,
    KERAS,
    Architecture,
    Layers,
    Variant,
    timm_source,
    torchvision_source,
)
from qdfool.classifiers.layers import Conv, Dense, Formulation, Padding
from qdfool.types import Array

STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, number of blocks, stride of the first of them."""


class Block(nnx.Module):
    """An inverted residual: 1 x 1 to many channels, depthwise 3 x 3, 1 x 1 to few; the last is linear.

    The first block of the network does not expand.
    """

    def __init__(
        self, inputs: int, outputs: int, expansion: int, stride: int, padding: Padding | int
    ) -> None:
        wide = expansion * inputs
        self.expand = nnx.data(None if expansion == 1 else Conv(inputs, wide, activation=nnx.relu6))
        self.depthwise = Conv(
            wide, wide, 3, stride=stride, padding=padding, groups=wide, activation=nnx.relu6
        )
        self.project = Conv(wide, outputs)
        self.residual = stride == 1 and inputs == outputs

    def __call__(self, features: Array, formulation: Formulation) -> Array:
        """Feature map to feature map."""
        projected = formulation.inverted_bottleneck(features, self.expand, self.depthwise, self.project)
        return features + projected if self.residual else projected


class MobileNetV2(nnx.Module):
    """A 3 x 3 convolution, 17 inverted residuals, a 1 x 1 convolution, mean, dense."""

    def __init__(self, padding: Padding | int) -> None:
        self.stem = Conv(3, 32, 3, stride=2, padding=padding, activation=nnx.relu6)
        self.blocks = nnx.List([])
        inputs = 32
        for expansion, outputs, count, first_stride in STAGES:
            for stride in (first_stride, *[1] * (count - 1)):
                self.blocks.append(Block(inputs, outputs, expansion, stride, padding))
                inputs = outputs
        self.head = Conv(inputs, 1280, activation=nnx.relu6)
        self.classifier = Dense(1280, 1000)

    def __call__(self, images: Array, formulation: Formulation) -> Array:
        """Preprocessed images [B, H, W, 3] to logits [B, 1000]."""
        features = self.stem(formulation.enter(images), formulation)
        for block in self.blocks:
            features = block(features, formulation)
        return self.classifier(formulation.mean(self.head(features, formulation)))


BLOCKS = sum(count for _, _, count, _ in STAGES)


def _torchvision_layers() -> Layers:
    layers: dict[str, tuple[str, str | None]] = {
        "stem": ("features.0.0", "features.0.1"),
        "head": (f"features.{BLOCKS + 1}.0", f"features.{BLOCKS + 1}.1"),
        "classifier": ("classifier.1", None),
    }
    for block in range(BLOCKS):
        theirs = f"features.{block + 1}.conv"
        *first, last = ("depthwise", "project") if block == 0 else ("expand", "depthwise", "project")
        for index, layer in enumerate(first):
            layers[f"blocks/{block}/{layer}"] = (f"{theirs}.{index}.0", f"{theirs}.{index}.1")
        layers[f"blocks/{block}/{last}"] = (f"{theirs}.{len(first)}", f"{theirs}.{len(first) + 1}")
    return layers


def _timm_layers() -> Layers:
    layers: dict[str, tuple[str, str | None]] = {
        "stem": ("conv_stem", "bn1"),
        "head": ("conv_head", "bn2"),
        "classifier": ("classifier", None),
    }
    places = [(stage, index) for stage, (_, _, n, _) in enumerate(STAGES) for index in range(n)]
    for block, (stage, index) in enumerate(places):
        names = {"expand": "conv_pw", "depthwise": "conv_dw", "project": "conv_pwl"}
        if block == 0:
            names = {"depthwise": "conv_dw", "project": "conv_pw"}
        for norm, (ours, theirs) in enumerate(names.items(), start=1):
            layer = f"blocks.{stage}.{index}"
            layers[f"blocks/{block}/{ours}"] = (f"{layer}.{theirs}", f"{layer}.bn{norm}")
    return layers


def _folded_layers() -> Layers:
    return {path: (path.replace("blocks/", "block_"), None) for path in _torchvision_layers()}


def _keras_layers() -> Layers:
    layers: dict[str, tuple[str, str | None]] = {
        "stem": ("Conv1", "bn_Conv1"),
        "head": ("Conv_1", "Conv_1_bn"),
        "classifier": ("predictions", None),
    }
    for path in _torchvision_layers():
        if path.startswith("blocks/"):
            _, block, layer = path.split("/")
            name = f"{'expanded_conv' if block == '0' else f'block_{block}'}_{layer}"
            layers[path] = (name, f"{name}_BN")
    return layers


MOBILENET_V2 = Architecture(
    name="mobilenet_v2",
    description="MobileNet v2 of width 1 (Sandler et al. 2018, arXiv 1801.04381)",
    variants=(
        Variant("torchvision", functools.partial(MobileNetV2, 1), _torchvision_layers()),
        Variant("timm", functools.partial(MobileNetV2, 1), _timm_layers()),
        # Batch normalisations already folded; `block_3/depthwise/kernel`.
        Variant(
            "TensorFlow, folded",
            functools.partial(MobileNetV2, "SAME"),
            _folded_layers(),
            KERAS,
            mean=HALF,
            std=HALF,
        ),
        Variant(
            "Keras",
            functools.partial(MobileNetV2, "SAME"),
            _keras_layers(),
            KERAS,
            epsilon=1e-3,
            mean=HALF,
            std=HALF,
        ),
    ),
    hub=(timm_source("mobilenetv2_100.ra_in1k"), torchvision_source("mobilenet_v2-b0353104.pth")),
    depthwise=True,
)
