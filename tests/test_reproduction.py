"""The paper's MNIST experiments, on the packaged network and on the authors' own (slow)."""

from dataclasses import replace

import numpy as np
import pytest

import qdfool
from qdfool.engine.objectives import confidence


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("network", ["packaged", "authors"])
def test_the_median_by_generation_100_and_every_digit_by_200(request, network, seed):
    config = replace(qdfool.preset("mnist-direct"), seed=seed)
    assert config.batch_size == 200
    if network == "authors":
        folder = request.getfixturevalue("weights_folder")
        config = replace(config, weights=str(folder / "lenet_caffe_mnist.safetensors"))
    history = qdfool.evolve(config).history
    sure = confidence(history.fitness)
    assert np.median(sure[history.generation == 100]) >= 0.9999
    assert sure[history.generation == 200].min() >= 0.9999


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_cppns_fool_every_digit_by_generation_200(seed):
    config = replace(qdfool.preset("mnist-cppn"), seed=seed)
    assert config.batch_size == 200
    history = qdfool.evolve(config).history
    assert confidence(history.fitness)[history.generation == 200].min() >= 0.9999
