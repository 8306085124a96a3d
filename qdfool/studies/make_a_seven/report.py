"""What the study `make-a-seven` says: its tables, and an answer that follows from its numbers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from qdfool.analysis.statistics import Interval, beyond_chance, interval
from qdfool.studies.make_a_seven import loop
from qdfool.studies.recognisability import Yardstick
from qdfool.studies.report import Report
from qdfool.studies.study import Figures

CERTAIN = 1
"""Row of the threshold 0.99, which counts as converged."""
CHAIN = ("published", "index-seven", "live", "repaired")
"""The corrections of the loop, one after the other."""
REPAIRS = {
    "published": "nothing has to be corrected",
    "index-seven": "the index of the score",
    "live": "scores that are kept up to date",
    "repaired": "keeping the best images as they are",
}
LOG_ODDS_99 = float(np.log(0.99 / 0.01))
"""Log-odds of a probability of 0.99."""
NAMED = Path(__file__).parents[1] / "named" / "make-a-seven.md"


def question(report: Report) -> None:
    """The section on what is asked."""
    report.section("Question")
    report.text(
        "Somebody evolves a 28 x 28 matrix of zeros and ones, and later of greys, with the probability that a CNN "
        "gives the digit seven as its score. It does not converge, and its author is at a loss. One answer says "
        "that even if it did, it would not look like a seven; the other has remedies. So there are two questions: "
        "why does it not converge, and why does it not look like a seven? The document is a question at "
        "Stack Overflow with two answers."
    )


def method(
    report: Report,
    generations: int,
    wrong: float,
    errors: np.ndarray,
    references: int,
    ruler: Yardstick,
    ink: Mapping[int, int],
) -> None:
    """The section on what was done, and the list of what the document names.

    Args:
        report: to add to.
        generations: of every variant.
        wrong: share of the test images that the climbed classifier calls wrongly.
        errors: the judges'.
        references: real sevens that images are compared with.
        ruler: made of them.
        ink: median pixels of ink of the digits 0, 1 and 7.
    """
    report.section("Method")
    report.text(
        f"Every variant begins with {loop.POPULATION} white images and runs for {generations:,} generations, "
        f"{loop.POPULATION * (generations + 1):,} evaluations, against the packaged LeNet (test error "
        f"{100 * wrong:.1f} %). First comes the loop as the document and its repository "
        "(github.com/Max-SF1/GA_Mnist_generator) have it, then one correction after the other, then each remedy of "
        "the answers alone on the repaired loop, then several together, and at last the engine's own MAP-Elites with "
        "as many evaluations; it begins with noise and keeps an image of each digit.",
        "*Converging* is what the climbed classifier says: evaluations until an image of a generation has p(7) of "
        "0.5, 0.99 and 0.9999, and the final log-odds of the image that the loop's own score puts first.",
        "*Looking right* is what it is never asked (`studies/recognisability.py`). *Judges*: the mean probability of a "
        f"seven by {len(errors)} LeNets, trained on disjoint parts of MNIST of which half was speckled (test error "
        f"{interval(100 * errors)} %). *Closeness*: the correlation, slightly blurred, with the nearest of "
        f"{references:,} real sevens of the training set, scaled so that 0 is what 95 % of static stays below "
        f"({ruler.nothing:.2f}) and 1 the median of the test set's sevens of even index ({ruler.real:.2f}), which "
        "serve nothing else; those of odd index are scored and copied from. *Strokes*: the share of "
        "ink in connected strokes. *Recognisability* is the judges' probability, times the geometric mean of "
        "closeness "
        "and strokes. The distance is the root "
        "mean square difference of the pixels from the nearest real seven; by that alone a black image, which has "
        "little "
        "that could differ, is not much farther than a seven.",
        f"The median seven has {ink[7]} pixels brighter than 0.5, {100 * ink[7] / 784:.0f} %; zeros have {ink[0]}, "
        f"ones {ink[1]}.",
    )
    report.named(NAMED)


def converging(
    report: Report,
    found: Mapping[str, Figures],
    groups: Mapping[str, Mapping[str, str]],
    first: Mapping[str, np.ndarray],
    thresholds: tuple[float, ...],
    most: int,
) -> None:
    """The section on the first question: evaluations and log-odds."""
    report.section("Results: does it converge?")
    rows = []
    for group, members in groups.items():
        rows.append([f"**{group}**", *[""] * (len(thresholds) + 2)])
        for name in members:
            figures = found[name]
            rows.append(
                [
                    f"`{name}`: {members[name]}",
                    *(reached(row, most) for row in first[name]),
                    str(interval(figures["final"])),
                    f"{interval(100 * figures['ink'][:, -1])} %",
                ]
            )
    report.table(
        ["variant", *(f"evaluations to p(7) = {p:g}" for p in thresholds), "final log-odds of 7", "ink"], rows
    )
    report.text(
        f'"Never": in no seed within {most:,} evaluations; "2 of 5" stands before the mean of those that did. Ink is '
        "the share of pixels brighter than 0.5, of the whole last generation (of the one image for MAP-Elites). "
        "What `scaled` reaches is as its network sees it: blurred and times 255."
    )


def looking(report: Report, seen: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """The section on the second question: recognisability, from the most to the least."""
    report.section("Results: does it look right?")
    header = [
        "variant",
        "recognisability",
        "judges: probability",
        "judges: share",
        "closeness",
        "strokes",
        "distance",
    ]
    every = {**{name: look.measured for name, look in seen.items()}}
    every |= {
        name: type(look.measured)(*(v.mean(axis=1) for v in look.measured)) for name, look in known.items()
    }
    ordered = sorted(every, key=lambda name: -every[name].combined.mean())
    rows = []
    for name in ordered:
        m = every[name]
        parts = (m.combined, m.probability, m.agreement, m.closeness, m.strokes, m.distance)
        rows.append([f"*{name}*" if name in known else f"`{name}`", *(str(interval(part)) for part in parts)])
    report.table(header, rows)
    report.text(
        "In italics: examples to compare with, means of forty for each seed. Real sevens are of the test set; a "
        "four is a digit, but not this one."
    )


def answer(
    report: Report,
    found: Mapping[str, Figures],
    seen: Mapping[str, Any],
    known: Mapping[str, Any],
    first: Mapping[str, np.ndarray],
    together: np.ndarray,
) -> None:
    """The section that answers both questions, in words that depend on the numbers."""
    report.section("Answer")
    report.text(why_not_converging(found, first), why_not_a_seven(found, seen, known, first, together))
    remedies(report, found, seen, known, first)


def why_not_converging(found: Mapping[str, Figures], first: Mapping[str, np.ndarray]) -> str:
    """The first answer."""
    seeds = len(found["published"]["final"])
    sure = {name: int((found[name]["final"] >= LOG_ODDS_99).sum()) for name in found}
    turns = next((name for name in CHAIN if sure[name] == seeds), None)
    begins = found["published"]["ink"][:, -1].mean()
    static = ", which is static" if 0.4 < begins < 0.6 else ""
    said = [
        f"**Why it does not converge.** As published, {sure['published']} of {seeds} seeds end with p(7) of 0.99. "
        "The "
        "population is sorted when it is made, of 40 equal white images, and never again: the same 30 are mutated "
        "over and over whatever they score, and the children of pairs never join them. That is a random walk, not a "
        f"search: the white images drift to {100 * begins:.0f} % ink{static}.",
        f"Index 7 instead of index 6, alone, gives {sure['index-seven']} of {seeds}"
        + (": the index is a mistake, but not the one that matters." if sure["index-seven"] < seeds else "."),
    ]
    six = int((found["live-six"]["final_asked"] > LOG_ODDS_99).sum())
    said.append(
        f"With scores kept up to date and index 6, {six} of {seeds} seeds end certain (0.99), of a six: the mean "
        f"log-odds of a seven there are {interval(found['live-six']['final'])}."
    )
    if turns is None:
        said.append("No correction of the loop made all seeds end with 0.99 within this budget.")
    elif turns == "published":
        said.append("So here the loop converges as it is, against the author's experience.")
    else:
        gain = interval(first["repaired"][CERTAIN] / first["live"][CERTAIN])
        effect_of_elitism = (
            f"Keeping the ten best as they are takes {gain} times the evaluations to 0.99"
            + (", beyond chance." if gain.excludes(1) else ", which may be chance.")
            if turns == "live" and np.isfinite(gain.mean)
            else ""
        )
        said.append(
            f"What turns it is {REPAIRS[turns]} (`{turns}`: all {seeds} seeds end with 0.99 or more; first "
            f"reached after {interval(first[turns][CERTAIN])} evaluations). {effect_of_elitism}"
        )
    unrepaired = sure["unrepaired-together"]
    said.append(
        f"All remedies of the answers together, on the loop that is sorted once, end there in {unrepaired} of {seeds}"
        + unselected(found)
    )
    lost = sure["scaled"]
    said.append(
        f"Pixels blurred and multiplied by 255, as in the repository, end there in {lost} of {seeds} even in the "
        "repaired loop"
        + (
            ": a network trained on 0 to 1 then says exactly 0 or 1, and a score of exactly 0 has no slope."
            if lost < seeds
            else "."
        )
    )
    return " ".join(said)


def why_not_a_seven(
    found: Mapping[str, Figures],
    seen: Mapping[str, Any],
    known: Mapping[str, Any],
    first: Mapping[str, np.ndarray],
    together: np.ndarray,
) -> str:
    """The second answer."""
    scores = {name: float(look.measured.combined.mean()) for name, look in seen.items()}
    certain = [name for name in found if (found[name]["final"] > LOG_ODDS_99).all()]
    real = float(known["real sevens"].measured.combined.mean())
    specks = float(known["sevens, 20 % specks"].measured.combined.mean())
    correlation = interval(together)
    if not certain:
        return (
            "**Why it does not look like a seven.** No variant was certain in all seeds: nothing to look at."
        )
    worst, best = min(certain, key=scores.__getitem__), max(certain, key=scores.__getitem__)
    below = [name for name in certain if scores[name] < specks]
    said = [
        f"**Why it does not look like a seven.** {len(certain)} of {len(found)} variants end certain of a seven "
        "(0.99 "
        f"and more in all seeds). Their recognisability goes from {scores[worst]:.2f} (`{worst}`) to "
        f"{scores[best]:.2f} (`{best}`); real sevens have {real:.2f}, and in the mean {len(below)} of the "
        f"{len(certain)} "
        f"have less than real sevens with a fifth of their pixels inverted ({specks:.2f}), which people can still "
        "read: "
        "the measure is strict about specks.",
        f"For each seed, log-odds and recognisability have a rank correlation over the {len(found)} variants; its "
        f"mean over seeds is {correlation}" + relation(correlation),
    ]
    fooled = [
        name
        for name in certain
        if seen[name].measured.probability.mean() >= 0.9 and scores[name] < 0.5 * real
    ]
    if fooled:
        said.append(
            f"Nor is it enough to ask other networks: for {len(fooled)} of them ({names_of(fooled)}) the "
            "judges' mean probability of a seven is 0.9 or more all the same. Closeness and strokes tell."
        )
    if scores[worst] < 0.5 * real:
        said.append(
            "Certainty does not bring recognisability with it: a classifier of ten digits was never shown what is no "
            "digit and has to call everything one. An image need "
            "only lie on the right side, and there are many more such images without a shape than with one. This is "
            "what the first answer says: the loss goes down, and the images are adversarial."
        )
    else:
        said.append(
            "Here all images that the classifier is certain of are recognisable at least half as well."
        )
    return " ".join(said)


def unselected(found: Mapping[str, Figures]) -> str:
    """What the remedies are worth where nothing is selected, beside where something is."""
    with_, without = found["together-cheat"]["final"], found["unrepaired-together"]["final"]
    less = interval(without - with_)
    if less.high < 0:
        return (
            f", and at log-odds of {interval(without)}, against {interval(with_)} on the repaired loop: among 40 "
            "images of so little ink one is soon called a seven, but nothing is built upon it. So evaluations until "
            "some image is called a seven, in the table, say less than where a variant ends."
        )
    return f", and at log-odds that differ from those on the repaired loop by {less}."


def names_of(names: list[str]) -> str:
    """As the tables have them, with commas."""
    return ", ".join(f"`{name}`" for name in names)


def relation(correlation: Interval) -> str:
    """What rank correlations over the same variants, one for each seed, say in words."""
    if not correlation.excludes(0.0):
        return ": these seeds do not tell it from 0. They are two axes."
    strength = (
        "weak" if abs(correlation.mean) < 0.3 else "moderate" if abs(correlation.mean) < 0.7 else "strong"
    )
    way = "go together" if correlation.mean > 0 else "go against each other"
    return (
        f": a {strength} one on which the seeds agree, for these variants; the interval says nothing of others. The "
        f"two {way} in part, and the table shows where they do not."
    )


def remedies(
    report: Report,
    found: Mapping[str, Figures],
    seen: Mapping[str, Any],
    known: Mapping[str, Any],
    first: Mapping[str, np.ndarray],
) -> None:
    """What each remedy moves, against the repaired loop, seed by seed."""
    base, odds = seen["repaired"].measured.combined, found["repaired"]["final"]
    names = [name for name in ("log-odds", *loop.ALONE, *loop.TOGETHER, *loop.PRESETS) if name in found]
    cells, p_values = {}, {}
    for name in names:
        ratio = interval(first[name][CERTAIN] / first["repaired"][CERTAIN])
        moved = (interval(seen[name].measured.combined - base), interval(found[name]["final"] - odds))
        cells[name] = [str(ratio) if np.isfinite(ratio.mean) else "-", *map(signed, moved)]
        for column, p in enumerate((ratio.p_value(1), *(value.p_value(0) for value in moved))):
            p_values[name, column] = p
    stars = {key: " *" if told else "" for key, told in beyond_chance(p_values).items()}
    report.text(
        "**What the remedies do**, seed by seed, against the repaired loop (a star: beyond chance, at 5 % for all "
        f"{np.isfinite(list(p_values.values())).sum()} comparisons of the table together, Holm 1979; the intervals "
        "are each at 95 % for itself):"
    )
    report.table(
        ["variant", "evaluations to 0.99, ratio", "recognisability, change", "log-odds, change"],
        [
            [f"`{name}`", *(cell + stars[name, column] for column, cell in enumerate(cells[name]))]
            for name in names
        ],
    )
    best = max(seen, key=lambda name: seen[name].measured.combined.mean())
    top, real = (
        interval(seen[best].measured.combined),
        interval(known["real sevens"].measured.combined.mean(axis=1)),
    )
    if top.mean >= 0.9 * real.mean:
        end = "which is as good as real."
    elif loop_cheats(best):
        end = "short of a real seven, although pieces of real ones were copied into it."
    else:
        end = "short of a real seven."
    report.text(f"The most of a seven is `{best}` with {top}, against {real} of real sevens: {end}")


def made(report: Report) -> None:
    """The sections on how each figure was made, and on what this cannot say."""
    report.section("How each figure was made")
    report.text(
        "- *Evaluations, log-odds, ink, curves*: `loop.evolved` records the highest confidence of each generation; "
        "`measurement.first_evaluation` and `statistics.interval` make the table, `pictures.draw_curves` the curves. "
        "Loops that do not score their images are charged for them, too.\n"
        "- *Recognisability and its parts*: `recognisability.recognisability` of the last generation's best image "
        "by the loop's own score, with the judges of `judges.train_judges`.\n"
        "- *Gallery*: of each variant the image of the seed whose recognisability is in the middle, sorted "
        "(`pictures.draw_gallery`).\n"
        "- *Sure, and a seven*: means over seeds (`pictures.draw_both`). The rank correlation is Spearman's, over "
        "variants, one for each seed; its interval is over seeds, the variants being the same "
        "(`statistics.rank_correlation_by_seed`).\n"
        "- *Beyond chance*: Student's t test over seeds; the stars of a table are corrected for its number of "
        "comparisons (`statistics.holm`)."
    )
    report.section("Limits")
    report.text(
        "The classifier is our LeNet, not the author's network; where its white image stands decides how flat the "
        "beginning is. All but the engine begin with white, as the author did. The judges are LeNets as well and "
        "share some of its blind spots, which is why closeness and strokes count as much. In single precision p "
        "rounds to 1 at log-odds of 16.6: the question's score says nothing beyond, images drift from there, and "
        "differences of log-odds between variants that got there say little. The ink repair, the chance of cheating "
        "and the number of best images that stay are our readings; the seeds are few, so that a difference without "
        "a star is not shown to be none."
    )


def loop_cheats(name: str) -> bool:
    """Whether a variant copies patches of real sevens."""
    variant = {**loop.LOOP, **loop.ALONE, **loop.TOGETHER}.get(name)
    return variant is not None and variant.cheat


def signed(value: Interval) -> str:
    """An interval with the sign of its mean."""
    return f"{'+' if value.mean >= 0 else ''}{value}"


def reached(evaluations: np.ndarray, most: int) -> str:
    """Evaluations [S] as a cell of a table; NaN is a seed that never got there."""
    there = evaluations[np.isfinite(evaluations)]
    if not len(there):
        return "never"
    if len(there) == len(evaluations):
        return str(interval(there))
    return f"{len(there)} of {len(evaluations)}: {there.mean():,.0f}"
