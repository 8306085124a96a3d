"""The pictures of a run: which ones, and what goes into them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qdfool import analysis
from qdfool.classifiers.imagenet import CLASS_NAMES, DOGS_AND_CATS
from qdfool.config import Config, name_of
from qdfool.engine.objectives import confidence
from qdfool.genomes.cppn.encoding import ACTIVATIONS, INPUTS, OUTPUTS
from qdfool.genomes.cppn.graph import Graph, adjacency, reachability
from qdfool.results import run_folder
from qdfool.results.history import History

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
    maps: Sequence[Any],
) -> None:
    """Draws `gallery.png`, `heatmap.png` and `curves.png`.

    Of more than a hundred classes the gallery is an overview, its pages lie in the folder `gallery`, and
    `classes.png` has the confidence of each class by its index.

    Args:
        directory: of the run.
        config: of the run.
        class_names: K names.
        fitness: [K] log-odds of each class's elite with the highest confidence, -inf where there is none.
        images: from class indices [n] to their images [n, H, W, C] uint8.
        history: of the run.
        generations: completed.
        maps: a map per class of a grid archive; none of a class archive.

    Raises:
        OSError: they cannot be written.
    """
    run = f"{config.preset}, seed {config.seed}"
    gallery_png, heatmap_png, curves_png = (directory / name for name in run_folder.PICTURES)
    title = f"The best image of each class ({run}, {generations * config.batch_size:,} evaluations)"
    if len(class_names) > MOST_CLASSES_ON_A_PAGE:
        analysis.overview(gallery_png, images, class_names, fitness, title)
        analysis.contact_sheets(directory / run_folder.SHEETS, images, class_names, fitness, title)
        bands = {"dogs and cats": DOGS_AND_CATS} if tuple(class_names) == CLASS_NAMES else {}
        analysis.class_index_figure(
            directory / run_folder.CLASSES, fitness, f"Confidence by class ({run})", bands
        )
    else:
        analysis.gallery(gallery_png, images(np.arange(len(class_names))), class_names, fitness, title)
    if maps:
        measures = [name_of(measure) for measure in config.measures]
        if len(class_names) > MOST_CLASSES_ON_A_PAGE:
            shown = analysis.sample_classes(len(class_names))
            maps = [maps[index] for index in shown]
            class_names = [str(class_names[index]) for index in shown]
        analysis.grid_heatmaps(heatmap_png, maps, class_names, measures, f"Confidence by measures ({run})")
    else:
        analysis.class_heatmap(
            heatmap_png,
            history.generation,
            history.fitness,
            class_names,
            f"Confidence of each class by generation ({run})",
        )
    confidences = confidence(history.fitness)
    low, median, high = np.quantile(confidences, [0.05, 0.5, 0.95], axis=1)
    analysis.curves(
        curves_png,
        history.generation.astype(np.int64) * config.batch_size,
        median,
        confidences.min(axis=1),
        low,
        high,
        history.qd_score,
        history.coverage,
        f"Evolution ({run})",
        config.batch_size,
    )


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
    last = max(depth[node] for node in range(inputs, inputs + outputs))
    last = max(last, 1, *depth.values())
    return {**depth, **dict.fromkeys(range(inputs, inputs + outputs), last)}
