"""What the study `decision-boundary` says: its question, method, tables and limits."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from qdfool.analysis.statistics import Interval, interval
from qdfool.studies.decision_boundary import pictures, places
from qdfool.studies.decision_boundary.answer import Finding, answer, findings_of, sigmoid
from qdfool.studies.decision_boundary.conditions import (
    CROSSED,
    MUTATED,
    POOLED,
    POPULATION,
    POPULATIONS,
    TOURNAMENT,
    Condition,
    Size,
)
from qdfool.studies.study import Figures, Workbench
from qdfool.types import Classifier

NAMED = Path(__file__).parents[1] / "named" / "decision-boundary.md"


def write(
    bench: Workbench,
    size: Size,
    chosen: Mapping[str, Condition],
    found: Mapping[str, Figures],
    grid: Figures,
    classified: Classifier,
) -> None:
    """Fills the workbench's report and results.

    Args:
        bench: the workbench.
        size: of the form that was run.
        chosen: the conditions.
        found: condition to its units, [S, ...].
        grid: those of the grid archive.
        classified: the classifier of the base.
    """
    findings = findings_of(chosen, found)
    question(bench, size, chosen, classified)
    table(bench, size, chosen, found, findings)
    influence(bench, chosen, found)
    lifted(bench, size, chosen, found)
    middle(bench, grid, classified.image_shape)
    pictures.draw(bench, size, chosen, found, grid, classified)
    answer(bench, chosen, found, findings)
    limits(bench)
    bench.report.named(NAMED)


def question(bench: Workbench, size: Size, chosen: Mapping[str, Condition], classified: Classifier) -> None:
    """Question and method."""
    report, (height, width, _) = bench.report, classified.image_shape
    report.section("Question")
    report.text(
        "A question at Stack Exchange: images of black pixels on white are evolved to be a cat for a binary "
        "classifier, with a penalty for each pixel. Whatever the network and the crossover, the pixels end up towards "
        "the edges. Even when evolution is held in the middle for 3,000 generations, what comes after is better. "
        "Why are the pixels never in the middle?"
    )
    report.section("Method")
    network = (
        f"LeNet, {classified.class_names[0]} against the rest. LeNet does not pad, and there is no second network: the "
        "padding controls and the second network are of the full form only"
        if bench.quick
        else f"MobileNet v1 of width 0.25, {classified.class_names[0]} against the rest, and MobileNet v2 as the "
        "second network"
    )
    report.text(
        f"Images of {height} x {width} pixels, all black pixels in a list of {size.capacity} slots; {network}. "
        f"Population {POPULATION}, each from a single black pixel; crossover {CROSSED}, one of rectangle swap, "
        f"alternating columns and list crossover drawn for each child; each slot drawn anew with {MUTATED}; loss = "
        f"binary cross-entropy + {bench.settings.penalty:g} x number of black pixels. Selection is not in the account: "
        f"tournaments of {TOURNAMENT}, the best is kept. Each control changes one thing.",
        f"*Where ink is*: of each seed, the pixels of the {POOLED} fittest of the last population together, so that "
        "each seed counts once however few its pixels; for drift, the pixels of all individuals of "
        f"{POPULATIONS} populations. The outer ring is the outermost eighth along each edge (44 % of the area), the "
        "middle is the middle half of height and width (25 %). A density of 1 is uniform. Whether an outer density "
        "differs from it, or from the base's, seed by seed, is tested at 5 % for all conditions of one question "
        "together (Holm 1979): each crossover alone, what lies beyond the border, the second network; every other "
        "condition is a question of its own. The intervals are each at 95 % for itself. A control *removes* the "
        "preference if its interval is not above 1 and it differs from the base.",
    )


def table(
    bench: Workbench,
    size: Size,
    chosen: Mapping[str, Condition],
    found: Mapping[str, Figures],
    findings: Mapping[str, Finding],
) -> None:
    """Where ink ends up, and how sure the network is."""
    report = bench.report
    report.section("Results: where ink ends up")
    rows, results = [], {}
    for name, condition in chosen.items():
        figures, each = found[name], findings[name]
        row: list[object] = [f"`{name}`: {condition.line}", size.generations(condition.generations)]
        row += [each.outer, each.middle, each.verdict]
        results[name] = {
            "outer": each.outer,
            "middle": each.middle,
            "less": each.less,
            "verdict": each.verdict,
            "differs from the base": each.moved,
        }
        if condition.drift:
            row += ["", "", ""]
        else:
            sure = sigmoid(figures["log_odds"])
            values = {
                "confidence": interval(sure),
                "black_pixels": interval(figures["pixels"][:, -1]),
                "moved": interval(sigmoid(figures["moved"])),
            }
            results[name] |= {**values, "confidences": sure}
            row += [
                f"{values['confidence']} (best {sure.max():.3f})",
                values["black_pixels"],
                values["moved"],
            ]
        results[name] |= {
            "by_depth": profile(figures["ink"], places.depth, places.RINGS),
            "by_radius": profile(figures["ink"], places.radius, places.ANNULI),
        }
        rows.append(row)
    report.table(
        [
            "condition",
            "generations",
            "outer ring",
            "middle",
            "",
            "confidence of the best",
            "its pixels",
            "confidence, edge and middle exchanged",
        ],
        rows,
    )
    report.text(
        "Exchanged: the best image moved by half its height and width around its edges, so that what was at the edge "
        "is in the middle; the ink is the same."
    )
    bench.results["conditions"] = results


def profile(ink: np.ndarray, place: pictures.Place, bounds: tuple[float, ...]) -> list[Interval]:
    """Density in each part, over seeds."""
    parts = [places.density(one, place(*one.shape), bounds) for one in ink]
    return [interval(part) for part in np.array(parts).T]


def influence(bench: Workbench, chosen: Mapping[str, Condition], found: Mapping[str, Figures]) -> None:
    """What a single pixel does, by its place."""
    rows, results = [], {}
    for name, condition in chosen.items():
        if condition.drift:
            continue
        row: list[object] = [f"`{name}`"]
        results[name] = {}
        for image in ("alone", "beside"):
            edge, centre = (np.array(values) for values in zip(*map(_ends, found[name][image]), strict=True))
            results[name][image] = {"edge": interval(edge), "middle": interval(centre)}
            row += [interval(edge), interval(centre)]
        rows.append(row)
    bench.report.section("Results: what one pixel more does")
    bench.report.text(
        "Mean change of the log-odds of the target when one more pixel gets ink, in the outer ring and in the middle: "
        "on blank paper, and in the best image of the run. Below 0 it does harm."
    )
    bench.report.table(
        ["condition", "blank: outer ring", "middle", "best image: outer ring", "middle"],
        rows,
    )
    bench.results["one_pixel"] = results


def _ends(change: np.ndarray) -> tuple[float, float]:
    depth = places.depth(*change.shape)
    return float(change[depth < places.OUTER].mean()), float(change[depth >= places.MIDDLE].mean())


def lifted(
    bench: Workbench, size: Size, chosen: Mapping[str, Condition], found: Mapping[str, Figures]
) -> None:
    """The restriction to the middle, and what comes after it."""
    condition, figures = chosen["middle-first"], found["middle-first"]
    end, lift = size.generations(condition.generations), size.generations(condition.restricted)
    entropy = np.logaddexp(0, -figures["course"])
    loss = entropy + bench.settings.penalty * figures["pixels"]

    def at(generation: int) -> np.ndarray:
        return np.array(
            [
                np.interp(generation, steps, one)
                for steps, one in zip(figures["generations"], loss, strict=True)
            ]
        )

    before, after = interval(at(2 * lift - end) - at(lift)), interval(at(lift) - at(end))
    bench.report.section("Results: the restriction to the middle, and its lifting")
    bench.report.text(
        f"{lift:,} generations in the middle half of height and width, then {end - lift:,} everywhere. When the "
        f"restriction is lifted the best image has a confidence of {interval(sigmoid(figures['before_log_odds']))}, at "
        f"the end {interval(sigmoid(figures['log_odds']))}. In the {end - lift:,} generations before the lifting the "
        f"loss falls by {before}, in the {end - lift:,} after it by {after}. (The best is kept, so that no image that "
        f"comes later is worse.) At the end {share_outside(figures)} of the ink is outside the middle section."
    )
    bench.results["lifting"] = {"fall_before": before, "fall_after": after}


def share_outside(figures: Figures) -> Interval:
    """Of the ink, outside the middle half of height and width."""
    shares = []
    for ink in figures["ink"]:
        within = places.depth(*ink.shape) >= places.MIDDLE
        shares.append(1.0 - ink[within].sum() / max(ink.sum(), 1e-9))
    return interval(shares)


def middle(bench: Workbench, grid: Figures, image_shape: tuple[int, int, int]) -> None:
    """What ink in the middle can do, and its cost: the grid archive."""
    best, pixels = pictures.by_eccentricity(grid, image_shape[0] * image_shape[1])
    bounds = np.linspace(0, 1, best.shape[1] + 1)
    rows, results = [], []
    for column in range(best.shape[1]):
        reached = np.isfinite(best[:, column])
        label = f"{bounds[column]:.1f} to {bounds[column + 1]:.1f}"
        if not reached.any():
            rows.append([label, "none", "", ""])
            continue
        sure = sigmoid(best[reached, column])
        values = {"confidence": interval(sure), "pixels": interval(pixels[reached, column])}
        results.append({"eccentricity": label, **values})
        rows.append([label, f"{values['confidence']}", f"{sure.max():.3f}", values["pixels"]])
    bench.report.section("Results: how sure with ink in the middle, and at what cost")
    bench.report.text(
        "MAP-Elites with the same operators, a cell for each number of black pixels and mean distance of the ink "
        "from the centre (a corner is 1; ink spread over the middle half has 0.27, over everything 0.54): the image "
        "with the highest confidence at each distance, over all numbers of pixels, and how many it has."
    )
    bench.report.table(["distance from the centre", "confidence", "best seed", "black pixels"], rows)
    bench.results["grid"] = results


def limits(bench: Workbench) -> None:
    """What the study does not show."""
    bench.report.section("Limits")
    paragraph = (
        "The account's networks were fine-tuned for two classes at 299 pixels; ours are classes of networks that know "
        "more. Runs end after a set number of generations, before they converge, and some conditions keep few pixels."
    )
    if not bench.quick:
        paragraph += (
            " For speed the images have 64 pixels a side instead of 224. A network padded otherwise than it was "
            "trained is another network and sees less in photographs: it shows where ink goes, not what a cat is. "
            "A torus is the same network for an image and for the image moved by 32 pixels, so that edge and "
            "middle are alike by symmetry; the runs show that evolution finds it so."
        )
    bench.report.text(paragraph)
