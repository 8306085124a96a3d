"""Children uphill from an elite, on the log-odds of its cell's class, through classifier and decoding."""

from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from qdfool.engine.sharding import Shares
from qdfool.types import Array, Elites, Emitter, Encoding, Genome, Key, Score

Regulariser = Callable[[Array, Genome, Genome], Genome]
"""(number of the step [] int32, genome after it, gradient of the log-odds) to a genome, for one individual."""
SHORTER = 0.25
"""How far each child on a way is, of the one before it."""


class StepRule(Protocol):
    """From gradients to steps: an `optax.GradientTransformationExtraArgs`, as `optax.chain` makes them."""

    @property
    def init(self) -> Callable[[Any], Any]:
        """Numbers that move to the rule's state."""
        ...

    @property
    def update(self) -> Callable[..., tuple[Any, Any]]:
        """(gradient to descend, state, numbers, value=...) to what is added to them, and the state. `value` is what is
        descended, as Optax calls it, [] float32."""
        ...


def gradient_ascent(
    size: int,
    grid_cells: int,
    encoding: Encoding,
    select: Callable[[Key, Elites, int], Array],
    rule: StepRule,
    *,
    steps: int,
    sigma: float,
    lengths: int = 1,
    regularise: Regulariser = lambda number, genome, gradient: genome,
    devices: int = 1,
) -> Emitter:
    """Moves selected elites uphill on the log-odds of the class that they stand for.

    The second way to fool of Nguyen et al. 2015 (section 3.3), but from elites instead of one image a class. An
    elite that is selected twice is not followed twice, because noise is added to it first.

    Args:
        size: b, children a generation, on all devices.
        grid_cells: G; the class of a cell is its number divided by it.
        encoding: differentiable. Of a genome the leaves of floating-point numbers move.
        select: (key, elites, size) to [size] int32 occupied cells.
        rule: which step a gradient makes; it sees the gradient of the negative log-odds, and their value.
        steps: how many, each a pass forward and back for every child.
        sigma: standard deviation of the noise that is added to what moves, before the first step.
        lengths: L, a divisor of b: children on one way, at its end and each a quarter as far as the one before. A
            line search, of which the archive keeps what is better.
        regularise: what a genome becomes after each step.
        devices: that share the children. All is drawn as for one, and each moves its own.
    """
    own = Shares(devices, (size // lengths,)).own
    decode = encoding.differentiable
    assert decode is not None
    assert size % lengths == 0

    def emit(
        key: Key, generation: Array, state: Any, elites: Elites, score: Score | None
    ) -> tuple[Genome, Array, Any]:
        assert score is not None
        select_key, noise_key = jax.random.split(key)
        parents = own(select(select_key, elites, size // lengths))
        leaves, structure = jax.tree.flatten(jax.tree.map(lambda leaf: leaf[parents], elites.genome))
        moves = [jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in leaves]

        # They move as float32, whatever real numbers the genome has.
        def genomes(moving: list[Array]) -> Genome:
            numbers = iter(moving)
            return structure.unflatten(
                [
                    next(numbers).astype(leaf.dtype) if moved else leaf
                    for leaf, moved in zip(leaves, moves, strict=True)
                ]
            )

        def moving_leaves(genome: Genome) -> list[Array]:
            pairs = zip(jax.tree.leaves(genome), moves, strict=True)
            return [leaf.astype(jnp.float32) for leaf, moved in pairs if moved]

        def loss(moving: list[Array]) -> tuple[Array, Array]:
            log_odds = score(jax.vmap(decode)(genomes(moving)))
            each = -jnp.take_along_axis(log_odds, (parents // grid_cells)[:, None], axis=1)[:, 0]
            return each.sum(), each

        def descend(gradient: list[Array], memory: Any, numbers: list[Array], value: Array) -> Any:
            return rule.update(gradient, memory, numbers, value=value)

        def step(number: Array, carry: tuple[list[Array], Any]) -> tuple[list[Array], Any]:
            moving, memory = carry
            descent, each = jax.grad(loss, has_aux=True)(moving)
            # A slope that is no number, as of a root at 0, leads nowhere.
            descent = [jnp.where(jnp.isfinite(part), part, 0.0) for part in descent]
            change, memory = jax.vmap(descend)(descent, memory, moving, each)
            moved = genomes([leaf + part for leaf, part in zip(moving, change, strict=True)])
            gradient = genomes([-part for part in descent])
            moved = jax.vmap(regularise, in_axes=(None, 0, 0))(number, moved, gradient)
            return moving_leaves(jax.vmap(encoding.project)(moved)), memory

        moving = moving_leaves(structure.unflatten(leaves))
        keys = jax.random.split(noise_key, len(moving))
        moving = [
            leaf + sigma * own(jax.random.normal(noise_key, (size // lengths, *leaf.shape[1:]), jnp.float32))
            for noise_key, leaf in zip(keys, moving, strict=True)
        ]
        start = moving_leaves(jax.vmap(encoding.project)(genomes(moving)))
        end, _ = jax.lax.fori_loop(0, steps, step, (start, jax.vmap(rule.init)(start)))
        ways = [genomes(end)]
        for number in range(1, lengths):
            between = [
                first + SHORTER**number * (last - first) for first, last in zip(start, end, strict=True)
            ]
            ways.append(jax.vmap(encoding.project)(genomes(between)))
        children = jax.tree.map(lambda *each: jnp.concatenate(each), *ways)
        return children, jnp.tile(parents, lengths), state

    return Emitter(init=lambda genome: (), emit=emit)
