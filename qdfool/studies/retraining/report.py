"""What the study `retraining` reports: its question, method, tables and limits."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from qdfool.analysis.statistics import Interval, interval
from qdfool.studies.retraining import pictures
from qdfool.studies.retraining.answer import MOST_ERROR, answer, last_rounds, percent
from qdfool.studies.retraining.conditions import BEFORE, DEFENCES, DIGITS, MAIN, TESTS, Size
from qdfool.studies.retraining.effects import (
    LEVELS,
    PAPER,
    Change,
    Findings,
    Fooled,
    Of,
    changes,
    findings,
)
from qdfool.studies.study import Figures, Workbench

NAMED = Path(__file__).parents[1] / "named" / "retraining.md"
DESCRIBED = {
    "classes": "the images of each round are a class of their own: n + 1, n + 2 and so on.",
    "smoothing": "a tenth of every label is spread over all eleven classes.",
    "nothing": 'class n + 1 is a logit of 0 without weights of its own. The network says "nothing" where no digit has '
    "evidence, while class n + 1 wants evidence of being fooling, which evolution can take away. A third of what it "
    "is shown of it is noise.",
    "anew": "every network begins with new weights, as that of round 0, and learns in the same way.",
    "grid": "instead of ten elites and their children, all elites of a grid archive (preset `mnist-grid`).",
}
"""What each defence beyond the paper does."""


def write(
    bench: Workbench,
    size: Size,
    networks: Sequence[Mapping[tuple[str, int], Figures]],
    fooled: Sequence[Mapping[Of, Figures]],
) -> None:
    """Fills the workbench's report and results.

    Args:
        bench: the workbench.
        size: of the form that was run.
        networks: the units of each seed, by defence (or `BEFORE`) and round; see `learned`.
        fooled: and by defence, round and way to fool; see `fool`.
    """
    found = findings(networks, fooled)
    question(bench, size, found)
    by_round = rounds(bench, size, found)
    crossed = cross(bench, size, found)
    beyond(bench, size, found)
    bench.report.section("Pictures")
    pictures.rounds(bench, size, found)
    pictures.evaluations(bench, size, found)
    pictures.others(bench, size, found)
    for name in MAIN:
        pictures.images(bench, size, fooled[0], name)
    answer(bench, size, found, by_round, crossed)
    limits(bench, size, found)
    bench.report.named(NAMED)


def question(bench: Workbench, size: Size, found: Findings) -> None:
    """Question and method."""
    report = bench.report
    report.section("Question")
    report.text(
        "Images that fool a network become a class of their own, n + 1, the network is trained again, and evolution "
        "starts anew against it. Fifteen rounds of that do not help (Nguyen, Yosinski and Clune 2015; *unverified*). "
        "Is it so, for both of its encodings? Does any other way to retrain help? And does a network that has learned "
        "from one way to fool it withstand the others?"
    )
    report.section("Method")
    seeds = len(found.network(MAIN[0], 1).error)
    budgets = "; ".join(
        f"{TESTS.get(way, 'grid archives')}: preset `{size.config(way, 0).preset}`, "
        f"{found.at(BEFORE, 0, way).budget:,} evaluations"
        for way in size.ways(BEFORE, 0)
    )
    report.text(
        f"*Round 0* is a LeNet that has learned {size.learned:,} digits of MNIST in {size.epochs} passes, and knows "
        f"nothing of fooling images. In each round images are evolved against the newest network ({budgets}), and 400 "
        "of them are kept: the 200 of the first generation, and as the last one the ten elites with 190 children of "
        "theirs. That half are of the first generation and half of the last is the paper's sampling (*unverified*). "
        f"The next network goes on from the weights of the one before, with {size.learned_again:,} digits, drawn anew, "
        f"and {size.learned_again // DIGITS:,} fooling images, as many as of a digit, equally many of all rounds so "
        "far, in one pass at half of the first rate. The paper, as far as recalled, begins each network with new "
        "weights; that takes four times as long here, and is one of the other defences below.",
        "What is evolved against has eleven classes: the ten digits, and all fooling classes together, whose softmax "
        "is the sum of theirs. So *confidence* is the network's own softmax of a digit. The median is over the ten "
        "digits. Evaluations are counted until the median, and until every digit, has a confidence; gradients are "
        "charged as the presets do.",
        "Defences beyond the paper:",
        "\n".join(f"- *{DEFENCES[name].line}*: {DESCRIBED[name]}" for name in size.others)
        or "- none in this form",
    )
    report.text(
        f"The paper's two are run with {seeds} seeds and {size.rounds} rounds, the others with "
        f"{min(size.seeds_of_others, len(bench.seeds))} and {size.fewer}. Where a difference from round 0 is tested, "
        "it is that of the log-odds at the end of the budget, over the ten digits, each of them the mean over the "
        "seeds: ± is the 95 % interval over the digits, bold is beyond chance, corrected for the number of all "
        "rounds of both encodings, and of all networks and ways to fool of the other table (Holm)."
    )


def rounds(bench: Workbench, size: Size, found: Findings) -> dict[Of, Change]:
    """The paper's experiment, round by round; every round less round 0."""
    asked = [(name, number, DEFENCES[name].learns) for name in MAIN for number in range(1, size.rounds + 1)]
    less = changes(found.fooled, asked)
    report = bench.report
    report.section("Round by round")
    report.text(
        f"Test error is of the ten digits, of the whole test set, a digit that is called fooling among the "
        f"errors; in brackets the largest over the seeds, which is to stay below {100 * MOST_ERROR:.1f} %. The paper's "
        "figures are *unverified*: test errors of 0.75 to 1.02 %, and fifteen medians, of CPPNs, as readers recall "
        "them; that the first is of the network before retraining is read into their order here."
    )
    for name in MAIN:
        way, rows = DEFENCES[name].learns, []
        for number in range(size.rounds + 1):
            each, worth = found.at(name, number, way), found.network(name, number)
            rows.append(
                [
                    number,
                    f"{100 * worth.error.mean():.2f} ({100 * worth.error.max():.2f})",
                    f"{100 * worth.refused.mean():.2f}",
                    percent(each.median.mean()),
                    *([_published(number)] if way == "cppns" else []),
                    percent(each.lowest.mean()),
                    f"{each.sure.mean():g}",
                    f"{each.very_sure.mean():g}",
                    bold(less.get((name, number, way))),
                ]
            )
        report.text(f"*{DEFENCES[name].line}*, evolved against in the same way:")
        paper = ["the paper's (unverified)"] if way == "cppns" else []
        report.table(
            [
                "round",
                "test error, %",
                "digits called fooling, %",
                "median confidence",
                *paper,
                "lowest digit",
                "digits >= 99 %",
                ">= 99.99 %",
                "log-odds less round 0",
            ],
            rows,
        )
        report.text(f"Evaluations until it is so, of {found.at(name, 0, way).budget:,}:")
        report.table(
            [
                "round",
                *(f"median {level}" for level in LEVELS),
                *(f"all ten digits {level}" for level in LEVELS),
            ],
            [[number, *spent(found.at(name, number, way))] for number in range(size.rounds + 1)],
        )
        bench.results[f"rounds, {name}"] = [
            {
                "test error": found.network(name, number).error,
                "digits called fooling": found.network(name, number).refused,
                **as_numbers(found.at(name, number, way)),
                "less round 0": less.get((name, number, way)),
            }
            for number in range(size.rounds + 1)
        ]
    return less


def cross(bench: Workbench, size: Size, found: Findings) -> dict[Of, Change]:
    """Networks that learned from one way to fool, against all; less round 0."""
    networks = [(name, number) for name in MAIN for number in size.tested]
    networks += [(name, size.fewer) for name in size.others]
    asked = [(*network, way) for network in networks for way in TESTS]
    less = changes(found.fooled, asked)
    report = bench.report
    report.section("Against what it has not learned from")
    report.text(
        "Each network, rows, against each way to fool, evolved anew: the median confidence at the end, and in brackets "
        "the evaluations until it is 99 %:"
    )
    header = ["network", "round", *(f"{line}" for line in TESTS.values())]
    rows = [["before retraining", 0, *(_cell(found.at(BEFORE, 0, way)) for way in TESTS)]]
    rows += [
        [DEFENCES[name].line, number, *(_cell(found.at(name, number, way)) for way in TESTS)]
        for name, number in networks
    ]
    report.table(header, rows)
    report.text("Log-odds at the end, less those of the same way in round 0:")
    report.table(
        header,
        [
            [DEFENCES[name].line, number, *(bold(less[name, number, way]) for way in TESTS)]
            for name, number in networks
        ],
    )
    bench.results["tested"] = {
        f"{name}, round {number}": {
            way: {**as_numbers(found.at(name, number, way)), "less round 0": less[name, number, way]}
            for way in TESTS
        }
        for name, number in networks
    }
    bench.results["before retraining"] = {way: as_numbers(found.at(BEFORE, 0, way)) for way in TESTS}
    return less


def beyond(bench: Workbench, size: Size, found: Findings) -> None:
    """All defences side by side, round by round."""
    names = [name for name in size.defences if DEFENCES[name].learns != "grid"]
    names += [name for name in size.defences if name not in names]
    bench.report.section("Other ways to retrain")
    bench.report.text(
        "Median confidence in what was evolved in the way that the network learned from (of grid archives the surest "
        "elite of each digit), by round:"
    )
    numbers = range(size.fewer + 1)
    bench.report.table(
        ["defence", *(f"round {number}" for number in numbers)],
        [
            [
                DEFENCES[name].line,
                *(percent(found.at(name, number, DEFENCES[name].learns).median.mean()) for number in numbers),
            ]
            for name in names
        ],
    )
    bench.report.text(
        "What the networks of the last of these rounds are worth on the test digits. Smoothed labels ask for less "
        "confidence in real digits, too:"
    )
    last = {"before retraining": (BEFORE, 0)}
    last |= {DEFENCES[name].line: (name, size.fewer) for name in size.defences}
    bench.report.table(
        ["network", "test error, %", "digits called fooling, %", "median confidence in what they are"],
        [
            [
                line,
                f"{100 * found.network(*of).error.mean():.2f}",
                f"{100 * found.network(*of).refused.mean():.2f}",
                percent(found.network(*of).real.mean()),
            ]
            for line, of in last.items()
        ],
    )
    bench.results["others"] = {
        name: [as_numbers(found.at(name, number, DEFENCES[name].learns)) for number in range(last + 1)]
        for name, last in last_rounds(size).items()
        if name not in MAIN
    }
    bench.results["networks"] = {
        f"{name}, round {number}": each._asdict() for (name, number), each in found.tested.items()
    }


def limits(bench: Workbench, size: Size, found: Findings) -> None:
    """What the study does not show."""
    bench.report.section("Limits")
    seeds = len(found.network(MAIN[0], 1).error)
    bench.report.text(
        f"One architecture, one data set, {seeds} seeds for the paper's experiment and one for what goes beyond it: an "
        "interval over the ten digits says how far digits agree, not how far other networks would. What the paper "
        "adds in a round, how many images and of how many runs, was not at hand: here it is one run's 400, shown as "
        "often as a digit. An attack that fails does so within its budget, which is said; a network that withstands "
        "these ways may fall to another."
    )


def spent(each: Fooled) -> list[str]:
    """Evaluations until the median, then until every digit, has each level."""
    return [evaluations(part[level]) for part in (each.until_median, each.until_all) for level in LEVELS]


def evaluations(values: np.ndarray) -> str:
    """Mean over the seeds that get there [S], NaN where one does not."""
    reached = values[np.isfinite(values)]
    if not len(reached):
        return "never"
    said = f"{reached.mean():,.0f}"
    return said if len(reached) == len(values) else f"{said} ({len(reached)} of {len(values)} seeds)"


def bold(change: Change | None) -> str:
    """A difference, bold where it is beyond chance."""
    if change is None:
        return ""
    return f"**{change.by_digit}**" if change.told else str(change.by_digit)


def as_numbers(each: Fooled) -> dict[str, object]:
    """For results.json: by seed, and where there are several their mean with its interval."""
    several: dict[str, Interval] = {"median log-odds": interval(np.median(each.log_odds, axis=1))}
    return {**each._asdict(), **(several if len(each.median) > 1 else {})}


def _cell(each: Fooled) -> str:
    return f"{percent(each.median.mean())} ({evaluations(each.until_median['99 %'])})"


def _published(number: int) -> str:
    return f"{PAPER[number]:.2f} %" if number < len(PAPER) else ""
