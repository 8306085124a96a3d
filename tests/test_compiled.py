"""What is compiled for devices that are not here: what is chosen for them, what is read of it, what is missing."""

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import fake
import jax
import jax.numpy as jnp
import pytest

from benchmarks import compiled, topologies
from benchmarks.collectives import Collective, collectives
from benchmarks.compiled import Row
from qdfool.build import Target, build_classifier, build_evolution, with_batch_size, with_defaults
from qdfool.classifiers.batch_minor import BatchMinor
from qdfool.classifiers.layers import CHANNELS_LAST
from qdfool.classifiers.winograd import Winograd
from qdfool.config import Emitters, EvolutionStrategy, GradientArborescence
from qdfool.engine import archive
from qdfool.engine.loop import effort, jitted_init
from qdfool.engine.step import ask, tell
from qdfool.errors import InputError
from qdfool.genomes.cppn import evaluation, graph
from qdfool.genomes.cppn.encoding import cppn
from qdfool.genomes.pixels import mutation
from qdfool.presets import preset

PROGRAM = """
  %all-reduce.1 = (s32[10]{0:T(128)}, pred[4]{0}) all-reduce(%a, %b), channel_id=1, to_apply=%add
  %start = u32[16,8]{1,0:T(8,128)S(1)} all-reduce-start(%c), channel_id=2
  %done = u32[16,8]{1,0} all-reduce-done(%start)
  %two = (s32[30]{0}, pred[5]{0}, s32[240]{0}, pred[40]{0}) all-gather-start(%e, %f), dimensions={0}
  ROOT %gathered = bf16[3]{0} all-gather(%d), dimensions={0}
  %sum = f32[3]{0} add(%all-reduce.1, %all-gather.2)
"""
ROW = Row(
    preset="mnist-direct",
    network="lenet",
    target="v5e-4",
    devices=4,
    batch_size=200,
    seeds=1,
    memory=10**9,
    seconds=12.0,
    cpu_seconds=6.0,
    trace_seconds=1.0,
    load=0.5,
    arguments=10**6,
    temporary=2 * 10**6,
    outputs=10**6,
    aliased=10**6,
    donated=True,
    fits=True,
    collectives={"all-reduce": [40, 40, 4]},
)


def test_what_travels_is_read_from_a_program():
    assert collectives(PROGRAM) == [
        Collective("all-reduce", [[10], [4]], 44),
        Collective("all-reduce", [[16, 8]], 512),
        Collective("all-gather", [[240], [40]], 1000),
        Collective("all-gather", [[3]], 6),
    ]


@pytest.mark.parametrize(("platform", "chosen"), [("cpu", 0), ("cuda", 1), ("tpu", 1)])
def test_what_is_traced_is_formulated_for_the_platform_that_it_is_lowered_for(platform, chosen):
    """Here, on a CPU. Texts are compared with those of the two formulations by themselves."""
    shape, keys = (8, 8, 3), jax.random.split(jax.random.key(0), 2)
    settings = {"nodes": 12, "connections": 24, "weight_range": 3.0, "activations": (0, 1)}
    encoding = cppn(shape, coordinates="normalised", **settings)
    graphs = jax.jit(jax.vmap(encoding.initialise))(keys)
    points = jnp.ones((4, 64))

    def formulation(one):
        return lambda graphs: one(graphs, points, 3, jnp.abs)

    def evaluated(network):
        return evaluation.evaluate(network, points, 3, jnp.abs)

    def changed(key, genome):
        return mutation.bit_flip(key, genome, rate=0.1, max_changes=30)

    def few(key, genome):
        return mutation.few_changed(key, None, genome, 0.1, 30, lambda genes, uniform: 1 - genes)

    def all_of_them(key, genome):
        return mutation.side_by_side(key, genome, 0.1, lambda genes, uniform: 1 - genes)

    def operations(function, *arguments):
        lowered = jax.jit(function).trace(*arguments).lower(lowering_platforms=(platform,))
        text = lowered.as_text()
        return {name: text.count(f"stablehlo.{name}") for name in ("while", "scatter", "gather", "select")}

    connected = jnp.zeros((2, 12, 12), bool)
    pairs = (
        (jax.vmap(evaluated), [formulation(evaluation.in_turn), formulation(evaluation.side_by_side)]),
        (changed, [few, all_of_them]),
        (jax.vmap(graph.reachability), [graph.node_by_node, graph.by_squaring]),
    )
    for (function, formulations), arguments in zip(
        pairs, ((graphs,), (keys[0], jnp.ones(shape)), (connected,)), strict=True
    ):
        each = [operations(one, *arguments) for one in formulations]
        assert each[0] != each[1]
        assert operations(function, *arguments) == each[chosen]


@pytest.mark.parametrize(
    ("platform", "loops"), [("cpu", True), ("tpu", True), ("cuda", False), ("rocm", False)]
)
def test_elites_enter_without_a_loop_on_a_gpu(platform, loops):
    """A turn of a loop waits for the host there."""
    children = archive.empty(jnp.zeros(5), 4, 1, 2)._replace(fitness=jnp.zeros((4, 3)))
    none = jnp.zeros(3, jnp.int32)
    arguments = archive.empty(jnp.zeros(5), 3, 1, 2), children, archive.Winners(none, none, none > 0)
    several = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), arguments)
    for insert, given in ((archive.insert, arguments), (jax.vmap(archive.insert), several)):
        lowered = jax.jit(insert).trace(*given).lower(lowering_platforms=(platform,))
        assert ("stablehlo.while" in lowered.as_text()) == loops


@pytest.mark.parametrize("strategy", ["cma_es", "sep_cma_es", "lm_ma_es", "coefficients"])
def test_products_of_strategies_and_of_gradients_are_of_float32(strategy):
    """A GPU or TPU would round them to a few digits. The score and the decoding have none here."""
    settings: dict[str, Any] = {"archive": "grid", "cells": (2, 2), "batch_size": 12}
    if strategy == "coefficients":
        settings["emitters"] = Emitters(("gradient_arborescence",))
        settings["gradient_arborescence"] = GradientArborescence(population=6)
    else:
        settings["emitters"] = Emitters(("evolution_strategy",))
        settings["evolution_strategy"] = EvolutionStrategy(strategies=2, strategy=strategy)
    config = with_defaults(preset("mnist-direct", **settings), fake.SHAPE)
    evolution = build_evolution(config, fake.classifier)

    def score(images):
        return images.reshape(len(images), -1)[:, :4]

    def generation(state):
        return tell(evolution, state, score(ask(state)), score)

    state = jax.eval_shape(jitted_init(evolution), jax.random.key(0))
    products = list(_products(jax.make_jaxpr(generation)(state).jaxpr))
    assert len(products) > 1
    highest = jax.lax.Precision.HIGHEST
    assert {product.params["precision"] for product in products} == {(highest, highest)}


def _products(jaxpr):
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            yield equation
        for inner in jax.tree.leaves(
            list(equation.params.values()),
            is_leaf=lambda leaf: hasattr(leaf, "eqns") or hasattr(leaf, "jaxpr"),
        ):
            inner = getattr(inner, "jaxpr", inner)
            if hasattr(inner, "eqns"):
                yield from _products(inner)


@pytest.mark.parametrize(
    ("name", "platform", "formulation"),
    [
        ("mobilenet_v1_025", "cpu", BatchMinor(8)),
        ("mobilenet_v1_025", "cuda", CHANNELS_LAST),
        ("resnet18", "cpu", Winograd(8)),
        ("alexnet", "cpu", Winograd(4)),
        ("resnet18", "tpu", CHANNELS_LAST),
    ],
)
def test_a_network_is_formulated_for_its_target(small, name, platform, formulation):
    shape = (224, 224, 3) if name == "alexnet" else (32, 32, 3)
    config = replace(small, classifier=name, weights="random", image_shape=shape)
    logits: Any = build_classifier(config, Target(platform)).logits  # a functools.partial
    assert logits.keywords["formulation"] == formulation


def test_a_batch_is_chosen_for_the_memory_of_its_target(small):
    config, large = replace(small, batch_size=0), replace(fake.classifier, image_shape=(224, 224, 1))
    sizes = [
        with_batch_size(config, large, Target("tpu", memory)).batch_size for memory in (10**9, 4 * 10**9)
    ]
    assert sizes[1] == 4 * sizes[0]
    with pytest.raises(InputError, match=r"the device has 0\.0 GB"):
        with_batch_size(replace(config, batch_size=64), large, Target("tpu", 1000))


def test_a_tpu_is_compiled_for_with_less_effort_unless_jax_was_told():
    assert effort("tpu") == {"optimization_level": 19}
    assert effort("cpu") is None
    assert effort("gpu") is None
    jax.config.update("jax_optimization_level", "O2")
    try:
        assert effort("tpu") is None
    finally:
        jax.config.update("jax_optimization_level", "UNKNOWN")


def test_a_target_without_its_compiler_is_left_out_in_one_line(monkeypatch, capsys):
    lacking = replace(topologies.TOPOLOGIES["v5e-4"], needs=("no_such_package.inside",))
    monkeypatch.setattr(compiled, "TOPOLOGIES", {"v5e-4": lacking})
    monkeypatch.setattr(sys, "argv", ["compiled", "--targets", "v5e-4"])
    with pytest.raises(SystemExit) as ended:
        compiled.main()
    assert ended.value.code == 1
    out = capsys.readouterr().out.splitlines()
    assert out == ["v5e-4 is left out: its compiler is in the extra aot-tpu, pip install '.[aot-tpu]'."]


def test_rows_are_written_as_they_come(monkeypatch, tmp_path, capsys):
    def interrupted(config, name, seeds):
        if config.preset == "mnist-grid":
            raise KeyboardInterrupt
        return replace(ROW, preset=config.preset, target=name)

    there = replace(topologies.TOPOLOGIES["v5e-4"], needs=("jax",))
    monkeypatch.setattr(compiled, "TOPOLOGIES", {"v5e-4": there})
    monkeypatch.setattr(compiled, "compiled", interrupted)
    file = tmp_path / "rows.json"
    presets = ["--presets", "mnist-direct", "mnist-cppn", "mnist-grid"]
    monkeypatch.setattr(sys, "argv", ["compiled", "--targets", "v5e-4", *presets, "--json", str(file)])
    with pytest.raises(KeyboardInterrupt):
        compiled.main()
    found = json.loads(file.read_text())
    assert [row["preset"] for row in found["rows"]] == ["mnist-direct", "mnist-cppn"]
    assert found["rows"][0] == vars(ROW)
    assert found["header"]["jax"] == jax.__version__
    assert capsys.readouterr().out.splitlines()[0] == "mnist-direct for v5e-4: compiled in 12 s"


@pytest.mark.parametrize(("devices", "expected"), [(1, 200), (8, 200), (64, 256)])
def test_a_batch_that_is_stated_is_raised_to_one_that_the_devices_can_share(small, devices, expected):
    shared = compiled._shared(replace(small, batch_size=200), devices)
    assert (shared.devices, shared.batch_size) == (devices, expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["h200", "v5e-4"])
def test_the_chunk_compiles_for_what_is_not_here(tmp_path, name):
    """In a process of its own: the compilers want settings of before JAX begins."""
    extra = topologies.TOPOLOGIES[name].missing()
    if extra:
        pytest.skip(f"the compiler for {name} is not installed: pip install '.[{extra}]'")
    file = tmp_path / "rows.json"
    command = [sys.executable, "-m", "benchmarks.compiled", "--json", str(file)]
    command += ["--presets", "mnist-direct", "--targets", name]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert ended.returncode == 0, ended.stderr
    (row,) = json.loads(file.read_text())["rows"]
    assert row["error"] is None
    assert row["donated"]
    assert row["fits"]
    # On several devices the winners travel, with what decides between them.
    assert bool(row["collectives"]) == (row["devices"] > 1)
