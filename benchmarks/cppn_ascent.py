"""Whether ascent on the weights of CPPNs pays once evolution is done: `python -m benchmarks.cppn_ascent FOLDER...`.

From the elites of each run folder, which are those of evolution alone, evolution goes on for so many evaluations, and
the emitter gradient_ascent instead, from elites of all classes alike: one gradient, charged as four evaluations, and
four lengths of the step that its signs are. The seconds are those of the processor, because a machine that is shared
has no others to compare.
"""

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import tyro

import qdfool
from benchmarks.report import write
from qdfool.build import build_classifier, build_evolution, with_defaults
from qdfool.config import Config, Emitters, GradientAscent
from qdfool.engine.loop import LONGEST_CHUNK, compile_loop, empty_records, run_generations
from qdfool.engine.objectives import confidence
from qdfool.engine.step import init
from qdfool.errors import InputError, in_range
from qdfool.results.history import SURE
from qdfool.types import Classifier, Elites

ASCENT = GradientAscent(steps=1, rule="sign", learning_rate=0.06, lengths=4, sigma=0.002, selection="uniform")


@dataclass(frozen=True)
class Options:
    """Compares evolution and ascent from the same elites."""

    folders: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Run folders of `python -m qdfool.run imagenet-cppn`."""
    evaluations: int = 12_000
    """What each is charged (>= 1)."""
    batch_size: int = 64
    """Children in a generation (a multiple of 4)."""
    json: Path | None = None
    """File for the rows, under a header of machine and versions."""


@dataclass(frozen=True)
class Row:
    """Elites of one seed, before and after."""

    classifier: str
    seed: int
    emitter: str
    """What goes on from the elites; empty for those of the folder."""
    evaluations: int
    """Charged, those of the folder's run included."""
    median_confidence: float
    mean_log_odds: float
    """Over the classes."""
    classes_at_99: int
    processor_seconds: float
    """Of all threads, compilation not counted."""


def main() -> None:
    """Goes on from each folder, prints the table, and writes the JSON file that was asked for."""
    options = tyro.cli(Options, prog="python -m benchmarks.cppn_ascent")
    try:
        in_range("--evaluations", options.evaluations, 1)
        runs = [qdfool.load(folder) for folder in options.folders]
        rows = [row for run in runs for row in measure(options, run)]
    except InputError as error:
        print(f"cppn_ascent: {error}", file=sys.stderr)
        sys.exit(2)
    if options.json:
        write(options.json, rows)


def measure(options: Options, run: qdfool.Result) -> list[Row]:
    """The rows of one folder: as it is, after evolution, after ascent."""
    classifier = build_classifier(run.config)
    rows = [_row(run, "", 0, run.elites, 0.0)]
    for emitter in ("variation", "gradient_ascent"):
        config = with_defaults(
            replace(
                run.config,
                batch_size=options.batch_size,
                emitters=Emitters((emitter,)),
                gradient_ascent=ASCENT,
            ),
            classifier.image_shape,
        )
        rows.append(_row(run, emitter, *go_on(config, classifier, run.elites, options.evaluations)))
    for row in rows:
        print(
            f"seed {row.seed}  {row.emitter or 'as it is':16} {row.evaluations:>9,} evaluations  median "
            f"{row.median_confidence:.1%}  >= 99 %: {row.classes_at_99}  {row.processor_seconds:.0f} s"
        )
    return rows


def go_on(
    config: Config, classifier: Classifier, elites: Elites, evaluations: int
) -> tuple[int, Elites, float]:
    """What was charged, the elites then, and seconds of the processor, after one generation that also compiles."""
    evolution = build_evolution(config, classifier)
    state = jax.jit(lambda key: init(evolution, key))(jax.random.key(config.seed))
    state = state._replace(elites=jax.tree.map(jnp.array, elites))
    given = state, empty_records(evolution.classes), classifier.parameters, jnp.int32(1)
    lowered = run_generations(evolution, classifier.logits).lower(*given)
    advance = compile_loop(lowered, classifier, jax.default_backend())
    # The first generation's children are random networks, which win nothing here.
    state, records = advance(*given)
    jax.block_until_ready(state)
    begun, left = time.process_time(), config.charges().affordable(evaluations)
    charged = config.charges().of(left)
    while left:
        count = min(left, LONGEST_CHUNK)
        state, records = advance(state, records, classifier.parameters, jnp.int32(count))
        left -= count
    jax.block_until_ready(state)
    return charged, state.elites, time.process_time() - begun


def _row(run: qdfool.Result, emitter: str, charged: int, elites: Elites, seconds: float) -> Row:
    fitness = np.asarray(elites.fitness)
    sure = confidence(fitness)
    return Row(
        classifier=run.config.classifier,
        seed=run.config.seed,
        emitter=emitter,
        evaluations=run.summary()["evaluations"] + charged,
        median_confidence=float(np.median(sure)),
        mean_log_odds=float(fitness.mean()),
        classes_at_99=int((sure >= SURE).sum()),
        processor_seconds=seconds,
    )


if __name__ == "__main__":
    main()
