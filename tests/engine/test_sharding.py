"""Many devices: what they find is what one finds, bit for bit, and only winners travel between them."""

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
import shared_batch

from qdfool.build import build_evolution, with_defaults
from qdfool.classifiers import lenet
from qdfool.engine.loop import jitted_init
from qdfool.engine.objectives import log_odds
from qdfool.engine.sharding import AT_ONCE, Shares

AT_EVERY_SUBMISSION = ("mixture on a grid",)
"""The others are for a release: each is compiled for one, two and eight devices."""
NAMES = [
    pytest.param(name, marks=[] if name in AT_EVERY_SUBMISSION else pytest.mark.release)
    for name in shared_batch.CONFIGS
]


@pytest.fixture(scope="module")
def on_eight(request) -> Callable[[str], Any]:
    """What `shared_batch` prints of a configuration, or of ties, in a process that has eight devices: their number is
    read once."""
    flags = os.environ.get("XLA_FLAGS", "")
    root = request.config.rootpath

    @functools.cache
    def printed(name: str) -> Any:
        ended = subprocess.run(
            [sys.executable, str(root / "tests/audited/shared_batch.py"), name],
            env={
                **os.environ,
                "PYTHONPATH": str(root),
                "JAX_PLATFORMS": "cpu",
                "XLA_FLAGS": f"{flags} --xla_force_host_platform_device_count=8",
            },
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    return printed


@pytest.mark.release
def test_the_first_of_equal_children_wins_whichever_device_it_is_on(on_eight):
    ties = on_eight(shared_batch.TIES)
    assert len(ties) == 12
    assert not any(ties.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_any_number_of_devices_finds_the_same_and_only_winners_travel(on_eight, name):
    """A run on eight that goes on with one and then with two, against one that never moved: every bit, also of what
    was recorded on the way. And all that the compiled loop sends between devices, against the size of the winners."""
    on_eight = on_eight(name)
    assert on_eight["runs"] == {run: [] for run in shared_batch.RUNS}
    config, found = shared_batch.CONFIGS[name], on_eight["travels"]
    state = jax.eval_shape(jitted_init(evolution(config)), *shared_batch.given(config))
    cells, batch = len(state.elites.fitness), config.batch_size
    elite = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state.elites)) // cells
    assert found
    # For thresholds the fitness of all children and their cells, few of each device at a time, and no genome.
    gathered = [arrived for arrived in found if arrived[0] == "all-gather"]
    assert bool(gathered) == (config.evolution_strategy.ranking == "annealed")
    found = [arrived for arrived in found if arrived not in gathered]
    assert all(size <= AT_ONCE * 8 * 4 * 4 for _, _, size in gathered)
    assert {kind for kind, _, _ in found} == {"all-reduce"}
    for _, shapes, _ in found:
        assert not any({batch, batch // 8} & set(shape) for shape in shapes), shapes
    # A message of winners, for each cell one at most; fitness and number of the best child of each cell, and what its
    # elite earned; one count.
    assert sum(size for _, _, size in found) <= min(AT_ONCE, cells) * (elite + 4) + 3 * cells * 4 + 4
    assert max(size for _, _, size in found) >= min(AT_ONCE, cells) * (elite - 4)
    assert max((size for _, _, size in gathered), default=0) <= max(size for _, _, size in found)


def evolution(config):
    return build_evolution(with_defaults(config, shared_batch.fake.SHAPE), shared_batch.fake.classifier)


def test_a_share_of_a_batch_is_classified_as_in_the_batch_but_for_rounding():
    """A matrix product of fewer rows is summed in another order: what docs/scale.md says of LeNet."""
    network = lenet.classifier()
    images = np.random.default_rng(0).random((64, 28, 28, 1), np.float32)
    scored = jax.jit(lambda images: jax.vmap(log_odds)(network.logits(network.parameters, images)))
    shares = [scored(images[first : first + 8]) for first in range(0, 64, 8)]
    np.testing.assert_allclose(np.concatenate(shares), scored(images), rtol=1e-5, atol=1e-5)


def test_every_child_is_of_one_device_and_emitters_are_shared_equally():
    numbers = Shares(4, (8, 4)).numbers()
    np.testing.assert_array_equal(numbers, [[0, 1, 8], [2, 3, 9], [4, 5, 10], [6, 7, 11]])
