"""The answer of the study `detection`, as its figures have it."""

from collections.abc import Mapping

import numpy as np

from qdfool.analysis.statistics import Interval, interval
from qdfool.studies.detection.conditions import JOINT, KINDS, WAYS
from qdfool.studies.detection.effects import (
    DETECTORS,
    Attack,
    Rates,
    behind_the_best,
    overall,
    unlike_chance,
)
from qdfool.studies.mnist_networks import KINDS as NETWORKS
from qdfool.studies.study import Workbench

CATCHES = 0.1
"""False-positive rate, at most, of a monitor that the answer says has caught an archive."""
BEATEN = 0.5
"""Share of the digits that get past a monitor, at least, for the answer to call it beaten."""


def write(
    bench: Workbench,
    before: Mapping[tuple[str, str], Rates],
    after: Mapping[tuple[str, str, str], Rates],
    attacks: Mapping[tuple[str, str, str], Attack],
    gained: Mapping[tuple[str, str, str], bool],
) -> None:
    """Adds the section, and its figures to the results.

    Args:
        bench: the workbench.
        before: of the images evolved against networks alone.
        after: of those evolved against networks and monitors.
        attacks: what it gained to know the monitor.
        gained: whether beyond chance.
    """
    bench.report.section("Answer")
    bench.report.text(
        caught(before),
        " ".join(filter(None, [fooled(before), ahead(before)])),
        beaten(attacks, gained),
        outside(after),
    )
    area, passing = overall(before)
    best = int(area.mean(axis=0).argmax())
    bench.results["answer"] = {
        "best": {
            "detector": DETECTORS[best],
            "auroc": interval(area[:, best]),
            "false positives": interval(passing[:, best]),
        },
        "through": over_attacks(attacks, "through"),
        "through, alone": over_attacks(attacks, "through_alone"),
    }


def caught(before: Mapping[tuple[str, str], Rates]) -> str:
    """Which detectors catch what."""
    all_of_them, none = [], []
    catches: dict[str, list[str]] = {}
    for number, name in enumerate(DETECTORS):
        good = [
            f"{NETWORKS[kind].line}'s {way}"
            for (kind, way), each in before.items()
            if each.passing[:, number].mean() <= CATCHES
        ]
        if len(good) == len(before):
            all_of_them.append(name)
        elif good:
            catches[name] = good
        else:
            none.append(name)
    parts = [f"{', '.join(all_of_them)} in all {len(before)} cases"] if all_of_them else []
    parts += [f"{name} on {', '.join(cases)}" for name, cases in catches.items()]
    yes = "Yes" if all_of_them else "In part" if catches else "No"
    said = "; ".join(parts) if parts else "none of the seven"
    text = (
        f"**{yes}, where the search does not know the monitor.** A detector catches an archive, here, if at most "
        f"{CATCHES:.0%} of its images pass while 95 % of the real ones do (mean over seeds): that is so of {said}."
    )
    return text + (f" In no case it is so of {', '.join(none)}." if none and parts else "")


def fooled(before: Mapping[tuple[str, str], Rates]) -> str:
    """Which detectors are worse than a coin."""
    chance, worse = unlike_chance(before), []
    for number, name in enumerate(DETECTORS):
        means = [
            mean
            for of, each in before.items()
            if (mean := float(each.auroc[:, number].mean())) < 0.5 and chance[(*of, name)]
        ]
        if means:
            span = f"{min(means):.3f}" + (f" to {max(means):.3f}" if len(means) > 1 else "")
            worse.append(f"{name} in {len(means)} of {len(before)} cases (AUROC {span})")
    said = "; ".join(worse) if worse else "none"
    return f"Worse than a coin, with an AUROC below 0.5 beyond chance: {said}."


def ahead(before: Mapping[tuple[str, str], Rates]) -> str:
    """Which is the best over all, and which it is ahead of."""
    area, passing = overall(before)
    best, behind = behind_the_best(area)
    number = DETECTORS.index(best)
    clear = [name for name, (_, beyond) in behind.items() if beyond]
    level = [name for name, (_, beyond) in behind.items() if not beyond]
    text = (
        f"Over {len(KINDS)} networks and {len(WAYS)} ways the best is {best}, with a mean AUROC of "
        f"{interval(area[:, number])} and {interval(passing[:, number])} false positives"
    )
    text += f"; it is ahead of {', '.join(clear)} beyond chance" if clear else ""
    return text + (f", of {', '.join(level)} it is not." if level else ".")


def beaten(
    attacks: Mapping[tuple[str, str, str], Attack], gained: Mapping[tuple[str, str, str], bool]
) -> str:
    """What attackers get who know the monitor."""
    open_before, opened, held = [], [], []
    for (kind, way, name), each in attacks.items():
        through = interval(each.through)
        lost = through.mean >= BEATEN
        before = lost and each.through_alone.mean() >= BEATEN
        (open_before if before else opened if lost else held).append(
            f"{NETWORKS[kind].line}, {way}, {name} ({through}; AUROC {interval(each.auroc_alone)} before, "
            f"{interval(each.auroc)} afterwards)"
        )
    verdict = "Beaten" if not held else "Not beaten" if len(held) == len(attacks) else "Beaten in part"
    more = sum(gained[of] and attacks[of].gained.mean > 0 for of in attacks)
    ways = "; ".join(
        f"{way} {over_attacks(some, 'through')} (alone {over_attacks(some, 'through_alone')})"
        for way in WAYS
        if (some := {of: each for of, each in attacks.items() if of[1] == way})
    )
    text = (
        f"**{verdict}, where the search knows it.** The share of the digits with an image that the network is at "
        "least 99.99 % sure of and that passes the known detectors, the mean over the attacks of one way, and the same "
        f"of images evolved against the network alone: {ways}. In {more} of {len(attacks)} attacks it is more than "
        "alone beyond chance."
    )
    half = f"{BEATEN:.0%} of the digits"
    for said, some in (
        (f"Known, these let at least {half} through, and fewer when they were not", opened),
        (f"These let at least {half} through in either case", open_before),
        (f"These let fewer than {half} through, though they were known", held),
    ):
        text += f" {said}: {'; '.join(some)}." if some else ""
    return text


def outside(after: Mapping[tuple[str, str, str], Rates]) -> str:
    """Whether a detector that is not known catches what gets past the known one."""
    caught_by: dict[str, list[float]] = {}
    for (_, _, name), each in after.items():
        for number, detector in enumerate(DETECTORS):
            if detector not in JOINT[name]:
                caught_by.setdefault(detector, []).append(float(each.passing[:, number].mean()))
    means = {name: float(np.mean(values)) for name, values in caught_by.items()}
    best = min(means, key=lambda name: means[name])
    always = [name for name, values in caught_by.items() if max(values) <= CATCHES]
    text = (
        f"A second detector that the attacker does not know: on the images evolved against others, {best} has the "
        f"fewest false positives, {means[best]:.3f} in the mean over those attacks ({max(caught_by[best]):.3f} in the "
        "worst of them)"
    )
    text += (
        f"; at most {CATCHES:.0%} in every one of them: {', '.join(always)}."
        if always
        else (f"; none stays at {CATCHES:.0%} or below in every one of them.")
    )
    return text


def over_attacks(attacks: Mapping[tuple[str, str, str], Attack], part: str) -> Interval:
    """The mean over attacks of one of their shares, over seeds."""
    return interval(np.mean([getattr(each, part) for each in attacks.values()], axis=0))
