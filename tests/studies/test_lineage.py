"""Who descends from whom, against chance, and how alike images are: on small arrays with known answers."""

from dataclasses import replace

import fake
import jax
import numpy as np
import pytest

from qdfool.analysis.statistics import Interval, interval
from qdfool.build import with_defaults
from qdfool.config import Config, Mutation
from qdfool.errors import InputError
from qdfool.studies.__main__ import study
from qdfool.studies.lineage import effects, evolution, similarity
from qdfool.studies.lineage.answer import Findings, alike, parents, verdict
from qdfool.studies.lineage.conditions import FULL, Setting
from qdfool.studies.study import Workbench

# Parents in rows: the first class keeps its cell and takes the second's, the third's children win nothing.
WINS = np.array([[[2, 6, 0], [0, 2, 2], [0, 0, 0]]])
WINNERS = np.array([[6, 2, 0]])


def test_the_share_that_switched_and_what_chance_would_give():
    np.testing.assert_allclose(effects.switched(WINS), [8 / 12])
    # A cell is the first class's child with 6 / 8, the second's with 2 / 8.
    by_children = 1 - (2 * 6 / 8 + 8 * 2 / 8 + 2 * 0) / 12
    np.testing.assert_allclose(effects.switched_by_children(WINS, WINNERS), [by_children])
    np.testing.assert_allclose(
        effects.against_chance(np.concatenate([WINS, WINS])),
        np.array([[3, 18 / 8, 0], [0, 6 / 8, 3], [0, 0, 0]]),
    )


def test_what_a_class_gives_to_others_and_what_chance_would():
    # 6 cells of the second class and 2 of the third went to children of others: half of them to each other class.
    np.testing.assert_allclose(effects.given(WINS), [[[6, 2, 0]], [[4, 1, 3]]])
    np.testing.assert_allclose(
        effects.others_against_chance(WINS),
        [[np.nan, 6 / 3, 0], [np.nan, np.nan, 2 / 1], [np.nan, 0, np.nan]],
    )
    even = np.full((2, 4, 4), 5)
    won, expected = effects.given(even)
    np.testing.assert_allclose(won, expected)
    np.testing.assert_allclose(effects.others_against_chance(even, 2), np.ones((2, 2)))


def test_classes_that_stand_near():
    np.testing.assert_allclose(effects.near(np.ones((1, 6, 6), int), reach=2), [1])
    beside = np.eye(6, k=1, dtype=int)[None]  # each cell of 1 to 5 is won by a child of the class before
    np.testing.assert_allclose(effects.near(beside, reach=1), [5 / ((4 * 2 + 1) / 5)])


def test_the_share_along_a_run():
    won = np.array([[4, 0] + [2] * 18])
    parts = effects.switched_in_parts(won, np.array([[1, 0] + [2] * 16 + [0] * 2]))
    np.testing.assert_allclose(parts, [[0.25, *[1] * 8, 0]])
    assert np.isnan(effects.switched_in_parts(np.zeros((1, 20), int), np.zeros((1, 20), int))).all()


def test_the_top_tenth():
    assert effects.top_tenth(np.array([1, 6, 3])) == 0.6
    assert effects.top_tenth(np.arange(20)) == pytest.approx((18 + 19) / 190)


def figures(odds: np.ndarray) -> dict[str, np.ndarray]:
    """Units of log-odds [S, G, K]."""
    return {"fitness": odds.astype(np.float32)}


def test_evaluations_until_and_what_is_never_reached():
    reached = np.array([[False, True, True], [False, False, False], [True, True, True]])
    np.testing.assert_array_equal(effects.evaluations_until(reached, 40), [80, np.nan, 40])


def test_goal_switching_is_said_to_help_where_it_does():
    seeds, generations = 8, 4
    noise = np.random.default_rng(0).normal(0, 0.01, (seeds, 1, 3))
    rising = np.arange(generations)[None, :, None] * 4.0 + noise
    found = {("a", "all"): figures(rising + 1), ("a", "parent"): figures(rising - 7 + noise)}
    made = effects.comparisons({"a": Setting("A", 10, generations)}, found)
    assert made["a", "median log-odds"].verdict == "helps"
    assert made["a", "median log-odds"].gain.mean == pytest.approx(8, abs=0.05)
    until = made["a", "evaluations until every class is 99.99 %"]
    # 99.99 % is 9.2, reached in the fourth generation, or never: then the whole budget counts, which is as many.
    assert (until.reached, until.gain.mean, until.verdict) == ((8, 0), 0.0, "not told apart")
    found["a", "all"] = figures(rising + 8)
    made = effects.comparisons({"a": Setting("A", 10, generations)}, found)
    until = made["a", "evaluations until every class is 99.99 %"]
    assert (until.gain.mean, until.verdict) == (-20.0, "helps")
    turned = {("a", "all"): found["a", "parent"], ("a", "parent"): found["a", "all"]}
    made = effects.comparisons({"a": Setting("A", 10, generations)}, turned)
    assert made["a", "evaluations until every class is 99.99 %"].verdict == "hinders"
    findings = Findings({}, {}, {}, {}, made, {})
    assert verdict(findings, "a").startswith("Goal switching hinders with median log-odds (-")
    same = effects.comparisons(
        {"a": Setting("A", 10, generations)}, {("a", way): figures(rising) for way in ("all", "parent")}
    )
    said = verdict(Findings({}, {}, {}, {}, same, {}), "a")
    assert said == "Whether goal switching helps cannot be told: no figure differs beyond chance."
    alone = {key: each._replace(gain=Interval(1, 0.1, 1.9, 5)) for key, each in same.items()}
    said = verdict(Findings({}, {}, {}, {}, alone, {}), "a")
    assert "but not for all comparisons together: median log-odds (1.00 ± 0.90)" in said


def test_what_is_said_of_parents_follows_from_the_figures():
    made = effects.descent(
        {
            "wins": np.repeat(WINS, 3, axis=0),
            "winners": np.repeat(WINNERS, 3, axis=0),
            "won": np.full((3, 10), 2),
            "switched": np.full((3, 10), 1),
            "parent_class": np.array([[0, 0, 1], [0, 1, 2], [-1, 0, 0]]),
        }
    )
    assert made.switched.mean == pytest.approx(2 / 3)
    assert made.per_child.mean == pytest.approx(12 / 8)
    assert made.uniform == pytest.approx(2 / 3)
    assert made.last.mean == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert made.top.mean == pytest.approx(6 / 8)
    assert 1 / 3 < made.top_by_luck.mean < 6 / 8
    less = made._replace(less=Interval(0.2, 0.1, 0.3, 3))
    said = parents(
        Findings({"a": less}, {"a": True}, {"a": {"7": Interval(1.5, 1.4, 1.6, 3)}}, {}, {}, {}), "a"
    )
    assert "less than the 0.667 of chance" in said
    assert "more of the others' cells than chance gives: 7 (1.50 ± 0.10)" in said
    said = parents(
        Findings({"a": less}, {"a": False}, {"a": {}}, {"a": Interval(3, 2.9, 3.1, 3)}, {}, {}), "a"
    )
    assert "not told from the 0.667 of chance" in said
    assert "No class's children win more" in said
    assert "at most 10 numbers away win 3.00 ± 0.10 times as many" in said


def test_correlation_and_distance_are_those_of_numpy():
    images = np.random.default_rng(0).random((4, 30)).astype(np.float32)
    np.testing.assert_allclose(similarity.correlation(images, images), np.corrcoef(images), atol=1e-5)
    expected = np.sqrt(((images[:, None] - images) ** 2).mean(axis=2))
    np.testing.assert_allclose(similarity.distance(images, images), expected, atol=1e-3)
    plain = np.full((1, 9408), 0.3, np.float32)
    assert similarity.correlation(plain, np.random.default_rng(1).random((1, 9408)).astype(np.float32)) == 0


def test_pairs_of_images_are_of_one_class_or_of_two():
    images = np.arange(6.0).reshape(2, 3, 1)
    same, other = similarity.by_seeds(images, lambda one, two: one @ two.T)
    np.testing.assert_allclose(same, [[5 / 3, 14 / 3], [14 / 3, 50 / 3]])
    np.testing.assert_allclose(other, [[(9 - 5) / 6, (36 - 14) / 6], [(36 - 14) / 6, (144 - 50) / 6]])


def test_pairs_of_one_class_are_told_from_those_of_two():
    draw = np.random.default_rng(0)
    of_class = draw.integers(0, 256, (1, 5, 6, 6, 1))
    noise = draw.integers(0, 60, (4, 5, 6, 6, 1))
    found = {
        "images": np.clip(of_class + noise, 0, 255).astype(np.uint8),
        "first": draw.integers(0, 256, (4, 7, 6, 6, 1)).astype(np.uint8),
    }
    likeness = similarity.likeness(found, similarity.correlation)
    assert likeness.same.mean > 0.8
    assert abs(likeness.other.mean) < 0.2
    assert likeness.by_class.low > 0.5
    assert likeness.by_class.mean == pytest.approx(likeness.same.mean - likeness.other.mean)
    told = {"by_class": True, "by_run": False}
    said = alike({("a", "all"): (likeness, told)}, {"a": "A"})
    assert "are more alike within a class" in said
    assert "are not told to be more alike than those of two runs" in said


def test_the_jackknife_of_a_mean_is_its_interval():
    values = np.array([1.0, 2.0, 4.0, 9.0])
    found = similarity.jackknife(lambda seeds: float(values[seeds].mean()), 4)
    np.testing.assert_allclose(found, interval(values))
    assert np.isnan(similarity.jackknife(lambda seeds: 1.0, 2).low)


def test_images_are_made_smaller_by_the_mean_of_blocks():
    image = np.zeros((1, 224, 224, 3), np.uint8)
    image[0, :4, 4:8] = [8, 16, 255]
    small = evolution.smaller(image)
    assert small.shape == (1, 56, 56, 3)
    assert small[0, 0, 1].tolist() == [8, 16, 255]
    assert small.sum() == 8 + 16 + 255
    digits = np.random.default_rng(0).integers(0, 256, (2, 28, 28, 1)).astype(np.uint8)
    np.testing.assert_array_equal(evolution.smaller(digits), digits)


@pytest.mark.release
def test_a_run_says_who_won_what():
    # Mutation so strong that a child may be anyone's.
    mutation = Mutation(("gaussian",), rate=1.0, sigma=1.0)
    config = Config(generations=12, batch_size=8, mutation=mutation, chunk_seconds=evolution.ONE_GENERATION)
    found = evolution.course(with_defaults(config, fake.SHAPE), fake.classifier)
    assert found["fitness"].shape == (12, 4)
    assert found["won"][0] == found["switched"][0] == 0
    assert found["won"].sum() == found["wins"].sum() > 0
    assert found["switched"].sum() == effects.without_own(found["wins"][None]).sum() > 0
    assert 0 < found["winners"].sum() <= found["wins"].sum()
    assert (found["winners"] <= found["wins"].sum(axis=1)).all()
    # Every improvement of a class after the first generation is a cell won.
    rises = (np.diff(found["fitness"], axis=0) > 0).sum(axis=0)
    np.testing.assert_array_equal(found["wins"].sum(axis=0), rises)
    assert found["images"].shape == (4, *fake.SHAPE)
    assert found["first"].shape == (8, *fake.SHAPE)
    only = evolution.course(with_defaults(replace(config, competition="parent"), fake.SHAPE), fake.classifier)
    assert only["switched"].sum() == 0 < only["won"].sum()
    jax.tree.map(np.testing.assert_array_equal, only["first"], found["first"])


def test_weights_that_are_missing_are_asked_for_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.delenv("QDFOOL_WEIGHTS", raising=False)
    bench = Workbench(study("lineage"), tmp_path, settings=study("lineage").settings)
    with pytest.raises(InputError, match=r"needs mobilenet_v1_0\.25_224\.safetensors"):
        evolution.run(bench)
    assert not list(tmp_path.rglob("*.npz"))
    assert FULL["imagenet-cppn"].imagenet
