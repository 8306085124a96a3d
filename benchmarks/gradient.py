"""What the gradient of a network costs beside its forward pass: `python -m benchmarks.gradient`.

Of each network, the forward pass over a batch of images, and the log-odds of a class of each image with their gradient
with respect to the images. Both are compiled first, on a clock of its own, and then measured in rounds that
alternate between the two. The ratio of their times is taken within each round; its median and quartiles are shown.
The weights are random: no time depends on them.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import tyro
from rich.console import Console
from rich.table import Table

from benchmarks.report import write
from benchmarks.throughput import Contender, alternate, quartiles, queued
from qdfool.build import build_classifier
from qdfool.compilation import compiler_options
from qdfool.engine.objectives import log_odds
from qdfool.errors import InputError, in_range
from qdfool.presets import preset
from qdfool.types import Array, Classifier


@dataclass(frozen=True)
class Options:
    """Measures the forward pass and the gradient, and their ratio."""

    networks: tuple[str, ...] = ("mobilenet_v1_025", "mobilenet_v2")
    """ImageNet networks, by the names that --classifier takes."""
    batch_size: int = 64
    """Images in a batch (>= 1)."""
    rounds: int = 15
    """Rounds (>= 3), each of one measurement of either."""
    seconds: float = 1.0
    """Length of one measurement (> 0)."""
    json: Path | None = None
    """File for the rows, under a header of machine and versions."""


@dataclass(frozen=True)
class Row:
    """One line of the table. Rates are images per second, medians over the rounds."""

    network: str
    batch_size: int
    forward_per_second: float
    gradient_per_second: float
    """Log-odds and their gradient with respect to the images."""
    ratio: float
    """Time of the gradient, its own forward pass included, to that of the forward pass, median over the rounds."""
    ratio_low: float
    """Lower quartile."""
    ratio_high: float
    """Upper quartile."""
    forward_compile_seconds: float
    """Traced and compiled, without JAX's cache of compiled programs."""
    gradient_compile_seconds: float


def main() -> None:
    """Measures, prints the table, and writes the JSON file that was asked for."""
    options = tyro.cli(Options, prog="python -m benchmarks.gradient")
    jax.config.update("jax_enable_compilation_cache", False)
    try:
        in_range("--batch-size", options.batch_size, 1)
        in_range("--rounds", options.rounds, 3)
        in_range("--seconds", options.seconds, 1e-3)
        config = preset("imagenet-direct")
        classifiers = [
            build_classifier(replace(config, classifier=name, weights="random")) for name in options.networks
        ]
    except InputError as error:
        print(f"gradient: {error}", file=sys.stderr)
        sys.exit(2)
    rows = [
        measure(options, name, classifier)
        for name, classifier in zip(options.networks, classifiers, strict=True)
    ]
    show(rows)
    if options.json:
        write(options.json, rows)


def measure(options: Options, name: str, classifier: Classifier) -> Row:
    """One line of the table."""
    shape = (options.batch_size, *classifier.image_shape)
    images = jax.random.uniform(jax.random.key(0), shape)
    classes = jnp.arange(options.batch_size) % len(classifier.class_names)

    def score(images: Array, parameters: Any) -> Array:
        odds = jax.vmap(log_odds)(classifier.logits(parameters, images))
        return jnp.take_along_axis(odds, classes[:, None], axis=1).sum()

    options_of = compiler_options(classifier, jax.default_backend())
    forward, forward_seconds = compiled(options_of, classifier.logits, classifier.parameters, images)
    gradient, gradient_seconds = compiled(
        options_of, jax.value_and_grad(score), images, classifier.parameters
    )
    rates = alternate([forward, gradient], options.batch_size, options.rounds, options.seconds)
    low, ratio, high = quartiles(rates[0], rates[1])
    return Row(
        network=name,
        batch_size=options.batch_size,
        forward_per_second=statistics.median(rates[0]),
        gradient_per_second=statistics.median(rates[1]),
        ratio=ratio,
        ratio_low=low,
        ratio_high=high,
        forward_compile_seconds=forward_seconds,
        gradient_compile_seconds=gradient_seconds,
    )


def compiled(
    compiler_options: dict[str, str], function: Callable[..., Any], *arguments: Any
) -> tuple[Contender, float]:
    """The function ready to be run with these arguments, and the seconds that it took to compile."""
    begun = time.perf_counter()
    program = jax.jit(function, compiler_options=compiler_options).lower(*arguments).compile()
    seconds = time.perf_counter() - begun
    return queued(program, *arguments), seconds


def show(rows: list[Row]) -> None:
    """Prints the table."""
    table = Table(title="images per second, and what the gradient costs beside the forward pass")
    table.add_column("network", no_wrap=True)
    for name in ("batch", "forward", "gradient", "gradient / forward", "compiled in"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row.network,
            str(row.batch_size),
            f"{row.forward_per_second:,.0f}",
            f"{row.gradient_per_second:,.0f}",
            f"{row.ratio:.2f} ({row.ratio_low:.2f} to {row.ratio_high:.2f})",
            f"{row.forward_compile_seconds:.1f} and {row.gradient_compile_seconds:.1f} s",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
