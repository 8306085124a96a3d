"""Many generations in one jitted loop, and the host's loop over such chunks.

The device runs a chunk without seeing the host: the state is donated, and the records of its generations
come back with it. How many generations a chunk has is an argument, so that one compiled program serves all.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from qdfool import hosts
from qdfool.classifiers.callbacks import code_called_back
from qdfool.classifiers.logits_check import as_array, check_answer, check_kind, in_float32
from qdfool.compilation import compiler_options, is_of_options, of_platform
from qdfool.engine.seeds import apart, step_of_seeds, together
from qdfool.engine.sharding import P, layout, replicated, sharded
from qdfool.engine.step import Evolution, ask, init, step, tell
from qdfool.errors import ClassifierInterrupt, InputError, code_of_a_user, described, process_kept, shown
from qdfool.types import Array, Classifier, Parameters, Record, State

LONGEST_CHUNK = 1024
"""Generations that one chunk can have: the length of its buffer of records."""
WRONG = (
    "were none: they had a value outside [0, 1] or NaN (with `rounding` off, one that is not finite), or a parent that "
    "is no cell of the archive. Check encodings (what `decode` draws, and `project`, which brings genes that an "
    "operator or emitter moved back into their range), operators and emitters of your own.",
    "had a measure outside its stated range, or NaN. Check `low` and `high` of measures of your own.",
    "had a logit that is not finite (NaN or infinite). Expected finite logits of every image in [0, 1]; check the "
    "classifier.",
)
"""What `Record.invalid` counts, and what to do about it."""
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
    """Time the chunk took on the device, compilation not counted; of several seeds side by side, each one's share."""
    compile_seconds: float
    """Time that compilation took before this chunk, shared likewise; 0 but for the first."""


@dataclass(frozen=True)
class Budget:
    """When to stop: whichever comes first."""

    generations: int | None
    """Generations in all, those before a resume included."""
    seconds: float | None
    """Seconds of evolution in all, those before a resume included."""


@lru_cache(maxsize=16)
def run_generations(
    evolution: Evolution,
    logits: Callable[[Parameters, Array], Array],
    name: str = "the classifier",
    devices: Mesh | None = None,
) -> Any:
    """The jitted loop: (state, record buffer, parameters, count) to the state after `count` generations, or after the
    first of them of which not all images could compete.

    State and buffer are donated. Of the buffer [LONGEST_CHUNK, ...] a row is filled for each generation. The same
    functions give the same loop, which is then compiled once. Several devices are the first that JAX has, unless a
    mesh is given of those that it is compiled for. Tracing it raises an `InputError` where the classifier of that name
    fails at this batch size, or gives what are no logits.
    """

    checked_logits = _checked(evolution, logits, name)

    def run(state: State, records: Record, parameters: Parameters, count: Array) -> tuple[State, Record]:
        return _repeat(partial(step, evolution, checked_logits, parameters), state, records, count)

    where = layout(evolution.emitter)
    on_devices = sharded(run, evolution.shares, (where, P(), P(), P()), (where, P()), devices)
    return jax.jit(on_devices, donate_argnums=(0, 1))


@lru_cache(maxsize=16)
def run_generations_of_seeds(
    evolution: Evolution, logits: Callable[[Parameters, Array], Array], name: str = "the classifier"
) -> Any:
    """The same of several seeds that have come equally far, on one device: (states, record buffer, parameters, count)
    to the states after `count` generations, or after the first of them of which not all images of all seeds could
    compete. States and buffer [LONGEST_CHUNK, S, ...] are donated."""
    checked_logits = _checked(
        evolution,
        logits,
        name,
        "Those were of several seeds: with `seeds_at_once` 1 it is shown those of one at a time.",
    )

    def run(
        states: tuple[State, ...], records: Record, parameters: Parameters, count: Array
    ) -> tuple[tuple[State, ...], Record]:
        one_step = partial(step_of_seeds, evolution, checked_logits, parameters)
        joined, records = _repeat(one_step, together(states), records, count)
        return apart(joined), records

    return jax.jit(run, donate_argnums=(0, 1))


def _checked(
    evolution: Evolution, logits: Callable[[Parameters, Array], Array], name: str, remedy: str = ""
) -> Callable[[Parameters, Array], Array]:
    """The logits, which raise an `InputError` while they are traced if they fail or are none; it ends with the
    remedy."""

    def checked_logits(parameters: Parameters, images: Array) -> Array:
        with code_of_a_user(f"{name} failed on images {list(images.shape)}", remedy):
            answer = logits(parameters, images)
        # An emitter may ask for fewer images at a time than a batch has.
        check_kind(name, answer, (images.shape[0], evolution.classes))
        return answer

    return checked_logits


def _repeat(
    one_step: Callable[[State], tuple[State, Record]], state: State, records: Record, count: Array
) -> tuple[State, Record]:
    """The state after so many steps, fewer if one had images that could not compete, and the buffer with their records
    in its first rows."""

    def goes_on(carry: tuple[Array, Array, State, Record]) -> Array:
        index, is_good, *_ = carry
        return (index < count) & is_good

    def generation(carry: tuple[Array, Array, State, Record]) -> tuple[Array, Array, State, Record]:
        index, _, state, records = carry
        state, record = one_step(state)
        records = jax.tree.map(lambda rows, row: rows.at[index].set(row), records, record)
        return index + 1, ~record.invalid.any(), state, records

    *_, state, records = jax.lax.while_loop(
        goes_on, generation, (jnp.int32(0), jnp.bool_(True), state, records)
    )
    return state, records


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
    own, options = classifier.compiler_options, compiler_options(classifier, platform)
    try:
        return lowered.compile(compiler_options={**(effort(platform) or {}), **options} or None)
    except jax.errors.JaxRuntimeError as error:
        if not own or not is_of_options(error):
            raise
        raise InputError(
            f"XLA does not take the `compiler_options` of {classifier.name}, {shown(str(dict(own)))}: "
            f"{shown(str(error))}. Leave them out."
        ) from error


@lru_cache(maxsize=16)
def jitted_init(evolution: Evolution) -> Any:
    """`init` jitted: key, and pictures if there are any, to the state before the first generation."""
    begin = sharded(partial(init, evolution), evolution.shares, (P(), P()), layout(evolution.emitter))
    return jax.jit(lambda key, pictures=(): begin(key, pictures))


@lru_cache(maxsize=16)
def jitted_tell(evolution: Evolution) -> Any:
    """`tell` jitted, (state, logits) to (state, record), for a classifier that is called from the host. The
    state is donated."""
    return jax.jit(
        lambda state, logits: tell(evolution, state, logits),
        donate_argnums=0,
        compiler_options=of_platform(jax.default_backend()),
    )


@partial(jax.jit, static_argnames=("classes", "seeds"))
def empty_records(classes: int, seeds: int | None = None) -> Record:
    """A buffer for the records of the longest chunk; of several seeds, [LONGEST_CHUNK, S, ...]."""
    rows = (LONGEST_CHUNK,) if seeds is None else (LONGEST_CHUNK, seeds)
    return Record(
        fitness=jnp.zeros((*rows, classes), jnp.float32),
        updates=jnp.zeros((*rows, classes), jnp.int32),
        qd_score=jnp.zeros(rows, jnp.float32),
        coverage=jnp.zeros(rows, jnp.float32),
        invalid=jnp.zeros((*rows, len(WRONG)), jnp.int32),
    )


def chunks(
    evolution: Evolution,
    classifier: Classifier,
    states: Sequence[State],
    budget: Budget,
    chunk_seconds: float,
    seconds_before: float = 0.0,
    stop: Callable[[], bool] = lambda: False,
    names: Sequence[str] = (),
) -> Iterator[tuple[Chunk, ...]]:
    """Runs generations until the budget is spent or `stop` says so, and yields every chunk of them, one of each seed.

    Args:
        evolution: the functions.
        classifier: what is audited; one that JAX cannot trace is called from the host, a generation
            at a time.
        states: where to go on from, of one seed, or of several that have come equally far, side by side. They are
            donated.
        budget: when to stop; of several seeds in generations.
        chunk_seconds: how long a chunk should take.
        seconds_before: seconds of evolution already spent, before a resume.
        stop: asked between chunks. Of several processes, a chunk is as long as the first one says, and the run stops
            where any of them is told to.
        names: of several seeds, as a message adds them to images of one: " of seed 3".

    Raises:
        InputError: the classifier failed, whatever it raised, or returned a logit that is not finite, one on the host
            also what are no logits (`check_answer`), or a measure was out of its range; the generations before, and
            the valid images of that one, have been yielded (of a classifier on the host with such logits, all images of
            that one wait to be asked about again). It is raised even if the budget is spent by then, or `stop` says so.
        ClassifierInterrupt: a KeyboardInterrupt came out of a classifier on the host; the generations before have
            been yielded.
    """
    begun = time.perf_counter()
    runner = (_Traced if classifier.traceable else _Host)(evolution, classifier, states)
    seeds = len(states)
    compile_seconds = time.perf_counter() - begun
    done, spent, pace = int(states[0].generation), seconds_before, 0.0
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
        states, records = runner(states, count)
        seconds = time.perf_counter() - begun
        count = len(records[0].invalid)
        pace = seconds / count
        done, spent = done + count, spent + seconds
        yield tuple(
            Chunk(state, record, seconds / seeds, compile_seconds / seeds)
            for state, record in zip(states, records, strict=True)
        )
        # Only now: what the chunk found is good, and the caller has it.
        for name, record in zip(names or ("",), records, strict=True):
            check_valid(record, done - count, evolution.batch_size, name)
        if runner.failure is not None:
            raise runner.failure
        compile_seconds = 0.0


class _Traced:
    """Chunks of generations on the device. What fails amid one takes the state with it."""

    failure: InputError | ClassifierInterrupt | None = None
    """Always None: what fails here is seen in the records."""

    def __init__(self, evolution: Evolution, classifier: Classifier, states: Sequence[State]) -> None:
        # A single seed has a program of its own: it has its bits wherever it evolves alone, and nothing is copied.
        self.name, self.shares, self.alone = classifier.name, evolution.shares, len(states) == 1
        records = empty_records(evolution.classes, None if self.alone else len(states))
        self.parameters, self.records = replicated((classifier.parameters, records), evolution.shares)
        loop = run_generations if self.alone else run_generations_of_seeds
        one = replicated(jnp.int32(1), self.shares)
        lowered = loop(evolution, classifier.logits, self.name).lower(
            self._given(states), self.records, self.parameters, one
        )
        self.run = compile_loop(lowered, classifier, jax.default_backend())

    def __call__(self, states: Sequence[State], count: int) -> tuple[Sequence[State], Sequence[Record]]:
        first = int(states[0].generation)
        with code_called_back(f"In generation {first} or one of the next, {self.name} failed"):
            wanted = replicated(jnp.int32(count), self.shares)
            after, self.records = self.run(self._given(states), self.records, self.parameters, wanted)
            after = jax.block_until_ready(after)
        done = int((after if self.alone else after[0]).generation) - first
        records = jax.tree.map(lambda rows: np.array(np.asarray(rows)[:done]), self.records)
        if self.alone:
            return (after,), (records,)
        return after, [
            jax.tree.map(lambda rows, seed=seed: rows[:, seed], records) for seed in range(len(after))
        ]

    def _given(self, states: Sequence[State]) -> State | tuple[State, ...]:
        return states[0] if self.alone else tuple(states)


class _Host:
    """The same generations around a classifier that is called from the host.

    A classifier that fails, or whose logits are not finite, ends the chunk early and leaves its error as `failure`: the
    generations before it are not lost, and its images wait to be asked about again. With none before it, the error is
    raised.
    """

    def __init__(self, evolution: Evolution, classifier: Classifier, states: Sequence[State]) -> None:
        (state,) = states
        self.classifier = classifier
        self.shape = (evolution.batch_size, evolution.classes)
        logits = jax.ShapeDtypeStruct(self.shape, jnp.float32)
        self.tell = jitted_tell(evolution).lower(state, logits).compile()
        self.failure: InputError | ClassifierInterrupt | None = None

    def __call__(self, states: Sequence[State], count: int) -> tuple[Sequence[State], Sequence[Record]]:
        (state,), records = states, []
        is_good = True
        while is_good and len(records) < count and (logits := self.logits(state)) is not None:
            state, record = self.tell(state, logits)
            records.append(jax.device_get(record))
            is_good = not records[-1].invalid.any()
        if not records and self.failure is not None:
            raise self.failure
        return (jax.block_until_ready(state),), (jax.tree.map(lambda *rows: np.stack(rows), *records),)

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
        logits = in_float32(logits)
        if invalid := int((~np.isfinite(logits).all(axis=1)).sum()):
            self.failure = InputError(_what_was_wrong(int(state.generation), (0, 0, invalid), self.shape[0]))
            return None
        return logits


def check_valid(records: Record, first_generation: int, batch_size: int, name: str = "") -> None:
    """Checks that all images of some generations could compete.

    Args:
        records: NumPy leaves [T, ...].
        first_generation: that of the first row.
        batch_size: B.
        name: of several seeds, as the message adds it.

    Raises:
        InputError: some could not; of the first generation with such images.
    """
    invalid = np.asarray(records.invalid)
    if invalid.any():
        generation = int(np.argmax(invalid.any(axis=1)))
        raise InputError(
            _what_was_wrong(first_generation + generation, invalid[generation], batch_size, name)
        )


def _what_was_wrong(generation: int, invalid: Sequence[int], batch_size: int, name: str = "") -> str:
    found = [
        f"{count} of {batch_size} images{name} {wrong}"
        for count, wrong in zip(invalid, WRONG, strict=True)
        if count
    ]
    return f"In generation {generation}, {' And '.join(found)}"
