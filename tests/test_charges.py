"""What generations are charged, where they are charged alike and where emitters take turns."""

from dataclasses import replace

import fake
import numpy as np
import pytest

import qdfool
from qdfool.config import Charges, Config, Emitters, GradientAscent, validate
from qdfool.config.charges import charges_in_turn
from qdfool.errors import InputError

TURNS = Emitters(("variation", "gradient_ascent", "variation"), turns=(30, 100))


def charged_one_by_one(charges: Charges, generations: int) -> int:
    return sum(
        charges.costs[sum(first <= generation for first in charges.firsts) - 1]
        for generation in range(generations)
    )


@pytest.mark.parametrize(
    ("costs", "turns"), [((7,), ()), ((5, 12, 3), (20, 50)), ((5, 9, 2, 4), (11, 13, 60)), ((10, 1), (1,))]
)
def test_charges_are_those_of_each_generation(costs, turns):
    charges = charges_in_turn(costs, turns)
    counts = np.arange(40)
    expected = [charged_one_by_one(charges, int(count)) for count in counts]
    assert charges.of(counts).tolist() == expected == [charges.of(int(count)) for count in counts]
    for evaluations in range(expected[-1]):
        assert charges.affordable(evaluations) == sum(charge <= evaluations for charge in expected[1:])
    # A turn begins as soon as so much has been spent, and no sooner.
    for first, turn in zip(charges.firsts[1:], turns, strict=True):
        assert charges.of(first) >= turn
        assert charges.of(first - 1) < turn or first in charges.firsts[:-1]


def test_a_run_in_turns_is_charged_by_who_bred_and_goes_on_bit_for_bit(small, tmp_path, monkeypatch):
    """Twelve children at 1, then at 1 + 2 x 4, then at 1."""
    config = replace(
        small,
        generations=None,
        evaluations=290,
        emitters=TURNS,
        gradient_ascent=GradientAscent(steps=2, learning_rate=0.2),
    )
    monkeypatch.setattr("qdfool.results.result.Result.draw", lambda *given: None)
    whole = qdfool.evolve(config, fake.classifier, out=tmp_path / "whole")
    charges = whole.config.charges()
    assert (charges.firsts, charges.costs) == ((0, 3, 4), (12, 108, 12))
    assert (whole.generations, whole.summary()["evaluations"]) == (16, 3 * 12 + 108 + 12 * 12)
    assert whole.summary()["images_classified"] == 16 * 12
    for stop in (36, 144):
        folder = tmp_path / str(stop)
        qdfool.evolve(replace(config, evaluations=stop), fake.classifier, out=folder)
        qdfool.resume(folder, fake.classifier, evaluations=290)
        for file in ("elites.npz", "history.npz"):
            assert (folder / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    alone = qdfool.evolve(replace(config, emitters=Emitters()), fake.classifier)
    assert alone.summary()["generations"] == 24
    assert (whole.elites.fitness != alone.elites.fitness).any()


@pytest.mark.parametrize(
    ("emitters", "message"),
    [
        (replace(TURNS, turns=(30,)), "one fewer than the 3 `emitters.operators`"),
        (replace(TURNS, turns=(30, 30)), "evaluations that rise"),
        (replace(TURNS, turns=(0, 30)), "`emitters.turns` must be between 1 and"),
        (replace(TURNS, shares=(1.0, 1.0, 1.0)), "give one of them"),
    ],
)
def test_turns_that_do_not_follow_are_refused(emitters, message):
    with pytest.raises(InputError, match=message):
        validate(Config(generations=1, emitters=emitters))


def test_a_rate_that_halves_does_not_go_with_turns(small):
    config = replace(small, emitters=TURNS, mutation=replace(small.mutation, halve_every=100))
    with pytest.raises(InputError, match=r"`mutation.halve_every` .* `emitters.turns`"):
        qdfool.evolve(config, fake.classifier)
