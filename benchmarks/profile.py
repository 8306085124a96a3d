"""Where the time of a program goes, operation by operation: `python -m benchmarks.profile`.

The forward pass of a classifier, or a generation with it, is compiled as a run compiles it, warmed up, and recorded
by JAX's profiler. What is shown is the time of each operation that XLA made of it, over the record and divided by
its repetitions. Loops and branches are left out: what is in them is counted by itself. A record takes time too, the
more the more small operations there are, and what a library does on threads of its own is missing from it; so the time
without it stands above.
"""

import gzip
import json
import re
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import tyro
from rich.console import Console
from rich.table import Table

from benchmarks.report import write
from qdfool.build import build_classifier, build_evolution
from qdfool.classifiers.porting import RANDOM
from qdfool.compilation import jitted_logits
from qdfool.config import Config, override
from qdfool.engine.loop import LONGEST_CHUNK, compile_loop, empty_records, run_generations
from qdfool.engine.step import init
from qdfool.errors import InputError, in_range
from qdfool.keys import root_key
from qdfool.presets import preset
from qdfool.types import Classifier

MOST_EVENTS = 1_000_000
"""Of a record that JAX's profiler writes; what is beyond is dropped in silence."""
AROUND = ("while", "conditional", "call")
"""Operations that others are in."""


@dataclass(frozen=True)
class Options:
    """Records a program, and shows where its time goes."""

    preset: str = "imagenet-direct"
    """A preset, for all that is not given here."""
    classifier: str | None = None
    """Another classifier than the preset's; one of ImageNet has random weights."""
    part: Literal["forward", "generation"] = "forward"
    """What is recorded: the classifier's forward pass alone, or the whole generation."""
    batch_size: int = 64
    """Images in a batch (>= 1)."""
    warm_up: int = 10
    """Repetitions before the record begins (1 to 1,024)."""
    repetitions: int = 10
    """Repetitions that are recorded (1 to 1,024)."""
    operations: int = 25
    """How many operations are shown, those that take longest first (>= 1)."""
    json: Path | None = None
    """File for the rows of all operations, under a header of machine and versions."""


@dataclass(frozen=True)
class Row:
    """An operation of the program."""

    program: str
    batch_size: int
    operation: str
    """XLA's name for it."""
    shape: str
    """What it makes, as XLA writes it."""
    microseconds: float
    """In a repetition, all its calls together."""
    calls: float
    """In a repetition."""
    share: float
    """Of all operations' time."""


def main() -> None:
    """Records, prints the table, and writes the JSON file that was asked for."""
    options = tyro.cli(Options, prog="python -m benchmarks.profile")
    try:
        in_range("--batch-size", options.batch_size, 1)
        in_range("--operations", options.operations, 1)
        in_range("--warm-up", options.warm_up, 1, LONGEST_CHUNK)
        in_range("--repetitions", options.repetitions, 1, LONGEST_CHUNK)
        config = preset(options.preset, batch_size=options.batch_size)
        if options.classifier:
            weights = None if options.classifier == "lenet" else RANDOM
            config = override(config, {"classifier": options.classifier, "weights": weights})
        classifier = build_classifier(config)
        make = forward if options.part == "forward" else generation
        program, run = make(config, classifier)
        run(options.warm_up)
        microseconds = time_alone(run, options.repetitions)
        rows = record(options, f"{classifier.name}, {options.part}", program, run)
    except InputError as error:
        print(f"profile: {error}", file=sys.stderr)
        sys.exit(2)
    show(rows[: options.operations], microseconds)
    if options.json:
        write(options.json, rows)


def forward(config: Config, classifier: Classifier) -> tuple[str, Callable[[int], None]]:
    """XLA's text of the forward pass, and what repeats it."""
    images = jax.random.uniform(jax.random.key(0), (config.batch_size, *classifier.image_shape))
    jitted = jitted_logits(classifier)
    compiled = jitted.lower(classifier.parameters, images).compile()

    def run(times: int) -> None:
        for _ in range(times):
            jax.block_until_ready(compiled(classifier.parameters, images))

    return compiled.as_text() or "", run


def generation(config: Config, classifier: Classifier) -> tuple[str, Callable[[int], None]]:
    """XLA's text of a chunk of generations, and what goes on by so many."""
    evolution = build_evolution(config, classifier)
    carried: list[Any] = [
        jax.jit(partial(init, evolution))(root_key(config.seed, "evolution")),
        empty_records(evolution.classes),
    ]
    lowered = run_generations(evolution, classifier.logits).lower(
        *carried, classifier.parameters, jnp.int32(1)
    )
    compiled = compile_loop(lowered, classifier, jax.default_backend())

    def run(times: int) -> None:
        carried[:] = jax.block_until_ready(compiled(*carried, classifier.parameters, jnp.int32(times)))

    return compiled.as_text() or "", run


def time_alone(run: Callable[[int], None], repetitions: int) -> float:
    """Microseconds of a repetition without a record, the median of five measurements."""
    measured = []
    for _ in range(5):
        begun = time.perf_counter()
        run(repetitions)
        measured.append((time.perf_counter() - begun) / repetitions * 1e6)
    return statistics.median(measured)


def record(options: Options, name: str, program: str, run: Callable[[int], None]) -> list[Row]:
    """The operations of the program, those that take longest first."""
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            run(options.repetitions)
        (path,) = Path(folder).rglob("*.trace.json.gz")
        events = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    if len(events) >= MOST_EVENTS:
        raise InputError(f"A record has room for {MOST_EVENTS:,} events: fewer --repetitions fit in whole.")
    microseconds: defaultdict[str, float] = defaultdict(float)
    calls: defaultdict[str, float] = defaultdict(float)
    shapes, inner = operations_of(program)
    for event in events:
        operation = event.get("args", {}).get("hlo_op")
        if operation in inner and "dur" in event:
            microseconds[operation] += event["dur"] / options.repetitions
            calls[operation] += 1 / options.repetitions
    total = sum(microseconds.values())
    if not total:
        raise InputError("JAX's profiler recorded no operation of the program on this device.")
    return [
        Row(name, options.batch_size, operation, shapes[operation], taken, calls[operation], taken / total)
        for operation, taken in sorted(microseconds.items(), key=lambda item: -item[1])
    ]


def operations_of(program: str) -> tuple[dict[str, str], set[str]]:
    """What each operation in XLA's text makes, and the operations that no others are in."""
    found = re.findall(r"^\s*(?:ROOT )?%(\S+) = (.+?) ([a-z][\w-]*)\(", program, re.MULTILINE)
    shapes = {name: re.sub(r"\{[^}]*\}", "", shape) for name, shape, _ in found}
    return shapes, {name for name, _, kind in found if kind not in AROUND}


def show(rows: list[Row], microseconds: float) -> None:
    """Prints the table."""
    table = Table(
        title=f"{rows[0].program}, batch {rows[0].batch_size}: {microseconds:,.0f} us without a record"
    )
    for column in ("operation", "makes"):
        table.add_column(column, overflow="fold")
    for column in ("us", "calls", "share"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.operation, row.shape, f"{row.microseconds:,.0f}", f"{row.calls:g}", f"{row.share:.3f}"
        )
    Console().print(table)


if __name__ == "__main__":
    main()
