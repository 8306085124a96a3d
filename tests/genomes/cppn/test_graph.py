"""Which nodes a way leads to, where a row of nodes is more than a word of bits and where it is less."""

import jax
import numpy as np
import pytest
from scipy.sparse import csgraph

from qdfool.genomes.cppn.graph import WORD, reachability


@pytest.mark.parametrize("nodes", [5, WORD, 2 * WORD + 6])
def test_ways_of_any_length(nodes):
    connected = np.random.default_rng(nodes).random((3, nodes, nodes)) < 1.2 / nodes
    found = np.asarray(jax.jit(jax.vmap(reachability))(connected))
    for way, matrix in zip(found, connected, strict=True):
        distance = csgraph.shortest_path(matrix, unweighted=True)
        np.fill_diagonal(distance, np.inf)
        # A node reaches itself by a way that comes back.
        expected = np.isfinite(distance) | np.diag((np.isfinite(distance) & matrix.T).any(axis=1))
        expected |= np.diag(np.diag(matrix))
        np.testing.assert_array_equal(way, expected)
    assert 0.05 < found.mean() < 0.95
