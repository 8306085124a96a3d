"""What evolution becomes on devices that are not here: `python -m benchmarks.compiled`.

Compiles the whole chunk of each preset, as `qdfool.engine.loop` runs it, for an H200, for eight of them on two hosts,
and for TPU v5e of 4 and of 64 chips. Nothing is run and no weights are needed: all shapes come from `jax.eval_shape`.
XLA's compilers for these are in the extras `aot-cuda13` and `aot-tpu`; a target without its compiler is left out.
"""

from benchmarks.topologies import TOPOLOGIES, compilers, without_devices

if __name__ == "__main__":  # Before JAX begins.
    without_devices()

import math
import os
import re
import shlex
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from rich.console import Console
from rich.table import Table

from benchmarks.collectives import collectives
from benchmarks.report import write
from qdfool.build import (
    Target,
    build_classifier,
    build_evolution,
    seeds_at_once,
    with_batch_size,
    with_defaults,
)
from qdfool.config import Config, name_of
from qdfool.config.validation import RANGES
from qdfool.engine.loop import (
    compile_loop,
    empty_records,
    jitted_init,
    run_generations,
    run_generations_of_seeds,
)
from qdfool.engine.sharding import AXIS, layout
from qdfool.errors import InputError, in_range, known_name, one_line
from qdfool.presets import preset

PRESETS = (
    "mnist-direct",
    "mnist-cppn",
    "mnist-grid",
    "mnist-gradient",
    "imagenet-direct",
    "imagenet-cppn",
    "imagenet-gradient",
)


@dataclass(frozen=True)
class Options:
    """Compiles the whole chunk of presets for devices that are not here."""

    presets: tuple[str, ...] = PRESETS
    """Of --list of qdfool.run."""
    targets: tuple[str, ...] = tuple(TOPOLOGIES)
    """h200, h200-2x4 (eight on two hosts), v5e-4, v5e-64 (64 chips on 16 hosts)."""
    classifier: str | None = None
    """A network of --list for the imagenet presets; the preset's own without it."""
    batch_size: int | None = None
    """Children of a generation on all devices (>= 1); without it what the preset has or chooses for the device."""
    seeds: int = 1
    """Seeds (1 to 1,024) side by side; of several, on one device of each target."""
    json: Path | None = None
    """File for the rows, under a header of machine and versions, written after each."""


@dataclass(frozen=True)
class Row:
    """One preset compiled for one target. Bytes are those of one device."""

    preset: str
    network: str
    target: str
    devices: int
    batch_size: int
    """Children of a generation on all devices."""
    seeds: int
    """Side by side."""
    memory: int
    """Bytes that a program may use of a device."""
    seconds: float | None
    """That XLA took to compile; tracing and lowering are not counted."""
    cpu_seconds: float | None
    """Of processors that it took, which other work on the machine changes less."""
    trace_seconds: float | None
    load: float
    """Mean number of processes that wanted a core in the minute before the end (`os.getloadavg`)."""
    arguments: int | None
    temporary: int | None
    outputs: int | None
    aliased: int | None
    """Of the outputs, bytes that lie where arguments were."""
    donated: bool | None
    """Whether all of the state and of the records is."""
    fits: bool | None
    """Whether arguments, what is temporary, and outputs that lie elsewhere are within the memory."""
    collectives: dict[str, list[int]] | None
    """Bytes that each moves to a device when it runs, by its kind. One that moves winners runs once for each 16."""
    error: str | None = None
    """What XLA said where it did not compile."""


def main() -> None:
    """Compiles, prints the table, and writes the JSON file that was asked for."""
    options = tyro.cli(Options, prog="python -m benchmarks.compiled")
    try:
        if options.batch_size is not None:
            in_range("--batch-size", options.batch_size, 1)
        in_range("--seeds", options.seeds, 1, RANGES["seeds_at_once"][1])
        configs = [_config(name, options) for name in options.presets]
        command = shlex.join(["python", "-m", "benchmarks.compiled", *sys.argv[1:]])
        names = [known_name("target", name, TOPOLOGIES) for name in options.targets]
        rows = []
        for name in names:
            extra = TOPOLOGIES[name].missing()
            if extra:
                print(f"{name} is left out: its compiler is in the extra {extra}, pip install '.[{extra}]'.")
                continue
            for config in configs:
                rows.append(compiled(config, name, options.seeds))
                say(rows[-1])
                if options.json:
                    write(options.json, rows, {"command": command, "compilers": compilers()})
    except InputError as error:
        print(f"compiled: {error}", file=sys.stderr)
        sys.exit(2)
    if not rows:
        sys.exit(1)
    show(rows)


def _config(name: str, options: Options) -> Config:
    config = preset(name)
    if config.classifier != "lenet":
        config = replace(config, classifier=options.classifier or config.classifier, weights="random")
    return config if options.batch_size is None else replace(config, batch_size=options.batch_size)


def compiled(config: Config, name: str, seeds: int = 1) -> Row:
    """A preset's chunk, compiled for a target: of one seed on all devices of it, or of several on one.

    Raises:
        InputError: the batch does not divide among the devices.
    """
    topology = TOPOLOGIES[name]
    devices = topology.devices if seeds == 1 else 1
    target = Target(topology.platform, topology.memory, devices)
    classifier = build_classifier(config, target)
    config = _shared(with_defaults(config, classifier.image_shape), devices)
    config = with_batch_size(config, classifier, target)
    row = Row(
        preset=config.preset,
        network=classifier.name,
        target=name,
        devices=devices,
        batch_size=config.batch_size,
        seeds=seeds,
        memory=topology.memory,
        **dict.fromkeys(UNKNOWN),
        load=0.0,
    )
    try:
        seeds_at_once(replace(config, seeds_at_once=seeds), classifier, seeds, target)
    except InputError as error:
        return replace(row, error=str(error))
    evolution = build_evolution(config, classifier, target)
    mesh = Mesh(np.array(topology.describe().devices[:devices]), (AXIS,))
    alone = build_evolution(replace(config, devices=1), classifier, target)
    state = jax.eval_shape(jitted_init(alone), jax.random.key(0))
    side_by_side = None if seeds == 1 else seeds
    others = jax.eval_shape(lambda: (empty_records(evolution.classes, side_by_side), jnp.int32(1)))
    records, count = _placed(others, P(), mesh)
    state = _placed(state, layout(evolution.emitter), mesh)
    if side_by_side is None:
        run = run_generations(evolution, classifier.logits, classifier.name, mesh)
    else:
        state = (state,) * seeds
        run = run_generations_of_seeds(evolution, classifier.logits, classifier.name)
    arguments = state, records, _placed(classifier.parameters, P(), mesh), count
    begun = time.perf_counter()
    lowered = run.lower(*arguments)
    traced, spent = time.perf_counter(), time.process_time()
    row = replace(row, trace_seconds=traced - begun)
    try:
        program = compile_loop(lowered, classifier, topology.platform)
    except jax.errors.JaxRuntimeError as error:
        return replace(row, load=os.getloadavg()[0], error=one_line(str(error)))
    row = replace(
        row,
        seconds=time.perf_counter() - traced,
        cpu_seconds=time.process_time() - spent,
        load=os.getloadavg()[0],
    )
    return _measured(row, program, len(jax.tree.leaves((state, others[0]))))


UNKNOWN: Any = (
    "seconds",
    "cpu_seconds",
    "trace_seconds",
    "arguments",
    "temporary",
    "outputs",
    "aliased",
    "donated",
    "fits",
    "collectives",
)
"""What a row does not say where nothing was compiled."""


def _shared(config: Config, devices: int) -> Config:
    """The config on so many devices; a batch that it states is raised to the next that they can share, with children
    that share a gradient on one device."""
    together = {
        "gradient_ascent": config.gradient_ascent.lengths,
        "gradient_arborescence": config.gradient_arborescence.population or 1,
    }
    each = devices * math.lcm(*(together.get(name_of(part), 1) for part in config.emitters.operators))
    return replace(config, devices=devices, batch_size=-(-config.batch_size // each) * each)


def _placed(tree: Any, specs: Any, mesh: Mesh) -> Any:
    """The shapes of arrays, each with how it lies on the devices."""

    def place(spec: P, shapes: Any) -> Any:
        return jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=NamedSharding(mesh, spec)),
            shapes,
        )

    return jax.tree.map(place, specs, tree, is_leaf=lambda leaf: isinstance(leaf, P))


def _measured(row: Row, program: Any, donated: int) -> Row:
    """The row with what there is to read of a compiled program, of whose arguments so many are donated."""
    text, memory = program.as_text(), program.memory_analysis()
    header = text.partition("entry_computation_layout")[0]
    elsewhere = memory.output_size_in_bytes - memory.alias_size_in_bytes
    needed = memory.argument_size_in_bytes + memory.temp_size_in_bytes + elsewhere
    moved: dict[str, list[int]] = {}
    for collective in collectives(text):
        moved.setdefault(collective.kind, []).append(collective.bytes)
    return replace(
        row,
        arguments=memory.argument_size_in_bytes,
        temporary=memory.temp_size_in_bytes,
        outputs=memory.output_size_in_bytes,
        aliased=memory.alias_size_in_bytes,
        donated=len(re.findall(r"-alias\)", header)) == donated,
        fits=needed <= row.memory,
        collectives={kind: sorted(sizes, reverse=True) for kind, sizes in moved.items()},
    )


def say(row: Row) -> None:
    """Prints how a row went, in a line."""
    how = f"compiled in {row.seconds:.0f} s" if row.error is None else row.error
    print(f"{row.preset} for {row.target}: {how}", flush=True)


def show(rows: list[Row]) -> None:
    """Prints the table."""
    table = Table(title="Compiled, not run; memory of one device in MB")
    for name in (
        "preset",
        "network",
        "target",
        "batch",
        "seeds",
        "compiled in, s",
        "arguments",
        "temporary",
        "outputs",
    ):
        table.add_column(name, justify="left" if name in ("preset", "network", "target") else "right")
    for name in ("donated", "fits", "bytes that a collective moves"):
        table.add_column(name)
    for row in rows:
        cells = [row.preset, row.network, row.target, f"{row.batch_size:,}", f"{row.seeds:,}"]
        if row.error is not None:
            table.add_row(*cells, "-", "-", "-", "-", "-", "-", row.error)
            continue
        sizes = [f"{(size or 0) / 1e6:,.0f}" for size in (row.arguments, row.temporary, row.outputs)]
        moved = "; ".join(
            f"{kind} " + ", ".join(_times(size, number) for size, number in Counter(found).items())
            for kind, found in (row.collectives or {}).items()
        )
        table.add_row(
            *cells, f"{row.seconds:.0f}", *sizes, "all" if row.donated else "NOT ALL", str(row.fits), moved
        )
    Console().print(table)


def _times(size: int, number: int) -> str:
    return f"{size:,}" if number == 1 else f"{number} x {size:,}"


if __name__ == "__main__":
    main()
