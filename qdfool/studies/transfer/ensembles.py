"""Several networks as one classifier, whose log-odds are the minimum or the mean of theirs, exactly.

What evolution climbs are the log-odds of the softmax of a classifier's logits. So logits are wanted whose log-odds are
given numbers l_c, that is, probabilities p_c = sigmoid(l_c). There are some wherever the p_c sum to at most 1: log p_c,
and of one class more, which is none of the networks', the logarithm of what is left.

The minimum leaves no less than nothing, because min_i p_ic <= p_1c, and these sum to 1. So does the mean: with the
geometric mean G over the networks, sigmoid(mean_i l_ic) = G(p_ic) / (G(p_ic) + G(1 - p_ic)); 1 - p_ic is the sum of
the p_id over the other classes, and the geometric mean of sums is no less than the sum of geometric means (Hardy,
Littlewood and Polya, "Inequalities", 1934, section 2.7). So p_c is at most G(p_ic) / sum_d G(p_id), and these sum to 1.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp

from qdfool.classifiers.training import Logits
from qdfool.engine.objectives import log_odds
from qdfool.errors import InputError, known_name, listed
from qdfool.types import Array, Classifier, Image, Parameters

REST = "the rest"
"""Name of the class that is none of the networks'."""
RULES: dict[str, Callable[[Array], Array]] = {
    "minimum": lambda odds: jnp.min(odds, axis=0),
    "mean": lambda odds: jnp.mean(odds, axis=0),
}
"""By rule: from the log-odds [E, ...] of the members to those of the ensemble."""


def with_rest(odds: Array) -> Array:
    """Logits whose log-odds are the given ones, and of one class more, which has the rest of the probability.

    Exact but for rounding: of the class that is surest, too, where 1 - p is far below what float32 can tell from 0.

    Args:
        odds: [K] of one image, whose sigmoids sum to at most 1.

    Returns:
        [K + 1].
    """
    largest = jnp.argmax(odds)
    log_p = jax.nn.log_sigmoid(odds)
    missing = jax.nn.log_sigmoid(-odds[largest])  # log(1 - p) of the surest class
    others = jax.nn.logsumexp(jnp.where(jnp.arange(odds.shape[0]) == largest, -jnp.inf, log_p))
    # As a share of what the surest lacks; where rounding leaves nothing, so little that it changes no log-odds.
    left = jnp.maximum(-jnp.expm1(others - missing), jnp.finfo(jnp.float32).eps)
    return jnp.append(log_p, missing + jnp.log(left))


def ensemble(members: Sequence[Classifier], rule: str) -> Classifier:
    """A classifier whose log-odds of each class are the minimum, or the mean, of its members'.

    Its parameters are the members', with a leading axis [E, ...]; its last class is `REST`.

    Args:
        members: of one architecture, one or more.
        rule: of `RULES`.

    Raises:
        InputError: there is no member, or they are of several architectures or classes, or there is no such rule.
    """
    known_name("rule", rule, RULES)
    if not members:
        raise InputError("An ensemble needs a member or more; got none.")
    first = members[0]
    alike = [(m.logits, m.class_names, m.image_shape, _shapes(m.parameters)) for m in members]
    if any(of != alike[0] for of in alike):
        raise InputError(
            "The members of an ensemble must be of one architecture, with the same classes in the same order; got "
            f"{listed(member.name for member in members)}."
        )
    return replace(
        first,
        # The same for all ensembles of a rule and size: what evolution compiled for one serves them.
        name=f"{rule} of {len(members)} {first.name}",
        class_names=(*first.class_names, REST),
        parameters=jax.tree.map(lambda *leaves: jnp.stack(leaves), *(m.parameters for m in members)),
        logits=_ensemble_logits(first.logits, rule),
        fingerprint="",
        reference="",
        file_hash="",
    )


def _shapes(parameters: Parameters) -> list[tuple[int, ...]]:
    return [jnp.shape(leaf) for leaf in jax.tree.leaves(parameters)]


@functools.cache
def _ensemble_logits(network: Logits, rule: str) -> Logits:
    """The same function for the same network and rule, so that what was compiled for one ensemble serves others."""

    def member(parameters: Parameters, images: Image) -> Array:
        return jax.vmap(log_odds)(network(parameters, images))

    def logits(parameters: Parameters, images: Image) -> Array:
        each = jax.lax.map(lambda one: member(one, images), parameters)
        return jax.vmap(with_rest)(RULES[rule](each))

    return logits
