"""No key is spent twice: not in fifty generations, nor by an operator, nor by a study.

A key is split, or folded with values that differ, or drawn from, once. What is spent is seen where it is spent: all
functions of `jax.random` that take a key are replaced by ones that write down its bits when the program runs.
"""

import inspect
from collections import defaultdict
from dataclasses import replace
from functools import partial, wraps
from itertools import count
from types import SimpleNamespace
from typing import Any, NewType

import fake
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.core import Tracer

from qdfool.build import (
    CROSSOVERS,
    ENCODINGS,
    INITIAL,
    MUTATIONS,
    SELECTIONS,
    build_encoding,
    with_defaults,
)
from qdfool.build.variation import build_crossovers, build_variation
from qdfool.classifiers import lenet
from qdfool.config import BlackPixels, Config, Crossover, Mutation
from qdfool.engine import generational, selection
from qdfool.engine.archive import empty
from qdfool.engine.emitters.variation import variation
from qdfool.engine.generational import GeneticAlgorithm, Population
from qdfool.engine.step import Evolution, init, step
from qdfool.genomes.pixels import repair
from qdfool.results import run as runs
from qdfool.studies import judges
from qdfool.studies.decision_boundary import evolution as boundary
from qdfool.studies.decision_boundary.conditions import CONDITIONS, QUICK
from qdfool.studies.ga_operators import evolution as operators
from qdfool.studies.make_a_seven import loop as seven
from qdfool.studies.negative_class import networks, search
from qdfool.types import Classifier


def stand_in(**parts: Any) -> Any:
    """What has only the parts that a test needs."""
    return SimpleNamespace(**parts)


GENERATIONS = 50
SPENT: list[tuple[str, bytes, int]] = []
"""How each key was spent, its bits, and the value that it was folded with."""


def write(how, keys, values):
    """Keys [..., 2] and values [...]."""
    keys = np.asarray(keys)
    for key, value in zip(keys.reshape(-1, keys.shape[-1]), np.ravel(values), strict=True):
        SPENT.append((how, key.tobytes(), int(value)))


def recorder(how):
    """Writes when the program runs, and a batch in one call."""

    @jax.custom_batching.custom_vmap
    def record(keys, values):
        jax.debug.callback(partial(write, how), keys, values)
        return ()

    @record.def_vmap
    def _(size, batched, *both):
        whole = [
            array if has else jnp.broadcast_to(array, (size, *array.shape))
            for array, has in zip(both, batched, strict=True)
        ]
        return record(*whole), ()

    return record


def recorded(name, function):
    how = name if name in ("split", "fold_in") else "drawn"
    record = recorder(how)

    @wraps(function)
    def spend(key, *arguments, **settings):
        value = (*arguments, *settings.values())[0] if how == "fold_in" else 0
        if isinstance(key, Tracer) or isinstance(value, Tracer):
            bits = jax.random.key_data(key)
            record(bits, jnp.broadcast_to(jnp.asarray(value, jnp.uint32), bits.shape[:-1]))
            return function(key, *arguments, **settings)
        with jax.ensure_compile_time_eval():
            write(how, jax.random.key_data(key), value)
            if how != "drawn":
                return function(key, *arguments, **settings)
        return function(key, *arguments, **settings)

    return spend


@pytest.fixture(autouse=True)
def spent(monkeypatch):
    SPENT.clear()
    for name, function in vars(jax.random).items():
        # Newer versions of JAX name a type of keys there.
        is_type = isinstance(function, type | NewType)
        if callable(function) and not is_type and name not in ("key_data", "clone", "key_impl"):
            parameters = list(inspect.signature(function).parameters)
            if parameters[:1] == ["key"]:
                monkeypatch.setattr(jax.random, name, recorded(name, function))


def ways():
    """Each key with all the ways in which it was spent."""
    jax.effects_barrier()
    found = defaultdict(list)
    for how, key, value in SPENT:
        found[key].append((how, value))
    return found


def spent_twice():
    """What was done to keys that were spent more than once. A value may be folded in again: that gives the same key,
    which is then seen to be spent twice, or is not."""
    return [uses for uses in ways().values() if len(uses) > 1 and {how for how, _ in uses} != {"fold_in"}]


def folded(key):
    """The values that a key was folded with, in order, each as often as it was."""
    return sorted(value for how, value in ways()[np.asarray(jax.random.key_data(key)).tobytes()])


def test_what_is_spent_twice_is_seen():
    key = jax.random.key

    @jax.jit
    def program():
        jax.random.split(key(1))
        jax.random.uniform(key(1))
        jax.random.split(key(2), 3)
        jax.random.fold_in(key(2), 7)
        jax.random.normal(key(3))
        jax.random.bernoulli(key(3))
        for value in (7, 7):
            jax.random.bits(jax.random.fold_in(key(4), value))
        for value in (7, 8):
            jax.random.bits(jax.random.fold_in(key(5), value))
        jax.vmap(jax.random.bits)(jax.random.wrap_key_data(jnp.array([[0, 6], [0, 7], [0, 6]], jnp.uint32)))
        jax.lax.fori_loop(0, 2, lambda _, carry: carry + jax.random.randint(key(8), (), 0, 9), 0)

    program()
    assert len(spent_twice()) == 6


def test_fifty_generations():
    """First images, both parents and every child draw from keys of their own, in every generation."""
    evolution = Evolution(
        classes=2,
        grid_cells=1,
        batch_size=3,
        initialise=lambda key: jax.random.uniform(key, (2,)),
        decode=lambda genome: genome,
        emitter=variation(
            3,
            selection.uniform,
            lambda key, generation, first, second: jax.random.uniform(key, (2,)),
            two_parents=True,
        ),
        measure=lambda image: jnp.zeros(0),
        cell_index=lambda measures: (jnp.int32(0), jnp.bool(True)),
    )

    @jax.jit
    def run(key):
        def generation(_, state):
            return step(evolution, lambda _, images: images, {}, state)[0]

        return jax.lax.fori_loop(0, GENERATIONS, generation, init(evolution, key))

    run(jax.random.key(0))
    assert folded(jax.random.key(0)) == list(range(GENERATIONS + 1))
    assert not spent_twice()
    # A batch of first images, then two selections and a batch of children in each generation.
    assert sum(how == "drawn" for how, _, _ in SPENT) == 3 + GENERATIONS * (2 + 3)


@pytest.mark.parametrize("platform", ["cpu", "default"])
def test_every_operator(monkeypatch, platform):
    """Keys are numbers, and all else is shapes: nothing is compiled. A program has the formulation of one platform."""
    monkeypatch.setattr(jax.lax, "platform_dependent", lambda *given, **ways: ways[platform](*given))
    split, root, number = jax.random.split, jax.random.key(0), count()

    def apart(key, num=2):
        with jax.ensure_compile_time_eval():
            return tuple(split(key, num))

    def spend(function: Any, *arguments: Any, **settings: Any) -> Any:
        key = jax.random.fold_in(root, next(number))
        return jax.eval_shape(lambda *rest: function(key, *rest, **settings), *arguments)

    monkeypatch.setattr(jax.random, "split", apart)
    monkeypatch.setattr(jax.lax, "switch", lambda which, branches, *operands: branches[0](*operands))
    generation = jax.ShapeDtypeStruct((), jnp.int32)
    for encoding in ENCODINGS:
        fitting = [
            tuple(name for name, (_, encodings, _) in table.items() if encoding in encodings)
            for table in (MUTATIONS, CROSSOVERS)
        ]
        config = Config(
            generations=1,
            encoding=encoding,
            black_pixels=BlackPixels(capacity=6),
            mutation=Mutation(operators=fitting[0], block=2, probability=0.5),
            crossover=Crossover(operators=fitting[1], patch=2, probability=0.5),
        )
        genome: Any = None
        for initial in INITIAL:
            genome = spend(build_encoding(replace(config, initial=initial), fake.SHAPE).initialise)
        for cross in build_crossovers(config, fake.SHAPE, genome):
            spend(cross, genome, genome)
        vary = build_variation(with_defaults(config, fake.SHAPE), fake.SHAPE, genome)[0]
        spend(vary, generation, genome, genome if fitting[1] else None)
    elites = jax.eval_shape(lambda: empty(jnp.zeros(3), 4, 1, 0))
    for _, select in SELECTIONS.values():
        spend(select, elites, size=3)
    spend(repair.ink, jax.ShapeDtypeStruct((8, 8, 1), jnp.float32), count=2)

    assert folded(root) == list(range(next(number)))
    assert not spent_twice()
    assert sum(how == "drawn" for how, _, _ in SPENT) > len(MUTATIONS) + len(CROSSOVERS) + len(SELECTIONS)


DRAWING = GeneticAlgorithm(
    lambda parameters, key, genome: jax.random.uniform(key, genome.shape),
    lambda key, generation, population: jax.random.uniform(key, population.genome.shape),
)


def spend_generations(key, parts, fold_in=jax.random.fold_in, split=jax.random.split):
    """Folds a root with each generation, and draws once from each part of what that gives."""
    numbers = np.arange(GENERATIONS + 1)
    keys = jax.vmap(fold_in, in_axes=(None, 0))(key, numbers)
    drawn = jax.random.key_data(jax.vmap(partial(split, num=parts))(keys))
    write("fold_in", jnp.tile(jax.random.key_data(key), (len(numbers), 1)), numbers)
    write("split", jax.random.key_data(keys), np.zeros(len(numbers)))
    write("drawn", drawn, np.zeros(drawn.shape[:-1]))


def evolve_fifty_generations(algorithm, parameters, genome, key, *_):
    """What a genetic algorithm spends, as a test below has it; nothing is found."""
    spend_generations(key, 2)
    size = len(jax.tree.leaves(genome)[0])
    return Population(genome, jnp.zeros(size)), {"image": genome, "softmax": np.zeros(1)}


def train_two_epochs(logits, parameters, images, labels, key, training):
    """What `qdfool.classifiers.training.train` spends."""
    for epoch in range(2):
        order_key, shift_key = jax.random.split(jax.random.fold_in(key, epoch))
        jax.random.bits(order_key)
        for number in range(3):
            jax.random.bits(jax.random.fold_in(shift_key, number))
    return parameters, []


class Evolved(Exception):
    """Instead of an evolution: its keys were spent."""


@pytest.fixture
def spending(monkeypatch):
    """Nothing is trained or evolved, but its keys are spent as if it were. Gives a stand-in of `evolve`."""
    monkeypatch.setattr(generational, "run", evolve_fifty_generations)
    monkeypatch.setattr(
        lenet, "initialise", lambda key, classes=10: {"weights": jax.random.normal(key, (classes,))}
    )
    monkeypatch.setattr(lenet, "classifier", like_lenet)
    for module in (networks, judges, operators):
        monkeypatch.setattr(module, "train", train_two_epochs)
    monkeypatch.setattr(judges, "error", lambda *_: 0.0)
    seeds = set()

    def jitted_init(evolution):
        def spend(key):
            spend_generations(key, 3)
            raise Evolved

        return spend

    def evolve(config, classifier):
        if config.seed not in seeds:  # the conditions of a study evolve with the same seeds, and may
            seeds.add(config.seed)
            with pytest.raises(Evolved):
                runs.Run(config, classifier)
        return stand_in(images=lambda: np.zeros((11, *lenet.IMAGE_SHAPE)))

    monkeypatch.setattr(runs, "jitted_init", jitted_init)
    return evolve


def mnist(images=300):
    pixels, labels = np.zeros((images, *lenet.IMAGE_SHAPE), np.uint8), np.arange(images) % 10
    return stand_in(train_images=pixels, train_labels=labels, test_images=pixels, test_labels=labels)


def like_lenet():
    return Classifier(
        "stand-in", lenet.IMAGE_SHAPE, tuple("0123456789"), {}, lambda parameters, images: images
    )


def test_a_genetic_algorithm():
    generational.run(DRAWING, {}, jnp.zeros(1), jax.random.key(0), GENERATIONS)
    assert folded(jax.random.key(0)) == list(range(GENERATIONS + 1))
    assert not spent_twice()


@pytest.mark.slow
def test_the_study_of_the_negative_class(monkeypatch, spending):
    monkeypatch.setattr(search, "evolve", spending)
    monkeypatch.setattr(search, "accuracy", lambda *_: 1.0)
    monkeypatch.setattr(search, "logits", lambda parameters, images: jnp.zeros((len(images), 11)))
    monkeypatch.setattr(search, "POPULATION", 5)
    monkeypatch.setattr(search, "BATCH", 5)
    digits, tests = networks.black_and_white(mnist(), 60)
    size = search.QUICK._replace(rounds=2)
    drawn = []

    def make(digits, random):
        drawn.append(random.random())
        return digits

    for name, negative in (networks.SIX | networks.THREE).items():
        search.studied(name, negative._replace(make=make), digits, tests, size, seed=0)
    judges.train_judges(mnist(), 3, 100)
    assert not spent_twice()
    # NumPy draws anew for each classifier, and for its tests.
    assert len(set(drawn)) == len(drawn) == 2 * len(networks.SIX | networks.THREE)


def test_the_study_of_operators(monkeypatch, spending):
    monkeypatch.setattr(operators.weights, "fill", lambda *_: {})
    monkeypatch.setattr(operators, "fooled", lambda *_: {})
    bench = stand_in(mnist=mnist, unit=lambda name, seed, compute, **_: compute())
    size = operators.Size(images=5, generations=GENERATIONS, training_images=5)
    operators.network(bench, size)
    operators.evolved(bench, {}, size, ["TS_AC_SM"], operators.Way(), seeds=[0, 1])
    spending(Config(generations=1), like_lenet())
    assert not spent_twice()


def test_the_study_of_the_decision_boundary(monkeypatch, spending):
    def run(*arguments):
        evolve_fifty_generations(*arguments)
        raise Evolved

    monkeypatch.setattr(generational, "run", run)
    classified = stand_in(image_shape=(8, 8, 1), parameters={}, logits=None)
    for name in ("base", "drift"):
        unit = boundary.unit(CONDITIONS[name], classified, QUICK, 0.0)
        with pytest.raises(Evolved):
            unit(0)
    spending(Config(generations=1), like_lenet())
    assert not spent_twice()


def test_the_study_of_sevens(monkeypatch, spending):
    made = stand_in(algorithm=None, classifier=stand_in(parameters={}), record=None)
    monkeypatch.setattr(seven, "odds", lambda *_: jnp.zeros((1, 10)))
    seven.evolved(made, seven.Loop(*jnp.zeros(len(seven.Loop._fields), jnp.int32)), GENERATIONS, 0)
    judges.train_judges(mnist(), 3, 100)
    assert not spent_twice()
