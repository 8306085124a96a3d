"""Several emitters one after another, each with whole batches."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from qdfool.types import Array, Elites, Emitter, Genome, Key, Outcome, Score


def in_turn(emitters: Sequence[Emitter], firsts: Sequence[int], order: Sequence[int]) -> Emitter:
    """Leaves the batch to one emitter at a time. Each is told of its own children, the last of them by the generation
    in which the next one begins; one that has several turns goes on with what it remembers.

    Args:
        emitters: of the same number of children.
        firsts: the generation that each turn begins with, rising from 0.
        order: whose turn it is, indices of emitters.
    """

    def at(generation: Array) -> Array:
        return jnp.array(order)[(generation >= jnp.array(firsts)).sum() - 1]

    def init(genome: Genome) -> Any:
        return jnp.int32(0), tuple(emitter.init(genome) for emitter in emitters)

    def emit(
        key: Key, generation: Array, state: Any, elites: Elites, score: Score | None
    ) -> tuple[Genome, Array, Any]:
        def of(index: int, emitter: Emitter) -> Any:
            def branch(states: tuple[Any, ...]) -> Any:
                children, parents, own = emitter.emit(key, generation, states[index], elites, score)
                return children, parents, (*states[:index], own, *states[index + 1 :])

            return branch

        bred_by = at(generation)
        branches = [of(index, emitter) for index, emitter in enumerate(emitters)]
        children, parents, states = jax.lax.switch(bred_by, branches, state[1])
        return children, parents, (bred_by.astype(jnp.int32), states)

    def update(state: Any, elites: Elites, children: Genome, parents: Array, outcome: Outcome) -> Any:
        def of(index: int, emitter: Emitter) -> Any:
            def branch(states: tuple[Any, ...]) -> Any:
                own = emitter.update(states[index], elites, children, parents, outcome)
                return (*states[:index], own, *states[index + 1 :])

            return branch

        bred_by, states = state
        branches = [of(index, emitter) for index, emitter in enumerate(emitters)]
        return bred_by, jax.lax.switch(bred_by, branches, states)

    return Emitter(init, emit, update, sharded=(False, tuple(emitter.sharded for emitter in emitters)))
