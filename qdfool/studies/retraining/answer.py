"""The answer of the study `retraining`, which follows from its numbers."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from qdfool import analysis
from qdfool.results.history import SURE
from qdfool.studies.retraining.conditions import DEFENCES, MAIN, TESTS, Size
from qdfool.studies.retraining.effects import (
    HOLDS,
    SLOWER,
    Change,
    Findings,
    Fooled,
    Of,
    enough_for,
    ratio,
    verdict,
)
from qdfool.studies.study import Workbench

MOST_ERROR = 0.012
"""Test error that a network of any round is to stay below."""


def answer(
    bench: Workbench, size: Size, found: Findings, by_round: Mapping[Of, Change], crossed: Mapping[Of, Change]
) -> None:
    """What the numbers support, in words.

    Args:
        bench: the workbench.
        size: of the form that was run.
        found: all units, counted.
        by_round: each round of the paper's experiment against round 0.
        crossed: each network that was tested in several ways against round 0.
    """
    said = conclusion(size, found)
    bench.report.section("Answer")
    bench.report.text(
        f"**{said}**",
        tested_against(size, found),
        *(of_encoding(size, found, name, by_round) for name in MAIN),
        *(of_network(found, name, size.rounds, crossed) for name in MAIN),
        *(of_network(found, name, size.fewer, crossed) for name in size.others),
        errors(found),
    )
    bench.results["answer"] = said


def last_rounds(size: Size) -> dict[str, int]:
    """By defence, its last round."""
    return {name: size.rounds_of(name) for name in size.defences}


def conclusion(size: Size, found: Findings) -> str:
    """Whether retraining defends, by the networks of the last rounds and all that they were tested against."""
    last = last_rounds(size)
    medians = {
        name: {way: float(found.at(name, number, way).median.mean()) for way in TESTS}
        for name, number in last.items()
    }
    enough = {name: enough_for(found.network(name, number)) for name, number in last.items()}
    broken = [name for name, each in medians.items() if max(each.values()) >= enough[name]]
    whole = [name for name, each in medians.items() if max(each.values()) < HOLDS]
    if len(whole) == len(last):
        return (
            "Retraining defends against all that was tested: no way to fool the networks of the last rounds comes to a "
            "median confidence of 50 %."
        )
    by_way = ", ".join(
        f"{line} {sum(each[way] >= enough[name] for name, each in medians.items())}"
        for way, line in TESTS.items()
    )
    if len(broken) == len(last):
        return (
            f"Retraining does not defend: each of the {len(last)} networks of the last rounds is fooled by at least "
            "one of the ways that it was tested against, with a median confidence of at least 99 % or of what it has "
            f"in real digits (by {by_way}){_own_encoding(size, found)}."
        )
    between = [name for name in medians if name not in broken and name not in whole]
    parts = [
        f"{what}: {listed(names)}"
        for what, names in (
            (
                "fooled by at least one way, with a median confidence of at least 99 % or of real digits",
                broken,
            ),
            ("fooled by none with a median confidence of 50 %", whole),
            ("in between", between),
        )
        if names
    ]
    return f"Retraining defends in part. Of the networks of the last rounds are {'; '.join(parts)}."


def _own_encoding(size: Size, found: Findings) -> str:
    """Whether the paper's networks at least withstand the encoding that they learned from."""
    hold = [
        name
        for name in MAIN
        if float(found.at(name, size.rounds, DEFENCES[name].learns).median.mean()) < HOLDS
    ]
    if not hold:
        return ""
    return f"; what it learned from, {listed(hold, of_encoding=True)}, does not fool it any more"


def tested_against(size: Size, found: Findings) -> str:
    """What is meant by all that was tested."""
    budgets = ", ".join(
        f"{line} ({found.fooled[MAIN[0], size.rounds, way].budget:,} evaluations)"
        for way, line in TESTS.items()
    )
    return (
        f"It was tested against {budgets}, each evolved anew against the network that is tested, and against nothing "
        f"else. A way *fails* where the median confidence over the ten digits stays below {100 * HOLDS:g} %, is "
        f"*weaker* below {100 * SURE:g} %, or below the median confidence in real digits where that is less, and "
        f"*slower* where the median takes at least {SLOWER:g} times the evaluations of round 0 to {100 * SURE:g} %, or "
        "never gets there; means over the seeds."
    )


def of_encoding(size: Size, found: Findings, name: str, by_round: Mapping[Of, Change]) -> str:
    """The paper's experiment with one encoding."""
    rounds, way = range(1, size.rounds + 1), DEFENCES[name].learns
    each = [found.at(name, number, way) for number in rounds]
    start = found.at(name, 0, way)
    medians = np.array([one.median.mean() for one in each])
    lower = sum(change.told and change.by_digit.mean < 0 for of, change in by_round.items() if of[0] == name)
    times = [ratio(one, start) for one in each]
    reached = [value for value in times if np.isfinite(value)]
    took = (
        f"Where the median gets to 99 % ({len(reached)} of {size.rounds} rounds, in all seeds), it takes "
        f"{min(reached):.1f} to {max(reached):.1f} times the evaluations of round 0."
        if reached
        else "In no round does the median get to 99 % in all seeds."
    )
    trend, p_value = map(float, stats.spearmanr(list(rounds), [one.log_odds.mean() for one in each]))
    told = "fall" if trend < 0 else "rise"
    course = f"{told} with the round" if p_value < 0.05 else "are not told to rise or fall with the round"
    return (
        f"*{TESTS[way]}, {size.rounds} rounds.* Before retraining the median confidence is "
        f"{percent(start.median.mean())}; after it, {percent(medians.min())} to {percent(medians.max())} (median of "
        f"the rounds {percent(np.median(medians))}), at least 99 % in {int((medians >= SURE).sum())} of "
        f"{size.rounds} rounds and below 50 % in {int((medians < HOLDS).sum())}. In {lower} of {size.rounds} rounds "
        f"the log-odds are lower than before retraining, beyond chance. {took} The log-odds that evolution comes to "
        f"{course} (rank correlation {trend:.2f})."
    )


def of_network(found: Findings, name: str, number: int, crossed: Mapping[Of, Change]) -> str:
    """What the ways to fool come to against the last network of a defence."""
    said, worth = [], found.network(name, number)
    for way, line in TESTS.items():
        now = found.at(name, number, way)
        change = crossed[name, number, way]
        beyond = "beyond" if change.told else "within"
        said.append(
            f"{line}, {percent(now.median.mean())}: {_verdict(now, found.at(name, 0, way), enough_for(worth))} "
            f"(log-odds {change.by_digit}, {beyond} chance)"
        )
    return (
        f"*{DEFENCES[name].line}, after {number} rounds.* {'; '.join(said)}. Test error "
        f"{100 * worth.error.mean():.2f} %, median confidence in real digits {percent(worth.real.mean())}."
    )


def _verdict(now: Fooled, then: Fooled, enough: float) -> str:
    said = verdict(now, then, enough)
    times = ratio(now, then)
    return f"{said} ({times:.1f} times)" if np.isfinite(times) else said


def errors(found: Findings) -> str:
    """Whether the networks are still good ones."""
    error = {of: float(each.error.max()) for of, each in found.tested.items()}
    worst = max(error, key=error.__getitem__)
    below = sum(value < MOST_ERROR for value in error.values())
    return (
        f"*Test error* on the ten digits, where a digit that is called fooling is an error: "
        f"{100 * min(error.values()):.2f} to {100 * max(error.values()):.2f} % (the most: {worst[0]}, round "
        f"{worst[1]}); below {100 * MOST_ERROR:.1f} % in {below} of {len(error)} networks, in all seeds."
    )


def listed(names: Sequence[str], of_encoding: bool = False) -> str:
    """Defences by their names in a report."""
    return "; ".join(TESTS[DEFENCES[name].learns] if of_encoding else DEFENCES[name].line for name in names)


def percent(value: float) -> str:
    """A confidence, without more nines than it has."""
    return analysis.percent(float(value))
