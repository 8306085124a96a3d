"""MobileNet v1 in the form of Keras, whose padding is its own where a map's side is odd."""

from typing import Any, cast

import jax
import jax.numpy as jnp
import pytest

from qdfool.classifiers.layers import CHANNELS_LAST, ChannelsLast
from qdfool.classifiers.networks import architecture


class Seen(ChannelsLast):
    """Remembers the map whose mean is taken."""

    def mean(self, features: Any) -> Any:
        """As it is, and remembered."""
        self.shape = features.shape
        return CHANNELS_LAST.mean(features)


@pytest.mark.parametrize(("side", "last"), [(224, 7), (129, 4), (240, 7)])
def test_keras_pads_below_and_at_the_right_before_it_halves(side, last):
    """In keras.applications a side of 129 becomes 65, 32, 16, 8 and 4; "SAME" would make 5 of it."""
    variant = next(one for one in architecture("mobilenet_v1_025").variants if one.name == "Keras")
    seen, make = Seen(), cast(Any, variant.make)
    jax.eval_shape(lambda images: make()(images, seen), jnp.zeros((1, side, side, 3)))
    assert seen.shape == (1, last, last, 256)
