"""What a classifier sees in image files: `python -m qdfool.classify IMAGE... --classifier NAME`."""

if __name__ == "__main__":  # Before the imports, which take a second; `start` has them made as it likes.
    from qdfool.cli.start import start

    start("qdfool.classify")

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro

from qdfool.analysis import percent
from qdfool.build import build_classifier
from qdfool.classifiers.asking import asked
from qdfool.cli.device import check_device
from qdfool.cli.exits import run_and_exit
from qdfool.cli.options import read
from qdfool.config import Config, Preprocessing, check_image_shape, validate
from qdfool.data.image import check_is_file, read_image
from qdfool.engine.objectives import confidence, log_odds
from qdfool.errors import InputError, in_range, named, printable
from qdfool.types import Classifier


@dataclass(frozen=True)
class CommandLine:
    """Prints the classes of the highest confidence, for each image file.

    An image of the classifier's size is shown as it is; any other is resized, and its centre cut out.
    """

    images: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE...")] = ()
    """Image files: PNG, JPEG, WebP, GIF, BMP or TIFF."""
    classifier: str = Config.classifier
    """A classifier of `python -m qdfool.run --list`, or your own as package.module:attribute."""
    weights: str | None = None
    """Weights for a classifier of --list, as `python -m qdfool.run --help` says."""
    image_shape: tuple[int, int, int] | None = None
    """Height, width, channels of the images, as `python -m qdfool.run --help` says."""
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    top: int = 5
    """Classes (>= 1) to print for each image."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print one JSON list, an object for each image."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and ends the process; `qdfool.cli.exits.run_and_exit` has the exit codes."""
    run_and_exit(
        "qdfool.classify",
        lambda: _main(list(sys.argv[1:] if arguments is None else arguments)),
    )


def _main(arguments: list[str]) -> None:
    command = read(CommandLine, arguments, prog="python -m qdfool.classify")
    check_device()
    answers = classify(command)
    print(json.dumps(answers) if command.json else _as_text(answers))


def classify(command: CommandLine) -> list[dict[str, Any]]:
    """What --json prints: for each image its path and its `top` classes, the highest confidence first.

    Raises:
        InputError: no image, one that cannot be read, an unknown classifier, weights that do not fit, or
            a classifier that fails, or whose answer is no logits or not finite.
    """
    in_range("--top", command.top, 1)
    if command.image_shape is not None:
        check_image_shape("--image-shape", command.image_shape)
    if not command.images:
        raise InputError("No image to classify: give one or more image files.")
    for path in command.images:  # before weights are fetched for them
        check_is_file(path)
    config = replace(
        Config(),
        classifier=command.classifier,
        weights=command.weights,
        image_shape=command.image_shape,
        preprocessing=command.preprocessing,
    )
    validate(config, needs_budget=False)
    classifier = build_classifier(config)
    images = [read_image(path, *classifier.image_shape) for path in command.images]
    ask = asked(classifier)
    return [
        {"image": str(path), "top": _top(classifier, ask(image[None], str(path))[0], command.top)}
        for path, image in zip(command.images, images, strict=True)
    ]


def _top(classifier: Classifier, logits: np.ndarray, count: int) -> list[dict[str, Any]]:
    odds = np.asarray(log_odds(jax.numpy.asarray(logits)))
    return [
        {
            "class_index": int(index),
            "class_name": classifier.class_names[index],
            "confidence": float(confidence(odds[index])),
            "log_odds": float(odds[index]),
        }
        for index in np.argsort(-odds, kind="stable")[:count]
    ]


def _as_text(answers: list[dict[str, Any]]) -> str:
    lines = []
    for answer in answers:
        lines.append(printable(answer["image"]))
        for row in answer["top"]:
            lines.append(
                f"  {percent(log_odds=row['log_odds']):>14}  {row['class_index']:>4}  {named(row['class_name'])}"
            )
    return "\n".join(lines)
