"""Many devices: they share a batch of children, and each has all elites. What is sharded is said here.

The devices may be of several processes (`qdfool.hosts`): each then holds what lies on its own.

    sharded along the batch        children, their images, parents, origins, logits, fitness, measures, strategies
    the same on every device       elites, the root key, pictures, the classifier's parameters, records, thresholds

A device breeds, decodes, classifies and scores its own children. Between devices travel, in a generation: the grid cell
of each child, where there are many; of each cell where children came the fitness and the number of its best child, two
numbers a cell; what parents earned, one; and the children that won, `AT_ONCE` cells at a time; for thresholds the
fitness of all children. Never a population. On one device nothing here is part of the program.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from qdfool import hosts
from qdfool.engine.archive import best_children, by_class, cells_of, reward_parents, where_children_came
from qdfool.types import Array, Elites, Emitter, State

AXIS = "batch"
SHARDED = ("children", "images", "parents", "origins")
"""What of a state is sharded, beside what its emitter says of its own."""
AT_ONCE = 16
"""Winners that travel together: few enough to be small beside a batch, and one journey where few cells change hands."""


@dataclass(frozen=True)
class Shares:
    """Which children of a batch are whose: each device has an equal part of those of every emitter."""

    devices: int = 1
    """D; each of `sizes` is a multiple of it."""
    sizes: tuple[int, ...] = ()
    """Children of each emitter, B in all. A child's number is its row in the batch of one device."""

    def numbers(self) -> np.ndarray:
        """[D, B / D] int32, the numbers of each device's children, in rising order."""
        ends = np.cumsum(self.sizes)
        parts = [
            np.arange(end - size, end, dtype=np.int32).reshape(self.devices, -1)
            for end, size in zip(ends, self.sizes, strict=True)
        ]
        return np.concatenate(parts, axis=1)

    def order(self) -> np.ndarray:
        """[B] int, which row of those of all devices, one device after the other, has each number."""
        return np.argsort(self.numbers().reshape(-1))

    def own_numbers(self) -> Array:
        """[B / D] int32, the numbers of the children of the device that asks."""
        return jnp.asarray(self.numbers())[jax.lax.axis_index(AXIS)]

    def own(self, rows: Any) -> Any:
        """Of leaves [B, ...] that every device has, the rows of the one that asks."""
        if self.devices == 1:
            return rows
        numbers = self.own_numbers()
        return jax.tree.map(lambda leaf: leaf[numbers], rows)

    def every(self, rows: Any) -> Any:
        """Of leaves [B / D, ...], of which each device has its own, those of all [B, ...] by their numbers. They travel
        `AT_ONCE` of each device at a time."""
        if self.devices == 1:
            return rows
        each = jax.lax.map(lambda row: jax.lax.all_gather(row, AXIS), rows, batch_size=AT_ONCE)
        return jax.tree.map(
            lambda leaf: leaf.swapaxes(0, 1).reshape(-1, *leaf.shape[2:])[self.order()],
            each,
        )

    def total(self, number: Array) -> Array:
        """The sum of the numbers of each device."""
        return number if self.devices == 1 else jax.lax.psum(number, AXIS)


def sharded(
    function: Callable[..., Any], shares: Shares, arguments: Any, results: Any, devices: Mesh | None = None
) -> Callable[..., Any]:
    """The function as it runs on every device of the mesh; as it is, on one device.

    Args:
        function: pure; it meets the shares of what is sharded.
        shares: how many devices there are.
        arguments: how each lies on them, as `layout` says it of a state.
        results: the same of what it returns.
        devices: the mesh; without it the first devices that JAX has.
    """
    if shares.devices == 1:
        return function
    # A loop of a classifier or of a decoding begins with zeros that are the same everywhere, and goes on with values
    # that are not, as a branch of `computed_once` has zeros: JAX's check of what varies would refuse it.
    return jax.shard_map(
        function, mesh=devices or mesh(shares.devices), in_specs=arguments, out_specs=results, check_vma=False
    )


def mesh(devices: int) -> Mesh:
    """The first devices that JAX has, in a row."""
    return Mesh(np.array(jax.devices()[:devices]), (AXIS,))


def layout(emitter: Emitter) -> Any:
    """How a state lies on the devices: along the batch, or all of it on each. A prefix of the state."""
    return jax.tree.map(lambda sharded: P(AXIS) if sharded else P(), _is_sharded(emitter))


def _is_sharded(emitter: Emitter) -> Any:
    """A prefix of the state, of bool."""
    return State._make(name in SHARDED for name in State._fields)._replace(emitter=emitter.sharded)


def replicated(tree: Any, shares: Shares) -> Any:
    """Arrays as they lie on every device."""
    if shares.devices == 1:
        return tree
    sharding = NamedSharding(mesh(shares.devices), P())
    return jax.tree.map(lambda leaf: _put(leaf, sharding), tree)


def spread(state: State, shares: Shares, emitter: Emitter) -> State:
    """A state of one device, as `gathered` leaves it, over the devices."""
    if shares.devices == 1:
        return state
    devices = mesh(shares.devices)
    state = _rearranged(state, shares.numbers().reshape(-1))

    def put(sharded: bool, leaves: Any) -> Any:
        sharding = NamedSharding(devices, P(AXIS) if sharded else P())
        return jax.tree.map(lambda leaf: _put(leaf, sharding), leaves)

    return jax.tree.map(put, _is_sharded(emitter), state)


def gathered(state: State, shares: Shares, emitter: Emitter) -> State:
    """A state as one device has it: children in the order of their numbers, on the host. Those of several processes
    stay where they are; who reads them takes their rows in the `order` of the shares. What an emitter remembers is in
    its order already, one device after the other."""
    if shares.devices == 1:
        return state

    def one(sharded: bool, leaves: Any) -> Any:
        if hosts.count() > 1:
            return leaves if sharded else local(leaves)
        return jax.tree.map(np.asarray, leaves) if sharded else leaves

    state = jax.tree.map(one, _is_sharded(emitter), state)
    return state if hosts.count() > 1 else _rearranged(state, shares.order())


def local(tree: Any) -> Any:
    """Arrays that every device has, of the devices of several processes as one of this process has them."""
    if hosts.count() == 1:
        return tree
    return jax.tree.map(
        lambda leaf: leaf if leaf.is_fully_addressable else leaf.addressable_data(0),
        tree,
    )


def _put(leaf: Any, sharding: NamedSharding) -> Any:
    """An array onto devices, of which each process puts what lies on its own: `jax.device_put` would compare the whole
    array between processes."""
    if hosts.count() == 1:
        return jax.device_put(leaf, sharding)
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        numbers = _put(jax.random.key_data(leaf), sharding)
        return jax.random.wrap_key_data(numbers, impl=jax.random.key_impl(leaf))
    values = np.asarray(leaf)
    return jax.make_array_from_callback(values.shape, sharding, lambda rows: values[rows])


def _rearranged(state: State, rows: np.ndarray) -> State:
    moved: dict[str, Any] = {name: getattr(state, name) for name in SHARDED}
    return state._replace(**jax.tree.map(lambda leaf: np.asarray(leaf)[rows], moved))


def enter(
    elites: Elites, challengers: Elites, parents: Array, cell_index: Array, shares: Shares
) -> tuple[Elites, Array]:
    """`qdfool.engine.archive.enter` where each device has its own challengers; the elites become the same on all.

    Of children that are equally good, the one of the lowest number wins, whichever device it is on.
    """
    cells, classes = elites.fitness.shape[0], challengers.fitness.shape[1]
    grid_cells, numbers = cells // classes, shares.own_numbers()
    place, places = _where_children_came(cell_index, grid_cells, shares)
    child, fitness = best_children(challengers.fitness, place, places.shape[0])
    cell = cells_of(places, classes, grid_cells)
    highest = jax.lax.pmax(fitness, AXIS)
    first = jax.lax.pmin(jnp.where(fitness == highest, numbers[child], jnp.iinfo(jnp.int32).max), AXIS)
    won = highest > elites.fitness.at[cell].get(mode="fill", fill_value=jnp.inf)
    mine = won & (numbers[child] == first) & (fitness == highest)
    earned = jax.lax.psum(reward_parents(jnp.zeros(cells, jnp.float32), parents, child, mine), AXIS)
    elites = elites._replace(curiosity=elites.curiosity + earned)
    rows = won.shape[0]
    at_once = min(AT_ONCE, rows)
    (changing,) = jnp.nonzero(won, size=-(-rows // at_once) * at_once, fill_value=rows)

    def travel(journey: Array, elites: Elites) -> Elites:
        row = jax.lax.dynamic_slice_in_dim(changing, journey * at_once, at_once)
        to = cell.at[row].get(mode="fill", fill_value=cells)
        winners = jax.tree.map(lambda leaf: leaf[child[row]], challengers)._replace(
            fitness=highest[row],
            num_replacements=elites.num_replacements[to] + 1,
            curiosity=jnp.zeros(at_once, jnp.float32),
        )
        winners = _of_one_device(winners, mine[row])
        return jax.tree.map(lambda leaf, rows: leaf.at[to].set(rows, mode="drop"), elites, winners)

    return jax.lax.fori_loop(0, -(-won.sum() // at_once), travel, elites), by_class(won, classes)


def _where_children_came(cell_index: Array, grid_cells: int, shares: Shares) -> tuple[Array, Array]:
    """`archive.where_children_came` of all devices' children; of their numbers, those of the device that asks."""
    own = cell_index.shape[0]
    if grid_cells <= own * shares.devices:
        return cell_index, jnp.arange(grid_cells, dtype=jnp.int32)
    place, places = where_children_came(jax.lax.all_gather(cell_index, AXIS, tiled=True), grid_cells)
    return jax.lax.dynamic_slice_in_dim(place, jax.lax.axis_index(AXIS) * own, own), places


def _of_one_device(rows: Any, mine: Array) -> Any:
    """Each row as the one device has it to which it belongs, in one message.

    Bits are summed, and no floating-point numbers, because 0 and -0 are 0.

    Args:
        rows: leaves [n, ...].
        mine: [n] bool, on one device at most.
    """
    leaves, structure = jax.tree.flatten(rows)
    count = mine.shape[0]
    as_bytes = [leaf.reshape(count, -1).view(jnp.uint8) for leaf in leaves]
    ends = np.cumsum([part.shape[1] for part in as_bytes])
    message = jnp.concatenate(as_bytes, axis=1)
    message = jnp.pad(message, ((0, 0), (0, -message.shape[1] % 4))).view(jnp.uint32)
    message = jax.lax.psum(jnp.where(mine[:, None], message, 0), AXIS).view(jnp.uint8)
    return structure.unflatten(
        [
            message[:, end - part.shape[1] : end].view(leaf.dtype).reshape(leaf.shape)
            for leaf, part, end in zip(leaves, as_bytes, ends, strict=True)
        ]
    )
