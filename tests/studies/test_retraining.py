"""What networks are shown, what is counted of those that are fooled, what is said of it, and where a study goes on."""

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax

from qdfool.config import Config
from qdfool.engine.objectives import log_odds
from qdfool.studies.__main__ import study
from qdfool.studies.mnist_networks import KINDS
from qdfool.studies.retraining import answer, effects, networks, search
from qdfool.studies.retraining.conditions import (
    BEFORE,
    DEFENCES,
    DIGITS,
    FULL,
    MAIN,
    MOST_FOOLING,
    QUICK,
    TESTS,
    Defence,
)
from qdfool.studies.retraining.effects import Change, Fooled
from qdfool.studies.retraining.networks import ABSENT, Fooling, shown, widened
from qdfool.studies.study import Workbench
from qdfool.types import Classifier


def chance() -> np.random.Generator:
    return np.random.default_rng(0)


def of_round(first: int, last: int, count: int = 4) -> Fooling:
    """Images of one brightness each."""
    return Fooling(*(np.full((count, 28, 28, 1), value, np.uint8) for value in (first, last)))


@pytest.mark.parametrize("size", [FULL, QUICK])
def test_the_forms_fit_together(size):
    assert size.fewer <= MOST_FOOLING
    assert size.fewer in size.tested
    assert size.rounds in size.tested
    assert set(size.others) <= set(DEFENCES) - set(MAIN)
    assert size.config("gradient", 3).seed == 3
    assert size.ways("cppns", size.rounds)[0] == "cppns"
    assert set(size.ways("grid", size.fewer)) == {"grid", *TESTS}
    assert size.rounds < search.MOST_ROUNDS
    assert FULL.rounds == 15
    assert set(FULL.defences) == set(DEFENCES)


def test_half_of_what_is_shown_is_of_first_generations_and_every_round_has_as_much():
    rounds = [of_round(10 * number, 10 * number + 1) for number in range(3)]
    images, labels = shown(DEFENCES["cppns"], rounds, 60, chance())
    assert np.bincount(images[:, 0, 0, 0]).tolist() == [10, 10, *[0] * 8, 10, 10, *[0] * 8, 10, 10]
    assert (labels == DIGITS).all()
    images, labels = shown(DEFENCES["classes"], rounds, 60, chance())
    np.testing.assert_array_equal(labels, DIGITS + images[:, 0, 0, 0] // 10)


def test_nothing_is_shown_noise_too():
    images, labels = shown(DEFENCES["nothing"], [of_round(10, 20)], 300, chance())
    assert (labels == DIGITS).all()
    plain = images.reshape(300, -1)
    assert (plain[:100] == 10).all()
    assert (plain[100:200] == 20).all()
    of_noise = plain[200:]
    assert len(np.unique(of_noise, axis=0)) > 95
    # Some is nearly empty, some nearly full; some dark, some bright.
    density, highest = (of_noise > 0).mean(axis=1), of_noise.max(axis=1)
    assert density.min() < 0.1 < 0.9 < density.max()
    assert highest.min() < 50 < 200 < highest.max()


def test_images_are_drawn_where_there_are_more_and_repeated_where_there_are_too_few():
    images = np.arange(5, dtype=np.uint8)[:, None, None, None]
    few = networks.as_many(images, 3, chance())
    assert few.shape == (3, 1, 1, 1)
    assert len(np.unique(few)) == 3
    many = np.arange(100, dtype=np.uint8)[:, None, None, None]
    assert networks.as_many(many, 3, chance()).ravel().tolist() != [0, 1, 2]
    assert sorted(np.bincount(networks.as_many(images, 12, chance()).ravel())) == [2, 2, 2, 3, 3]


def small_lenet(classes: int) -> dict[str, Any]:
    kernel = jnp.asarray(chance().normal(0, 3, (6, classes)), jnp.float32)
    return {"ip2": {"kernel": kernel, "bias": jnp.arange(classes, dtype=jnp.float32)}}


@pytest.fixture
def last_layer(monkeypatch):
    """LeNet is its last layer alone; images are [B, 6, 1, 1]."""

    def product(parameters, images):
        return images.reshape(len(images), -1) @ parameters["ip2"]["kernel"] + parameters["ip2"]["bias"]

    monkeypatch.setattr(networks.lenet, "logits", product)
    return product


@pytest.mark.parametrize("classes", [DIGITS, DIGITS + MOST_FOOLING])
def test_what_is_evolved_against_has_the_confidence_of_the_network(last_layer, classes):
    parameters = small_lenet(classes)
    images = jnp.asarray(chance().random((7, 6, 1, 1)), jnp.float32)
    wide = widened(parameters, nothing=False)
    assert wide["ip2"]["bias"].shape == (DIGITS + MOST_FOOLING,)
    found = softmax(np.asarray(networks.logits(wide, images), np.float64), axis=1)
    own = softmax(np.asarray(last_layer(parameters, images), np.float64), axis=1)
    np.testing.assert_allclose(found[:, :DIGITS], own[:, :DIGITS], rtol=1e-5)
    np.testing.assert_allclose(found[:, DIGITS], own[:, DIGITS:].sum(axis=1), rtol=1e-5)


def test_nothing_is_a_logit_without_weights(last_layer):
    parameters = small_lenet(DIGITS)
    images = jnp.asarray(chance().random((7, 6, 1, 1)), jnp.float32)
    learned = networks.with_nothing(parameters, images)
    assert not np.any(learned[:, DIGITS])
    np.testing.assert_allclose(networks.logits(widened(parameters, nothing=True), images), learned, atol=1e-6)
    without = networks.logits(widened(parameters, nothing=False), images)
    assert (np.asarray(without[:, DIGITS]) < ABSENT / 2).all()


def test_a_network_goes_on_with_what_it_has_and_gets_columns_for_new_classes():
    former, start = small_lenet(DIGITS), small_lenet(DIGITS + 2)
    start["ip2"]["kernel"] += 1
    found = networks.grown({**start, "conv1": "new"}, {**former, "conv1": "old"})
    assert found["conv1"] == "old"
    for name, array in found["ip2"].items():
        assert array.shape == start["ip2"][name].shape
        np.testing.assert_array_equal(array[..., :DIGITS], former["ip2"][name])
        np.testing.assert_array_equal(array[..., DIGITS:], start["ip2"][name][..., DIGITS:])
    counts = {name: networks.classes_of(defence, 3) for name, defence in DEFENCES.items()}
    assert counts == {**dict.fromkeys(DEFENCES, 11), "classes": 13, "nothing": 10}


def test_evaluations_until_it_is_so():
    reached = np.array([[False, True, True], [False, False, False], [True, False, False]])
    np.testing.assert_array_equal(effects.until(reached, np.array([200, 400, 600])), [400, np.nan, 200])


def odds(value: float) -> float:
    return float(np.log(value) - np.log1p(-value))


def unit(*medians: float, lowest: float = 0.3) -> dict[str, np.ndarray]:
    """Nine digits as sure as each other, and one that is less."""
    fitness = np.array([[odds(lowest)] + [odds(each)] * 9 for each in medians], np.float32)
    return {"fitness": fitness, "evaluations": 100 * np.arange(1, len(medians) + 1)}


def test_what_became_of_images_is_counted():
    found = effects.fooled([unit(0.5, 0.995, 0.99995), unit(0.5, 0.6, 0.7)])
    np.testing.assert_allclose(found.median, [0.99995, 0.7], rtol=1e-6)
    np.testing.assert_allclose(found.lowest, 0.3, rtol=1e-6)
    assert found.sure.tolist() == found.very_sure.tolist() == [9, 0]
    np.testing.assert_array_equal(found.until_median["99 %"], [200, np.nan])
    np.testing.assert_array_equal(found.until_median["99.99 %"], [300, np.nan])
    assert np.isnan(found.until_all["99 %"]).all()
    assert found.budget == 300
    sure = effects.fooled([unit(0.5, 0.995, 0.99995, lowest=0.9999)])
    assert sure.until_all["99 %"].tolist() == [200]


def test_an_attack_fails_or_is_weaker_or_slower_or_works():
    start = effects.fooled([unit(0.5, 0.995, 0.995, 0.995), unit(0.995, 0.995, 0.995, 0.995)])
    late = effects.fooled([unit(0.5, 0.5, 0.5, 0.995), unit(0.5, 0.5, 0.995, 0.995)])
    assert effects.ratio(late, start) == pytest.approx((4 / 2 + 3 / 1) / 2)
    assert effects.verdict(late, start) == "is slower"
    assert effects.verdict(start, start) == "works"
    assert effects.verdict(effects.fooled([unit(0.6, 0.6), unit(0.9, 0.9)]), start) == "is weaker"
    assert effects.verdict(effects.fooled([unit(0.6, 0.4), unit(0.6, 0.4)]), start) == "fails"
    # A network that is no surer of real digits than that is fooled by as much.
    calm = effects.Tested(np.zeros(2), np.zeros(2), np.array([0.8, 0.7]))
    assert effects.enough_for(calm) == pytest.approx(0.75)
    assert effects.enough_for(calm._replace(real=np.ones(2))) == 0.99
    assert effects.verdict(effects.fooled([unit(0.6, 0.6), unit(0.9, 0.9)]), start, 0.75) == "is slower"
    one = effects.fooled([unit(0.5, 0.5, 0.995, 0.995)])  # of the first seed alone
    assert effects.ratio(one, start) == pytest.approx(3 / 2)
    never = effects.fooled([unit(0.5, 0.5), unit(0.995, 0.995)])
    assert effects.ratio(never, start) == np.inf
    assert np.isnan(effects.ratio(start, never))


def with_odds(values: np.ndarray) -> Fooled:
    return effects.fooled([{"fitness": values[None], "evaluations": np.array([100])}])


def test_rounds_are_told_from_round_0_digit_by_digit_and_corrected_for_their_number():
    noise = chance().normal(0, 1, 10)
    start, barely = with_odds(np.zeros(10)), with_odds(-0.75 + noise - noise.mean())
    found = {(BEFORE, 0, "cppns"): start, ("cppns", 1, "cppns"): barely}
    alone = effects.changes(found, [("cppns", 1, "cppns")])["cppns", 1, "cppns"]
    assert alone.by_digit.mean == pytest.approx(-0.75, abs=1e-5)
    assert alone.by_digit.seeds == 10
    many = {("cppns", number, "cppns"): barely for number in range(1, 16)}
    told = effects.changes({**found, **many}, list(many))
    assert alone.told
    assert not any(change.told for change in told.values())
    # Of the seeds that both have.
    two = start._replace(log_odds=np.array([np.zeros(10), np.full(10, 99.0)]))
    found[BEFORE, 0, "cppns"] = two
    of_one = effects.changes(found, [("cppns", 1, "cppns")])["cppns", 1, "cppns"]
    assert of_one.by_digit.mean == pytest.approx(-0.75, abs=1e-5)


def findings(**medians: float) -> effects.Findings:
    """Every way comes to the median of its name against the networks of the last rounds, or to 0.995."""
    worth = effects.Tested(np.array([0.008, 0.009]), np.array([0.0, 0.0]), np.array([0.999, 0.999]))
    rounds = [(name, number) for name in FULL.defences for number in range(1, FULL.rounds_of(name) + 1)]
    ways = [*TESTS, "grid"]
    fooled = {
        (*of, way): effects.fooled(
            [
                unit(
                    0.2,
                    medians.get("nothing" if of[0] == "nothing" else way, 0.995),
                    lowest=0.1 + of[1] / 100,
                )
            ]
        )
        for of in [(BEFORE, 0), *rounds]
        for way in ways
    }
    return effects.Findings(fooled, dict.fromkeys([(BEFORE, 0), *rounds], worth))


def test_the_conclusion_follows_from_the_figures():
    assert answer.conclusion(FULL, findings()).startswith(
        "Retraining does not defend: each of the 7 networks"
    )
    assert "(by pixels 7, CPPNs 7, gradients 7)." in answer.conclusion(FULL, findings())
    assert "(by pixels 1, CPPNs 1, gradients 7)" in answer.conclusion(FULL, findings(cppns=0.7, pixels=0.7))
    own = answer.conclusion(FULL, findings(cppns=0.3, pixels=0.4))
    assert own.startswith("Retraining does not defend")
    assert "what it learned from, pixels; CPPNs, does not fool it any more" in own
    none = dict.fromkeys(TESTS, 0.2)
    assert answer.conclusion(FULL, findings(**none, nothing=0.3)).startswith("Retraining defends against all")
    part = answer.conclusion(FULL, findings(nothing=0.3))
    assert "defends in part" in part
    assert f"by none with a median confidence of 50 %: {DEFENCES['nothing'].line}" in part
    assert f"in between: {DEFENCES['nothing'].line}" in answer.conclusion(FULL, findings(nothing=0.7))


def test_what_is_said_of_the_rounds_follows_from_the_figures():
    found = findings(cppns=0.9, gradient=0.4)
    change = effects.changes(found.fooled, [("cppns", number, "cppns") for number in range(1, 16)])
    said = answer.of_encoding(FULL, found, "cppns", change)
    assert "at least 99 % in 0 of 15 rounds and below 50 % in 0" in said
    assert "In 0 of 15 rounds the log-odds are lower" in said
    lower = {of: Change(each.by_digit._replace(mean=-1.0), True) for of, each in change.items()}
    assert "In 15 of 15 rounds the log-odds are lower" in answer.of_encoding(FULL, found, "cppns", lower)
    sure = answer.of_encoding(FULL, findings(), "cppns", change)
    assert "at least 99 % in 15 of 15 rounds" in sure
    assert "(15 of 15 rounds, in all seeds), it takes 1.0 to 1.0 times the evaluations of round 0" in sure
    assert "rise with the round (rank correlation 1.00)" in sure
    crossed = effects.changes(found.fooled, [("pixels", 15, way) for way in TESTS])
    told = answer.of_network(found, "pixels", 15, crossed)
    assert "pixels, 99.5 %: works (1.0 times)" in told
    assert "gradients, 40.0 %: fails" in told
    assert "below 1.2 % in 56 of 56 networks" in answer.errors(found)


class Computed(list[str]):
    """Stands for training and for evolution, and ends the study at one of its units."""

    end_at = ""

    def learned(self, defence: Defence | None, former, rounds, data, size, key) -> dict[str, np.ndarray]:
        self.note(f"{defence.line if defence else BEFORE}, {len(rounds)} rounds")
        return {"error": np.array(0.01)}

    def fool(self, config: Config, classifier: Classifier, evolution):
        self.note(f"{config.preset}, seed {config.seed}")
        images = np.full((2, 1, 1, 1), config.seed, np.uint8)
        return {"first": images, "last": images}, evolution

    def note(self, what: str) -> None:
        if what == self.end_at:
            raise KeyboardInterrupt
        self.append(what)


def test_retraining_that_is_interrupted_goes_on_at_its_round(tmp_path, monkeypatch):
    computed = Computed()
    monkeypatch.setattr(search, "learned", computed.learned)
    monkeypatch.setattr(search, "fool", computed.fool)
    monkeypatch.setattr(
        search,
        "network_of",
        lambda row, number, *_: SimpleNamespace(
            row=row,
            number=number,
            parameters={},
            classifier=SimpleNamespace(fingerprint=f"{row} {number} {made}"),
        ),
    )
    reported = []
    monkeypatch.setattr(search.report, "write", lambda *given: reported.append(given))

    def once() -> list[str]:
        bench = Workbench(
            study("retraining"), tmp_path, settings=study("retraining").settings, quick=True, log=log.append
        )
        monkeypatch.setattr(bench, "mnist", lambda: None)
        before = len(computed)
        search.run(bench)
        return computed[before:]

    log, made = [], "once"
    computed.end_at = f"{DEFENCES['cppns'].line}, 2 rounds"
    with pytest.raises(KeyboardInterrupt):
        once()
    done = list(computed)
    assert f"{DEFENCES['cppns'].line}, 1 rounds" in done
    assert not reported
    ended_at, computed.end_at = computed.end_at, ""
    rest = once()
    assert rest[0] == ended_at
    assert len(done) + len(rest) == search.units_of(QUICK) + search.units_of(QUICK._replace(others=()))
    assert log[-1].startswith(f"retraining [{len(done) + len(rest)}/{len(done) + len(rest)}]")
    assert once() == []
    (_, _, of_networks, fooled) = reported[-1]
    assert ("nothing", QUICK.fewer) in of_networks[0]
    assert ("nothing", QUICK.fewer) not in of_networks[1]
    assert {of[2] for of in fooled[1]} == set(TESTS)
    # Every round begins with images of its own.
    seeds = {int(of["first"][0, 0, 0, 0]) for key, of in fooled[0].items() if key[0] in (BEFORE, "cppns")}
    assert seeds == set(range(QUICK.rounds + 1))
    made = "twice"  # Whatever goes on from networks with other weights is computed again.
    again = once()
    assert f"{DEFENCES['cppns'].line}, 1 rounds" in again
    assert not any(BEFORE in what for what in again)


@pytest.mark.slow  # Compiling takes some seconds.
def test_images_are_evolved_and_kept():
    random = chance()
    weights = jnp.asarray(random.normal(0, 3, (16, DIGITS + 1)), jnp.float32)
    names = tuple(map(str, range(DIGITS + 1)))
    linear = Classifier("linear", (4, 4, 1), names, weights, lambda of, images: images.reshape(-1, 16) @ of)
    config = Config(generations=6, batch_size=20)
    found, evolution = search.fool(config, linear, None)
    assert found["fitness"].shape == (6, DIGITS)
    assert found["evaluations"].tolist() == [20, 40, 60, 80, 100, 120]
    assert found["first"].shape == found["last"].shape == (20, 4, 4, 1)
    logits = jnp.asarray(found["images"].reshape(DIGITS, 16) / np.float32(255)) @ weights
    own = jax.vmap(log_odds)(logits)[np.arange(DIGITS), np.arange(DIGITS)]
    np.testing.assert_allclose(own, found["fitness"][-1], rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(found["last"][:DIGITS], found["images"])
    again, same = search.fool(config, linear, evolution)
    assert same is evolution
    jax.tree.map(np.testing.assert_array_equal, found, again)
    grid = Config(generations=3, batch_size=20, archive="grid", cells=(4, 4), initial="varied")
    mapped, _ = search.fool(grid, linear, None)
    assert len(mapped["last"]) > DIGITS
    assert len(np.unique(mapped["last"], axis=0)) == len(mapped["last"])


@pytest.mark.slow
@pytest.mark.parametrize("name", [BEFORE, *DEFENCES])
def test_a_network_learns_to_refuse_what_it_is_shown(name):
    random, labels = chance(), np.arange(3000, dtype=np.int32) % 10
    images = random.integers(0, 80, (3000, 28, 28, 1), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 * label + 3 : 2 * label + 6] = 255
    data: Any = SimpleNamespace(
        train_images=images, train_labels=labels, test_images=images[:500], test_labels=labels[:500]
    )
    rounds = [Fooling(*255 * random.integers(0, 2, (2, 200, 28, 28, 1), np.uint8)) for _ in range(2)]
    defence = DEFENCES.get(name)
    key = networks.training_key(0, name, 2)
    former = KINDS["lenet"].initialise(jax.random.key(0), networks.classes_of(defence, 1))
    size = QUICK._replace(learned=3000, learned_again=3000)
    figures = networks.learned(defence, former, rounds if defence else [], data, size, key)
    assert figures["error"] < 0.05
    assert figures["real"].shape == (500,)
    network = networks.network_of(name, 2, dict(figures), defence is not None and defence.nothing)
    expected = KINDS["lenet"].initialise(jax.random.key(0), DIGITS + MOST_FOOLING)
    assert jax.tree.map(jnp.shape, network.classifier.parameters) == jax.tree.map(jnp.shape, expected)
    said = networks.answers(network.classifier.parameters, rounds[0].last)
    refused = (said.argmax(axis=1) == DIGITS).mean()
    assert refused == 0 if defence is None else refused > 0.9
