"""The sample run that is committed is what it says it is."""

from pathlib import Path

import numpy as np

import qdfool
from qdfool.build import build_classifier

SAMPLE = Path(__file__).parents[1] / "archives/mnist-direct-sample"


def test_the_sample_is_small():
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file()) < 1_000_000


def test_the_packaged_network_is_as_sure_of_the_sample_as_the_sample_says():
    result = qdfool.load(SAMPLE)
    assert len(result.archive) == 10
    assert result.summary()["classes_at_9999"] == 10
    classifier = build_classifier(result.config)
    assert result.fingerprint == classifier.fingerprint
    logits = np.asarray(classifier.logits(classifier.parameters, result.images()), np.float64)
    softmax = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
    np.testing.assert_allclose(softmax[np.arange(10), np.arange(10)], result.confidences(), atol=1e-5)
