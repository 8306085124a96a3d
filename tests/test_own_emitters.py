"""A user's own emitter: by object and by name, what it leaves, and children of it that are none."""

import json
from dataclasses import replace

import fake
import jax
import jax.numpy as jnp
import numpy as np
import own_parts
import pytest

import qdfool
from qdfool.build import build_evolution
from qdfool.config import Emitters
from qdfool.engine.step import init, step
from qdfool.errors import InputError
from qdfool.results.loading import load


def test_ones_own_emitter_by_object_and_by_name(small, tmp_path):
    emitters = Emitters(("own_parts:copies", "variation"), shares=(1, 3))
    runs = [
        qdfool.evolve(replace(small, emitters=given), fake.classifier, out=tmp_path / str(number))
        for number, given in enumerate(
            (emitters, replace(emitters, operators=(own_parts.copies, "variation")))
        )
    ]
    np.testing.assert_array_equal(runs[0].images(), runs[1].images())
    settings = json.loads((tmp_path / "1" / "config.json").read_text())["settings"]
    assert settings["emitters"]["operators"] == ["own_parts:copies", "variation"]
    evolution = build_evolution(replace(small, emitters=Emitters((own_parts.copies,))), fake.classifier)
    one = jax.jit(lambda state: step(evolution, fake.classifier.logits, fake.classifier.parameters, state)[0])
    state = one(one(one(init(evolution, jax.random.key(0)))))
    np.testing.assert_array_equal(state.children, state.elites.genome[state.parents])
    assert int(state.emitter) == 3


@pytest.mark.parametrize(
    ("emitter", "rounding"),
    [
        (own_parts.beyond, True),
        (own_parts.of_no_numbers, True),
        (own_parts.of_no_numbers, False),
        (own_parts.orphans, True),
        (own_parts.strays, False),
    ],
)
def test_children_of_ones_own_emitter_that_are_none_win_nothing_and_end_the_run(small, emitter, rounding):
    """Whatever the classifier says of them."""
    config = replace(small, emitters=Emitters((emitter,)), rounding=rounding)
    always = replace(
        fake.classifier, logits=lambda _, images: jnp.ones((images.shape[0], 4)) * jnp.arange(4.0)
    )
    found = []
    with pytest.raises(
        InputError, match=r"In generation 1, 12 of 12 images were none: [^;]*emitters of your own\.$"
    ):
        qdfool.evolve(config, always, on_chunk=found.append)
    assert (np.asarray(found[-1].elites.birth_generation) == 0).all()
    assert found[-1].images().max() <= 1


@pytest.mark.parametrize("cells", [(1, 1), (1, 2)])
def test_ones_own_emitter_is_shown_the_measures_of_any_grid(small, cells):
    """Also where a class has one cell."""
    config = replace(small, archive="grid", cells=cells, emitters=Emitters((own_parts.mirrors,)))
    build_evolution(config, fake.classifier)


@pytest.mark.parametrize("classifier", [fake.logits, fake.host_logits])
def test_children_that_are_none_end_a_chunk(small, classifier):
    """Whoever calls the classifier."""
    config = replace(
        small, emitters=Emitters((own_parts.beyond,)), chunk_seconds=99.0, image_shape=fake.SHAPE
    )
    found = []
    with pytest.raises(InputError, match="In generation 1, 12 of 12 images were none"):
        qdfool.evolve(config, classifier, on_chunk=lambda result: found.append(result.generations))
    assert found == [1, 2]


def test_what_is_no_image_is_told_of_once(small):
    """Neither its measures nor its logits are numbers."""
    config = replace(small, archive="grid", cells=(2, 2), emitters=Emitters((own_parts.strays,)))
    with pytest.raises(InputError, match=r"^In generation 1, 12 of 12 images were none: .*own\.$") as raised:
        qdfool.evolve(config, fake.classifier)
    assert " And " not in str(raised.value)


def test_a_run_goes_on_after_parents_that_were_none(small, tmp_path):
    """Those that wait are seen again; nothing else is lost, once the emitter is mended."""
    config = replace(small, emitters=Emitters((own_parts.orphans,)))
    for call in (
        lambda: qdfool.evolve(config, fake.classifier, out=tmp_path),
        lambda: qdfool.resume(tmp_path, fake.classifier, config=config, generations=90),
    ):
        with pytest.raises(
            InputError, match=r"In generation \d+, 12 of 12 images .* Everything until generation"
        ):
            call()


@pytest.mark.slow
def test_what_ones_own_emitter_leaves_can_be_read_again(small, tmp_path):
    """Nobody but its author knows in which range it leaves pixels."""
    config = replace(small, emitters=Emitters(("own_parts:beyond",)), rounding=False)
    result = qdfool.evolve(config, fake.classifier, out=tmp_path / "run")
    assert result.images().max() > 1
    np.testing.assert_array_equal(load(tmp_path / "run").images(), result.images())
