"""The packaged LeNet in PyTorch, with the same weights, for the peers that are of PyTorch."""

import os

import jax
import numpy as np
import torch
from torch import nn

from qdfool.classifiers import lenet


def torch_device() -> torch.device:
    """Where PyTorch's peers compute: on a GPU where JAX does, and then PyTorch must see it too."""
    return torch.device("cuda" if jax.default_backend() == "gpu" else "cpu")


def torch_lenet() -> nn.Sequential:
    """Images [B, 1, 28, 28] in [0, 1] to logits [B, 10], on the GPU, or on all cores that this process may use."""
    torch.set_num_threads(
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    parameters = lenet.classifier().parameters
    network = nn.Sequential(
        nn.Conv2d(1, 20, 5),
        nn.MaxPool2d(2),
        nn.Conv2d(20, 50, 5),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(800, 500),
        nn.ReLU(),
        nn.Linear(500, 10),
    )
    names = {0: "conv1", 2: "conv2", 5: "ip1", 7: "ip2"}
    with torch.no_grad():
        for index, name in names.items():
            kernel = np.asarray(parameters[name]["kernel"])
            if name == "ip1":
                # Its rows are in (H, W, C) order, and PyTorch flattens in (C, H, W).
                kernel = kernel.reshape(4, 4, 50, 500).transpose(2, 0, 1, 3).reshape(800, 500)
            turned = kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T
            layer = network[index]
            # Its stubs say of a layer's parameters that they may be modules.
            layer.weight.copy_(torch.from_numpy(turned.copy()))  # type: ignore[operator]
            layer.bias.copy_(torch.from_numpy(np.array(parameters[name]["bias"])))  # type: ignore[operator]
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    network.eval()
    network.to(torch_device(), memory_format=torch.channels_last)  # type: ignore[call-overload]  (its stubs forget it)
    return network
