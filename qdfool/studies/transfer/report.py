"""What the study `transfer` reports: its question, method, tables and limits."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from qdfool.analysis.statistics import Interval, interval
from qdfool.studies.mnist_networks import KINDS, Trained
from qdfool.studies.study import Figures, Workbench
from qdfool.studies.transfer import pictures
from qdfool.studies.transfer.answer import Directions, Ensembles, answer, compared
from qdfool.studies.transfer.conditions import Several, Size
from qdfool.studies.transfer.effects import (
    LEAST,
    MEASURES,
    counted,
    directions,
    outcome,
    shares,
)
from qdfool.studies.transfer.networks import DIGITS, IMAGENET, Matrix

NAMED = Path(__file__).parents[1] / "named" / "transfer.md"
TITLES = {DIGITS: "digits", IMAGENET: "ImageNet", "given": "the networks given"}


class Published(NamedTuple):
    """What is recalled of the paper, of two networks of one architecture; not checked against its PDF."""

    same: str
    """Share of images that both call the same."""
    sure: str
    """Share of which both are at least 99.99 % sure."""


PAPER = {DIGITS: Published("46.0 %", "27.3 %"), IMAGENET: Published("64.4 %", "6.1 %")}
"""Every figure is unverified."""


def write(
    bench: Workbench,
    size: Size,
    chosen: Sequence[Matrix],
    trained: Mapping[str, Trained],
    found: Mapping[str, Mapping[str, Figures]],
    several: Mapping[tuple[str, Several], Figures],
) -> None:
    """Fills the workbench's report and results.

    Args:
        bench: the workbench.
        size: of the form that was run.
        chosen: the matrices.
        trained: the networks by name.
        found: matrix and encoding to their figures, [I, S, ...].
        several: encoding and ensemble to their figures, [S, ...]; empty where a matrix was asked for.
    """
    of_matrices = {
        matrix.name: {
            (encoding, *kinds): shares(figures).mean(pairs)
            for encoding, figures in found[matrix.name].items()
            for kinds, pairs in directions(matrix.networks).items()
        }
        for matrix in chosen
    }
    of_ensembles = {name: outcome(figures) for name, figures in several.items()}
    question(bench, size, chosen, trained, bool(several))
    for matrix in chosen:
        table(bench, matrix, found[matrix.name])
        by_direction(bench, matrix, found[matrix.name], of_matrices[matrix.name])
    beside_the_paper(bench, of_matrices)
    if several:
        ensembles(bench, of_ensembles)
    bench.report.section("Pictures")
    for matrix in chosen:
        pictures.matrix(bench, matrix, found[matrix.name])
        pictures.examples(bench, matrix, found[matrix.name])
    if several:
        pictures.ensembles(bench, size, of_ensembles)
        pictures.of_ensembles(bench, several)
    answer(bench, of_matrices, of_ensembles)
    limits(bench, of_ensembles)
    bench.report.named(NAMED)


def question(
    bench: Workbench, size: Size, chosen: Sequence[Matrix], trained: Mapping[str, Trained], several: bool
) -> None:
    """Question and method."""
    report = bench.report
    report.section("Question")
    report.text(
        "Images that fool one network: do they fool another, of the same architecture trained from another seed, or of "
        "another architecture (Nguyen, Yosinski and Clune 2015)? Beyond the paper: does an image that fools several at "
        "once fool one that it was not evolved against, and what does that cost?"
    )
    report.section("Method")
    lines = []
    for matrix in chosen:
        names = ", ".join(each.name for each in matrix.networks)
        how = "; ".join(
            f"{encoding}: preset `{config.preset}`, {config.evaluations:,} evaluations"
            for encoding, config in matrix.encodings.items()
        )
        lines.append(f"- *{TITLES[matrix.name]}*: {names}. {how}; {len(matrix.seeds)} seeds.")
    report.text(
        "An image is evolved for every class of each network, and shown to all networks of its matrix:",
        "\n".join(lines),
        "*Called the same*: the first class of both networks is the one that the image was evolved to be. *Both >= "
        "99.99 %*: both are as sure of that class. *Confidence*: the mean of the other network's softmax of that "
        "class. Shares are of 1, over all classes; a figure of one seed is the mean over the pairs of a direction.",
    )
    errors = {
        line: [one.error for name, one in trained.items() if name.startswith(f"{kind}-")]
        for kind, (line, *_) in KINDS.items()
    }
    made = "; ".join(
        f"{len(values)} {line}s, {100 * min(values):.2f} to {100 * max(values):.2f} % errors"
        for line, values in errors.items()
        if values
    )
    if made:
        report.text(
            f"Networks trained here, each from a seed of its own on {size.training_images:,} images of MNIST's "
            f"training set (`studies/mnist_networks.py`), with their errors on its test set: {made}."
        )
        bench.results["test errors"] = {
            name: of.error for name, of in trained.items() if np.isfinite(of.error)
        }
    if several:
        report.text(
            f"*Ensembles*: {', '.join(map(str, size.members))} LeNets as one classifier, whose log-odds of each class "
            "are the minimum, or the mean, of its members', exactly: its logits are log-probabilities, and one class "
            "more has what they leave of 1 (`studies/transfer/ensembles.py` says why they leave something). One "
            "network has that class, too, so that all compete alike. For each seed "
            f"{size.held_out} LeNets are in no ensemble and a larger ensemble has the members of the smaller ones; the "
            "small ResNets are never in one. Every ensemble has the same number of evaluations, each of which asks all "
            "members. Gains and losses are paired by seed."
        )


def table(bench: Workbench, matrix: Matrix, found: Mapping[str, Figures]) -> None:
    """The matrix, a table for each encoding."""
    names = [each.name for each in matrix.networks]
    bench.report.section(f"The matrix: {TITLES[matrix.name]}")
    bench.report.text(
        "A row is the network that images were evolved against, a column the one that they were shown to: called the "
        "same / both >= 99.99 % / mean confidence, in per cent, means over seeds. On the diagonal is what their own "
        "network says, which no other entry of the row exceeds in the first two. A network that calls every image "
        f"the same has at most {100 / len(matrix.networks[0].class_names):g} in the first."
    )
    results = {}
    for encoding, figures in found.items():
        means = [100 * part.mean(axis=0) for part in shares(figures)]
        rows = [
            [
                name,
                *(" / ".join(f"{part[row, column]:.0f}" for part in means) for column in range(len(names))),
            ]
            for row, name in enumerate(names)
        ]
        bench.report.table([encoding, *names], rows)
        results[encoding] = shares(figures)
    bench.results.setdefault("matrices", {})[matrix.name] = {"networks": names, "by seed": results}


def by_direction(bench: Workbench, matrix: Matrix, found: Mapping[str, Figures], summed: Directions) -> None:
    """Means over the pairs of a direction, with intervals; and what images are like that their network is sure of."""
    rows, results = [], {}
    pairs = directions(matrix.networks)
    for (encoding, one, other), of in summed.items():
        same = shares(found[encoding]).same.mean(axis=0)
        among = [same[pair] for pair in pairs[one, other]]
        spread = f"{min(among):.2f} to {max(among):.2f}" if len(among) > 1 else ""
        label, values = (
            f"{encoding}: {one} to {other}",
            {name: interval(value) for name, value in of._asdict().items()},
        )
        results[label] = values
        rows.append([label, len(among), *values.values(), spread])
    bench.report.text("By direction, from the network evolved against to the one shown to:")
    bench.report.table(
        [
            "direction",
            "pairs",
            "called the same",
            "both >= 99.99 %",
            "confidence",
            "called the same, by pair",
        ],
        rows,
    )
    bench.results["matrices"][matrix.name]["by direction"] = results
    if matrix.name != DIGITS:
        of_the_sure(bench, matrix, found)


def of_the_sure(bench: Workbench, matrix: Matrix, found: Mapping[str, Figures]) -> None:
    """The same of images that their own network is at least `LEAST` sure of: few evaluations leave many behind."""
    rows, results = [], {}
    for encoding, figures in found.items():
        sure, count = shares(figures, LEAST), counted(figures, LEAST)
        own = shares(figures)
        for (one, other), pairs in directions(matrix.networks).items():
            label, values = f"{encoding}: {one} to {other}", sure.mean(pairs)
            mine = [row for row, _ in pairs]
            results[label] = {
                "own confidence, of all": interval(own.confidence[:, mine, mine].mean(axis=1)),
                "images": interval(count[mine].mean(axis=0)),
                "same": interval(values.same),
                "confidence": interval(values.confidence),
            }
            rows.append([label, *results[label].values()])
    bench.report.text(
        f"Images that their own network is at least {LEAST:.0%} sure of, of {len(matrix.networks[0].class_names):,} "
        "for each seed, and what the other says of these:"
    )
    bench.report.table(
        ["direction", "own confidence, of all images", "images counted", "called the same", "confidence"],
        rows,
    )
    bench.results["matrices"][matrix.name][f"at least {LEAST:g} sure"] = results


def beside_the_paper(bench: Workbench, of_matrices: Mapping[str, Directions]) -> None:
    """The paper's figures and ours."""
    rows = []
    for name, published in PAPER.items():
        for (encoding, one, other), of in of_matrices.get(name, {}).items():
            if name == DIGITS and one != other:
                continue
            rows.append(
                [
                    f"{TITLES[name]}, {encoding}: {one} to {other}",
                    published.same,
                    percent(interval(of.same)),
                    published.sure,
                    percent(interval(of.sure)),
                ]
            )
    if not rows:
        return
    bench.report.section("Beside the paper")
    bench.report.text(
        "The paper's figures are recalled by readers, *unverified*: of two networks of one architecture, without "
        "saying of which encoding. So LeNet to LeNet is its setting for digits, and ResNet to ResNet the same of "
        "another network; for ImageNet there are two networks here that differ in architecture, and far fewer "
        "evaluations."
    )
    header = ["setting", "called the same: paper (unverified)", "here"]
    bench.report.table([*header, "both >= 99.99 %: paper (unverified)", "here"], rows)


def percent(value: Interval) -> str:
    """An interval of a share, in per cent."""
    return f"{Interval(100 * value.mean, 100 * value.low, 100 * value.high, value.seeds)} %"


def ensembles(bench: Workbench, outcomes: Ensembles) -> None:
    """What images evolved against ensembles come to, and how that differs from those of one network."""
    report = bench.report
    report.section("Ensembles")
    columns = list(MEASURES)
    report.text(
        "Of the images evolved against an ensemble. A network held out, and a ResNet, is shown what *all* members call "
        "the same, and are sure of:"
    )
    report.table(
        ["evolved against", *MEASURES.values()],
        [
            [f"{encoding}: {kind.line}", *(interval(getattr(of, column)) for column in columns)]
            for (encoding, kind), of in outcomes.items()
        ],
    )
    moved = compared(outcomes)
    report.text(
        "Less the same of one network, paired by seed; each interval is at 95 % for itself, bold is beyond chance, "
        "corrected for the number of rows (Holm) in each column:"
    )
    rows = []
    for name in moved[columns[0]]:
        cells = [
            f"**{change.value}**" if change.beyond_chance else change.value
            for change in (moved[column][name] for column in columns)
        ]
        rows.append([f"{name[0]}: {name[1].line}", *cells])
    report.table(["evolved against", *MEASURES.values()], rows)
    bench.results["ensembles"] = {
        f"{encoding}: {kind.line}": {
            column: {
                "by seed": getattr(of, column),
                **(moved[column][encoding, kind]._asdict() if (encoding, kind) in moved[column] else {}),
            }
            for column in columns
        }
        for (encoding, kind), of in outcomes.items()
    }


def limits(bench: Workbench, outcomes: Ensembles) -> None:
    """What the study does not show."""
    text = (
        "The networks of a matrix are the same for all seeds, so that an interval is over evolutions against these "
        "networks; how far networks differ is seen in the range by pair. An image is counted for its own class alone: "
        "two networks that both call it something else count as apart. Evaluations are few: what a network is itself "
        "not sure of, two cannot be."
    )
    if outcomes:
        text += (
            " For ensembles the seed also decides which LeNets are members and which held out. More members cost more "
            "time for the same evaluations. The ResNets held out are the same for all seeds."
        )
    bench.report.section("Limits")
    bench.report.text(text)
