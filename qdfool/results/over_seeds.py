"""What the runs of several seeds have in common: medians with their intervals, and their curves."""

import functools
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qdfool.config import Config
from qdfool.engine.objectives import confidence
from qdfool.errors import InputError, shown
from qdfool.results import history_file, run_folder

LEVEL, RESAMPLES = 0.95, 2000
"""Of bootstrap intervals."""
AT_ONCE = 1 << 24
"""Values that are drawn again at once."""
MOST_FIGURES, LARGEST_FIGURE = 100, 10**30
"""Of a summary, which may come from anywhere; one figure is drawn thousands of times."""
COUNTS, SHARES = (
    ("evaluations", "seconds", "classes_at_99", "classes_at_9999"),
    ("median_confidence", "min_confidence"),
)
"""Figures that every summary of a run has: from 0, and from 0 to 1."""
FIXED = ("classes", "cppn.nodes_cap", "cppn.connections_cap")
"""Figures of a run's summary that no seed changes."""


def prepare() -> None:
    """Imports what the others here need, which takes a second: work for while the first seed evolves."""
    for name in ("scipy.stats", "qdfool.results.pictures", "qdfool.results.report"):
        importlib.import_module(name)


def summary(directory: Path, seeds: Sequence[int], done: Sequence[int]) -> dict[str, Any]:
    """The figures over several seeds: of each figure of a run's summary its median over the seeds that are done, with
    a bootstrap interval; and the summary of each seed that has one.

    Args:
        directory: has their run folders.
        seeds: all.
        done: those whose runs are done.

    Raises:
        InputError: the summary of a run is damaged.
    """
    rows = {}
    for seed in seeds:
        path = directory / run_folder.name_of_seed(seed) / run_folder.SUMMARY
        if path.exists():
            rows[seed] = run_folder.read_json(path)
            check_summary(path, rows[seed])
    return {
        "seeds": list(seeds),
        "seeds_done": len(done),
        "figures": intervals([numbers(rows[seed]) for seed in done]),
        "figures_are": f"median over the seeds that are done, and the {LEVEL:.0%} interval of that median (percentiles "
        f"of {RESAMPLES:,} bootstrap samples; none of a single seed)",
        "runs": [{**row, "seed": seed} for seed, row in rows.items()],
    }


def check_summary(path: Path, summary: dict[str, Any]) -> None:
    """Checks that what was read from the `summary.json` of a run has the figures of one.

    Raises:
        InputError: it is damaged.
    """
    figures = figures_in(path, summary)
    for name in (*COUNTS, *SHARES):
        if not 0 <= figures.get(name, -1) <= (1 if name in SHARES else LARGEST_FIGURE):
            raise InputError(
                f"{path} is damaged: expected numbers as {', '.join((*COUNTS, *SHARES))}; {name} is "
                f"{shown(summary.get(name))}."
            )


def figures_in(path: Path, summary: dict[str, Any]) -> dict[str, float]:
    """The figures that were read from the `summary.json` of a run.

    Raises:
        InputError: there are more than a run has.
    """
    figures = numbers(summary)
    if len(figures) > MOST_FIGURES:
        raise InputError(f"{path} is damaged: a run has at most {MOST_FIGURES} figures.")
    return figures


def numbers(summary: dict[str, Any], group: str = "") -> dict[str, float]:
    """The figures of a run's summary that are numbers, and none that no run has, by their dotted names."""
    found: dict[str, float] = {}
    for name, value in summary.items():
        if isinstance(value, dict):
            found |= numbers(value, f"{group}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST_FIGURE:
            found[f"{group}{name}"] = float(value)
    return {name: value for name, value in found.items() if name not in FIXED}


def intervals(rows: Sequence[dict[str, float]]) -> dict[str, dict[str, float | None]]:
    """Median, low and high of each figure that all rows have, a row a seed. The same rows give the same numbers.

    The interval is the percentile bootstrap's (B. Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of
    Statistics 7(1), 1979), with seeds drawn again.
    """
    names = [name for name in rows[0] if all(name in row for row in rows)] if rows else []
    values = np.array([[row[name] for name in names] for row in rows], np.float64)
    medians = np.median(values, axis=0) if names else []
    bounds = bounds_of_median(values) if len(rows) > 1 and names else [(None, None)] * len(names)
    return {
        name: {"median": float(median), "low": low, "high": high}
        for name, median, (low, high) in zip(names, medians, bounds, strict=True)
    }


def bounds_of_median(values: np.ndarray) -> list[tuple[float, float]]:
    """The bootstrap interval of the median of each column of [S, F], S at least 2."""
    # Imported here because it takes as long as a seed's evolution, and a single run has no use for it.
    from scipy import stats

    low, high = stats.bootstrap(
        (values,),
        np.median,
        axis=0,
        confidence_level=LEVEL,
        n_resamples=RESAMPLES,
        batch=max(1, AT_ONCE // values.size),
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return list(zip(low.tolist(), high.tolist(), strict=True))


def draw(directory: Path, config: Config, classes: int, done: Sequence[int]) -> None:
    """Draws `curves.png` over the seeds that are done, and warns if that fails; none without such a seed.

    Raises:
        OSError: it cannot be written.
    """
    if not done:
        return
    # Imported here because matplotlib and pyribs take as long to import as JAX.
    from qdfool.results.pictures import draw_over_seeds

    paths = [directory / run_folder.name_of_seed(seed) / run_folder.HISTORY for seed in done]
    draw_over_seeds(
        directory / run_folder.PICTURES[-1], config, functools.partial(_series, paths, classes), len(done)
    )


def _series(paths: Sequence[Path], classes: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The generations [T] that all histories have, and of each series its values [S, T]."""
    rows: list[dict[str, np.ndarray]] = []
    generations: list[np.ndarray] = []
    for path in paths:
        history = history_file.read(path, classes)
        sure = confidence(history.fitness)
        generations.append(history.generation)
        rows.append(
            {
                "median": np.median(sure, axis=1),
                "minimum": sure.min(axis=1),
                "qd_score": history.qd_score,
                "coverage": history.coverage,
            }
        )
    # However long a history is, it has every multiple of its stride, a power of two.
    common = functools.reduce(np.intersect1d, generations)
    return common, {
        name: np.stack([row[name][np.isin(own, common)] for row, own in zip(rows, generations, strict=True)])
        for name in rows[0]
    }
