"""The ImageNet networks by name; a file each."""

import re

from qdfool.classifiers.architecture import Architecture
from qdfool.classifiers.networks.alexnet import ALEXNET
from qdfool.classifiers.networks.inception_resnet_v2 import INCEPTION_RESNET_V2
from qdfool.classifiers.networks.mobilenet_v1 import mobilenet_v1
from qdfool.classifiers.networks.mobilenet_v2 import MOBILENET_V2
from qdfool.classifiers.networks.resnet import RESNET_18, RESNET_50
from qdfool.classifiers.networks.squeezenet import SQUEEZENET_1_0, SQUEEZENET_1_1
from qdfool.classifiers.networks.vgg import VGG_16
from qdfool.errors import known_name

ARCHITECTURES: dict[str, Architecture] = {
    network.name: network
    for network in (
        ALEXNET,
        SQUEEZENET_1_0,
        SQUEEZENET_1_1,
        VGG_16,
        RESNET_18,
        RESNET_50,
        *(mobilenet_v1(percent) for percent in (25, 50, 75, 100)),
        MOBILENET_V2,
        INCEPTION_RESNET_V2,
    )
}


def architecture(name: str) -> Architecture:
    """The network of that name; `mobilenet_v1_NNN` may have any width, in per cent of three digits.

    Raises:
        InputError: there is none.
    """
    width = re.fullmatch(r"mobilenet_v1_(\d{3})", name)
    if width and int(width[1]) >= 4:
        return mobilenet_v1(int(width[1]))
    return ARCHITECTURES[known_name("network", name, ARCHITECTURES)]
