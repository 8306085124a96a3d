"""What is known of a network beyond its layers: how its weights are named, prepared for and found.

One network is published by several hands, under names of their own, with a padding, an epsilon and a
preprocessing of their own. Each of these forms is a `Variant`; the file that is read decides which one it is
(`porting.port`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flax import nnx

Layers = Mapping[str, tuple[str, str | None]]
"""Path of each of our layers ("pairs/3/depthwise") to the name of the layer in the file and that of the batch
normalisation which follows it there, or None."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's pixels in [0, 1], which torchvision's networks want removed."""
HALF = (0.5, 0.5, 0.5)
"""Mean and standard deviation with which the TensorFlow family moves pixels into [-1, 1]."""


@dataclass(frozen=True)
class Framework:
    """How a framework names and lays out the tensors of a layer and of a batch normalisation."""

    separator: str
    """Between the name of a layer and that of its tensor."""
    kernels: tuple[str, ...]
    """Names that a kernel may have; a layer has one of them."""
    bias: str
    norm: tuple[str, str, str, str]
    """Names of scale, shift, mean and variance of a batch normalisation."""
    ignored: tuple[str, ...]
    """Names of tensors that training needs and inference does not."""
    outputs_first: bool
    """Kernels are [C', C, h, w] and [C', C]; otherwise [h, w, C, C'], depthwise [h, w, C, 1], and [C, C']."""

    def join(self, layer: str, tensor: str) -> str:
        """The name of a tensor of a layer."""
        return f"{layer}{self.separator}{tensor}"


TORCH = Framework(
    ".",
    ("weight",),
    "bias",
    ("weight", "bias", "running_mean", "running_var"),
    ("num_batches_tracked",),
    True,
)
KERAS = Framework(
    "/",
    # Keras 2 names a depthwise kernel apart, Keras 3 does not.
    ("kernel", "depthwise_kernel"),
    "bias",
    ("gamma", "beta", "moving_mean", "moving_variance"),
    (),
    False,
)


@dataclass(frozen=True, eq=False)
class Variant:
    """A form in which the weights of a network are published."""

    name: str
    """Who publishes it so: "torchvision", "timm", "Keras"."""
    make: Callable[[], nnx.Module]
    """The network, with the padding that goes with these weights."""
    layers: Layers
    framework: Framework = TORCH
    epsilon: float = 1e-5
    """Of its batch normalisations."""
    mean: tuple[float, float, float] = IMAGENET_MEAN
    """What is subtracted from pixels in [0, 1], by colour."""
    std: tuple[float, float, float] = IMAGENET_STD
    """What they are then divided by."""


@dataclass(frozen=True)
class Source:
    """A file of weights that can be fetched."""

    place: str
    """A repository of the Hugging Face hub ("timm/resnet18.tv_in1k"), or the https address of a folder."""
    file: str
    """Name of the file there."""
    sha256: str | None
    """First digits of its SHA-256, where they are published."""
    variant: str
    """Name of the variant that the file holds."""

    @property
    def url(self) -> str:
        """The https address of the file."""
        if self.place.startswith("https://"):
            return f"{self.place}/{self.file}"
        return f"https://huggingface.co/{self.place}/resolve/main/{self.file}"


def torchvision_source(file: str, variant: str = "torchvision") -> Source:
    """A file of torchvision's, whose name ends in the first digits of its SHA-256."""
    digits = file.removesuffix(".pth").rpartition("-")[2]
    return Source("https://download.pytorch.org/models", file, digits, variant)


def timm_source(repository: str, variant: str = "timm") -> Source:
    """The safetensors file of a repository of timm's on the Hugging Face hub."""
    return Source(f"timm/{repository}", "model.safetensors", None, variant)


@dataclass(frozen=True, eq=False)
class Architecture:
    """An ImageNet network of 1,000 classes."""

    name: str
    """As the command line takes it: "resnet18"."""
    description: str
    """Its name in the literature and its source, in a line."""
    variants: tuple[Variant, ...]
    hub: tuple[Source, ...] = ()
    """Where its weights can be fetched; the first is the one to take."""
    image_size: int = 224
    """Height and width of the images that it was trained on."""
    least_size: int = 32
    """Height and width of the smallest images that it takes; for a network whose convolutions all pad, where
    nothing else sets a limit, the stride of its last map."""
    fixed: bool = False
    """It takes images of `image_size` only."""
    depthwise: bool = False
    """It is made of depthwise and 1 x 1 convolutions, which XLA's convolution is slow at on a CPU."""
    images_at_once: int = 8
    """That a CPU takes at once, as found by measurement."""
