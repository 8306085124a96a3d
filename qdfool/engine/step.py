"""One generation: ask for images, tell their logits.

    state --ask--> images --classifier--> logits --tell--> state with better elites and new children

`step` is the two with a traceable classifier between them. The new children are bred by an emitter (`emitters/`).
Where devices share the batch (`sharding.py`), B is the share of one of them here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import jax
import jax.numpy as jnp

from qdfool.classifiers.logits_check import in_float32
from qdfool.engine import archive, sharding
from qdfool.engine.archive import empty, occupied
from qdfool.engine.objectives import log_odds
from qdfool.engine.sharding import Shares
from qdfool.genomes.levels import LEVELS, round_to_levels
from qdfool.types import (
    Array,
    Elites,
    Emitter,
    Genome,
    Image,
    Key,
    Origin,
    Outcome,
    Parameters,
    Pictures,
    Record,
    Score,
    State,
)


@dataclass(frozen=True)
class Evolution:
    """The functions that evolution is made of. All but the emitter's are written for one individual."""

    classes: int
    """K."""
    grid_cells: int
    """G; 1 for the class archive."""
    batch_size: int
    """B, over all devices."""
    initialise: Callable[[Key], Genome]
    decode: Callable[[Genome], Image]
    emitter: Emitter
    """What breeds a batch of B."""
    measure: Callable[[Image], Array]
    """An image to its measures [M]."""
    cell_index: Callable[[Array], tuple[Array, Array]]
    """Measures [M] to their grid cell [] int32 in [0, G), and [] bool whether they are in range."""
    decode_onto: Callable[[Genome, Image], Image] | None = None
    """`decode` over an image that is needed no more; see `qdfool.Encoding`."""
    encode: Callable[[Image], Genome] | None = None
    """An image to the genome that draws it; needed where a run begins with pictures."""
    competition: Literal["all", "parent"] = "all"
    """Whether a child competes for the cells of all classes, or of its parent's class only."""
    is_image: Callable[[Image], Array] | None = None
    """An image to [] bool, whether it may compete. Where it is None, as where no part of the user's own has a hand in
    children, neither images nor the numbers of parents' cells are looked at."""
    shares: Shares = field(default_factory=Shares)
    """Which children are whose, where devices share a batch; `emitter` breeds one device's."""


def init(evolution: Evolution, key: Key, pictures: Pictures | tuple[()] = ()) -> State:
    """The state before the first generation: an empty archive and a batch of random children, or of pictures.

    Args:
        evolution: the functions.
        key: root of all randomness of the run, used for nothing else.
        pictures: of the first children.
    """
    if isinstance(pictures, Pictures):
        assert evolution.encode is not None
        shown, origins = evolution.shares.own(tuple(pictures))
        children = jax.vmap(evolution.encode)(round_to_levels(shown.astype(jnp.float32) / LEVELS))
    else:
        initial_key = jax.random.fold_in(key, 0)
        keys = evolution.shares.own(jax.random.split(initial_key, evolution.batch_size))
        children, origins = jax.vmap(evolution.initialise)(keys), ()
    images, first = jax.vmap(evolution.decode)(children), _row(children, 0)
    measures = jax.eval_shape(evolution.measure, images[0]).shape[0]
    return State(
        key=key,
        generation=jnp.int32(0),
        elites=empty(
            first,
            evolution.classes,
            evolution.grid_cells,
            measures,
            begins_with_pictures=isinstance(pictures, Pictures),
        ),
        children=children,
        images=images,
        parents=jnp.full(images.shape[0], -1, jnp.int32),
        emitter=evolution.emitter.init(first),
        origins=origins,
        pictures=pictures,
    )


def ask(state: State) -> Image:
    """The images [B, H, W, C] of the children that wait to be scored."""
    return state.images


def tell(
    evolution: Evolution, state: State, logits: Array, score: Score | None = None
) -> tuple[State, Record]:
    """Scores the children, lets them compete, and breeds the next.

    Args:
        evolution: the functions.
        state: whose children `ask` showed.
        logits: [B, K]. A child with a logit that is not finite, or with a measure out of its range, or one
            whose image is none by `Evolution.is_image`, wins nothing and is counted in the record.
        score: for emitters that follow gradients; None where JAX cannot trace the classifier.
    """
    elites, grid_cells = state.elites, evolution.grid_cells
    logits = in_float32(logits)  # Before they are looked at: what it cannot hold is infinite.
    measures = jax.vmap(evolution.measure)(ask(state))
    cell_index, placed = jax.vmap(evolution.cell_index)(measures)
    finite = jnp.isfinite(logits).all(axis=1)
    is_image = jnp.ones_like(placed)
    if evolution.is_image is not None:
        is_image = jax.vmap(evolution.is_image)(ask(state))
    competes = _competes(evolution, state.parents, is_image & placed & finite)
    # What is no image has no measures and no logits to speak of.
    invalid = jnp.stack([~is_image, is_image & ~placed, is_image & placed & ~finite])
    fitness = jnp.where(competes, jax.vmap(log_odds)(logits), -jnp.inf)

    incumbent = elites.fitness.reshape(evolution.classes, grid_cells)[:, cell_index].T
    outcome = Outcome(fitness, measures, cell_index, gain=jnp.where(competes, fitness - incumbent, -jnp.inf))
    challengers = Elites(
        genome=state.children,
        fitness=fitness,
        measures=measures,
        birth_generation=jnp.broadcast_to(state.generation, state.parents.shape),
        parent_class=jnp.where(state.parents < 0, -1, state.parents // grid_cells),
        num_replacements=jnp.zeros_like(state.parents),
        curiosity=jnp.zeros_like(state.parents, jnp.float32),
        origin=_origin(state),
    )
    if evolution.shares.devices == 1:
        elites, updates = archive.enter(elites, challengers, state.parents, cell_index)
    else:
        elites, updates = sharding.enter(elites, challengers, state.parents, cell_index, evolution.shares)
    record = Record(
        fitness=elites.fitness.reshape(evolution.classes, grid_cells).max(axis=1),
        updates=updates,
        qd_score=jax.nn.sigmoid(elites.fitness).sum(),
        coverage=occupied(elites.fitness).mean(dtype=jnp.float32),
        invalid=evolution.shares.total(invalid.sum(axis=1, dtype=jnp.int32)),
    )
    emitter = evolution.emitter.update(state.emitter, elites, state.children, state.parents, outcome)
    state = state._replace(generation=state.generation + 1, elites=elites, emitter=emitter)
    return _breed(evolution, state, score), record


def step(
    evolution: Evolution, logits: Callable[[Parameters, Image], Array], parameters: Parameters, state: State
) -> tuple[State, Record]:
    """One whole generation with a classifier that JAX can trace."""

    return tell(evolution, state, logits(parameters, ask(state)), scoring(logits, parameters))


def scoring(logits: Callable[[Parameters, Image], Array], parameters: Parameters) -> Score:
    """What an emitter that follows gradients asks."""
    return lambda images: jax.vmap(log_odds)(in_float32(logits(parameters, images)))


def _competes(evolution: Evolution, parents: Array, valid: Array) -> Array:
    """Which classes each child competes for, [B, K] bool, or [B, 1] where that is all or none. A child of the first
    generation, which has no parent, competes for all of them."""
    if evolution.competition == "all":
        return valid[:, None]
    own = (parents // evolution.grid_cells)[:, None] == jnp.arange(evolution.classes)
    return valid[:, None] & (own | (parents < 0)[:, None])


def _breed(evolution: Evolution, state: State, score: Score | None) -> State:
    """The children of the next generation, 1 or later. All randomness comes from the root key and the
    generation alone, so that a run does not depend on where it was chunked, stopped or resumed."""
    key = jax.random.fold_in(state.key, state.generation)
    children, parents, emitter = evolution.emitter.emit(
        key, state.generation, state.emitter, state.elites, score
    )
    if evolution.decode_onto is None:
        images = jax.vmap(evolution.decode)(children)
    else:
        images = jax.vmap(evolution.decode_onto)(children, state.images)
    if evolution.is_image is not None:
        # A child of no cell waits as what is no image, and without a parent, so that what is saved is whole.
        known = (parents >= -1) & (parents < state.elites.fitness.shape[0])
        images = jnp.where(known[:, None, None, None], images, jnp.nan)
        parents = jnp.where(known, parents, -1)
    if isinstance(state.pictures, Pictures):
        state = state._replace(origins=jnp.where(parents < 0, -1, state.elites.origin.picture[parents]))
    return state._replace(children=children, images=images, parents=parents, emitter=emitter)


def _origin(state: State) -> Origin | tuple[()]:
    """Of the children that wait, [B], where the run began with pictures."""
    if not isinstance(state.pictures, Pictures):
        return ()
    # Numbers rise: of a picture that several children began with, the first of its rows.
    row = jnp.searchsorted(state.pictures.number, state.origins)
    # In levels, whose squares are whole numbers: the same sum on any number of devices.
    apart = jnp.round(LEVELS * ask(state)) - state.pictures.images[row].astype(jnp.float32)
    distance = jnp.sqrt(jnp.square(apart).mean(axis=(1, 2, 3))) / LEVELS
    return Origin(state.origins, jnp.where(state.origins < 0, jnp.nan, distance))


def _row(genome: Genome, index: int) -> Genome:
    return jax.tree.map(lambda leaf: leaf[index], genome)
