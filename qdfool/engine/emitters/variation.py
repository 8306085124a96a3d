"""Children of selected elites by mutation and crossover: the emitter of MAP-Elites, and of the paper."""

from collections.abc import Callable
from typing import Any

import jax

from qdfool.engine.sharding import Shares
from qdfool.types import Array, Elites, Emitter, Genome, Key, Score


def variation(
    size: int,
    select: Callable[[Key, Elites, int], Array],
    vary: Callable[[Key, Array, Genome, Genome | None], Genome],
    two_parents: bool,
    devices: int = 1,
) -> Emitter:
    """Breeds each child from one or two selected parents (Nguyen et al. 2015, supplement; Mouret and Clune 2015,
    section 2).

    Args:
        size: b, children a generation, on all devices.
        select: (key, elites, size) to [size] int32 occupied cells; drawn once for first and once for second parents.
        vary: (key, generation, first parent, second parent) to a child, for one individual.
        two_parents: whether `vary` reads the second parent; if not it is given None.
        devices: that share the children. All is drawn as for one, and each breeds its own.
    """
    own = Shares(devices, (size,)).own

    def emit(
        key: Key, generation: Array, state: Any, elites: Elites, score: Score | None
    ) -> tuple[Genome, Array, Any]:
        first_key, second_key, vary_key = jax.random.split(key, 3)
        parents = own(select(first_key, elites, size))
        first = _rows(elites.genome, parents)
        second = _rows(elites.genome, own(select(second_key, elites, size))) if two_parents else None
        vary_all = jax.vmap(vary, in_axes=(0, None, 0, 0))
        return vary_all(own(jax.random.split(vary_key, size)), generation, first, second), parents, state

    return Emitter(init=lambda genome: (), emit=emit)


def _rows(genome: Genome, cells: Array) -> Genome:
    return jax.tree.map(lambda leaf: leaf[cells], genome)
