"""What a run leaves: archive, elites, images, numbers; saved to a folder and loaded from it."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from qdfool import run_folder
from qdfool.analysis import class_heatmap, curves, gallery, grid_heatmaps
from qdfool.build import build_encoding, build_measures, grid_ranges
from qdfool.check import InputError
from qdfool.config import Config, from_dict, to_dict
from qdfool.encodings.levels import to_uint8
from qdfool.engine.elites import empty
from qdfool.history import SURE, VERY_SURE, History, Metrics, confidence
from qdfool.ribs_bridge import Archive, RibsMirror, class_maps, take
from qdfool.types import Elites

PACKAGES = ("qdfool", "jax", "flax", "optax", "numpy", "ribs", "orbax-checkpoint")
ROWS = ("fitness", "birth_generation", "parent_class", "changes", "curiosity")
"""Fields of the elites that `elites.npz` holds under their own names."""


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
    """The same as a pyribs archive; see `qdfool.ribs_bridge.RibsMirror` for its fields."""
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
        genomes = take(self.elites, self.cells()).genome
        return np.asarray(jax.jit(jax.vmap(build_encoding(self.config, self.image_shape).decode))(genomes))

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
        rows = take(self.elites, cells)
        arrays = {
            "images": np.asarray(to_uint8(jnp.asarray(self.images()))),
            "confidence": confidence(rows.fitness),
            "class_index": (cells // self._grid_cells()).astype(np.int32),
            "cell": cells.astype(np.int32),
            **{name: np.asarray(getattr(rows, name)) for name in ROWS},
            **dict(zip(_genome_names(rows.genome), jax.tree.leaves(rows.genome), strict=True)),
        }
        if self.config.archive == "grid":
            arrays["measures"] = np.asarray(rows.measures)
        return arrays

    def draw(self, directory: Path) -> None:
        """Draws `gallery.png`, `heatmap.png` and `curves.png`.

        Raises:
            OSError: they cannot be written.
        """
        fitness = np.asarray(self.elites.fitness)[self.best()]
        row = {cell: index for index, cell in enumerate(self.cells())}
        levels = np.asarray(to_uint8(jnp.asarray(self.images())))
        images = np.zeros((len(self.class_names), *self.image_shape), np.uint8)
        for index, cell in enumerate(self.best()):
            if cell in row:
                images[index] = levels[row[cell]]
        run = f"{self.config.preset}, seed {self.config.seed}"
        evaluations = f"{self.generations * self.config.batch_size:,} evaluations"
        gallery_png, heatmap_png, curves_png = (directory / name for name in run_folder.PICTURES)
        gallery(
            gallery_png,
            images,
            self.class_names,
            fitness,
            f"The surest image of each class ({run}, {evaluations})",
        )
        if self.config.archive == "grid":
            grid_heatmaps(
                heatmap_png,
                class_maps(self.archive),
                self.class_names,
                self.config.measures,
                f"Confidence by measures ({run}, {evaluations})",
            )
        else:
            class_heatmap(
                heatmap_png,
                self.history.generation,
                self.history.fitness,
                self.class_names,
                f"How sure the classifier became of each class ({run})",
            )
        sure = confidence(self.history.fitness)
        low, median, high = np.quantile(sure, [0.05, 0.5, 0.95], axis=1)
        curves(
            curves_png,
            self.history.generation.astype(np.int64) * self.config.batch_size,
            median,
            sure.min(axis=1),
            low,
            high,
            self.history.qd_score,
            self.history.coverage,
            f"Evolution ({run})",
            self.config.batch_size,
        )

    def _grid_cells(self) -> int:
        return len(self.elites.fitness) // len(self.class_names)


def write_config(
    directory: Path,
    config: Config,
    class_names: Sequence[str],
    image_shape: tuple[int, int, int],
    fingerprint: str,
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
