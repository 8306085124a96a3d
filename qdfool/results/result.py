"""What a run leaves: archive, elites, images, numbers; saved to a folder and loaded from it."""

import functools
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from qdfool.build import build_encoding, build_measures, grid_ranges
from qdfool.config import Config, from_dict, to_dict
from qdfool.engine.archive import empty
from qdfool.engine.objectives import confidence
from qdfool.errors import InputError, known_name
from qdfool.genomes.cppn.graph import Graph
from qdfool.genomes.levels import to_uint8
from qdfool.results import run_folder
from qdfool.results.history import SURE, VERY_SURE, History, Metrics
from qdfool.results.pictures import draw, draw_graph
from qdfool.results.pyribs import Archive, RibsMirror, class_maps, take
from qdfool.types import Elites

PACKAGES = ("qdfool", "jax", "flax", "optax", "numpy", "ribs", "orbax-checkpoint")
ROWS = ("fitness", "birth_generation", "parent_class", "num_replacements", "curiosity")
"""Fields of the elites that `elites.npz` holds under their own names."""
DECODED_AT_ONCE = 1 << 24
"""Values of images that are decoded at once."""


@dataclass(frozen=True)
class Result:
    """The outcome of a run."""

    config: Config
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    fingerprint: str
    """SHA-256 of the classifier's weights; empty where it has no file."""
    elites: Elites
    """The device's archive, N cells."""
    archive: Archive
    """The same as a pyribs archive; see `qdfool.results.pyribs.RibsMirror` for its fields."""
    history: History
    metrics: Sequence[Metrics]
    """A row per chunk."""
    generations: int
    """Generations completed."""
    seconds: float
    """Seconds of evolution, compilation not counted."""
    compile_seconds: float

    def cells(self) -> np.ndarray:
        """[n] the occupied cells, in order: what the rows of `images` and `confidences` belong to."""
        return np.flatnonzero(np.isfinite(np.asarray(self.elites.fitness)))

    def images(self) -> np.ndarray:
        """[n, H, W, C] float32 in [0, 1], the image of each elite as the classifier saw it."""
        return self._decoded(self.cells())

    def levels(self, cells: np.ndarray) -> np.ndarray:
        """[n, H, W, C] uint8, the images of the elites in these cells, as a PNG holds them."""
        return self._decoded(cells, lambda images: np.asarray(to_uint8(images)))

    def _decoded(self, cells: np.ndarray, finish: Callable[[Any], Any] = np.asarray) -> np.ndarray:
        """A part at a time: a thousand large images are more than should be held several times."""
        decode = _decoder(self.config, self.image_shape)
        part = max(2, DECODED_AT_ONCE // int(np.prod(self.image_shape)))
        if len(cells) <= part:
            return finish(decode(take(self.elites, cells).genome)) if len(cells) else self._no_images(finish)
        # Every part is of one length, so that one program draws them all.
        filled = np.concatenate([cells, np.zeros(-len(cells) % part, cells.dtype)])
        parts = [finish(decode(take(self.elites, some).genome)) for some in filled.reshape(-1, part)]
        return np.concatenate(parts)[: len(cells)]

    def _no_images(self, finish: Callable[[Any], Any]) -> np.ndarray:
        return finish(np.zeros((0, *self.image_shape), np.float32))

    def confidences(self) -> np.ndarray:
        """[n] float64, softmax confidence of each elite in its class."""
        return confidence(np.asarray(self.elites.fitness)[self.cells()])

    def best(self) -> np.ndarray:
        """[K] cell of each class's surest elite; of a class without one, its first cell."""
        fitness = np.asarray(self.elites.fitness).reshape(len(self.class_names), -1)
        return fitness.argmax(axis=1) + np.arange(len(self.class_names)) * fitness.shape[1]

    def summary(self) -> dict[str, Any]:
        """The figures of `summary.json`. Medians are over classes, each by its surest elite."""
        fitness = np.asarray(self.elites.fitness)
        sure = confidence(fitness[self.best()])
        evaluations = self.generations * self.config.batch_size
        return {
            "median_confidence": float(np.median(sure)),
            "min_confidence": float(sure.min()),
            "classes": len(self.class_names),
            "classes_at_99": int((sure >= SURE).sum()),
            "classes_at_9999": int((sure >= VERY_SURE).sum()),
            "qd_score": float(confidence(fitness).sum()),
            "qd_score_is": "sum of the confidence over all cells",
            "coverage": float(np.isfinite(fitness).mean()),
            "elites": int(np.isfinite(fitness).sum()),
            "generations": self.generations,
            "evaluations": evaluations,
            "seconds": self.seconds,
            "evaluations_per_second": evaluations / self.seconds if self.seconds else 0.0,
            "compile_seconds": self.compile_seconds,
            **({"cppn": self._cppn_summary()} if self.config.encoding == "cppn" else {}),
        }

    def _cppn_summary(self) -> dict[str, Any]:
        """How large the networks became, and whether they met the caps."""
        graphs: Graph = jax.tree.map(lambda leaf: np.asarray(leaf)[self.cells()], self.elites.genome)
        nodes, connections = graphs.alive.sum(axis=1), graphs.present.sum(axis=1)
        return {
            "nodes_median": float(np.median(nodes)) if nodes.size else 0.0,
            "nodes_most": int(nodes.max(initial=0)),
            "nodes_cap": self.config.cppn.nodes,
            "connections_median": float(np.median(connections)) if nodes.size else 0.0,
            "connections_most": int(connections.max(initial=0)),
            "connections_cap": self.config.cppn.connections,
            "elites_refused_growth": int((graphs.refused > 0).sum()),
            "refusals": int(graphs.refused.sum()),
            "refusals_are": "nodes and connections that found no free slot, over the elites' lines of descent",
        }

    def save(self, directory: str | Path, overwrite: bool = False) -> None:
        """Writes the run folder: numbers, elites and pictures (a checkpoint is the command line's to keep).

        Raises:
            InputError: the folder has a run in it and `overwrite` is not set, or cannot be written to.
            OSError: the disk is full.
        """
        run_folder.prepare(Path(directory), overwrite)
        write_config(Path(directory), self.config, self.class_names, self.image_shape, self.fingerprint)
        self.write(Path(directory))

    def write(self, directory: Path) -> None:
        """Writes all but `config.json` into a folder that is this run's own.

        Raises:
            OSError: it cannot be written.
        """
        run_folder.write_arrays(directory / run_folder.ELITES, self.arrays())
        run_folder.write_history(directory / run_folder.HISTORY, self.history)
        run_folder.write_metrics(directory / run_folder.METRICS, self.metrics)
        run_folder.write_json(directory / run_folder.SUMMARY, self.summary())
        self.draw(directory)

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays of `elites.npz`: a row per elite, in the order of `cells`."""
        cells = self.cells()
        arrays = {
            "images": self.levels(cells),
            "confidence": self.confidences(),
            "class_index": (cells // self._grid_cells()).astype(np.int32),
            "cell": cells.astype(np.int32),
            **{name: np.asarray(getattr(self.elites, name))[cells] for name in ROWS},
        }
        for name, leaf in zip(
            _genome_names(self.elites.genome), jax.tree.leaves(self.elites.genome), strict=True
        ):
            # Not copied where every cell is occupied: it may be the most of what memory holds.
            arrays[name] = np.asarray(leaf) if len(cells) == len(leaf) else np.asarray(leaf)[cells]
        if self.config.archive == "grid":
            arrays["measures"] = np.asarray(self.elites.measures)[cells]
        return arrays

    def draw(self, directory: Path) -> None:
        """Draws the pictures of a run folder; see `qdfool.results.pictures.draw`.

        Raises:
            OSError: they cannot be written.
        """
        best = self.best()
        draw(
            directory,
            config=self.config,
            class_names=self.class_names,
            fitness=np.asarray(self.elites.fitness)[best],
            images=lambda classes: self.levels(best[classes]),
            history=self.history,
            generations=self.generations,
            maps=class_maps(self.archive) if self.config.archive == "grid" else (),
        )

    def draw_cppn(self, path: str | Path, class_name: str) -> None:
        """Draws the network of a class's surest elite beside its image, into a PNG.

        Raises:
            InputError: the elites are no CPPNs, the class is unknown or has no elite.
        """
        if self.config.encoding != "cppn":
            raise InputError(
                f"Only a CPPN has a graph to draw; this run's encoding is {self.config.encoding!r}."
            )
        known_name("class", class_name, self.class_names)
        cell = self.best()[[self.class_names.index(class_name)]]
        if not np.isfinite(np.asarray(self.elites.fitness)[cell[0]]):
            raise InputError(f"The class {class_name!r} has no elite to draw.")
        graph = jax.tree.map(lambda leaf: leaf[0], take(self.elites, cell).genome)
        draw_graph(
            Path(path),
            graph,
            self.levels(cell)[0],
            f"{class_name} ({self.config.preset}, seed {self.config.seed})",
        )

    def _grid_cells(self) -> int:
        return len(self.elites.fitness) // len(self.class_names)


@functools.lru_cache(maxsize=8)
def _decoder(config: Config, image_shape: tuple[int, int, int]) -> Callable[[Any], Any]:
    """Genomes [n, ...] to images [n, H, W, C], compiled once for each n."""
    return jax.jit(jax.vmap(build_encoding(config, image_shape).decode))


def write_config(
    directory: Path,
    config: Config,
    class_names: Sequence[str],
    image_shape: tuple[int, int, int],
    fingerprint: str,
    name: str = "",
    reference: str = "",
    file_hash: str = "",
) -> None:
    """Writes `config.json`: every setting, what the classifier is, versions, device.

    Raises:
        OSError: it cannot be written.
    """
    device = jax.devices()[0]
    run_folder.write_json(
        directory / run_folder.CONFIG,
        {
            "settings": to_dict(config),
            "classifier": {
                "name": name or config.classifier,
                "reference": reference,
                "file_hash": file_hash,
                "image_shape": list(image_shape),
                "fingerprint": fingerprint,
                "class_names": list(class_names),
            },
            "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
            "device": {
                "platform": device.platform,
                "kind": device.device_kind,
                "machine": platform.machine(),
            },
        },
    )


def read_config(directory: Path) -> tuple[Config, dict[str, Any]]:
    """The settings of a run folder, and all of its `config.json`.

    Raises:
        InputError: it is missing or damaged.
    """
    values = run_folder.read_json(directory / run_folder.CONFIG)
    if not {"settings", "classifier", "versions"} <= values.keys():
        raise InputError(
            f"{directory / run_folder.CONFIG} is damaged: settings, classifier or versions lack."
        )
    return from_dict(values["settings"]), values


def load(directory: str | Path) -> Result:
    """The result that a run folder holds, as it was saved; needs neither classifier nor checkpoint.

    Raises:
        InputError: a file is missing or damaged.
    """
    directory = Path(directory)
    config, values = read_config(directory)
    summary = run_folder.read_json(directory / run_folder.SUMMARY)
    arrays = run_folder.read_arrays(directory / run_folder.ELITES)
    names, image_shape = (
        tuple(values["classifier"]["class_names"]),
        tuple(values["classifier"]["image_shape"]),
    )
    measures = build_measures(config)
    grid_cells = config.cells[0] * config.cells[1] if measures else 1
    genome = jax.eval_shape(build_encoding(config, image_shape).initialise, jax.random.key(0))
    elites = empty(genome, len(names), grid_cells, len(measures))
    try:
        elites = _fill(elites, arrays)
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(
            f"{directory / run_folder.ELITES} does not fit {run_folder.CONFIG}: {error}. Expected both as one "
            "run wrote them."
        ) from error
    ranges = grid_ranges(config, measures) if measures else ()
    mirror = RibsMirror(elites, names, config.cells if measures else (), ranges)
    mirror.follow(elites)
    return Result(
        config=config,
        class_names=names,
        image_shape=image_shape,
        fingerprint=values["classifier"]["fingerprint"],
        elites=elites,
        archive=mirror.archive,
        history=run_folder.read_history(directory / run_folder.HISTORY),
        metrics=run_folder.read_metrics(directory / run_folder.METRICS),
        generations=summary["generations"],
        seconds=summary["seconds"],
        compile_seconds=summary["compile_seconds"],
    )


def _fill(elites: Elites, arrays: dict[str, np.ndarray]) -> Elites:
    cells = arrays["cell"]
    leaves, tree = jax.tree.flatten(elites.genome)
    names = _genome_names(elites.genome)
    filled = [leaf.at[cells].set(arrays[name]) for leaf, name in zip(leaves, names, strict=True)]
    fields = {name: getattr(elites, name).at[cells].set(arrays[name]) for name in ROWS}
    if "measures" in arrays:
        fields["measures"] = elites.measures.at[cells].set(arrays["measures"])
    return elites._replace(genome=jax.tree.unflatten(tree, filled), **fields)


def _genome_names(genome: Any) -> list[str]:
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(genome)]
    return ["genome" + jax.tree_util.keystr(path) for path in paths]
