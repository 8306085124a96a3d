"""Children of evolution strategies that adapt to where the archive improves: CMA-ME and CMA-MAE."""

from typing import Any, Literal, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from qdfool.compilation import computed_once
from qdfool.engine.emitters.ranking import (
    has_converged,
    improvement,
    in_own_class,
    ranked,
    strongly_typed,
    where_each,
)
from qdfool.engine.emitters.vectors import genome_maker, vector_of, vectors_of
from qdfool.engine.selection import uniform
from qdfool.engine.sharding import Shares
from qdfool.keys import key_of, new_key
from qdfool.types import Array, Elites, Emitter, Encoding, Genome, Key, Outcome, Score


class Strategy(Protocol):
    """An evolution strategy of evosax, with its settings: from a mean to populations and back."""

    def init(self, key: Key, mean: Array) -> Any:
        """The state of a strategy that begins at `mean` [D]."""
        ...

    def ask(self, key: Key, state: Any) -> tuple[Array, Any]:
        """A population [P, D], and the state."""
        ...

    def tell(self, key: Key, population: Array, rank: Array, state: Any) -> Any:
        """The state after the individuals have been ranked, [P] from 0 for the best."""
        ...

    def mean(self, state: Any) -> Array:
        """[D] of the next population."""
        ...

    def step_size(self, state: Any) -> Array:
        """[] the standard deviation of the next population, before its shape."""
        ...


class StrategyState(NamedTuple):
    """What S strategies remember."""

    strategies: Any
    """Of each its state, leaves [S, ...]."""
    populations: Array
    """[S, P, D] float32, the individuals last asked for, as they were before they were brought into their range."""
    cells: Array
    """[S] int32, the cell of the elite that each began at; -1 before it began. The class of the cell is its own."""
    restart: Array
    """[S] bool, those that begin anew at the next generation."""
    threshold: Array
    """[N] float32, acceptance thresholds; [0] where improvements are over the elites."""
    tell_key: Array
    """Data of the key for the next update, which all strategies share."""


OF_ALL = ("threshold", "tell_key")
"""What of this state is of all strategies, and so the same on every device; of the rest each has its own rows."""


def evolution_strategy(
    cells: int,
    grid_cells: int,
    encoding: Encoding,
    genome: Genome,
    strategy: Strategy,
    *,
    strategies: int,
    population: int,
    ranking: Literal["improvement", "annealed"],
    threshold: float,
    learning_rate: float,
    devices: int = 1,
) -> Emitter:
    """Several strategies side by side, each about an elite of its own and in the map of that elite's class.

    `improvement` is CMA-ME (Fontaine et al. 2020, section 4): see `ranking.improvement`; a strategy of whose children
    none got in begins anew at a random elite. `annealed` is CMA-MAE (Fontaine and Nikolaidis 2023, section
    4): children are ranked by how far they exceed an acceptance threshold of their cell, which follows the log-odds
    of those that do; a strategy begins anew when its step has become nothing. Thresholds see the strategies' children
    alone. As in pyribs, half of a population are its parents (Hansen 2016).

    Args:
        cells: N.
        grid_cells: G; the class of a cell is its number divided by it.
        encoding: of genomes of floating-point numbers; brings children into their range.
        genome: one, or its shapes.
        strategy: of a population of P genomes as vectors [D].
        strategies: S; S x P children a generation.
        population: P.
        ranking: what makes a child a good one.
        threshold: acceptance threshold, in log-odds, of a cell that had no child yet; for `annealed`.
        learning_rate: how far, 0 to 1, a threshold moves towards the child that exceeds it; for `annealed`.
        devices: that share the strategies. All is drawn as for one, and each has its own S / D. Thresholds, which
            are the same on every device, follow the children of all.
    """
    own, every = Shares(devices, (strategies,)).own, Shares(devices, (strategies * population,)).every
    each = strategies // devices
    genome_of = genome_maker(genome)

    def init(genome: Genome) -> StrategyState:
        mean = vector_of(genome)
        unused = new_key(0)  # What a strategy draws here is replaced before it is used.
        one = jax.vmap(strategy.init, in_axes=(None, 0))(unused, jnp.broadcast_to(mean, (each, mean.size)))
        return StrategyState(
            strategies=strongly_typed(one),
            populations=jnp.zeros((each, population, mean.size), jnp.float32),
            cells=jnp.full(each, -1, jnp.int32),
            restart=jnp.ones(each, bool),
            threshold=jnp.full(cells if ranking == "annealed" else 0, threshold, jnp.float32),
            tell_key=jax.random.key_data(unused),
        )

    def emit(
        key: Key, generation: Array, state: StrategyState, elites: Elites, score: Score | None
    ) -> tuple[Genome, Array, StrategyState]:
        select_key, init_key, ask_key, tell_key = jax.random.split(key, 4)
        chosen = own(uniform(select_key, elites, strategies))
        means = vectors_of(elites, chosen)
        fresh = jax.vmap(strategy.init)(own(jax.random.split(init_key, strategies)), means)
        begun_with = where_each(state.restart, fresh, state.strategies)
        ask_keys = own(jax.random.split(ask_key, strategies))
        populations, now = computed_once(lambda: jax.vmap(strategy.ask)(ask_keys, begun_with), generation)
        begun = jnp.where(state.restart, chosen, state.cells)
        children = jax.vmap(lambda genes: encoding.project(genome_of(genes)))(
            populations.reshape(-1, means.shape[1])
        )
        state = state._replace(
            strategies=strongly_typed(now),
            populations=populations,
            cells=begun,
            restart=jnp.zeros_like(state.restart),
            tell_key=jax.random.key_data(tell_key),
        )
        return children, jnp.repeat(begun, population), state

    def update(
        state: StrategyState, elites: Elites, children: Genome, parents: Array, outcome: Outcome
    ) -> StrategyState:
        asked = state.cells >= 0  # Not the children of the first generation.
        classes = jnp.maximum(state.cells, 0) // grid_cells
        fitness, gain = (in_own_class(values, classes) for values in (outcome.fitness, outcome.gain))
        if ranking == "improvement":
            ranks, got_in = improvement(fitness, gain)
        else:
            cells_of_children = classes[:, None] * grid_cells + outcome.cell_index.reshape(fitness.shape)
            ranks = ranked(fitness - state.threshold[cells_of_children])
            got_in = jnp.ones(each, bool)
        keys = own(jax.random.split(key_of(state.tell_key), strategies))
        told = jax.vmap(strategy.tell)(keys, state.populations, ranks, state.strategies)
        lost = ~got_in | has_converged(jax.vmap(strategy.step_size)(told))
        moved = state.threshold
        if ranking == "annealed":
            of_all, cell_of_all = every((outcome.fitness, outcome.cell_index))
            moved = _annealed(moved, of_all, cell_of_all, learning_rate)
        return state._replace(
            strategies=strongly_typed(where_each(asked, told, state.strategies)),
            restart=lost | ~asked,
            threshold=jnp.where(asked.any(), moved, state.threshold),
        )

    sharded = StrategyState._make(name not in OF_ALL for name in StrategyState._fields)
    return Emitter(init, emit, update, sharded)


def _annealed(threshold: Array, fitness: Array, cell_index: Array, learning_rate: float) -> Array:
    """[N] the thresholds after a batch: k children that exceed one move it k steps towards their mean (Fontaine and
    Nikolaidis 2023, appendix; as pyribs has it)."""
    by_cell = threshold.reshape(fitness.shape[1], -1).T
    exceeds = fitness > by_cell[cell_index]
    count = jax.ops.segment_sum(exceeds.astype(jnp.float32), cell_index, by_cell.shape[0])
    total = jax.ops.segment_sum(jnp.where(exceeds, fitness, 0.0), cell_index, by_cell.shape[0])
    kept = (1.0 - learning_rate) ** count
    moved = kept * by_cell + (1.0 - kept) * total / jnp.maximum(count, 1.0)
    return jnp.where(count > 0, moved, by_cell).T.reshape(-1)
