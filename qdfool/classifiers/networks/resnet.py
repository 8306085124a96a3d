"""ResNet-18 and ResNet-50 (He et al. 2015, arXiv 1512.03385), the stride of a bottleneck in its 3 x 3."""

from flax import nnx

from qdfool.classifiers.architecture import Architecture, Variant, timm_source, torchvision_source
from qdfool.classifiers.layers import Conv, Dense, Formulation
from qdfool.types import Array

CHANNELS = (64, 128, 256, 512)
"""Of the 3 x 3 convolutions of each stage."""


class Block(nnx.Module):
    """A residual block: two 3 x 3 convolutions, or a 3 x 3 between two 1 x 1 (the bottleneck)."""

    def __init__(self, inputs: int, channels: int, stride: int, bottleneck: bool) -> None:
        outputs = 4 * channels if bottleneck else channels
        if bottleneck:
            first, last = Conv(inputs, channels), Conv(channels, outputs)
            middle = [Conv(channels, channels, 3, stride=stride, padding=1)]
        else:
            first = Conv(inputs, channels, 3, stride=stride, padding=1)
            middle, last = [], Conv(channels, channels, 3, padding=1)
        self.convolutions = nnx.List([first, *middle, last])
        same = stride == 1 and inputs == outputs
        self.shortcut = nnx.data(None if same else Conv(inputs, outputs, stride=stride))

    def __call__(self, features: Array, formulation: Formulation) -> Array:
        """Feature map to feature map."""
        shortcut = features if self.shortcut is None else self.shortcut(features, formulation)
        for convolution in self.convolutions[:-1]:
            features = nnx.relu(convolution(features, formulation))
        return nnx.relu(self.convolutions[-1](features, formulation) + shortcut)


class ResNet(nnx.Module):
    """A 7 x 7 convolution, max pooling, four stages of residual blocks, mean, dense."""

    def __init__(self, blocks: tuple[int, ...], bottleneck: bool) -> None:
        self.stem = Conv(3, 64, 7, stride=2, padding=3)
        self.stages = nnx.List([])
        inputs, expansion = 64, 4 if bottleneck else 1
        for index, (channels, count) in enumerate(zip(CHANNELS, blocks, strict=True)):
            stage = [Block(inputs, channels, 1 if index == 0 else 2, bottleneck)]
            inputs = expansion * channels
            stage += [Block(inputs, channels, 1, bottleneck) for _ in range(count - 1)]
            self.stages.append(nnx.List(stage))
        self.classifier = Dense(inputs, 1000)

    def __call__(self, images: Array, formulation: Formulation) -> Array:
        """Preprocessed images [B, H, W, 3] to logits [B, 1000]."""
        features = nnx.relu(self.stem(formulation.enter(images), formulation))
        features = formulation.max_pool(features, 3, 2, ((1, 1), (1, 1)))
        for stage in self.stages:
            for block in stage:
                features = block(features, formulation)
        return self.classifier(formulation.mean(features))


def _architecture(depth: int, blocks: tuple[int, ...], bottleneck: bool, file: str) -> Architecture:
    layers: dict[str, tuple[str, str | None]] = {"stem": ("conv1", "bn1"), "classifier": ("fc", None)}
    for stage, count in enumerate(blocks):
        for block in range(count):
            ours, theirs = f"stages/{stage}/{block}", f"layer{stage + 1}.{block}"
            for index in range(3 if bottleneck else 2):
                name = (f"{theirs}.conv{index + 1}", f"{theirs}.bn{index + 1}")
                layers[f"{ours}/convolutions/{index}"] = name
            if block == 0 and (stage > 0 or bottleneck):
                layers[f"{ours}/shortcut"] = (f"{theirs}.downsample.0", f"{theirs}.downsample.1")

    def make() -> ResNet:
        return ResNet(blocks, bottleneck)

    variant = Variant("torchvision and timm", make, layers)
    return Architecture(
        name=f"resnet{depth}",
        description=f"ResNet-{depth} (He et al. 2015, arXiv 1512.03385)",
        variants=(variant,),
        hub=(
            timm_source(f"resnet{depth}.tv_in1k", variant.name),
            torchvision_source(file, variant.name),
        ),
    )


RESNET_18 = _architecture(18, (2, 2, 2, 2), False, "resnet18-f37072fd.pth")
RESNET_50 = _architecture(50, (3, 4, 6, 3), True, "resnet50-0676ba61.pth")
