"""The answer of the study `lineage`, which follows from its numbers."""

from collections.abc import Mapping
from typing import NamedTuple

from qdfool.analysis.statistics import Interval
from qdfool.studies.lineage.conditions import Setting
from qdfool.studies.lineage.effects import NEAR, Comparison, Descent
from qdfool.studies.lineage.similarity import Likeness
from qdfool.studies.study import Workbench

Likenesses = Mapping[tuple[str, str], tuple[Likeness, Mapping[str, bool]]]
"""By setting and competition, with which of its differences are beyond chance."""


class Findings(NamedTuple):
    """What the tables came to, by setting."""

    descent: Mapping[str, Descent]
    apart: Mapping[str, bool]
    """Whether the share of the cells won by children of another class differs from chance, beyond it."""
    uneven: Mapping[str, Mapping[str, Interval]]
    """The classes whose children win more of the others' cells, or fewer, than chance would give; beyond it."""
    near: Mapping[str, Interval]
    """Cells that children of other classes of near numbers win, over those of chance; where numbers mean something."""
    competition: Mapping[tuple[str, str], Comparison]
    """By setting and figure."""
    alike: Likenesses
    """By the correlation of pixels."""


def answer(bench: Workbench, chosen: Mapping[str, Setting], findings: Findings) -> None:
    """What the numbers support, in words."""
    lines = {name: setting.line for name, setting in chosen.items()}
    verdicts = {name: verdict(findings, name) for name in chosen}
    bench.report.section("Answer")
    bench.report.text(
        *(f"**{line}.** {parents(findings, name)} {verdicts[name]}" for name, line in lines.items()),
        alike(findings.alike, lines),
    )
    bench.results["answer"] = verdicts


def parents(findings: Findings, name: str) -> str:
    """Whose children win."""
    each = findings.descent[name]
    if not findings.apart[name]:
        against = f"not told from the {each.uniform:.3f} of chance"
    else:
        against = f"{'less' if each.less.mean > 0 else 'more'} than the {each.uniform:.3f} of chance"
    text = f"Of the cells won, the share {each.switched} goes to a child of another class, {against}"
    text += f"; in the first tenth of the run {each.early}, in the last {each.late}."
    if uneven := findings.uneven.get(name):
        more = [f"{digit} ({ratio})" for digit, ratio in uneven.items() if ratio.mean > 1]
        fewer = [f"{digit} ({ratio})" for digit, ratio in uneven.items() if ratio.mean < 1]
        said = [
            f"{amount} of the others' cells than chance gives: {', '.join(digits)}"
            for amount, digits in (("more", more), ("fewer", fewer))
            if digits
        ]
        text += f" Beyond chance, these win {'; '.join(said)}."
    elif name in findings.uneven:
        text += " No class's children win more of the others' cells, or fewer, than chance gives, beyond it."
    if name in findings.near:
        text += (
            f" Children of other classes at most {NEAR} numbers away win {findings.near[name]} times as many cells as "
            "by chance."
        )
    return text


def verdict(findings: Findings, name: str) -> str:
    """What goal switching does to a setting, by all of its figures."""
    figures = {figure: each for (of, figure), each in findings.competition.items() if of == name}
    listed = {
        kind: ", ".join(f"{figure} ({each.gain})" for figure, each in figures.items() if each.verdict == kind)
        for kind in ("helps", "hinders")
    }
    alone = [
        f"{figure} ({each.gain})"
        for figure, each in figures.items()
        if not each.told and each.gain.excludes(0)
    ]
    if not any(listed.values()):
        text = "Whether goal switching helps cannot be told: no figure differs beyond chance."
    else:
        said = " and ".join(f"{kind} with {which}" for kind, which in listed.items() if which)
        text = f"Goal switching {said}: differences to children that compete for their parent's class only."
    if alone:
        text += f" Intervals that exclude 0, but not for all comparisons together: {', '.join(alone)}."
    return text


def alike(found: Likenesses, lines: Mapping[str, str]) -> str:
    """What is like what, where children compete for every class."""
    sentences = []
    for name, line in lines.items():
        each, told = found[name, "all"]
        by_class = f"{each.same} within a class and {each.other} between two"
        if told["by_class"]:
            said = f"are {'more' if each.by_class.mean > 0 else 'less'} alike within a class"
        else:
            said = "are not told to be more alike within a class"
        by_run = (
            f"two classes of one run are {'more' if each.by_run.mean > 0 else 'less'} alike ({each.within}) than those "
            "of two runs"
            if told["by_run"]
            else f"two classes of one run ({each.within}) are not told to be more alike than those of two runs"
        )
        random = f"random images have {each.first}"
        sentences.append(f"{line}: images of other seeds {said} ({by_class}; {random}), and {by_run}")
    return f"*Are runs alike?* By the correlation of pixels. {'. '.join(sentences)}."
