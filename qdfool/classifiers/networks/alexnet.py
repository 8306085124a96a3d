"""AlexNet, in the form of Krizhevsky 2014 (arXiv 1404.5997): one tower, no response normalisation."""

from flax import nnx

from qdfool.classifiers.architecture import Architecture, Variant, torchvision_source
from qdfool.classifiers.layers import Conv, Dense, Divided, Formulation
from qdfool.types import Array

POOLED = (0, 1, 4)
"""The convolutions that a max pooling follows."""


class AlexNet(Divided):
    """Five convolutions, three of them followed by max pooling, and three dense layers."""

    def __init__(self) -> None:
        self.features = nnx.List(
            [
                Conv(3, 64, 11, stride=4, padding=2),
                Conv(64, 192, 5, padding=2),
                Conv(192, 384, 3, padding=1),
                Conv(384, 256, 3, padding=1),
                Conv(256, 256, 3, padding=1),
            ]
        )
        self.dense1 = Conv(256, 4096, 6)  # as large as the map
        self.dense2 = Dense(4096, 4096)
        self.classifier = Dense(4096, 1000)

    def maps(self, images: Array, formulation: Formulation) -> Array:
        """Preprocessed images [B, 224, 224, 3] to maps [B, 6, 6, 256]."""
        features = formulation.enter(images)
        for index, convolution in enumerate(self.features):
            features = nnx.relu(convolution(features, formulation))
            if index in POOLED:
                features = formulation.max_pool(features, 3, 2, "VALID")
        return formulation.leave(features)

    def classify(self, maps: Array, formulation: Formulation) -> Array:
        """What `maps` returned to logits [B, 1000]."""
        features = formulation.enter(maps)
        hidden = formulation.mean(nnx.relu(self.dense1(features, formulation)))  # of a map of 1 x 1
        return self.classifier(nnx.relu(self.dense2(hidden)))


ALEXNET = Architecture(
    name="alexnet",
    description="AlexNet (Krizhevsky 2014, arXiv 1404.5997), as torchvision has it",
    variants=(
        Variant(
            "torchvision",
            AlexNet,
            {
                **{f"features/{index}": (f"features.{i}", None) for index, i in enumerate((0, 3, 6, 8, 10))},
                "dense1": ("classifier.1", None),
                "dense2": ("classifier.4", None),
                "classifier": ("classifier.6", None),
            },
        ),
    ),
    hub=(torchvision_source("alexnet-owt-7be5be79.pth"),),
    least_size=224,
    fixed=True,
    images_at_once=4,
)
