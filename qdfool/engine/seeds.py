"""Several seeds side by side: a generation of each in one program, their images in one batch.

The seeds know nothing of one another: each has a `State` of its own, and a generation of all of them is `step` for
each. They have come equally far, so that what depends on the generation alone is decided once for all.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from qdfool.engine.step import Evolution, ask, scoring, tell
from qdfool.types import Array, Image, Parameters, Record, State

_AXES: Any = State._make([0] * len(State._fields))._replace(generation=None)
"""Where the leaves of a state have the seeds, as `jax.vmap` takes it."""


def together(states: Sequence[State]) -> State:
    """The states of S seeds as one: leaves [S, ...], but a single generation."""
    joined = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    # Taken from all, so that the program reads the generation of each: an argument that is not read is not donated.
    return joined._replace(generation=joined.generation[0])


def apart(states: State) -> tuple[State, ...]:
    """What `together` made one."""
    seeds = states.images.shape[0]
    states = states._replace(generation=jnp.broadcast_to(states.generation, seeds))
    return tuple(jax.tree.map(lambda leaf, row=row: leaf[row], states) for row in range(seeds))


def step_of_seeds(
    evolution: Evolution, logits: Callable[[Parameters, Image], Array], parameters: Parameters, states: State
) -> tuple[State, Record]:
    """One generation of each seed, on one device.

    Args:
        evolution: the functions.
        logits: as `qdfool.engine.step.step` takes them. They are given the images of all seeds, [S x B, H, W, C];
            by an emitter that follows gradients those of a seed, under `jax.vmap`.
        parameters: of the classifier.
        states: as `together` makes them.

    Returns:
        The states, and the records, leaves [S, ...].
    """
    images = ask(states)
    seeds, batch = images.shape[:2]
    answers = logits(parameters, images.reshape(seeds * batch, *images.shape[2:]))
    told = partial(tell, evolution, score=scoring(logits, parameters))
    return jax.vmap(told, in_axes=(_AXES, 0), out_axes=(_AXES, 0))(states, answers.reshape(seeds, batch, -1))
