"""What the study `negative-class` reports: one table, its pictures, and an answer computed from the figures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from qdfool import analysis
from qdfool.analysis.statistics import Interval, beyond_chance, interval, rank_correlation_by_seed
from qdfool.studies.negative_class.networks import SIX, THREE
from qdfool.studies.recognisability import Recognisability
from qdfool.studies.study import Figures, Workbench

BASE = "ten-digits"
SEARCH = {"genetic": 0, "engine": 1}
"""Index of a search in a unit's arrays."""
RECOGNISABLE = 0.5
"""Share of what real ones have, above which the answer calls images recognisable."""
PARTS = ("probability", "agreement", "closeness", "strokes", "distance")


def write(
    bench: Workbench,
    found: Mapping[str, Figures],
    known: Mapping[str, Recognisability],
    examples: Mapping[str, np.ndarray],
    judged: np.ndarray,
    size: Any,
) -> None:
    """Fills the workbench's report and results.

    Args:
        bench: the workbench.
        found: classifier to its units, [S, 2, ...] for the two searches.
        known: kinds of examples to how recognisable they are, [n] each.
        examples: their images.
        judged: test accuracy of the judges.
        size: numbers of the form that was run.
    """
    question(bench, judged, size)
    table(bench, found, known)
    moved = differences(bench, found)
    pictures(bench, found, known, examples)
    answer(bench, found, known, moved)
    bench.report.named(Path(__file__).parents[1] / "named" / "negative-class.md")


def question(bench: Workbench, judged: np.ndarray, size: Any) -> None:
    """Question and method."""
    report, evaluations = bench.report, 300 * (size.generations + 1)
    report.section("Question")
    report.text(
        "An account of a GitHub project (video: youtube.com/watch?v=3h3L5joNXyY) evolves black-and-white ones "
        "with a genetic algorithm whose fitness is the softmax "
        "of a "
        "CNN. Its author suspects that it matters what the CNN tells ones from, tries six training sets, gets "
        "nonsense "
        "that the CNN is sure of from each, and concludes that recognisable images cannot be evolved. Is it so "
        "for all "
        "six? And does anything else help: a class of noise, a class of fooling images, an ensemble?"
    )
    report.section("Method")
    report.text(
        f"Each seed trains all nine classifiers anew, on what the first {size.training_images:,} digits of the "
        "training "
        f"set give, and evolves a one against each in two ways with {evaluations:,} evaluations: `genetic`, the "
        "account's "
        "way, fitness the softmax; and `engine`, MAP-Elites with the preset mnist-binary, fitness the log-odds. "
        "The best "
        "image of each is measured by what knows nothing of the classifier: "
        f"{len(judged)} judges (their test accuracy is "
        f"{judged.min():.3f} to {judged.max():.3f}), the distance to the nearest real one, and how much of its ink "
        "is in "
        "connected strokes. Recognisability is the judges' probability times the geometric mean of closeness and "
        "strokes (`studies/recognisability.py`).",
        "The fooling class: images evolved for each digit against the ten-digit classifier become an eleventh "
        "class, and "
        f"it is trained again (rounds: {size.rounds}). The noise class: a tenth as many images of noise as of digits, "
        "up to 60 % white. The ensemble: the mean softmax of "
        f"{size.networks} networks.",
    )


def table(bench: Workbench, found: Mapping[str, Figures], known: Mapping[str, Recognisability]) -> None:
    """Test accuracy, confidence and recognisability, and the parts of it."""
    report = bench.report
    rows, parts, results = [], [], {}
    for name, negative in {**SIX, **THREE}.items():
        figures = found[name]
        accuracy = interval(figures["accuracy"])
        row: list[object] = [negative.line, accuracy]
        results[name] = {"accuracy": accuracy}
        for search, index in SEARCH.items():
            values = {
                part: interval(figures[part][:, index])
                for part in (*PARTS, "softmax", "log_odds", "combined")
            }
            row += [values["softmax"], values["log_odds"], values["combined"]]
            parts.append((f"{negative.line}, {search}", *(values[part] for part in PARTS)))
            results[name][search] = values
        rows.append(row)
    report.section("Six classifiers, and three more")
    report.text(
        "Test accuracy on each classifier's own task; then, for both searches, the softmax and the log-odds of "
        "the best "
        "image, and its recognisability in [0, 1]:"
    )
    report.table(
        [
            "trained on",
            "test accuracy",
            "genetic: softmax",
            "log-odds",
            "recognisability",
            "engine: softmax",
            "log-odds",
            "recognisability",
        ],
        rows,
    )
    report.text(
        "What images that need no classifier score (at most 100 each; mean and standard deviation over images). The "
        "real ones are of odd index among the test set's; closeness is calibrated on those of even index:"
    )
    report.table(
        ["images", "recognisability", *PARTS],
        [
            (kind, *(_spread(getattr(measured, part)) for part in ("combined", *PARTS)))
            for kind, measured in known.items()
        ],
    )
    report.text(
        "The parts: the judges' mean probability of a one, the share of judges that call it a one, closeness to the "
        "nearest real one (1 as real ones, 0 as static), share of ink in strokes, and the plain root mean square "
        "distance to the nearest real one, which ink-poor images have small for free:"
    )
    report.table(["evolved against", *PARTS], parts)
    bench.results["classifiers"] = results
    bench.results["yardstick"] = {
        kind: {part: float(np.mean(getattr(measured, part))) for part in ("combined", *PARTS)}
        for kind, measured in known.items()
    }


def _spread(values: np.ndarray) -> str:
    return f"{values.mean():.3f} (sd {values.std():.3f})"


def differences(bench: Workbench, found: Mapping[str, Figures]) -> dict[str, dict[str, Interval]]:
    """What moves recognisability, against the ten-digit classifier, paired by seed."""
    moved: dict[str, dict[str, Interval]] = {}
    rows = []
    for name, negative in {**SIX, **THREE}.items():
        if name == BASE:
            continue
        moved[name] = {
            search: interval(found[name]["combined"][:, index] - found[BASE]["combined"][:, index])
            for search, index in SEARCH.items()
        }
        rows.append((negative.line, *moved[name].values()))
    both = interval(
        np.mean([figures["combined"][:, 1] - figures["combined"][:, 0] for figures in found.values()], axis=0)
    )
    report = bench.report
    report.section("What moves recognisability")
    report.text(
        "Recognisability less that of the ten-digit classifier, paired by seed; each interval is at 95 % for itself:"
    )
    report.table(["trained on", "genetic", "engine"], rows)
    report.text(f"The engine's images less the genetic algorithm's, mean over the nine classifiers: {both}.")
    bench.results["moved"] = {**moved, "engine less genetic": both}
    return moved


def raised_and_lowered(moved: Mapping[str, Mapping[str, Interval]]) -> tuple[list[str], list[str]]:
    """The classifiers and searches that raise recognisability beyond chance, and those that lower it, in words.

    Corrected for the number of all of them.
    """
    every = {(name, search): value for name, searches in moved.items() for search, value in searches.items()}
    told = beyond_chance({key: value.p_value(0) for key, value in every.items()})
    lines = {**SIX, **THREE}
    words = {key: f"{lines[key[0]].line} ({key[1]}: {value})" for key, value in every.items()}
    return (
        [words[key] for key, value in every.items() if told[key] and value.mean > 0],
        [words[key] for key, value in every.items() if told[key] and value.mean < 0],
    )


def pictures(
    bench: Workbench,
    found: Mapping[str, Figures],
    known: Mapping[str, Recognisability],
    examples: Mapping[str, np.ndarray],
) -> None:
    """All images; recognisability with its intervals; confidence against recognisability."""
    report, lines = bench.report, {**SIX, **THREE}
    seeds = list(bench.seeds)[:5]
    rows: list[Any] = []
    for kind, measured in known.items():
        shown = range(2 * len(seeds))
        rows.append(
            (kind, [examples[kind][n] for n in shown], [f"{measured.combined[n]:.2f}" for n in shown])
        )
    for name, figures in found.items():
        images, captions = [], []
        for index in SEARCH.values():
            for seed in seeds:
                images.append(255 * figures["images"][seed, index].astype(np.uint8))
                softmax, combined = figures["softmax"][seed, index], figures["combined"][seed, index]
                captions.append(f"{analysis.percent(float(softmax))}\n{combined:.2f}")
        rows.append((lines[name].line, images, captions))
    path = bench.picture("images")
    titles = [f"{search} {seed}" for search in SEARCH for seed in seeds]
    analysis.image_table(
        path, rows, "Ones, evolved against nine classifiers", "softmax, and recognisability below it", titles
    )
    report.picture(path, "The best image of each search and seed, with its softmax and its recognisability")
    labels, groups, values = [], [], []
    for search, index in SEARCH.items():
        for name, figures in found.items():
            labels.append(lines[name].line)
            groups.append(search)
            values.append(interval(figures["combined"][:, index]))
    path = bench.picture("recognisability")
    means, lows, highs, _ = np.array(values).T
    real = float(known["real ones"].combined.mean())
    analysis.intervals(
        path,
        labels,
        means,
        lows,
        highs,
        "How much of a one it is",
        f"mean and 95 % interval over {len(bench.seeds)} seeds; the line is the mean of real ones",
        "recognisability",
        real,
        groups,
    )
    report.picture(path, "Recognisability of the evolved images; the line is that of real ones")


def answer(
    bench: Workbench,
    found: Mapping[str, Figures],
    known: Mapping[str, Recognisability],
    moved: Mapping[str, Mapping[str, Interval]],
) -> None:
    """The answer, as the figures have it."""
    lines, report = {**SIX, **THREE}, bench.report
    real = float(known["real ones"].combined.mean())
    level = {
        (name, search): interval(figures["combined"][:, index])
        for name, figures in found.items()
        for search, index in SEARCH.items()
    }
    sure = [interval(found[name]["softmax"][:, 0]).mean for name in SIX]
    six = {key: value for key, value in level.items() if key[0] in SIX}
    best, best_six = max(level, key=lambda key: level[key].mean), max(six, key=lambda key: six[key].mean)
    good = [key for key in level if level[key].mean >= RECOGNISABLE * real]
    account = interval(np.mean([found[name]["combined"][:, 0] for name in SIX], axis=0))
    raised, lowered = raised_and_lowered(moved)
    verdict = "does not hold for every case" if any(key[0] in SIX for key in good) else "holds"
    odds, combined = (
        np.concatenate([figures[part].T for figures in found.values()]) for part in ("log_odds", "combined")
    )
    correlation = interval(rank_correlation_by_seed(odds, combined))
    report.section("Answer")
    report.text(
        f"The account's finding {verdict}: over its six classifiers its search reaches a recognisability of "
        f"{account}, "
        f"where real ones have {real:.2f}, with a softmax of {min(sure):.2f} to {max(sure):.2f} (means over "
        "seeds). With "
        f"the engine's search added, the best of the six is {lines[best_six[0]].line} ({best_six[1]}) with "
        f"{six[best_six]}. For each seed, log-odds and recognisability have a rank correlation over its {len(odds)} "
        f"images; its mean over seeds is {correlation}.",
        (
            f"Nothing that was tried comes to {RECOGNISABLE:.0%} of what real ones have; the nearest is "
            f"{lines[best[0]].line} ({best[1]}) with {level[best]}."
            if not good
            else f"At least {RECOGNISABLE:.0%} of what real ones have is reached by: "
            + "; ".join(f"{lines[name].line} ({search}, {level[name, search]})" for name, search in good)
            + "."
        ),
        "Against the ten-digit classifier, recognisability is raised, beyond chance, by: "
        + ("; ".join(raised) if raised else "nothing")
        + ". It is lowered by: "
        + ("; ".join(lowered) if lowered else "nothing")
        + ".",
        f"That is {len(SEARCH) * len(moved)} comparisons, tested at 5 % for all of them together (Holm 1979), which "
        f"with {len(bench.seeds)} seeds only a large difference passes; of images that are no ones "
        "to begin with, little can be taken away. A classifier that lets no image through with certainty, as the "
        "one with a "
        "class of fooling images, is less fooled, whatever the image looks like.",
        "The judges alone would not do: they give pure black a probability of "
        f"{float(known['black'].probability.mean()):.2f} of being a one, and noise 95/5 "
        f"{float(known['noise 95/5'].probability.mean()):.2f}, because nothing else has so little ink.",
        "Limits: LeNets instead of a retrained Inception, and a genetic algorithm that the account does not "
        "describe. "
        "Recognisability is a measure and not a person. It holds specks around a stroke against an image: "
        "where "
        "the eye finds a bar amid noise, as in some of the engine's images, it says little of a one, not none. "
        "Its judges "
        f"are LeNets, too, though trained on other images and on speckled ones. {len(bench.seeds)} seeds; one "
        "budget.",
    )
    bench.results["answer"] = {
        "best": {"classifier": best[0], "search": best[1], "recognisability": level[best]},
        "the account's six": account,
        "rank correlation with log-odds": correlation,
    }
