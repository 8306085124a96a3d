"""The Python interface: evolve, ask and tell."""

import sys
from dataclasses import replace
from typing import Any, cast

import fake
import jax
import numpy as np
import pytest

import qdfool
from qdfool.build import build_classifier, build_encoding
from qdfool.config import Cppn, Crossover, Mutation
from qdfool.errors import InputError
from qdfool.results.run import Run

NAMES = ("a", "b", "c", "d")


def same(first, second):
    one, other = first.arrays(), second.arrays()
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def test_evolution_makes_the_classifier_surer(small):
    result = qdfool.evolve(replace(small, generations=60), fake.classifier)
    fitness = result.history.fitness
    assert (fitness[-1] > fitness[0] + 1).all()
    assert (np.diff(fitness, axis=0) >= 0).all()
    assert result.summary()["evaluations"] == 60 * 12


@pytest.mark.parametrize("archive", ["class", "grid"])
def test_the_same_config_gives_the_same_archive_and_another_seed_another(small, archive):
    config = replace(small, archive=archive, cells=(4, 4), crossover=Crossover(operators=("uniform",)))
    first = qdfool.evolve(config, fake.classifier)
    assert same(first, qdfool.evolve(config, fake.classifier))
    assert same(first, qdfool.evolve(replace(config, chunk_seconds=10), fake.classifier))
    assert not same(first, qdfool.evolve(replace(config, seed=1), fake.classifier))


def test_a_plain_function_will_do(small):
    result = qdfool.evolve(small, fake.logits)
    assert result.class_names == ("class 0", "class 1", "class 2", "class 3")
    assert len(result.archive) == 4


def test_own_parts_are_as_they_are_now(small):
    """As in a notebook, where a cell sets a number and the next one runs again."""
    strength = {"of the operator": 0.0, "of the logits": 1.0}
    plain = replace(small, generations=2)
    own = replace(
        plain,
        mutation=qdfool.Mutation(operators=(lambda key, genome: genome * (1 - strength["of the operator"]),)),
    )
    mine = replace(
        fake.classifier, logits=lambda parameters, images: strength["of the logits"] * fake.logits(images)
    )

    def found(config):
        return qdfool.evolve(config, mine).elites.fitness.tolist()

    for config, part in ((own, "of the operator"), (plain, "of the logits")):
        first = found(config)
        assert found(config) == first
        strength[part] = 0.5
        assert found(config) != first


def test_on_chunk_sees_the_run_grow(small):
    seen = []
    result = qdfool.evolve(
        replace(small, generations=40),
        fake.classifier,
        on_chunk=lambda so_far: seen.append((so_far.generations, len(so_far.archive))),
    )
    generations = [generation for generation, _ in seen]
    assert generations == sorted(set(generations))
    assert generations[-1] == result.generations == 40
    assert all(count == 4 for _, count in seen)


@pytest.mark.slow
def test_cppns_evolve_and_repeat(small):
    config = replace(small, encoding="cppn", mutation=Mutation(operators=("cppn",)), generations=40)
    first = qdfool.evolve(config, fake.classifier)
    assert (first.history.fitness[-1] > first.history.fitness[0]).all()
    assert same(first, qdfool.evolve(replace(config, chunk_seconds=10), fake.classifier))
    assert not same(first, qdfool.evolve(replace(config, seed=1), fake.classifier))
    summary = first.summary()["cppn"]
    assert 5 <= summary["nodes_median"] <= summary["nodes_most"] <= summary["nodes_cap"] == 64
    assert summary["refusals"] == 0


@pytest.mark.release
def test_a_cppn_that_meets_its_cap_says_so(small):
    cppn = Cppn(nodes=6, connections=7, add_neuron=1.0, add_connection=1.0)
    config = replace(small, encoding="cppn", cppn=cppn, mutation=Mutation(operators=("cppn",)))
    summary = qdfool.evolve(config, fake.classifier).summary()["cppn"]
    assert summary["nodes_most"] <= 6
    assert summary["connections_most"] <= 7
    assert summary["refusals"] >= summary["elites_refused_growth"] > 0


@pytest.mark.parametrize("archive", ["class", "grid"])
def test_ask_and_tell_find_what_a_classifier_on_the_host_finds(small, archive):
    config = replace(small, archive=archive, cells=(3, 3))
    audit = qdfool.AskTell(config, fake.SHAPE, NAMES)
    for _ in range(small.generations or 0):
        images = audit.ask()
        assert images.shape == (12, *fake.SHAPE)
        np.testing.assert_array_equal(images, audit.ask())
        audit.tell(fake.host_logits(images))
    expected = qdfool.evolve(config, fake.host_logits)
    assert same(audit.result(), expected)
    assert audit.result().generations == 10


def test_each_batch_is_told_of_once(small):
    audit = qdfool.AskTell(small, fake.SHAPE, NAMES)
    with pytest.raises(InputError, match="have not been asked for: each batch is told of once"):
        audit.tell(np.zeros((small.batch_size, len(NAMES))))
    audit.tell(fake.host_logits(audit.ask()))
    with pytest.raises(InputError, match="have not been asked for"):
        audit.tell(np.zeros((small.batch_size, len(NAMES))))
    assert audit.result().generations == 1


def test_ask_and_tell_need_no_budget(small, tmp_path):
    audit = qdfool.AskTell(replace(small, generations=None), fake.SHAPE, NAMES)
    audit.tell(fake.host_logits(audit.ask()))
    assert audit.result().config.classifier == "ask/tell"
    with pytest.raises(InputError, match="needs a budget"):
        qdfool.evolve(replace(small, generations=None), fake.classifier)


def test_ask_and_tell_say_what_could_not_compete(small):
    """Nothing did, so that what is asked next has no parents to come from."""
    beyond = qdfool.Measure("beyond", "", 0.0, 1.0, lambda image: image.mean() + 5)
    config = replace(small, archive="grid", cells=(3, 3), measures=(beyond, "ink"))
    audit = qdfool.AskTell(config, fake.SHAPE, NAMES)
    with pytest.raises(
        InputError, match=r"In generation 0, 12 of 12 images had a measure outside its stated range"
    ):
        audit.tell(fake.logits(audit.ask()))
    assert len(audit.result().cells()) == 0
    with pytest.raises(
        InputError, match="none could compete, as `tell` said, and there is nothing to breed from"
    ):
        audit.ask()


@pytest.mark.parametrize(
    "setting",
    [
        {"weights": "hub"},
        {"precision": "bfloat16"},
        {"group": ("one=0",)},
        {"objective": "ten-crop"},
        {"image_shape": (4, 4, 1)},
    ],
)
def test_ask_and_tell_refuse_what_needs_a_classifier_to_call(small, setting):
    (name,) = setting
    with pytest.raises(InputError, match=f"`{name}`"):
        qdfool.AskTell(replace(small, **setting), fake.SHAPE, NAMES)


def test_tell_refuses_and_nothing_has_changed(small):
    audit = qdfool.AskTell(small, fake.SHAPE, NAMES)
    images = audit.ask()
    with pytest.raises(
        InputError, match=r"The caller of tell returned shape \[12, 3\]. Expected logits \[12, 4\]"
    ):
        audit.tell(np.zeros((12, 3)))
    with pytest.raises(InputError, match="12 of 12 images got NaN"):
        audit.tell(np.full((12, 4), np.nan))
    with pytest.raises(InputError, match="these are probabilities"):
        audit.tell(np.full((12, 4), 0.25))
    np.testing.assert_array_equal(images, audit.ask())
    audit.tell(fake.host_logits(images))
    assert audit.result().generations == 1


@pytest.mark.parametrize(
    "shape",
    [
        None,
        8,
        (8, 8),
        (8, 8, 1, 1),
        "881",
        (8.0, 8, 1),
        (True, 8, 1),
        (8, 8, "1"),
        (0, 8, 1),
        (8, 10**9, 1),
        [10**4] * 3,
        {8: 1, 9: 2, 1: 3},
        object(),
        (8, 8, np.nan),
    ],
)
def test_ask_and_tell_take_three_whole_numbers_for_the_images(small, shape):
    with pytest.raises(InputError, match="`image_shape` must"):
        qdfool.AskTell(small, shape, NAMES)


@pytest.mark.parametrize("shape", [[8, 8, 1], tuple(np.array(fake.SHAPE))])
@pytest.mark.parametrize("said", [None, fake.SHAPE])
def test_ask_and_tell_take_the_shape_of_the_images_as_a_list(small, shape, said):
    assert qdfool.AskTell(replace(small, image_shape=said), shape, NAMES).ask().shape == (12, 8, 8, 1)


def exits(*arguments):
    sys.exit(0)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda logits: logits + 1j, "The caller of tell returned complex64"),
        (lambda logits: logits.astype(int), "The caller of tell returned int64"),
        (lambda logits: logits > 0, "The caller of tell returned bool"),
        (lambda logits: logits.astype(str), "The caller of tell returned <U32"),
        (lambda logits: logits.astype(object), "The caller of tell returned object"),
        (lambda logits: logits.astype("datetime64[s]"), "The caller of tell returned datetime64"),
        (lambda logits: np.ma.masked_array(logits, logits > 0), "masked"),
        (lambda logits: [[0.0], *logits[1:].tolist()], "The logits cannot be read: ValueError"),
        (lambda logits: type("Odd", (), {"__array__": exits})(), "The logits cannot be read: SystemExit: 0"),
        (lambda logits: np.broadcast_to(logits[:, :1], (12, 10**9)), r"returned shape \[12, 1000000000\]"),
        (lambda logits: logits.astype(np.float64) * 1e60, "12 of 12 images got NaN or infinity"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_tell_takes_what_a_classifier_on_the_host_may_return_and_nothing_else(small, answer, message):
    audit = qdfool.AskTell(small, fake.SHAPE, NAMES)
    logits = fake.host_logits(audit.ask())
    with pytest.raises(InputError, match=message):
        audit.tell(answer(logits))
    assert audit.result().generations == 0
    audit.tell(jax.numpy.asarray(logits, jax.numpy.bfloat16))
    assert audit.result().generations == 1


@pytest.mark.parametrize("by", ["tell", "a function"])
def test_differences_of_wide_logits_far_from_0_are_kept(small, by):
    """As of joint log-likelihoods: float32 has no numbers between those near 10^9."""

    def far(images):
        return fake.host_logits(np.asarray(images)).astype(np.float64) + 1e9

    if by == "tell":
        audit = qdfool.AskTell(small, fake.SHAPE, NAMES)
        for _ in range(2):
            audit.tell(far(audit.ask()))
        found = audit.result()
    else:
        found = qdfool.evolve(replace(small, generations=2, image_shape=fake.SHAPE), far)
    near = qdfool.evolve(replace(small, generations=2, image_shape=fake.SHAPE), fake.host_logits)
    np.testing.assert_allclose(found.elites.fitness, near.elites.fitness, atol=1e-4)


def test_settings_out_of_range_are_refused_before_anything_runs(small):
    with pytest.raises(InputError, match="`batch_size`"):
        qdfool.evolve(replace(small, batch_size=-1), fake.classifier)


def test_elites_are_the_devices_on_the_host(small):
    result = qdfool.evolve(small, fake.classifier)
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(result.elites))
    np.testing.assert_array_equal(result.archive.data("objective"), result.elites.fitness)


@pytest.mark.slow
def test_an_image_drawn_again_has_the_bits_that_were_scored():
    """At a size that takes several pieces, in colour, in batches of any length."""
    config = replace(
        qdfool.preset("imagenet-cppn"),
        classifier="mobilenet_v1_025",
        weights="random",
        evaluations=64 * 4,
        batch_size=64,
    )
    run = Run(config, build_classifier(config))
    for _ in run.advance():
        pass
    decode = jax.jit(jax.vmap(build_encoding(config, run.classifier.image_shape).decode))
    for count in (1, 5, 64):
        again = decode(jax.tree.map(lambda leaf, n=count: leaf[:n], run.state.children))
        np.testing.assert_array_equal(again, run.state.images[:count])


@pytest.mark.slow
def test_nan_from_the_first_generation_on_leaves_an_empty_run(small):
    config = replace(small, encoding="cppn", mutation=Mutation(operators=("cppn",)))
    run = Run(config, replace(fake.classifier, logits=lambda p, images: fake.always_nan(images)))
    with pytest.raises(InputError, match="12 of 12 images had a logit that is not finite"):
        list(run.advance())
    assert run.result().summary()["cppn"]["nodes_most"] == 0
    assert run.result().images().shape == (0, *fake.SHAPE)


@pytest.mark.parametrize("config", [None, "mnist-direct", {"seed": 3}])
def test_what_is_no_config_is_said_to_be_none(config):
    for call in (
        lambda: qdfool.evolve(config, fake.host_logits),
        lambda: qdfool.evolve(config, fake.host_logits, seeds=[0]),
        lambda: qdfool.AskTell(config, fake.SHAPE, ("a", "b", "c", "d")),
    ):
        with pytest.raises(
            InputError, match=r"Expected a qdfool.Config, as qdfool.preset\('mnist-direct'\) make"
        ):
            call()


def test_text_names_no_seeds_in_python(small):
    with pytest.raises(InputError, match=r"as range\(10\) or \[3, 5, 8\]; got the text '0:3'"):
        qdfool.evolve(small, fake.host_logits, seeds=cast(Any, "0:3"))


@pytest.mark.parametrize("given", ["", 3, None])
def test_a_folder_that_is_none_is_named(small, given):
    for call in (
        lambda: qdfool.load(given),
        lambda: qdfool.resume(given),
        lambda: qdfool.resume_seeds(given),
        lambda: qdfool.evolve(small, fake.logits).save(given),
    ):
        with pytest.raises(InputError, match=f"`directory` must be the name of a folder; got {given!r}"):
            call()
    if given is not None:
        with pytest.raises(InputError, match=f"`out` must be the name of a folder; got {given!r}"):
            qdfool.evolve(small, fake.logits, out=given)


def test_overwrite_is_true_or_false(small, tmp_path):
    result: Any = qdfool.evolve(small, fake.logits)
    result.save(tmp_path)
    with pytest.raises(InputError, match="`overwrite` must be true or false; got 'no'"):
        result.save(tmp_path, overwrite="no")
    assert qdfool.load(tmp_path).generations == result.generations
