"""VGG-16 (Simonyan and Zisserman 2014, arXiv 1409.1556, configuration D)."""

from flax import nnx

from qdfool.classifiers.architecture import Architecture, Layers, Variant, timm_source, torchvision_source
from qdfool.classifiers.layers import Conv, Dense, Divided, Formulation
from qdfool.types import Array

STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and number of the 3 x 3 convolutions before each max pooling."""


class VGG16(Divided):
    """Thirteen 3 x 3 convolutions, five max poolings, three dense layers."""

    def __init__(self) -> None:
        self.stages = nnx.List([])
        inputs = 3
        for channels, count in STAGES:
            stage = [Conv(inputs, channels, 3, padding=1)]
            stage += [Conv(channels, channels, 3, padding=1) for _ in range(count - 1)]
            self.stages.append(nnx.List(stage))
            inputs = channels
        self.dense1 = Conv(inputs, 4096, 7)  # as large as the map
        self.dense2 = Dense(4096, 4096)
        self.classifier = Dense(4096, 1000)

    def maps(self, images: Array, formulation: Formulation) -> Array:
        """Preprocessed images [B, 224, 224, 3] to maps [B, 7, 7, 512]."""
        features = formulation.enter(images)
        for stage in self.stages:
            for convolution in stage:
                features = nnx.relu(convolution(features, formulation))
            features = formulation.max_pool(features, 2, 2, "VALID")
        return formulation.leave(features)

    def classify(self, maps: Array, formulation: Formulation) -> Array:
        """What `maps` returned to logits [B, 1000]."""
        features = formulation.enter(maps)
        hidden = formulation.mean(nnx.relu(self.dense1(features, formulation)))  # of a map of 1 x 1
        return self.classifier(nnx.relu(self.dense2(hidden)))


def _layers(dense1: str, dense2: str, classifier: str) -> Layers:
    layers = {"dense1": (dense1, None), "dense2": (dense2, None), "classifier": (classifier, None)}
    place = 0
    for stage, (_, count) in enumerate(STAGES):
        for index in range(count):
            layers[f"stages/{stage}/{index}"] = (f"features.{place}", None)
            place += 2  # a convolution and its ReLU
        place += 1  # the pooling
    return layers


VGG_16 = Architecture(
    name="vgg16",
    description="VGG-16 (Simonyan and Zisserman 2014, arXiv 1409.1556)",
    variants=(
        Variant("torchvision", VGG16, _layers("classifier.0", "classifier.3", "classifier.6")),
        Variant("timm", VGG16, _layers("pre_logits.fc1", "pre_logits.fc2", "head.fc")),
    ),
    hub=(timm_source("vgg16.tv_in1k"), torchvision_source("vgg16-397923af.pth")),
    least_size=224,
    fixed=True,
)
