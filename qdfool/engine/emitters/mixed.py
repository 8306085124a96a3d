"""One batch from several emitters, each with its part of it."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from qdfool.types import Array, Elites, Emitter, Genome, Key, Outcome, Score


def mixed(emitters: Sequence[tuple[Emitter, int]]) -> Emitter:
    """Puts the children of several emitters one after another into a batch.

    Args:
        emitters: each with the number of children that it breeds; one alone is returned as it is.
    """
    if len(emitters) == 1:
        return emitters[0][0]
    parts, sizes = zip(*emitters, strict=True)
    ends = np.cumsum(sizes)
    rows = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]

    def init(genome: Genome) -> Any:
        return tuple(part.init(genome) for part in parts)

    def emit(
        key: Key, generation: Array, state: Any, elites: Elites, score: Score | None
    ) -> tuple[Genome, Array, Any]:
        keys = jax.random.split(key, len(parts))
        children, parents, states = zip(
            *(
                part.emit(own_key, generation, own, elites, score)
                for part, own_key, own in zip(parts, keys, state, strict=True)
            ),
            strict=True,
        )
        return jax.tree.map(lambda *each: jnp.concatenate(each), *children), jnp.concatenate(parents), states

    def update(state: Any, elites: Elites, children: Genome, parents: Array, outcome: Outcome) -> Any:
        return tuple(
            part.update(
                own, elites, *jax.tree.map(lambda leaf, own=its: leaf[own], (children, parents, outcome))
            )
            for part, own, its in zip(parts, state, rows, strict=True)
        )

    return Emitter(init, emit, update, sharded=tuple(part.sharded for part in parts))
