"""The pictures of the study `decision-boundary`."""

from collections.abc import Callable, Mapping

import numpy as np

from qdfool import analysis
from qdfool.analysis.statistics import bands, interval
from qdfool.studies.decision_boundary import places
from qdfool.studies.decision_boundary.conditions import Condition, Size
from qdfool.studies.study import Figures, Workbench
from qdfool.types import Classifier

Place = Callable[[int, int], np.ndarray]
"""(H, W) to a map such as `places.depth`."""
IMAGES_IN_A_ROW = 6


def draw(
    bench: Workbench,
    size: Size,
    chosen: Mapping[str, Condition],
    found: Mapping[str, Figures],
    grid: Figures,
    classified: Classifier,
) -> None:
    """Draws all pictures and adds them to the report."""
    bench.report.section("Pictures")
    seeds = len(bench.seeds)
    path = bench.picture("densities")
    names, means, lows, highs, groups = [], [], [], [], []
    for name, condition in chosen.items():
        for part, of in (("outer ring", places.outer_density), ("middle", places.middle_density)):
            value = interval([of(ink) for ink in found[name]["ink"]])
            names.append(condition.line)
            means.append(value.mean)
            lows.append(value.low)
            highs.append(value.high)
            groups.append(part)
    analysis.intervals(
        path,
        names,
        means,
        lows,
        highs,
        "Where ink ends up",
        f"95 % intervals over {seeds} seeds; the line is uniform ink",
        "ink per area, against uniform",
        reference=1.0,
        groups=groups,
    )
    bench.report.picture(path, "Density of ink in the outer ring and in the middle, by condition.")

    path = bench.picture("heatmap")
    maps = {condition.line: coarse(found[name]["ink"]) for name, condition in chosen.items()}
    analysis.density_maps(
        path,
        maps,
        "Where ink ends up, as a map",
        f"mean over {seeds} seeds, in blocks; each map is its own drawing area",
        "ink per area, against uniform",
        centre=1.0,
    )
    bench.report.picture(path, "Heatmaps of ink, against uniform, by condition.")

    for name, measure, bounds, label in (
        ("depth", places.depth, places.RINGS, "depth: 0 at the edge, 1 in the middle"),
        ("radius", places.radius, places.ANNULI, "distance from the centre: 1 is the middle of an edge"),
    ):
        path = bench.picture(name)
        panels = {
            condition.line: {"ink": bands(_parts(found[key]["ink"], measure, bounds))}
            for key, condition in chosen.items()
        }
        middles = (np.array(bounds[1:]) + np.array(bounds[:-1])) / 2
        analysis.line_panels(
            path,
            middles,
            panels,
            "Radial density of ink"
            if name == "radius"
            else "Density of ink by distance from the nearest edge",
            f"bands: 95 % over {seeds} seeds; 1 is uniform",
            label,
            "ink per area, against uniform",
            y_range=(0.0, 4.0),
        )
        bench.report.picture(path, f"Density of ink by {name}, by condition.")
    _examples(bench, chosen, found, classified)
    _grid(bench, grid, classified)


def _parts(ink: np.ndarray, measure: Place, bounds: tuple[float, ...]) -> np.ndarray:
    return np.array([places.density(one, measure(*one.shape), bounds) for one in ink])


def coarse(ink: np.ndarray) -> np.ndarray:
    """[S, H, W] to at most 8 x 8 blocks, relative to uniform, mean over seeds."""
    blocks = max(count for count in range(1, 9) if ink.shape[1] % count == 0)
    side = ink.shape[1] // blocks
    summed = ink.reshape(len(ink), blocks, side, blocks, side).sum((2, 4))
    total = summed.sum((1, 2), keepdims=True)
    return (summed / np.maximum(total, 1e-9)).mean(axis=0) * blocks**2


def image(genome: np.ndarray, shape: tuple[int, int], inverted: bool = False) -> np.ndarray:
    """[H, W] uint8 of a list."""
    pixels = np.full(shape[0] * shape[1], 0 if inverted else 255, np.uint8)
    pixels[genome[genome < pixels.size]] = 255 if inverted else 0
    return pixels.reshape(shape)


def _examples(
    bench: Workbench, chosen: Mapping[str, Condition], found: Mapping[str, Figures], classified: Classifier
) -> None:
    shown = []
    for name, condition in chosen.items():
        figures = found[name]
        if condition.drift:
            continue
        best = int(np.argmax(figures["log_odds"]))
        shape = figures["ink"].shape[1:]
        pairs = [("best", "log_odds", condition.line)]
        if condition.restricted:
            pairs = [("before", "before_log_odds", "middle only"), ("best", "log_odds", "restriction lifted")]
        for genome, odds, line in pairs:
            listed = figures[genome][best]
            sure = 1.0 / (1.0 + np.exp(-float(figures[odds][best])))
            count = int((listed < shape[0] * shape[1]).sum())
            shown.append((image(listed, shape, condition.inverted), f"{line}\n{sure:.3f}, {count} px"))
    rows = []
    for start in range(0, len(shown), IMAGES_IN_A_ROW):
        part = shown[start : start + IMAGES_IN_A_ROW]
        rows.append(("", [picture for picture, _ in part], [caption for _, caption in part]))
    path = bench.picture("examples")
    analysis.image_table(
        path,
        rows,
        "The image with the highest confidence of each condition",
        f"with its confidence as {classified.class_names[0]} and its number of pixels of ink",
    )
    bench.report.picture(
        path, "The image with the highest confidence over the seeds, by condition, and its number of pixels."
    )


def by_eccentricity(grid: Figures, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """[S, eccentricity] the best log-odds over all numbers of pixels, -inf where there is none; and the number of
    pixels of those images."""
    odds = grid["odds"]
    row = odds.argmax(axis=1)
    counts = (grid["genome"] < pixels).sum(axis=-1)
    best = np.take_along_axis(odds, row[:, None], axis=1)[:, 0]
    return best, np.take_along_axis(counts, row[:, None], axis=1)[:, 0]


def _grid(bench: Workbench, grid: Figures, classified: Classifier) -> None:
    height, width, _ = classified.image_shape
    best, _ = by_eccentricity(grid, height * width)
    sure = 1.0 / (1.0 + np.exp(-np.where(np.isfinite(best), best, np.nan).astype(np.float64)))
    columns = np.linspace(0, 1, best.shape[1] + 1)
    reached = np.isfinite(best).all(axis=0)
    if not reached.any():
        return
    middles = ((columns[1:] + columns[:-1]) / 2)[reached]
    path = bench.picture("eccentricity")
    analysis.lines(
        path,
        middles,
        {"highest confidence": bands(sure[:, reached])},
        "How sure the network can be made, by where the ink is",
        f"MAP-Elites over number of pixels and eccentricity; 95 % over {len(bench.seeds)} seeds",
        "mean distance of the ink from the centre: a corner is 1",
        "confidence",
    )
    bench.report.picture(path, "Highest confidence, by the mean distance of its ink from the centre.")
