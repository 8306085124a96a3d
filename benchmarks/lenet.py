"""LeNet's formulation for a CPU beside XLA's convolutions: `python -m benchmarks.lenet`.

From images to the hidden units, which is nearly all of the network, and the gradient of images from that of the
hidden units. All four are compiled first, and measured in rounds that alternate between them.
"""

import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import tyro
from rich.console import Console
from rich.table import Table

from benchmarks.gradient import compiled
from benchmarks.report import write
from benchmarks.throughput import alternate, quartiles
from qdfool.classifiers import lenet, lenet_batch_minor, lenet_gradient
from qdfool.classifiers.lenet_batch_minor import Weights
from qdfool.compilation import compiler_options
from qdfool.errors import InputError, in_range
from qdfool.types import Array


@dataclass(frozen=True)
class Options:
    """Measures both formulations, forward and backward."""

    batch_sizes: tuple[int, ...] = (10, 64, 200, 1024)
    """Images in a batch (each >= 1)."""
    rounds: int = 9
    """Rounds (>= 3), each of one measurement of every program."""
    seconds: float = 0.5
    """Length of one measurement (> 0)."""
    json: Path | None = None
    """File for the rows, under a header of machine and versions."""


@dataclass(frozen=True)
class Row:
    """One line of the table: the ratio of rates within rounds, median and quartiles."""

    part: str
    """forward; or gradient, its own forward pass included."""
    batch_size: int
    images_per_second: float
    """In the formulation for a CPU, the median."""
    ratio: float
    """To the rate of XLA's convolutions."""
    ratio_low: float
    ratio_high: float
    compile_seconds: float
    compile_seconds_of_xla: float


def main() -> None:
    """Measures, prints the table, and writes the JSON file that was asked for."""
    options = tyro.cli(Options, prog="python -m benchmarks.lenet")
    jax.config.update("jax_enable_compilation_cache", False)
    try:
        for size in options.batch_sizes:
            in_range("--batch-sizes", size, 1)
        in_range("--rounds", options.rounds, 3)
        in_range("--seconds", options.seconds, 1e-3)
    except InputError as error:
        print(f"lenet: {error}", file=sys.stderr)
        sys.exit(2)
    rows = [row for size in options.batch_sizes for row in measure(options, size)]
    show(rows)
    if options.json:
        write(options.json, rows)


def measure(options: Options, batch_size: int) -> list[Row]:
    """The two lines of a size of batch."""
    layers = lenet.classifier().parameters
    weights = Weights(
        *(layers[name][part] for name in ("conv1", "conv2", "ip1") for part in ("kernel", "bias"))
    )
    image_key, gradient_key = jax.random.split(jax.random.key(0))
    images = jax.random.uniform(image_key, (batch_size, *lenet.IMAGE_SHAPE))
    of_hidden = jax.random.normal(gradient_key, (batch_size, 500))

    def ours(weights: Weights, images: Array, of_hidden: Array) -> tuple[Array, Array]:
        units, largest = lenet_gradient.hidden_and_largest(weights, images)
        return units, lenet_gradient.gradient(weights, images, largest, of_hidden)

    def of_xla(weights: Weights, images: Array, of_hidden: Array) -> tuple[Array, Array]:
        units, pull_back = jax.vjp(lambda images: lenet.channels_last(weights, images), images)
        return units, pull_back(of_hidden)[0]

    programs: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
        (lenet_batch_minor.hidden, (weights, images)),
        (lenet.channels_last, (weights, images)),
        (ours, (weights, images, of_hidden)),
        (of_xla, (weights, images, of_hidden)),
    ]
    options_of = compiler_options(lenet.classifier(), jax.default_backend())
    contenders, seconds = zip(
        *(compiled(options_of, function, *arguments) for function, arguments in programs), strict=True
    )
    rates = alternate(list(contenders), batch_size, options.rounds, options.seconds)
    rows = []
    for part, first in (("forward", 0), ("gradient", 2)):
        low, ratio, high = quartiles(rates[first], rates[first + 1])
        rows.append(
            Row(
                part,
                batch_size,
                statistics.median(rates[first]),
                ratio,
                low,
                high,
                seconds[first],
                seconds[first + 1],
            )
        )
    return rows


def show(rows: list[Row]) -> None:
    """Prints the table."""
    table = Table(title="LeNet in the formulation for a CPU, to XLA's convolutions")
    table.add_column("part")
    for name in ("batch", "images a second", "to XLA's", "compiled in"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row.part,
            f"{row.batch_size:,}",
            f"{row.images_per_second:,.0f}",
            f"{row.ratio:.2f} ({row.ratio_low:.2f} to {row.ratio_high:.2f})",
            f"{row.compile_seconds:.1f} and {row.compile_seconds_of_xla:.1f} s",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
