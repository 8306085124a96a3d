"""From a config to what a gradient becomes: steps of Optax, and what regularises them."""

from collections.abc import Callable

import jax.numpy as jnp
import optax

from qdfool.config import GradientArborescence, GradientAscent
from qdfool.engine.emitters.gradient_ascent import Regulariser
from qdfool.errors import InputError, shown
from qdfool.genomes.pixels import regularisers
from qdfool.types import Array, Encoding, Genome

LAST_STEP = 0.1
"""Of the first step, where steps become shorter."""


RULES: dict[str, Callable[[], optax.GradientTransformation]] = {
    "normalised": optax.normalize_by_update_norm,
    "sign": optax.scale_by_sign,
    "sgd": optax.identity,
    "adam": optax.scale_by_adam,
}


def build_step_rule(settings: GradientAscent) -> optax.GradientTransformation:
    """The rule of a config, which descends."""
    first = settings.learning_rate
    last = first if settings.schedule == "constant" else first * LAST_STEP
    rate = optax.linear_schedule(first, last, max(1, settings.steps - 1))
    return optax.chain(RULES[settings.rule](), optax.scale_by_learning_rate(rate))


def build_point_rule(settings: GradientArborescence) -> optax.GradientTransformation:
    """The rule by which a point moves that children branch off from; it descends."""
    return optax.chain(RULES[settings.rule](), optax.scale_by_learning_rate(settings.learning_rate))


def build_regulariser(settings: GradientAscent, encoding: Encoding) -> Regulariser:
    """All regularisers of a config that are not 0, one after the other: those of Yosinski et al. 2015, and the decay.

    Raises:
        InputError: one that is for images, and genomes that are none.
    """
    used = [
        name
        for name in ("decay", "blur_sigma", "clip_values", "clip_contributions")
        if getattr(settings, name)
    ]
    if used and encoding.name != "pixels":
        raise InputError(
            f"`gradient_ascent.{used[0]}` is for genomes that are images; got the encoding {shown(encoding.name)}. "
            "Set it to 0, or choose the encoding 'pixels'."
        )

    def regularise(number: Array, genome: Genome, gradient: Genome) -> Genome:
        if settings.decay:
            genome = regularisers.decay(genome, settings.decay)
        if settings.blur_sigma:
            blurred = regularisers.blur(genome, settings.blur_sigma)
            genome = jnp.where((number + 1) % settings.blur_every == 0, blurred, genome)
        if settings.clip_values:
            genome = regularisers.clip_values(genome, settings.clip_values)
        if settings.clip_contributions:
            genome = regularisers.clip_contributions(genome, gradient, settings.clip_contributions)
        return genome

    return regularise
