"""Regularisers of gradient ascent, by hand and against SciPy."""

import jax
import numpy as np
import pytest
from scipy import ndimage

from qdfool.genomes.pixels import regularisers

IMAGE = np.asarray(jax.random.uniform(jax.random.key(0), (9, 7, 3)))


def test_decay_fades_to_grey():
    np.testing.assert_allclose(regularisers.decay(IMAGE, 0.25), 0.5 + 0.75 * (IMAGE - 0.5), rtol=1e-6)


@pytest.mark.parametrize("sigma", [0.5, 1.3])
def test_blur_is_a_gaussian_of_the_image_continued_at_its_edge(sigma):
    reach = max(1, round(3 * sigma))
    expected = ndimage.gaussian_filter(IMAGE, (sigma, sigma, 0), mode="nearest", radius=(reach, reach, 0))
    np.testing.assert_allclose(regularisers.blur(IMAGE, sigma), expected, atol=1e-6)


def test_the_smallest_values_become_grey():
    clipped = np.asarray(regularisers.clip_values(IMAGE, 0.5))
    length = np.linalg.norm(IMAGE - 0.5, axis=2)
    grey = (clipped == 0.5).all(axis=2)
    assert grey.sum() == 31  # of 63 pixels
    assert length[grey].max() <= length[~grey].min()
    np.testing.assert_array_equal(clipped[~grey], IMAGE[~grey])


def test_the_smallest_contributions_become_grey():
    gradient = np.asarray(jax.random.normal(jax.random.key(1), IMAGE.shape))
    clipped = np.asarray(regularisers.clip_contributions(IMAGE, gradient, 0.25))
    contribution = np.abs(((IMAGE - 0.5) * gradient).sum(axis=2))
    grey = (clipped == 0.5).all(axis=2)
    assert grey.sum() == 16
    assert contribution[grey].max() <= contribution[~grey].min()
