"""What is counted in `transfer`, the ensembles that it evolves against, and what cannot be in one matrix."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qdfool.classifiers import lenet
from qdfool.engine.objectives import log_odds
from qdfool.errors import InputError
from qdfool.studies.study import Workbench
from qdfool.studies.transfer import STUDY, networks
from qdfool.studies.transfer.answer import compared, conclusion
from qdfool.studies.transfer.conditions import FULL, QUICK, Several, ensembles, parted, several
from qdfool.studies.transfer.effects import Outcome, directions, gains, outcome, shares
from qdfool.studies.transfer.ensembles import REST, RULES, ensemble, with_rest
from qdfool.studies.transfer.evolution import of_log_odds, opinions
from qdfool.studies.transfer.networks import Network, Settings, check_alike
from qdfool.types import Classifier

RANDOM = np.random.default_rng(0)
SHAPE = (2, 2, 1)


def linear(seed: int, classes: int = 3) -> Classifier:
    """A small classifier; all of them are of one architecture."""
    weights = jnp.asarray(np.random.default_rng(seed).normal(0, 9, (4, classes)), jnp.float32)
    return Classifier(f"linear-{seed}", SHAPE, tuple("abcdef"[:classes]), {"weights": weights}, products)


def products(parameters, images):
    return images.reshape(len(images), -1) @ parameters["weights"]


def named(name: str, shape: tuple[int, int, int] = SHAPE, classes: str = "abc", kind: str = "") -> Network:
    return Network(name, kind or name, shape, tuple(classes), lambda: pytest.fail("nothing is loaded"), False)


@pytest.mark.parametrize("rule", RULES)
def test_an_ensemble_has_the_log_odds_of_its_rule(rule):
    """In float32, from networks that are unsure to such as are surer than a softmax of 1.0 can say."""
    members = [linear(seed) for seed in range(4)]
    images = jnp.asarray(RANDOM.uniform(0, 9, (40, *SHAPE)), jnp.float32)
    whole = ensemble(members, rule)
    found = np.asarray(jax.jit(lambda *of: jax.vmap(log_odds)(whole.logits(*of)))(whole.parameters, images))
    logits = [np.asarray(products(member.parameters, images)) for member in members]
    each = np.array(
        [[of_log_odds(of, np.full(40, index)) for index in range(3)] for of in logits]
    )  # [E, K, B]
    expected = {"minimum": each.min(axis=0), "mean": each.mean(axis=0)}[rule]
    assert np.abs(expected).max() > 100
    np.testing.assert_allclose(found[:, :3].T, expected, rtol=1e-5, atol=1e-5)
    assert whole.class_names == ("a", "b", "c", REST)
    assert whole.parameters["weights"].shape == (4, 4, 3)


def test_of_one_network_all_rules_are_the_network():
    logits = RANDOM.normal(0, 20, (50, 10)).astype(np.float32)
    odds = np.stack([of_log_odds(logits, np.full(50, index)) for index in range(10)], axis=1)
    again = jax.jit(jax.vmap(lambda one: log_odds(with_rest(one))))(odds.astype(np.float32))
    np.testing.assert_allclose(again[:, :10], odds, rtol=1e-5, atol=1e-5)
    assert several("mean", 1) == several("minimum", 1)
    assert ensembles(QUICK) == [Several("minimum", 1), Several("minimum", 2), Several("mean", 2)]


def test_the_mean_of_log_odds_leaves_something():
    """What makes it a classifier: the sigmoids of the means sum to at most 1, also of networks that differ much."""
    p = RANDOM.dirichlet(np.full(6, 0.1), (1000, 3)) * (1 - 1e-9) + 1e-9 / 6
    means = (np.log(p) - np.log1p(-p)).mean(axis=1)
    sums = (1 / (1 + np.exp(-means))).sum(axis=-1)
    assert sums.max() <= 1 + 1e-9
    assert sums.min() < 0.5


def test_members_of_an_ensemble_are_of_one_architecture():
    with pytest.raises(InputError, match=r"one architecture.*linear-0, linear-1"):
        ensemble([linear(0), linear(1, classes=4)], "mean")
    with pytest.raises(InputError, match="got none"):
        ensemble([], "mean")
    with pytest.raises(InputError, match="Unknown rule 'median'"):
        ensemble([linear(0)], "median")


def test_held_out_networks_are_in_no_ensemble_and_smaller_ensembles_in_larger_ones():
    held = []
    for seed in range(5):
        parts = [parted(seed, FULL, count) for count in FULL.members]
        outside = parts[0][1]
        assert [len(members) for members, _ in parts] == list(FULL.members)
        for (smaller, _), (larger, others) in itertools.pairwise(parts):
            assert set(smaller) < set(larger)
            assert others == outside
            assert not set(larger) & set(outside)
        held += outside
    assert sorted(held) == list(range(10))


def test_opinions_are_of_the_class_that_an_image_was_evolved_to_be():
    asked = []

    def ask(images, called):
        asked.append(len(images))
        return np.stack([images[:, 0, 0, 0], np.zeros(len(images)), -images[:, 0, 0, 0]], axis=1)

    images = np.arange(-30, 31, dtype=np.float32).reshape(-1, 1, 1, 1)
    classes = np.arange(61) % 3
    odds, first = opinions(
        [ask, lambda images, called: -ask(images, called)], lambda rows: images[rows], classes
    )
    assert odds.shape == first.shape == (2, 61)
    assert set(asked) == {50}
    assert first[0].tolist() == [2] * 30 + [0] * 31
    logits = np.stack([images.ravel(), np.zeros(61), -images.ravel()], axis=1)
    for row in (0, 17, 60):
        others = np.delete(logits[row], classes[row])
        assert odds[0, row] == pytest.approx(logits[row, classes[row]] - np.log(np.exp(others).sum()))


def matrix_figures():
    """Two networks, one seed, four images of each for the classes 0 to 3. The first: sure of all four, and the second
    calls two of them the same and is sure of one. The second: sure of one, unsure of two, and the
    fourth is a class of which the first alone is sure."""
    odds = np.array([[[[12.0, 11, 12, 13], [12, 1, -1, -20]]], [[[3.0, -1, -2, 12], [12, 1, 0.5, -1]]]])
    first = np.array([[[[0, 1, 2, 3], [0, 1, 0, 0]]], [[[0, 2, 0, 3], [0, 1, 2, 0]]]])
    return {"log_odds": odds, "first": first, "classes": np.tile(np.arange(4), (2, 1, 1))}


def test_shares_are_of_what_both_networks_say():
    found = shares(matrix_figures())
    np.testing.assert_allclose(found.same, [[[1, 0.5], [0.25, 0.75]]])
    np.testing.assert_allclose(found.sure, [[[1, 0.25], [0, 0.25]]])
    sigmoid = 1 / (1 + np.exp(-matrix_figures()["log_odds"][0, 0, 1]))
    assert found.confidence[0, 0, 1] == pytest.approx(sigmoid.mean())
    few = shares(matrix_figures(), least=0.7)
    assert few.same[0, 1, 0] == pytest.approx(0.5)  # of the two that the second is sure of
    assert few.same[0, 0, 1] == pytest.approx(0.5)
    assert np.isnan(shares(matrix_figures(), least=0.99999999).same[0, 1, 0])


def test_directions_are_by_kind_and_mean_over_their_pairs():
    pairs = directions([named("a", kind="x"), named("b", kind="x"), named("c", kind="y")])
    assert pairs == {("x", "x"): [(0, 1), (1, 0)], ("x", "y"): [(0, 2), (1, 2)], ("y", "x"): [(2, 0), (2, 1)]}
    one = np.arange(9.0).reshape(1, 3, 3)
    assert shares(matrix_figures())._replace(same=one).mean([(0, 1), (1, 0)]).same == 2


def test_an_image_is_carried_over_only_if_all_members_are_fooled():
    figures = {
        "classes": np.array([[0, 1]]),
        "members": np.array([[[12.0, 12], [12, 2]]]),
        "members_first": np.array([[[0, 1], [0, 0]]]),
        "held": np.array([[[12.0, 12]]]),
        "held_first": np.array([[[0, 1]]]),
        "others": np.array([[[1.0, 12]]]),
        "others_first": np.array([[[1, 1]]]),
    }
    found = outcome(figures)
    assert found.all_sure == 0.5
    assert (found.held_same, found.held_sure) == (0.5, 0.5)
    assert (found.others_same, found.others_sure) == (0, 0)
    assert found.held > 0.9999 > found.members


def made(value: float) -> Outcome:
    """The same of all measures, for three seeds that hardly differ."""
    return Outcome(*[value + np.array([0.0, 0.001, -0.001])] * len(Outcome._fields))


def test_gains_are_paired_with_one_network_and_the_conclusion_names_what_is_beyond_chance():
    one, two, eight = Several("minimum", 1), Several("minimum", 2), Several("minimum", 8)
    found = {
        ("pixels", one): made(0.5),
        ("pixels", two): made(0.5)._replace(held_same=np.array([0.4, 0.5, 0.6])),
        ("pixels", eight): made(0.5)._replace(
            held_same=np.array([0.8, 0.81, 0.8]), members=np.array([0.4, 0.4, 0.41])
        ),
    }
    gained = gains(found, "held_same")
    assert list(gained) == [("pixels", two), ("pixels", eight)]
    np.testing.assert_allclose(gained["pixels", eight], [0.3, 0.309, 0.301])
    said = conclusion(compared(found))
    assert "To LeNets held out, more is carried over from 1 of 2 ensembles (pixels, minimum of 8)." in said
    assert "To networks of another architecture, more is carried over from none of the ensembles." in said
    assert "Confidence of the members is lost with 1 of 2 ensembles (pixels, minimum of 8)." in said
    assert "LeNets held out are surer with none of the ensembles." in said


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (named("b", classes="abcd"), "a and b cannot be in one matrix: 3 and 4 classes"),
        (named("b", classes="acb"), "class 1 is 'b' and 'c'"),
        (named("b", shape=(2, 3, 1)), "images of 2 x 2 x 1 and of 2 x 3 x 1"),
    ],
)
def test_networks_of_other_classes_or_images_are_refused(other, message):
    check_alike([named("a"), named("c")])
    with pytest.raises(InputError, match=message):
        check_alike([named("a"), named("c"), other])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("lenet-0",), "number of --networks must be between 2 and 12; got 1"),
        (("lenet-0", "lenet-0"), "has 'lenet-0' twice"),
    ],
)
def test_networks_that_are_no_matrix_are_refused(given, message):
    Settings(("lenet-0", "lenet-1")).check()
    with pytest.raises(InputError, match=message):
        Settings(given).check()


def test_what_does_not_fit_is_said_before_anything_is_computed(tmp_path, monkeypatch):
    other = Classifier("other", lenet.IMAGE_SHAPE, tuple("9876543210"), {}, products)
    monkeypatch.setattr(networks, "build_classifier", lambda config: other)
    monkeypatch.setattr(Workbench, "unit", lambda *_, **__: pytest.fail("something is computed"))
    bench = Workbench(STUDY, tmp_path, settings=Settings(("lenet-3", "own:net")), quick=True, data=tmp_path)
    with pytest.raises(
        InputError, match="lenet-3 and own:net cannot be in one matrix: class 0 is '0' and '9'"
    ):
        STUDY.run(bench)
    bench = Workbench(STUDY, tmp_path, settings=Settings(("lenet-3", "lenet-1000")), quick=True)
    with pytest.raises(InputError, match="number of 'lenet-1000' must be between 0 and 999"):
        STUDY.run(bench)


def test_an_unknown_network_is_told_what_those_are_called_that_are_trained(tmp_path):
    bench = Workbench(STUDY, tmp_path, settings=Settings(("lenet-3", "nonsense")), quick=True)
    with pytest.raises(
        InputError, match=r"Unknown classifier 'nonsense'.* called lenet-NUMBER and resnet-NUMBER"
    ):
        STUDY.run(bench)
