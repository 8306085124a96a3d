"""Grids as fine as float32 tells apart: pyribs finds every elite in the cell that it competed in."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from qdfool.build.measures import build_cell_index, placed
from qdfool.config import Config
from qdfool.engine.archive import empty
from qdfool.errors import InputError
from qdfool.results.pyribs import class_maps, to_archive
from qdfool.types import Measure

CONFIG = replace(Config(), archive="grid", measures=("ink", "symmetry"))


def spread(low, high):
    return tuple(Measure(name, "", low, high, lambda image: image.mean()) for name in ("first", "second"))


@pytest.mark.parametrize(
    ("cells", "low", "high"),
    [
        (2_000, 0, 1),
        (5_000, 0, 1),
        (10_000, 0, 1),
        (10_000, -500, 300),
        (3_000, 0.2, 0.21),
        (2_000, 1_000, 1_002),
    ],
)
def test_every_elite_is_found_where_it_competed(cells, low, high):
    config = replace(CONFIG, cells=(cells, 1), ranges=(low, high, low, high))
    # Around the sides of all the cells, where rounding decides.
    sides = np.linspace(low, high, cells + 1).astype(np.float32)
    up, down = (np.nextafter(sides, np.float32(way)) for way in (np.inf, -np.inf))
    first = np.concatenate([sides, up, down, (sides[1:] + sides[:-1]) / 2])
    first = first[(first >= np.float32(low)) & (first <= np.float32(high))]
    measures = np.stack([first, np.full_like(first, low)], axis=1)
    places, valid = jax.jit(jax.vmap(build_cell_index(config, spread(low, high))))(measures)
    assert np.asarray(valid).all()
    assert placed(config, spread(low, high), measures, np.asarray(places)).all()
    assert not placed(config, spread(low, high), measures, (np.asarray(places) + 2) % cells).any()
    for order in (slice(None), slice(None, None, -1)):
        occupied, rows = np.unique(np.asarray(places)[order], return_index=True)
        assert len(occupied) == cells
        elites = jax.tree.map(np.array, empty(np.zeros(1, np.float32), 2, cells, 2))
        occupied = occupied + cells  # of the second class
        elites.fitness[occupied] = occupied
        elites.measures[occupied] = measures[order][rows]
        archive = to_archive(elites, ("a", "b"), config.cells, ((low, high), (low, high)))
        data = archive.data(["index", "objective", "measures"])
        assert len(data["index"]) == cells
        np.testing.assert_array_equal(data["objective"], data["index"].astype(np.float32))
        # Moved by a part of a cell, and only where it must be.
        far = np.abs(data["measures"][:, 1] - elites.measures[data["index"], 0])
        assert far.max() < 0.5 * (high - low) / cells
        assert len(class_maps(archive)[1]) == cells


@pytest.mark.parametrize(
    ("cells", "low", "high", "said"),
    [
        (
            (2_000_000, 1),
            0,
            1,
            r"`cells` gives first 2,000,000 cells from 0 to 1.* Expected 1,048,576 at most",
        ),
        (
            (1, 5_000),
            1_000,
            1_002,
            r"`cells` gives second 5,000 cells from 1000 to 1002.* Expected 4,096 at most",
        ),
        (
            (10, 10),
            0,
            1e-5,
            r"maps first from 0 to 1e-05. Expected a finite range of 0.0001 or more; scale the measure",
        ),
    ],
)
def test_finer_than_float32_is_refused(cells, low, high, said):
    config = replace(CONFIG, cells=cells, ranges=(low, high, low, high))
    with pytest.raises(InputError, match=said):
        build_cell_index(config, spread(low, high))
