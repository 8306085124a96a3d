"""Runs side by side: those that differ in their seed alone are repeats of one setting, and settings are compared."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qdfool.analysis.charts import Band
from qdfool.analysis.statistics import LEVEL, Interval, bands, holm, interval
from qdfool.config import KEEPING, Config, flat
from qdfool.engine.objectives import confidence
from qdfool.errors import InputError, listed, named
from qdfool.results import history_file, run_folder
from qdfool.results.config_file import classifier_record, is_of_seeds, read_config, read_config_of_seeds
from qdfool.results.over_seeds import intervals, numbers

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
MOST_NAMED = 3
"""Settings by which a group is named."""
POINTS = 200
"""Of a curve, evenly spaced by the logarithm of evaluations."""
SCHEMA = 1


@dataclass(frozen=True)
class Member:
    """One run."""

    folder: Path
    seed: int
    config: Config
    classes: int
    figures: dict[str, float]


@dataclass(frozen=True)
class Group:
    """Runs of the same settings, with their seeds."""

    name: str
    members: tuple[Member, ...]
    """In the order of their seeds."""

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
    """Mean over seeds with its interval: Student's of the pairs, or Welch's of two samples."""
    p_value: float
    """That there is none; NaN where a group has a single run."""
    p_adjusted: float
    """The same, adjusted for the number of all comparisons by Holm's method."""

    @property
    def beyond_chance(self) -> bool:
        """Whether it is, at LEVEL for all comparisons together."""
        return bool(self.p_adjusted < 1 - LEVEL)


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
        Group(name, _in_order([member for member, _ in rows]))
        for name, rows in zip(names, alike.values(), strict=True)
    ]


def _runs(folder: Path) -> list[Path]:
    if not is_of_seeds(folder):
        return [folder]
    _, _, seeds = read_config_of_seeds(folder)
    runs = [folder / run_folder.name_of_seed(seed) for seed in seeds]
    return [run for run in runs if (run / run_folder.SUMMARY).exists()]


def _member(folder: Path) -> tuple[Member, dict[str, Any]]:
    """A run, and what it was but for its seed and how it was kept."""
    config, values = read_config(folder)
    record = classifier_record(folder, config, values)
    settings = {
        name: value for name, value in flat(config).items() if name not in ("seed", "devices", *KEEPING)
    }
    settings["the classifier's weights"] = record.fingerprint or record.file_hash
    figures = numbers(run_folder.read_json(folder / run_folder.SUMMARY))
    return Member(folder, config.seed, config, len(record.class_names), figures), settings


def _in_order(members: Sequence[Member]) -> tuple[Member, ...]:
    by_seed: dict[int, Member] = {}
    for member in members:
        if member.seed in by_seed:
            raise InputError(
                f"{by_seed[member.seed].folder} and {member.folder} have the same settings and the same seed, "
                f"{member.seed}. Give one of them."
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
        for figure in COMPARED:
            before, after = than.values(figure), group.values(figure)
            if before and after and len({*before.values(), *after.values()}) > 1:
                found.append((figure, group.name, than.name, *_difference(before, after)))
    adjusted = holm([row[-1] for row in found]) if found else []
    return [Difference(*row, float(p)) for row, p in zip(found, adjusted, strict=True)]


def _difference(before: Mapping[int, float], after: Mapping[int, float]) -> tuple[bool, Interval, float]:
    """Whether it is paired, the difference, and the p-value that there is none."""
    common = sorted(before.keys() & after.keys())
    if len(common) > 1:
        paired = interval([after[seed] - before[seed] for seed in common])
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


def curves(groups: Sequence[Group]) -> tuple[np.ndarray, dict[str, Band]]:
    """Median confidence of each group by evaluations.

    Returns:
        [T] evaluations, as they are charged; of each group the mean over its runs at the last record before, with the
        interval of that mean, NaN before its first record and after the end of the shortest run.

    Raises:
        InputError: a history is damaged.
    """
    histories = {group.name: [_median_by_evaluations(member) for member in group.members] for group in groups}
    ends = [(steps[0], steps[-1]) for rows in histories.values() for steps, _ in rows if len(steps)]
    if not ends:
        raise InputError("No run has a record of its generations, so there is no curve.")
    x = np.geomspace(min(first for first, _ in ends), max(last for _, last in ends), POINTS)
    found = {}
    for name, rows in histories.items():
        values = np.array([_at(x, *row) for row in rows])
        mean, low, high = bands(values)
        found[name] = (mean, np.where(np.isfinite(low), low, mean), np.where(np.isfinite(high), high, mean))
    return x, found


def _median_by_evaluations(member: Member) -> tuple[np.ndarray, np.ndarray]:
    history = history_file.read(member.folder / run_folder.HISTORY, member.classes)
    evaluations = member.config.charges().of(history.generation.astype(np.int64))
    return evaluations, np.median(confidence(history.fitness), axis=1)


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
                "runs": [{"folder": str(one.folder), "seed": one.seed} for one in group.members],
                "figures": intervals([one.figures for one in group.members]),
            }
            for group in groups
        ],
        "figures_are": "median over the runs, and the 95 % bootstrap interval of that median",
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
        "differences_are": "mean over seeds, with the 95 % interval of Student's t (of pairs of the same seed) or of "
        "Welch's; p_adjusted is for all of them together, by Holm's method",
    }


def _finite(value: Any) -> Any:
    """JSON has no NaN."""
    return None if isinstance(value, float) and not np.isfinite(value) else value
