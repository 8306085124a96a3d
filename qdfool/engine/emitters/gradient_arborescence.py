"""Children that branch off along the gradients of objective and measures: OMG-MEGA and CMA-MEGA."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from qdfool.engine.emitters.evolution_strategy import Strategy
from qdfool.engine.emitters.gradient_ascent import StepRule
from qdfool.engine.emitters.ranking import (
    has_converged,
    improvement,
    in_own_class,
    strongly_typed,
    where_each,
)
from qdfool.engine.emitters.vectors import genome_maker, vector_of, vectors_of
from qdfool.engine.selection import uniform
from qdfool.engine.sharding import Shares
from qdfool.keys import key_of, new_key
from qdfool.types import Array, Elites, Emitter, Encoding, Genome, Image, Key, Outcome, Score

Gradients = Callable[[Array, Array, Score], Array]
"""(points [S, D], their classes [S] int32, score) to [S, 1 + M, D], each of length 1: those of the log-odds of the
class, then those of the measures."""


class ArborescenceState(NamedTuple):
    """What S points that move remember of themselves and of their coefficients."""

    points: Array
    """[S, D] float32, the genomes that children branch off from."""
    cells: Array
    """[S] int32, the cell of the elite that each began at; -1 before it began. The class of the cell is its own."""
    rule: Any
    """Of each point the state of its step rule, leaves [S, ...]."""
    strategies: Any
    """Of each point the state of the strategy over its coefficients, leaves [S, ...]."""
    coefficients: Array
    """[S, P, 1 + M] float32, those last asked for."""
    gradients: Array
    """[S, 1 + M, D] float32, those last computed."""
    restart: Array
    """[S] bool, those that begin anew at the next generation."""
    tell_key: Array
    """Data of the key for the next update, which all points share."""


OF_ALL = ("tell_key",)
"""What of this state is of all points, and so the same on every device; of the rest each has its own rows."""


def random_arborescence(
    grid_cells: int,
    encoding: Encoding,
    genome: Genome,
    measure: Callable[[Image], Array],
    *,
    points: int,
    population: int,
    sigma: float,
    devices: int = 1,
) -> Emitter:
    """OMG-MEGA (Fontaine and Nikolaidis 2021, section 4): from random elites along their gradients, each multiplied
    with a normal number, that of the objective with a positive one.

    Args:
        grid_cells: G; the class of a cell is its number divided by it.
        encoding: differentiable, of genomes of floating-point numbers; brings children into their range.
        genome: one, or its shapes.
        measure: an image to its measures [M], with derivatives.
        points: S, elites that are followed in a generation; each costs a gradient.
        population: P, children of each.
        sigma: standard deviation of the coefficients: the length of a step along one gradient.
        devices: that share the points. All is drawn as for one, and each follows its own S / D.
    """
    own = Shares(devices, (points,)).own
    gradients_of, genome_of = _gradients(encoding, genome, measure), genome_maker(genome)

    def emit(
        key: Key, generation: Array, state: Any, elites: Elites, score: Score | None
    ) -> tuple[Genome, Array, Any]:
        assert score is not None
        select_key, coefficient_key = jax.random.split(key)
        parents = own(uniform(select_key, elites, points))
        start = vectors_of(elites, parents)
        gradients = gradients_of(start, parents // grid_cells, score)
        drawn = jax.random.normal(coefficient_key, (points, population, gradients.shape[1]), jnp.float32)
        coefficients = sigma * own(drawn)
        coefficients = coefficients.at[..., 0].set(jnp.abs(coefficients[..., 0]))
        children = _branches(start, coefficients, gradients)
        return _genomes(children, genome_of, encoding), jnp.repeat(parents, population), state

    return Emitter(init=lambda genome: (), emit=emit)


def adapted_arborescence(
    grid_cells: int,
    encoding: Encoding,
    genome: Genome,
    measure: Callable[[Image], Array],
    strategy: Strategy,
    rule: StepRule,
    *,
    points: int,
    population: int,
    devices: int = 1,
) -> Emitter:
    """CMA-MEGA (Fontaine and Nikolaidis 2021, section 5): a strategy adapts the coefficients of the gradients to where
    the archive improves, and the point itself moves to where its best children lie.

    Children rank as in CMA-ME (`ranking.improvement`). The weighted mean of the best coefficients, which is the
    strategy's new mean, says where the point goes. A point of whose children none got in begins anew at a random
    elite. The points themselves are not offered to the archive.

    Args:
        grid_cells: as in `random_arborescence`, as are those below that are not named here.
        encoding: as there.
        genome: as there.
        measure: as there.
        strategy: of a population of P vectors of 1 + M coefficients.
        rule: which step a point makes of the direction that its children say.
        points: S.
        population: P.
        devices: as there.
    """
    own, each = Shares(devices, (points,)).own, points // devices
    gradients_of, genome_of = _gradients(encoding, genome, measure), genome_maker(genome)

    def init(genome: Genome) -> ArborescenceState:
        point = vector_of(genome)
        start = jnp.broadcast_to(point, (each, point.size))
        number = 1 + jax.eval_shape(lambda: measure(encoding.decode(genome))).shape[0]
        unused = new_key(0)  # What a strategy draws here is replaced before it is used.
        one = jax.vmap(strategy.init, in_axes=(None, 0))(unused, jnp.zeros((each, number), jnp.float32))
        return ArborescenceState(
            points=start,
            cells=jnp.full(each, -1, jnp.int32),
            rule=strongly_typed(jax.vmap(rule.init)(start)),
            strategies=strongly_typed(one),
            coefficients=jnp.zeros((each, population, number), jnp.float32),
            gradients=jnp.zeros((each, number, point.size), jnp.float32),
            restart=jnp.ones(each, bool),
            tell_key=jax.random.key_data(unused),
        )

    def emit(
        key: Key, generation: Array, state: ArborescenceState, elites: Elites, score: Score | None
    ) -> tuple[Genome, Array, ArborescenceState]:
        assert score is not None
        select_key, init_key, ask_key, tell_key = jax.random.split(key, 4)
        chosen = own(uniform(select_key, elites, points))
        anew = vectors_of(elites, chosen)
        fresh = jax.vmap(strategy.init)(
            own(jax.random.split(init_key, points)), jnp.zeros_like(state.coefficients[:, 0])
        )
        start, cells, rules, strategies = where_each(
            state.restart,
            (anew, chosen, jax.vmap(rule.init)(anew), fresh),
            (state.points, state.cells, state.rule, state.strategies),
        )
        gradients = gradients_of(start, cells // grid_cells, score)
        coefficients, strategies = jax.vmap(strategy.ask)(own(jax.random.split(ask_key, points)), strategies)
        state = ArborescenceState(
            points=start,
            cells=cells,
            rule=strongly_typed(rules),
            strategies=strongly_typed(strategies),
            coefficients=coefficients,
            gradients=gradients,
            restart=jnp.zeros_like(state.restart),
            tell_key=jax.random.key_data(tell_key),
        )
        children = _branches(start, coefficients, gradients)
        return _genomes(children, genome_of, encoding), jnp.repeat(cells, population), state

    def update(
        state: ArborescenceState, elites: Elites, children: Genome, parents: Array, outcome: Outcome
    ) -> ArborescenceState:
        asked = state.cells >= 0  # Not the children of the first generation.
        classes = jnp.maximum(state.cells, 0) // grid_cells
        ranks, got_in = improvement(
            *(in_own_class(part, classes) for part in (outcome.fitness, outcome.gain))
        )
        keys = own(jax.random.split(key_of(state.tell_key), points))
        strategies = jax.vmap(strategy.tell)(keys, state.coefficients, ranks, state.strategies)
        mean = jax.vmap(strategy.mean)(strategies)
        direction = jnp.einsum("sm,smd->sd", mean, state.gradients, precision="highest")
        change, rules = jax.vmap(rule.update)(-direction, state.rule, state.points)
        moved = jax.vmap(lambda point: vector_of(encoding.project(genome_of(point))))(state.points + change)
        moved, rules, strategies = where_each(
            asked, (moved, rules, strategies), (state.points, state.rule, state.strategies)
        )
        lost = ~got_in | has_converged(jax.vmap(strategy.step_size)(strategies))
        return state._replace(
            points=moved,
            rule=strongly_typed(rules),
            strategies=strongly_typed(strategies),
            restart=lost | ~asked,
        )

    sharded = ArborescenceState._make(name not in OF_ALL for name in ArborescenceState._fields)
    return Emitter(init, emit, update, sharded)


def _gradients(encoding: Encoding, genome: Genome, measure: Callable[[Image], Array]) -> Gradients:
    decode, genome_of = encoding.differentiable, genome_maker(genome)
    assert decode is not None

    def image(point: Array) -> Image:
        return decode(genome_of(point))

    def gradients_of(points: Array, classes: Array, score: Score) -> Array:
        def objective(points: Array) -> Array:
            return jnp.take_along_axis(score(jax.vmap(image)(points)), classes[:, None], axis=1).sum()

        of_measures = jax.vmap(jax.jacrev(lambda point: measure(image(point))))(points)
        together = jnp.concatenate([jax.grad(objective)(points)[:, None], of_measures], axis=1)
        length = jnp.linalg.norm(together, axis=2, keepdims=True)
        # One that is nothing, or no number, leads nowhere.
        return jnp.where((length > 0) & jnp.isfinite(length), together / length, 0.0)

    return gradients_of


def _branches(points: Array, coefficients: Array, gradients: Array) -> Array:
    """[S, P, D]: from each point along the sum of its gradients, as its children have them."""
    # A GPU or TPU would otherwise round both to a few digits.
    return points[:, None] + jnp.einsum("spm,smd->spd", coefficients, gradients, precision="highest")


def _genomes(vectors: Array, genome_of: Callable[[Array], Genome], encoding: Encoding) -> Genome:
    """Leaves [S x P, ...] of genomes in their range, from vectors [S, P, D]."""
    flat = vectors.reshape(-1, vectors.shape[-1])
    return jax.vmap(lambda vector: encoding.project(genome_of(vector)))(flat)
