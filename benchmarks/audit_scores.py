"""Whether audits order classifiers: `python -m benchmarks.audit_scores NAME=FOLDER ...`, folders of `qdfool.audit`.

Prints the table of docs/score.md, and for each pair of classifiers whether the score tells them apart: the difference
of their scores, paired by seed, corrected for the number of pairs by Holm's method.
"""

import itertools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from benchmarks.report import write
from qdfool.analysis.statistics import LEVEL, holm, interval
from qdfool.errors import InputError
from qdfool.results.run_folder import read_json


@dataclass(frozen=True)
class Options:
    """Puts audits side by side."""

    audits: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="NAME=FOLDER...")]
    """A name, and the folder that an audit left, of each classifier; all of one budget, and of the same seeds."""
    json: Path | None = None
    """File for the rows, under a header of machine and versions."""


@dataclass(frozen=True)
class Row:
    """The score of one classifier."""

    name: str
    score: float
    score_low: float
    score_high: float
    score_by_seed: list[float]
    ways: dict[str, float | None]
    classes: int
    rejected: list[str]
    budget: str
    evaluations_of_a_run: list[int]
    seeds: list[int]
    sha256: str | None
    """Of its weights."""


def main() -> None:
    """Reads the cards, prints the tables, and writes the JSON file that was asked for."""
    options = tyro.cli(Options, prog="python -m benchmarks.audit_scores")
    try:
        rows = [row(*one.split("=", 1)) for one in options.audits]
        pairs = differences(rows)
    except (InputError, TypeError) as error:
        print(f"audit_scores: {error}", file=sys.stderr)
        sys.exit(2)
    print("| classifier | score | " + " | ".join(rows[0].ways) + " |")
    print("| --- " * (2 + len(rows[0].ways)) + "|")
    for one in rows:
        ways = ["-" if score is None else f"{score:.3f}" for score in one.ways.values()]
        spread = f"{one.score:.3f} ({one.score_low:.3f} to {one.score_high:.3f})"
        print(f"| {one.name} | {spread} | " + " | ".join(ways) + " |")
    print()
    for pair in pairs:
        told = "apart" if pair["told_apart"] else "cannot be told apart"
        print(
            f"{pair['higher']} - {pair['lower']}: {pair['mean']:+.4f} ({pair['low']:+.4f} to {pair['high']:+.4f}), in "
            f"{pair['seeds_that_agree']} of {pair['seeds']} seeds, p {pair['p_adjusted']:.2g}: {told}"
        )
    if options.json:
        write(options.json, rows, {"pairs": pairs})


def row(name: str, folder: str) -> Row:
    """What the card in a folder says.

    Raises:
        InputError: there is none, or it is damaged.
    """
    card = read_json(Path(folder) / "card.json")
    by_seed = [way["score_by_seed"] for way in card["ways"].values() if way is not None and way["scored"]]
    return Row(
        name,
        *(card[key] for key in ("score", "score_low", "score_high")),
        score_by_seed=np.mean(by_seed, axis=0).tolist(),
        ways={name: None if way is None else way["score"] for name, way in card["ways"].items()},
        **{
            key: card[key]
            for key in (
                "classes",
                "rejected",
                "budget",
                "evaluations_of_a_run",
                "seeds",
                "sha256",
            )
        },
    )


def differences(rows: list[Row]) -> list[dict[str, Any]]:
    """Of each pair the difference of the higher score and the lower one.

    Raises:
        InputError: they are of different budgets, classes or seeds.
    """
    alike = [(one.budget, one.classes, one.evaluations_of_a_run, one.seeds) for one in rows]
    if any(one != alike[0] for one in alike):
        raise InputError(f"Expected audits of one budget, as many classes and the same seeds; got {alike}.")
    ordered = sorted(rows, key=lambda one: -one.score)
    pairs = list(itertools.combinations(ordered, 2))
    apart = [np.subtract(high.score_by_seed, low.score_by_seed) for high, low in pairs]
    intervals = [interval(values) for values in apart]
    adjusted = holm([one.p_value(0.0) for one in intervals]) if pairs else []
    return [
        {
            "higher": high.name,
            "lower": low.name,
            **one._asdict(),
            "seeds_that_agree": int((values > 0).sum()),
            "p_adjusted": float(p),
            "told_apart": bool(p < 1 - LEVEL),
        }
        for (high, low), values, one, p in zip(pairs, apart, intervals, adjusted, strict=True)
    ]


if __name__ == "__main__":
    main()
