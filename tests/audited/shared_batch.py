"""A program for eight devices, which a CPU can be told to have: what is evolved on one, two and eight of them, and
what travels between the eight. It prints as JSON what tests/engine/test_sharding.py looks at, of the configuration of
the name that it is given."""

import functools
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import fake
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.collectives import collectives
from qdfool.build import begins_with_pictures, build_evolution, with_defaults
from qdfool.config import (
    Config,
    Cppn,
    Crossover,
    Emitters,
    EvolutionStrategy,
    GradientArborescence,
    GradientAscent,
    Selection,
)
from qdfool.engine import archive, sharding
from qdfool.engine.loop import empty_records, jitted_init, run_generations
from qdfool.engine.sharding import AXIS, P, Shares, gathered, replicated, spread
from qdfool.types import Elites, Measure, Pictures


def pixel(index: int) -> Measure:
    """A measure that is not summed."""
    return Measure(f"pixel {index}", "its brightness", 0.0, 1.0, lambda image: image.reshape(-1)[index])


SMALL = replace(Config(), batch_size=64)
GRID = replace(SMALL, archive="grid", cells=(5, 5), measures=(pixel(9), pixel(18)))
CONFIGS = {
    "cppn": replace(SMALL, encoding="cppn", cppn=Cppn(nodes=12, connections=24)),
    "mixture on a grid": replace(
        GRID,
        crossover=Crossover(("rectangle_swap",)),
        selection=Selection("curiosity"),
        emitters=Emitters(("variation", "gradient_ascent"), (3, 1)),
        gradient_ascent=GradientAscent(steps=1, rule="sign", learning_rate=1 / 32, sigma=0.0),
    ),
}
CONFIGS["turns from pictures, each class for itself"] = replace(
    SMALL,
    initial="/pictures",
    competition="parent",
    emitters=Emitters(("variation", "gradient_ascent"), turns=(200,)),
    gradient_ascent=GradientAscent(steps=1, rule="sign", learning_rate=1 / 32, sigma=0.0),
)
CONFIGS["adapted branches and variation"] = replace(
    GRID,
    batch_size=192,
    emitters=Emitters(("gradient_arborescence", "variation"), (1, 2)),
    gradient_arborescence=GradientArborescence(population=4),
)
CONFIGS["strategies take turns with random branches"] = replace(
    GRID,
    emitters=Emitters(
        ("evolution_strategy", "gradient_arborescence", "evolution_strategy"), turns=(400, 800)
    ),
    evolution_strategy=EvolutionStrategy("sep_cma_es", strategies=16),
    gradient_arborescence=GradientArborescence("random", population=4),
)
CONFIGS["strategies with thresholds"] = replace(
    GRID,
    batch_size=192,
    emitters=Emitters(("evolution_strategy",)),
    evolution_strategy=EvolutionStrategy("sep_cma_es", strategies=16, ranking="annealed"),
)
TIES = "ties"
RUNS = {"one": [1], "eight, one, two": [8, 1, 2]}
"""On how many devices a run is, and on how many it goes on."""
GENERATIONS = 12


def logits(parameters, images):
    """[B, 4] sums of whole numbers, exact in whichever order a program adds them: that may change with the batch."""
    exact = 255.0 * images
    levels = exact + jax.lax.stop_gradient(jnp.round(exact) - exact)
    return levels.reshape(-1, 64) @ jnp.round(4 * parameters["w"]) / 1024


@functools.cache
def program(config, devices):
    """The evolution, its `init` and its loop."""
    evolution = build_evolution(with_defaults(replace(config, devices=devices), fake.SHAPE), fake.classifier)
    return evolution, jitted_init(evolution), run_generations(evolution, logits)


def given(config: Config) -> tuple[Any, ...]:
    """What a run begins with: a key, and of the one with pictures those, each for two children."""
    key, number = jax.random.key(1), np.arange(config.batch_size, dtype=np.int32) // 2
    images = np.random.default_rng(0).integers(0, 256, (config.batch_size, *fake.SHAPE), np.uint8)
    return (
        (key, Pictures(jnp.asarray(images[number]), jnp.asarray(number)))
        if begins_with_pictures(config)
        else (key,)
    )


def evolved(config: Config, devices: Sequence[int]) -> dict[str, np.ndarray]:
    """State and records, by the path of each leaf."""
    evolution, init, _ = program(config, devices[0])
    state, rows = gathered(init(*given(config)), evolution.shares, evolution.emitter), []
    for number in devices:
        evolution, _, run = program(config, number)
        count = GENERATIONS // len(devices)
        records, parameters = replicated((empty_records(4), fake.classifier.parameters), evolution.shares)
        state, records = run(spread(state, evolution.shares, evolution.emitter), records, parameters, count)
        rows.append(jax.tree.map(lambda leaf, count=count: np.asarray(leaf)[:count], records))
        state = jax.tree.map(jnp.array, gathered(state, evolution.shares, evolution.emitter))
    tree = (
        state._replace(key=jax.random.key_data(state.key)),
        jax.tree.map(lambda *r: np.concatenate(r), *rows),
    )
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def differing(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> list[str]:
    """The leaves that have not the same bits."""
    return [name for name, leaf in one.items() if leaf.tobytes() != other[name].tobytes()]


@functools.cache
def entering(shares: Shares) -> Callable[..., Any]:
    """`enter` of one device, or of several."""
    if shares.devices == 1:
        return archive.enter

    enter = functools.partial(sharding.enter, shares=shares)
    return sharding.sharded(enter, shares, (P(), P(AXIS), P(AXIS), P(AXIS)), P())


def entered(devices: int, grid_cells: int, seed: int) -> dict[str, np.ndarray]:
    """An archive of 5 classes after 48 children of two emitters with a fitness that many have."""
    draw, shares = np.random.default_rng(seed), Shares(devices, (32, 16))
    rows = shares.numbers().reshape(-1)
    values: dict[str, Any] = {
        "genome": {
            "sign": np.where(draw.random((48, 3)) < 0.5, 0.0, -0.0).astype(np.float32),
            "bit": draw.random((48, 1, 2)) < 0.5,
            "byte": draw.integers(0, 256, 48).astype(np.uint8),
        },
        "fitness": draw.choice([-np.inf, -1, 0, 1], (48, 5), p=[0.4, 0.3, 0.25, 0.05]).astype(np.float32),
        "measures": draw.random((48, 2), np.float32),
        "birth_generation": np.full(48, 7, np.int32),
        "parent_class": np.arange(48, dtype=np.int32),
        "num_replacements": np.zeros(48, np.int32),
        "curiosity": np.zeros(48, np.float32),
    }
    children = Elites(**values)
    parents = draw.integers(-1, 5 * grid_cells, 48).astype(np.int32)
    cell_index = draw.integers(0, grid_cells, 48).astype(np.int32)
    elites = archive.empty({name: leaf[0] for name, leaf in values["genome"].items()}, 5, grid_cells, 2)
    elites = elites._replace(fitness=jnp.array(draw.choice([-np.inf, -1, 0], 5 * grid_cells), jnp.float32))
    batch = jax.tree.map(lambda leaf: leaf[rows], (children, parents, cell_index))
    after = jax.jit(entering(shares))(elites, *batch)
    leaves, _ = jax.tree_util.tree_flatten_with_path(after)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def travels(config: Config) -> list[tuple[str, list[list[int]], int]]:
    """Collectives of the compiled loop on eight devices: name, shapes of what arrives, and bytes."""
    _, init, run = program(config, 8)
    state = jax.eval_shape(init, *given(config))
    compiled = run.lower(state, empty_records(4), fake.classifier.parameters, jnp.int32(1)).compile()
    return [(found.kind, found.shapes, found.bytes) for found in collectives(compiled.as_text())]


def ties() -> dict[str, list[str]]:
    """The leaves that differ between one device and several, by what competed."""
    return {
        f"{grid_cells} cells, seed {seed}, {devices} devices": differing(
            entered(1, grid_cells, seed), entered(devices, grid_cells, seed)
        )
        for grid_cells in (1, 9, 100)
        for devices in (2, 8)
        for seed in range(2)
    }


def runs(config: Config) -> dict[str, list[str]]:
    """The leaves in which each run differs from that on one device."""
    found = {run: evolved(config, devices) for run, devices in RUNS.items()}
    return {run: differing(found["one"], other) for run, other in found.items()}


def main(name: str) -> None:
    """Prints what there is of that name."""
    config = CONFIGS.get(name)
    print(json.dumps(ties() if config is None else {"runs": runs(config), "travels": travels(config)}))


if __name__ == "__main__":
    main(sys.argv[1])
