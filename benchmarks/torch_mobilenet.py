"""MobileNet v1 and v2 in PyTorch with the parameters of our own: batch norms folded away, activations in place."""

import functools
from collections.abc import Iterator
from typing import Any, cast

import jax
import numpy as np
import torch
from torch import nn

from qdfool.classifiers.architecture import Variant
from qdfool.types import Classifier


class Same(nn.Module):
    """TensorFlow's padding before a 3 x 3 convolution of stride 2 on an even size."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] to [B, C, H + 1, W + 1]."""
        return nn.functional.pad(images, (0, 1, 0, 1))


class Residual(nn.Module):
    """What comes in is added to what comes out."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] to [B, C, H, W]."""
        return images + self.inner(images)


def mobilenet(classifier: Classifier, variant: Variant) -> nn.Module:
    """The classifier in PyTorch, behind its preprocessing: [B, 3, H, W] to logits [B, 1000].

    Args:
        classifier: MobileNet v1 or v2, as `qdfool.classifiers.porting.classifier` made it.
        variant: which of their variants it is.
    """
    same = "SAME" in cast(functools.partial, variant.make).args
    parameters = jax.tree.map(np.asarray, classifier.parameters)
    layers = _v1(parameters, same) if "pairs" in parameters else _v2(parameters, same)
    dense = nn.Linear(*parameters["classifier"]["kernel"].shape)
    with torch.no_grad():
        dense.weight.copy_(torch.from_numpy(parameters["classifier"]["kernel"].T.copy()))
        dense.bias.copy_(torch.from_numpy(parameters["classifier"]["bias"].copy()))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), dense)


def _v1(parameters: dict[str, Any], same: bool) -> Iterator[nn.Module]:
    strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
    yield from _convolution(parameters["stem"], 2, same)
    for index, stride in enumerate(strides):
        pair = parameters["pairs"][index]
        yield from _convolution(pair["depthwise"], stride, same, depthwise=True)
        yield from _convolution(pair["pointwise"], 1, same)


def _v2(parameters: dict[str, Any], same: bool) -> Iterator[nn.Module]:
    strides = [1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1]
    yield from _convolution(parameters["stem"], 2, same)
    for index, stride in enumerate(strides):
        block = parameters["blocks"][index]
        inner = []
        if "expand" in block:
            inner += _convolution(block["expand"], 1, same)
        inner += _convolution(block["depthwise"], stride, same, depthwise=True)
        inner += _convolution(block["project"], 1, same, linear=True)
        inputs = block["expand" if "expand" in block else "depthwise"]["kernel"].shape[2]
        residual = stride == 1 and "expand" in block and inputs == block["project"]["kernel"].shape[3]
        yield Residual(nn.Sequential(*inner)) if residual else nn.Sequential(*inner)
    yield from _convolution(parameters["head"], 1, same)


def _convolution(
    parameters: dict[str, np.ndarray], stride: int, same: bool, depthwise: bool = False, linear: bool = False
) -> Iterator[nn.Module]:
    window, _, inputs, outputs = parameters["kernel"].shape
    pads_itself = not (same and stride == 2)
    if not pads_itself:
        yield Same()
    layer = nn.Conv2d(
        outputs if depthwise else inputs,
        outputs,
        window,
        stride,
        window // 2 if pads_itself else 0,
        groups=outputs if depthwise else 1,
    )
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(parameters["kernel"].transpose(3, 2, 0, 1).copy()))
        assert layer.bias is not None
        layer.bias.copy_(torch.from_numpy(parameters["bias"].copy()))
    yield layer
    if not linear:
        yield nn.ReLU6(inplace=True)
