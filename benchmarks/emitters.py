"""Emitters on the map of digits, side by side: `python -m benchmarks.emitters`.

Fills the archive of the preset mnist-grid with each emitter, with the same number of evaluations as they are charged,
and prints coverage, QD score (sum of the confidence over all cells) and the cells that are certain: medians over the
seeds with bootstrap intervals. `pyribs-cma-me` is CMA-ME of pyribs itself (`benchmarks/pyribs_cma_me.py`), to hold ours
against; `pyribs-cma-me-length` has the step size of the strategy that ours is made of.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro

import qdfool
from benchmarks.pyribs_cma_me import StepByLength, pyribs_cma_me
from benchmarks.report import write
from qdfool.config import (
    Config,
    Crossover,
    Emitters,
    EvolutionStrategy,
    GradientArborescence,
    GradientAscent,
    Mutation,
)
from qdfool.errors import InputError, in_range, known_name
from qdfool.results.over_seeds import intervals

STRATEGY = EvolutionStrategy(strategy="sep_cma_es")
"""A covariance matrix of 784 x 784 would be decomposed each time."""
VARIATION = Emitters()
SETTINGS: dict[str, dict[str, Any]] = {
    "variation": {"emitters": VARIATION},
    # MAP-Elites with the line operator of Vassiliades and Mouret 2018 alone.
    "line": {
        "emitters": VARIATION,
        "mutation": Mutation(operators=(), probability=0.0),
        "crossover": Crossover(operators=("iso_line",)),
    },
    "cma-me": {"emitters": Emitters(("evolution_strategy",)), "evolution_strategy": STRATEGY},
    "cma-mae": {
        "emitters": Emitters(("evolution_strategy",)),
        "evolution_strategy": replace(STRATEGY, ranking="annealed"),
    },
    "omg-mega": {
        "emitters": Emitters(("gradient_arborescence",)),
        "gradient_arborescence": GradientArborescence(coefficients="random"),
    },
    "cma-mega": {"emitters": Emitters(("gradient_arborescence",))},
    "mixture": {"emitters": Emitters(("variation", "gradient_arborescence"), shares=(0.2, 0.8))},
    "ascent": {
        "emitters": Emitters(("variation", "gradient_ascent"), shares=(0.9, 0.1)),
        "gradient_ascent": GradientAscent(steps=2, learning_rate=1.0, selection="uniform"),
    },
}
"""What an emitter changes of the preset."""
PYRIBS: dict[str, Any] = {"pyribs-cma-me": "sep_cma_es", "pyribs-cma-me-length": StepByLength}
"""The strategies of pyribs' emitters."""
EMITTERS = (*SETTINGS, *PYRIBS)


@dataclass(frozen=True)
class Options:
    """Fills the map of digits with each emitter, for several seeds."""

    emitters: tuple[str, ...] = EMITTERS
    """Of variation, line, cma-me, cma-mae, omg-mega, cma-mega, mixture, ascent, pyribs-cma-me,
    pyribs-cma-me-length."""
    evaluations: int = 100_000
    """Evaluations as they are charged, for each archive (>= one generation)."""
    seeds: int = 10
    """Seeds 0 to this, exclusive (>= 1)."""
    json: Path | None = None
    """File for the rows, under a header of machine and versions."""


@dataclass(frozen=True)
class Row:
    """One archive."""

    emitter: str
    seed: int
    coverage: float
    qd_score: float
    cells_at_9999: int
    """Cells whose image has a confidence of 99.99 % or more."""
    evaluations: int
    """As they are charged."""
    seconds: float
    """Of evolution, compilation not counted."""


def main() -> None:
    """Fills the archives, prints the table, and writes the JSON file that was asked for."""
    options = tyro.cli(Options, prog="python -m benchmarks.emitters")
    try:
        in_range("--seeds", options.seeds, 1)
        fills = {
            name: _pyribs if name in PYRIBS else _ours
            for name in (known_name("emitter", name, dict.fromkeys(EMITTERS)) for name in options.emitters)
        }
        rows = [row for name, fill in fills.items() for row in fill(name, options)]
    except InputError as error:
        print(f"emitters: {error}", file=sys.stderr)
        sys.exit(2)
    print("| emitter | coverage | QD score | cells >= 99.99 % | evaluations a second |")
    print("| --- | --- | --- | --- | --- |")
    for name in fills:
        own = [row for row in rows if row.emitter == name]
        figures = intervals([figures_of(row) for row in own])
        cells = [_shown(figures[figure], as_text) for figure, as_text in FIGURES.items()]
        print(f"| {name} | {' | '.join(cells)} |")
    if options.json:
        write(options.json, rows)


FIGURES: dict[str, Callable[[float], str]] = {
    "coverage": lambda value: f"{value:.1%}",
    "qd_score": lambda value: f"{value:,.0f}",
    "cells_at_9999": lambda value: f"{value:,.0f}",
    "evaluations_a_second": lambda value: f"{value:,.0f}",
}


def figures_of(row: Row) -> dict[str, float]:
    """What the table shows of an archive."""
    return {
        "coverage": row.coverage,
        "qd_score": row.qd_score,
        "cells_at_9999": row.cells_at_9999,
        "evaluations_a_second": row.evaluations / row.seconds,
    }


def _config(name: str, options: Options) -> Config:
    return replace(qdfool.preset("mnist-grid"), evaluations=options.evaluations, **SETTINGS[name])


def _ours(name: str, options: Options) -> list[Row]:
    results = qdfool.evolve(_config(name, options), seeds=range(options.seeds))
    rows = []
    for seed, result in enumerate(results):
        summary = result.summary()
        figures = (summary["coverage"], summary["qd_score"], summary["cells_at_9999"], summary["evaluations"])
        rows.append(Row(name, seed, *figures, summary["seconds"]))
    return rows


def _pyribs(name: str, options: Options) -> list[Row]:
    config = _config("cma-me", options)
    return [
        Row(name, seed, **vars(pyribs_cma_me(replace(config, seed=seed), PYRIBS[name])))
        for seed in range(options.seeds)
    ]


def _shown(figure: dict[str, float | None], as_text: Callable[[float], str]) -> str:
    median, low, high = (figure[name] for name in ("median", "low", "high"))
    assert median is not None
    if low is None or high is None:
        return as_text(median)
    return f"{as_text(median)} ({as_text(low)} to {as_text(high)})"


if __name__ == "__main__":
    main()
