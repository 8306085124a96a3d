"""How much of the classifier's own speed is left to evolution: `python -m benchmarks.throughput`.

Measures the bare forward pass and the whole generation (select, vary, decode, classify, compete) after a
warm-up, in rounds that alternate between the two, waiting for the device at the end of each. The ratio is
taken within each round, so that a machine that drifts does not decide it; its median and quartiles are shown.

With --torch a third contender takes part: the same network with the same parameters in PyTorch, on the CPU, in
its channels-last format. It is tried in every form that PyTorch has for speed, eager and compiled, with batch norms
and with them folded away; the fastest is measured against. The logits of each are compared with ours first. With
--weights random both have the weights that torchvision begins to train with.
"""

import os
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from benchmarks.counted import xla_operations
from benchmarks.report import write
from qdfool.build import build_classifier, build_evolution
from qdfool.classifiers.asking import asked
from qdfool.classifiers.porting import RANDOM
from qdfool.compilation import jitted_logits
from qdfool.config import Config, name_of
from qdfool.engine.loop import LONGEST_CHUNK, compile_loop, empty_records, run_generations
from qdfool.engine.step import ask, init
from qdfool.errors import InputError, in_range
from qdfool.keys import root_key
from qdfool.presets import preset
from qdfool.types import Classifier


@dataclass(frozen=True)
class Options:
    """Measures the forward pass and the whole generation, and their ratio."""

    preset: str = "mnist-direct"
    """Settings of selection and variation."""
    classifier: str | None = None
    """A classifier of --list, or package.module:attribute; the preset's own without it."""
    weights: str | None = None
    """Weights of the classifier."""
    encoding: str | None = None
    """The preset's own without it."""
    batch_sizes: tuple[int, ...] = (64, 256, 1024)
    """Images in a batch (>= 1)."""
    rounds: int = 15
    """Rounds (>= 3), each of one measurement of either."""
    seconds: float = 0.5
    """Length of one measurement (> 0)."""
    warm_up: int = 200
    """Generations (>= 1) before the clock starts: in the first ones far more elites change than later."""
    torch: tyro.conf.FlagCreatePairsOff[bool] = False
    """Measure PyTorch's forward pass too."""
    peak_tflops: float | None = None
    """What the device can do at most in float32, in 10^12 operations a second, to be compared with."""
    json: Path | None = None
    """File for the rows, under a header of machine and versions."""


@dataclass(frozen=True)
class Row:
    """One line of the table. Rates are images per second, medians over the rounds."""

    classifier: str
    encoding: str
    batch_size: int
    forward_per_second: float
    step_per_second: float
    ratio: float
    """Whole step to forward pass, median over the rounds."""
    ratio_low: float
    """Lower quartile."""
    ratio_high: float
    """Upper quartile."""
    warm_up: int
    """Generations before the clock started."""
    updates: float
    """Cells that changed hands in a generation, mean over those measured last."""
    torch_per_second: float | None
    """PyTorch's forward pass, in its fastest form."""
    torch_form: str | None
    """Which that is."""
    torch_forms: dict[str, float] | None
    """Images per second of each form, when they were tried."""
    forward_vs_torch: float | None
    """Our forward pass to PyTorch's, median over the rounds."""
    forward_vs_torch_low: float | None
    forward_vs_torch_high: float | None
    """Quartiles."""
    threads: int | None
    """Threads that PyTorch was given."""
    share_of_peak: float | None
    """Operations of the forward pass as XLA counts them, as a share of the peak that was given."""


def main() -> None:
    """Measures, prints the table, and writes the JSON file that was asked for."""
    options = tyro.cli(Options, prog="python -m benchmarks.throughput")
    with tempfile.TemporaryDirectory() as folder:
        run(options, folder)


def run(options: Options, folder: str) -> None:
    """The same, with a folder for weights that are made for it."""
    try:
        in_range("--rounds", options.rounds, 3)
        in_range("--seconds", options.seconds, 1e-3)
        config = preset(options.preset)
        given = {"classifier": options.classifier, "weights": options.weights, "encoding": options.encoding}
        config = replace(config, **{name: value for name, value in given.items() if value is not None})
        if options.torch and config.weights == RANDOM:
            config = replace(config, weights=str(random_weights(config.classifier, folder) or RANDOM))
        classifier = build_classifier(config)
        if not classifier.traceable:
            raise InputError(f"{classifier.name} is called from the host; expected one that JAX can trace.")
        in_range("--warm-up", options.warm_up, 1)
        rows = []
        for batch_size in options.batch_sizes:
            in_range("--batch-sizes", batch_size, 1)
            rows.append(measure(options, replace(config, batch_size=batch_size), classifier))
    except InputError as error:
        print(f"throughput: {error}", file=sys.stderr)
        sys.exit(2)
    show(rows)
    if options.json:
        write(options.json, rows)


def measure(options: Options, config: Config, classifier: Classifier) -> Row:
    """One line of the table."""
    forward, step, updates = contenders(config, classifier, options.warm_up)
    functions = [forward, step]
    in_pytorch = torch_contender(config, classifier, options.seconds) if options.torch else None
    if in_pytorch is not None:
        functions.append(in_pytorch.forward)
    rates = alternate(functions, config.batch_size, options.rounds, options.seconds)
    low, ratio, high = quartiles(rates[1], rates[0])
    against = quartiles(rates[0], rates[2]) if in_pytorch else (None, None, None)
    return Row(
        classifier=config.classifier,
        encoding=name_of(config.encoding),
        batch_size=config.batch_size,
        forward_per_second=statistics.median(rates[0]),
        step_per_second=statistics.median(rates[1]),
        ratio=ratio,
        ratio_low=low,
        ratio_high=high,
        warm_up=options.warm_up,
        updates=updates(),
        torch_per_second=statistics.median(rates[2]) if in_pytorch else None,
        torch_form=in_pytorch.form if in_pytorch else None,
        torch_forms=in_pytorch.rates if in_pytorch else None,
        forward_vs_torch=against[1],
        forward_vs_torch_low=against[0],
        forward_vs_torch_high=against[2],
        threads=cores() if options.torch else None,
        share_of_peak=share_of_peak(options, config, classifier, statistics.median(rates[0])),
    )


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_of_peak(options: Options, config: Config, classifier: Classifier, rate: float) -> float | None:
    """How much of the device's peak the forward pass reaches, if the peak was given.

    Not on a CPU, where a batch is computed in a loop whose operations are counted once.
    """
    if options.peak_tflops is None or jax.default_backend() == "cpu":
        return None
    images = jax.ShapeDtypeStruct((config.batch_size, *classifier.image_shape), jnp.float32)
    operations = xla_operations(classifier.logits, classifier.parameters, images)
    return rate * operations / config.batch_size / (options.peak_tflops * 1e12)


NO_TORCH = "--torch needs PyTorch and torchvision: pip install torch==2.13.0 torchvision==0.28.0."
AHEAD = 4
"""Calls that a GPU or TPU has at once."""
Contender = Callable[[int], None]
"""Does its work as often as it is told, and waits for the end of it."""


def contenders(
    config: Config, classifier: Classifier, warm_up: int
) -> tuple[Contender, Contender, Callable[[], float]]:
    """The forward pass, the whole generation after a warm-up, and how many cells a generation changed of late."""
    evolution = build_evolution(config, classifier)
    state = jax.jit(partial(init, evolution))(root_key(config.seed, "evolution"))
    images = jnp.copy(ask(state))
    logits = jitted_logits(classifier)
    carried: list[Any] = [state, empty_records(evolution.classes)]
    loop = run_generations(evolution, classifier.logits)
    lowered = loop.lower(*carried, classifier.parameters, jnp.int32(1))
    run = compile_loop(lowered, classifier, jax.default_backend())
    counts = [0]

    forward = queued(logits, classifier.parameters, images)

    def step(count: int) -> None:
        counts[0] = count
        carried[:] = jax.block_until_ready(run(*carried, classifier.parameters, jnp.int32(count)))

    for begun in range(0, warm_up, LONGEST_CHUNK):
        step(min(LONGEST_CHUNK, warm_up - begun))
    return forward, step, lambda: float(carried[1].updates[: counts[0]].sum()) / counts[0]


def queued(function: Callable[..., Any], *arguments: Any) -> Contender:
    """Calls the function again and again. On a CPU it waits for each; elsewhere the device need not wait for the host,
    but where its work is shorter than a call. What is not ended is held in memory, and so is little."""
    ahead = 1 if jax.default_backend() == "cpu" else AHEAD

    def repeat(count: int) -> None:
        waiting: deque[Any] = deque()
        for _ in range(count):
            if len(waiting) == ahead:
                jax.block_until_ready(waiting.popleft())
            waiting.append(function(*arguments))
        jax.block_until_ready(list(waiting))

    return repeat


@dataclass(frozen=True)
class InPyTorch:
    """PyTorch's forward pass in its fastest form, and how fast every form was when it was tried."""

    forward: Contender
    form: str
    rates: dict[str, float]


def torch_contender(config: Config, classifier: Classifier, seconds: float) -> InPyTorch:
    """PyTorch's forward pass on all cores.

    Raises:
        InputError: PyTorch is not installed, has no such network here, or its logits are others than ours.
    """
    try:
        import torch

        from benchmarks.torch_networks import forms
    except ImportError as error:
        raise InputError(NO_TORCH) from error
    torch.set_num_threads(cores())
    images = np.random.default_rng(0).random((config.batch_size, *classifier.image_shape), np.float32)
    given = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    ours = asked(classifier)(images, "random images")
    contenders = {}
    for name, network in forms(classifier, Path(config.weights) if config.weights else None).items():
        error = float(np.abs(network(given).numpy() - ours).max() / np.abs(ours).max())
        if error > 1e-4:
            raise InputError(
                f"PyTorch's logits ({name}) differ from ours by {error:.1e} of the largest; expected 1e-4."
            )

        def forward(count: int, network: Any = network) -> None:
            for _ in range(count):
                network(given)

        contenders[name] = forward
    tried = alternate(list(contenders.values()), config.batch_size, 3, seconds)
    rates = {name: statistics.median(rate) for name, rate in zip(contenders, tried, strict=True)}
    form = max(rates, key=lambda name: rates[name])
    return InPyTorch(contenders[form], form, rates)


def random_weights(name: str, folder: str) -> Path | None:
    """The file of random weights that both sides read, where PyTorch's side needs one.

    Raises:
        InputError: PyTorch or torchvision is not installed.
    """
    try:
        from benchmarks import torch_networks

        return (
            torch_networks.random_weights(name, Path(folder)) if name in torch_networks.TORCHVISION else None
        )
    except ImportError as error:
        raise InputError(NO_TORCH) from error


def alternate(functions: list[Contender], batch_size: int, rounds: int, seconds: float) -> list[list[float]]:
    """Images per second of each, one a round; the order within a round turns."""
    counts = []
    for function in functions:
        function(2)  # compiles, and warms up
        begun = time.perf_counter()
        function(3)
        pace = (time.perf_counter() - begun) / 3
        counts.append(min(max(1, round(seconds / pace)), LONGEST_CHUNK))
    rates: list[list[float]] = [[] for _ in functions]
    for number in range(rounds):
        for turn in range(len(functions)):
            which = (turn + number) % len(functions)
            begun = time.perf_counter()
            functions[which](counts[which])
            rates[which].append(counts[which] * batch_size / (time.perf_counter() - begun))
    return rates


def quartiles(rates: list[float], against: list[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile of the ratios within rounds."""
    low, median, high = statistics.quantiles([a / b for a, b in zip(rates, against, strict=True)], n=4)
    return low, median, high


def show(rows: list[Row]) -> None:
    """Prints the table."""
    table = Table(title="images per second, and what evolution leaves of the classifier's own speed")
    names = (
        "classifier",
        "encoding",
        "batch",
        "forward",
        "whole step",
        "step / forward",
        "forward / PyTorch",
        "PyTorch's form",
    )
    for name in names:
        table.add_column(
            name, justify="left" if name in ("classifier", "encoding", "PyTorch's form") else "right"
        )
    for entry in rows:
        table.add_row(
            entry.classifier,
            entry.encoding,
            str(entry.batch_size),
            f"{entry.forward_per_second:,.0f}",
            f"{entry.step_per_second:,.0f}",
            _ratio(entry.ratio, entry.ratio_low, entry.ratio_high),
            _ratio(entry.forward_vs_torch, entry.forward_vs_torch_low, entry.forward_vs_torch_high),
            entry.torch_form or "",
        )
    Console().print(table)


def _ratio(median: float | None, low: float | None, high: float | None) -> str:
    return "" if median is None else f"{median:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()
