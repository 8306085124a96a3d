"""The packaged LeNet as a PyTorch module: what a user who works in PyTorch would audit."""

import numpy as np
import torch
from safetensors.numpy import load_file

from qdfool.classifiers.lenet import PRETRAINED


class LeNet(torch.nn.Module):
    def __init__(self, tensors: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.convolutions = torch.nn.ModuleList([torch.nn.Conv2d(1, 20, 5), torch.nn.Conv2d(20, 50, 5)])
        self.dense = torch.nn.ModuleList([torch.nn.Linear(800, 500), torch.nn.Linear(500, 10)])
        for layer, name in zip(self.convolutions, ("conv1", "conv2"), strict=True):
            fill(layer, tensors[f"{name}/kernel"].transpose(3, 2, 0, 1), tensors[f"{name}/bias"])
        # The rows of the first dense layer are in (H, W, C) order there, in (C, H, W) order here.
        rows = tensors["ip1/kernel"].reshape(4, 4, 50, 500).transpose(2, 0, 1, 3).reshape(800, 500)
        fill(self.dense[0], rows.T, tensors["ip1/bias"])
        fill(self.dense[1], tensors["ip2/kernel"].T, tensors["ip2/bias"])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        for convolution in self.convolutions:
            images = torch.nn.functional.max_pool2d(convolution(images), 2)
        return self.dense[1](torch.relu(self.dense[0](images.flatten(1))))


def fill(layer: torch.nn.Module, weight: np.ndarray, bias: np.ndarray) -> None:
    layer.load_state_dict({"weight": torch.from_numpy(weight.copy()), "bias": torch.from_numpy(bias.copy())})


network = LeNet(load_file(PRETRAINED)).eval()


def logits(images: np.ndarray) -> np.ndarray:
    """Logits [B, 10] of images [B, 28, 28, 1]: what `--classifier torch_lenet:logits` names."""
    with torch.inference_mode():
        return network(torch.from_numpy(np.asarray(images)).permute(0, 3, 1, 2)).numpy()
