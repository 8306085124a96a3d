"""What the study `lineage` says: its question, method, tables and limits."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from qdfool.analysis.statistics import Interval, beyond_chance, interval
from qdfool.studies.lineage import pictures
from qdfool.studies.lineage.answer import Findings, answer
from qdfool.studies.lineage.conditions import COMPETITIONS, Setting
from qdfool.studies.lineage.effects import NEAR, PARTS, comparisons, descent, given, near
from qdfool.studies.lineage.similarity import Likeness, correlation, distance, likeness
from qdfool.studies.study import Figures, Workbench

NAMED = Path(__file__).parents[1] / "named" / "lineage.md"
Found = Mapping[tuple[str, str], Figures]
"""By setting and competition, the units of all seeds, stacked [S, ...]."""


def write(
    bench: Workbench, chosen: Mapping[str, Setting], found: Found, names: Mapping[str, Sequence[str]]
) -> None:
    """Fills the workbench's report and results.

    Args:
        bench: the workbench.
        chosen: the settings that were run.
        found: their units.
        names: of the classes of each setting.
    """
    question(bench, chosen, found)
    descents = parents(bench, chosen, found, names)
    compared = competition(bench, chosen, found)
    pictures.curves(bench, chosen, found)
    alike = similarity(bench, chosen, found)
    pictures.images(bench, chosen, found, names)
    answer(bench, chosen, Findings(*descents, compared, alike))
    limits(bench, chosen)
    bench.report.named(NAMED)


def question(bench: Workbench, chosen: Mapping[str, Setting], found: Found) -> None:
    """Question and method."""
    report = bench.report
    report.section("Question")
    report.text(
        "Nguyen, Yosinski and Clune 2015 evolve the images of all classes together: each child is held against the "
        "elite of every class, whichever class its parent stands for, and takes the place of those that it beats. That "
        "a class's elite comes from another class is called goal switching. The paper says that its results are the "
        "same with one class evolved at a time, that all together is the more efficient way, and leaves the data away. "
        "Which classes' elites are the parents of which others', and how often is a cell won by a child of another "
        "class? Does it help? And do several runs come to like images?"
    )
    report.section("Method")
    rows = [
        f"*{setting.line}* (preset `{name}`): {len(found[name, 'all']['wins'])} seeds, {setting.generations} "
        f"generations of {setting.batch_size} children, {setting.evaluations:,} evaluations"
        for name, setting in chosen.items()
    ]
    network = (
        "LeNet is the packaged one; of ImageNet there is MobileNet v1 of width 0.25"
        if any(setting.imagenet for setting in chosen.values())
        else "LeNet is the packaged one; ImageNet is of the full form only"
    )
    report.text(
        f"{'; '.join(rows)}. {network}. Each seed is run twice: with children that compete for every class "
        "(`--competition all`, the paper's way), and, from the same first generation and with the same budget, with "
        "children that compete for their parent's class only (`--competition parent`): as many searches side by side "
        "as there are classes, each with its share of the children.",
        "Evolution is looked at after every generation: which cells changed hands, and where the parent of the child "
        "that won each of them lived. The first generation has no parents and does not count. A parent is drawn "
        "uniformly from the cells. So by *chance*, if every child were as likely to win any cell, each class would be "
        "the parent equally often: of K classes, all but one in K of the cells would be won by children of another. "
        "The other chance, *from who wins*, takes the number of winning children that each class has, and lets each "
        "of them win any cell. An elite that holds several cells is a parent in each of them, and when its child wins "
        "another of these, that counts as a child of another class.",
    )


def parents(
    bench: Workbench, chosen: Mapping[str, Setting], found: Found, names: Mapping[str, Sequence[str]]
) -> tuple[dict, dict, dict, dict]:
    """Who descends from whom: the findings of each setting, whether they differ from chance, and classes that give
    more, or less, than chance; and what those of near numbers give."""
    report = bench.report
    of = {name: descent(found[name, "all"]) for name in chosen}
    apart = beyond_chance({name: each.less.p_value(0) for name, each in of.items()})
    report.section("Whose children win")
    report.text("Cells won by a child of another class, of all cells won after the first generation:")
    report.table(
        [
            "setting",
            "cells won",
            "by a child of another class",
            "by chance",
            "by chance, from who wins",
            "chance less it",
        ],
        [
            (chosen[name].line, each.won, each.switched, f"{each.uniform:.3f}", each.by_children, each.less)
            for name, each in of.items()
        ],
    )
    report.text(
        f"The same in the first and the last of {PARTS} equal parts of the run, and for the elites of the end; the "
        "cells that a winning child takes; and the share of the winning children whose parents are of the tenth of "
        "the classes with the most of them (of ten digits, one), beside that of as many with parents drawn uniformly:"
    )
    report.table(
        [
            "setting",
            "first part",
            "last part",
            "elites at the end",
            "cells a child",
            "from the top tenth",
            "by luck",
        ],
        [
            (chosen[name].line, each.early, each.late, each.last, each.per_child, each.top, each.top_by_luck)
            for name, each in of.items()
        ],
    )
    ratios: dict[str, dict[str, Interval]] = {}
    told: dict[str, dict[str, bool]] = {}
    for name, setting in chosen.items():
        if setting.imagenet:
            continue
        won, expected = given(found[name, "all"]["wins"])
        each = zip(names[name], won.T, expected.T, strict=True)
        apart_of_digits = {}
        ratios[name] = {}
        for digit, here, by_chance in each:
            with np.errstate(invalid="ignore"):
                ratios[name][digit] = interval(here / by_chance.mean())
            # Where all seeds have the same, as none, there is no test.
            apart_of_digits[digit] = interval(here - by_chance).p_value(0) if np.ptp(here) else float("nan")
        told[name] = beyond_chance(apart_of_digits)
    digits = next(iter(ratios.values()))
    report.text(
        "Cells of other digits that each digit's children won, over what chance gives; 1 is chance, * is beyond it, "
        f"seed by seed, tested for the {len(digits)} digits of a setting together (Holm 1979):"
    )
    report.table(
        ["children of a", *(chosen[name].line for name in ratios)],
        [
            (digit, *(f"{ratios[name][digit]}{' *' if told[name][digit] else ''}" for name in ratios))
            for digit in digits
        ],
    )
    beside = {
        name: interval(near(found[name, "all"]["wins"]))
        for name, setting in chosen.items()
        if setting.imagenet
    }
    for name, each in beside.items():
        report.text(
            f"{chosen[name].line}: classes are numbered by their WordNet synsets, and related ones mostly stand "
            f"together. Children of other classes at most {NEAR} numbers away win {each} times as many cells as they "
            "would by chance."
        )
    pictures.matrices(bench, chosen, found, names)
    bench.results["descent"] = {
        name: {**each._asdict(), "beyond chance": apart[name]} for name, each in of.items()
    }
    bench.results["given"] = ratios
    bench.results["near"] = beside
    uneven = {
        name: {digit: ratios[name][digit] for digit, apart in digits.items() if apart}
        for name, digits in told.items()
    }
    return of, apart, uneven, beside


def competition(bench: Workbench, chosen: Mapping[str, Setting], found: Found) -> dict:
    """One way to compete against the other."""
    made = comparisons(chosen, found)
    rows = []
    for (name, figure), each in made.items():
        total = len(found[name, "all"]["wins"])
        reached = "" if each.reached is None else f"{each.reached[0]} and {each.reached[1]} of {total}"
        rows.append(
            (f"{chosen[name].line}: {figure}", each.all, each.parent, each.gain, reached, each.verdict)
        )
    bench.report.section("Whether it helps")
    bench.report.text(
        "At the end of the budget, and until a confidence is reached, with both ways to compete; the difference is "
        "paired by seed. A seed that does not reach it counts with its whole budget, which is less than it would "
        f"have taken. Tested at 5 % for all {len(rows)} together (Holm 1979):"
    )
    bench.report.table(
        ["", "every class", "its parent's class", "difference", "seeds that reach it", "goal switching"], rows
    )
    bench.results["competition"] = {
        name: {
            figure: {**each._asdict(), "verdict": each.verdict}
            for (of, figure), each in made.items()
            if of == name
        }
        for name in chosen
    }
    return made


def similarity(
    bench: Workbench, chosen: Mapping[str, Setting], found: Found
) -> dict[tuple[str, str], tuple[Likeness, dict[str, bool]]]:
    """How alike elites are, of one class and of two, of one seed and of two."""
    kept = "at most 56 x 56" if any(setting.imagenet for setting in chosen.values()) else "28 x 28"
    bench.report.section("How alike elites are")
    bench.report.text(
        f"Every pair of images, of {kept} pixels: of one class with other seeds, of two classes with other seeds, of "
        "two classes with one seed, and of the first generation, whose images are random. Intervals are of the "
        "jackknife over seeds, since each pair has two of them. * is beyond chance, tested for all differences of a "
        "table together (Holm 1979)."
    )
    alike: dict[str, dict[tuple[str, str], tuple[Likeness, dict[str, bool]]]] = {}
    for title, measure in (
        ("Correlation of pixels (1: alike but for brightness and contrast)", correlation),
        ("Root mean square difference of pixels (0: the same)", distance),
    ):
        of = {key: likeness(figures, measure) for key, figures in found.items()}
        parts = ("by_class", "by_run", "by_evolution")
        told = beyond_chance(
            {(key, part): getattr(each, part).p_value(0) for key, each in of.items() for part in parts}
        )
        bench.report.text(f"{title}:")
        bench.report.table(
            [
                "children compete for",
                "one class, other seeds",
                "two classes, other seeds",
                "two classes, one seed",
                "random images",
                "what the class does",
                "what the run does",
                "what evolution does",
            ],
            [
                (
                    f"{chosen[name].line}: {COMPETITIONS[way]}",
                    each.same,
                    each.other,
                    each.within,
                    each.first,
                    *(f"{getattr(each, part)}{' *' if told[(name, way), part] else ''}" for part in parts),
                )
                for (name, way), each in of.items()
            ],
        )
        alike[measure.__name__] = {
            key: (each, {part: told[key, part] for part in parts}) for key, each in of.items()
        }
    bench.report.text(
        "*What the class does*: the first column less the second. *What the run does*: the third less the second. "
        "*What evolution does*: the second less the fourth. Of the images at the end of a run so many differ: "
        + "; ".join(
            f"{chosen[name].line}, {COMPETITIONS[way]}: {interval(figures['distinct'])} "
            f"of {figures['wins'].shape[1]:,}"
            for (name, way), figures in found.items()
        )
        + "."
    )
    bench.results["similarity"] = {
        measure: {
            f"{name}, {way}": {**each._asdict(), "beyond chance": told}
            for (name, way), (each, told) in of.items()
        }
        for measure, of in alike.items()
    }
    return alike["correlation"]


def limits(bench: Workbench, chosen: Mapping[str, Setting]) -> None:
    """What the study does not show."""
    bench.report.section("Limits")
    paragraph = (
        "Nothing here crosses two parents. Competing for the parent's class alone is not quite one class at a time: "
        "all classes still begin with the best of one first generation. The paper leaves away its data "
        "of one class at a time, so there are no figures to hold ours against; what its authors published of goal "
        "switching elsewhere could not be checked and is not quoted."
    )
    for setting in chosen.values():
        if not setting.imagenet:
            continue
        paragraph += (
            f" On ImageNet, of {setting.evaluations:,} evaluations, a class has about "
            f"{setting.evaluations / 1000:.0f} to itself where children compete for their parent's class. The budget "
            "is a fortieth of the paper's (*unverified*), on another network, by a single view instead of ten "
            "crops, in generations of 64 instead of 400; three seeds tell only large differences apart."
        )
    bench.report.text(paragraph)
