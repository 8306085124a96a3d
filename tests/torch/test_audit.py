"""A PyTorch network, which JAX cannot trace, is audited with the same outcome."""

import csv
import json

import numpy as np
import pytest

import qdfool
from qdfool.build import build_classifier
from qdfool.engine.objectives import confidence
from qdfool.run import main

pytestmark = pytest.mark.torch

pytest.importorskip("torch.nn", reason="PyTorch is not installed: pip install torch==2.13.0")


def test_the_torch_network_is_the_packaged_one():
    from torch_lenet import logits

    images = np.random.default_rng(0).random((50, 28, 28, 1), np.float32)
    classifier = build_classifier(qdfool.preset("mnist-direct"))
    expected = np.asarray(classifier.logits(classifier.parameters, images))
    np.testing.assert_allclose(logits(images), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.release
@pytest.mark.parametrize(("seed", "generations"), [(0, 120), (1, 200)])
def test_it_reaches_the_same_medians(tmp_path, seed, generations):
    out = tmp_path / "run"
    arguments = ["--classifier", "torch_lenet:logits", "--seed", str(seed), "--quiet", "--out", str(out)]
    with pytest.raises(SystemExit) as ended:
        main(["mnist-direct", *arguments, "--generations", str(generations)])
    assert ended.value.code == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["classes_at_9999"] == 10
    with (out / "metrics.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) > 1

    native = qdfool.evolve(qdfool.preset("mnist-direct", seed=seed, generations=generations))
    medians = [
        np.median(confidence(run.history.fitness), axis=1) >= 0.9999 for run in (qdfool.load(out), native)
    ]
    reached = [int(np.argmax(median)) + 1 for median in medians]
    assert all(median[-1] for median in medians)
    # Rounding differs between the two libraries, so the runs part in detail; their pace must not.
    assert max(reached) <= 100
    assert abs(reached[0] - reached[1]) <= 20
