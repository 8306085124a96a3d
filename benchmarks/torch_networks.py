"""ImageNet networks in PyTorch with the parameters of our own, in the forms that PyTorch has for speed on a CPU.

MobileNets are built here from our parameters (`benchmarks.torch_mobilenet`), because their weights come from TensorFlow
too; of the others torchvision's own modules are taken.
"""

import functools
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch._inductor.config
from safetensors.numpy import save_file
from torch import nn
from torch.fx.experimental.optimization import fuse

from benchmarks.torch_mobilenet import mobilenet
from qdfool.classifiers.architecture import Variant
from qdfool.classifiers.porting import read_weights
from qdfool.errors import InputError, shown
from qdfool.types import Classifier

Forward = Callable[[torch.Tensor], torch.Tensor]
"""From images [B, 3, H, W] in [0, 1], channels last, to logits [B, 1000]."""
TORCHVISION = ("alexnet", "resnet18", "resnet50", "squeezenet1_0", "squeezenet1_1", "vgg16")
"""Networks of --list that are torchvision's modules here."""


class Prepared(nn.Module):
    """A network behind its preprocessing, which our forward pass has too."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: nn.Module, variant: Variant) -> None:
        super().__init__()
        self.network = network
        for name, value in (("mean", variant.mean), ("std", variant.std)):
            self.register_buffer(name, torch.tensor(value).reshape(1, 3, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """[B, 3, H, W] in [0, 1] to logits [B, 1000]."""
        return self.network((images - self.mean) / self.std)


def random_weights(name: str, folder: Path) -> Path:
    """A file with the weights that torchvision begins to train one of `TORCHVISION` with, always the same."""
    torch.manual_seed(0)
    file = folder / f"{name}.safetensors"
    save_file({key: value.numpy() for key, value in _torchvision(name).state_dict().items()}, file)
    return file


def forms(classifier: Classifier, weights: Path | None) -> dict[str, Forward]:
    """The network in every form by name: as it is and compiled, with its batch norms and with them folded away.

    What is compiled is so at its first call.

    Args:
        classifier: a MobileNet, or one of `TORCHVISION`, as `qdfool.classifiers.porting.classifier` made it.
        weights: the file that it has them from. Not needed for a MobileNet.

    Raises:
        InputError: it is another network, or the file is of another variant than torchvision's.
    """
    # Its compiler's workers would go on beside what is measured.
    torch._inductor.config.compile_threads = 1
    variant: Variant = cast(functools.partial, classifier.logits).keywords["variant"]
    if classifier.name.startswith("mobilenet"):
        networks = {"folded": mobilenet(classifier, variant)}
    elif classifier.name in TORCHVISION and weights is not None:
        tensors = {name: torch.from_numpy(np.array(value)) for name, value in read_weights(weights).items()}
        network = _torchvision(classifier.name)
        try:
            network.load_state_dict(tensors)
        except RuntimeError as error:
            raise InputError(
                f"--torch needs weights as torchvision has them; {shown(str(weights))} has others: "
                f"{shown(str(error))}"
            ) from error
        normalised = any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
        networks = {"batch norms": network, "folded": fuse(network)} if normalised else {"": network}
    else:
        raise InputError(f"--torch has MobileNets and {', '.join(TORCHVISION)}; got {classifier.name}.")
    found: dict[str, Forward] = {}
    for name, network in networks.items():
        whole = Prepared(network, variant).eval()
        whole.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  (its stubs forget this form)
        found[f"eager {name}".strip()] = functools.partial(_infer, whole)
        found[f"compiled {name}".strip()] = functools.partial(_infer, torch.compile(whole))
        if name != "batch norms":  # freezing folds them by itself
            frozen = torch.compile(whole, options={"freezing": True})
            found[f"compiled, frozen {name}".strip()] = functools.partial(_infer, frozen)
    return found


def _infer(network: Callable[..., Any], images: torch.Tensor) -> torch.Tensor:
    # Not inference_mode, in which nothing is frozen.
    with torch.no_grad():
        return network(images)


@functools.cache
def torchvision() -> Any:
    """The package, also where its compiled part is not of this PyTorch: no network here needs it, but two of its
    operators have to be declared then."""
    try:
        return importlib.import_module("torchvision")
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        found: Any = importlib.import_module("torchvision")
        found.declared = library  # its declarations last as long as it does
        return found


def _torchvision(name: str) -> nn.Module:
    return getattr(torchvision().models, name)().eval()
