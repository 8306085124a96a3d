"""What the study `gradient-ascent` says: its question, method, tables and limits."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from qdfool import analysis
from qdfool.analysis.statistics import interval
from qdfool.build import with_defaults
from qdfool.engine.objectives import confidence
from qdfool.results.history import VERY_SURE
from qdfool.studies.gradient_ascent import pictures
from qdfool.studies.gradient_ascent.answer import Findings, answer
from qdfool.studies.gradient_ascent.conditions import BASE, PAPER, PLAIN, SIDE, WAYS, Setting
from qdfool.studies.gradient_ascent.effects import (
    FIRST,
    Gain,
    Nearness,
    Reached,
    Shift,
    by_class,
    described,
    gains,
    nearness,
    reached,
    spreads,
)
from qdfool.studies.study import Figures, Workbench

NAMED = Path(__file__).parents[1] / "named" / "gradient-ascent.md"
Courses = Mapping[str, Mapping[str, Sequence[Figures]]]
"""By setting and way, the units by seed."""


def write(
    bench: Workbench,
    chosen: Sequence[Setting],
    courses: Courses,
    pictured: Mapping[str, Mapping[str, Figures]],
    names: Mapping[str, Sequence[str]],
) -> None:
    """Fills the workbench's report and results.

    Args:
        bench: the workbench.
        chosen: the settings that were run.
        courses: their units.
        pictured: by setting and regulariser, the units of images.
        names: of the classes of each setting.
    """
    question(bench, chosen)
    findings = {}
    for setting in chosen:
        found = courses[setting.name]
        of = {way: reached(units) for way, units in found.items()}
        bench.report.section(f"{setting.line}: how soon")
        soon = speed(bench, setting, of)
        pictures.curves(bench, setting, found)
        bench.report.section(f"{setting.line}: what the images are like")
        pictures.images(bench, setting, found, names[setting.name])
        near, apart, of_class = likeness(bench, setting, found)
        bench.report.section(f"{setting.line}: regularisers")
        kept = regularisers(bench, setting, pictured[setting.name], names[setting.name])
        findings[setting.name] = Findings(of, soon, near, apart, of_class, kept)
    answer(bench, chosen, findings)
    limits(bench, chosen, names)
    bench.report.named(NAMED)


def question(bench: Workbench, chosen: Sequence[Setting]) -> None:
    """Question and method."""
    report = bench.report
    report.section("Question")
    report.text(
        "Nguyen, Yosinski and Clune 2015 make images that a network is certain of, and that show nothing, in two ways: "
        "by evolution, of pixels and of CPPNs, and by ascent along the gradient of the confidence by the pixels. How "
        "soon is each certain, of every class? What of ascent on the weights of CPPNs, and of evolution and ascent "
        "together? What do the images look like, with regularisers and without, and how near are they to one another?"
    )
    report.section("Method")
    first = chosen[0]
    report.text(
        "A network, an image for each of its classes, and seven ways to these: the paper's two of evolution, its "
        "ascent, two more forms of that, and two ways of ascent on the weights of CPPNs"
        + (" (of which the quick form leaves some out):" if first.size.left_out else ":"),
        "\n".join(
            [
                f"- *{WAYS['pixels']}* and *{WAYS['cppns']}*: the presets `{first.name}-direct` and "
                f"`{first.name}-cppn`, which are the paper's.",
                f"- *{WAYS['ascent']}*: from grey with noise of one level (`--initial grey`, N(0, 1) around the mean "
                f"image in the authors' program), by steps that win at most {PAPER.early} of confidence, and at most "
                f"{PAPER.late:g} of what it lacks of 1, as far as it is linear (`--gradient-ascent.rule progress`); "
                f"after each step the image fades to grey by {PAPER.decay:g}. Those are the defaults of the program. A "
                "class that has 99.99 % is followed no more (`--gradient-ascent.selection unsure`), and a child "
                "competes for the class that it was bred for alone. On MNIST a class has at most 300 steps, as in "
                f"the program; {PAPER.steps} at a time from the class's best image, with noise as at the start.",
                f"- *{WAYS['plain-ascent']}*: the program's settings without any regularisation: no decay, steps that "
                f"win at most {PLAIN.early} of confidence, on MNIST 500 at most.",
                f"- *{WAYS['normalised-ascent']}*: the preset `{first.name}-gradient`.",
                f"- *{WAYS['weights']}*: random CPPNs, whose weights alone move, by the steps of the preset "
                "`imagenet-cppn-gradient`.",
                f"- *{WAYS['both']}*: that preset's way: evolution first "
                + " and ".join(
                    f"({setting.line}: until {setting.size.turn:,} of {setting.size.evolution:,} evaluations)"
                    for setting in chosen
                )
                + ", then ascent on weights alone.",
            ]
        ),
        "All go through one engine, which keeps the best image of each class, rounded to 256 levels. A run ends when "
        "every class has 99.99 %, or with its budget: "
        + "; ".join(
            f"{setting.line} {setting.size.evolution:,} evaluations, the paper's ascent {setting.size.ascent:,}, its "
            f"other forms {setting.size.plain:,}"
            for setting in chosen
        )
        + ". An evaluation is an image classified; a gradient is charged as four. "
        + (
            f"MNIST is the packaged LeNet, {len(first.seeds)} seeds; ImageNet is MobileNet v1 of width 0.25, images of "
            f"{SIDE} x {SIDE}, a thousand classes, one seed."
            if len(chosen) > 1
            else f"MNIST is the packaged LeNet, {len(first.seeds)} seeds; ImageNet is of the full form only."
        ),
    )


def said(values: np.ndarray) -> str:
    """A mean with its interval, or one value."""
    return str(interval(values)) if len(values) > 1 else number(float(values[0]))


def number(value: float) -> str:
    """A number without an interval: whole where it is large."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def sureness(values: np.ndarray) -> str:
    """A confidence with its interval, or one value in per cent."""
    return str(interval(values)) if len(values) > 1 else analysis.percent(float(values[0]))


def until(values: np.ndarray) -> str:
    """Evaluations until something, of the seeds that got there."""
    there = values[np.isfinite(values)]
    if not len(there):
        return "never"
    text = f"{there.mean():,.0f}" if len(there) == 1 else str(interval(there))
    return text if len(there) == len(values) else f"{text} ({len(there)} of {len(values)} seeds)"


def speed(bench: Workbench, setting: Setting, of: Mapping[str, Reached]) -> dict[str, Gain]:
    """When each way is certain, and how far it comes."""
    report, classes = bench.report, "classes" if setting.name == "imagenet" else "digits"
    report.text(
        "Evaluations, as they are charged, until the median confidence and that of every class has 99.99 %; then, at "
        "the end of the run, how many of the classes have it, the median, and the lowest:"
    )
    report.table(
        [
            "way",
            "until the median",
            "until every class",
            f"share of the {classes} at 99.99 %",
            "median confidence",
            "lowest",
            "evaluations in all",
        ],
        [
            (
                WAYS[way],
                until(each.median),
                until(each.every),
                said(each.share),
                sureness(each.confidence),
                sureness(each.lowest),
                said(each.charged),
            )
            for way, each in of.items()
        ],
    )
    cap = float(max(each.charged.max() for each in of.values()))
    made = gains(of, cap) if len(setting.seeds) > 1 else {}
    if made:
        report.text(
            f"Evaluations until every class has 99.99 %, less than {WAYS[BASE]} needs, paired by seed. A seed that did "
            f"not get there counts as {cap:,.0f}, the most that any run was charged. * is beyond chance, tested at 5 % "
            f"for all {len(made)} together (Holm 1979):"
        )
        report.table(
            ["way", f"fewer than {WAYS[BASE]}"],
            [(WAYS[way], f"{gain.less}{' *' if gain.told else ''}") for way, gain in made.items()],
        )
    report.text(
        "Seconds until a run's end, of one machine that other work shared, compilation not counted: they compare ways "
        "by orders of magnitude only, and differ from call to call: "
        + "; ".join(f"{WAYS[way]} {number(float(np.mean(each.seconds)))}" for way, each in of.items())
        + "."
    )
    # Seconds are not among the results, which are the same whenever the study is run again.
    bench.results.setdefault("reached", {})[setting.name] = {
        way: {
            "until the median": each.median,
            "until every class": each.every,
            "share": interval(each.share),
            "median confidence": interval(each.confidence),
            "lowest confidence": interval(each.lowest),
            "evaluations": each.charged,
        }
        for way, each in of.items()
    }
    bench.results.setdefault("fewer evaluations", {})[setting.name] = made
    return made


def likeness(
    bench: Workbench, setting: Setting, found: Mapping[str, Sequence[Figures]]
) -> tuple[Nearness, dict[str, Shift], dict[tuple[str, str], Shift]]:
    """How near images are to one another, and to grey."""
    names = list(found)
    near = nearness([found[way] for way in names])
    apart, of_class = spreads(near, names), by_class(near, names)
    report, several = bench.report, len(setting.seeds) > 1
    text = (
        f"Root mean square differences of pixels in [0, 1], of {len(setting.kept)} classes: of an image from grey, and "
        "between the images of two classes by one way. (Images of independent uniform noise are 0.408 apart, and 0.289 "
        "from grey.)"
    )
    header, rows = ["way", "from grey", "between two classes"], []
    for number, way in enumerate(names):
        rows.append([WAYS[way], said(near.grey[:, number]), said(near.other[:, number, number])])
    if several:
        header.append(f"more than {WAYS[BASE]}")
        text += (
            f" How much further apart they are than those of {WAYS[BASE]} is paired by seed; * is beyond chance, "
            f"tested for all {len(apart)} together (Holm 1979)."
        )
        for row, way in zip(rows, names, strict=True):
            row.append(f"{apart[way].value}{' *' if apart[way].told else ''}" if way in apart else "")
    report.text(text)
    report.table(header, rows)
    told = [pair for pair, shift in of_class.items() if shift.told and shift.value.mean > 0]
    alike = "; ".join(
        f"{first}: {', '.join(str(number + 1) for number, way in enumerate(names) if FIRST[way] == first)}"
        for first in dict.fromkeys(FIRST[way] for way in names)
    )
    text = (
        "The same between ways: between the images of one class, and in brackets of two classes; means over seeds. "
        f"Ways that begin alike ({alike}) share first images with a seed, and may be near for that alone."
    )
    if several:
        text += (
            f" Of the {len(of_class)} other pairs of ways, images of one class are nearer than those of two in "
            f"{len(told)}, beyond chance (paired by seed, Holm 1979)."
        )
    report.text(text)
    same, other = near.same.mean(axis=0), near.other.mean(axis=0)
    report.table(
        ["way", *(str(number + 1) for number in range(len(names)))],
        [
            (
                f"{row + 1}: {WAYS[way]}",
                *(
                    f"{same[row, column]:.3f} ({other[row, column]:.3f})" if column > row else ""
                    for column in range(len(names))
                ),
            )
            for row, way in enumerate(names)
        ],
    )
    bench.results.setdefault("nearness", {})[setting.name] = {
        "from grey": {way: interval(near.grey[:, number]) for number, way in enumerate(names)},
        "between two classes": {
            way: interval(near.other[:, number, number]) for number, way in enumerate(names)
        },
        "between ways": {
            f"{one} and {two}": {
                "one class": interval(near.same[:, names.index(one), names.index(two)]),
                "two classes": interval(near.other[:, names.index(one), names.index(two)]),
                "beyond chance": shift.told,
            }
            for (one, two), shift in of_class.items()
        },
    }
    return near, apart, of_class


def regularisers(
    bench: Workbench, setting: Setting, found: Mapping[str, Figures], names: Sequence[str]
) -> dict[str, np.ndarray]:
    """Ascent under each regulariser: confidences, and a picture."""
    report, of = bench.report, setting.regularised()
    lines = {name: f"{name}: {described(settings)}" for name, settings in of.items()}
    report.text(
        "Ascent as the authors' program has it for the pictures of the supplement: all steps from one grey image with "
        "noise, and the image after the last of them. The settings are the four that the program chooses for the "
        f"supplement, and its defaults; {len(setting.shown)} classes, seed {setting.seeds[0]}. (*Clips*: the share of "
        "the pixels that become grey after each step, those nearest to grey, and those that contribute least.)"
    )
    rows, sure = [], {}
    for name, unit in found.items():
        settings, sure[name] = of[name], confidence(unit["log_odds"])
        rows.append(
            (
                lines[name],
                settings.steps,
                f"{settings.early:g}, {settings.late:g}",
                f"{np.median(sure[name]):.4f}",
                f"{sure[name].min():.4f}",
                f"{(sure[name] >= VERY_SURE).sum()} of {len(sure[name])}",
            )
        )
    report.table(
        ["regulariser", "steps", "early and late", "median confidence", "lowest", "at 99.99 %"],
        rows,
    )
    pictures.regularisers(bench, setting, found, lines, names)
    bench.results.setdefault("regularisers", {})[setting.name] = sure
    return sure


def steps_a_class(setting: Setting, way: str, classes: int) -> float:
    """Steps by gradients that the budget of a way has for a class, in the mean."""
    config = with_defaults(setting.ways()[way], (SIDE, SIDE, 3))
    generations = (config.budget_generations() or 1) - 1  # The first is noise.
    return generations * config.batch_size * config.gradient_ascent.steps / classes


def limits(bench: Workbench, chosen: Sequence[Setting], names: Mapping[str, Sequence[str]]) -> None:
    """What the study does not show."""
    paragraph = (
        "The paper's ascent was run on Caffe's AlexNet, from the mean image; grey takes its place, and no digits were "
        "made by it. Ours keeps the best image of each class and goes on from there every ten steps, where the program "
        "goes on whatever a step did; a step is computed from the log-odds, where the program's gradient of the "
        "softmax is 0 in float32 for a class that is out of the question. A step that is to win 0.03 of confidence "
        "where that is 0.001 is one of 30 in log-odds: the less likely a class is, the further its first steps go. "
        "Steps, noise and weights' steps are one choice each; another may be faster. CPPNs have other budgets than "
        "ascent on pixels, because they need them. Distance by pixels is not what an eye sees: noise is far from noise."
    )
    for setting in chosen[1:]:
        ascent, plain = (
            steps_a_class(setting, way, len(names[setting.name])) for way in ("ascent", "plain-ascent")
        )
        paragraph += (
            f" On {setting.line} the budgets of the paper's ascent are {ascent:.0f} steps for a class in the mean, and "
            f"{plain:.0f} without decay, fewer than the program's 300 and 500."
            f" There is one seed, so no interval and no test; images have {SIDE} pixels a side instead of "
            "227, and evolution has a small part of the paper's evaluations (*unverified*)."
        )
    bench.report.section("Limits")
    bench.report.text(paragraph)
