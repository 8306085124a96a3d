"""SqueezeNet 1.0 and 1.1 (Iandola et al. 2016, arXiv 1602.07360)."""

import jax.numpy as jnp
from flax import nnx

from qdfool.classifiers.architecture import Architecture, Variant, torchvision_source
from qdfool.classifiers.layers import Conv, Formulation, Padding
from qdfool.types import Array

FIRES = (128, 128, 256, 256, 384, 384, 512, 512)
"""Channels that each fire module gives; it squeezes to an eighth of them."""
ROUND_UP: Padding = ((0, 1), (0, 1))
"""With a window of 3 and a stride of 2, the padding that keeps a last, incomplete window."""


class Fire(nnx.Module):
    """A 1 x 1 convolution, then a 1 x 1 and a 3 x 3 one side by side; ReLU after each."""

    def __init__(self, inputs: int, outputs: int) -> None:
        squeezed, expanded = outputs // 8, outputs // 2
        self.squeeze = Conv(inputs, squeezed)
        self.expand1x1 = Conv(squeezed, expanded)
        self.expand3x3 = Conv(squeezed, expanded, 3, padding=1)

    def __call__(self, features: Array, formulation: Formulation) -> Array:
        """Feature map to feature map."""
        features = nnx.relu(self.squeeze(features, formulation))
        # Each side is activated where its bias is added: afterwards it would be one more way through memory.
        expanded = [nnx.relu(layer(features, formulation)) for layer in (self.expand1x1, self.expand3x3)]
        return jnp.concatenate(expanded, formulation.channel_axis)


class SqueezeNet(nnx.Module):
    """A convolution, eight fire modules, three max poolings, a 1 x 1 convolution, ReLU and the mean."""

    def __init__(self, channels: int, window: int, pooled: tuple[int, ...]) -> None:
        self.stem = Conv(3, channels, window, stride=2)
        inputs = (channels, *FIRES[:-1])
        self.fires = nnx.List([Fire(*pair) for pair in zip(inputs, FIRES, strict=True)])
        self.classifier = Conv(FIRES[-1], 1000)
        self.pooled = pooled

    def __call__(self, images: Array, formulation: Formulation) -> Array:
        """Preprocessed images [B, H, W, 3] to logits [B, 1000]."""
        features = nnx.relu(self.stem(formulation.enter(images), formulation))
        for index, fire in enumerate(self.fires):
            if index in self.pooled:
                features = formulation.max_pool(features, 3, 2, ROUND_UP)
            features = fire(features, formulation)
        return formulation.mean(nnx.relu(self.classifier(features, formulation)))


def _architecture(
    version: str, channels: int, window: int, pooled: tuple[int, ...], file: str, least: int
) -> Architecture:
    """`pooled` are the fire modules that a max pooling precedes."""
    # torchvision counts its activations and poolings as layers too: each pooling moves the names by one.
    places = [3 + index + sum(p <= index for p in pooled[1:]) for index in range(len(FIRES))]
    layers = {
        f"fires/{index}/{layer}": (f"features.{place}.{layer}", None)
        for index, place in enumerate(places)
        for layer in ("squeeze", "expand1x1", "expand3x3")
    }
    layers |= {"stem": ("features.0", None), "classifier": ("classifier.1", None)}

    def make() -> SqueezeNet:
        return SqueezeNet(channels, window, pooled)

    return Architecture(
        name=f"squeezenet{version.replace('.', '_')}",
        description=f"SqueezeNet {version} (Iandola et al. 2016, arXiv 1602.07360)",
        variants=(Variant("torchvision", make, layers),),
        hub=(torchvision_source(file),),
        least_size=least,
        images_at_once=4,
    )


SQUEEZENET_1_0 = _architecture("1.0", 96, 7, (0, 3, 7), "squeezenet1_0-b66bff10.pth", 21)
SQUEEZENET_1_1 = _architecture("1.1", 64, 3, (0, 2, 4), "squeezenet1_1-b8a52dc0.pth", 17)
