"""One run: the state on the device, and all that the host keeps of it."""

import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from qdfool import hosts
from qdfool.build import (
    build_evolution,
    is_own_encoding,
    read_pictures,
    shapes_of_pictures,
    warn_of_what_has_no_effect,
    with_batch_size,
    with_defaults,
    with_devices,
    with_pictures,
)
from qdfool.config import MOST_GENERATIONS, Config, lasting_settings, validate
from qdfool.engine.loop import Budget, Chunk, chunks, jitted_init
from qdfool.engine.sharding import SHARDED, Shares, gathered, local, replicated, spread
from qdfool.engine.step import Evolution
from qdfool.errors import InputError, shown
from qdfool.keys import key_of, root_key
from qdfool.results import run_folder
from qdfool.results.checkpoint import Checkpoints
from qdfool.results.config_file import record_of
from qdfool.results.history import MOST_ROWS, History, Metrics, MetricsLog, empty_history, extend, metrics
from qdfool.results.result import Result
from qdfool.results.snapshot import Snapshot
from qdfool.results.state_check import check_state
from qdfool.types import Classifier, Elites, State

LONGEST = MOST_GENERATIONS
"""Seconds that a run says it took, as `summary.json` may have them."""
PICTURES = ("origins", "pictures")
"""What a state has where the run began with pictures, and else not."""
COPIED_AT_MOST = 1 << 28
"""Bytes of a state that is copied to be saved in the background."""


class Run:
    """One run: the device's state, and all that the host keeps of it."""

    def __init__(
        self,
        config: Config,
        classifier: Classifier,
        needs_budget: bool = True,
        evolution: Evolution | None = None,
        begins: bool = True,
    ) -> None:
        """Builds everything and makes the first children; nothing is classified yet.

        Without `needs_budget` the config may lack one: the caller then decides when to stop. With `evolution`, that of
        a run that differs only in its seed, nothing is compiled anew. One that does not begin here has the shapes of a
        state until `restore` gives it its own, because two may be more than the memory holds.

        Raises:
            InputError: a setting is out of range, or parts do not fit together.
        """
        validate(config, needs_budget)
        config = with_pictures(config) if begins else config
        given = with_batch_size(with_devices(config), classifier)
        config = with_defaults(given, classifier.image_shape)
        validate(config, needs_budget)
        self.config = config
        """As given, with all that it left open."""
        self.classifier = classifier
        self.evolution = evolution or build_evolution(config, classifier)
        if begins and evolution is None:  # Once, also of several seeds.
            warn_of_what_has_no_effect(given, classifier.image_shape)
        init, key = jitted_init(self.evolution), root_key(config.seed, "evolution")
        shares = self.evolution.shares
        pictures = (read_pictures if begins else shapes_of_pictures)(config, classifier.image_shape)
        begun_with = (key,) if pictures is None else (key, pictures)
        self.state: State = (
            init(*replicated(begun_with, shares)) if begins else jax.eval_shape(init, *begun_with)
        )
        self.history = empty_history(len(classifier.class_names))
        self.metrics = MetricsLog()
        self.generations = 0
        self.seconds = 0.0
        self.compile_seconds = 0.0
        self._snapshot: Callable[[], Snapshot | None] = lambda: None

    def advance(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Chunk]:
        """Evolves until the budget is spent or `stop` says so; yields every chunk after it was kept.

        Raises:
            InputError: the classifier returned a logit that is not finite, or a measure was out of range.
        """
        for (chunk,) in advance_together((self,), stop):
            yield chunk

    def release(self) -> State:
        """The state, to be handed to a program that overwrites its buffers. Results that were given away and are
        still held by somebody take copies of their own first."""
        self.copy_results()
        self._snapshot = lambda: None
        return self.state

    def copy_results(self) -> None:
        """Has the results that were given away, and are still held by somebody, take copies of their own."""
        snapshot = self._snapshot()
        if snapshot is not None:
            _ = snapshot.elites

    def keep(self, chunk: Chunk) -> None:
        """Takes in a chunk that went on from the state of `release`: state, history, metrics."""
        generations = self.generations + len(chunk.records.invalid)
        self.state = chunk.state
        self.seconds += chunk.seconds
        self.compile_seconds += chunk.compile_seconds
        self.history = extend(self.history, chunk.records, generations)
        self.metrics.append(
            metrics(
                chunk.records,
                generations,
                self.config.charges(),
                self.seconds,
                chunk.seconds,
            )
        )
        self.generations = generations  # Last, for `is_whole`.

    def has_elites(self) -> bool:
        """Whether there is anything to go on from: not where nothing of the first generation was valid."""
        return bool(np.isfinite(self.history.fitness).any())

    def is_whole(self) -> bool:
        """Whether state and records are of one generation and can be saved: not where an interrupt came amid a chunk,
        which takes the state with it, or amid `keep`."""
        donated = any(leaf.is_deleted() for leaf in jax.tree.leaves(self.state))
        return not donated and int(self.state.generation) == self.generations

    def save(self, checkpoints: Checkpoints) -> None:
        """Saves a checkpoint; in the background, if the state is not too large to be copied. Of several processes each
        writes its children, while all wait.

        Raises:
            OSError: the one before could not be written.
        """
        shares = self.evolution.shares
        values: dict[str, Any] = {
            "seconds": self.seconds,
            "compile_seconds": self.compile_seconds,
            "history_rows": len(self.history.generation),
            "settings": lasting_settings(self.config),
        }
        tree = _tree(gathered(self.state, shares, self.evolution.emitter), dict(vars(self.history)))
        if hosts.count() > 1:
            values["rows"] = {"devices": shares.devices, "sizes": list(shares.sizes)}
            checkpoints.save(self.generations, tree, values)
            checkpoints.finish()
        elif sum(leaf.nbytes for leaf in jax.tree.leaves(tree)) > COPIED_AT_MOST:
            # Too much to have twice: evolution waits while it is written from where it lies.
            checkpoints.save(self.generations, jax.tree.map(np.asarray, tree), values)
            checkpoints.finish()
        else:
            # Copies: the next chunk is free to overwrite the donated state while the save goes on.
            checkpoints.save(self.generations, jax.tree.map(np.array, tree), values)

    def restore(
        self, checkpoints: Checkpoints, earlier: Sequence[Metrics], say: Callable[[str], None]
    ) -> None:
        """Goes back to the newest whole checkpoint.

        Args:
            checkpoints: of this run.
            earlier: metrics of the run so far; those after the checkpoint are dropped.
            say: told of damaged checkpoints.

        Raises:
            InputError: there is none, or it is of another run.
        """

        def template(values: dict[str, Any]) -> Any:
            for name in ("seconds", "compile_seconds"):
                _number(name, values.get(name), LONGEST)
            _rows(values.get("rows"), self.config.batch_size)
            _check_settings(values.get("settings", {}), lasting_settings(self.config))
            rows = _number("history_rows", values.get("history_rows"), MOST_ROWS + 1, int)
            tree = jax.eval_shape(_tree, self.state, dict(vars(self.history)))
            for name, leaf in tree["history"].items():
                if name != "last_updates":
                    tree["history"][name] = jax.ShapeDtypeStruct((rows, *leaf.shape[1:]), leaf.dtype)
            # Arrays of one number, which is all that a template needs.
            return jax.tree.map(lambda leaf: np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape), tree)

        def check(tree: Any) -> None:
            classes = len(self.classifier.class_names)
            history = History(**tree["history"])
            check_state(self.config, self.classifier.image_shape, classes, tree["state"], history)

        generations, tree, values = checkpoints.restore(template, say, check)
        if tree["state"]["generation"] != generations:
            raise InputError(
                f"Checkpoint {generations} in {checkpoints.directory} is of generation {tree['state']['generation']}. "
                "Give it the name that it had."
            )
        self.release()
        state = tree["state"]
        if several := _rows(values.get("rows"), self.config.batch_size):
            order = several.order()
            there = [name for name in SHARDED if name in state]
            state |= {name: jax.tree.map(lambda leaf: leaf[order], state[name]) for name in there}
        state = jax.tree.map(jnp.array, state)
        emitter = [state["emitter"][name] for name in _emitter(self.state)]
        restored = State(
            key=key_of(state["key"]),
            generation=state["generation"],
            elites=Elites(**state["elites"]),
            children=state["children"],
            images=state["images"],
            parents=state["parents"],
            emitter=jax.tree.unflatten(jax.tree.structure(self.state.emitter), emitter),
            **{name: state[name] for name in PICTURES if name in state},
        )
        self.state = spread(restored, self.evolution.shares, self.evolution.emitter)
        self.history = History(**tree["history"])
        self.metrics = MetricsLog(row for row in earlier if row.generation <= generations)
        self.generations = generations
        self.seconds, self.compile_seconds = values["seconds"], values["compile_seconds"]

    def result(self) -> Result:
        """What the run has found so far. Copies no genomes while nobody asks for them; see `Snapshot`."""
        snapshot = self._snapshot() or Snapshot(local(self.state.elites))
        self._snapshot = weakref.ref(snapshot)
        return Result(
            config=self.config,
            classifier=record_of(self.classifier),
            snapshot=snapshot,
            history=self.history,
            metrics=self.metrics[:],
            generations=self.generations,
            seconds=self.seconds,
            compile_seconds=self.compile_seconds,
            decode=self.evolution.decode if is_own_encoding(self.config) else None,
        )


def advance_together(
    runs: Sequence[Run], stop: Callable[[], bool] = lambda: False
) -> Iterator[tuple[Chunk, ...]]:
    """As `Run.advance`, of one run, or of several side by side that differ only in their seed, have come equally far
    and have no budget in seconds; yields a chunk of each at a time.

    Raises:
        InputError: as `Run.advance`.
    """
    first = runs[0]
    assert len({run.generations for run in runs}) == 1
    for chunk_of_each in chunks(
        first.evolution,
        first.classifier,
        [run.release() for run in runs],
        Budget(first.config.budget_generations(), first.config.seconds),
        first.config.chunk_seconds,
        first.seconds,
        stop,
        [f" of seed {run.config.seed}" for run in runs] if len(runs) > 1 else (),
    ):
        for run, chunk in zip(runs, chunk_of_each, strict=True):
            run.keep(chunk)
        yield chunk_of_each
        for run in runs:
            run.release()


def _emitter(state: State) -> dict[str, Any]:
    """What the emitter remembers, by the path of each array in it."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(state.emitter)
    return {jax.tree_util.keystr(path): leaf for path, leaf in leaves}


def _tree(state: State, history: dict[str, np.ndarray]) -> dict[str, Any]:
    """What a checkpoint holds, of a state as one device has it."""
    return {
        "state": {
            "key": jax.random.key_data(state.key),
            "generation": state.generation,
            "elites": state.elites._asdict(),
            "children": state.children,
            "images": state.images,
            "parents": state.parents,
            **({"emitter": _emitter(state)} if _emitter(state) else {}),
            **({name: getattr(state, name) for name in PICTURES} if state.pictures else {}),
        },
        "history": history,
    }


def _rows(value: Any, batch_size: int) -> Shares | None:
    """In which order several processes saved their children; None where one did."""
    if value is None:
        return None
    match value:
        case {"devices": int(devices), "sizes": [*sizes]} if type(devices) is int and devices > 0:
            shared = all(type(size) is int and size > 0 and size % devices == 0 for size in sizes)
            if shared and sum(sizes) == batch_size:
                return Shares(devices, tuple(sizes))
    raise ValueError(f"its rows are {shown(value)}")


def _check_settings(saved: Any, here: dict[str, Any]) -> None:
    """Checks that a checkpoint is of a run with these settings, as far as it says: those of version 0.2 and before do
    not.

    Raises:
        ValueError: it is of others.
    """
    if not isinstance(saved, dict):
        raise ValueError(f"its settings are {shown(saved)}")
    for name in saved.keys() & here.keys():
        if saved[name] != here[name]:
            raise ValueError(
                f"its {name} is {shown(saved[name])}, that of {run_folder.CONFIG} {shown(here[name])}"
            )


def _number(name: str, value: Any, most: float, kinds: Any = int | float) -> Any:
    if isinstance(value, kinds) and not isinstance(value, bool) and 0 <= value <= most:
        return value
    raise ValueError(f"its {name} is {shown(value)}")
