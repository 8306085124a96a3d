"""How many generations the paper's MNIST experiments take here: `python -m benchmarks.mnist_generations`.

Evolves mnist-direct, mnist-cppn or another preset of the digits for several seeds and prints, per seed, the generation
by which the median confidence and every digit's reached 99.99 %: the tables of docs/papers.md.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro

import qdfool
from benchmarks.report import write
from qdfool.engine.objectives import confidence
from qdfool.errors import InputError, in_range
from qdfool.results.history import VERY_SURE


@dataclass(frozen=True)
class Options:
    """Evolves a preset for several seeds; prints when 99.99 % was reached."""

    preset: str = "mnist-direct"
    """A preset of `python -m qdfool.run --list` on MNIST."""
    weights: str | None = None
    """Weights of LeNet; the packaged ones without it."""
    seeds: int = 5
    """Seeds 0 to this, exclusive (>= 1)."""
    generations: int = 200
    """Generations of 200 children (>= 1)."""
    json: Path | None = None
    """File for the rows, under a header of machine and versions."""


@dataclass(frozen=True)
class Row:
    """One run. None where 99.99 % was not reached."""

    seed: int
    median_by_generation: int | None
    all_digits_by_generation: int | None
    min_confidence: float
    """Of the ten digits, at the end."""


def main() -> None:
    """Evolves, prints the table, and writes the JSON file that was asked for."""
    options = tyro.cli(Options, prog="python -m benchmarks.mnist_generations")
    try:
        in_range("--seeds", options.seeds, 1)
        rows = [row(options, seed) for seed in range(options.seeds)]
    except InputError as error:
        print(f"mnist_generations: {error}", file=sys.stderr)
        sys.exit(2)
    print("| seed | median >= 99.99 % by generation | all ten digits by generation |")
    print("| --- | --- | --- |")
    for entry in rows:
        print(f"| {entry.seed} | {entry.median_by_generation} | {entry.all_digits_by_generation} |")
    if options.json:
        write(options.json, rows)


def row(options: Options, seed: int) -> Row:
    """Evolves one seed."""
    config = replace(
        qdfool.preset(options.preset), seed=seed, weights=options.weights, generations=options.generations
    )
    history = qdfool.evolve(config).history
    sure = confidence(history.fitness)
    median = np.median(sure, axis=1) >= VERY_SURE
    every = sure.min(axis=1) >= VERY_SURE

    def first(reached: np.ndarray) -> int | None:
        return int(history.generation[reached.argmax()]) if reached.any() else None

    return Row(seed, first(median), first(every), float(sure[-1].min()))


if __name__ == "__main__":
    main()
