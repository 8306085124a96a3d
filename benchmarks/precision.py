"""What bfloat16 does to fitness: `python -m benchmarks.precision RUN_FOLDER`.

Scores the elites of a run with the run's classifier in float32 and in bfloat16, and prints how far the
log-odds of their classes are apart, and how much confidence they lose or gain.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import jax
import numpy as np
import tyro

import qdfool
from benchmarks.report import write
from qdfool.build import build_classifier
from qdfool.config import Config
from qdfool.engine.objectives import confidence, log_odds
from qdfool.errors import InputError

BATCH = 40


@dataclass(frozen=True)
class Options:
    """Compares bfloat16 with float32 on the elites of a run."""

    folder: Annotated[Path, tyro.conf.Positional]
    """Run folder; its settings name the classifier and the weights."""
    json: Path | None = None
    """File for the figures, under a header of machine and versions."""


@dataclass(frozen=True)
class Row:
    """The difference, bfloat16 less float32, over the elites."""

    classifier: str
    elites: int
    log_odds_median_difference: float
    """Median of the absolute difference."""
    log_odds_95_difference: float
    """95 % quantile of the absolute difference."""
    median_confidence_float32: float
    median_confidence_bfloat16: float
    same_top_class: float
    """Share of the elites of which both say the same class."""


def main() -> None:
    """Scores, prints, and writes the JSON file that was asked for."""
    options = tyro.cli(Options, prog="python -m benchmarks.precision")
    try:
        run = qdfool.load(options.folder)
        scores = [scored(replace(run.config, precision=name), run) for name in ("float32", "bfloat16")]
    except InputError as error:
        print(f"precision: {error}", file=sys.stderr)
        sys.exit(2)
    own = np.arange(len(scores[0])), run.cells()
    exact, near = (score[own] for score in scores)
    apart = np.abs(near - exact)
    row = Row(
        classifier=run.config.classifier,
        elites=len(exact),
        log_odds_median_difference=float(np.median(apart)),
        log_odds_95_difference=float(np.quantile(apart, 0.95)),
        median_confidence_float32=float(np.median(confidence(exact))),
        median_confidence_bfloat16=float(np.median(confidence(near))),
        same_top_class=float(np.mean(scores[0].argmax(axis=1) == scores[1].argmax(axis=1))),
    )
    for name, value in vars(row).items():
        print(f"{name}: {value}")
    if options.json:
        write(options.json, [row])


def scored(config: Config, run: qdfool.Result) -> np.ndarray:
    """[n, K] log-odds of every class, for the run's elites."""
    classifier = build_classifier(config)
    score = jax.jit(lambda images: jax.vmap(log_odds)(classifier.logits(classifier.parameters, images)))
    images = run.images()
    parts = [np.asarray(score(images[start : start + BATCH])) for start in range(0, len(images), BATCH)]
    return np.concatenate(parts)


if __name__ == "__main__":
    main()
