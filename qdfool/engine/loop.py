"""Many generations in one jitted loop, and the host's loop over such chunks.

The device runs a chunk without seeing the host: the state is donated, and the records of its generations
come back with it. How many generations a chunk has is an argument, so that one compiled program serves all.
"""

import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from qdfool import hosts
from qdfool.classifiers.callbacks import code_called_back
from qdfool.classifiers.logits_check import as_array, check_answer, check_kind
from qdfool.engine.sharding import P, layout, replicated, sharded
from qdfool.engine.step import Evolution, ask, init, step, tell
from qdfool.errors import ClassifierInterrupt, InputError, code_of_a_user, described, process_kept, shown
from qdfool.types import Array, Classifier, Parameters, Record, State

LONGEST_CHUNK = 1024
"""Generations that one chunk can have: the length of its buffer of records."""


_O1 = 19
"""XLA's EFFORT_O1, "faster compilation with reasonable runtime"."""


@dataclass(frozen=True)
class Chunk:
    """What the host sees of a chunk of generations."""

    state: State
    """After the chunk. Donated to the next chunk: copy what must outlive it."""
    records: Record
    """NumPy leaves [T, ...], a row a generation."""
    seconds: float
    """Time the chunk took on the device, compilation not counted."""
    compile_seconds: float
    """Time that compilation took before this chunk; 0 but for the first."""


@dataclass(frozen=True)
class Budget:
    """When to stop: whichever comes first."""

    generations: int | None
    """Generations in all, those before a resume included."""
    seconds: float | None
    """Seconds of evolution in all, those before a resume included."""


@functools.lru_cache(maxsize=16)
def run_generations(
    evolution: Evolution,
    logits: Callable[[Parameters, Array], Array],
    name: str = "the classifier",
    devices: Mesh | None = None,
) -> Any:
    """The jitted loop: (state, record buffer, parameters, count) to the state after `count` generations.

    State and buffer are donated. The first `count` rows of the buffer [LONGEST_CHUNK, ...] are filled. The same
    functions give the same loop, which is then compiled once. Several devices are the first that JAX has, unless a
    mesh is given of those that it is compiled for. Tracing it raises an `InputError` where the classifier of that name
    fails at this batch size, or gives what are no logits.
    """

    def checked_logits(parameters: Parameters, images: Array) -> Array:
        with code_of_a_user(f"{name} failed on images {list(images.shape)}"):
            answer = logits(parameters, images)
        # An emitter may ask for fewer images at a time than a batch has.
        check_kind(name, answer, (images.shape[0], evolution.classes))
        return answer

    def run(state: State, records: Record, parameters: Parameters, count: Array) -> tuple[State, Record]:
        def generation(index: Array, carry: tuple[State, Record]) -> tuple[State, Record]:
            state, records = carry
            state, record = step(evolution, checked_logits, parameters, state)
            return state, jax.tree.map(lambda rows, row: rows.at[index].set(row), records, record)

        return jax.lax.fori_loop(0, count, generation, (state, records))

    where = layout(evolution.emitter)
    on_devices = sharded(run, evolution.shares, (where, P(), P(), P()), (where, P()), devices)
    return jax.jit(on_devices, donate_argnums=(0, 1))


def effort(platform: str) -> dict[str, Any] | None:
    """How much work XLA puts into a chunk for a platform, as `jax.stages.Lowered.compile` takes it; None: its default.

    For a TPU a convolution in float32 is compiled for seconds by default, and an ImageNet network for minutes: there it
    is the level below, unless JAX was told another (JAX_OPTIMIZATION_LEVEL=O2 in the environment).
    """
    told = getattr(jax.config, "jax_optimization_level", "UNKNOWN") != "UNKNOWN"
    return {"optimization_level": _O1} if platform == "tpu" and not told else None


def compile_loop(lowered: Any, classifier: Classifier, platform: str) -> Any:
    """The loop that `run_generations(...).lower(...)` gave, compiled as its platform and its classifier want it.

    Raises:
        InputError: XLA does not take the classifier's options.
    """
    options = dict(classifier.compiler_options)
    try:
        return lowered.compile(compiler_options={**(effort(platform) or {}), **options} or None)
    except jax.errors.JaxRuntimeError as error:
        if not options or not any(said in str(error) for said in ("compile option", "setting option")):
            raise
        raise InputError(
            f"XLA does not take the `compiler_options` of {classifier.name}, {shown(str(options))}: "
            f"{shown(str(error))}. Leave them out."
        ) from error


@functools.lru_cache(maxsize=16)
def jitted_init(evolution: Evolution) -> Any:
    """`init` jitted: key, and pictures if there are any, to the state before the first generation."""
    begin = sharded(
        functools.partial(init, evolution), evolution.shares, (P(), P()), layout(evolution.emitter)
    )
    return jax.jit(lambda key, pictures=(): begin(key, pictures))


@functools.lru_cache(maxsize=16)
def jitted_tell(evolution: Evolution) -> Any:
    """`tell` jitted, (state, logits) to (state, record), for a classifier that is called from the host. The
    state is donated."""
    return jax.jit(lambda state, logits: tell(evolution, state, logits), donate_argnums=0)


def empty_records(classes: int) -> Record:
    """A buffer for the records of the longest chunk."""
    return Record(
        fitness=jnp.zeros((LONGEST_CHUNK, classes), jnp.float32),
        updates=jnp.zeros((LONGEST_CHUNK, classes), jnp.int32),
        qd_score=jnp.zeros(LONGEST_CHUNK, jnp.float32),
        coverage=jnp.zeros(LONGEST_CHUNK, jnp.float32),
        invalid=jnp.zeros(LONGEST_CHUNK, jnp.int32),
    )


def chunks(
    evolution: Evolution,
    classifier: Classifier,
    state: State,
    budget: Budget,
    chunk_seconds: float,
    seconds_before: float = 0.0,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Chunk]:
    """Runs generations until the budget is spent or `stop` says so, and yields every chunk of them.

    Args:
        evolution: the functions.
        classifier: what is audited; one that JAX cannot trace is called from the host, a generation
            at a time.
        state: where to go on from. It is donated.
        budget: when to stop.
        chunk_seconds: how long a chunk should take.
        seconds_before: seconds of evolution already spent, before a resume.
        stop: asked between chunks. Of several processes, a chunk is as long as the first one says, and the run stops
            where any of them is told to.

    Raises:
        InputError: the classifier failed, whatever it raised, or returned a logit that is not finite, one on the host
            also what are no logits (`check_answer`), or a measure was out of its range; the generations before, and
            the valid images of that one, have been yielded. It is raised even if the budget is spent by then, or
            `stop` says so.
        ClassifierInterrupt: a KeyboardInterrupt came out of a classifier on the host; the generations before have
            been yielded.
    """
    begun = time.perf_counter()
    runner = (_Traced if classifier.traceable else _Host)(evolution, classifier, state)
    compile_seconds = time.perf_counter() - begun
    done, spent, pace = int(state.generation), seconds_before, 0.0
    while not hosts.highest(stop()):
        left = np.inf if budget.seconds is None else budget.seconds - spent
        limit = LONGEST_CHUNK if budget.generations is None else budget.generations - done
        # The first chunk is a single generation, to learn the pace.
        wanted = min(chunk_seconds, left) / pace if pace else 1
        count = 0 if left <= 0 or limit <= 0 else int(max(1, min(wanted, limit, LONGEST_CHUNK)))
        count = hosts.of_first(count)
        if not count:
            return
        begun = time.perf_counter()
        state, records = runner(state, count)
        seconds = time.perf_counter() - begun
        count = len(records.invalid)
        pace = seconds / count
        done, spent = done + count, spent + seconds
        yield Chunk(state, records, seconds, compile_seconds)
        # Only now: what the chunk found is good, and the caller has it.
        _check_valid(records, done - count, evolution.batch_size)
        if runner.failure is not None:
            raise runner.failure
        compile_seconds = 0.0


class _Traced:
    """Chunks of generations on the device. What fails amid one takes the state with it."""

    failure: InputError | ClassifierInterrupt | None = None
    """Always None: what fails here is seen in the records."""

    def __init__(self, evolution: Evolution, classifier: Classifier, state: State) -> None:
        self.name, self.shares = classifier.name, evolution.shares
        self.parameters, self.records = replicated(
            (classifier.parameters, empty_records(evolution.classes)), evolution.shares
        )
        run = run_generations(evolution, classifier.logits, self.name)
        one = replicated(jnp.int32(1), self.shares)
        lowered = run.lower(state, self.records, self.parameters, one)
        self.run = compile_loop(lowered, classifier, jax.default_backend())

    def __call__(self, state: State, count: int) -> tuple[State, Record]:
        first = int(state.generation)
        with code_called_back(f"In generation {first} or one of the next, {self.name} failed"):
            wanted = replicated(jnp.int32(count), self.shares)
            state, self.records = self.run(state, self.records, self.parameters, wanted)
            state = jax.block_until_ready(state)
        return state, jax.tree.map(lambda rows: np.array(np.asarray(rows)[:count]), self.records)


class _Host:
    """The same generations around a classifier that is called from the host.

    A classifier that fails ends the chunk early and leaves its error as `failure`, so that the generations before it
    are not lost. With none before it, the error is raised.
    """

    def __init__(self, evolution: Evolution, classifier: Classifier, state: State) -> None:
        self.classifier = classifier
        self.shape = (evolution.batch_size, evolution.classes)
        logits = jax.ShapeDtypeStruct(self.shape, jnp.float32)
        self.tell = jitted_tell(evolution).lower(state, logits).compile()
        self.failure: InputError | ClassifierInterrupt | None = None

    def __call__(self, state: State, count: int) -> tuple[State, Record]:
        records = []
        while len(records) < count and (logits := self.logits(state)) is not None:
            state, record = self.tell(state, logits)
            records.append(jax.device_get(record))
        if not records and self.failure is not None:
            raise self.failure
        return jax.block_until_ready(state), jax.tree.map(lambda *rows: np.stack(rows), *records)

    def logits(self, state: State) -> np.ndarray | None:
        """The classifier's answer; None, and `failure` set, if it had none that will do."""
        images, where = np.array(ask(state)), f"In generation {int(state.generation)}, {self.classifier.name}"
        try:
            with process_kept():
                logits = as_array(self.classifier.logits(self.classifier.parameters, images))
        except KeyboardInterrupt:
            self.failure = ClassifierInterrupt(f"{where} was ended by a KeyboardInterrupt.")
            return None
        except BaseException as error:  # What sys.exit raises is no end of the run either.
            self.failure = InputError(f"{where} failed on images {list(images.shape)}: {described(error)}.")
            return None
        try:
            check_answer(where, logits, self.shape)
        except InputError as error:
            self.failure = error
            return None
        with np.errstate(over="ignore"):  # Infinity is counted on the device.
            return logits.astype(np.float32)


def _check_valid(records: Record, first_generation: int, batch_size: int) -> None:
    invalid = np.asarray(records.invalid)
    if invalid.any():
        generation = int(np.argmax(invalid > 0))
        raise InputError(
            f"In generation {first_generation + generation}, {invalid[generation]} of {batch_size} images had "
            "a logit that is not finite (NaN or infinite), or a measure outside its stated range. Expected "
            "finite logits and measures in range for every image in [0, 1]; check the classifier, and any "
            "measure of your own."
        )
