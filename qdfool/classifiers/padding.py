"""What lies around a feature map: a formulation that pads convolutions with the map's own values, not zeros.

To zeros an image's border is an edge like any other: a network sees the frame of a white image. Mirrored or
repeated values have no such edge. The weights were learned with zeros, so a network padded otherwise is
another one, and how well it still classifies is to be measured beside what it is used for.

    porting.classifier(architecture, weights, formulation=Padded(BATCH_MINOR, "reflect"))
"""

from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp
from flax import nnx
from jax import lax

from qdfool.classifiers.layers import Activation, Conv, Formulation, Padding, in_turn
from qdfool.types import Array, Image

Mode = Literal["zero", "reflect", "edge", "wrap"]
"""zero: as the network was trained. reflect: the map mirrored about its outermost values, which are not
repeated. edge: the outermost values repeated. wrap: those of the opposite side, as on a torus, where no place is
nearer to an edge than another."""


class Padded:
    """A formulation whose convolutions pad as `mode` says, in maps of either layout; pools pad as before.

    A map of a single row or column has nothing to mirror: there, "reflect" repeats it as "edge" does. A map
    smaller than the padding is mirrored again and again.
    """

    def __init__(self, formulation: Formulation, mode: Mode) -> None:
        self.formulation = formulation
        self.mode: Mode = mode
        self.channel_axis = formulation.channel_axis

    def run(self, network: Callable[[Image], Array], images: Image) -> Array:
        """See `Formulation.run`."""
        return self.formulation.run(network, images)

    def enter(self, images: Image) -> Array:
        """See `Formulation.enter`."""
        return self.formulation.enter(images)

    def leave(self, features: Array) -> Array:
        """See `Formulation.leave`."""
        return self.formulation.leave(features)

    def convolve(
        self,
        features: Array,
        kernel: Array,
        bias: Array,
        stride: int,
        padding: Padding,
        groups: int,
        activation: Activation = nnx.identity,
    ) -> Array:
        """See `Formulation.convolve`; what `padding` adds has the values that `mode` says."""
        if self.mode == "zero":
            return self.formulation.convolve(features, kernel, bias, stride, padding, groups, activation)
        if isinstance(padding, str):
            size = features.shape[1:3]  # in both layouts
            down, across = lax.padtype_to_pads(size, kernel.shape[:2], (stride, stride), padding)
        else:
            down, across = padding
        padded = jnp.pad(features, ((0, 0), down, across, (0, 0)), mode=self.mode)
        return self.formulation.convolve(padded, kernel, bias, stride, "VALID", groups, activation)

    def inverted_bottleneck(
        self, features: Array, expand: Conv | None, depthwise: Conv, project: Conv
    ) -> Array:
        """See `Formulation.inverted_bottleneck`."""
        if self.mode == "zero":
            return self.formulation.inverted_bottleneck(features, expand, depthwise, project)
        return in_turn((expand, depthwise, project), features, self)

    def max_pool(self, features: Array, window: int, stride: int, padding: Padding) -> Array:
        """See `Formulation.max_pool`."""
        return self.formulation.max_pool(features, window, stride, padding)

    def mean_pool(self, features: Array, window: int, stride: int, padding: Padding) -> Array:
        """See `Formulation.mean_pool`."""
        return self.formulation.mean_pool(features, window, stride, padding)

    def mean(self, features: Array) -> Array:
        """See `Formulation.mean`."""
        return self.formulation.mean(features)
