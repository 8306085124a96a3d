"""A small run of three seeds, as the command line is told of it."""

from pathlib import Path
from typing import Any

SEEDS = (5, 0, 7)


def draw_nothing(result: Any, directory: Path, classifier: Any = None) -> None:
    """Pictures take most of the time: one of a run, which says that its folder is whole, is an empty file."""
    (directory / "curves.png").touch()


def arguments(folder: Path, seeds: str = "5,0,7", classifier: str = "fake:logits") -> list[str]:
    budget = ["--batch-size", "12", "--generations", "10", "--chunk-seconds", "0.05"]
    options = [*budget, "--checkpoint-every", "0"]
    return ["--classifier", classifier, *options, "--seeds", seeds, "--out", str(folder)]
