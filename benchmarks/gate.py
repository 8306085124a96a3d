"""Whether anything became slower, for a release: `python -m benchmarks.gate`.

Measures ratios, never absolute times, and compares them with the committed ones: two things that are timed in turn
suffer alike from a machine that is busy, or another one. All are better when they are higher. Where one fell, it says
so, and ends with 1. `--write` puts what is measured in the place of what is committed, on a quiet machine.
"""

import json
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import numpy as np
import tyro

import qdfool
from benchmarks import scaling
from benchmarks.report import write
from benchmarks.throughput import Contender, alternate
from qdfool.build import build_classifier
from qdfool.classifiers import lenet
from qdfool.compilation import jitted_logits
from qdfool.config import Config, Emitters, override
from qdfool.errors import InputError, in_range, known_name
from qdfool.files.regular import open_regular

COMMITTED = Path(__file__).parent / "results" / "gate.json"


@dataclass(frozen=True)
class Options:
    """Measures ratios of speed and says which fell below the committed ones."""

    only: tuple[str, ...] = ()
    """Names of ratios; all without it."""
    rounds: int = 15
    """Rounds (>= 3), each of one measurement of both sides."""
    seconds: float = 0.3
    """Length of one measurement (> 0)."""
    tolerance: float = 0.05
    """Share [0, 1) by which a median may be below the committed one. Less than that, or where the quartiles of both
    overlap, is noise."""
    committed: Path = COMMITTED
    """File of the committed ratios."""
    write: bool = False
    """Writes what is measured there, instead of comparing."""


@dataclass(frozen=True)
class Row:
    """One ratio."""

    name: str
    ratio: float
    """Median over the rounds."""
    low: float
    high: float
    """Quartiles."""


class NotHere(Exception):
    """A ratio that cannot be measured with what is installed."""


Measure = Callable[[Options], list[float]]
"""A ratio for each round."""


def main() -> None:
    """Measures and compares; ends with 1 where something fell, and with 2 at bad input."""
    options = tyro.cli(Options, prog="python -m benchmarks.gate")
    try:
        in_range("--rounds", options.rounds, 3)
        in_range("--seconds", options.seconds, 1e-3)
        in_range("--tolerance", options.tolerance, 0, 0.99)
        names = [known_name("ratio", name, RATIOS) for name in options.only or RATIOS]
        committed = {} if options.write else read(options.committed)
        rows = measured(names, options)
    except InputError as error:
        print(f"gate: {error}", file=sys.stderr)
        sys.exit(2)
    fell = [row.name for row in rows if compared(row, committed, options.tolerance)]
    if options.write:
        write(options.committed, rows)
    if fell:
        print(f"Fell: {', '.join(fell)}.", file=sys.stderr)
        sys.exit(1)


def read(path: Path) -> dict[str, Row]:
    """The committed ratios by their names.

    Raises:
        InputError: there are none, or the file is damaged.
    """
    try:
        with open_regular(path) as file:
            rows = [Row(**row) for row in json.load(file)["rows"]]
    except FileNotFoundError as error:
        raise InputError(
            f"{path} is not there. Make it on a quiet machine: python -m benchmarks.gate --write."
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} does not hold ratios; python -m benchmarks.gate --write makes it anew."
        ) from error
    return {row.name: row for row in rows}


def measured(names: list[str], options: Options) -> list[Row]:
    """The ratios, a row each; says which cannot be measured here."""
    rows = []
    for name in names:
        try:
            ratios = RATIOS[name](options)
        except NotHere as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            continue
        low, median, high = statistics.quantiles(ratios, n=4)
        rows.append(Row(name, median, low, high))
    return rows


def compared(row: Row, committed: Mapping[str, Row], tolerance: float) -> bool:
    """Prints the ratio beside the committed one; whether it fell."""
    line = f"{row.name:44} {row.ratio:6.3f} ({row.low:.3f} to {row.high:.3f})"
    before = committed.get(row.name)
    if before is None:
        print(line)
        return False
    fell = row.ratio < before.ratio * (1 - tolerance) and row.high < before.low
    print(
        f"{line}, committed {before.ratio:.3f} ({before.low:.3f} to {before.high:.3f}){'  FELL' if fell else ''}"
    )
    return fell


def in_turn(first: Contender, second: Contender, options: Options) -> list[float]:
    """The speed of the first to that of the second, a number a round."""
    own, other = alternate([first, second], 1, options.rounds, options.seconds)
    return [a / b for a, b in zip(own, other, strict=True)]


def _step_to_forward(config: Config, options: Options) -> list[float]:
    forward, step = scaling.contenders(config, build_classifier(config), warm_up=100)
    return in_turn(step, forward, options)


def _many_classes(options: Options) -> list[float]:
    config = qdfool.preset("mnist-direct", batch_size=256)
    forward, step = scaling.contenders(config, scaling.dense(28, 21_841), warm_up=100)
    return in_turn(step, forward, options)


def _many_cells(options: Options) -> list[float]:
    def step(cells: tuple[int, int]) -> Contender:
        config = qdfool.preset("mnist-grid", cells=cells, emitters=Emitters(("variation",)), batch_size=256)
        return scaling.contenders(config, lenet.classifier(), warm_up=100)[1]

    return in_turn(step((250, 400)), step((10, 10)), options)


def _forward_to_torch(options: Options) -> list[float]:
    try:
        import torch

        from benchmarks.peers.torch_lenet import torch_lenet
    except ImportError as error:
        raise NotHere("it needs PyTorch.") from error
    classifier, network = lenet.classifier(), torch_lenet()
    logits = jitted_logits(classifier)
    images = np.random.default_rng(0).random((256, *lenet.IMAGE_SHAPE), np.float32)
    given, ours = torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), jax.numpy.asarray(images)

    def of_torch(times: int) -> None:
        with torch.inference_mode():
            for _ in range(times):
                network(given)

    def of_ours(times: int) -> None:
        for _ in range(times):
            jax.block_until_ready(logits(classifier.parameters, ours))

    return in_turn(of_ours, of_torch, options)


LENET = qdfool.preset("mnist-direct")
MOBILENET = override(
    qdfool.preset("imagenet-cppn"), {"classifier": "mobilenet_v1_025", "weights": "random", "batch_size": 64}
)
RATIOS: dict[str, Measure] = {
    "lenet step to forward, 256": partial(_step_to_forward, override(LENET, {"batch_size": 256})),
    "lenet step to forward, 1024": partial(_step_to_forward, override(LENET, {"batch_size": 1024})),
    "mobilenet_v1_025 cppn step to forward, 64": partial(_step_to_forward, MOBILENET),
    "21,841 classes, step to forward": _many_classes,
    "1,000,000 cells, step to that of 1,000": _many_cells,
    "lenet forward to PyTorch, 256": _forward_to_torch,
}


if __name__ == "__main__":
    main()
