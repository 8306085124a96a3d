"""Devices that are not there and what they cannot share are refused; a run may go on with another number of them."""

import re
from dataclasses import replace

import fake
import jax
import own_parts
import pytest

import qdfool
from qdfool.api import AskTell
from qdfool.build import build_evolution, with_batch_size
from qdfool.classifiers.custom import wrap
from qdfool.config import (
    Emitters,
    EvolutionStrategy,
    GradientArborescence,
    GradientAscent,
    differences,
)
from qdfool.engine.sharding import AXIS, P, layout
from qdfool.errors import InputError
from qdfool.results.opening import check_same_config


@pytest.fixture
def eight(monkeypatch):
    """As if there were so many: nothing is computed on them."""
    monkeypatch.setattr(jax, "device_count", lambda: 8)


MIXTURE = Emitters(("variation", "gradient_ascent"), (0.9, 0.1))
STRATEGIES = Emitters(("evolution_strategy",))


@pytest.mark.parametrize("devices", [0, -1])
def test_a_number_that_is_none_is_refused(small, devices):
    with pytest.raises(InputError, match=rf"`devices` must be between 1 and 65,536; got {devices}"):
        qdfool.evolve(replace(small, devices=devices), classifier=fake.logits)


def test_devices_that_are_not_there_are_refused_with_how_to_have_them(small):
    there = jax.device_count()
    flag = f"XLA_FLAGS=--xla_force_host_platform_device_count={there + 1} "
    with pytest.raises(
        InputError,
        match=rf"at most {there}, which is what JAX finds here .* got {there + 1}.*{re.escape(flag)}",
    ):
        qdfool.evolve(replace(small, devices=there + 1), classifier=fake.logits)


@pytest.mark.parametrize(
    ("batch_size", "emitters", "message"),
    [
        (13, Emitters(), r"must divide among 8 `devices`; got 13. The nearest that do: 8 or 16"),
        (5, Emitters(), r"got 5. The nearest that do: 8\."),
        (
            200,
            MIXTURE,
            r"the emitters' 180, 20, and each of those among 8 .* The nearest that do: 160 or 240",
        ),
    ],
)
def test_a_batch_that_does_not_divide_is_refused_with_the_nearest(
    small, eight, batch_size, emitters, message
):
    config = replace(small, batch_size=batch_size, emitters=emitters, devices=8)
    with pytest.raises(InputError, match=message):
        build_evolution_of(config)


def build_evolution_of(config):
    return build_evolution(with_batch_size(config, fake.classifier), fake.classifier)


def test_what_devices_cannot_share_is_refused(small, eight):
    config = replace(small, batch_size=16, devices=8)
    own = Emitters(("variation", own_parts.copies))
    with pytest.raises(
        InputError, match="must be 1 with the emitter copies, whose memory is of a whole batch"
    ):
        build_evolution_of(replace(config, emitters=own))
    with pytest.raises(
        InputError, match=r"'cma_es' decomposes covariances.*got 8 `devices`. Choose .*'sep_cma_es'"
    ):
        build_evolution_of(
            replace(config, emitters=STRATEGIES, evolution_strategy=EvolutionStrategy(strategies=8))
        )
    with pytest.raises(InputError, match="must be 1 where the classifier is called from the host"):
        build_evolution(config, wrap(fake.host_logits, fake.SHAPE))
    with pytest.raises(InputError, match="must be 1 where the classifier is called from the host"):
        AskTell(config, fake.SHAPE, ("a", "b"))
    assert build_evolution_of(replace(config, batch_size=160, emitters=MIXTURE)).shares.sizes == (144, 16)
    turns = replace(config, emitters=Emitters(("variation", "gradient_ascent"), turns=(64,)))
    assert build_evolution_of(turns).shares.sizes == (16,)
    with pytest.raises(InputError, match=r"`emitters.turns` .* Give a length of 1, or one device"):
        build_evolution_of(replace(turns, batch_size=64, gradient_ascent=GradientAscent(lengths=2)))
    # An emitter without a share breeds nothing.
    nothing = Emitters(("variation", own_parts.copies, "evolution_strategy"), (1, 0, 0))
    assert build_evolution_of(replace(config, emitters=nothing)).shares.sizes == (16,)
    three = Emitters(("variation", "gradient_ascent", "evolution_strategy"), turns=(64, 128))
    with pytest.raises(InputError, match="gradient_ascent take turns with evolution_strategy, variation and"):
        build_evolution_of(replace(turns, emitters=three, gradient_ascent=GradientAscent(lengths=2)))


@pytest.mark.parametrize(
    ("strategies", "batch_size", "message"),
    [
        (
            5,
            80,
            r"`evolution_strategy.strategies` must divide among 8 `devices`, and .* 80 .* got 5. .* do: 8\.",
        ),
        (12, 96, r"got 12. The nearest that do: 8 or 16\."),
        (3, 8, r"got 3. Change `batch_size`\."),
    ],
)
def test_strategies_that_do_not_divide_are_refused_with_the_nearest(
    small, eight, strategies, batch_size, message
):
    config = replace(small, batch_size=batch_size, devices=8, emitters=STRATEGIES)
    settings = EvolutionStrategy("sep_cma_es", strategies)
    with pytest.raises(InputError, match=message):
        build_evolution_of(replace(config, evolution_strategy=settings))


@pytest.mark.parametrize(
    ("coefficients", "batch_size", "message"),
    [
        (
            "adapted",
            200,
            r"`gradient_arborescence.population` must divide the .* 200 children .* got 10\. .* 5 or 25",
        ),
        ("random", 24, r"got 12\. The nearest that do: 3\."),
        ("adapted", 8, r"got 8\. Change `batch_size`\."),
        ("random", 8, r"got 8\. The nearest that do: 1\."),
    ],
)
def test_points_that_do_not_divide_are_refused_with_the_nearest(
    small, eight, coefficients, batch_size, message
):
    config = replace(small, archive="grid", batch_size=batch_size, devices=8)
    branches = Emitters(("gradient_arborescence",))
    settings = GradientArborescence(coefficients)
    with pytest.raises(InputError, match=message):
        build_evolution_of(replace(config, emitters=branches, gradient_arborescence=settings))


def test_each_device_has_its_strategies(small, eight):
    """What `init` makes is of one device, and a layout says which of it is shared."""
    settings = EvolutionStrategy("sep_cma_es", strategies=16, ranking="annealed")
    config = replace(small, batch_size=64, devices=8, emitters=STRATEGIES, evolution_strategy=settings)
    evolution = build_evolution_of(config)
    state = jax.eval_shape(evolution.emitter.init, jax.ShapeDtypeStruct(fake.SHAPE, "float32"))
    assert state.populations.shape == (2, 4, 64)
    where = layout(evolution.emitter)
    assert where.emitter.populations == where.emitter.strategies == where.children == P(AXIS)
    assert where.emitter.threshold == where.emitter.tell_key == where.elites == P()


def test_a_batch_that_is_chosen_divides(small, eight):
    chosen = with_batch_size(replace(small, batch_size=0, devices=3), fake.classifier)
    assert chosen.batch_size % 3 == 0
    assert chosen.batch_size == 3 * with_batch_size(replace(small, batch_size=0), fake.classifier).batch_size


def test_a_run_may_go_on_with_another_number(small, tmp_path):
    other = replace(small, devices=8)
    check_same_config(tmp_path, small, other)
    assert differences(small, other) == ["devices: 1 -> 8"]
