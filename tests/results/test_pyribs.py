"""The pyribs archive equals the device's elites, after every chunk and for every archive and encoding."""

from dataclasses import replace

import fake
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ribs.archives import CategoricalArchive, GridArchive

from qdfool.config import Mutation
from qdfool.engine.archive import empty
from qdfool.engine.objectives import confidence
from qdfool.results.pyribs import class_maps, to_archive
from qdfool.results.run import Run
from qdfool.results.snapshot import take


def assert_equal(archive, elites, names):
    data = archive.data()
    order = np.argsort(data["index"])
    cells = np.flatnonzero(np.isfinite(np.asarray(elites.fitness)))
    np.testing.assert_array_equal(data["index"][order], cells)
    np.testing.assert_array_equal(data["objective"][order], np.asarray(elites.fitness)[cells])
    np.testing.assert_array_equal(data["confidence"][order], confidence(np.asarray(elites.fitness)[cells]))
    genome = np.asarray(elites.genome)[cells].reshape(len(cells), -1)
    assert data["solution"].dtype == genome.dtype
    np.testing.assert_array_equal(data["solution"][order], genome)
    for name in ("birth_generation", "parent_class", "num_replacements"):
        np.testing.assert_array_equal(data[name][order], np.asarray(getattr(elites, name))[cells])
    if isinstance(archive, CategoricalArchive):
        assert data["measures"][order][:, 0].tolist() == [names[cell] for cell in cells]
    else:
        np.testing.assert_allclose(
            data["measures"][order][:, 1:], np.asarray(elites.measures)[cells], atol=1e-3
        )


@pytest.mark.parametrize(
    ("archive", "encoding"),
    [
        ("class", "pixels"),
        ("grid", "binary"),
        pytest.param("class", "binary", marks=pytest.mark.slow),
        pytest.param("grid", "pixels", marks=pytest.mark.slow),
    ],
)
def test_the_archive_equals_the_elites_after_every_chunk(small, archive, encoding):
    config = replace(
        small,
        archive=archive,
        encoding=encoding,
        cells=(6, 5),
        generations=40,
        mutation=Mutation(operators=("bit_flip",)),
    )
    run = Run(config, fake.classifier)
    chunks = 0
    for _ in run.advance():
        result = run.result()
        assert_equal(result.archive, result.elites, result.class_names)
        chunks += 1
    assert chunks > 1
    assert isinstance(run.result().archive, CategoricalArchive if archive == "class" else GridArchive)


def grid_elites(measures):
    """One elite a cell of a 1 x (2 x 5 x 5) grid, at the given measures, in the given cells."""
    elites = empty(jnp.zeros(3), 2, 25, 2)
    cells = np.array([3 * 5 + 2, 25 + 4 * 5 + 4])
    return elites._replace(
        fitness=elites.fitness.at[cells].set(1.0),
        measures=elites.measures.at[cells].set(measures),
        num_replacements=elites.num_replacements.at[cells].set(1),
    ), cells


def test_a_measure_an_ulp_beyond_its_cell_is_put_where_it_competed():
    edge = np.float32(0.6) - np.float32(1e-5)  # NumPy would put it in cell 2, the device said 3.
    elites, cells = grid_elites(np.array([[edge, 0.5], [1.0, 1.0]], np.float32))
    archive = to_archive(elites, ("a", "b"), (5, 5), ((0, 1), (0, 1)))
    np.testing.assert_array_equal(np.sort(archive.data("index")), cells)


def test_class_maps_show_each_class_alone():
    elites, _ = grid_elites(np.array([[0.7, 0.5], [0.9, 0.95]], np.float32))
    first, second = class_maps(to_archive(elites, ("a", "b"), (5, 5), ((0, 1), (0, 1))))
    assert first.data("index").tolist() == [17]
    assert second.data("index").tolist() == [24]
    np.testing.assert_allclose(first.data("objective"), 1 / (1 + np.exp(-1)))
    np.testing.assert_allclose(first.data("measures"), [[0.7, 0.5]], rtol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 3, 7])
def test_take_brings_the_rows_asked_for(count):
    elites, _ = grid_elites(np.array([[0.7, 0.5], [0.9, 0.95]], np.float32))
    elites = elites._replace(num_replacements=jnp.arange(50))
    cells = np.array([4, 17, 3, 49, 0, 8, 1])[:count]
    np.testing.assert_array_equal(take(elites, cells).num_replacements, cells)
    assert jax.tree.leaves(take(elites, cells).genome)[0].shape == (count, 3)


@pytest.mark.parametrize("cells", [2_000, 10_000])
def test_fine_grids_hold_every_elite_in_its_cell(cells):
    """At this size a nudge of a share of a cell is below one float32 step."""
    elites = empty(jnp.zeros(1), 1, cells, 2)
    occupied = np.array([0, 1, cells // 3, cells - 1])
    low = (occupied / cells).astype(np.float32)
    measures = np.stack([np.zeros(4, np.float32), low], axis=1)
    elites = jax.tree.map(
        np.asarray,
        elites._replace(
            fitness=elites.fitness.at[occupied].set(1.0),
            measures=elites.measures.at[occupied].set(measures),
        ),
    )
    archive = to_archive(elites, ("a",), (1, cells), ((0, 1), (0, 1)))
    np.testing.assert_array_equal(np.sort(archive.data("index")), occupied)
