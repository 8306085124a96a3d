"""What a run leaves: elites, archive, images, numbers; saved to a folder."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from qdfool.build import begins_with_pictures, build_encoding, build_measures, grid_ranges
from qdfool.config import BUDGET, Config
from qdfool.engine.archive import occupied
from qdfool.engine.objectives import confidence
from qdfool.errors import InputError, known_name, named, shown
from qdfool.genomes.cppn.graph import Graph
from qdfool.genomes.levels import to_uint8
from qdfool.results import elites_file, history_file, npz, run_folder
from qdfool.results.config_file import ClassifierRecord, write_config
from qdfool.results.history import SURE, VERY_SURE, History, Metrics
from qdfool.results.snapshot import Snapshot
from qdfool.types import Classifier, Elites, Genome, Image

if TYPE_CHECKING:
    from qdfool.results.pyribs import Archive

MOST_IN_SUMMARY = 10_000
"""Elites that a summary lists."""
VALUES_PER_DECODING = 1 << 24
"""Values of images that are decoded at once."""


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """The outcome of a run, or what it has found so far: a value, which stays what it is when the run goes on."""

    config: Config
    classifier: ClassifierRecord
    """What was audited."""
    snapshot: Snapshot
    """Of the device's archive; see `elites`."""
    history: History
    metrics: Sequence[Metrics]
    """A row per chunk; of a long run, per several."""
    generations: int
    """Generations completed."""
    seconds: float
    """Seconds of evolution, compilation not counted."""
    compile_seconds: float
    decode: Callable[[Genome], Image] | None = field(default=None, repr=False, compare=False)
    """Of an encoding of the user's own, as it was when the run was built; without it, as the config has it by now."""

    def __repr__(self) -> str:
        found = f"{len(self.cells()):,} elites, {self.generations:,} generations"
        return f"<Result of {self.config.preset} on {named(self.classifier.name)}: {found}>"

    @property
    def class_names(self) -> tuple[str, ...]:
        """K names in the order of the logits."""
        return self.classifier.class_names

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        return self.classifier.image_shape

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the classifier's weights; empty where it has none that are known."""
        return self.classifier.fingerprint

    @property
    def elites(self) -> Elites:
        """The device's archive, N cells, NumPy leaves."""
        return self.snapshot.elites

    @functools.cached_property
    def archive(self) -> "Archive":
        """The elites as a pyribs archive, made when it is first asked for; see `qdfool.results.pyribs.to_archive`.

        Raises:
            InputError: the measures of a loaded run are not those of its elites' cells.
        """
        # Imported here because pyribs takes as long to import as JAX, and not every use needs it.
        from qdfool.results.pyribs import to_archive

        measures = build_measures(self.config)
        ranges = grid_ranges(self.config, measures) if measures else ()
        try:
            return to_archive(self.elites, self.class_names, self.config.cells if measures else (), ranges)
        except ValueError as error:
            raise InputError(f"The elites do not fit the grid of their config: {error}.") from error

    def cells(self) -> np.ndarray:
        """[n] the occupied cells, in order: what the rows of `images` and `confidences` belong to."""
        return self.snapshot.cells()

    def images(self) -> np.ndarray:
        """[n, H, W, C] float32 in [0, 1], the image of each elite as the classifier saw it."""
        return self.images_in(self.cells())

    def images_in(self, cells: np.ndarray) -> np.ndarray:
        """[n, H, W, C] float32 in [0, 1], the images of the elites in these cells as the classifier saw them."""
        return self._decoded(cells)

    def levels(self, cells: np.ndarray) -> np.ndarray:
        """[n, H, W, C] uint8, the images of the elites in these cells, as a PNG holds them."""
        return self._decoded(cells, lambda images: np.asarray(_to_uint8(images)))

    def _decoded(self, cells: np.ndarray, finish: Callable[[Any], Any] = np.asarray) -> np.ndarray:
        """A part at a time: a thousand large images are more than should be held several times."""
        # What does not decide how a genome becomes an image is left out: runs that differ in it share the program.
        same = {
            "seed": 0,
            "chunk_seconds": 1.0,
            "checkpoint_every": 0.0,
            "devices": 1,
            **dict.fromkeys(BUDGET),
        }
        if self.decode is not None:
            decode = _jitted(self.decode)
        else:
            decode = _decoder(replace(self.config, **same), self.image_shape)
        part = max(2, VALUES_PER_DECODING // int(np.prod(self.image_shape)))
        if len(cells) <= part:
            return finish(decode(self.snapshot.take(cells).genome)) if len(cells) else self._no_images(finish)
        # Every part is of one length, so that one program draws them all.
        filled = np.concatenate([cells, np.zeros(-len(cells) % part, cells.dtype)])
        parts = [finish(decode(self.snapshot.take(some).genome)) for some in filled.reshape(-1, part)]
        return np.concatenate(parts)[: len(cells)]

    def _no_images(self, finish: Callable[[Any], Any]) -> np.ndarray:
        return finish(np.zeros((0, *self.image_shape), np.float32))

    def image(self, class_name: str) -> np.ndarray:
        """[H, W, C] float32 in [0, 1], a class's elite of the highest confidence as the classifier saw it.

        Raises:
            InputError: the class is unknown or has no elite.
        """
        return self._decoded(self.cell_of(class_name))[0]

    def confidence(self, class_name: str) -> float:
        """Softmax confidence of the elite that `image` shows.

        Raises:
            InputError: the class is unknown or has no elite.
        """
        return float(confidence(self.snapshot.fitness_of(self.cell_of(class_name)))[0])

    def confidences(self) -> np.ndarray:
        """[n] float64, softmax confidence of each elite in its class."""
        return confidence(self.snapshot.fitness_of(self.cells()))

    def best(self) -> np.ndarray:
        """[K] cell of each class's elite of the highest confidence; of a class without one, its first cell."""
        cells = self.cells()
        classes, fitness = cells // self.grid_cells(), self.snapshot.fitness_of(cells)
        highest = np.full(len(self.class_names), -np.inf, np.float32)
        np.maximum.at(highest, classes, fitness)
        best = np.arange(len(self.class_names)) * self.grid_cells()
        # What is written last stands: of equals, the first cell.
        rows = np.flatnonzero(fitness == highest[classes])[::-1]
        best[classes[rows]] = cells[rows]
        return best

    def summary(self) -> dict[str, Any]:
        """The figures of `summary.json`. Medians are over classes, each by its elite of the highest confidence;
        `ended_by` is the budget that is spent, None where the run was ended otherwise or goes on."""
        sure, all_sure = confidence(self.snapshot.fitness_of(self.best())), self.confidences()
        evaluations = self.config.charges().of(self.generations)
        spent = self.config.spent_budget(self.generations, self.seconds)
        return {
            "median_confidence": float(np.median(sure)),
            "min_confidence": float(sure.min()),
            "classes": len(self.class_names),
            "classes_at_99": int((sure >= SURE).sum()),
            "classes_at_9999": int((sure >= VERY_SURE).sum()),
            "cells_at_9999": int((all_sure >= VERY_SURE).sum()),
            "qd_score": float(all_sure.sum()),
            "qd_score_is": "sum of the confidence over all cells",
            "coverage": len(all_sure) / self.snapshot.size,
            "elites": len(all_sure),
            "generations": self.generations,
            "evaluations": evaluations,
            "images_classified": self.generations * self.config.batch_size,
            "ended_by": spent[0] if spent else None,
            "seconds": self.seconds,
            "evaluations_per_second": evaluations / self.seconds if self.seconds else 0.0,
            "compile_seconds": self.compile_seconds,
            **({"cppn": self._cppn_summary()} if self.config.encoding == "cppn" else {}),
            **({"initial": self._origin_summary()} if begins_with_pictures(self.config) else {}),
        }

    def _origin_summary(self) -> dict[str, Any]:
        """How far elites are from the pictures that their lines of descent began with."""
        cells = self.cells()
        picture, distance = (leaf[cells] for leaf in self.elites.origin)
        few = len(cells) <= MOST_IN_SUMMARY
        return {
            "pictures": len(np.unique(picture)),
            "distance_median": float(np.median(distance)) if len(cells) else None,
            "distance_least": float(distance.min()) if len(cells) else None,
            "distance_most": float(distance.max()) if len(cells) else None,
            "distance_is": "root mean square difference of an elite from the picture that its line of descent, by "
            "first parents, began with; values in [0, 1]",
            "elites": {"cell": cells.tolist(), "picture": picture.tolist(), "distance": distance.tolist()}
            if few
            else f"{run_folder.ELITES} has the origin of each",
        }

    def _cppn_summary(self) -> dict[str, Any]:
        """How large the networks became, and whether they met the caps."""
        graphs: Graph = self.snapshot.take(self.cells()).genome
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
            InputError: the folder has a run in it and `overwrite` is not set, another process is writing into it,
                or it cannot be written to.
            OSError: the disk is full.
        """
        folder = run_folder.folder_given("directory", directory)
        lock = run_folder.prepare(folder, overwrite)
        try:
            write_config(folder, self.config, self.classifier)
            self.write(folder)
            self.draw(folder)
        finally:
            lock.release()

    def write(self, directory: Path, before_summary: Callable[[], None] = lambda: None) -> None:
        """Writes the numbers, all but `config.json`, into a folder that is this run's own. The picture that is drawn
        last goes first: as long as it is not there, pictures and page may be of other numbers.

        Args:
            directory: has the `config.json`.
            before_summary: called when all else is written. What it raises leaves the folder without a new summary,
                which says where a run has ended.

        Raises:
            OSError: it cannot be written.
        """
        for name in (run_folder.PICTURES[-1], run_folder.PARTIAL):
            (directory / name).unlink(missing_ok=True)
        npz.write(directory / run_folder.ELITES, elites_file.sealed(self.arrays()))
        history_file.write(directory / run_folder.HISTORY, self.history)
        run_folder.write_metrics(directory / run_folder.METRICS, self.metrics)
        before_summary()
        run_folder.write_json(directory / run_folder.SUMMARY, self.summary())

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays of `elites.npz`, but for its version and digest: a row per elite, in the order of `cells`."""
        cells = self.cells()
        return {
            "images": self.levels(cells),
            "confidence": self.confidences(),
            "class_index": (cells // self.grid_cells()).astype(np.int32),
            "cell": cells.astype(np.int32),
            **elites_file.to_rows(self.elites, cells),
        }

    def draw(self, directory: Path, classifier: Classifier | None = None) -> None:
        """Draws the pictures and the page of a run folder, and warns of those that fail; see
        `qdfool.results.pictures.draw`.

        Args:
            directory: of the run, with all numbers.
            classifier: is asked once more, for `report.html`, what it sees in the elites; None is not.

        Raises:
            OSError: they cannot be written.
        """
        # Imported here because matplotlib and pyribs take as long to import as JAX, and not every use needs them.
        from qdfool.results.pictures import draw
        from qdfool.results.report import write_page

        def maps() -> list[Any]:
            from qdfool.results.pyribs import class_maps

            return class_maps(self.archive)

        best = self.best()
        draw(
            directory,
            config=self.config,
            class_names=self.class_names,
            fitness=self.snapshot.fitness_of(best),
            images=lambda classes: self.levels(best[classes]),
            history=self.history,
            generations=self.generations,
            maps=maps,
            page=lambda: write_page(directory, self, classifier),
        )

    def draw_cppn(self, path: str | Path, class_name: str) -> None:
        """Draws the network of a class's elite of the highest confidence beside its image, into a PNG.

        Raises:
            InputError: the elites are no CPPNs, the class is unknown or has no elite.
        """
        self.draw_cppn_of(path, self.cell_of(class_name)[0])

    def draw_cppn_of(self, path: str | Path, occupied_cell: int) -> None:
        """As `draw_cppn`, of the elite of a cell that has one."""
        if self.config.encoding != "cppn":
            raise InputError(
                f"Only a CPPN has a graph to draw; this run's encoding is {shown(self.config.encoding)}."
            )
        cell = np.array([occupied_cell])
        class_name = self.class_names[occupied_cell // self.grid_cells()]
        # Imported here for the same reason as in `draw`.
        from qdfool.results.pictures import draw_graph

        graph = jax.tree.map(lambda leaf: leaf[0], self.snapshot.take(cell).genome)
        draw_graph(
            Path(path),
            graph,
            self.levels(cell)[0],
            f"{class_name} ({self.config.preset}, seed {self.config.seed})",
        )

    def cell_of(self, class_name: str) -> np.ndarray:
        """[1] the cell of a class's elite of the highest confidence."""
        known_name("class", str(class_name), self.class_names)
        cell = self.best()[[self.class_names.index(str(class_name))]]
        if not occupied(self.snapshot.fitness_of(cell)).all():
            raise InputError(
                f"The class {shown(class_name)} has no elite: no image with finite logits was classified yet."
            )
        return cell

    def grid_cells(self) -> int:
        """Cells of each class: 1 in the class archive."""
        return self.snapshot.size // len(self.class_names)


@functools.lru_cache(maxsize=8)
def _jitted(decode: Callable[[Genome], Image]) -> Callable[[Any], Any]:
    return jax.jit(jax.vmap(decode))


@functools.lru_cache(maxsize=8)
def _decoder(config: Config, image_shape: tuple[int, int, int]) -> Callable[[Any], Any]:
    """Genomes [n, ...] to images [n, H, W, C], compiled once for each n."""
    return jax.jit(jax.vmap(build_encoding(config, image_shape).decode))


_to_uint8 = jax.jit(to_uint8)
