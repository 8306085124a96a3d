"""What the study `detection` reports: question, method, tables with intervals, and what its figures answer."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from qdfool.analysis.statistics import Interval, beyond_chance, interval
from qdfool.config import Config
from qdfool.studies.detection import answer, pictures
from qdfool.studies.detection.conditions import BESIDE, JOINT, KINDS, MAPPED, WAYS, Size
from qdfool.studies.detection.effects import (
    DETECTORS,
    Attack,
    Maps,
    Rates,
    attack,
    behind_the_best,
    maps,
    overall,
    rates,
    unlike_chance,
)
from qdfool.studies.detection.joint import CERTAIN, STEEPNESS
from qdfool.studies.mnist_networks import KINDS as NETWORKS
from qdfool.studies.study import Figures, Workbench

NAMED = Path(__file__).parents[1] / "named" / "detection.md"


def write(
    bench: Workbench,
    size: Size,
    real: Mapping[str, Figures],
    alone: Mapping[tuple[str, str], Figures],
    both: Mapping[tuple[str, str, str], Figures],
    mapped: list[Figures],
    grid: Config,
) -> None:
    """Fills the workbench's report and results.

    Args:
        bench: the workbench.
        size: of the form that was run.
        real: network to what detectors make of real images, [S, ...].
        alone: (network, way) to the images evolved against the network alone.
        both: (network, way, monitor) to those evolved against both.
        mapped: a grid archive for each of the first seeds.
        grid: its config.
    """
    before = {of: rates(real[of[0]], found) for of, found in alone.items()}
    after = {of: rates(real[of[0]], found) for of, found in both.items()}
    attacks = {
        (kind, way, name): attack(name, alone[kind, way], found, before[kind, way], after[kind, way, name])
        for (kind, way, name), found in both.items()
    }
    gained = beyond_chance({of: each.gained.p_value(0.0) for of, each in attacks.items()})
    by_cell = maps(real[MAPPED], mapped, grid.cells)
    question(bench, size, real, grid)
    unknown(bench, alone, before)
    classes(bench, before)
    cells(bench, by_cell, grid)
    known(bench, both, attacks, gained)
    others(bench, both, after)
    pictures.draw(bench, alone, both, before, after)
    answer.write(bench, before, after, attacks, gained)
    limits(bench)
    bench.report.named(NAMED)


def question(bench: Workbench, size: Size, real: Mapping[str, Figures], grid: Config) -> None:
    """Question and method."""
    report, settings = bench.report, bench.settings
    report.section("Question")
    report.text(
        "A network is certain of images that show nothing (Nguyen, Yosinski and Clune 2015). It need not be alone: a "
        "monitor can look at what the network makes of an image and refuse those that are unlike the images that it "
        "was made for. Could one have caught the archive's images? And does it, once whoever evolves them knows it?"
    )
    report.section("Method")
    errors = "; ".join(
        f"{NETWORKS[kind].line} {interval(100 * figures['error'])} %" for kind, figures in real.items()
    )
    report.text(
        f"Each seed trains its own networks on the first {size.learned:,} training images of MNIST (test error: "
        f"{errors}). Images are evolved against them in three ways: "
        + ", ".join(
            f"{way} (`{preset}`, {size.generations[way]} generations)" for way, preset in WAYS.items()
        )
        + ": an image for each digit. Seven detectors that this search does not know score them, and the first "
        f"{size.real:,} images of the test set: *max-softmax* and *max-logit*; *energy*; *odin* (softmax at a "
        f"temperature of 1,000, after a step of {settings.odin_epsilon:g}); *mahalanobis* (class means and one "
        f"covariance, of Ledoit and Wolf, of the features before the last layer) and *neighbours* (distance to the "
        f"{settings.neighbours}. nearest, features of length 1), both of {settings.training_images or size.compared:,} "
        f"training images; and *disagreement* with {BESIDE} networks of the same kind that were trained from other "
        "seeds. Nothing of them is tuned with fooling images. `detectors.py` has them, with their sources.",
        "**Real images are the positive side.** A detector's score is higher for what is more like a real image. The "
        "*AUROC* is the chance that a real image scores higher than an archive's: 1 is a perfect monitor, 0.5 one that "
        "knows nothing, below that it takes fooling images for more real than real ones. The *false-positive rate at "
        "95 % true positives* is the share of the archive's images that pass the monitor when its threshold lets 95 % "
        "of the real images pass: 0 is a perfect monitor.",
        "**Who knows the monitor** evolves against a classifier with one class more, *detected*, whose logit rises as "
        f"a score falls ({STEEPNESS:g} logits for the way from the median of real images to the threshold), so that a "
        "digit has 99.99 % there only where the network is that sure *and* the score is beyond the threshold "
        "(`joint.py`). The engine, its presets and operators are the same; "
        + ", ".join(f"{way} have {count}" for way, count in size.joint_generations.items())
        + " generations. *all-four* is who knows max-logit, energy, mahalanobis and neighbours together. What is found "
        "is scored by the detectors themselves, not by the attacker's form of them.",
        f"**By cell**: `mnist-grid`, {grid.evaluations:,} evaluations against the {NETWORKS[MAPPED].line}, its images "
        "of which the network is at least 99.99 % sure.",
    )


def unknown(
    bench: Workbench,
    alone: Mapping[tuple[str, str], Figures],
    before: Mapping[tuple[str, str], Rates],
) -> None:
    """AUROC and false positives of every detector, network and way."""
    report, chance = bench.report, unlike_chance(before)
    report.section("Results: monitors that the search does not know")
    results: dict[str, object] = {}
    for kind in KINDS:
        rows = []
        for number, name in enumerate(DETECTORS):
            row: list[object] = [name]
            for way in WAYS:
                each = before[kind, way]
                area, passing = interval(each.auroc[:, number]), interval(each.passing[:, number])
                row += [f"{area}{'*' if chance[kind, way, name] else ''}", passing]
                results[f"{kind}, {way}, {name}"] = {"auroc": area, "false positives": passing}
            rows.append(row)
        sure = ", ".join(
            f"{way} {interval((alone[kind, way]['log_odds'] >= CERTAIN).mean(axis=1))}" for way in WAYS
        )
        report.text(
            f"**{NETWORKS[kind].line}.** AUROC, and false-positive rate at 95 % true positives (real images are "
            f"positive). Share of the digits that it is at least 99.99 % sure of: {sure}."
        )
        header = [part for way in WAYS for part in (f"{way}: AUROC", "false positives")]
        report.table(["detector", *header], rows)
    report.text(f"\\* differs from 0.5 beyond chance, of all {len(chance)} together (Holm 1979).")
    area, passing = overall(before)
    best, behind = behind_the_best(area)
    rows = [
        [
            name,
            interval(area[:, number]),
            interval(passing[:, number]),
            f"{behind[name][0]}{'*' if behind[name][1] else ''}" if name in behind else "",
        ]
        for number, name in enumerate(DETECTORS)
    ]
    report.text(
        f"Means over networks and ways, and how far each AUROC is behind that of {best}, paired by seed (\\* beyond "
        f"chance, of all {len(behind)} together):"
    )
    report.table(["detector", "AUROC", "false positives", f"behind {best}"], rows)
    bench.results["unknown"] = results
    bench.results["overall"] = {
        name: {"auroc": interval(area[:, number]), "false positives": interval(passing[:, number])}
        for number, name in enumerate(DETECTORS)
    }


def classes(bench: Workbench, before: Mapping[tuple[str, str], Rates]) -> None:
    """The same by class."""
    report = bench.report
    report.section("Results: by class")
    report.text(
        "AUROC of a digit's image against the real images that the network calls so, mean over the three ways (each "
        "is in `results.json`, with the false positives):"
    )
    results: dict[str, object] = {}
    for kind in KINDS:
        area = np.mean([before[kind, way].class_auroc for way in WAYS], axis=0)
        report.text(f"**{NETWORKS[kind].line}**")
        report.table(
            ["digit", *DETECTORS],
            [
                [digit, *(_present(area[:, number, digit]) for number in range(len(DETECTORS)))]
                for digit in range(area.shape[2])
            ],
        )
        for way in WAYS:
            each = before[kind, way]
            results[f"{kind}, {way}"] = {
                name: {
                    "auroc": [_present(each.class_auroc[:, number, digit]) for digit in range(area.shape[2])],
                    "false positives": [
                        interval(each.class_passing[:, number, digit]) for digit in range(area.shape[2])
                    ],
                }
                for number, name in enumerate(DETECTORS)
            }
    bench.results["by class"] = results


def _present(values: np.ndarray) -> Interval:
    """Over the seeds that have the class among their real images."""
    return interval(values[np.isfinite(values)])


def cells(bench: Workbench, found: Maps, grid: Config) -> None:
    """The same by cell of the measures."""
    report, (first, second) = bench.report, map(str, grid.measures)
    report.section("Results: by cell of the measures")
    report.text(
        f"{len(found.images)} grid archives with {', '.join(f'{count:,}' for count in found.images)} images of which "
        f"the {NETWORKS[MAPPED].line} is at least 99.99 % sure. All of them, and the cells where a detector is worst "
        "and best (mean over digits and archives):"
    )
    rows, results = [], {}
    for number, name in enumerate(DETECTORS):
        area, passing = (interval(found.rates[:, number, row]) for row in range(2))
        there = found.auroc[number][np.isfinite(found.auroc[number])]
        ends = [there.min(), there.max()] if there.size else [np.nan, np.nan]
        rows.append([name, area, passing, *(f"{value:.3f}" for value in ends)])
        results[name] = {
            "auroc": area,
            "false positives": passing,
            "auroc by cell": found.auroc[number],
            "false positives by cell": found.passing[number],
        }
    report.table(["detector", "AUROC", "false positives", "AUROC, worst cell", "best cell"], rows)
    pictures.draw_maps(bench, found, first, second)
    bench.results["by cell"] = results


def known(
    bench: Workbench,
    both: Mapping[tuple[str, str, str], Figures],
    attacks: Mapping[tuple[str, str, str], Attack],
    gained: Mapping[tuple[str, str, str], bool],
) -> None:
    """What attackers get who know the monitor."""
    report = bench.report
    report.section("Results: monitors that the search knows")
    report.text(
        "Share of the ten digits whose image the network is at least 99.99 % sure of, and of those that also pass the "
        "known detectors, evolved against the network alone and against both; the AUROC of the known detector (of "
        "all-four, the highest of theirs) on either's images:"
    )
    rows, results = [], {}
    for (kind, way, name), each in attacks.items():
        values = {
            "evaluations": int(both[kind, way, name]["evaluations"].flat[0]),
            "sure": interval(each.sure),
            "through, alone": interval(each.through_alone),
            "through": interval(each.through),
            "gained": each.gained,
            "auroc, alone": interval(each.auroc_alone),
            "auroc": interval(each.auroc),
        }
        results[f"{kind}, {way}, {name}"] = values
        rows.append(
            [
                f"{NETWORKS[kind].line}, {way}, {name}",
                f"{values['evaluations']:,}",
                values["sure"],
                values["through, alone"],
                f"{values['through']}{'*' if gained[kind, way, name] else ''}",
                values["auroc, alone"],
                values["auroc"],
            ]
        )
    report.table(
        [
            "network, way, known",
            "evaluations",
            ">= 99.99 %",
            "and pass: alone",
            "and pass: both",
            "AUROC: alone",
            "AUROC: both",
        ],
        rows,
    )
    report.text(
        f"\\* more or fewer than alone beyond chance, paired by seed, of all {len(gained)} together (Holm 1979)."
    )
    bench.results["known"] = results


def others(
    bench: Workbench,
    both: Mapping[tuple[str, str, str], Figures],
    after: Mapping[tuple[str, str, str], Rates],
) -> None:
    """What the detectors that an attacker does not know make of the images."""
    bench.report.section("Results: does a detector that the attacker does not know catch them?")
    bench.report.text(
        "False-positive rate of every detector on the images that were evolved against network and monitor (known "
        "ones in italics):"
    )
    rows, results = [], {}
    for (kind, way, name), each in after.items():
        values = [interval(each.passing[:, number]) for number in range(len(DETECTORS))]
        rows.append(
            [
                f"{NETWORKS[kind].line}, {way}, {name}",
                *(
                    f"*{value}*" if detector in JOINT[name] else str(value)
                    for detector, value in zip(DETECTORS, values, strict=True)
                ),
            ]
        )
        results[f"{kind}, {way}, {name}"] = {
            detector: {"false positives": value, "auroc": interval(each.auroc[:, number])}
            for number, (detector, value) in enumerate(zip(DETECTORS, values, strict=True))
        }
    bench.report.table(["network, way, known", *DETECTORS], rows)
    bench.results["others"] = results


def limits(bench: Workbench) -> None:
    """What the study does not show."""
    bench.report.section("Limits")
    bench.report.text(
        "Digits, and two small networks. Real images are MNIST's test set: a monitor that lets 95 % of them pass may "
        "refuse digits of another hand. An archive has ten images, one a digit, so a false-positive rate goes in steps "
        "of a tenth and an interval is over seeds that each trained their own networks; of neighbouring seeds some are "
        "shared, as those beside. ODIN's step and temperature are its authors', and features are of one layer; tuned "
        "with fooling images they would do better on these, and on these only. Who knows a detector knows its training "
        "images and threshold, too. The threshold is of the images that the rates are measured with. In some images "
        "that pass the LeNet's monitor the eye finds a digit (the picture above): that they pass is measured, whether "
        "they still show nothing is not."
    )
