"""Which nodes a way leads to, where a row of nodes is more than a word of bits and where it is less."""

import jax
import numpy as np
import pytest
from scipy.sparse import csgraph

from qdfool.genomes.cppn.graph import WORD, by_squaring, node_by_node


@pytest.mark.parametrize("formulation", [node_by_node, by_squaring])
@pytest.mark.parametrize("nodes", [5, WORD, 2 * WORD + 6])
def test_paths_of_any_length(nodes, formulation):
    connected = np.random.default_rng(nodes).random((3, nodes, nodes)) < 1.2 / nodes
    connected[0] = np.eye(nodes, k=1)  # The longest path that there can be.
    found = np.asarray(jax.jit(formulation)(connected))
    for way, matrix in zip(found, connected, strict=True):
        distance = csgraph.shortest_path(matrix, unweighted=True)
        np.fill_diagonal(distance, np.inf)
        # A node reaches itself by a way that comes back.
        expected = np.isfinite(distance) | np.diag((np.isfinite(distance) & matrix.T).any(axis=1))
        expected |= np.diag(np.diag(matrix))
        np.testing.assert_array_equal(way, expected)
    assert 0.05 < found.mean() < 0.95
