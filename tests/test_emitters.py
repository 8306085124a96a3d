"""Emitters in a config: shares, what they are charged, and what does not fit."""

from dataclasses import replace
from typing import Any, cast

import fake
import jax
import jax.numpy as jnp
import numpy as np
import own_parts
import pytest

import qdfool
from qdfool.build import EMITTERS, build_evolution
from qdfool.build.defaults import with_defaults
from qdfool.config import (
    Config,
    Cppn,
    Emitters,
    EvolutionStrategy,
    GradientArborescence,
    GradientAscent,
    validate,
)
from qdfool.engine.objectives import log_odds
from qdfool.engine.step import init, step
from qdfool.errors import InputError
from qdfool.results.loading import load
from qdfool.types import Classifier

MIXED = Emitters(("variation", "evolution_strategy", "gradient_ascent"), shares=(0.5, 0.25, 0.25))


def mixture(config, **settings):
    return replace(
        config,
        batch_size=16,
        emitters=MIXED,
        evolution_strategy=EvolutionStrategy(strategies=2, **settings),
        gradient_ascent=GradientAscent(steps=2),
        gradient_arborescence=GradientArborescence(population=4),
    )


def advance(config, generations):
    evolution = build_evolution(config, fake.classifier)
    one = jax.jit(lambda state: step(evolution, fake.classifier.logits, fake.classifier.parameters, state))
    state, record = one(init(evolution, jax.random.key(0)))
    for _ in range(generations - 1):
        state, record = one(state)
    return state, record


def slow(*values: object):
    """A case that compiles more than a newcomer need wait for; .ci/run runs it."""
    return pytest.param(*values, marks=pytest.mark.slow)


def for_a_release(*values: object):
    """The same of what a release has besides."""
    return pytest.param(*values, marks=pytest.mark.release)


@pytest.mark.parametrize(
    ("shares", "sizes"),
    [
        (None, (4, 3, 3)),
        ((1.0, 0.0, 1.0), (5, 0, 5)),
        ((2.0, 1.0, 1.0), (5, 3, 2)),
        ((0.05, 0.9, 0.05), (1, 9, 0)),
    ],
)
def test_shares_of_a_batch_are_of_the_largest_remainders(shares, sizes):
    assert Emitters(("a", "b", "c"), shares).sizes(10) == sizes


@pytest.mark.parametrize(
    ("archive", "ranking"),
    [
        ("class", "improvement"),
        slow("grid", "annealed"),
        for_a_release("grid", "improvement"),
        for_a_release("class", "annealed"),
    ],
)
def test_a_mixture_evolves(small, archive, ranking):
    config = mixture(replace(small, archive=archive, cells=(3, 3)), ranking=ranking, strategy="sep_cma_es")
    state, record = advance(config, 4)
    assert not record.invalid.any()
    assert state.images.shape == (16, *fake.SHAPE)
    assert 0 <= np.asarray(state.children).min() <= np.asarray(state.children).max() <= 1
    assert np.asarray(state.parents).min() >= 0


@pytest.mark.parametrize("coefficients", [slow("random"), "adapted"])
def test_an_arborescence_fills_a_map(small, coefficients):
    """More of it, and with higher log-odds, than the first generation."""
    config = replace(
        small,
        archive="grid",
        cells=(8, 8),
        batch_size=16,
        emitters=Emitters(("gradient_arborescence",)),
        gradient_arborescence=GradientArborescence(coefficients, population=4),
    )
    _, early = advance(config, 1)
    state, late = advance(config, 25)
    assert late.coverage > 1.5 * early.coverage
    assert (late.fitness > early.fitness + 0.5).all()
    assert 0 <= np.asarray(state.children).min() <= np.asarray(state.children).max() <= 1
    assert not late.invalid.any()


def test_gradients_raise_the_log_odds_of_the_parent_s_class(small):
    config = replace(
        small,
        emitters=Emitters(("gradient_ascent",)),
        gradient_ascent=GradientAscent(steps=5, learning_rate=0.2, sigma=0.0, selection="uniform"),
    )
    state, _ = advance(config, 1)
    scores = np.asarray(jax.vmap(log_odds)(fake.logits(state.images)))
    before = np.asarray(state.elites.fitness)[state.parents]
    after = scores[np.arange(len(before)), state.parents]
    assert (after > before).all()


@pytest.mark.release
def test_cppns_climb_by_their_weights_alone(small):
    """Most steps go up, and what is no weight stays as it was."""
    config = replace(
        small,
        batch_size=16,
        encoding="cppn",
        cppn=Cppn(nodes=12, connections=24, weight_range=2.0),
        emitters=Emitters(("gradient_ascent",)),
        gradient_ascent=GradientAscent(steps=3, learning_rate=0.1, sigma=0.0, selection="uniform"),
    )
    state, _ = advance(config, 1)
    parents = jax.tree.map(lambda leaf: leaf[state.parents], state.elites.genome)
    for name, leaf in parents._asdict().items():
        same = np.array_equal(leaf, getattr(state.children, name))
        assert same == (name != "weight")
    step = np.asarray(state.children.weight - parents.weight)
    assert 0.05 < np.linalg.norm(step, axis=1).max() < 3 * 0.1 + 1e-6
    assert abs(np.asarray(state.children.weight)).max() <= 2.0
    scores = np.asarray(jax.vmap(log_odds)(fake.logits(state.images)))
    before = np.asarray(state.elites.fitness)[state.parents]
    assert (scores[np.arange(16), state.parents] > before).mean() > 0.7


@pytest.mark.parametrize(
    ("schedule", "way"), [("constant", 3 * 0.02), slow("linear", (1 + 0.55 + 0.1) * 0.02)]
)
@pytest.mark.parametrize("rule", ["normalised", "sign", "sgd", "adam", slow("progress")])
def test_every_step_rule_climbs(small, rule, schedule, way):
    rate = 1.0 if rule == "progress" else 0.02  # of what a step should win, and of its length
    settings = GradientAscent(steps=3, rule=rule, learning_rate=rate, schedule=schedule, sigma=0.0)
    state, _ = advance(replace(small, emitters=Emitters(("gradient_ascent",)), gradient_ascent=settings), 1)
    scores = np.asarray(jax.vmap(log_odds)(fake.logits(state.images)))
    before = np.asarray(state.elites.fitness)[state.parents]
    assert (scores[np.arange(len(before)), state.parents] > before).all()
    step = np.asarray(state.children - state.elites.genome[state.parents]).reshape(len(before), -1)
    if rule == "sign":
        assert np.abs(step).max() == pytest.approx(way, abs=1e-6)
    if rule == "normalised":
        assert np.linalg.norm(step, axis=1).max() <= way + 1e-6


@pytest.mark.parametrize("strategy", ["cma_es", slow("sep_cma_es"), for_a_release("lm_ma_es")])
def test_every_strategy_climbs(small, strategy):
    """In one class of a linear classifier alone: the best log-odds of a run of strategies grow."""
    settings = EvolutionStrategy(strategy=strategy, strategies=1)
    config = replace(
        small, batch_size=12, emitters=Emitters(("evolution_strategy",)), evolution_strategy=settings
    )
    _, early = advance(config, 2)
    _, late = advance(config, 40)
    assert (np.asarray(late.fitness) >= np.asarray(early.fitness)).all()
    assert float(jnp.sum(late.fitness - early.fitness)) > 4.0


@pytest.mark.release
def test_a_gradient_is_charged_what_it_costs(small, tmp_path):
    """16 children: 8 and 4 cost one evaluation, 4 cost theirs and two gradients of four."""
    config = mixture(replace(small, generations=None, evaluations=100, seconds=None))
    result = qdfool.evolve(config, fake.classifier)
    assert result.config.charges().costs[0] == 8 + 4 + 4 * (1 + 2 * 4)
    figures = result.summary()
    assert (result.generations, figures["evaluations"], figures["images_classified"]) == (2, 96, 32)
    assert figures["ended_by"] == "evaluations"
    # What two steps cost is shared by the children on a way.
    for lengths, charge in ((2, 1 + 4), (4, 1 + 2), (5, 1 + 1.6)):
        shared = replace(config, gradient_ascent=GradientAscent(steps=2, lengths=lengths))
        assert with_defaults(shared, fake.SHAPE).emitters.evaluations_per_child == (1, 1, charge)
    own = replace(config, emitters=replace(MIXED, evaluations_per_child=(1, 1.5, 3)))
    assert qdfool.evolve(own, fake.classifier).generations == 100 // (8 + 6 + 12)


@pytest.mark.slow
def test_a_gradient_that_children_share_is_charged_once(small):
    """16 children in four populations: four gradients of four evaluations."""
    config = replace(
        mixture(small),
        archive="grid",
        emitters=Emitters(("gradient_arborescence",)),
        gradient_arborescence=GradientArborescence(population=4),
    )
    assert qdfool.evolve(config, fake.classifier).config.charges().costs[0] == 16 + 4 * 4


@pytest.mark.slow
@pytest.mark.parametrize("name", [*EMITTERS, "mixture"])
def test_a_run_stopped_and_gone_on_with_is_the_same(small, tmp_path, name):
    config = mixture(replace(small, generations=6), ranking="annealed", strategy="cma_es")
    if name != "mixture":
        config = replace(config, emitters=Emitters((name,)))
    if name == "gradient_arborescence":
        config = replace(config, archive="grid")
    classifier = fake.classifier
    whole = qdfool.evolve(config, classifier, out=tmp_path / "whole")
    qdfool.evolve(replace(config, generations=3), classifier, out=tmp_path / "part")
    resumed = qdfool.resume(tmp_path / "part", classifier, generations=6)
    assert resumed.generations == whole.generations == 6
    for file in ("elites.npz", "history.npz"):
        assert (tmp_path / "part" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    assert load(tmp_path / "part").summary()["evaluations"] == whole.summary()["evaluations"]


@pytest.mark.optimised
def test_a_run_of_cppns_uphill_stopped_and_gone_on_with_is_the_same(small, tmp_path):
    """Ascent on weights in a mixture; and every image drawn again from its genome is the one that was scored."""
    config = replace(
        small,
        batch_size=8,
        encoding="cppn",
        cppn=Cppn(nodes=12, connections=24),
        emitters=Emitters(("variation", "gradient_ascent"), shares=(0.5, 0.5)),
        gradient_ascent=GradientAscent(steps=2, rule="adam", learning_rate=0.1, lengths=2),
        generations=6,
    )
    whole = qdfool.evolve(config, fake.classifier, out=tmp_path / "whole")
    qdfool.evolve(replace(config, generations=3), fake.classifier, out=tmp_path / "part")
    qdfool.resume(tmp_path / "part", fake.classifier, generations=6)
    for file in ("elites.npz", "history.npz"):
        assert (tmp_path / "part" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    scores = np.asarray(jax.vmap(log_odds)(fake.logits(jnp.asarray(whole.images()))))
    np.testing.assert_allclose(scores[np.arange(4), np.arange(4)], whole.elites.fitness, rtol=1e-5)


HOST = Classifier(
    "host", fake.SHAPE, ("a", "b", "c", "d"), {}, lambda p, x: fake.host_logits(x), traceable=False
)


@pytest.mark.parametrize(
    ("settings", "classifier", "message"),
    [
        ({"emitters": Emitters(("nonsense",))}, fake.classifier, "Unknown emitter 'nonsense'"),
        (
            {"emitters": Emitters(("gradient_ascent",)), "encoding": "binary"},
            fake.classifier,
            "the encoding 'binary' has none",
        ),
        (
            {"emitters": Emitters(("gradient_ascent",)), "encoding": "black_pixels"},
            fake.classifier,
            "the encoding 'black_pixels' has none",
        ),
        ({"emitters": Emitters(("gradient_ascent",))}, HOST, "which JAX cannot trace"),
        (
            {"emitters": Emitters(("gradient_arborescence",))},
            fake.classifier,
            "the archive 'class' has none. Choose the archive 'grid'",
        ),
        (
            {"emitters": Emitters(("gradient_arborescence",)), "archive": "grid", "encoding": "cppn"},
            fake.classifier,
            "'gradient_arborescence' .* the encoding 'cppn'",
        ),
        (
            {"emitters": Emitters(("gradient_arborescence",)), "archive": "grid"},
            HOST,
            "'gradient_arborescence' .* which JAX cannot trace",
        ),
        (
            {
                "emitters": Emitters(("gradient_arborescence",)),
                "archive": "grid",
                "gradient_arborescence": GradientArborescence(population=5),
            },
            fake.classifier,
            "`gradient_arborescence.population` must divide the emitter's 12 children",
        ),
        (
            {
                "emitters": Emitters(("gradient_arborescence",)),
                "archive": "grid",
                "gradient_arborescence": GradientArborescence(population=1),
            },
            fake.classifier,
            "be 2 or more where coefficients are adapted; got 1",
        ),
        (
            {"emitters": Emitters(("evolution_strategy",)), "encoding": "cppn"},
            fake.classifier,
            "real numbers",
        ),
        (
            {"emitters": Emitters(("evolution_strategy",)), "batch_size": 11},
            fake.classifier,
            r"`evolution_strategy.strategies` must divide the emitter's 11 children",
        ),
        (
            {
                "emitters": Emitters(("evolution_strategy",)),
                "image_shape": (50, 50, 1),
                "batch_size": 10,
                "evolution_strategy": EvolutionStrategy(strategy="cma_es"),
            },
            replace(fake.classifier, image_shape=(50, 50, 1)),
            "covariance of every pair of 2,500 genes",
        ),
        (
            {"emitters": Emitters(("gradient_ascent",)), "gradient_ascent": GradientAscent(lengths=5)},
            fake.classifier,
            r"`gradient_ascent.lengths` must divide the emitter's 12 children; got 5",
        ),
        (
            {"emitters": Emitters(("variation", "gradient_ascent"), shares=(1.0, 0.001))},
            fake.classifier,
            "A batch of 12 leaves no child to the emitter 'gradient_ascent'",
        ),
        (
            {"emitters": Emitters((cast(Any, own_parts.no_emitter),))},
            fake.classifier,
            "make a qdfool.Emitter; it makes a int",
        ),
        ({"emitters": Emitters((own_parts.too_few,))}, fake.classifier, "must emit 12 genomes"),
        ({"emitters": Emitters((own_parts.growing,))}, fake.classifier, "must keep the kind of its state"),
        ({"emitters": Emitters((own_parts.keeps_a_key,))}, fake.classifier, "keeps_a_key keeps a typed key"),
        (
            {"emitters": Emitters((own_parts.fails_when_told,))},
            fake.classifier,
            "The emitter fails_when_told failed .*no such outcome",
        ),
        ({"emitters": Emitters((own_parts.failing,))}, fake.classifier, "The emitter failing failed"),
        (
            {"emitters": Emitters(("gradient_ascent",)), "gradient_ascent": GradientAscent(selection="best")},
            fake.classifier,
            "Unknown selection 'best'",
        ),
        (
            {"emitters": Emitters(("gradient_ascent",)), "encoding": own_parts.stripes_of_whole_numbers},
            fake.classifier,
            "follows gradients by real numbers, and genomes of the encoding 'whole numbers' have none",
        ),
    ],
)
def test_what_does_not_fit_is_refused(small, settings, classifier, message):
    with pytest.raises(InputError, match=message):
        build_evolution(replace(small, **settings), classifier)


@pytest.mark.parametrize(
    ("emitters", "message"),
    [
        (Emitters(()), "`emitters.operators` needs an emitter or more"),
        (Emitters(("variation",), shares=(0.0,)), "`emitters.shares` must sum to more than 0"),
        (
            Emitters(("variation",), shares=(1.0, 1.0)),
            "`emitters.shares` must have a number for each of the 1",
        ),
        (Emitters(("variation",), shares=(-1.0,)), "`emitters.shares`"),
        (Emitters(("variation",), evaluations_per_child=(0,)), "`emitters.evaluations_per_child`"),
    ],
)
def test_shares_out_of_range_are_refused(emitters, message):
    with pytest.raises(InputError, match=message):
        validate(Config(generations=1, emitters=emitters))


def test_a_slope_that_is_no_number_leads_nowhere(small):
    """As of a root at 0, where pixels begin or end."""
    rooted = Classifier(
        "rooted", fake.SHAPE, tuple("abcd"), {}, lambda _, images: fake.logits(jnp.sqrt(images))
    )
    ascent = replace(
        small, generations=3, emitters=Emitters(("gradient_ascent",)), gradient_ascent=GradientAscent(steps=2)
    )
    assert qdfool.evolve(ascent, rooted).generations == 3
