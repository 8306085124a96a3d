"""How far the step is from the limit of the machine: `python -m benchmarks.limit`.

The limit of a part is the time that its operations take at the rate of a large matrix product, or that the bytes which
it must at least read and write take at the memory's bandwidth, whichever is longer; both rates are measured here first.
Operations are counted from the network's layers, and held against XLA's own count (`counted.py`). The parts are timed
one by one, and the forward pass and the whole step in rounds that alternate; a part by itself may take longer than
within the step, where XLA fuses it with its neighbours.
"""

import statistics
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import tyro
from rich.console import Console
from rich.table import Table

import qdfool
from benchmarks.counted import count, xla_operations
from benchmarks.report import write
from benchmarks.throughput import Contender, alternate, queued
from qdfool.build import build_classifier, build_evolution
from qdfool.build.target import Target
from qdfool.compilation import compiler_options, jitted_logits
from qdfool.config import Config
from qdfool.engine import archive
from qdfool.engine.loop import LONGEST_CHUNK, compile_loop, empty_records, run_generations
from qdfool.engine.objectives import log_odds
from qdfool.engine.step import Evolution, init
from qdfool.errors import InputError, in_range
from qdfool.keys import root_key
from qdfool.types import Array, Classifier, Elites, Genome, State

NETWORKS = ("lenet", "mobilenet_v1_025", "mobilenet_v2", "resnet18", "resnet50")
BATCH_SIZES = {"lenet": (64, 256, 1024)}
OTHERS = (16, 64)
CLASSIFIER, WHOLE = "forward", "whole step"
PRODUCT = 2048
"""Side of the matrices whose product is timed."""
VALUES = 1 << 26
"""Numbers in an array whose sum with another is timed: far more than a cache holds."""


@dataclass(frozen=True)
class Options:
    """Measures what share of the machine's limit the parts of a generation reach."""

    networks: tuple[str, ...] = NETWORKS
    """Classifiers of --list; ImageNet networks have random weights, and both evolve pixels."""
    batch_sizes: tuple[int, ...] = ()
    """Images in a batch (>= 1); without it 64, 256 and 1024 for lenet, 16 and 64 for the others."""
    rounds: int = 7
    """Rounds (>= 3), each of one measurement of every part."""
    seconds: float = 0.5
    """Length of one measurement (> 0)."""
    warm_up: int = 20
    """Generations (>= 1) before the clock starts; in the first ones far more elites change than later."""
    json: Path | None = None
    """File for the rows, under a header of machine and versions."""


@dataclass(frozen=True)
class Machine:
    """What it can do."""

    operations: float
    """A second, of float32, in a product of large matrices."""
    bandwidth: float
    """Bytes a second that a sum of two large arrays reads and writes."""


@dataclass(frozen=True)
class Row:
    """One part of a generation; all of an evaluation, medians over the rounds."""

    network: str
    batch_size: int
    part: str
    microseconds: float
    limit_microseconds: float
    """What it would take at the limit."""
    share_of_limit: float
    share_of_step: float
    """Its time to the whole step's; of the classifier the median of the ratios within rounds."""
    operations: float
    """0 where only bytes are counted."""
    compulsory_bytes: float
    """What must be read and written at least: what comes in and goes out, parameters once a batch."""
    layer_bytes: float
    """Of the forward pass, what moves if no map stays in a cache."""


def main() -> None:
    """Measures, prints the table, and writes the JSON file that was asked for."""
    options = tyro.cli(Options, prog="python -m benchmarks.limit")
    try:
        in_range("--rounds", options.rounds, 3)
        in_range("--seconds", options.seconds, 1e-3)
        in_range("--warm-up", options.warm_up, 1)
        for size in options.batch_sizes:
            in_range("--batch-sizes", size, 1)
        machine = measured_machine(options)
        print(
            f"{machine.operations / 1e9:,.0f} GFLOP a second in a matrix product, "
            f"{machine.bandwidth / 1e9:,.1f} GB a second to and from memory"
        )
        rows, counted = [], {}
        for network in options.networks:
            own, counted[network] = of_network(options, machine, network)
            rows += own
    except InputError as error:
        print(f"limit: {error}", file=sys.stderr)
        sys.exit(2)
    show(rows)
    if options.json:
        write(options.json, rows, {"limits": vars(machine), "operations_to_xla": counted})


def measured_machine(options: Options, product: int = PRODUCT, values: int = VALUES) -> Machine:
    """The rates of a product and of a sum: medians over the rounds. The product is of float32 as the networks' are: a
    GPU has a faster one, of fewer digits."""
    multiply, add = jax.jit(partial(jnp.matmul, precision="highest")), jax.jit(jnp.add)
    # Two arrays: of one with itself half would be read from a cache.
    matrix, array, other = jnp.ones((product, product)), jnp.ones(values), jnp.ones(values)

    products_again, sums_again = queued(multiply, matrix, matrix), queued(add, array, other)
    (products,) = alternate([products_again], 2 * product**3, options.rounds, options.seconds)
    (sums,) = alternate([sums_again], 3 * array.nbytes, options.rounds, options.seconds)
    return Machine(statistics.median(products), statistics.median(sums))


def of_network(options: Options, machine: Machine, network: str) -> tuple[list[Row], float]:
    """The rows of a network, and the operations counted here as a share of those that XLA counts."""
    config = qdfool.preset("mnist-direct" if network == "lenet" else "imagenet-direct", classifier=network)
    if network != "lenet":
        config = qdfool.config.override(config, {"weights": "random"})
    classifier = build_classifier(config)
    # In the formulation without loops, which computes the same.
    plain = build_classifier(config, Target("cuda"))
    rows, agreement = [], 0.0
    for size in options.batch_sizes or BATCH_SIZES.get(network, OTHERS):
        images = jax.ShapeDtypeStruct((size, *plain.image_shape), jnp.float32)
        counted = count(plain.logits, plain.parameters, images)
        agreement = counted.operations / xla_operations(plain.logits, plain.parameters, images)
        sized = qdfool.config.override(config, {"batch_size": size})
        timed = time_parts(options, sized, classifier)
        step, forward = statistics.median(timed[WHOLE]), statistics.median(timed[CLASSIFIER])
        needs = least_bytes(build_evolution(sized, classifier), classifier)
        of_step = {part: statistics.median(timed[part]) / step for part in timed}
        ratios = [own / whole for own, whole in zip(timed[CLASSIFIER], timed[WHOLE], strict=True)]
        of_step[CLASSIFIER] = statistics.median(ratios)
        for part in timed:
            operations = counted.operations / size if part in (CLASSIFIER, WHOLE) else 0.0
            moved = sum(needs.values()) if part == WHOLE else needs[part]
            limit = max(operations / machine.operations, moved / machine.bandwidth)
            taken = {WHOLE: step, CLASSIFIER: forward}.get(part, statistics.median(timed[part]))
            rows.append(
                Row(
                    network=network,
                    batch_size=size,
                    part=part,
                    microseconds=taken * 1e6,
                    limit_microseconds=limit * 1e6,
                    share_of_limit=limit / taken,
                    share_of_step=of_step[part],
                    operations=operations,
                    compulsory_bytes=moved,
                    layer_bytes=counted.layer_bytes / size if part == CLASSIFIER else 0.0,
                )
            )
    return rows, agreement


def least_bytes(evolution: Evolution, classifier: Classifier) -> dict[str, float]:
    """Bytes of an evaluation that each part must read and write, whatever it does with them."""
    genome = _bytes(jax.eval_shape(evolution.initialise, jax.random.key(0)))
    image, logits = 4.0 * jnp.prod(jnp.array(classifier.image_shape)).item(), 4.0 * evolution.classes
    return {
        CLASSIFIER: image + logits + _bytes(classifier.parameters) / evolution.batch_size,
        "decoding": genome + image,
        "variation": 2.0 * genome,
        "competition": logits,
    }


def time_parts(options: Options, config: Config, classifier: Classifier) -> dict[str, list[float]]:
    """Seconds an evaluation of each part, a number a round."""
    parts = contenders(config, classifier, options.warm_up)
    rates = alternate(list(parts.values()), config.batch_size, options.rounds, options.seconds)
    return {part: [1 / rate for rate in own] for part, own in zip(parts, rates, strict=True)}


def contenders(config: Config, classifier: Classifier, warm_up: int) -> dict[str, Contender]:
    """The parts of a generation and the whole of it, after a warm-up."""
    evolution = build_evolution(config, classifier)
    carried: list[Any] = [
        jax.jit(partial(init, evolution))(root_key(config.seed, "evolution")),
        empty_records(evolution.classes),
    ]
    loop = run_generations(evolution, classifier.logits)
    lowered = loop.lower(*carried, classifier.parameters, jnp.int32(1))
    run = compile_loop(lowered, classifier, jax.default_backend())

    def step(times: int) -> None:
        carried[:] = jax.block_until_ready(run(*carried, classifier.parameters, jnp.int32(times)))

    for begun in range(0, warm_up, LONGEST_CHUNK):
        step(min(LONGEST_CHUNK, warm_up - begun))
    state: State = jax.tree.map(jnp.copy, carried[0])  # The step's own is overwritten by it.
    logits = jitted_logits(classifier)
    scored = logits(classifier.parameters, state.images)
    options_of = compiler_options(classifier, jax.default_backend())
    decode = jax.jit(jax.vmap(evolution.decode), compiler_options=options_of)
    emit = evolution.emitter.emit
    vary = jax.jit(
        lambda key, generation, own, elites: emit(key, generation, own, elites, None),
        compiler_options=options_of,
    )
    compete = jax.jit(competition, donate_argnums=0, compiler_options=options_of)
    elites = [jax.tree.map(jnp.copy, state.elites)]

    def competes(times: int) -> None:
        for _ in range(times):
            elites[0] = compete(elites[0], state.children, scored, state.parents)
        jax.block_until_ready(elites[0])

    return {
        CLASSIFIER: queued(logits, classifier.parameters, state.images),
        "decoding": queued(decode, state.children),
        "variation": queued(vary, state.key, state.generation, state.emitter, state.elites),
        "competition": competes,
        WHOLE: step,
    }


def competition(elites: Elites, children: Genome, logits: Array, parents: Array) -> Elites:
    """Scores a batch and lets it into a class archive, as `qdfool.engine.step.tell` does."""
    batch = logits.shape[0]
    challengers = Elites(
        genome=children,
        fitness=jax.vmap(log_odds)(logits),
        measures=jnp.zeros((batch, 0)),
        birth_generation=jnp.zeros(batch, jnp.int32),
        parent_class=parents,
        num_replacements=jnp.zeros(batch, jnp.int32),
        curiosity=jnp.zeros(batch),
    )
    return archive.enter(elites, challengers, parents, jnp.zeros(batch, jnp.int32))[0]


def show(rows: list[Row]) -> None:
    """Prints the table."""
    table = Table(title="microseconds an evaluation, and what the machine's limit is of them")
    for name in ("network", "batch", "part", "us", "limit", "limit / measured", "of the step"):
        table.add_column(name, justify="left" if name in ("network", "part") else "right")
    for row in rows:
        table.add_row(
            row.network,
            str(row.batch_size),
            row.part,
            f"{row.microseconds:,.2f}",
            f"{row.limit_microseconds:,.2f}",
            f"{row.share_of_limit:.2f}",
            f"{row.share_of_step:.3f}",
            end_section=row.part == WHOLE,
        )
    Console().print(table)


def _bytes(tree: Any) -> float:
    # A key is drawn from, not read.
    return float(sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree)))


if __name__ == "__main__":
    main()
