"""Runs side by side: those that differ in their seed alone are repeats of one setting, and settings are compared."""

import hashlib
import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from qdfool.analysis.charts import Band
from qdfool.analysis.statistics import LEVEL, ROUNDING, Interval, holm, interval
from qdfool.config import KEEPING, Config, flat
from qdfool.engine.objectives import confidence
from qdfool.errors import InputError, listed, named, printable
from qdfool.results import history_file, run_folder
from qdfool.results.answers import rounded
from qdfool.results.config_file import (
    ClassifierRecord,
    classifier_record,
    is_of_seeds,
    read_config,
    read_config_of_seeds,
)
from qdfool.results.over_seeds import bounds_of_median, figures_in, intervals

_LOG = logging.getLogger(__name__)
COMPARED = (
    "median_confidence",
    "min_confidence",
    "classes_at_99",
    "classes_at_9999",
    "cells_at_9999",
    "qd_score",
    "coverage",
    "evaluations",
    "seconds",
)
"""Figures of a run's summary, as its `summary.json` calls them."""
MOST_SETTINGS = 12
"""Settings that are compared in pairs: more comparisons than theirs leave nothing beyond chance."""
MOST_NAMED, MOST_SAID = 3, 10
"""Settings by which a group is named, and runs of which it is said what is left out."""
POINTS = 200
"""Of a curve, evenly spaced by the logarithm of evaluations."""
SERIES = ("median_confidence", "qd_score", "coverage")
"""What the curves are of."""
HASH_LENGTH = 8
"""Characters of a hash by which a classifier is named."""
SCHEMA = 1
FIGURES_ARE = "median over the runs, and the 95 % bootstrap interval of that median"
DIFFERENCES_ARE = (
    "mean over seeds, with the 95 % interval of Student's t (of pairs of the same seed) or of Welch's; pairs that all "
    "differ by the same have no interval, and the p-value of the sign test; p_adjusted is for all of them together, by "
    "Holm's method"
)


@dataclass(frozen=True)
class Member:
    """One run, or a row of results."""

    folder: Path
    """Or the file that has the row."""
    seed: int
    config: Config | None
    """None of a row."""
    classes: int
    figures: dict[str, float]
    odd: tuple[str, ...] = ()
    """Figures of its summary that are no numbers, or none that a run can have."""
    compared: tuple[str, ...] = COMPARED
    """Figures that are compared, where it has them."""


@dataclass(frozen=True)
class Group:
    """Runs of the same settings, with their seeds."""

    name: str
    members: tuple[Member, ...]
    """In the order of their seeds."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What all its runs have in common, by dotted names, and the classifier."""

    def values(self, figure: str) -> dict[int, float]:
        """What each seed came to, of those that have the figure."""
        return {one.seed: one.figures[figure] for one in self.members if figure in one.figures}


@dataclass(frozen=True)
class Difference:
    """By how much a figure is higher in one group than in another."""

    figure: str
    group: str
    than: str
    paired: bool
    """Whether seed is compared with the same seed, because both groups have two of them or more in common."""
    difference: Interval
    """Mean over seeds with its interval: Student's of the pairs, or Welch's of two samples. Its ends are NaN where a
    group has a single run, or all pairs differ by the same."""
    p_value: float
    """That there is none; NaN where a group has a single run."""
    p_adjusted: float
    """The same, adjusted for the number of all comparisons by Holm's method."""

    @property
    def beyond_chance(self) -> bool | None:
        """Whether it is, at LEVEL for all comparisons together; None where that cannot be tested."""
        return None if np.isnan(self.p_adjusted) else bool(self.p_adjusted < 1 - LEVEL)


def read_groups(folders: Sequence[Path]) -> list[Group]:
    """Runs, by their settings.

    Args:
        folders: of runs, or of several seeds, whose runs are then taken as far as they have ended.

    Raises:
        InputError: one is no run folder or damaged, has not ended once, or a setting has a seed twice.
    """
    members = [_member(folder) for folder in itertools.chain.from_iterable(map(_runs, folders))]
    if not members:
        raise InputError("No run to compare: give run folders, or folders of several seeds.")
    alike: dict[str, list[tuple[Member, dict[str, Any]]]] = {}
    for member, settings in members:
        alike.setdefault(repr(sorted(settings.items())), []).append((member, settings))
    names = _names([rows[0][1] for rows in alike.values()])
    return [
        Group(name, in_order([member for member, _ in rows]), rows[0][1])
        for name, rows in zip(names, alike.values(), strict=True)
    ]


def _runs(folder: Path) -> list[Path]:
    if not is_of_seeds(folder):
        return [folder]
    _, _, seeds = read_config_of_seeds(folder)
    runs = [folder / run_folder.name_of_seed(seed) for seed in seeds]
    found = [run for run in runs if (run / run_folder.SUMMARY).exists()]
    if len(found) < len(runs):
        _LOG.warning(
            f"{folder} has {len(found):,} of {len(runs):,} seeds to compare: the others have no "
            f"{run_folder.SUMMARY} yet."
        )
    return found


def _member(folder: Path) -> tuple[Member, dict[str, Any]]:
    """A run, and what it was but for its seed and how it was kept."""
    config, values = read_config(folder)
    record = classifier_record(folder, config, values)
    # Weights are told by what they are, not by where they lay.
    left_out = ("seed", "devices", *KEEPING, *["weights"] * bool(record.fingerprint))
    settings = {name: value for name, value in flat(config).items() if name not in left_out}
    settings["the classifier"] = _identity(record)
    path = folder / run_folder.SUMMARY
    summary = run_folder.read_summary(path)
    figures = figures_in(path, summary)
    has_budget = config.budget_generations() is not None or config.seconds is not None
    # Not by what the summary says of its end: that may be of a smaller budget, beyond which the run was killed.
    spent = config.spent_budget(int(figures.get("generations", 0)), figures.get("seconds", 0.0))
    if has_budget and not spent:
        _LOG.warning(
            f"{folder} was stopped before its budget was spent, and is compared as it is. `resume` {folder} goes on "
            "with it."
        )
    odd = tuple(name for name in COMPARED if name in summary and name not in figures)
    return Member(folder, config.seed, config, len(record.class_names), figures, odd), settings


def _identity(record: ClassifierRecord) -> str:
    """Of a classifier: its weights, or where none are known its file and what it answers, by hashes."""
    if record.fingerprint:
        return f"weights {record.fingerprint[:HASH_LENGTH]}"
    answers = hashlib.sha256(repr(rounded(record.answers)).encode()).hexdigest() if record.answers else ""
    known = {"file": record.file_hash, "answers": answers}
    return ", ".join(f"{name} {one[:HASH_LENGTH]}" for name, one in known.items() if one)


def in_order(members: Sequence[Member]) -> tuple[Member, ...]:
    """Members of a group, by their seeds.

    Raises:
        InputError: two have the same.
    """
    by_seed: dict[int, Member] = {}
    for member in members:
        if member.seed in by_seed:
            if member.config is None and member.folder == by_seed[member.seed].folder:
                raise InputError(
                    f"{member.folder} has the seed {member.seed} twice for the same setting. Give results with one row "
                    "for each setting and seed, and a file once."
                )
            raise InputError(
                f"{by_seed[member.seed].folder} and {member.folder} have the same settings and the same seed, "
                f"{member.seed}; how a run is kept, or evolved beside others, is no such setting. Give one of them."
            )
        by_seed[member.seed] = member
    return tuple(by_seed[seed] for seed in sorted(by_seed))


def _names(settings: Sequence[dict[str, Any]]) -> list[str]:
    """A name for each group: its preset, and where groups have the same, by which settings they differ."""
    presets = [str(one.get("preset")) for one in settings]
    if len(set(presets)) == len(presets):
        return [named(preset) for preset in presets]
    keys = [
        key
        for key in settings[0]
        if key != "preset" and any(one.get(key) != settings[0].get(key) for one in settings)
    ]
    names = []
    for preset, one in zip(presets, settings, strict=True):
        # What a group leaves open does not name it.
        own = [key for key in keys if one.get(key) is not None]
        said = [f"{key} {_said(one[key])}" for key in own[:MOST_NAMED]]
        more = len(own) - MOST_NAMED
        names.append(", ".join([named(preset), *said, *([f"and {more} more"] if more > 0 else [])]))
    return [
        f"{name} ({names[:index].count(name) + 1})" if names.count(name) > 1 else name
        for index, name in enumerate(names)
    ]


def _said(value: Any) -> str:
    """A setting as it is typed, if it is a name, a number, or a list of such."""
    return " ".join(map(named, map(str, value))) if isinstance(value, tuple) else named(str(value))


def compared(groups: Sequence[Group]) -> list[str]:
    """The figures that are compared and that a run has, in their order."""
    return list(
        dict.fromkeys(
            name for group in groups for one in group.members for name in one.compared if name in one.figures
        )
    )


def left_out(groups: Sequence[Group]) -> str:
    """Which figures are left out of which runs, because their summaries lack them, or have no such number there, where
    others of their setting have them; empty where none is."""
    said = []
    for group in groups:
        known = {name for one in group.members for name in (*one.figures, *one.odd)}
        for one in group.members:
            names = [name for name in one.compared if name in known and name not in one.figures]
            said += [f"{', '.join(names)} of {printable(str(one.folder))}"] if names else []
    if not said:
        return ""
    more = f", and of {len(said) - MOST_SAID:,} more runs" if len(said) > MOST_SAID else ""
    return f"Left out, for their summaries have no such number: {'; '.join(said[:MOST_SAID])}{more}."


def differences(groups: Sequence[Group]) -> list[Difference]:
    """Every figure of every group against every one before it; of one that is the same in all their runs, none.

    Raises:
        InputError: there are more groups than can be compared in pairs.
    """
    if len(groups) > MOST_SETTINGS:
        raise InputError(
            f"At most {MOST_SETTINGS} settings can be compared with each other; the folders have {len(groups)}: "
            f"{listed([group.name for group in groups], 4)}. Give fewer."
        )
    found: list[tuple[str, str, str, bool, Interval, float]] = []
    for than, group in itertools.combinations(groups, 2):
        for figure in compared(groups):
            before, after = than.values(figure), group.values(figure)
            if before and after and len({*before.values(), *after.values()}) > 1:
                found.append((figure, group.name, than.name, *_difference(before, after)))
    adjusted = holm([row[-1] for row in found]) if found else []
    return [Difference(*row, float(p)) for row, p in zip(found, adjusted, strict=True)]


def _difference(before: Mapping[int, float], after: Mapping[int, float]) -> tuple[bool, Interval, float]:
    """Whether it is paired, the difference, and the p-value that there is none."""
    common = sorted(before.keys() & after.keys())
    if len(common) > 1:
        apart = np.array([after[seed] - before[seed] for seed in common])
        paired = interval(apart)
        largest = max(abs(values[seed]) for values in (before, after) for seed in common)
        if np.any(apart) and np.ptp(apart) <= ROUNDING * largest:
            # Of pairs that all differ by the same, but for the rounding of what was subtracted: how far is not known,
            # and Student's t would be certain of any two. Here signs are counted.
            alike = paired._replace(low=float("nan"), high=float("nan"))
            return True, alike, 1.0 if abs(paired.mean) <= ROUNDING * largest else 2.0 ** (1 - len(apart))
        return True, paired, paired.p_value(0.0)
    one, other = (np.array(list(values.values())) for values in (before, after))
    mean = float(other.mean() - one.mean())
    if min(len(one), len(other)) < 2 or not np.ptp(one) + np.ptp(other):
        return False, Interval(mean, float("nan"), float("nan"), min(len(one), len(other))), float("nan")
    # Imported here because it takes half a second, and pairs have no use for it.
    from scipy import stats

    test: Any = stats.ttest_ind(other, one, equal_var=False)
    bounds = test.confidence_interval(LEVEL)
    return (
        False,
        Interval(mean, float(bounds.low), float(bounds.high), min(len(one), len(other))),
        float(test.pvalue),
    )


def curves(groups: Sequence[Group]) -> tuple[np.ndarray, dict[str, dict[str, Band]]]:
    """How each group went, by evaluations.

    Returns:
        [T] evaluations, as they are charged; of each of `SERIES`, of each group, the median over its runs at the last
        record before, with the interval of that median as the figures have it, NaN before its first record and after
        the end of the shortest run. The ends of the interval of a single run are its own.

    Raises:
        InputError: a history is damaged.
    """
    histories = {group.name: [_by_evaluations(member) for member in group.members] for group in groups}
    ends = [(steps[0], steps[-1]) for rows in histories.values() for steps, _ in rows if len(steps)]
    if not ends:
        raise InputError("No run has a record of its generations, so there is no curve.")
    x = np.geomspace(min(first for first, _ in ends), max(last for _, last in ends), POINTS)
    return x, {
        series: {
            name: _band(np.array([_at(x, steps, values[series]) for steps, values in rows]))
            for name, rows in histories.items()
        }
        for series in SERIES
    }


def _by_evaluations(member: Member) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    assert member.config is not None, "a row of results has no history"
    history = history_file.read(member.folder / run_folder.HISTORY, member.classes)
    evaluations = member.config.charges().of(history.generation.astype(np.int64))
    values = (np.median(confidence(history.fitness), axis=1), history.qd_score, history.coverage)
    return evaluations, dict(zip(SERIES, values, strict=True))


def _band(values: np.ndarray) -> Band:
    """Of [S, T]; NaN where one of S is."""
    median = np.median(values, axis=0)
    low, high = median.copy(), median.copy()
    there = np.isfinite(median)
    if len(values) > 1 and there.any():
        bounds = bounds_of_median(values[:, there])
        low[there], high[there] = np.array(bounds).T
    return median, low, high


def _at(x: np.ndarray, steps: np.ndarray, values: np.ndarray) -> np.ndarray:
    """[T] the value at the last step that is no later; NaN before the first and after the last."""
    rounding = 1e-9
    index = np.searchsorted(steps, x * (1 + rounding), side="right") - 1
    there = (index >= 0) & (x <= steps[-1] * (1 + rounding)) if len(steps) else np.zeros(len(x), bool)
    return np.where(there, values[np.maximum(index, 0)] if len(steps) else 0.0, np.nan)


def as_json(groups: Sequence[Group], found: Sequence[Difference]) -> dict[str, Any]:
    """What `comparison.json` has."""
    return {
        "schema": SCHEMA,
        "groups": [
            {
                "name": group.name,
                "runs": [{"folder": printable(str(one.folder)), "seed": one.seed} for one in group.members],
                "figures": intervals([one.figures for one in group.members]),
            }
            for group in groups
        ],
        "figures_are": FIGURES_ARE,
        "left_out": left_out(groups),
        "differences": [
            {
                "figure": one.figure,
                "group": one.group,
                "than": one.than,
                "paired": one.paired,
                **{name: _finite(value) for name, value in one.difference._asdict().items()},
                "p_value": _finite(one.p_value),
                "p_adjusted": _finite(one.p_adjusted),
                "beyond_chance": one.beyond_chance,
            }
            for one in found
        ],
        "differences_are": DIFFERENCES_ARE,
    }


def _finite(value: Any) -> Any:
    """JSON has no NaN."""
    return None if isinstance(value, float) and not np.isfinite(value) else value
