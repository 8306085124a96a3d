"""The answer of the study `transfer`, which follows from its numbers."""

from collections.abc import Hashable, Mapping
from typing import NamedTuple, TypeVar

import numpy as np

from qdfool.analysis.statistics import Interval, beyond_chance, interval
from qdfool.studies.study import Workbench
from qdfool.studies.transfer.conditions import Several
from qdfool.studies.transfer.effects import MEASURES, Outcome, Shares, gains
from qdfool.studies.transfer.networks import DIGITS, IMAGENET

Directions = Mapping[tuple[str, str, str], Shares]
"""Encoding, kind evolved against and kind shown to: shares by seed, each [S]."""
Ensembles = Mapping[tuple[str, Several], Outcome]
"""Encoding and ensemble to their outcome by seed."""
Name = TypeVar("Name", bound=Hashable)


class Change(NamedTuple):
    """A difference between two conditions, paired by seed."""

    value: Interval
    beyond_chance: bool
    """Among all that are tested with it (Holm)."""


def tested(differences: Mapping[Name, np.ndarray]) -> dict[Name, Change]:
    """Differences by seed [S] that answer one question together."""
    values = {name: interval(each) for name, each in differences.items()}
    beyond = beyond_chance({name: value.p_value(0) for name, value in values.items()})
    return {name: Change(value, beyond[name]) for name, value in values.items()}


def compared(outcomes: Ensembles) -> dict[str, dict[tuple[str, Several], Change]]:
    """By measure: every ensemble less one network; the ensembles of one measure answer one question."""
    return {measure: tested(gains(outcomes, measure)) for measure in MEASURES}


def answer(bench: Workbench, of_matrices: Mapping[str, Directions], outcomes: Ensembles) -> None:
    """What the numbers support, in words."""
    bench.report.section("Answer")
    for name, of in of_matrices.items():
        bench.report.text(*transfer(bench, name, of))
    if outcomes:
        bench.report.text(*of_ensembles(bench, outcomes))


def transfer(bench: Workbench, name: str, of: Directions) -> list[str]:
    """How much of one matrix is carried over, and what it depends on."""
    title = {DIGITS: "Digits", IMAGENET: "ImageNet"}.get(name, "The networks given")
    told = [
        f"{encoding}, {one} to {other}: {interval(each.same)} are called the same, both are >= 99.99 % sure of "
        f"{interval(each.sure)}"
        for (encoding, one, other), each in of.items()
    ]
    paragraphs = [f"*{title}.* {'; '.join(told)}."]
    encodings = list(dict.fromkeys(encoding for encoding, _, _ in of))
    kinds = list(dict.fromkeys((one, other) for _, one, other in of))
    changes = {}
    if len(encodings) == 2:
        first, second = encodings
        apart = tested({pair: of[second, *pair].same - of[first, *pair].same for pair in kinds})
        changes["encodings"] = {" to ".join(pair): change for pair, change in apart.items()}
        paragraphs.append(
            f"*{second} against {first}* (called the same, {second} less {first}, paired by seed): "
            + said(changes["encodings"], more=f"more with {second}", less=f"more with {first}")
        )
    alike = [one for one, other in kinds if one == other]
    strange = {
        (encoding, one, other): of[encoding, one, one].same - of[encoding, one, other].same
        for encoding in encodings
        for one, other in kinds
        if one != other and one in alike
    }
    if strange:
        apart = tested(strange)
        changes["architecture"] = {
            f"{encoding}, {one} to itself less to {other}": change
            for (encoding, one, other), change in apart.items()
        }
        paragraphs.append(
            "*Another seed against another architecture* (called the same, by one of its own kind less by the other "
            "kind): "
            + said(changes["architecture"], more="more by its own kind", less="more by the other kind")
        )
    bench.results.setdefault("differences", {})[name] = changes
    return paragraphs


def said(changes: Mapping[str, Change], more: str, less: str) -> str:
    """A list of differences, and which way each goes."""

    def verdict(change: Change) -> str:
        if not change.beyond_chance:
            return "not told from chance"
        return more if change.value.mean > 0 else less

    return "; ".join(f"{name} {change.value}, {verdict(change)}" for name, change in changes.items()) + "."


def of_ensembles(bench: Workbench, outcomes: Ensembles) -> list[str]:
    """What several networks at once lose and gain."""
    moved = compared(outcomes)
    most = max(kind.members for _, kind in outcomes)
    paragraphs = []
    for encoding in dict.fromkeys(encoding for encoding, _ in outcomes):
        single = next(of for (its, kind), of in outcomes.items() if its == encoding and kind.members == 1)
        told = [
            f"against the {kind.line}, members are {interval(of.members)} sure, LeNets held out call "
            f"{interval(of.held_same)} the same ({change(moved, 'held_same', encoding, kind)}), small ResNets "
            f"{interval(of.others_same)} ({change(moved, 'others_same', encoding, kind)}); the members' confidence "
            f"moves by {change(moved, 'members', encoding, kind)}"
            for (its, kind), of in outcomes.items()
            if its == encoding and kind.members == most
        ]
        paragraphs.append(
            f"*Ensembles, {encoding}.* Evolved against one network, which is {interval(single.members)} sure, "
            f"{interval(single.held_same)} are called the same by LeNets held out and {interval(single.others_same)} "
            f"by small ResNets; {'; '.join(told)}."
        )
    paragraphs.append(f"**{conclusion(moved)}**")
    bench.results["conclusion"] = conclusion(moved)
    return paragraphs


def change(
    moved: Mapping[str, Mapping[tuple[str, Several], Change]], measure: str, encoding: str, kind: Several
) -> str:
    """A difference from one network in words."""
    value, beyond = moved[measure][encoding, kind]
    return f"{value}, {'beyond' if beyond else 'within'} chance"


def conclusion(moved: Mapping[str, Mapping[tuple[str, Several], Change]]) -> str:
    """Which ensembles gain transfer, and at what loss, by the tests alone."""
    sentences = []
    for measure, of in (
        ("held_same", "LeNets held out"),
        ("others_same", "networks of another architecture"),
    ):
        up = [name for name, each in moved[measure].items() if each.beyond_chance and each.value.mean > 0]
        down = [name for name, each in moved[measure].items() if each.beyond_chance and each.value.mean < 0]
        sentences.append(f"To {of}, more is carried over from {_listed(up, moved[measure])}")
        if down:
            sentences[-1] += f", less from {_listed(down, moved[measure])}"
    surer = [name for name, each in moved["held"].items() if each.beyond_chance and each.value.mean > 0]
    sentences.append(f"LeNets held out are surer with {_listed(surer, moved['held'])}")
    for measure, what in (("members", "Confidence of the members"), ("all_sure", "Certainty of all members")):
        lost = [name for name, each in moved[measure].items() if each.beyond_chance and each.value.mean < 0]
        sentences.append(f"{what} is lost with {_listed(lost, moved[measure])}")
    return ". ".join(sentences) + ", each against one network and beyond chance."


def _listed(names: list[tuple[str, Several]], among: Mapping[tuple[str, Several], Change]) -> str:
    if not names:
        return "none of the ensembles"
    if len(names) == len(among):
        return f"all {len(names)} ensembles"
    return (
        f"{len(names)} of {len(among)} ensembles ("
        + "; ".join(f"{encoding}, {kind.line}" for encoding, kind in names)
        + ")"
    )
