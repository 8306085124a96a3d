"""Inception-ResNet v2 (Szegedy et al. 2016, arXiv 1602.07261), as TensorFlow's and timm's weights have it."""

import jax.numpy as jnp
from flax import nnx

from qdfool.classifiers.architecture import HALF, Architecture, Layers, Variant, timm_source
from qdfool.classifiers.layers import Conv, Dense, Formulation
from qdfool.types import Array

Window = int | tuple[int, int]
BLOCKS_35 = ((32, 1),), ((32, 1), (32, 3)), ((32, 1), (48, 3), (64, 3))
BLOCKS_17 = ((192, 1),), ((128, 1), (160, (1, 7)), (192, (7, 1)))
BLOCKS_8 = ((192, 1),), ((192, 1), (224, (1, 3)), (256, (3, 1)))
"""Of each branch of a residual block, channels and window of its convolutions."""
REPEATS = (10, 20, 10)
"""Number of the residual blocks at 35 x 35, 17 x 17 and 8 x 8."""


class Branch(nnx.Module):
    """Convolutions one after the other, each followed by ReLU.

    All pad to keep the size of the map; with `shrink` the last has stride 2 and no padding instead.
    """

    def __init__(self, inputs: int, layers: tuple[tuple[int, Window], ...], shrink: bool = False) -> None:
        self.layers = nnx.List([])
        for index, (outputs, window) in enumerate(layers):
            last = shrink and index == len(layers) - 1
            height, width = (window, window) if isinstance(window, int) else window
            same = ((height // 2, height // 2), (width // 2, width // 2))
            stride, padding = (2, 0) if last else (1, same)
            self.layers.append(Conv(inputs, outputs, window, stride=stride, padding=padding))
            inputs = outputs

    def __call__(self, features: Array, formulation: Formulation) -> Array:
        """Feature map to feature map."""
        for layer in self.layers:
            features = nnx.relu(layer(features, formulation))
        return features


class Residual(nnx.Module):
    """Branches side by side, a linear 1 x 1 convolution of them all, `scale` of it added to the input."""

    def __init__(
        self,
        channels: int,
        branches: tuple[tuple[tuple[int, Window], ...], ...],
        scale: float,
        activated: bool = True,
    ) -> None:
        self.branches = nnx.List([Branch(channels, layers) for layers in branches])
        self.join = Conv(sum(layers[-1][0] for layers in branches), channels)
        self.scale = scale
        self.activated = activated

    def __call__(self, features: Array, formulation: Formulation) -> Array:
        """Feature map to feature map of the same shape."""
        branches = [branch(features, formulation) for branch in self.branches]
        joined = self.join(jnp.concatenate(branches, formulation.channel_axis), formulation)
        features = features + self.scale * joined
        return nnx.relu(features) if self.activated else features


class Mixed(nnx.Module):
    """Branches and a pooled branch side by side.

    With `shrink` the branches and the pooling (of the maximum) halve the map; otherwise the pooling is of the
    mean and a 1 x 1 convolution to `pooled` channels follows it.
    """

    def __init__(
        self, inputs: int, branches: tuple[tuple[tuple[int, Window], ...], ...], pooled: int | None = None
    ) -> None:
        shrink = pooled is None
        self.branches = nnx.List([Branch(inputs, layers, shrink) for layers in branches])
        self.pooled = nnx.data(None if pooled is None else Branch(inputs, ((pooled, 1),)))

    def __call__(self, features: Array, formulation: Formulation) -> Array:
        """Feature map to feature map."""
        branches = [branch(features, formulation) for branch in self.branches]
        if self.pooled is None:
            branches.append(formulation.max_pool(features, 3, 2, "VALID"))
        else:
            mean = formulation.mean_pool(features, 3, 1, ((1, 1), (1, 1)))
            branches.append(self.pooled(mean, formulation))
        return jnp.concatenate(branches, formulation.channel_axis)


class InceptionResNetV2(nnx.Module):
    """A stem of five convolutions, and three stages of residual blocks that mixed blocks lead to."""

    def __init__(self) -> None:
        self.stem = nnx.List(
            [
                Conv(3, 32, 3, stride=2),
                Conv(32, 32, 3),
                Conv(32, 64, 3, padding=1),
                Conv(64, 80),
                Conv(80, 192, 3),
            ]
        )
        self.mixed_35 = Mixed(192, (((96, 1),), ((48, 1), (64, 5)), ((64, 1), (96, 3), (96, 3))), 64)
        self.blocks_35 = nnx.List([Residual(320, BLOCKS_35, 0.17) for _ in range(REPEATS[0])])
        self.mixed_17 = Mixed(320, (((384, 3),), ((256, 1), (256, 3), (384, 3))))
        self.blocks_17 = nnx.List([Residual(1088, BLOCKS_17, 0.1) for _ in range(REPEATS[1])])
        self.mixed_8 = Mixed(
            1088, (((256, 1), (384, 3)), ((256, 1), (288, 3)), ((256, 1), (288, 3), (320, 3)))
        )
        self.blocks_8 = nnx.List([Residual(2080, BLOCKS_8, 0.2) for _ in range(REPEATS[2] - 1)])
        self.blocks_8.append(Residual(2080, BLOCKS_8, 1.0, activated=False))
        self.head = Conv(2080, 1536)
        self.classifier = Dense(1536, 1000)

    def __call__(self, images: Array, formulation: Formulation) -> Array:
        """Preprocessed images [B, H, W, 3] to logits [B, 1000]."""
        features = formulation.enter(images)
        for index, convolution in enumerate(self.stem):
            features = nnx.relu(convolution(features, formulation))
            if index in (2, 4):
                features = formulation.max_pool(features, 3, 2, "VALID")
        for mixed, blocks in (
            (self.mixed_35, self.blocks_35),
            (self.mixed_17, self.blocks_17),
            (self.mixed_8, self.blocks_8),
        ):
            features = mixed(features, formulation)
            for block in blocks:
                features = block(features, formulation)
        return self.classifier(formulation.mean(nnx.relu(self.head(features, formulation))))


def _layers() -> Layers:
    """timm's names: a branch of one convolution is no list there, and its last residual block stands alone."""
    layers: dict[str, tuple[str, str | None]] = {"classifier": ("classif", None)}

    def normed(ours: str, theirs: str) -> None:
        layers[ours] = (f"{theirs}.conv", f"{theirs}.bn")

    def branches(ours: str, theirs: str, lengths: tuple[int, ...]) -> None:
        for branch, length in enumerate(lengths):
            for index in range(length):
                place = f"{theirs}.branch{branch}" + (f".{index}" if length > 1 else "")
                normed(f"{ours}/branches/{branch}/layers/{index}", place)

    for index, name in enumerate(("1a", "2a", "2b", "3b", "4a")):
        normed(f"stem/{index}", f"conv2d_{name}")
    normed("head", "conv2d_7b")
    branches("mixed_35", "mixed_5b", (1, 2, 3))
    normed("mixed_35/pooled/layers/0", "mixed_5b.branch3.1")
    branches("mixed_17", "mixed_6a", (1, 3))
    branches("mixed_8", "mixed_7a", (2, 2, 3))
    for (size, stage, kinds), count in zip(
        ((35, "repeat", BLOCKS_35), (17, "repeat_1", BLOCKS_17), (8, "repeat_2", BLOCKS_8)),
        REPEATS,
        strict=True,
    ):
        for index in range(count):
            theirs = "block8" if (size, index) == (8, count - 1) else f"{stage}.{index}"
            branches(f"blocks_{size}/{index}", theirs, tuple(len(kind) for kind in kinds))
            layers[f"blocks_{size}/{index}/join"] = (f"{theirs}.conv2d", None)
    return layers


INCEPTION_RESNET_V2 = Architecture(
    name="inception_resnet_v2",
    description="Inception-ResNet v2 (Szegedy et al. 2016, arXiv 1602.07261)",
    variants=(
        Variant(
            "timm",
            InceptionResNetV2,
            _layers(),
            epsilon=1e-3,
            mean=HALF,
            std=HALF,
        ),
    ),
    hub=(timm_source("inception_resnet_v2.tf_in1k"),),
    image_size=299,
    least_size=75,
)
