"""Which operator matters: variance analysis, and the published order tested."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from qdfool.studies.ga_operators import published
from qdfool.studies.statistics import Interval, interval, variance_analysis
from qdfool.studies.study import Workbench

FACTORS = ["selection", "crossover", "mutation"]
MEANING = {
    "FPS": "fitness proportion selection",
    "TS": "tournament selection",
    "RS": "ranking selection",
    "SPC": "single point crossover",
    "AC": "arithmetic crossover",
    "SM": "swap mutation",
    "IM": "inversion mutation",
}


def order(
    bench: Workbench, accuracy: Mapping[str, np.ndarray], totals: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Which operator matters: variance analysis, and the published order tested."""
    report = bench.report
    values = np.array([accuracy[name] for name in published.SCENARIOS]).reshape(3, 2, 2, -1)
    effects = variance_analysis(values, FACTORS)
    fitness = np.array([totals[name] for name in published.SCENARIOS]).reshape(values.shape)
    of_fitness = {effect.name: effect for effect in variance_analysis(fitness, FACTORS)}
    theirs = np.array(list(published.MICRO_AVERAGE.values())).reshape(3, 2, 2)
    shares = {
        effect.name: effect.share for effect in variance_analysis(theirs[..., None].repeat(2, -1), FACTORS)
    }
    report.section("Which operator matters")
    report.text(
        "Analysis of variance of the accuracy after the last generation (fixed effects, full factorial): share of "
        "the sum of squares, F and its probability; the same for the total fitness, which is what evolution "
        "raises; and the "
        "shares in the twelve published accuracies, which have no repetitions to test them against. All twelve "
        "accuracies end near chance, so there is little of it left to explain."
    )
    report.table(
        ["effect", "accuracy: share", "F", "p", "fitness: share", "p", "published accuracy: share"],
        [
            (
                effect.name,
                f"{effect.share:.3f}",
                "" if np.isnan(effect.ratio) else f"{effect.ratio:.1f}",
                "" if np.isnan(effect.chance) else f"{effect.chance:.2g}",
                f"{of_fitness[effect.name].share:.3f}",
                "" if np.isnan(effect.chance) else f"{of_fitness[effect.name].chance:.2g}",
                "" if np.isnan(effect.ratio) else f"{shares[effect.name]:.3f}",
            )
            for effect in effects
        ],
    )
    contrasts = {
        f"inversion less swap, {MEANING[name]}": (
            values[s, :, 1] - values[s, :, 0],
            theirs[s, :, 1] - theirs[s, :, 0],
        )
        for s, name in enumerate(published.SELECTIONS)
    }
    contrasts["arithmetic less single point"] = (values[:, 1] - values[:, 0], theirs[:, 1] - theirs[:, 0])
    for s, name in ((1, "TS"), (2, "RS")):
        contrasts[f"{MEANING[name]} less {MEANING['FPS']}"] = (values[s] - values[0], theirs[s] - theirs[0])
    rows, kept = [], {}
    for name, (here, there) in contrasts.items():
        mean = interval(here.reshape(-1, here.shape[-1]).mean(0))
        kept[name] = {"here": mean, "published": float(there.mean())}
        rows.append((name, f"{there.mean():+.2f}", mean, verdict(mean, float(there.mean()))))
    report.text("The published order as differences of accuracy, ours paired by seed:")
    report.table(["difference", "published", "here", "the published sign"], rows)
    bench.results["variance"] = {effect.name: effect for effect in effects}
    bench.results["order"] = kept
    bench.results["variance of fitness"] = of_fitness
    return {"effects": effects, "fitness": list(of_fitness.values()), "contrasts": kept}


def verdict(mean: Interval, theirs: float) -> str:
    """Whether a published sign holds: `holds`, `is reversed`, or `cannot be told`."""
    if not mean.excludes(0):
        return "cannot be told"
    return "holds" if np.sign(mean.mean) == np.sign(theirs) else "is reversed"
