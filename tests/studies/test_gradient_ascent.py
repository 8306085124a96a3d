"""When a way is certain, how near images are, and what is said of it: on small arrays with known answers."""

from dataclasses import replace

import fake
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qdfool.build import with_defaults
from qdfool.config import Config, Emitters, GradientAscent
from qdfool.engine.objectives import confidence, log_odds
from qdfool.errors import InputError
from qdfool.studies.gradient_ascent import STUDY, effects, search
from qdfool.studies.gradient_ascent.answer import Findings, alike, certain, named, regularised, sooner
from qdfool.studies.gradient_ascent.conditions import BASE, DIGITS, REGULARISERS, WAYS, Setting
from qdfool.studies.gradient_ascent.pictures import stretched
from qdfool.studies.study import Workbench

CERTAIN = 9.3
"""Log-odds of a little more than 99.99 %."""
NOT_NEAR = effects.Nearness(np.zeros((5, 1, 1)), np.zeros((5, 1, 1)), np.zeros((5, 1)))


def unit(fitness, charged, seconds=1.0, images=None):
    return {
        "fitness": np.array(fitness, np.float32),
        "charged": np.array(charged),
        "seconds": np.linspace(seconds / 2, seconds, len(charged)),
        "images": np.zeros((2, 1, 1, 1), np.uint8) if images is None else images,
    }


def test_evaluations_until_the_median_and_every_class_is_certain():
    rows = [[0, 0, 0], [CERTAIN, 0, CERTAIN], [CERTAIN, CERTAIN, CERTAIN]]
    of = effects.reached([unit(rows, [10, 20, 30]), unit(rows[:2], [10, 20], seconds=3.0)])
    np.testing.assert_array_equal(of.median, [20, 20])
    np.testing.assert_array_equal(of.every, [30, np.nan])
    np.testing.assert_allclose(of.share, [1, 2 / 3])
    np.testing.assert_allclose(of.confidence, confidence([CERTAIN, CERTAIN]), rtol=1e-6)
    np.testing.assert_allclose(of.lowest, confidence([CERTAIN, 0]), rtol=1e-6)
    np.testing.assert_array_equal(of.charged, [30, 20])
    np.testing.assert_array_equal(of.seconds, [1, 3])


def test_a_curve_lasts_until_its_next_point_and_from_the_last_for_good():
    at, values = np.array([10, 20]), np.array([0.25, 0.75])
    np.testing.assert_array_equal(
        effects.held(at, values, np.array([9, 10, 19.9, 20, 99])), [np.nan, 0.25, 0.25, 0.75, 0.75]
    )


def reached_at(every, cap=100.0):
    every = np.array(every, float)
    sure = np.isfinite(every).astype(float)
    return effects.Reached(every / 2, every, sure, sure, sure, np.nan_to_num(every, nan=cap), every)


def test_ways_are_held_against_evolution_of_pixels_seed_by_seed():
    found = {
        BASE: reached_at([80, 84, 82, 81, 83]),
        "ascent": reached_at([11, 12, 10, 11, 12]),
        "cppns": reached_at([70, np.nan, 90, 60, 100]),
        "weights": reached_at([np.nan] * 5),
    }
    made = effects.gains(found, cap=100)
    assert set(made) == {"ascent", "cppns", "weights"}
    assert made["ascent"].less.mean == pytest.approx(82 - 11.2)
    assert made["weights"].less.mean == pytest.approx(82 - 100)
    assert (made["ascent"].told, made["cppns"].told, made["weights"].told) == (True, False, True)
    findings = Findings(found, made, NOT_NEAR, {}, {}, {})
    said = sooner(findings)
    assert f"fewer evaluations than {named(BASE)} with {named('ascent')} (70.8" in said
    assert f"more evaluations than {named(BASE)} with {named('weights')} (-18.0" in said
    assert f"not told from it: {named('cppns')}." in said
    said = certain(findings)
    assert said.startswith(
        "Every class comes to 99.99 % with every seed by 2 of the 4 ways, the soonest first: "
    )
    assert said.index(WAYS["ascent"]) < said.index(WAYS[BASE])
    assert f"{named('cppns')}: 80.0% of the classes, median 80.0 %, all of them with 4 of 5 seeds" in said
    assert sooner(findings._replace(gains={})) == "With one seed no difference is tested."
    none = {way: gain._replace(told=False) for way, gain in made.items()}
    assert sooner(findings._replace(gains=none)).startswith("No way needs another number of evaluations")


def test_nearness_is_of_one_class_by_two_ways_and_of_two_classes():
    black, white = np.zeros((1, 2, 2, 1), np.uint8), np.full((1, 2, 2, 1), 255, np.uint8)
    one, two = np.concatenate([black, white]), np.concatenate([black, black])
    ways = [[unit([[0, 0]], [1], images=images)] * 2 for images in (one, two)]
    near = effects.nearness(ways)
    np.testing.assert_allclose(near.same[0], [[0, 0.5], [0.5, 0]])
    np.testing.assert_allclose(near.other[0], [[1, 0.5], [0.5, 0]])
    np.testing.assert_allclose(near.grey, 0.5)
    names = [BASE, "ascent"]
    assert effects.spreads(near, names)["ascent"].value.mean == -1
    shift = effects.by_class(near, names)[BASE, "ascent"]
    assert (shift.value.mean, shift.told) == (0, False)
    found = dict.fromkeys(names, reached_at([1, 2]))
    said = alike(Findings(found, {}, near, {}, {(BASE, "ascent"): shift}, {}))
    assert (
        f"nearest to one another by {named('ascent')} (0.000) and furthest by {named(BASE)} (1.000)" in said
    )
    assert "in 0 of the 1 pairs of ways" in said
    assert set(effects.FIRST) == set(WAYS)
    assert not effects.by_class(near, ["cppns", "both"])  # they begin with the same networks


def test_grey_stays_and_the_furthest_value_comes_to_an_end():
    image = np.array([[[128], [127], [160], [111]]], np.uint8)
    found = stretched(image).ravel().tolist()
    assert found[2] == 255
    assert abs(found[0] - 128) <= 2
    assert abs(found[3] - (127.5 - 127.5 * 16.5 / 32.5)) <= 1
    assert (
        stretched(np.full((2, 2, 1), 128, np.uint8)) == 255
    ).all()  # a single step is the furthest there is


def test_regularisers_are_named():
    assert effects.described(GradientAscent()) == "no regulariser"
    settings = GradientAscent(
        decay=0.1, blur_sigma=0.5, blur_every=2, clip_values=0.1, clip_contributions=0.2
    )
    assert effects.described(settings) == "decay 0.1, blur 0.5 every 2 steps, clips 10% and 20%"
    assert "blur 0.5 every step" in effects.described(replace(settings, blur_every=1))
    findings = Findings({}, {}, NOT_NEAR, {}, {}, {"a": np.array([0.5, 1.0])})
    assert regularised(findings).endswith("each regulariser: a 75.0 % (1 of 2 at 99.99 %).")


def chosen(
    classes: tuple[float, ...], probabilities: tuple[float, ...] | None, random: np.random.RandomState
):
    share = np.ones(len(classes)) if probabilities is None else np.array(probabilities, float)
    return float(random.choice(classes, p=share / share.sum()))


@pytest.mark.parametrize("seed", [169, 188, 360])
def test_the_regularisers_are_those_that_the_authors_program_draws(seed):
    """`hyperparam_search.py` with the seeds of `run_chosen_supplementary.sh`; the generator is NumPy's of then."""
    random = np.random.RandomState(seed)
    decay = chosen((0, 0.0001, 0.001, 0.01, 0.1, 0.2, 0.3), (4, 1, 1, 2, 1, 1, 1), random)
    steps = chosen((250, 500, 750, 1000, 1500), None, random)
    early = chosen((0.02, 0.03, 0.04), (1, 2, 1), random)
    late = chosen((0.02, 0.05, 0.1, 0.2), None, random)
    radius = chosen((0, 0.3, 0.4, 0.5, 1.0), (10, 2, 1, 1, 1), random)
    every = chosen((1, 2, 3, 4), None, random)
    shares = [
        chosen((0, 10, 20, 30, 50, 80, 90), (first, 10, 5, 2, 2, 2, 2), random) / 100
        for first in (10, 20, 10)
    ]
    settings = REGULARISERS[f"setting-{seed}"]
    drawn = (settings.decay, settings.steps, settings.early, settings.late)
    assert drawn == (decay, steps, early, late)
    assert settings.blur_sigma == radius
    assert settings.blur_every == every or not radius
    assert shares[1] == 0  # by the signed contribution, which qdfool has not
    assert (settings.clip_values, settings.clip_contributions) == (shares[0], shares[2])


def test_every_way_has_a_name_and_a_budget_of_its_setting():
    setting = Setting("mnist", "MNIST", {}, DIGITS, range(2), tuple(range(10)), tuple(range(10)))
    ways = setting.ways()
    assert list(ways) == list(WAYS)
    assert {config.evaluations for config in ways.values()} == {DIGITS.evolution, DIGITS.ascent, DIGITS.plain}
    generations = [
        with_defaults(ways[way], (28, 28, 1)).budget_generations() for way in ("ascent", "plain-ascent")
    ]
    assert generations == [1 + 300 // 10, 1 + 500 // 10]
    assert ways["ascent"].gradient_ascent.decay == 0.01 > ways["plain-ascent"].gradient_ascent.decay == 0
    assert ways["both"].emitters.turns == (DIGITS.turn,)


def test_weights_that_are_missing_are_asked_for_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.delenv("QDFOOL_WEIGHTS", raising=False)
    bench = Workbench(STUDY, tmp_path, settings=STUDY.settings)
    with pytest.raises(InputError, match=r"needs mobilenet_v1_0\.25_224\.safetensors"):
        search.run(bench)
    assert not list(tmp_path.rglob("*.npz"))


@pytest.mark.slow  # Two programs; the quick form runs them, too.
def test_a_run_ends_with_the_generation_in_which_every_class_is_certain():
    config = Config(
        batch_size=8,
        evaluations=100 * 8 * 5,
        emitters=Emitters(("gradient_ascent",)),
        gradient_ascent=GradientAscent(steps=1, learning_rate=0.3, selection="unsure"),
    )
    found = search.course(config, fake.classifier, (0, 2))
    sure = confidence(found["fitness"]).min(axis=1) >= 0.9999
    assert not sure[:-1].any()
    assert sure[-1] or len(sure) == 100
    np.testing.assert_array_equal(found["charged"], 40 * np.arange(1, len(sure) + 1))
    assert (np.diff(found["seconds"]) >= 0).all()
    assert found["images"].shape == (2, *fake.SHAPE)


@pytest.mark.slow
def test_a_portrait_is_of_the_class_that_it_is_asked_for():
    settings = GradientAscent(steps=5, learning_rate=0.2, schedule="constant")
    config = Config(evaluations=100, initial="grey", competition="parent")
    found = search.portraits(config, fake.classifier, (3, 1), settings)
    assert found["images"].shape == (2, *fake.SHAPE)
    odds = np.asarray(jax.vmap(log_odds)(fake.logits(jnp.asarray(found["images"] / 255, jnp.float32))))
    np.testing.assert_allclose(odds[[0, 1], [3, 1]], found["log_odds"], rtol=1e-4)
    assert (odds.argmax(axis=1) == [3, 1]).all()
