"""The answer of the study `repeats`, which follows from its numbers."""

from collections.abc import Mapping, Sequence

from qdfool.analysis.statistics import Interval
from qdfool.studies.repeats.conditions import Setting
from qdfool.studies.repeats.effects import FALL, Effects, looks_tested, tested
from qdfool.studies.repeats.removal import FILLS

ADDS = "repetition adds"
NOT_TOLD = (
    "log-odds fall without the copies, but not told from how they fall without as many patches between them"
)
MORE = "log-odds fall without the copies, but more without as many patches between them"
PARTLY = "log-odds fall without the copies, with one background of two more than without as many patches between them"
UNDECIDED = "it rests on what takes the place of the copies"
NOT_SHOWN = "it is not shown that repetition adds"
MEANS = {
    ADDS: "the copies beyond the first are worth something, whatever takes their place, and more than as many patches "
    "of the same size between them",
    NOT_TOLD: "the copies beyond the first are worth something, whatever takes their place; that they are worth more "
    "than what lies between them is not beyond chance, which is no proof that they are not",
    MORE: "the copies beyond the first are worth something, whatever takes their place, but what lies between them is "
    "worth more",
    PARTLY: "the copies beyond the first are worth something, whatever takes their place, but more than as many "
    "patches between them only with one of the two backgrounds",
    UNDECIDED: "the two backgrounds do not say the same",
    NOT_SHOWN: "what the copies beyond the first are worth is not told from nothing",
}


def verdict(name: str, found: Effects, beyond: Mapping[tuple[str, str, str], bool]) -> str:
    """What the losses of a setting say, for both fills together."""

    def sign(measure: str, fill: str) -> int:
        mean = found.by_measure[measure][fill].mean
        return (1 if mean > 0 else -1) if beyond[name, measure, fill] else 0

    loses = {sign("loss", fill) for fill in FILLS}
    differs = {sign("difference", fill) for fill in FILLS}
    if 1 not in loses:
        return NOT_SHOWN
    if loses != {1}:
        return UNDECIDED
    if len(differs) > 1:
        return PARTLY if differs == {0, 1} else UNDECIDED
    return {1: ADDS, 0: NOT_TOLD, -1: MORE}[differs.pop()]


def answer(chosen: Sequence[Setting], found: Mapping[str, Effects]) -> list[str]:
    """All paragraphs."""
    beyond, looks = tested(found), looks_tested(found)
    verdicts = {setting.name: verdict(setting.name, found[setting.name], beyond) for setting in chosen}
    paragraphs = [claim({setting.line: verdicts[setting.name] for setting in chosen})]
    for setting in chosen:
        each = found[setting.name]
        if not each.images:
            paragraphs.append(f"**{setting.line}**: no image had repeats, so that nothing was removed.")
            continue
        paragraphs += [*removal(setting.line, each, verdicts[setting.name]), gaze(setting, each, looks)]
    return paragraphs


def claim(verdicts: Mapping[str, str]) -> str:
    """The paper's claim, and what holds here."""
    by_verdict: dict[str, list[str]] = {}
    for line, said in verdicts.items():
        by_verdict.setdefault(said, []).append(line)
    here = "; ".join(f"on {' and '.join(lines)} {said}" for said, lines in by_verdict.items())
    return f"Readers recall of the paper that repetition adds to the confidence (*unverified*). Here, {here}."


def removal(line: str, found: Effects, said: str) -> list[str]:
    """What came of the removal."""
    of = found.by_measure

    def both(measure: str) -> str:
        return " and ".join(f"{of[measure][fill]} ({fill})" for fill in FILLS)

    def shares(measure: str) -> str:
        return " and ".join(f"{percent(of[measure][fill])} ({fill})" for fill in FILLS)

    return [
        f"**{line}: {said}.** That is to say, {MEANS[said]}. Of {found.images:,} images with repeats, a share of "
        f"{shares('losing')} has lower log-odds with one copy than with all, and {shares('losing more')} lose more by "
        f"that than by as many patches between the copies. Confidence falls by {FALL:g} or more in {shares('falling')} "
        f"with one copy, in {shares('falling between')} without as many patches between them.",
        f"The mean confidence with all copies is {of['all kept'][FILLS[0]]}; with one copy {both('one kept')}, with "
        f"none {both('none kept')}; and with as many patches gone from between the copies as leave one, "
        f"{both('as many patches gone')}. In log-odds the copies beyond the first are worth {both('loss')}, patches "
        f"between them {both('loss between')}. The first copy is worth {both('first')}, each further one "
        f"{both('further')} in the mean. With one copy {shares('called with one')} are still called their class.",
    ]


def percent(share: Interval) -> str:
    """A share and its interval in percent."""
    return f"{share._replace(mean=100 * share.mean, low=100 * share.low, high=100 * share.high)} %"


def gaze(setting: Setting, found: Effects, beyond: Mapping[tuple[str, str], bool]) -> str:
    """What the occlusion says."""

    def said(part: str) -> str:
        value = found.looks[part]
        if not beyond[setting.name, part]:
            return f"{value}, not told from anywhere"
        return f"{value}, {'more' if value.mean > 1 else 'less'} than anywhere"

    return (
        f"*Where the network looks on {setting.line}*, by area (1 is as much as anywhere): copies {said('copies')}; as "
        f"many patches between them {said('between')}. With one copy left: that one {said('kept')}; where the others "
        f"were {said('emptied')}."
    )
