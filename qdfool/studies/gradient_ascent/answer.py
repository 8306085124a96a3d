"""The answer of the study `gradient-ascent`, which follows from its numbers."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from qdfool import analysis
from qdfool.analysis.statistics import interval
from qdfool.results.history import VERY_SURE
from qdfool.studies.gradient_ascent.conditions import BASE, WAYS, Setting
from qdfool.studies.gradient_ascent.effects import Gain, Nearness, Reached, Shift
from qdfool.studies.study import Workbench


class Findings(NamedTuple):
    """What the tables of a setting came to."""

    reached: Mapping[str, Reached]
    gains: Mapping[str, Gain]
    """Each way against `BASE`; empty with one seed."""
    near: Nearness
    spreads: Mapping[str, Shift]
    by_class: Mapping[tuple[str, str], Shift]
    regularised: Mapping[str, np.ndarray]
    """Confidences by regulariser."""


def answer(bench: Workbench, chosen: Sequence[Setting], findings: Mapping[str, Findings]) -> None:
    """What the numbers support, in words."""
    bench.report.section("Answer")
    said = {}
    for setting in chosen:
        of = findings[setting.name]
        said[setting.name] = [certain(of), sooner(of), alike(of), regularised(of)]
        bench.report.text(f"**{setting.line}.** {' '.join(filter(None, said[setting.name]))}")
    bench.results["answer"] = said


def certain(of: Findings) -> str:
    """Which ways made every class certain, the soonest first; and how far the others came."""
    all_seeds, rest = {}, {}
    for way, each in of.reached.items():
        (all_seeds if np.isfinite(each.every).all() else rest)[way] = each
    soonest = sorted(all_seeds, key=lambda way: all_seeds[way].every.mean())
    seeds = len(next(iter(of.reached.values())).share)
    where = "with every seed" if seeds > 1 else "with the one seed"
    text = f"Every class comes to 99.99 % {where} by {_number(len(soonest))} of the {len(of.reached)} ways"
    if soonest:
        listed = "; ".join(f"{named(way)} after {_evaluations(all_seeds[way].every)}" for way in soonest)
        text += f"{', the soonest first' if len(soonest) > 1 else ''}: {listed}"
    if rest:
        listed = "; ".join(
            f"{named(way)}: {each.share.mean():.1%} of the classes, median {_percent(each.confidence.mean())}"
            + (f", all of them with {np.isfinite(each.every).sum()} of {seeds} seeds" if seeds > 1 else "")
            for way, each in rest.items()
        )
        text += f". Not all do, in the budget, by: {listed}"
    return f"{text}."


def sooner(of: Findings) -> str:
    """Which ways differ from evolution of pixels beyond chance."""
    if not of.gains:
        return "With one seed no difference is tested."
    listed = {
        kind: "; ".join(
            f"{named(way)} ({gain.less})"
            for way, gain in of.gains.items()
            if gain.told and (gain.less.mean > 0) == more
        )
        for kind, more in (("fewer", True), ("more", False))
    }
    found = [f"{kind} evaluations than {named(BASE)} with {which}" for kind, which in listed.items() if which]
    if not found:
        return f"No way needs another number of evaluations than {named(BASE)}, beyond chance."
    untold = [named(way) for way, gain in of.gains.items() if not gain.told]
    text = f"Until every class is certain it takes, beyond chance, {'; '.join(found)}"
    return text + (f"; not told from it: {'; '.join(untold)}." if untold else ".")


def alike(of: Findings) -> str:
    """Which images are near one another."""
    ways = list(of.reached)
    within = {way: of.near.other[:, number, number].mean() for number, way in enumerate(ways)}
    grey = {way: of.near.grey[:, number].mean() for number, way in enumerate(ways)}
    nearest, furthest = min(within, key=lambda way: within[way]), max(within, key=lambda way: within[way])
    text = (
        f"The images of two classes are nearest to one another by {named(nearest)} ({within[nearest]:.3f}) and "
        f"furthest by {named(furthest)} ({within[furthest]:.3f}); nearest to grey are those by "
        f"{named(min(grey, key=lambda way: grey[way]))} ({min(grey.values()):.3f})."
    )
    pairs = {pair: shift.value.mean for pair, shift in of.by_class.items()}
    most = max(pairs, key=lambda pair: pairs[pair])
    closer = [pair for pair, shift in of.by_class.items() if shift.told and shift.value.mean > 0]
    tested = (
        f" Images of one class by two ways are nearer than those of two classes, beyond chance, in {len(closer)} of "
        f"the {len(pairs)} pairs of ways that do not begin with the same images; most"
        if len(of.near.grey) > 1
        else " Of ways that do not begin with the same images, those of one class are nearer than of two classes most"
    )
    return f"{text}{tested} for {named(most[0])} and {named(most[1])}, by {pairs[most]:.3f}."


def regularised(of: Findings) -> str:
    """What regularisers leave of the confidence."""
    listed = ", ".join(
        f"{name} {_percent(float(np.median(sure)))} ({(sure >= VERY_SURE).sum()} of {len(sure)} at 99.99 %)"
        for name, sure in of.regularised.items()
    )
    return f"Median confidence at the end of an ascent under each regulariser: {listed}." if listed else ""


def named(way: str) -> str:
    """A way as a sentence calls it."""
    return f"*{WAYS[way]}*"


def _percent(sure: float) -> str:
    return analysis.percent(float(sure))


def _evaluations(values: np.ndarray) -> str:
    return f"{interval(values)} evaluations" if len(values) > 1 else f"{values[0]:,.0f} evaluations"


def _number(count: int) -> str:
    return str(count) if count else "none"
