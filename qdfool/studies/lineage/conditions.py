"""What is run: three settings of the paper, each with two ways for children to compete."""

from typing import NamedTuple

COMPETITIONS = {"all": "every class", "parent": "its parent's class"}
"""What a child competes for, `competition` of a config: the paper's way, and without goal switching."""
NETWORK, WEIGHTS = "mobilenet_v1_025", "mobilenet_v1_0.25_224.safetensors"


class Setting(NamedTuple):
    """A preset, and how much of it is run."""

    line: str
    batch_size: int
    generations: int
    most_seeds: int = 100
    """However many the study has."""
    imagenet: bool = False
    """Whether it wants the weights of `NETWORK`."""

    @property
    def evaluations(self) -> int:
        """Images classified in a run."""
        return self.batch_size * self.generations


FULL = {
    "mnist-direct": Setting("MNIST, pixels", 200, 200),
    "mnist-cppn": Setting("MNIST, CPPNs", 200, 200),
    "imagenet-cppn": Setting("ImageNet, CPPNs", 64, 782, most_seeds=3, imagenet=True),
}
"""By the names of their presets."""
QUICK = {
    name: setting._replace(batch_size=40, generations=15)
    for name, setting in FULL.items()
    if not setting.imagenet
}
