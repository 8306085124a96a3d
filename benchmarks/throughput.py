"""How much of the classifier's own speed is left to evolution: `python -m benchmarks.throughput`.

Measures the bare forward pass and the whole generation (select, vary, decode, classify, compete) after a
warm-up, in rounds that alternate between the two, waiting for the device at the end of each. The ratio is
taken within each round, so that a machine that drifts does not decide it; its median and quartiles are shown.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import tyro
from rich.console import Console
from rich.table import Table

from benchmarks.report import write
from qdfool.build import build_classifier, build_evolution
from qdfool.check import InputError, in_range
from qdfool.config import Config
from qdfool.engine.loop import LONGEST_CHUNK, empty_records, run_generations
from qdfool.engine.step import ask, start
from qdfool.presets import preset
from qdfool.types import Classifier


@dataclass(frozen=True)
class Options:
    """Measures the forward pass and the whole generation, and their ratio."""

    preset: str = "mnist-direct"
    """Settings of selection and variation."""
    classifier: str | None = None
    """A classifier of --list, or package.module:attribute; the preset's own without it."""
    weights: str | None = None
    """Weights of the classifier."""
    encoding: str | None = None
    """The preset's own without it."""
    batch_sizes: tuple[int, ...] = (64, 256, 1024)
    """Images in a batch (>= 1)."""
    rounds: int = 15
    """Rounds (>= 3), each of one measurement of either."""
    seconds: float = 0.5
    """Length of one measurement (> 0)."""
    json: Path | None = None
    """File for the rows, under a header of machine and versions."""


@dataclass(frozen=True)
class Row:
    """One line of the table. Rates are images per second, medians over the rounds."""

    classifier: str
    encoding: str
    batch_size: int
    forward_per_second: float
    step_per_second: float
    ratio: float
    """Whole step to forward pass, median over the rounds."""
    ratio_low: float
    """Lower quartile."""
    ratio_high: float
    """Upper quartile."""


def main() -> None:
    """Measures, prints the table, and writes the JSON file that was asked for."""
    options = tyro.cli(Options, prog="python -m benchmarks.throughput")
    try:
        in_range("--rounds", options.rounds, 3)
        in_range("--seconds", options.seconds, 1e-3)
        config = preset(options.preset)
        given = {"classifier": options.classifier, "weights": options.weights, "encoding": options.encoding}
        config = replace(config, **{name: value for name, value in given.items() if value is not None})
        classifier = build_classifier(config)
        if not classifier.traceable:
            raise InputError(f"{classifier.name} is called from the host; expected one that JAX can trace.")
        rows = []
        for batch_size in options.batch_sizes:
            in_range("--batch-sizes", batch_size, 1)
            forward, step = contenders(replace(config, batch_size=batch_size), classifier)
            rates = alternate(forward, step, batch_size, options.rounds, options.seconds)
            rows.append(row(config.classifier, config.encoding, batch_size, *rates))
    except InputError as error:
        print(f"throughput: {error}", file=sys.stderr)
        sys.exit(2)
    show(rows)
    if options.json:
        write(options.json, rows)


def contenders(config: Config, classifier: Classifier) -> tuple[Callable[[int], None], Callable[[int], None]]:
    """The forward pass and the whole generation, each as a function that does it `count` times and waits."""
    evolution = build_evolution(config, classifier)
    state = start(evolution, jax.random.key(config.seed))
    images = jnp.copy(ask(state))
    logits = jax.jit(classifier.logits)
    run = run_generations(evolution, classifier.logits)
    carried = [state, empty_records(evolution.classes)]

    def forward(count: int) -> None:
        jax.block_until_ready([logits(classifier.parameters, images) for _ in range(count)])

    def step(count: int) -> None:
        carried[:] = jax.block_until_ready(run(*carried, classifier.parameters, jnp.int32(count)))

    return forward, step


def alternate(
    forward: Callable[[int], None], step: Callable[[int], None], batch_size: int, rounds: int, seconds: float
) -> tuple[list[float], list[float]]:
    """Images per second of either, a pair a round; the order within a round alternates too."""
    count = {}
    for function in (forward, step):
        function(2)  # compiles, and warms up
        begun = time.perf_counter()
        function(3)
        pace = (time.perf_counter() - begun) / 3
        count[function] = min(max(1, round(seconds / pace)), LONGEST_CHUNK)
    rates: dict[Callable[[int], None], list[float]] = {forward: [], step: []}
    for number in range(rounds):
        for function in (forward, step) if number % 2 == 0 else (step, forward):
            begun = time.perf_counter()
            function(count[function])
            rates[function].append(count[function] * batch_size / (time.perf_counter() - begun))
    return rates[forward], rates[step]


def row(classifier: str, encoding: str, batch_size: int, forward: list[float], step: list[float]) -> Row:
    """Medians of the rates, and median and quartiles of their ratios."""
    ratios = [whole / bare for whole, bare in zip(step, forward, strict=True)]
    low, ratio, high = statistics.quantiles(ratios, n=4)
    return Row(
        classifier,
        encoding,
        batch_size,
        statistics.median(forward),
        statistics.median(step),
        ratio,
        low,
        high,
    )


def show(rows: list[Row]) -> None:
    """Prints the table."""
    table = Table(title="images per second, and what evolution leaves of the classifier's own speed")
    for name in ("classifier", "encoding", "batch", "forward", "whole step", "ratio (quartiles)"):
        table.add_column(name, justify="left" if name in ("classifier", "encoding") else "right")
    for entry in rows:
        table.add_row(
            entry.classifier,
            entry.encoding,
            str(entry.batch_size),
            f"{entry.forward_per_second:,.0f}",
            f"{entry.step_per_second:,.0f}",
            f"{entry.ratio:.3f} ({entry.ratio_low:.3f} to {entry.ratio_high:.3f})",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
