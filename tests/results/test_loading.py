"""What loading a run takes of the memory: what its files have, whatever its config states."""

import json
import tracemalloc
import zipfile
from pathlib import Path

import fake
import jax
import numpy as np
import pytest
from saved_arrays import arrays_of

import qdfool
from qdfool.errors import InputError
from qdfool.results import elites_file, npz
from qdfool.results.snapshot import Snapshot

FORMER = Path(__file__).parent / "former_run"


def test_cells_without_elites_take_no_memory(folder):
    """A grid of millions may be stated in a file of some bytes."""
    config = json.loads((folder / "config.json").read_text())
    config["settings"]["cells"] = [500, 500]
    (folder / "config.json").write_text(json.dumps(config))
    arrays = {n: a[:0] for n, a in arrays_of(folder).items() if n not in elites_file.SEAL}
    npz.write(folder / "elites.npz", elites_file.sealed(arrays))
    qdfool.load(FORMER)  # what is imported or compiled does not count
    tracemalloc.start()
    result = qdfool.load(folder)
    assert not len(result.cells())
    assert result.summary()["coverage"] == 0
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20_000_000  # all cells are 288 MB
    assert result.elites.genome.shape == (1_000_000, 8, 8, 1)


def test_what_is_loaded_is_what_was_saved_also_where_there_is_nothing(saved):
    loaded = qdfool.load(saved)
    assert 0 < len(loaded.cells()) < 36
    elites = qdfool.evolve(loaded.config, fake.classifier).elites
    jax.tree.map(np.testing.assert_array_equal, loaded.elites, elites)
    every = np.arange(36)[::-1]
    for snapshot in (qdfool.load(saved).snapshot, Snapshot(elites)):
        jax.tree.map(
            lambda found, wanted: np.testing.assert_array_equal(found, wanted[every]),
            snapshot.take(every),
            elites,
        )
        np.testing.assert_array_equal(snapshot.fitness_of(every), elites.fitness[every])
        np.testing.assert_array_equal(snapshot.fitness, elites.fitness)
        np.testing.assert_array_equal(snapshot.cells(), np.flatnonzero(elites.fitness > -np.inf))
    by_class = elites.fitness.reshape(4, 9)
    np.testing.assert_array_equal(loaded.best(), by_class.argmax(axis=1) + np.arange(4) * 9)


@pytest.mark.parametrize("name", ["elites.npz", "history.npz"])
def test_no_more_is_inflated_than_a_run_compresses(folder, monkeypatch, name):
    arrays = arrays_of(folder, name)
    size = sum(array.nbytes for array in arrays.values())
    for most, kind in ((size, zipfile.ZIP_DEFLATED), (size - 1, zipfile.ZIP_STORED)):
        monkeypatch.setattr(npz, "LARGE", most)
        npz.write(folder / name, arrays)
        with zipfile.ZipFile(folder / name) as file:
            assert {member.compress_type for member in file.infolist()} == {kind}
        assert npz.read(folder / name, lambda headers: headers).keys() == arrays.keys()
    np.savez_compressed(folder / name, allow_pickle=False, **arrays)
    with pytest.raises(InputError, match=f"{name} is damaged .*{size:,} bytes of arrays are compressed"):
        npz.read(folder / name, lambda headers: headers)


def test_arrays_that_no_memory_holds_are_refused_before_they_are_read(folder, monkeypatch):
    monkeypatch.setattr(npz, "host_memory", lambda: 1_000)
    with pytest.raises(
        InputError, match=r"elites\.npz has 0\.0 GB of arrays; this machine has 0\.0 GB of memory"
    ):
        qdfool.load(folder)
