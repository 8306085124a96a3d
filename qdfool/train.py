"""Trains the classifiers that qdfool ships: `python -m qdfool.train lenet --data DIR`.

Writes the weights as safetensors and, beside them, a card in Markdown: test error, data, seed, commit.
"""

if __name__ == "__main__":  # Before the imports, which take a second; `start` has them made as it likes.
    from qdfool.cli.start import start

    start("qdfool.train")

import functools
import json
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from qdfool.classifiers import lenet, weights
from qdfool.classifiers.training import Epoch, Learner, Logits, Training, error, train
from qdfool.cli.device import check_device
from qdfool.cli.exits import run_and_exit
from qdfool.cli.options import read
from qdfool.data import mnist
from qdfool.errors import InputError, in_range, known_name, one_line, printable, shown
from qdfool.files.atomic import atomic_write
from qdfool.types import Key, Parameters


class Network(NamedTuple):
    """A network that can be trained."""

    title: str
    architecture: str
    """Its layers, with {classes} in the place of the number of classes."""
    layout: str
    """How the tensors are to be read."""
    initialise: Callable[..., Parameters]
    """From a key, and the number of classes, to parameters."""
    logits: Logits
    learner: Callable[[float], Learner]
    """From a rate of dropout to the network while it learns."""
    class_names: tuple[str, ...]


NETWORKS = {
    "lenet": Network(
        "LeNet for MNIST",
        "conv 5x5x20, max pool 2, conv 5x5x50, max pool 2, dense 500, ReLU, dense {classes}",
        "HWIO kernels; ip1 rows in (H, W, C) order",
        lenet.initialise,
        lenet.logits,
        lambda rate: functools.partial(lenet.logits_with_dropout, rate=rate),
        lenet.CLASS_NAMES,
    ),
}
PREPROCESSING = "pixel/255"
"""Training sees what every public boundary shows: images in [0, 1]."""
NOISE, NOISE_STREAM = "noise", 1
"""The class of noise, and its own random numbers of a seed."""


@dataclass(frozen=True)
class Command:
    """Trains a classifier on MNIST; writes its weights, and a card that says how it was trained."""

    network: tyro.conf.Positional[str]
    """Network to train: lenet."""
    data: Path | None = None
    """Folder with the four MNIST files, or with a subfolder mnist that has them. Without it: $QDFOOL_DATA,
    then the cache; files that are nowhere are fetched."""
    seed: int = 0
    """Seed of the initial weights, the order of the images and their shifts; 0 to 4294967295. The same seed
    gives the same weights on the same machine."""
    out: Path | None = None
    """File to write, ending in .safetensors; the card gets the ending .md. Without it: NETWORK.safetensors,
    here."""
    overwrite: bool = False
    """Replace files that exist."""
    dropout: float = 0.0
    """Share [0, 0.9] of the hidden units that is dropped at each step, drawn anew for each image."""
    noise_class: float = 0.0
    """An eleventh class, of noise: so many images of it to each of the training set, 0 to 1. In each of them every
    pixel is, with a probability, of a brightness between none and a highest, and both are drawn for the image."""
    training: Training = field(default_factory=Training)
    """Settings of the optimiser."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and ends the process; `qdfool.cli.exits.run_and_exit` has the exit codes."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    run_and_exit(
        "qdfool.train",
        lambda: _main(given),
        after_disk_trouble="No file is half-written; make room, or give another --out.",
        after_interrupt="No file is half-written.",
    )


def _main(arguments: list[str]) -> None:
    style = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff)
    command = read(Command, arguments, prog="python -m qdfool.train", config=style)
    command_line = shlex.join(["python", "-m", "qdfool.train", *arguments])
    _run(command, command_line, Console(highlight=False, soft_wrap=True, markup=False, emoji=False))


def _run(command: Command, command_line: str, console: Console) -> None:
    start = time.perf_counter()
    network = NETWORKS[known_name("network", command.network, NETWORKS)]
    if not 0 <= command.seed < 2**32:
        raise InputError(f"seed must be between 0 and 4294967295; got {shown(command.seed)}.")
    in_range("dropout", command.dropout, 0, 0.9)
    in_range("noise class", command.noise_class, 0, 1)
    command.training.check()
    out = command.out or Path(f"{command.network}.safetensors")
    _check_output(out, command.overwrite)
    check_device()
    commit = _commit()

    folder = mnist.find(command.data)
    console.print(one_line(f"Reading MNIST from {folder}."))
    data = mnist.load(folder)
    initial_key, training_key = jax.random.split(jax.random.key(command.seed))
    names = network.class_names
    if command.noise_class:
        data, names = with_noise(data, command.noise_class, command.seed), (*names, NOISE)
    start_at = network.initialise(initial_key, len(names))
    parameters = _train(network, start_at, data, training_key, command, console)
    test_error = error(network.logits, parameters, data.test_images, data.test_labels)
    seconds = time.perf_counter() - start
    console.print(
        f"Test error {100 * test_error:.2f} % of {len(data.test_labels):,} images, after {seconds:.0f} s."
    )

    metadata = {
        "architecture": network.architecture.format(classes=len(names)),
        "layout": network.layout,
        "preprocessing": PREPROCESSING,
        **({"class_names": json.dumps(names)} if names != network.class_names else {}),
    }
    weights.write(out, weights.named(parameters), metadata)
    facts = {
        "test error": f"{100 * test_error:.2f} % of the {len(data.test_labels):,} test images",
        "data": f"MNIST, {len(data.train_labels):,} training images, checked by hash{_noise(command)}. {mnist.ORIGIN}",
        "seed": str(command.seed),
        "commit": commit,
        "command": f"`{printable(command_line)}`",
        "settings": ", ".join(f"{name} {value}" for name, value in vars(command.training).items())
        + (f", dropout {command.dropout}" if command.dropout else ""),
        "seconds": f"{seconds:.0f}, start and reading included",
        "device": f"{jax.devices()[0].device_kind}, {platform.machine()}",
        "versions": _versions(),
        "parameters": f"{sum(leaf.size for leaf in jax.tree.leaves(parameters)):,}",
        **metadata,
        "SHA-256": weights.fingerprint(out),
    }
    with atomic_write(out.with_suffix(".md")) as card:
        card.write(_card(network.title, facts).encode())
    console.print(one_line(f"Wrote {out} and {out.with_suffix('.md')}."))


def with_noise(data: mnist.Mnist, share: float, seed: int) -> mnist.Mnist:
    """MNIST with a class of noise after its digits, in the training set alone.

    Args:
        data: MNIST.
        share: images of noise to each of the training set.
        seed: of the noise.
    """
    random = np.random.default_rng([seed, NOISE_STREAM])
    count = max(1, round(share * len(data.train_labels)))
    density, brightness = random.random((2, count, 1, 1, 1), np.float32)
    shape = (count, *data.train_images.shape[1:])
    values = random.random(shape, np.float32) * brightness
    noise = np.where(random.random(shape, np.float32) < density, 255 * values, 0).astype(np.uint8)
    labels = np.full(count, data.train_labels.max() + 1, np.int32)
    return data._replace(
        train_images=np.concatenate([data.train_images, noise]),
        train_labels=np.concatenate([data.train_labels, labels]),
    )


def _noise(command: Command) -> str:
    return (
        f", and images of noise, {command.noise_class:g} to each digit among them"
        if command.noise_class
        else ""
    )


def _card(title: str, facts: dict[str, str]) -> str:
    rows = "".join(f"| {name} | {fact} |\n" for name, fact in facts.items())
    return f"# {title}\n\n| | |\n| --- | --- |\n{rows}"


def _train(
    network: Network,
    parameters: Parameters,
    data: mnist.Mnist,
    key: Key,
    command: Command,
    console: Console,
) -> Parameters:
    training = command.training
    columns = (TextColumn("step"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("training", total=None)

        def on_epoch(epoch: Epoch) -> None:
            console.print(
                f"Epoch {epoch.number} of {training.epochs}: loss {epoch.loss:.4f} nats, "
                f"training error {100 * epoch.error:.2f} %, {time.perf_counter() - start:.0f} s"
            )

        start = time.perf_counter()
        parameters, _ = train(
            network.logits,
            parameters,
            data.train_images,
            data.train_labels,
            key,
            training,
            on_step=lambda done, total: progress.update(task, completed=done, total=total),
            on_epoch=on_epoch,
            learner=network.learner(command.dropout) if command.dropout else None,
        )
    return parameters


def _check_output(out: Path, overwrite: bool) -> None:
    """Refuses what could not be written, before minutes are spent on it."""
    if out.suffix != ".safetensors":
        raise InputError(f"--out must end in .safetensors; got {out}.")
    for path in (out, out.with_suffix(".md")):
        if path.is_dir():
            raise InputError(f"--out must be a file; {path} is a folder.")
        if path.exists() and not overwrite:
            raise InputError(f"{path} exists. Give another --out, or --overwrite to replace it.")
    trial = out.parent / f".{out.name}.trial"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(trial):
            pass
        trial.unlink()
    except (OSError, ValueError) as error:  # A ValueError is of a path with a null byte.
        raise InputError(
            f"Cannot write to {out.parent}: {getattr(error, 'strerror', None) or error}. Expected a folder that can "
            "be made and written to; give another --out."
        ) from error


def _commit() -> str:
    """The commit of the checkout that this code is in; `unknown` where it is in none or git is not there."""
    git = functools.partial(
        subprocess.run, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    try:
        git(
            ["git", "ls-files", "--error-unmatch", Path(__file__).name]
        )  # not the checkout of something around us
        commit = git(["git", "rev-parse", "HEAD"]).stdout.strip()
        changed = git(["git", "status", "--porcelain", "--untracked-files=no", "."]).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}, with changes" if changed else commit


def _versions() -> str:
    names = ("qdfool", "jax", "flax", "optax", "numpy")
    found = [f"Python {platform.python_version()}"]
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} not installed")
    return ", ".join(found)
