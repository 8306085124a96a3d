"""The pictures of the study `transfer`."""

from collections.abc import Mapping

import numpy as np

from qdfool import analysis
from qdfool.analysis.statistics import bands
from qdfool.engine.objectives import confidence
from qdfool.studies.study import Figures, Workbench
from qdfool.studies.transfer.answer import Ensembles
from qdfool.studies.transfer.conditions import Several, Size, several
from qdfool.studies.transfer.effects import shares
from qdfool.studies.transfer.networks import Matrix

LONGEST_NAME = 14
"""Letters of a class's name below its image."""
SHOWN = {"members": "members sure", "held_same": "LeNets held out", "others_same": "small ResNets"}
"""Measures of an `Outcome` in the picture of ensembles, and what its panels call them."""


def matrix(bench: Workbench, one: Matrix, found: Mapping[str, Figures]) -> None:
    """What each network makes of what was evolved against each."""
    if len(one.networks) < 3:
        return  # Two networks are a table.
    maps = {}
    for encoding, figures in found.items():
        of = shares(figures)
        maps[f"{encoding}: called the same"] = of.same.mean(axis=0)
        maps[f"{encoding}: both >= 99.99 %"] = of.sure.mean(axis=0)
    names = [each.name for each in one.networks]
    path = bench.picture(f"{one.name}-matrix")
    analysis.density_maps(
        path,
        maps,
        "What fools one network, shown to another",
        f"mean over {len(one.seeds)} seeds",
        "share of the images",
        names=names,
        axes=("shown to", "evolved against"),
    )
    bench.report.picture(
        path,
        "Share of the images evolved against each network (row) that hold for each other (column).",
    )


def examples(bench: Workbench, one: Matrix, found: Mapping[str, Figures]) -> None:
    """Images of the first network of each kind, with what the others say of them."""
    rows = []
    for encoding, figures in found.items():
        first = {each.kind: number for number, each in reversed(list(enumerate(one.networks)))}
        for number in sorted(first.values()):
            shown = figures["shown"][number, 0]
            sure = confidence(figures["log_odds"][number, 0][:, shown])
            others = np.delete(sure, number, axis=0).mean(axis=0)
            classes = figures["classes"][number, 0][shown]
            captions = [
                f"{one.networks[0].class_names[of][:LONGEST_NAME]}\n{analysis.percent(float(mine))}\n"
                f"{analysis.percent(float(theirs))}"
                for of, mine, theirs in zip(classes, sure[number], others, strict=True)
            ]
            rows.append(
                (f"{encoding}, {one.networks[number].name}", list(figures["images"][number, 0]), captions)
            )
    path = bench.picture(f"{one.name}-images")
    analysis.image_table(
        path,
        rows,
        "Evolved against one network",
        "what it was evolved to be; how sure that network is; how sure the others are in the mean",
    )
    bench.report.picture(
        path,
        "Images of the first seed: what each was evolved to be, the confidence of its own network, and the mean "
        "confidence of the others.",
    )


def ensembles(bench: Workbench, size: Size, outcomes: Ensembles) -> None:
    """What is gained and lost, by the number of members."""
    panels = {}
    for encoding in dict.fromkeys(encoding for encoding, _ in outcomes):
        for measure, line in SHOWN.items():
            panel = panels[f"{encoding}: {line}"] = {}
            for rule in dict.fromkeys(kind.rule for _, kind in outcomes):
                by_members = [
                    getattr(outcomes[encoding, several(rule, count)], measure) for count in size.members
                ]
                panel[f"{rule} of log-odds"] = bands(np.stack(by_members, axis=1))
    path = bench.picture("ensembles")
    analysis.line_panels(
        path,
        size.members,
        panels,
        "Evolved against several networks at once",
        f"mean and 95 % interval over {len(bench.seeds)} seeds",
        "members of the ensemble",
        "confidence, or share",
        (0.0, 1.0),
    )
    bench.report.picture(
        path,
        "How sure the members are, and the share that LeNets held out and small ResNets call the same as all members, "
        "by the number of members.",
    )


def of_ensembles(bench: Workbench, found: Mapping[tuple[str, Several], Figures]) -> None:
    """Images of the first seed against one network and against the most."""
    most = max(kind.members for _, kind in found)
    rows = []
    for (encoding, kind), figures in found.items():
        if kind.members not in (1, most):
            continue
        members, held = (confidence(figures[name][0]).mean(axis=0) for name in ("members", "held"))
        captions = [
            f"{of}\n{analysis.percent(float(mine))}\n{analysis.percent(float(theirs))}"
            for of, mine, theirs in zip(figures["classes"][0], members, held, strict=True)
        ]
        rows.append((f"{encoding}, {kind.line}", list(figures["images"][0]), captions))
    path = bench.picture("ensembles-images")
    analysis.image_table(
        path,
        rows,
        "Evolved against one network, and against several at once",
        "the digit; how sure the members are in the mean; how sure the LeNets held out are",
    )
    bench.report.picture(
        path,
        "Images of the first seed: the mean confidence of the members, and of the LeNets held out.",
    )
