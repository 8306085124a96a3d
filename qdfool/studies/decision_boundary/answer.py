"""The answer of the study `decision-boundary`, which follows from its numbers."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from qdfool.analysis.statistics import Interval, beyond_chance, interval
from qdfool.studies.decision_boundary import places
from qdfool.studies.decision_boundary.conditions import V2, Condition
from qdfool.studies.study import Figures, Workbench

SURE = 0.96
"""Confidence of the account's example."""
CENTRAL = 0.4
"""Eccentricity below which the ink is in the middle: spread over the middle half it has 0.27, over all 0.54."""


QUESTIONS = {
    "The account": ("base",),
    "The operators": ("drift",),
    "Each crossover alone": ("rectangle", "columns", "list"),
    "What lies beyond the border": ("reflect", "edge", "wrap", "white-surround", "grey-surround"),
    "The colour of the paper": ("black-paper",),
    "The second network": ("v2-base", "v2-reflect", "v2-wrap", "v2-white-surround"),
    "The middle first": ("middle-first",),
}
"""Every condition, by the question that it answers: tests are corrected for the number of them in a question."""
LISTED = (
    "Each crossover alone",
    "What lies beyond the border",
    "The colour of the paper",
    "The second network",
)
"""Questions whose conditions the answer lists."""


class Finding(NamedTuple):
    """What one condition came to."""

    outer: Interval
    """Density of ink in the outer ring against uniform."""
    middle: Interval
    less: Interval
    """By how much the outer density is below that of the network's base, seed by seed."""
    uneven: bool
    """Whether the outer density differs from uniform beyond chance."""
    moved: bool
    """Whether it differs from that of the network's base beyond chance."""

    @property
    def verdict(self) -> str:
        """What the outer density says of the edge."""
        if not self.uneven:
            return "not told from uniform"
        return "edge preferred" if self.outer.mean > 1 else "edge avoided"

    @property
    def prefers_edge(self) -> bool:
        """Whether the outer density is above uniform beyond chance."""
        return self.uneven and self.outer.mean > 1

    @property
    def removes(self) -> bool:
        """Whether the preference that the base has is gone: none is left, and the difference is no chance.

        That none is left is read from the interval itself: corrected, it would be said more easily.
        """
        return not self.outer.low > 1 and self.moved and self.less.mean > 0


def findings_of(chosen: Mapping[str, Condition], found: Mapping[str, Figures]) -> dict[str, Finding]:
    """Outer and middle density of every condition, beside the base of the same network."""

    def outer(name: str) -> np.ndarray:
        return np.array([places.outer_density(ink) for ink in found[name]["ink"]])

    findings = {}
    for names in QUESTIONS.values():
        asked = [name for name in names if name in chosen]
        bases = {name: "v2-base" if chosen[name].network == V2 else "base" for name in asked}
        ring = {name: interval(outer(name)) for name in asked}
        less = {name: interval(outer(bases[name]) - outer(name)) for name in asked}
        uneven = beyond_chance({name: ring[name].p_value(1) for name in asked})
        moved = beyond_chance({name: less[name].p_value(0) for name in asked if name != bases[name]})
        for name in asked:
            middle = interval([places.middle_density(ink) for ink in found[name]["ink"]])
            findings[name] = Finding(ring[name], middle, less[name], uneven[name], moved.get(name, False))
    return {name: findings[name] for name in chosen}


def answer(
    bench: Workbench,
    chosen: Mapping[str, Condition],
    found: Mapping[str, Figures],
    findings: Mapping[str, Finding],
) -> None:
    """What the numbers support, in words."""
    report = bench.report
    report.section("Answer")
    base, drift = findings["base"], findings["drift"]
    sentences = [
        f"The ink of the base has {base.outer} times the uniform density in the outer ring and {base.middle} in the "
        f"middle: the account's preference for the edge is {'there' if base.prefers_edge else 'not shown here'}.",
        f"*The operators.* With random fitness the outer ring has {drift.outer}, the middle {drift.middle}: "
        + ("the operators themselves are not neutral." if drift.uneven else neutral(drift.outer)),
    ]
    for line in LISTED:
        listed = [
            f"{chosen[name].line} {findings[name].outer}, {effect(name, findings)}"
            for name in QUESTIONS[line]
            if name in chosen
        ]
        if listed:
            sentences.append(f"*{line}* (outer ring): {'; '.join(listed)}.")
    report.text(*sentences, f"**{conclusion(findings)}**", mechanism(bench))
    reached = sigmoid(found["middle-first"]["log_odds"])
    all_sure = {
        name: sigmoid(figures["log_odds"]).max() for name, figures in found.items() if "log_odds" in figures
    }
    highest = max(all_sure, key=lambda name: all_sure[name])
    report.text(
        f"The account's example is called a cat with {SURE:.0%}. Here the highest confidence of the base is "
        f"{all_sure['base']:.3f}, of the long run that begins in the middle {reached.max():.3f}, of all conditions "
        f"{all_sure[highest]:.3f} (`{highest}`). {in_the_middle(bench)}",
        held(findings["middle-first"], interval(reached), interval(sigmoid(found["base"]["log_odds"]))),
    )
    bench.results["conclusion"] = conclusion(findings)


def neutral(outer: Interval) -> str:
    """What a density that does not differ from uniform says of the operators."""
    known = np.isfinite(outer.low)
    return "the operators prefer no place." if known else "whether they prefer a place cannot be told."


def effect(name: str, findings: Mapping[str, Finding]) -> str:
    """What a control does to the preference."""
    each = findings[name]
    if name == "v2-base":
        return each.verdict
    if each.prefers_edge:
        return "which keeps the preference"
    if not each.removes:
        return "which leaves it open"
    return "which turns it round" if each.uneven else "which removes it"


def conclusion(findings: Mapping[str, Finding]) -> str:
    """The explanation that the numbers support."""
    base, drift = findings["base"], findings["drift"]
    if not base.prefers_edge:
        return "The preference for the edge is not shown by these runs, so no control can explain it."
    if drift.prefers_edge:
        return "The operators prefer the edge by themselves; that has to be mended before a network is asked."
    if "wrap" not in findings:
        gone = [name for name in ("white-surround", "grey-surround") if findings[name].removes]
        return "It is the network, not the operators; " + (
            f"moving the paper's edge away from the network's border removes it ({', '.join(gone)})."
            if gone
            else "moving the paper's edge away from the network's border does not visibly remove it."
        )
    keeps = [name for name in ("reflect", "edge") if findings[name].prefers_edge]
    removes = [name for name in ("reflect", "edge") if findings[name].removes]
    torus, white = findings["wrap"], findings["white-surround"]
    if len(removes) == 2:
        return (
            "It is the zeros: where maps are padded with their own values, and white paper has no frame, the "
            "preference is gone."
        )
    if torus.removes:
        frame = (
            f"It is not the frame of a white image against zeros: there is none in {' and '.join(keeps)}, which "
            "keep the preference."
            if keeps
            else "Whether the zeros have a part in it stays open: reflected and replicated padding do not decide it."
        )
        away = (
            " A white surround, which moves the ink away from the border, removes it too."
            if white.removes
            else ""
        )
        return (
            "It is the border of the picture as such. On a torus, where the same network has no border, the same "
            f"evolution puts its ink everywhere. {frame}{away}"
        )
    if torus.prefers_edge:
        return "Neither the operators nor the border explain it: on a torus, which has no border, it is still there."
    return "The padding and surround controls do not decide between the border and other explanations."


def mechanism(bench: Workbench) -> str:
    """What one pixel does at the edge and in the middle of the best images."""
    values = bench.results["one_pixel"]

    def said(name: str) -> str:
        beside = values[name]["beside"]
        return f"{beside['edge']} in the outer ring and {beside['middle']} in the middle"

    edge, centre = values["base"]["beside"]["edge"], values["base"]["beside"]["middle"]
    text = f"One pixel more in the best images of the base changes the log-odds by {said('base')}"
    if centre.high < edge.low and centre.high < 0:
        text += (
            f": in the middle a chance pixel does {centre.mean / edge.mean:.1f} times the harm, so what mutation "
            "adds "
            "survives at the edge"
            if edge.mean < 0
            else ": in the middle a chance pixel does harm, at the edge it does not"
        )
    text += f". On a torus it is {said('wrap')}." if "wrap" in values else "."
    return text


def in_the_middle(bench: Workbench) -> str:
    """What the grid says of ink in the middle."""
    rows = [row for row in bench.results["grid"] if float(row["eccentricity"].split()[-1]) <= CENTRAL]
    if not rows:
        return "The grid archive found no image with its ink in the middle."
    best = max(rows, key=lambda row: row["confidence"].mean)
    whole = max(bench.results["grid"], key=lambda row: row["confidence"].mean)
    return (
        f"With ink whose mean distance from the centre is below {CENTRAL}, MAP-Elites makes the network "
        f"{best['confidence']} sure, with {best['pixels']} pixels; wherever the ink may be, {whole['confidence']} "
        "with "
        f"{whole['pixels']} (distance {whole['eccentricity']})."
    )


def sigmoid(log_odds: np.ndarray) -> np.ndarray:
    """Confidence of log-odds."""
    return np.exp(-np.logaddexp(0, -np.asarray(log_odds, np.float64)))


def held(middle_first: Finding, reached: Interval, base: Interval) -> str:
    """What a run that was held in the middle says of the account's "never"."""
    if middle_first.middle.low > 1:
        return (
            "Never in the middle is too strong: a run that was held there keeps its ink there when it is let go "
            "(density "
            f"{middle_first.middle} in the middle), with a confidence of {reached}, where the base has {base} "
            "after fewer "
            "generations. The edge is where ink goes first, not the only place where it can serve."
        )
    if not np.isfinite(middle_first.middle.low):
        return "Where the ink of a run goes that was held in the middle cannot be told."
    return (
        "A run that was held in the middle does not keep its ink there when it is let go: its density in the "
        "middle is "
        f"{middle_first.middle}, its confidence {reached}."
    )
