"""The pictures of the study `retraining`."""

from collections.abc import Mapping, Sequence

import numpy as np

from qdfool import analysis
from qdfool.studies.retraining.conditions import BEFORE, DEFENCES, MAIN, TESTS, Size
from qdfool.studies.retraining.effects import PAPER, Findings, Fooled, Of
from qdfool.studies.study import Figures, Workbench

SHOWN = (0, 1, 2, 5, 10, 15)
"""Rounds of the contact sheets."""
MOST_NINES = 6.0
"""Where the scale of the pictures ends."""
Band = tuple[np.ndarray, np.ndarray, np.ndarray]


def band(by_round: Sequence[np.ndarray]) -> Band:
    """Mean, lowest and highest of the seeds, by round; a round of one seed has no spread."""
    mean, low, high = (np.array([of(values) for values in by_round]) for of in (np.mean, np.min, np.max))
    return mean, low, high


def nines(each: Sequence[Fooled]) -> Band:
    """Nines of the median confidence, by round."""
    return band([np.minimum(-np.log10(np.maximum(1 - one.median, 1e-12)), MOST_NINES) for one in each])


def rounds(bench: Workbench, size: Size, found: Findings) -> None:
    """The median confidence by round, beside the paper's."""
    numbers = list(range(size.rounds + 1))
    series: dict[str, Band] = {}
    for name in MAIN:
        way = DEFENCES[name].learns
        series[f"{TESTS[way]}, here"] = nines([found.at(name, number, way) for number in numbers])
    known = [PAPER[number] if number < len(PAPER) else np.nan for number in numbers]
    theirs = -np.log10(1 - np.array(known) / 100)
    series["CPPNs, the paper (unverified)"] = (theirs, theirs, theirs)
    path = bench.picture("rounds")
    analysis.lines(
        path,
        numbers,
        series,
        "How sure retrained networks are of what is evolved against them",
        "nines of the median confidence over ten digits: 2 is 99 %, 4 is 99.99 %; bands: lowest to highest seed",
        "round",
        "nines of the median confidence",
        y_range=(0.0, MOST_NINES + 0.2),
    )
    bench.report.picture(
        path,
        f"Nines of the median confidence by round (2: 99 %, 4: 99.99 %), at most {MOST_NINES:g}; bands are from the "
        "lowest to the highest seed. The paper's medians are unverified.",
    )


def evaluations(bench: Workbench, size: Size, found: Findings) -> None:
    """Evaluations until the median has 99 % and 99.99 %, by round."""
    numbers = list(range(size.rounds + 1))
    panels: dict[str, dict[str, Band]] = {}
    for name in MAIN:
        way = DEFENCES[name].learns
        each = [found.at(name, number, way) for number in numbers]
        panels[TESTS[way]] = {}
        for level in each[0].until_median:
            panels[TESTS[way]][f"median {level}"] = band(
                [np.nan_to_num(one.until_median[level], nan=one.budget) for one in each]
            )
    path = bench.picture("evaluations")
    analysis.line_panels(
        path,
        numbers,
        panels,
        "How many evaluations it takes to fool a retrained network",
        "until the median over ten digits is 99 % and 99.99 %; at the top: not within the budget",
        "round",
        "evaluations",
    )
    bench.report.picture(
        path,
        "Evaluations until the median confidence is 99 % and 99.99 %, by round; a seed that does not get there counts "
        "with its whole budget.",
    )


def others(bench: Workbench, size: Size, found: Findings) -> None:
    """All defences by round, against the way that each learned from."""
    numbers = list(range(size.fewer + 1))
    panels = {
        DEFENCES[name].line: {
            "median": nines([found.at(name, number, DEFENCES[name].learns) for number in numbers])
        }
        for name in size.defences
    }
    path = bench.picture("others")
    analysis.line_panels(
        path,
        numbers,
        panels,
        "Other ways to retrain",
        "nines of the median confidence in what is evolved in the way that the network learned from",
        "round",
        "nines of the median confidence",
        y_range=(0.0, MOST_NINES + 0.2),
    )
    bench.report.picture(
        path,
        "Nines of the median confidence by round, of every way to retrain, in what is evolved in the way that it "
        "learned from.",
    )


def images(bench: Workbench, size: Size, fooled: Mapping[Of, Figures], name: str) -> None:
    """Elites of the first seed by round: the paper's Figure 11."""
    way, rows = DEFENCES[name].learns, []
    for number in [number for number in SHOWN if number <= size.rounds]:
        of = (name, number, way) if number else (BEFORE, 0, way)
        figures = fooled[of]
        captions = [analysis.percent(log_odds=float(odds)) for odds in figures["fitness"][-1]]
        rows.append((f"round {number}", list(figures["images"]), captions))
    path = bench.picture(f"images-{name}")
    analysis.image_table(
        path,
        rows,
        f"Evolved against retrained networks: {TESTS[way]}",
        "how sure the network of the round is",
        [str(digit) for digit in range(10)],
    )
    bench.report.picture(
        path,
        f"{TESTS[way]} of the first seed, evolved against the network of each round, with its confidence.",
    )
