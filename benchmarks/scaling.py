"""What a step costs as one thing about it grows: `python -m benchmarks.scaling`.

Along each axis the cost of an evaluation (of a generation, of a seed) is measured, of the whole step and of the bare
forward pass, and its slope: the exponent by which it grows, fitted to the logarithms. 0 is flat, 1 is in proportion.
What should come out is said beside it. But for the cells, which have LeNet, the classifier is two small dense layers,
so that what is not the classifier is seen.
"""

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

import qdfool
from benchmarks.report import write
from benchmarks.throughput import Contender, alternate, queued
from qdfool.build import build_evolution, with_defaults
from qdfool.classifiers import lenet
from qdfool.compilation import jitted_logits
from qdfool.config import Config, Emitters
from qdfool.engine.loop import (
    LONGEST_CHUNK,
    compile_loop,
    empty_records,
    jitted_init,
    run_generations,
    run_generations_of_seeds,
)
from qdfool.engine.sharding import replicated
from qdfool.errors import InputError, in_range, known_name
from qdfool.keys import root_key
from qdfool.types import Array, Classifier, Parameters

HIDDEN = 64
DEVICES = (1, 2, 4, 8)
FORCED = f"--xla_force_host_platform_device_count={DEVICES[-1]}"


@dataclass(frozen=True)
class Options:
    """Measures what a step costs as batch, classes, genomes, cells, chunks, seeds or devices grow."""

    axes: tuple[str, ...] = (
        "batch",
        "classes",
        "genome",
        "cells",
        "chunk",
        "seeds",
        "seeds-at-once",
        "devices",
    )
    """Of these eight."""
    batch_size: int = 256
    """Images in a batch (>= 8, a multiple of 8), where it is not what grows."""
    rounds: int = 5
    """Rounds (>= 3), each of one measurement."""
    seconds: float = 0.3
    """Length of one measurement (> 0)."""
    warm_up: int = 100
    """Generations (>= 1) before the clock starts."""
    most: int | None = None
    """Leaves out what is larger than this on an axis."""
    json: Path | None = None
    """File for the rows, under a header of machine, versions and slopes."""


@dataclass(frozen=True)
class Row:
    """One place on an axis; medians over the rounds."""

    axis: str
    value: int
    microseconds: float
    """Of what the axis says: an evaluation, a generation or a seed."""
    forward_microseconds: float | None
    """Of the bare forward pass, where it is of an evaluation."""


@dataclass(frozen=True)
class Slope:
    """How the cost grows along an axis."""

    step: float
    forward: float | None
    growth: float
    """Cost at the last place to that at the first."""


@dataclass(frozen=True)
class Axis:
    """What grows."""

    of: str
    values: tuple[int, ...]
    should: str
    measure: Callable[[Options, int], tuple[float, float | None]]
    """Seconds of the step, and of the forward pass."""


def main() -> None:
    """Measures, prints the tables, and writes the JSON file that was asked for."""
    options = tyro.cli(Options, prog="python -m benchmarks.scaling")
    try:
        in_range("--rounds", options.rounds, 3)
        in_range("--seconds", options.seconds, 1e-3)
        in_range("--warm-up", options.warm_up, 1)
        in_range("--batch-size", options.batch_size, 8)
        if options.batch_size % 8:
            raise InputError(f"--batch-size must be a multiple of 8; got {options.batch_size}.")
        names = [known_name("axis", name, AXES) for name in dict.fromkeys(options.axes)]
        rows = [row for name in names for row in along(name, options)]
    except InputError as error:
        print(f"scaling: {error}", file=sys.stderr)
        sys.exit(2)
    show(rows)
    if options.json:
        write(options.json, rows, {"slopes": {name: vars(one) for name, one in slopes(rows).items()}})


def along(name: str, options: Options) -> list[Row]:
    """The rows of an axis."""
    if name == "devices" and jax.device_count() < DEVICES[-1]:
        return in_a_process_with_devices(options)
    rows = []
    for value in AXES[name].values:
        if options.most is None or value <= options.most:
            step, forward = AXES[name].measure(options, value)
            rows.append(Row(name, value, step * 1e6, None if forward is None else forward * 1e6))
    return rows


def in_a_process_with_devices(options: Options) -> list[Row]:
    """The axis of devices, where JAX is told before it starts that the host has several.

    Raises:
        InputError: the process failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        given = replace(options, axes=("devices",), json=path)
        command = [sys.executable, "-m", "benchmarks.scaling"]
        for name, value in vars(given).items():
            if value is not None:
                words = value if isinstance(value, tuple) else (value,)
                command += [f"--{name.replace('_', '-')}", *map(str, words)]
        flags = f"{os.environ.get('XLA_FLAGS', '')} {FORCED}".strip()
        ended = subprocess.run(
            command, env={**os.environ, "XLA_FLAGS": flags}, capture_output=True, text=True
        )
        if ended.returncode or not path.exists():
            raise InputError(f"the process with {DEVICES[-1]} devices failed: {ended.stderr[-500:]}")
        return [Row(**row) for row in json.loads(path.read_text())["rows"]]


def dense(side: int, classes: int) -> Classifier:
    """Two dense layers, of images of that side."""
    first, last = jax.random.split(jax.random.key(0))
    parameters = {
        "first": jax.random.normal(first, (side * side, HIDDEN)) / side,
        "last": jax.random.normal(last, (HIDDEN, classes)) / math.sqrt(HIDDEN),
    }
    return Classifier("dense", (side, side, 1), tuple(map(str, range(classes))), parameters, _dense_logits)


def _dense_logits(parameters: Parameters, images: Array) -> Array:
    hidden = jax.nn.relu(images.reshape(images.shape[0], -1) @ parameters["first"])
    return hidden @ parameters["last"]


def _config(options: Options, **settings: Any) -> Config:
    return qdfool.preset("mnist-direct", **{"batch_size": options.batch_size, **settings})


def contenders(config: Config, classifier: Classifier, warm_up: int) -> tuple[Contender, Contender]:
    """The bare forward pass, and so many generations, after a warm-up."""
    config = with_defaults(config, classifier.image_shape)
    evolution = build_evolution(config, classifier)
    shares, loop = evolution.shares, run_generations(evolution, classifier.logits)
    parameters, records = replicated((classifier.parameters, empty_records(evolution.classes)), shares)
    carried: list[Any] = [
        jitted_init(evolution)(replicated(root_key(config.seed, "evolution"), shares)),
        records,
    ]
    lowered = loop.lower(*carried, parameters, replicated(jnp.int32(1), shares))
    run = compile_loop(lowered, classifier, jax.default_backend())
    images = jnp.copy(jax.device_get(carried[0].images))

    forward = queued(jitted_logits(classifier), classifier.parameters, images)

    def step(times: int) -> None:
        carried[:] = jax.block_until_ready(run(*carried, parameters, replicated(jnp.int32(times), shares)))

    for begun in range(0, warm_up, LONGEST_CHUNK):
        step(min(LONGEST_CHUNK, warm_up - begun))
    return forward, step


def of_an_evaluation(options: Options, config: Config, classifier: Classifier) -> tuple[float, float]:
    """Seconds an evaluation of the step and of the forward pass."""
    both = list(contenders(config, classifier, options.warm_up))
    forward, step = alternate(both, config.batch_size, options.rounds, options.seconds)
    return 1 / statistics.median(step), 1 / statistics.median(forward)


def _of_cells(options: Options, cells: int) -> tuple[float, float]:
    across = math.isqrt(cells // 10)
    shape = (across, cells // 10 // across)
    config = _config(
        options, archive="grid", cells=shape, initial="varied", emitters=Emitters(("variation",))
    )
    return of_an_evaluation(options, config, lenet.classifier())


def _of_seeds_at_once(options: Options, seeds: int) -> tuple[float, None]:
    """Seconds an evaluation of the step of so many seeds side by side, on LeNet."""
    classifier = lenet.classifier()
    config = with_defaults(_config(options), classifier.image_shape)
    evolution = build_evolution(config, classifier)
    loop = (run_generations if seeds == 1 else run_generations_of_seeds)(evolution, classifier.logits)
    begin = jitted_init(evolution)
    states = [begin(root_key(seed, "evolution")) for seed in range(seeds)]
    carried: list[Any] = (
        [states[0], empty_records(evolution.classes)]
        if seeds == 1
        else [tuple(states), empty_records(evolution.classes, seeds)]
    )
    lowered = loop.lower(*carried, classifier.parameters, jnp.int32(1))
    run = compile_loop(lowered, classifier, jax.default_backend())

    def step(times: int) -> None:
        carried[:] = jax.block_until_ready(run(*carried, classifier.parameters, jnp.int32(times)))

    step(min(LONGEST_CHUNK, options.warm_up))
    (rates,) = alternate([step], seeds * config.batch_size, options.rounds, options.seconds)
    return 1 / statistics.median(rates), None


def _of_a_chunk(options: Options, generations: int) -> tuple[float, None]:
    _, step = contenders(_config(options), dense(28, 10), options.warm_up)
    chunks = max(1, round(64 / generations))
    taken = []
    for _ in range(options.rounds):
        begun = time.perf_counter()
        for _ in range(chunks):
            step(generations)
        taken.append((time.perf_counter() - begun) / chunks / generations)
    return statistics.median(taken), None


def _of_a_seed(options: Options, seeds: int) -> tuple[float, None]:
    config, classifier = _config(options, generations=options.warm_up), dense(28, 10)
    taken = []
    for _ in range(options.rounds):
        begun = time.perf_counter()
        qdfool.evolve(config, classifier, seeds=range(seeds))
        taken.append((time.perf_counter() - begun) / seeds)
    return statistics.median(taken), None


AXES = {
    "batch": Axis(
        "an evaluation",
        (16, 64, 256, 1024, 4096),
        "0 or less",
        lambda options, value: of_an_evaluation(options, _config(options, batch_size=value), dense(28, 10)),
    ),
    "classes": Axis(
        "an evaluation",
        (10, 100, 1000, 21_841),
        "no more than forward",
        lambda options, value: of_an_evaluation(options, _config(options), dense(28, value)),
    ),
    "genome": Axis(
        "an evaluation",
        (64, 256, 784, 3136, 12_544, 50_176),
        "1 or less",
        lambda options, value: of_an_evaluation(options, _config(options), dense(math.isqrt(value), 10)),
    ),
    "cells": Axis("an evaluation", (10, 1000, 10_000, 100_000, 1_000_000), "0", _of_cells),
    "chunk": Axis("a generation", (1, 4, 16, 64, 256, 1024), "0 or less", _of_a_chunk),
    "seeds": Axis("a seed", (1, 2, 4, 8), "0 or less", _of_a_seed),
    "seeds-at-once": Axis("an evaluation", (1, 2, 4, 8, 16), "0 or less", _of_seeds_at_once),
    "devices": Axis(
        "an evaluation",
        DEVICES,
        "0 on as many cores as the least",
        lambda options, value: of_an_evaluation(options, _config(options, devices=value), dense(28, 10)),
    ),
}


def slope(values: Sequence[float], costs: Sequence[float]) -> float:
    """The exponent by which costs grow with the values."""
    return float(np.polyfit(np.log(values), np.log(costs), 1)[0])


def slopes(rows: Sequence[Row]) -> dict[str, Slope]:
    """The slopes of all axes that have two rows or more."""
    found = {}
    for name in dict.fromkeys(row.axis for row in rows):
        own = [row for row in rows if row.axis == name]
        if len(own) > 1:
            values, costs = [row.value for row in own], [row.microseconds for row in own]
            forward = [row.forward_microseconds for row in own if row.forward_microseconds is not None]
            found[name] = Slope(
                slope(values, costs), slope(values, forward) if forward else None, costs[-1] / costs[0]
            )
    return found


def show(rows: Sequence[Row]) -> None:
    """Prints a table of the rows and one of the slopes."""
    table = Table(title="microseconds")
    for name in ("axis", "of", "value", "whole step", "forward"):
        table.add_column(name, justify="left" if name in ("axis", "of") else "right")
    for row in rows:
        forward = "" if row.forward_microseconds is None else f"{row.forward_microseconds:,.2f}"
        table.add_row(row.axis, AXES[row.axis].of, f"{row.value:,}", f"{row.microseconds:,.2f}", forward)
    Console().print(table)
    table = Table(title="slopes: 0 is flat, 1 in proportion")
    for name in ("axis", "whole step", "forward", "should be", "last to first"):
        table.add_column(name, justify="left" if name == "axis" else "right")
    for name, own in slopes(rows).items():
        forward = "" if own.forward is None else f"{own.forward:.2f}"
        table.add_row(name, f"{own.step:.2f}", forward, AXES[name].should, f"{own.growth:,.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
