"""Detectors and rates on numbers with known answers, the attacker's classifier, and what is said of the figures."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score, roc_curve

from qdfool.errors import InputError
from qdfool.studies import mnist_networks
from qdfool.studies.detection import answer, detectors, effects
from qdfool.studies.detection.conditions import Settings
from qdfool.studies.detection.detectors import Gaussians, Reference, Seen, reference, scores
from qdfool.studies.detection.joint import (
    CERTAIN,
    STEEPNESS,
    TRACEABLE,
    joint_classifier,
    joint_logits,
    kept,
    limits,
)
from qdfool.studies.detection.monitor import look, perturb, watching
from qdfool.studies.detection.rates import auroc, false_positives, standing, threshold
from qdfool.studies.detection.search import NETWORKS, run
from qdfool.types import Classifier

CHANCE = np.random.default_rng(0)


def test_rates_of_four_and_four():
    real, fooling = [1.0, 2.0, 3.0, 4.0], [0.0, 2.5, 3.0, 5.0]
    np.testing.assert_array_equal(standing(real, fooling), [1.0, 0.5, 0.375, 0.0])
    assert auroc(real, fooling) == 7.5 / 16
    assert threshold(real, 0.75) == 2.0
    assert false_positives(real, fooling, 0.75) == 0.75
    assert auroc(real, real) == 0.5


@pytest.mark.parametrize(("count", "passing"), [(20, 19), (100, 95), (30, 29), (1, 1), (7, 7)])
def test_at_least_95_percent_of_the_real_images_pass(count, passing):
    real = CHANCE.permutation(count)
    assert (real >= threshold(real)).sum() == passing


@pytest.mark.parametrize("ties", [False, True])
def test_rates_are_those_of_scikit_learn(ties):
    real, fooling = CHANCE.normal(1, 1, 311), CHANCE.normal(0, 2, 57)
    if ties:
        real, fooling = real.round(), fooling.round()
    labels, values = np.repeat([1, 0], [311, 57]), np.concatenate([real, fooling])
    assert auroc(real, fooling) == pytest.approx(roc_auc_score(labels, values), abs=1e-12)
    wrong, right, _ = roc_curve(labels, values, drop_intermediate=False)
    assert false_positives(real, fooling) == wrong[np.argmax(right >= 0.95)]


@pytest.mark.parametrize(
    ("real", "fooling"), [([], [1.0]), ([1.0], []), ([np.nan], [1.0]), ([1.0], [np.nan])]
)
def test_scores_that_are_none_are_refused(real, fooling):
    with pytest.raises(InputError, match="Expected a score"):
        auroc(real, fooling)


def test_detectors_of_logits():
    logits = np.log([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]]) + 3
    np.testing.assert_allclose(detectors.maximum_softmax(logits), np.log([7 / 3, 1.0]), atol=1e-12)
    np.testing.assert_allclose(detectors.maximum_logit(logits), np.log([0.7, 0.5]) + 3)
    np.testing.assert_allclose(detectors.energy(logits), 3)
    np.testing.assert_allclose(detectors.energy(2 * logits, temperature=2.0), 6)
    np.testing.assert_allclose(detectors.odin([[0.0, 50 * np.log(3)]], temperature=50.0), 0.75)
    # Certainty beyond what a softmax holds is still told apart.
    assert detectors.maximum_softmax([[90.0, 0.0], [80.0, 0.0]]).tolist() == [90.0, 80.0]


def test_disagreement_is_the_divergence_from_the_mean():
    sure, other = [[100.0, 0.0]], [[0.0, 100.0]]
    np.testing.assert_allclose(detectors.disagreement([sure, sure, sure]), 0, atol=1e-12)
    np.testing.assert_allclose(detectors.disagreement([sure, other]), -2 * np.log(2))


def test_mahalanobis_is_the_distance_to_the_nearest_mean():
    gaussians = Gaussians(np.array([[0.0, 0.0], [10.0, 0.0]]), np.diag([1.0, 4.0]))
    np.testing.assert_allclose(detectors.mahalanobis([[3.0, 1.0], [9.0, 2.0]], gaussians), [-13.0, -17.0])


def test_neighbours_are_compared_by_direction():
    known = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    given = [[5.0, 0.0], [2.0, 2.0], [0.0, 0.0]]
    near = np.sqrt(2 - np.sqrt(2))
    np.testing.assert_allclose(detectors.nearest_neighbours(given, known, 1), [0, -near, -1], atol=1e-7)
    np.testing.assert_allclose(detectors.nearest_neighbours(given, known, 2), [-np.sqrt(2), -near, -1])


def some_training(count=60, width=4):
    """Features of three classes, each about a mean of its own; one unit is never excited."""
    labels = np.arange(count) % 3
    features = CHANCE.normal(0, 1, (count, width)) * [1, 2, 0.5, 0] + 8 * np.eye(4)[labels][:, :width]
    return np.where(np.arange(width) == 3, 0, features), labels


def test_a_reference_is_of_the_training_images():
    features, labels = some_training()
    known = reference(features, labels, 3, 5)
    means = np.stack([features[labels == label].mean(axis=0) for label in range(3)])
    fitted = LedoitWolf(assume_centered=True).fit(features - means[labels])
    given = CHANCE.normal(0, 3, (7, 4))
    expected = np.min([fitted.mahalanobis(given - mean) for mean in means], axis=0)
    np.testing.assert_allclose(detectors.mahalanobis(given, known.gaussians), -expected)
    np.testing.assert_allclose(np.linalg.norm(known.neighbours, axis=1), 1)
    assert known.neighbour == 5


@pytest.mark.parametrize(
    ("features", "labels", "neighbours", "said"),
    [
        (None, None, 1, "compare with training images"),
        (np.zeros((0, 4)), np.zeros(0), 1, "compare with training images"),
        (np.ones((3, 4)), np.zeros(2), 1, r"\[3, 4\] and \[2\]"),
        (np.full((3, 4), np.nan), np.arange(3), 1, "not all of them finite"),
        (np.ones((3, 4)), np.arange(3), 4, "neighbours .* between 1 and 3"),
        (np.ones((3, 4)), np.array([0, 1, 1]), 1, "none of class 2"),
    ],
)
def test_training_images_that_are_not_there_are_named(features, labels, neighbours, said):
    with pytest.raises(InputError, match=said):
        reference(features, labels, 3, neighbours)


def test_what_a_detector_needs_and_has_not_is_named():
    logits, (features, labels) = np.zeros((2, 3)), some_training()
    known = reference(features, labels, 3, 5)
    assert set(scores(Seen(logits), names=("energy", "max-logit"))) == {"energy", "max-logit"}
    for name in ("mahalanobis", "neighbours"):
        with pytest.raises(InputError, match=f"{name} compares with training images.*got none"):
            scores(Seen(logits, np.zeros((2, 4))), None, [name])
        with pytest.raises(InputError, match=r"Expected \[2, 4\]; got \[2, 5\]"):
            scores(Seen(logits, np.zeros((2, 5))), known, [name])
        with pytest.raises(InputError, match="got none"):
            scores(Seen(logits), known, [name])
    with pytest.raises(InputError, match=r"odin needs .* got none"):
        scores(Seen(logits), known, ["odin"])
    for others in (None, np.zeros((0, 2, 3)), np.zeros((1, 2, 10))):
        with pytest.raises(InputError, match="disagreement needs other networks"):
            scores(Seen(logits, others=others), known, ["disagreement"])
    with pytest.raises(InputError, match=r"Unknown detector .enrgy.\. Did you mean .energy."):
        scores(Seen(logits), known, ["enrgy"])


@pytest.mark.parametrize("name", ["neighbours", "odin_epsilon", "training_images"])
def test_options_out_of_range_are_named(name):
    Settings().check()
    with pytest.raises(InputError, match=f"--{name.replace('_', '-')} must be"):
        Settings(**{name: -1}).check()


def test_more_neighbours_than_training_images_are_named_before_anything_is_computed():
    settings = Settings(neighbours=501)
    settings.check()
    with pytest.raises(InputError, match=r"--neighbours .* must be between 1 and 500; got 501"):
        run(SimpleNamespace(quick=True, seeds=range(2), settings=settings))  # pyright: ignore[reportArgumentType]


def linear(parameters, images):
    """Features that are the pixels, and logits that are sums of them."""
    features = images.reshape(len(images), -1)
    return features @ parameters, features


def test_a_step_of_odin_goes_uphill_on_the_class_that_is_called():
    parameters = jnp.array([[3.0, -1.0], [-2.0, 1.0], [0.5, 0.0]])
    images = jnp.array([[0.5, 0.1, 0.3], [0.1, 0.5, 0.3]]).reshape(2, 1, 3, 1)
    moved = np.asarray(jax.jit(perturb, static_argnums=0)(linear, parameters, images, 0.25) - images)
    np.testing.assert_allclose(moved.reshape(2, 3), [[0.25, -0.25, 0.25], [-0.25, 0.25, -0.25]], atol=1e-6)


def test_the_attackers_detectors_are_those_of_the_monitor():
    features, labels = some_training()
    known = reference(features, labels, 3, 5)
    logits, given = CHANCE.normal(0, 5, (6, 3)), CHANCE.normal(0, 3, (6, 4))
    expected = scores(Seen(logits, given), known, TRACEABLE)
    arrays = [jnp.asarray(array, jnp.float32) for array in (logits, given)]
    for name, score in TRACEABLE.items():
        found = jax.jit(score, static_argnums=3)(kept(known), *arrays, 5)
        np.testing.assert_allclose(found, expected[name], rtol=1e-4, err_msg=name)


def joint_odds(excess, said=(30.0, 0.0)):
    """Log-odds of the first class where two detectors fall short of their thresholds by `excess`."""
    known = kept(Reference(Gaussians(np.zeros((2, 2)), np.eye(2)), np.eye(2), 1))
    top = max(said)
    held = limits(
        {name: (top + by, top + by + 1) for name, by in zip(("max-logit", "energy"), excess, strict=True)}
    )
    parameters = {"network": jnp.diag(jnp.array(said)), "kept": known, "limits": held}
    outputs = jax.jit(joint_logits(linear, 1))(parameters, jnp.ones((1, 1, 2, 1)))
    assert outputs.shape == (1, 3)
    np.testing.assert_array_equal(outputs[0, :2], said)
    return float(outputs[0, 0] - np.logaddexp(*np.asarray(outputs[0, 1:], np.float64)))


def test_a_class_is_certain_only_where_every_detector_lets_the_image_pass():
    assert joint_odds((0.0, -9.0)) == pytest.approx(CERTAIN, abs=1e-4)
    assert joint_odds((0.01, -9.0)) < CERTAIN < joint_odds((-0.01, -9.0))
    assert joint_odds((-9.0, 0.01)) < CERTAIN < joint_odds((-9.0, -0.01))
    # Far beyond the threshold it counts by how much, where it passes the class's own certainty counts.
    assert joint_odds((4.0, 0.0)) == pytest.approx(CERTAIN - 4 * STEEPNESS, abs=1e-3)
    assert joint_odds((-9.0, -9.0), (12.0, 0.0)) == pytest.approx(12.0, abs=1e-3)
    assert joint_odds((-9.0, -9.0), (5.0, 0.0)) < CERTAIN


def test_an_attacker_knows_a_detector_or_more_that_can_be_traced():
    alone = Classifier("linear", (1, 4, 1), ("a", "b"), jnp.ones((4, 2)), lambda parameters, images: images)
    known = reference(*some_training(), 3, 5)
    together = joint_classifier(linear, alone, known, {"energy": (1.0, 2.0)})
    assert together.class_names == ("a", "b", "detected")
    with pytest.raises(InputError, match="a detector or more out of max-logit"):
        joint_classifier(linear, alone, known, {})
    with pytest.raises(InputError, match="Unknown traceable detector 'odin'"):
        joint_classifier(linear, alone, known, {"odin": (1.0, 2.0)})


def test_a_monitor_looks_at_images_of_any_number():
    images = CHANCE.integers(0, 256, (103, 1, 4, 1), dtype=np.uint8)
    parameters = jnp.asarray(CHANCE.normal(0, 1, (4, 3)), jnp.float32)
    others = [2 * parameters, -parameters]
    labels = np.arange(103) % 3
    settings = {"classes": 3, "neighbours": 2, "epsilon": 0.0}
    monitor = watching(linear, parameters, others, images, labels, **settings)
    seen = look(monitor, images)
    pixels = images.reshape(103, 4) / 255
    expected = pixels @ np.asarray(parameters)
    np.testing.assert_allclose(seen.logits, expected, rtol=1e-4, atol=1e-5)
    assert seen.features is not None
    assert seen.perturbed is not None
    assert seen.others is not None
    np.testing.assert_allclose(seen.features, pixels, rtol=1e-6)
    np.testing.assert_allclose(seen.perturbed, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(seen.others, [2 * expected, -expected], rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="compare with training images"):
        watching(linear, parameters, others, images[:0], labels[:0], **settings)


def figures_of(*levels):
    """Units of two seeds with ten real images, of scores 0 to 9 and of two classes in turn, and one image a class at
    each of the levels given, alike for all detectors."""
    detectors = len(effects.DETECTORS)
    real = {
        "scores": np.tile(np.arange(10.0), (2, detectors, 1)),
        "called": np.tile(np.arange(10) % 2, (2, 1)),
    }
    found = {
        "scores": np.tile(np.array(levels), (2, detectors, 1)),
        "log_odds": np.tile([10.0, 9.0], (2, 1)),
    }
    return real, found


def test_rates_by_seed_and_class():
    rates = effects.rates(*figures_of(-1.0, 4.5))
    np.testing.assert_allclose(rates.auroc, 0.75)
    np.testing.assert_allclose(rates.passing, 0.5)
    np.testing.assert_allclose(rates.class_auroc[..., 0], 1.0)
    np.testing.assert_allclose(rates.class_auroc[..., 1], 0.6)  # 5, 7 and 9 of the real ones called 1
    np.testing.assert_array_equal(rates.class_passing[0, 0], [0, 1])


def test_what_gets_through_is_certain_and_passes():
    real, alone = figures_of(-1.0, 4.5)
    _, both = figures_of(4.5, 4.5)
    before, after = effects.rates(real, alone), effects.rates(real, both)
    found = effects.attack("all-four", alone, both, before, after)
    np.testing.assert_allclose(found.sure, 0.5)
    np.testing.assert_allclose(found.through, 0.5)
    np.testing.assert_allclose(found.through_alone, 0.0)
    np.testing.assert_allclose(found.auroc, 0.5)
    assert found.gained.mean == 0.5
    # A detector that is not known may catch it.
    unknown = after._replace(class_passing=after.class_passing * (np.arange(7) != 3)[:, None])
    assert effects.attack("energy", alone, both, before, unknown).through.mean() == 0.5
    assert effects.attack("all-four", alone, both, before, unknown).through.mean() == 0.5
    known = after._replace(class_passing=after.class_passing * (np.arange(7) != 2)[:, None])
    assert effects.attack("all-four", alone, both, before, known).through.mean() == 0.0


def test_maps_are_of_images_that_are_certain():
    real, _ = figures_of(0.0, 0.0)
    figures = {
        "scores": np.tile([-1.0, 20.0, 4.5, -1.0], (len(effects.DETECTORS), 1)),
        "log_odds": np.array([10.0, 10.0, 9.0, 10.0]),
        "cells": np.array([0, 6, 7, 11]),  # of two classes of 2 x 3 cells
    }
    found = effects.maps(real, [figures], (2, 3))
    assert found.images.tolist() == [3]
    np.testing.assert_allclose(found.auroc[0], [[0.5, np.nan, np.nan], [np.nan, np.nan, 1.0]])
    np.testing.assert_allclose(found.passing[0], [[0.5, np.nan, np.nan], [np.nan, np.nan, 0.0]])
    np.testing.assert_allclose(found.rates[0], np.tile([2 / 3, 1 / 3], (7, 1)))


def test_the_answer_follows_from_the_figures():
    real, caught = figures_of(-1.0, -1.0)
    _, passed = figures_of(4.5, 4.5)
    good, bad = effects.rates(real, caught), effects.rates(real, passed)
    cases = {(kind, way): good for kind in ("lenet", "resnet") for way in ("pixels", "cppn", "gradient")}
    assert answer.caught(cases).startswith("**Yes")
    assert answer.caught(dict.fromkeys(cases, bad)).startswith("**No")
    assert answer.caught({**cases, ("lenet", "pixels"): bad}).startswith("**In part")
    assert "beyond chance: none" in answer.fooled(cases)
    apart = np.array([0.0, 0.0001]).reshape(-1, *[1] * (bad.auroc.ndim - 1))
    worse = bad._replace(auroc=bad.auroc - 0.2 + apart)
    assert "energy in 1 of 6 cases (AUROC 0.300)" in answer.fooled({**cases, ("lenet", "pixels"): worse})
    lost = effects.attack("energy", caught, passed, good, bad)
    held = effects.attack("energy", caught, caught, good, good)
    of = ("lenet", "gradient", "energy")
    assert answer.beaten({of: lost}, {of: True}).startswith("**Beaten, where")
    assert "In 1 of 1 attacks" in answer.beaten({of: lost}, {of: True})
    assert answer.beaten({of: held}, {of: False}).startswith("**Not beaten")
    assert "and fewer when they were not: LeNet, gradient, energy" in answer.beaten({of: lost}, {of: True})
    twice = effects.attack("energy", passed, passed, bad, bad)
    assert "in either case: LeNet, gradient, energy" in answer.beaten({of: twice}, {of: False})
    assert "though they were known: LeNet, gradient, energy" in answer.beaten({of: held}, {of: False})
    both = {of: lost, ("lenet", "pixels", "energy"): held}
    assert answer.beaten(both, dict.fromkeys(both, False)).startswith("**Beaten in part")
    assert "at most 10% in every one of them: max-softmax" in answer.outside({of: good})
    assert "none stays" in answer.outside({of: bad})


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(NETWORKS))
def test_features_are_what_the_last_layer_is_given(kind):
    of = mnist_networks.KINDS[kind]
    parameters = jax.jit(of.initialise)(jax.random.key(0))
    images = jnp.asarray(CHANCE.random((3, 28, 28, 1)), jnp.float32)
    logits, features = jax.jit(NETWORKS[kind])(parameters, images)
    np.testing.assert_allclose(logits, jax.jit(of.logits)(parameters, images), atol=1e-5)
    last = parameters["ip2" if kind == "lenet" else "classifier"]
    np.testing.assert_allclose(logits, features @ last["kernel"] + last["bias"], atol=1e-4)
