"""Chunks: their size must not matter, nor whether JAX can trace the classifier."""

import itertools
import logging
import re
import sys
from dataclasses import replace
from types import SimpleNamespace

import fake
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qdfool.build import build_evolution
from qdfool.classifiers.custom import wrap
from qdfool.classifiers.logits_check import check_answer
from qdfool.classifiers.views import grouped
from qdfool.engine import loop
from qdfool.engine.loop import (
    Budget,
    Chunk,
    check_valid,
    chunks,
    empty_records,
    jitted_init,
    jitted_tell,
    run_generations,
)
from qdfool.engine.step import init
from qdfool.errors import InputError
from qdfool.presets import preset
from qdfool.types import Classifier


def run(config, classifier=fake.classifier, budget=None, chunk_seconds=0.02, **more) -> list[Chunk]:
    evolution = build_evolution(config, classifier)
    state = init(evolution, jax.random.key(config.seed))
    budget = budget or Budget(config.generations, None)
    return [chunk for (chunk,) in chunks(evolution, classifier, (state,), budget, chunk_seconds, **more)]


def test_a_run_does_not_depend_on_its_chunks(small):
    """The same 30 generations as one chunk, and one by one, bit for bit."""
    evolution = build_evolution(small, fake.classifier)
    program = run_generations(evolution, fake.classifier.logits)
    parameters = fake.classifier.parameters

    def state():
        return init(evolution, jax.random.key(3))

    at_once, records = program(state(), empty_records(4), parameters, 30)
    one_by_one, buffer = state(), empty_records(4)
    rows = []
    for _ in range(30):
        one_by_one, buffer = program(one_by_one, buffer, parameters, 1)
        rows.append(np.array(buffer.fitness[0]))
    np.testing.assert_array_equal(jax.random.key_data(at_once.key), jax.random.key_data(one_by_one.key))
    jax.tree.map(np.testing.assert_array_equal, at_once._replace(key=None), one_by_one._replace(key=None))
    np.testing.assert_array_equal(records.fitness[:30], rows)


@pytest.mark.release
def test_a_generation_clears_no_memory_for_coloured_cppns_and_copies_none():
    weights = jnp.asarray(np.random.default_rng(0).normal(size=(56 * 56 * 3, 5)), jnp.float32)
    classifier = Classifier(
        "linear",
        (56, 56, 3),
        tuple("abcde"),
        weights,
        lambda weights, images: images.reshape(23, -1) @ weights,
    )
    evolution = build_evolution(preset("mnist-cppn", batch_size=23, evaluations=46), classifier)
    state = jitted_init(evolution)(jax.random.key(0))
    program = run_generations(evolution, classifier.logits)
    lowered = program.lower(state, empty_records(5), weights, jnp.int32(1))
    makes = set(re.findall(r"= f32\[23,(?:56,56|3136),3\]\S* ([\w-]+)\(", lowered.compile().as_text()))
    assert "dynamic-update-slice" in makes
    assert not makes & {"broadcast", "copy"}


def test_generations_are_counted_exactly(small):
    found = run(replace(small, generations=37))
    assert sum(len(chunk.records.invalid) for chunk in found) == 37
    assert int(found[-1].state.generation) == 37
    assert found[0].compile_seconds > 0
    assert all(chunk.compile_seconds == 0 for chunk in found[1:])


def test_the_seconds_budget_ends_a_run(small):
    found = run(small, budget=Budget(None, 0.2))
    # The last chunk may run over by the error of its forecast, but no chunk starts after the budget.
    assert sum(chunk.seconds for chunk in found[:-1]) < 0.2


def test_stop_ends_a_run_between_chunks(small):
    asked = iter([False, False, True])
    assert len(run(small, budget=Budget(None, None), stop=lambda: next(asked))) == 2


def test_a_classifier_on_the_host_finds_the_same(small):
    """The traced program may round differently, so fitness is compared to a tolerance."""
    host = wrap(fake.host_logits, fake.SHAPE)
    assert not host.traceable
    assert wrap(fake.logits, fake.SHAPE).traceable
    traced, hosted = run(small)[-1].state, run(small, host)[-1].state
    np.testing.assert_allclose(traced.elites.fitness, hosted.elites.fitness, rtol=1e-4)
    np.testing.assert_array_equal(traced.elites.birth_generation, hosted.elites.birth_generation)


@pytest.fixture
def timed(small, monkeypatch):
    """Runs on the host against a service that takes 0.25 s for a generation, and may do otherwise in one of them."""
    evolution, clock = build_evolution(small, fake.classifier), [100.0]

    def run(budget, chunk_seconds, otherwise=None, in_generation=4, **more):
        generation = itertools.count()

        def logits(parameters, images):
            answer = fake.host_logits(images)
            if next(generation) != in_generation or otherwise is None:
                clock[0] += 0.25
                return answer
            clock[0] += 10
            return otherwise(answer)

        service = replace(fake.classifier, name="service", logits=logits, traceable=False)
        state = jitted_init(evolution)(jax.random.key(0))
        found = chunks(evolution, service, (state,), budget, chunk_seconds, **more)
        return (chunk for (chunk,) in found)

    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    return run


def fails(logits):
    raise ConnectionError("the service has gone")


@pytest.mark.parametrize("how", ["seconds", "stop"])
def test_a_failure_on_the_host_is_raised_though_the_run_is_over(timed, how):
    """The chunk that it cut short was yielded; neither a budget that is spent by then nor a stop hides it."""
    found = []

    def evolve():
        budget = Budget(None, 9.0 if how == "seconds" else None)
        for chunk in timed(budget, 99, fails, stop=lambda: how == "stop" and len(found) == 2):
            found.append(chunk)

    with pytest.raises(
        InputError, match=r"In generation 4, service failed on images .* the service has gone"
    ):
        evolve()
    assert [len(chunk.records.invalid) for chunk in found] == [1, 3]


def nan_in_two_rows(logits):
    logits[[3, 7]] = np.nan
    return logits


def probabilities(logits):
    exponentials = np.exp(logits)
    return exponentials / exponentials.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("invalid", "message"),
    [
        ([2, 0, 0], "In generation 8, 2 of 12 images were none: .* emitters of your own.$"),
        ([0, 3, 0], "In generation 8, 3 of 12 images had a measure outside .* measures of your own.$"),
        ([0, 0, 4], "In generation 8, 4 of 12 images had a logit that .* check the classifier.$"),
        (
            [0, 1, 11],
            "In generation 8, 1 of 12 images had a measure .* And 11 of 12 images had a logit .*r.$",
        ),
    ],
)
def test_what_was_wrong_is_said_and_nothing_else(invalid, message):
    rows = np.array([[0, 0, 0], invalid, [5, 5, 5]])
    records = jax.tree.map(np.asarray, empty_records(4))._replace(invalid=rows)
    with pytest.raises(InputError, match=message):
        check_valid(records, 7, 12)


@pytest.mark.parametrize(
    ("otherwise", "message"),
    [
        (fails, r"service failed on images \[12, 8, 8, 1\]: ConnectionError: the service has gone\."),
        (lambda logits: logits[:, :3], r"service returned shape \[12, 3\]. Expected logits \[12, 4\]"),
        (lambda logits: logits[None], r"service returned shape \[1, 12, 4\]. Expected logits \[12, 4\]"),
        (lambda logits: None, r"service returned a NoneType\. Expected an array of logits \[B, K\]"),
        (lambda logits: [[0.0], [0.0, 1.0]], r"service failed on images \[12, 8, 8, 1\]: ValueError"),
        (probabilities, r"service returned rows that lie in \[0, 1\] and sum to 1: these are probabilities"),
        (lambda logits: logits + 1j, "service returned complex64. Expected logits as floating-point numbers"),
        (
            lambda logits: logits.astype(int),
            "service returned int64. Expected logits as floating-point numbers",
        ),
        (lambda logits: logits > 0, "service returned bool. Expected logits as floating-point numbers"),
        (
            lambda logits: logits.astype(str),
            "service returned <U32. Expected logits as floating-point numbers",
        ),
        (lambda logits: logits.astype(object), "service returned object. Expected logits as floating-point"),
        (nan_in_two_rows, "2 of 12 images had a logit that is not finite"),
        (lambda logits: logits.astype(np.float64) * 1e60, "12 of 12 images had a logit that is not finite"),
    ],
)
@pytest.mark.parametrize("in_generation", [0, 1, 3])
def test_what_goes_wrong_names_its_generation(timed, otherwise, message, in_generation):
    run = timed(Budget(20, None), 1.0, otherwise, in_generation)
    with pytest.raises(InputError, match=rf"^In generation {in_generation}, {message}"):
        list(run)


def test_logits_of_few_images_may_sum_to_one():
    few = np.full((7, 4), 0.25, np.float32)
    check_answer("service", few, (7, 4))
    with pytest.raises(InputError, match="service returned rows"):
        check_answer("service", np.concatenate([few, few]), (14, 4))


def test_a_chunk_is_not_longer_than_its_buffer(timed, monkeypatch):
    monkeypatch.setattr(loop, "LONGEST_CHUNK", 6)
    assert [len(chunk.records.invalid) for chunk in timed(Budget(15, None), 99.0)] == [1, 6, 6, 2]


@pytest.mark.parametrize(
    ("budget", "before", "expected"),
    [
        (Budget(9, None), 0.0, [1, 4, 4]),
        (Budget(8, 99.0), 0.0, [1, 4, 3]),
        (Budget(None, 2.0), 0.0, [1, 4, 3]),
        (Budget(None, 2.0), 1.5, [1, 1]),
        (Budget(None, 2.0), 2.0, []),
        (Budget(99, 0.1), 0.0, [1]),
    ],
)
def test_chunks_are_as_long_as_asked(timed, budget, before, expected):
    """The first is one generation, to learn the pace; the others a second, or what the budget leaves of it."""
    found = list(timed(budget, 1.0, seconds_before=before))
    assert [len(chunk.records.invalid) for chunk in found] == expected
    assert [chunk.seconds for chunk in found] == [0.25 * count for count in expected]


def test_nan_in_the_middle_of_a_chunk_ends_it_there(small):
    """Not a generation is spent on what will be lost."""
    classifier = wrap(fake.nan_when_bright, fake.SHAPE)
    evolution = build_evolution(small, classifier)
    state = init(evolution, jax.random.key(6))  # Whose first images are dark.
    running = chunks(evolution, classifier, (state,), Budget(500, None), 99.0)
    ((first,), (second,)) = (next(running), next(running))
    with pytest.raises(InputError) as raised:
        next(running)
    last = int(second.state.generation) - 1
    invalid = np.concatenate([first.records.invalid, second.records.invalid])
    assert 1 < last == len(invalid) - 1 < 499
    assert not invalid[:-1].any()
    assert f"In generation {last}, {invalid[-1, 2]} of 12 images had a logit that is not" in str(raised.value)


@pytest.mark.parametrize(
    ("said", "raised"),
    [("INTERNAL: CpuCallback error calling callback: ...\nConnectionError: gone", InputError)]
    + [
        (said, jax.errors.JaxRuntimeError)
        for said in ("RESOURCE_EXHAUSTED: Out of memory", "INTERNAL: CUDA_ERROR")
    ],
)
def test_only_a_function_that_was_called_back_is_a_classifier_that_failed(small, said, raised):
    evolution = build_evolution(small, fake.classifier)
    state = jitted_init(evolution)(jax.random.key(0))
    traced = loop._Traced(evolution, fake.classifier, (state,))

    def fails(*arguments):
        raise jax.errors.JaxRuntimeError(said)

    traced.run = fails
    with pytest.raises(raised):
        traced((state,), 1)


def test_runs_on_the_host_share_what_was_compiled(small):
    host = wrap(fake.host_logits, fake.SHAPE)
    jitted_tell.cache_clear()
    for seed in range(2):
        run(replace(small, seed=seed), host)
    assert jitted_tell.cache_info().misses == 1
    evolution = build_evolution(small, host)
    state, logits = init(evolution, jax.random.key(0)), jax.ShapeDtypeStruct((12, 4), np.float32)
    lowered = [jitted_tell(evolution).lower(state, logits) for _ in range(2)]
    assert lowered[0].compile().runtime_executable() is lowered[1].compile().runtime_executable()


ATTACK = "\x1b[2J\r\nqdfool: all good"


def raises(*arguments):
    raise ValueError(ATTACK)


@pytest.mark.parametrize(
    ("otherwise", "message"),
    [
        (lambda answer: sys.exit(0), r"failed on images \[12, 8, 8, 1\]: SystemExit: 0\."),
        (raises, r"failed on images \[12, 8, 8, 1\]: ValueError: \\x1b\[2J qdfool: all good\."),
        (lambda answer: answer + 1j, "returned complex64. Expected logits as floating-point numbers"),
        (lambda answer: answer.astype(int), "returned int32. Expected logits as floating-point numbers"),
        (lambda answer: answer[:, :3], r"returned shape \[12, 3\]. Expected logits \[12, 4\]"),
        (lambda answer: answer[:1], r"returned shape \[1, 4\]. Expected logits \[12, 4\]"),
        (list, r"returned a list\. Expected logits \[12, 4\]"),
    ],
    ids=["exits", "raises", "complex", "whole numbers", "another K", "another B", "a list"],
)
def test_a_traced_classifier_that_does_otherwise_at_the_batch_of_the_run_is_named(small, otherwise, message):
    def mine(images):
        answer = fake.logits(images)
        return answer if len(images) == 8 else otherwise(answer)

    with pytest.raises(InputError, match=f"mine {message}") as caught:
        run(small, wrap(mine, fake.SHAPE))
    assert str(caught.value).isprintable()
    with pytest.raises(InputError, match=f"mine.* {message}"):
        run(small, grouped(wrap(mine, fake.SHAPE), ["one=0", "other=1-3"]))


@pytest.mark.parametrize("call_back", [jax.debug.callback, lambda f, x: jax.pure_callback(f, x, x)])
def test_what_fails_in_a_callback_is_said_once_and_whole(small, call_back, caplog):
    calls = itertools.count()

    def on_host(images):
        if next(calls) > 3:
            raise ValueError(ATTACK)
        return np.asarray(images)

    def mine(images):
        called = call_back(on_host, images)
        return fake.logits(images if called is None else called)

    loggers = [logging.getLogger(f"jax._src.{module}") for module in ("callback", "debugging")]
    before = [list(logger.filters) for logger in loggers]
    with pytest.raises(InputError, match=r"mine failed: ValueError: \\x1b\[2J qdfool: all good\.$"):
        run(small, wrap(mine, fake.SHAPE))
    assert "failed" not in caplog.text
    assert [logger.filters for logger in loggers] == before
    with pytest.raises(jax.errors.JaxRuntimeError):
        jax.block_until_ready(jax.jit(mine)(np.ones((3, *fake.SHAPE), np.float32)))
    assert "callback failed" in caplog.text, "the process of a host program stays as it was"
    caplog.clear()
    with pytest.raises(
        InputError, match=r"mine failed on images .*: ValueError: \\x1b\[2J qdfool: all good\."
    ):
        wrap(mine, fake.SHAPE)
    assert "failed" not in caplog.text
