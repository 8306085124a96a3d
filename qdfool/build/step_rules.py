"""From a config to what a gradient becomes: steps of Optax, and what regularises them."""

from collections.abc import Callable
from typing import Any, cast

import jax
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


def build_step_rule(settings: GradientAscent) -> optax.GradientTransformationExtraArgs:
    """The rule of a config, which descends; `value` is what it descends, the negative log-odds."""
    first = settings.learning_rate
    last = first if settings.schedule == "constant" else first * LAST_STEP
    rate = optax.linear_schedule(first, last, max(1, settings.steps - 1))
    if settings.rule == "progress":
        scaled = scale_by_progress(settings.early, settings.late, settings.most)
    else:
        scaled = RULES[settings.rule]()
    return optax.chain(scaled, optax.scale_by_learning_rate(rate))


def build_point_rule(settings: GradientArborescence) -> optax.GradientTransformation:
    """The rule by which a point moves that children branch off from; it descends."""
    return optax.chain(RULES[settings.rule](), optax.scale_by_learning_rate(settings.learning_rate))


def scale_by_progress(early: float, late: float, most: float) -> optax.GradientTransformationExtraArgs:
    """Steps that win a probability so much, as far as it is linear: those of Nguyen et al. 2015.

    Of a probability p with the gradient g the step is min(most, min(early, late (1 - p)) / |g|^2) g. It is computed
    from the log-odds, whose gradient is g / (p (1 - p)): the same step, but p need not be told from 0 and 1 in float32.

    Source: `find_image` of the authors' program (github.com/Evolving-AI-Lab/fooling, caffe/ascent).

    Args:
        early: what p should win, at most.
        late: the share of 1 - p that it should win, at most.
        most: the factor of g, at most.
    """

    def update(
        updates: Any, state: Any, params: Any = None, *, value: Array, **extra: Any
    ) -> tuple[Any, optax.EmptyState]:
        p, missing = jax.nn.sigmoid(-value), jax.nn.sigmoid(value)
        # Of the log-odds, whose slope of p is p (1 - p). Both are infinite where p is 0, and the step is 0 then.
        wanted = jnp.minimum(early / (p * missing), late / p)
        squared = sum(jnp.square(leaf).sum() for leaf in jax.tree.leaves(updates))
        factor = jnp.minimum(most * p * missing, wanted / squared)
        return jax.tree.map(lambda leaf: factor * leaf, updates), state

    # Optax's own type of `update` knows of no arguments that a rule may need.
    return optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), cast(Any, update))


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
