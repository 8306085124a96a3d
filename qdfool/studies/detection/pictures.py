"""The pictures of the study `detection`."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from qdfool import analysis
from qdfool.analysis.statistics import interval
from qdfool.studies.detection.conditions import JOINT, KINDS, WAYS
from qdfool.studies.detection.effects import DETECTORS, Maps, Rates
from qdfool.studies.mnist_networks import KINDS as NETWORKS
from qdfool.studies.study import Figures, Workbench

SHOWN = ("mahalanobis", "all-four")
"""Monitors whose attacks are shown."""


def draw(
    bench: Workbench,
    alone: Mapping[tuple[str, str], Figures],
    both: Mapping[tuple[str, str, str], Figures],
    before: Mapping[tuple[str, str], Rates],
    after: Mapping[tuple[str, str, str], Rates],
) -> None:
    """Draws AUROC by detector, and images before and after."""
    labels, groups, values = [], [], []
    for number, name in enumerate(DETECTORS):
        for kind in KINDS:
            for way in WAYS:
                labels.append(f"{name}, {NETWORKS[kind].line}")
                groups.append(way)
                values.append(interval(before[kind, way].auroc[:, number]))
    means, lows, highs, _ = np.array(values).T
    path = bench.picture("auroc")
    analysis.intervals(
        path,
        labels,
        means,
        lows,
        highs,
        "How well detectors tell real images from an archive's",
        f"mean and 95 % interval over {len(bench.seeds)} seeds; the line is a coin",
        "AUROC",
        0.5,
        groups,
    )
    bench.report.picture(path, "AUROC of each detector, on two networks and three ways of making images")
    _draw_images(bench, alone, both, after)


def _draw_images(
    bench: Workbench,
    alone: Mapping[tuple[str, str], Figures],
    both: Mapping[tuple[str, str, str], Figures],
    after: Mapping[tuple[str, str, str], Rates],
) -> None:
    """The digits' images of the first seed, evolved against a network alone and against it and a monitor."""
    rows = []
    for kind, way in dict.fromkeys((kind, way) for kind, way, _ in both):
        rows.append((f"{NETWORKS[kind].line}, {way}, alone", *_captioned(alone[kind, way])))
        for name in SHOWN:
            if (kind, way, name) not in both:
                continue
            known = [DETECTORS.index(detector) for detector in JOINT[name]]
            passes = np.all(after[kind, way, name].class_passing[0, known] > 0, axis=0)
            rows.append((f"{way}, {name} known", *_captioned(both[kind, way, name], passes)))
    path = bench.picture("images")
    analysis.image_table(
        path,
        rows,
        "Evolved against a network alone, and against it and its monitor",
        "the network's confidence, and whether the known detectors let the image pass; seed 0",
        [str(digit) for digit in range(len(rows[0][1]))],
    )
    bench.report.picture(path, "What is evolved against a network alone, and against it and its monitor")


def _captioned(found: Figures, passes: Any = None) -> tuple[list[np.ndarray], list[str]]:
    captions = [analysis.percent(log_odds=float(odds)) for odds in found["log_odds"][0]]
    if passes is not None:
        captions = [
            f"{caption}\n{'passed' if passed else 'caught'}"
            for caption, passed in zip(captions, passes, strict=True)
        ]
    return list(found["images"][0]), captions


def draw_maps(bench: Workbench, found: Maps, first: str, second: str) -> None:
    """Draws AUROC and share that passes over the cells of two measures, a map for each detector."""
    for part, values, title, label in (
        ("map-auroc", found.auroc, "Where the map's images are told from real ones", "AUROC"),
        ("map-passing", found.passing, "Where the map's images pass", "share that passes"),
    ):
        path = bench.picture(part)
        analysis.density_maps(
            path,
            {name: values[number].T[::-1] for number, name in enumerate(DETECTORS)},
            title,
            f"{first} grows to the right, {second} upwards; mean over digits; white: no image",
            label,
        )
        bench.report.picture(path, f"{label} of each detector, by {first} and {second}")
