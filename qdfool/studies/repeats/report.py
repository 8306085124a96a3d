"""What the study `repeats` reports: its question, method, tables and limits."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from qdfool.analysis.statistics import interval
from qdfool.studies.repeats import detection, pictures
from qdfool.studies.repeats.answer import answer, percent
from qdfool.studies.repeats.conditions import FEWEST, Setting, Unit
from qdfool.studies.repeats.effects import FALL, LOOKS, Effects, effects_of, looks_tested, tested
from qdfool.studies.repeats.removal import FILLS, covered
from qdfool.studies.study import Workbench

NAMED = Path(__file__).parents[1] / "named" / "repeats.md"


def write(bench: Workbench, chosen: Sequence[Setting], found: Mapping[str, Sequence[Unit]]) -> None:
    """Fills the workbench's report and results.

    Args:
        bench: the workbench.
        chosen: what was examined.
        found: its units, by name, a seed each.
    """
    effects = {setting.name: effects_of(found[setting.name], setting.square) for setting in chosen}
    question(bench, chosen)
    images(bench, chosen, found)
    removal(bench, chosen, effects)
    by_number(bench, chosen, effects)
    occlusion(bench, chosen, effects)
    pictures.draw(bench, chosen, found, effects)
    bench.report.section("Answer")
    paragraphs = answer(chosen, effects)
    bench.report.text(*paragraphs)
    bench.results["answer"] = paragraphs[0]
    limits(bench)
    bench.report.named(NAMED)


def question(bench: Workbench, chosen: Sequence[Setting]) -> None:
    """Question and method."""
    report = bench.report
    report.section("Question")
    report.text(
        "Many of the images that CPPNs draw to fool a network have a pattern in them over and over. Nguyen, Yosinski "
        "and Clune 2015 (arXiv 1412.1897) took copies away; readers recall that many images then lose confidence, so "
        "that repetition adds, although one copy would do to show what the thing is (*unverified*: recalled, not "
        "checked against the paper). Is it so, and is it the copies, or would any patch be missed? And where does the "
        "network look, before and after?"
    )
    kinds = "; ".join(
        f"{setting.line}: `{setting.config.preset}` on {setting.config.classifier}, {_evaluations(setting):,} "
        f"evaluations, {len(setting.seeds)} seeds"
        for setting in chosen
    )
    report.section("Method")
    report.text(
        f"*Images*: elites with a confidence of {bench.settings.sure:g} or more. {kinds}.",
        "*Repeats*: the image less its broad shading (a blur of an eighth of its side) is correlated with itself at "
        "every displacement up to two fifths of its sides, each time over the pixels that both share (masked "
        "normalised cross-correlation, Padfield 2012). It repeats where a correlation of "
        f"{detection.AGAIN:g} or more is cut off from the ridge around no displacement by values below "
        f"{detection.BETWEEN:g}; the nearest such displacement is the period. What does not repeat as a whole is "
        f"looked through with {detection.WINDOWS} x {detection.WINDOWS} windows of two thirds of its sides, of which "
        "the one that repeats most counts. The element is the square of one period where image or window and its "
        "moved self have most in common. Its copies are the places in all of the image, best ones first and at least "
        f"{detection.APART:g} periods apart, that correlate with it by {detection.ALIKE:g} or more. A copy is the "
        "patch of half a period in the middle of such a place, so that as much is left between copies; along a side "
        f"that the image is the same along (stripes) it reaches from border to border. Images with "
        f"{FEWEST} copies or more are followed, if between them there is room for as many patches of the same size as "
        "have to go to leave one.",
        f"*Removal*: copies go one after the other, in random orders ({_each(chosen, 'orders')}), and in their place "
        "comes `blur`, the image blurred by a standard deviation of one period, or `border`, the median colour of the "
        "image's outermost pixels. The control takes as many patches of the same size from random places that touch no "
        "copy, in the same way. Of each image the mean over orders counts, of each seed the mean over images; "
        "intervals are over seeds. A loss is in log-odds of the class, from all copies kept to one.",
        f"*Where the network looks*: a grey square (pixels a side: {_each(chosen, 'square')}) slides over the image "
        f"(steps down and across: {_each(chosen, 'steps')}); what it lowers the log-odds by is laid on the pixels "
        "that it covers (Zeiler and Fergus 2014). The density of a part is the mean of that over the part, against "
        f"the mean over the image. The same of the image with one copy kept (`{FILLS[0]}`). At most so many images of "
        f"a seed are followed: {_each(chosen, 'followed')}; and occluded: {_each(chosen, 'occluded')}.",
        f"Whether the losses and their differences from the control differ from 0 is one question of "
        f"{4 * len(chosen)} tests, whether densities differ from 1 another of as many, each corrected for their number "
        "(Holm 1979), paired by image and seed.",
    )


def _evaluations(setting: Setting) -> int:
    config = setting.config
    return config.evaluations or (config.generations or 0) * config.batch_size


def _each(chosen: Sequence[Setting], what: str) -> str:
    return ", ".join(f"{setting.line} {getattr(setting, what):,}" for setting in chosen)


def images(bench: Workbench, chosen: Sequence[Setting], found: Mapping[str, Sequence[Unit]]) -> None:
    """How many images there are, and how many of them have repeats."""
    rows, results = [], {}
    for setting in chosen:
        units = found[setting.name]
        gone = [unit.removal for unit in units]
        of_all = np.concatenate([each["copies"] for each in gone])
        followed = [np.isin(np.arange(len(each["copies"])), each["followed"]) for each in gone]
        copies = of_all[np.concatenate(followed)]
        periods = np.concatenate([each["period"] for each in gone])[np.concatenate(followed)]
        counts = {
            "sure": [len(each["copies"]) for each in gone],
            "repeating": [int((each["strength"] > 0).sum()) for each in gone],
            "three": [int((each["copies"] >= FEWEST).sum()) for each in gone],
            "followed": [len(each["followed"]) for each in gone],
        }
        area = [share for unit in units for share in _areas(unit)]
        summed = {name: interval(values) for name, values in counts.items()}
        middle = {
            name: _quartiles(values)
            for name, values in (("copies", copies), ("period", periods), ("area", area))
        }
        results[setting.name] = {**summed, **middle}
        rows.append([setting.line, *summed.values(), *middle.values()])
    bench.report.section("Results: how many images repeat")
    bench.report.text(
        "Images of a seed that are sure enough, that repeat at all, that have three copies or more, and that are "
        "followed; then of those that are followed, the number of copies, the period in pixels, and the share of the "
        "area in copies: median, and quartiles in brackets."
    )
    bench.report.table(
        ["images", "sure", "repeat", "three copies", "followed", "copies", "period", "area in copies"], rows
    )
    bench.results["images"] = results


def _areas(unit: Unit) -> list[float]:
    gone, shape = unit.removal, unit.elites["images"].shape[1:]
    return [
        float(covered(shape, places[(places >= 0).all(1)], (int(patch[0]), int(patch[1]))).mean())
        for places, patch in zip(gone["places"], gone["patch"], strict=True)
    ]


def _quartiles(values: Sequence[float] | np.ndarray) -> str:
    if not len(values):
        return "none"
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"


def removal(bench: Workbench, chosen: Sequence[Setting], effects: Mapping[str, Effects]) -> None:
    """What is lost as copies go, and as patches between them do."""
    beyond, rows, results = tested(effects), [], {}
    for setting in chosen:
        of = effects[setting.name].by_measure
        results[setting.name] = {
            **{measure: dict(by_fill) for measure, by_fill in of.items()},
            "beyond chance": {
                f"{measure}, {fill}": beyond[setting.name, measure, fill]
                for measure in ("loss", "difference")
                for fill in FILLS
            },
        }
        for fill in FILLS:
            row: list[object] = [f"{setting.line}, `{fill}`"]
            row += [of[name][fill] for name in ("all kept", "one kept", "as many patches gone", "none kept")]
            for measure in ("loss", "loss between", "difference"):
                marked = " *" if beyond.get((setting.name, measure, fill), False) else ""
                row.append(f"{of[measure][fill]}{marked}")
            row += [
                percent(of[name][fill])
                for name in ("losing", "losing between", "losing more", "falling", "falling between")
            ]
            rows.append([*row, of["steadiness"][fill]])
    bench.report.section("Results: without copies")
    bench.report.text(
        "Confidence with all copies, with one, with as many patches between the copies gone, and with no copy; loss of "
        "log-odds from all copies to one, by as many patches between them, and the difference (* beyond chance); the "
        "share of images that lose by the first, by the second, and more by the first; the share whose confidence "
        f"falls by {FALL:g} or more, by the first and by the second; and the rank correlation of the log-odds with the "
        "number of copies kept, one or more, of each image:"
    )
    bench.report.table(
        [
            "images, background",
            "all kept",
            "one kept",
            "patches gone",
            "none kept",
            "loss",
            "loss between",
            "difference",
            "lose",
            "lose between",
            "lose more",
            "fall",
            "fall between",
            "rank correlation",
        ],
        rows,
    )
    bench.results["removal"] = results


def by_number(bench: Workbench, chosen: Sequence[Setting], effects: Mapping[str, Effects]) -> None:
    """Confidence by the number of copies kept."""
    rows, results = [], {}
    for setting in chosen:
        results[setting.name] = {}
        for count, (images, by_fill) in effects[setting.name].by_kept.items():
            if not np.isfinite(by_fill[FILLS[0]][0].low):  # of no seed or one
                continue
            row: list[object] = [f"{setting.line}, {count} kept", images]
            for fill, (whole, kept, between) in by_fill.items():
                row += [whole, kept, between] if fill == FILLS[0] else [kept, between]
            rows.append(row)
            results[setting.name][count] = {"images": images, **by_fill}
    bench.report.section("Results: confidence by the number of copies kept")
    bench.report.text(
        "Of the images that have more copies than so many, where two seeds have any: their number, over all seeds; the "
        "mean confidence with all copies, with so many kept, and with as many patches gone between the copies, for "
        "both backgrounds:"
    )
    bench.report.table(
        [
            "copies",
            "images",
            "all kept",
            *(f"{fill}: {what}" for fill in FILLS for what in ("kept", "patches gone")),
        ],
        rows,
    )
    bench.results["by number kept"] = results


def occlusion(bench: Workbench, chosen: Sequence[Setting], effects: Mapping[str, Effects]) -> None:
    """Where the network looks."""
    beyond, rows = looks_tested(effects), []
    for setting in chosen:
        row: list[object] = [setting.line]
        for part in LOOKS:
            value = effects[setting.name].looks[part]
            row.append(f"{value} *" if beyond.get((setting.name, part), False) else value)
        rows.append(row)
    bench.report.section("Results: where the network looks")
    bench.report.text(
        "Share of the area in copies; how much is looked at by area, 1 being as much as anywhere (* beyond chance): in "
        "copies, in as many patches between them, and, with one copy left, in that one and where the others were; and "
        "the mean fall of the log-odds under the square, before and after:"
    )
    bench.report.table(
        [
            "images",
            "area",
            "copies",
            "between",
            "the one kept",
            "where others were",
            "fall before",
            "fall after",
        ],
        rows,
    )
    bench.results["looks"] = {setting.name: dict(effects[setting.name].looks) for setting in chosen}


def limits(bench: Workbench) -> None:
    """What the study does not show."""
    bench.report.section("Limits")
    bench.report.text(
        "Only what is repeated by a plain displacement is found: copies that are mirrored, turned or scaled are not. A "
        "patch with straight borders is a new thing in an image, whatever is in it; the control has the same borders. "
        "In stripes and in tight patterns what lies between copies repeats as they do, so that the control takes away "
        "repeats, too, and a difference is harder to see. A copy is half a period wide and high: taking copies away "
        "leaves their surroundings. The images were evolved by a single view of the network, and of one seed some are "
        "related."
        + ("" if bench.quick else " Those of ImageNet had a fiftieth of the evaluations of the paper's.")
    )
