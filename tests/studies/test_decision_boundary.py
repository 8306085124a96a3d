"""Where ink lies, what the controls say, and the account's loss."""

import itertools

import fake
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qdfool.analysis.statistics import interval
from qdfool.errors import InputError
from qdfool.studies.decision_boundary import evolution, places
from qdfool.studies.decision_boundary.answer import QUESTIONS, Finding, conclusion, effect, findings_of
from qdfool.studies.decision_boundary.conditions import CONDITIONS, QUICK, Condition, Settings, conditions
from qdfool.studies.decision_boundary.pictures import by_eccentricity, coarse

SIZE = QUICK._replace(capacity=12, scale=0.02)


def test_depth_and_radius_of_a_small_image():
    np.testing.assert_allclose(
        places.depth(4, 4),
        [[0.25, 0.25, 0.25, 0.25], [0.25, 0.75, 0.75, 0.25], [0.25, 0.75, 0.75, 0.25], [0.25] * 4],
    )
    np.testing.assert_allclose(places.radius(2, 4)[0], np.hypot(0.5, [0.75, 0.25, 0.25, 0.75]))
    assert places.depth(5, 5)[2, 2] == 1
    assert places.radius(5, 5)[2, 2] == 0


@pytest.mark.parametrize(("height", "width"), [(64, 64), (28, 28), (20, 40)])
def test_uniform_ink_has_density_one_everywhere(height, width):
    ink = np.full((height, width), 0.3)
    for place, bounds in ((places.depth, places.RINGS), (places.radius, places.ANNULI)):
        parts = places.density(ink, place(height, width), bounds)
        np.testing.assert_allclose(parts[np.isfinite(parts)], 1)
    assert places.outer_density(ink) == pytest.approx(1)
    assert places.middle_density(ink) == pytest.approx(1)


def test_densities_of_ink_in_one_place():
    ink = np.zeros((16, 16))
    ink[0, :] = 1
    # The outer ring is 2 pixels wide: 256 - 144 = 112 of 256 pixels have all of the ink.
    assert places.outer_density(ink) == pytest.approx(256 / 112)
    assert places.middle_density(ink) == 0
    ink = np.zeros((16, 16))
    ink[7:9, 7:9] = 0.5
    assert places.outer_density(ink) == 0
    assert places.middle_density(ink) == pytest.approx(4)
    assert np.isnan(places.outer_density(np.zeros((4, 4))))


def test_moved_exchanges_edge_and_middle_and_is_undone_by_itself():
    lists = np.array([[0, 5, 23, 24, 24]], np.int32)
    found = evolution.moved(lists, 4, 6)
    np.testing.assert_array_equal(found, [[2 * 6 + 3, 2 * 6 + 2, 1 * 6 + 2, 24, 24]])
    np.testing.assert_array_equal(evolution.moved(found, 4, 6), lists)


def test_fitness_is_minus_the_loss():
    condition = CONDITIONS["base"]
    genetic = evolution.algorithm(condition, fake.classifier, SIZE, penalty=0.25)
    genome = jnp.array([[3, 64, 7] + [64] * 9, [64] * 12, list(range(12))])
    images = np.ones((3, 64), np.float32)
    images[0, [3, 7]] = 0
    images[2, :12] = 0
    logits = np.asarray(fake.logits(images.reshape(3, 8, 8, 1)), np.float64)
    entropy = np.logaddexp(0, logits[:, 1] - logits[:, 0])
    found = genetic.score(fake.classifier.parameters, jax.random.key(0), genome)
    np.testing.assert_allclose(found, -(entropy + 0.25 * np.array([2, 0, 12])), rtol=1e-5)


@pytest.mark.slow
def test_a_run_says_what_it_found():
    condition = Condition("restricted", 1000, restricted=500)
    found = evolution.unit(condition, fake.classifier, SIZE, 0.01)(0)
    assert found["ink"].shape == (8, 8)
    within = places.depth(8, 8) >= places.MIDDLE
    before = found["before"][found["before"] < 64]
    assert within.ravel()[before].all()
    assert found["course"].shape == found["pixels"].shape == found["generations"].shape
    assert found["pixels"][-1] == (found["best"] < 64).sum()
    loss = np.logaddexp(0, -found["course"]) + 0.01 * found["pixels"]
    assert (np.diff(loss) < 1e-5).all()  # the best is kept
    # One pixel more at a place that has one already changes nothing.
    for pixel in found["best"][found["best"] < 64]:
        if pixel // 8 % 2 == 0 and pixel % 2 == 0:
            assert abs(np.asarray(found["beside"])[pixel // 16, pixel % 8 // 2]) < 1e-5
    again = evolution.unit(condition, fake.classifier, SIZE, 0.01)(0)
    for name in found:
        np.testing.assert_array_equal(found[name], again[name])


@pytest.mark.slow
def test_drift_needs_no_classifier():
    found = evolution.unit(CONDITIONS["drift"], fake.classifier, SIZE, 0.01)(0)
    assert set(found) == {"ink", "best"}
    assert found["ink"].sum() > 0


def test_the_quick_form_leaves_out_what_lenet_cannot_do():
    quick = conditions(quick=True)
    assert {"base", "drift", "middle-first", "white-surround", "grey-surround", "black-paper"} <= set(quick)
    assert not {"reflect", "edge", "wrap", "v2-base"} & set(quick)
    assert conditions(quick=False) == CONDITIONS


def test_a_negative_lambda_is_refused():
    with pytest.raises(InputError, match="--lambda must be at least 0; got -1"):
        Settings(penalty=-1).check()
    Settings(penalty=0).check()


def test_coarse_maps_are_relative_to_uniform():
    ink = np.zeros((2, 16, 16))
    ink[0] = 0.1
    ink[1, :2, :2] = 1
    found = coarse(ink)
    assert found.shape == (8, 8)
    assert found[0, 0] == pytest.approx((1 + 64) / 2)
    assert found[3, 3] == pytest.approx(0.5)


def test_the_surest_of_each_eccentricity():
    odds = np.array([[[-np.inf, 1.0, -2.0], [-np.inf, 3.0, -4.0]]])
    genome = np.array([[[[9, 9], [1, 9], [9, 9]], [[9, 9], [1, 2], [3, 9]]]])
    best, pixels = by_eccentricity({"odds": odds, "genome": genome}, 9)
    np.testing.assert_array_equal(best, [[-np.inf, 3.0, -2.0]])
    np.testing.assert_array_equal(pixels, [[0, 2, 0]])


def finding(outer: float, less: float = 0.0) -> Finding:
    def about(value: float):
        return interval(value + np.array([-0.02, -0.01, 0.0, 0.01, 0.02]))

    ring, below = about(outer), about(less)
    return Finding(ring, about(1.0), below, ring.excludes(1), below.excludes(0))


def findings(**outer: float) -> dict[str, Finding]:
    names = ("base", "drift", "reflect", "edge", "wrap", "white-surround", "grey-surround")
    given = {"base": 1.5, "drift": 1.0, **{name.replace("_", "-"): value for name, value in outer.items()}}
    return {name: finding(given[name], given["base"] - given[name]) for name in names if name in given}


SAID = {
    "not shown": findings(base=1.0, reflect=1.0, edge=1.0, wrap=1.0, white_surround=1.0, grey_surround=1.0),
    "operators prefer": findings(
        drift=1.3, reflect=1.5, edge=1.5, wrap=1.5, white_surround=1.5, grey_surround=1.5
    ),
    "It is the zeros": findings(reflect=1.0, edge=1.0, wrap=1.0, white_surround=1.0, grey_surround=1.5),
    "in reflect and edge, which keep": findings(
        reflect=1.5, edge=1.4, wrap=1.0, white_surround=0.5, grey_surround=1.2
    ),
    "stays open": findings(reflect=1.01, edge=1.5 - 0.49, wrap=1.0, white_surround=1.5, grey_surround=1.5)
    | {"reflect": finding(1.01, 0.0), "edge": finding(1.01, 0.0)},
    "still there": findings(reflect=1.5, edge=1.5, wrap=1.5, white_surround=1.5, grey_surround=1.5),
    "removes it (white-surround": findings(white_surround=1.0, grey_surround=1.5),
}


@pytest.mark.parametrize("words", SAID)
def test_the_conclusion_follows_from_the_numbers(words):
    assert words in conclusion(SAID[words])


def test_conclusions_differ():
    said = [conclusion(case) for case in SAID.values()]
    assert all(one != other for one, other in itertools.combinations(said, 2))


def ring_ink(*shares: float) -> dict[str, np.ndarray]:
    """A figure of one seed for each share of the ink that is in the outer ring, the rest in the middle."""
    outer = places.depth(16, 16) < places.OUTER
    inner = places.depth(16, 16) >= places.MIDDLE
    return {
        "ink": np.array([share * outer / outer.sum() + (1 - share) * inner / inner.sum() for share in shares])
    }


def test_verdicts_are_corrected_for_the_number_of_conditions_of_a_question():
    uniform = 112 / 256
    barely = uniform + np.array([0.01, 0.02, 0.04, 0.05, 0.06])
    found = {name: ring_ink(*barely) for name in CONDITIONS}
    found["reflect"] = ring_ink(*(uniform + 0.1 + barely / 100))
    found["edge"] = ring_ink(np.nan, *barely[1:])
    findings = findings_of(CONDITIONS, found)
    assert list(findings) == list(CONDITIONS)
    assert all(findings[name].outer.excludes(1) for name in CONDITIONS if name != "edge")
    # The question that the study begins with is asked by itself; what lies beyond the border is five conditions.
    assert findings["base"].verdict == findings["reflect"].verdict == "edge preferred"
    assert findings["wrap"].verdict == findings["v2-wrap"].verdict == "not told from uniform"
    assert findings["edge"].verdict == "not told from uniform"
    assert not findings["edge"].removes


def test_every_condition_answers_one_question():
    asked = [name for names in QUESTIONS.values() for name in names]
    assert sorted(asked) == sorted(CONDITIONS)


def test_the_effect_of_a_control():
    cases = findings(reflect=1.4, edge=1.0, wrap=0.5)
    assert [effect(name, cases) for name in ("reflect", "edge", "wrap")] == [
        "which keeps the preference",
        "which removes it",
        "which turns it round",
    ]
    assert effect("edge", cases | {"edge": finding(1.0, 0.0)}) == "which leaves it open"
