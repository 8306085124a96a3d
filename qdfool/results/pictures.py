"""The pictures of a run: which ones, and what goes into them."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qdfool import analysis
from qdfool.classifiers.imagenet import CLASS_NAMES, DOGS_AND_CATS
from qdfool.config import Config, name_of
from qdfool.engine.objectives import confidence
from qdfool.errors import described
from qdfool.genomes.cppn.encoding import INPUTS, OUTPUTS
from qdfool.genomes.cppn.evaluation import ACTIVATIONS
from qdfool.genomes.cppn.graph import Graph, adjacency, reachability
from qdfool.presets import PRESETS
from qdfool.results import run_folder
from qdfool.results.history import History

_LOG = logging.getLogger(__name__)
MOST_CLASSES_ON_A_PAGE = 100
"""Of more classes, not all fit on one page."""


def draw(
    directory: Path,
    *,
    config: Config,
    class_names: Sequence[str],
    fitness: np.ndarray,
    images: Callable[[np.ndarray], np.ndarray],
    history: History,
    generations: int,
    maps: Callable[[], Sequence[Any]],
    page: Callable[[], None],
) -> None:
    """Draws `gallery.png` and `heatmap.png`, writes `report.html`, and draws `curves.png`.

    Of more than a hundred classes the gallery is an overview, its pages lie in the folder `gallery`, and
    `classes.png` has the confidence of each class by its index. A picture that fails is left out, with a warning; the
    others are drawn.

    Args:
        directory: of the run.
        config: of the run.
        class_names: K names.
        fitness: [K] log-odds of each class's elite with the highest confidence, -inf where there is none.
        images: from class indices [n] to their images [n, H, W, C] uint8.
        history: of the run.
        generations: completed.
        maps: to a map per class of a grid archive; not called of a class archive.
        page: writes `report.html`.

    Raises:
        OSError: they cannot be written.
    """
    run = name_of_run(config)
    gallery_png, heatmap_png, curves_png = (directory / name for name in run_folder.PICTURES)
    title = f"The best image of each class ({run}, {config.charges().of(generations):,} evaluations)"
    many = len(class_names) > MOST_CLASSES_ON_A_PAGE

    def gallery() -> None:
        analysis.gallery(gallery_png, images(np.arange(len(class_names))), class_names, fitness, title)

    def overview() -> None:
        analysis.overview(gallery_png, images, class_names, fitness, title)

    def sheets() -> None:
        pages = run_folder.no_link(directory / run_folder.SHEETS)
        analysis.contact_sheets(pages, images, class_names, fitness, title)

    def classes() -> None:
        bands = {"dogs and cats": DOGS_AND_CATS} if tuple(class_names) == CLASS_NAMES else {}
        analysis.class_index_figure(
            directory / run_folder.CLASSES, fitness, f"Confidence by class ({run})", bands
        )

    def grid_heatmaps() -> None:
        shown = analysis.sample_classes(len(class_names)) if many else range(len(class_names))
        drawn, measures = maps(), [name_of(measure) for measure in config.measures]
        analysis.grid_heatmaps(
            heatmap_png,
            [drawn[index] for index in shown],
            [str(class_names[index]) for index in shown],
            measures,
            f"Confidence by measures ({run})",
        )

    def class_heatmap() -> None:
        analysis.class_heatmap(
            heatmap_png,
            history.generation,
            history.fitness,
            class_names,
            f"Confidence of each class by generation ({run})",
        )

    def curves() -> None:
        confidences = confidence(history.fitness)
        low, median, high = np.quantile(confidences, [0.05, 0.5, 0.95], axis=1)
        analysis.curves(
            curves_png,
            config.charges().of(history.generation.astype(np.int64)),
            median,
            confidences.min(axis=1),
            low,
            high,
            history.qd_score,
            history.coverage,
            f"Evolution ({run})",
            _a_generation(config),
        )

    pictures = {
        gallery_png: overview if many else gallery,
        **({directory / run_folder.SHEETS: sheets, directory / run_folder.CLASSES: classes} if many else {}),
        heatmap_png: grid_heatmaps if config.archive == "grid" else class_heatmap,
        directory / run_folder.REPORT: page,
        curves_png: curves,  # Last: where it is, the others have been drawn.
    }
    if not generations:
        _LOG.warning("No generation is over yet: there is no growth to draw.")
        pictures = {
            path: picture for path, picture in pictures.items() if picture not in (class_heatmap, curves)
        }
    for path, picture in pictures.items():
        _attempt(path, picture)


def _a_generation(config: Config) -> int | None:
    """Evaluations that a generation is charged, if all are charged alike."""
    costs = config.charges().costs
    return costs[0] if len(costs) == 1 else None


def draw_over_seeds(
    path: Path, config: Config, series: Callable[[], tuple[np.ndarray, Mapping[str, np.ndarray]]], seeds: int
) -> None:
    """Draws the curves over several seeds, with a warning if that fails.

    Args:
        path: of the picture.
        config: of all runs, but for the seed.
        series: gives the generations [T], and the values [S, T] of median, minimum, qd_score and coverage.
        seeds: S.

    Raises:
        OSError: it cannot be written.
    """

    def picture() -> None:
        generations, values = series()
        bands = {name: np.quantile(rows, [0.5, 0.05, 0.95], axis=0) for name, rows in values.items()}
        analysis.seed_curves(
            path,
            config.charges().of(generations.astype(np.int64)),
            **{name: tuple(band) for name, band in bands.items()},
            title=f"Evolution ({name_of_run(config, f'{seeds:,} seeds')})",
            seeds=seeds,
            evaluations_a_generation=_a_generation(config),
        )

    _attempt(path, picture)


def _attempt(path: Path, picture: Callable[[], None]) -> None:
    try:
        picture()
    except OSError:
        raise
    except Exception as error:  # The numbers are saved, and worth more than any picture.
        _LOG.warning(
            f"{path} could not be drawn: {described(error).removesuffix('.')}. All else of the run is there."
        )


def name_of_run(config: Config, seeds: str = "") -> str:
    """Preset, what the images are and what bred them where that is not the preset's, and seed."""
    usual = PRESETS[config.preset][1] if config.preset in PRESETS else config
    others = [name_of(config.encoding)] if config.encoding != usual.encoding else []
    if config.emitters.operators != usual.emitters.operators:
        others.append(" and ".join(map(name_of, config.emitters.operators)))
    return ", ".join([config.preset, *others, seeds or f"seed {config.seed}"])


def draw_graph(path: Path, graph: Graph, image: np.ndarray, title: str) -> None:
    """Draws a CPPN beside its image [H, W, C] uint8.

    Raises:
        OSError: it cannot be written.
    """
    inputs, outputs = INPUTS, OUTPUTS[image.shape[2]]
    alive = np.flatnonzero(np.asarray(graph.alive))
    row = {int(node): index for index, node in enumerate(alive)}
    depth = _depths(graph, len(inputs), len(outputs))
    functions = list(ACTIVATIONS)
    nodes = []
    for node in map(int, alive):
        fixed = (*inputs, *outputs)
        is_input, is_output = node < len(inputs), len(inputs) <= node < len(fixed)
        nodes.append(
            analysis.GraphNode(
                label=fixed[node] if node < len(fixed) else str(node),
                activation="input" if is_input else functions[int(graph.activation[node])],
                depth=depth[node],
                role="input" if is_input else "output" if is_output else "hidden",
            )
        )
    connections = [
        analysis.GraphConnection(
            row[int(graph.source[slot])], row[int(graph.target[slot])], float(graph.weight[slot])
        )
        for slot in np.flatnonzero(np.asarray(graph.present))
    ]
    analysis.cppn_graph(path, nodes, connections, title, image=image)


def _depths(graph: Graph, inputs: int, outputs: int) -> dict[int, int]:
    """Of each node, the connections of the longest way to it; of outputs, all the same and most."""
    ancestors = reachability(adjacency(graph)).sum(axis=0)
    order = np.argsort(np.asarray(ancestors), kind="stable")
    depth = dict.fromkeys(map(int, order), 0)
    for node in map(int, order):
        for slot in np.flatnonzero(np.asarray(graph.present)):
            if graph.target[slot] == node:
                depth[node] = max(depth[node], depth[int(graph.source[slot])] + 1)
    last = max(1, *depth.values())
    return {**depth, **dict.fromkeys(range(inputs, inputs + outputs), last)}
