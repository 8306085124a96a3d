"""Which operator matters: variance analysis, and the published order tested."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from qdfool.analysis.statistics import RESIDUAL, Interval, beyond_chance, interval, variance_analysis
from qdfool.studies.ga_operators import published
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
        effect.name: effect.eta_squared
        for effect in variance_analysis(theirs[..., None].repeat(2, -1), FACTORS)[:-2]
    }
    report.section("Which operator matters")
    report.text(
        "Analysis of variance of the accuracy after the last generation (fixed effects, full factorial, the seeds "
        "as blocks: all twelve begin with the same population of a seed, so that what is common to a seed is "
        "neither an effect nor in the residual): share of the sum of squares, F and its p-value, each for itself; "
        "the same for the total fitness, which is what evolution raises; and the shares in the twelve published "
        "accuracies, which have no repetitions to test them against. All twelve accuracies end near chance, so "
        "there is little of it left to explain."
    )
    report.table(
        ["effect", "accuracy: share", "F", "p", "fitness: share", "p", "published accuracy: share"],
        [
            (
                effect.name,
                f"{effect.eta_squared:.3f}",
                "" if effect.name == RESIDUAL else f"{effect.f_value:.1f}",
                "" if effect.name == RESIDUAL else f"{effect.p_value:.2g}",
                f"{of_fitness[effect.name].eta_squared:.3f}",
                "" if effect.name == RESIDUAL else f"{of_fitness[effect.name].p_value:.2g}",
                f"{shares[effect.name]:.3f}" if effect.name in shares else "",
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
    here = {name: interval(ours.reshape(-1, ours.shape[-1]).mean(0)) for name, (ours, _) in contrasts.items()}
    published_order = {name: float(there.mean()) for name, (_, there) in contrasts.items()}
    found = verdicts(here, published_order)
    report.text(
        "The published order as differences of accuracy, ours paired by seed. Whether a sign holds is tested at 5 % "
        f"for all {len(here)} together (Holm 1979); the intervals are each at 95 % for itself."
    )
    report.table(
        ["difference", "published", "here", "the published sign"],
        [(name, f"{published_order[name]:+.2f}", here[name], found[name]) for name in here],
    )
    bench.results["variance"] = {effect.name: effect for effect in effects}
    bench.results["order"] = {
        name: {"here": here[name], "published": published_order[name], "verdict": found[name]}
        for name in here
    }
    bench.results["variance of fitness"] = of_fitness
    return {"effects": effects, "fitness": of_fitness, "verdicts": found}


def verdicts(here: Mapping[str, Interval], theirs: Mapping[str, float]) -> dict[str, str]:
    """Whether each published sign `holds`, `is reversed`, or `cannot be told`; corrected for their number."""
    found = {}
    for name, differs in beyond_chance({name: mean.p_value(0) for name, mean in here.items()}).items():
        same = np.sign(here[name].mean) == np.sign(theirs[name])
        found[name] = ("holds" if same else "is reversed") if differs else "cannot be told"
    return found
