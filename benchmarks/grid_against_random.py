"""What a search adds to a grid archive over random images: `python -m benchmarks.grid_against_random`.

Fills the archive of the preset mnist-grid three times with the same number of evaluations: as the preset does, by
CMA-MEGA, with random images that vary as its first generation does, and with uniform noise. Prints coverage and QD
score (sum of the confidence over all cells) of each, and the factors between them.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import numpy as np
import tyro

import qdfool
from benchmarks.report import write
from qdfool.build import build_classifier
from qdfool.config import Config
from qdfool.engine.loop import Chunk
from qdfool.engine.step import init, step
from qdfool.errors import InputError, in_range
from qdfool.results.run import Run
from qdfool.types import Key, Record, State


@dataclass(frozen=True)
class Options:
    """A search against random images in the grid archive."""

    evaluations: int = 100_000
    """Images classified, for each of the three (>= one batch of 200)."""
    seeds: int = 3
    """Seeds 0 to this, exclusive (>= 1)."""
    json: Path | None = None
    """File for the rows, under a header of machine and versions."""


@dataclass(frozen=True)
class Row:
    """One archive."""

    images: str
    seed: int
    coverage: float
    qd_score: float
    elites_at_9999: int
    """Cells whose image has a confidence of 99.99 % or more."""


def main() -> None:
    """Fills the archives, prints the tables, and writes the JSON file that was asked for."""
    options = tyro.cli(Options, prog="python -m benchmarks.grid_against_random")
    try:
        in_range("--seeds", options.seeds, 1)
        rows = [row(kind, seed, options) for seed in range(options.seeds) for kind in KINDS]
    except InputError as error:
        print(f"grid_against_random: {error}", file=sys.stderr)
        sys.exit(2)
    print("| images | seed | coverage | QD score | cells >= 99.99 % |")
    print("| --- | --- | --- | --- | --- |")
    for entry in rows:
        print(
            f"| {entry.images} | {entry.seed} | {entry.coverage:.1%} | {entry.qd_score:,.1f} "
            f"| {entry.elites_at_9999} |"
        )
    scores = {(entry.images, entry.seed): entry.qd_score for entry in rows}
    for kind in KINDS[1:]:
        factors = [scores[KINDS[0], seed] / scores[kind, seed] for seed in range(options.seeds)]
        print(f"QD score of {PRESET} to that of {kind}: {min(factors):.1f} to {max(factors):.1f} times")
    if options.json:
        write(options.json, rows)


PRESET = "CMA-MEGA"
"""What the preset fills its archive by."""
KINDS = (PRESET, "varied noise", "uniform noise")


def row(kind: str, seed: int, options: Options) -> Row:
    """Fills one archive."""
    config = replace(qdfool.preset("mnist-grid"), seed=seed, evaluations=options.evaluations)
    result = qdfool.evolve(config) if kind == PRESET else random_images(config, kind)
    summary = result.summary()
    sure = int((result.confidences() >= 0.9999).sum())
    return Row(kind, seed, summary["coverage"], summary["qd_score"], sure)


def random_images(config: Config, kind: str) -> qdfool.Result:
    """The archive after as many first generations: every image is drawn anew, none has parents."""
    config = replace(config, initial="varied" if kind == "varied noise" else "uniform")
    classifier = build_classifier(config)
    run = Run(config, classifier)

    @jax.jit
    def generation(state: State, key: Key) -> tuple[State, Record]:
        fresh = init(run.evolution, key)
        state = state._replace(children=fresh.children, images=fresh.images, parents=fresh.parents)
        return step(run.evolution, classifier.logits, classifier.parameters, state)

    generations = config.budget_generations() or 0
    for key in jax.random.split(jax.random.key(config.seed), generations):
        state, record = generation(run.state, key)
        run.keep(Chunk(state, jax.tree.map(lambda leaf: np.asarray(leaf)[None], record), 0.0, 0.0))
    return run.result()


if __name__ == "__main__":
    main()
