"""What is run: ways to images that a network is certain of, on digits and on things, and regularisers of one way."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from qdfool.config import Config, GradientAscent
from qdfool.genomes.levels import LEVELS
from qdfool.presets import preset
from qdfool.studies.lineage.conditions import NETWORK, WEIGHTS
from qdfool.studies.study import Workbench

BASE = "pixels"
"""The way that the others are held against: the paper's first."""
WAYS = {
    BASE: "pixels, evolution",
    "cppns": "CPPNs, evolution",
    "ascent": "pixels, the paper's ascent",
    "plain-ascent": "pixels, the same without decay",
    "normalised-ascent": "pixels, ascent by steps of one length",
    "weights": "CPPNs, ascent on weights",
    "both": "CPPNs, evolution, then ascent",
}
"""Name of a way to what the report calls it."""
AUTHORS = (200, 207, 215, 279, 366, 367, 390, 414, 445, 500)
"""The first ten of the twenty classes of ImageNet that the authors' program makes images of for the supplement
(run_chosen_supplementary.sh)."""
SIDE = 128
"""Pixels of a side of what the ImageNet network is shown: of the sizes that MobileNets are made for, the smallest."""

PAPER = GradientAscent(
    rule="progress",
    learning_rate=1.0,
    schedule="constant",
    steps=10,
    sigma=1 / LEVELS,
    selection="unsure",
    decay=0.01,
)
"""The defaults of the program's `find_image`: early and late progress 0.03 and 0.1, and decay 0.01. Ten steps at a
time, each ten from the best image so far and noise as at the start."""
PLAIN = replace(PAPER, decay=0.0, early=0.02)
"""What the program calls "without any regularization"."""

REGULARISERS: dict[str, GradientAscent] = {
    "none": replace(PLAIN, steps=500),
    "find-image": replace(PAPER, steps=300),
    "setting-169": replace(PAPER, steps=1500, late=0.02),
    "setting-188": replace(PAPER, steps=1000, late=0.05, decay=0.001, blur_sigma=0.4, blur_every=2),
    "setting-360": replace(
        PAPER,
        steps=1500,
        late=0.05,
        decay=0.001,
        blur_sigma=0.3,
        blur_every=1,
        clip_values=0.2,
        clip_contributions=0.2,
    ),
}
"""The settings of the authors' program: without any regularisation, the defaults of `find_image`, and what
`hyperparam_search.py` draws from the three seeds that run_chosen_supplementary.sh gives it."""


class Size(NamedTuple):
    """How much of each way is run at most, in evaluations as they are charged. All end when every class has 99.99 %."""

    evolution: int
    """Of all ways but ascent on pixels."""
    turn: int
    """When ascent on weights takes over from evolution."""
    evolution_batch: int
    ascent: int
    """Of the paper's ascent. On digits 300 steps for each, ten a generation, after one of noise."""
    plain: int
    """Of the other two forms of ascent on pixels. On digits 500 steps for each, as many as the program has there."""
    ascent_batch: int
    step: float
    """Length of the steps that are all of one length."""
    most_steps: int = 1500
    """Of the regularisers' images."""
    left_out: tuple[str, ...] = ()
    """Ways and regularisers that are of the full form only: each is compiled, which takes seconds."""


DIGITS = Size(40_000, 2_000, 200, 31 * 410, 51 * 410, 10, 0.5)
QUICK_DIGITS = Size(
    1_000,
    400,
    40,
    3 * 410,
    3 * 410,
    10,
    0.5,
    most_steps=20,
    left_out=("plain-ascent", "both", "none", "find-image", "setting-169", "setting-188"),
)
THINGS = Size(64_000, 48_000, 64, 410_000, 640_000, 64, 3.0 * SIDE / 224)


class Setting(NamedTuple):
    """A network, and what is run against it."""

    name: str
    line: str
    network: Mapping[str, Any]
    """Settings of a config that name it."""
    size: Size
    seeds: range
    kept: tuple[int, ...]
    """Classes whose images are kept and compared."""
    shown: tuple[int, ...]
    """Of these, the classes that are shown."""

    def ways(self) -> dict[str, Config]:
        """The config of each way, without its seed."""
        presets, size = self.name, self.size
        bred: dict[str, Any] = {
            **self.network,
            "evaluations": size.evolution,
            "batch_size": size.evolution_batch,
        }
        followed: dict[str, Any] = {
            **self.network,
            "evaluations": size.plain,
            "batch_size": size.ascent_batch,
        }
        own: dict[str, Any] = {**followed, "initial": "grey", "competition": "parent"}
        weights = preset("imagenet-cppn-gradient").gradient_ascent
        every = {
            BASE: preset(f"{presets}-direct", **bred),
            "cppns": preset(f"{presets}-cppn", **bred),
            "ascent": preset(
                f"{presets}-gradient", **{**own, "evaluations": size.ascent}, gradient_ascent=PAPER
            ),
            "plain-ascent": preset(f"{presets}-gradient", **own, gradient_ascent=PLAIN),
            "normalised-ascent": preset(
                f"{presets}-gradient", **followed, gradient_ascent={"learning_rate": size.step}
            ),
            "weights": preset(
                f"{presets}-cppn",
                **bred,
                emitters={"operators": ("gradient_ascent",)},
                gradient_ascent=weights,
            ),
            "both": preset(
                f"{presets}-cppn",
                **bred,
                emitters={"operators": ("variation", "gradient_ascent"), "turns": (size.turn,)},
                gradient_ascent=weights,
            ),
        }
        return {way: config for way, config in every.items() if way not in size.left_out}

    def regularised(self) -> dict[str, GradientAscent]:
        """Each regulariser's settings."""
        return {
            name: replace(settings, steps=min(settings.steps, self.size.most_steps))
            for name, settings in REGULARISERS.items()
            if name not in self.size.left_out
        }


def settings_of(bench: Workbench) -> list[Setting]:
    """Digits, and in the full form things.

    Raises:
        InputError: the weights of the ImageNet network are missing.
    """
    ten = tuple(range(10))
    digits = Setting("mnist", "MNIST", {}, QUICK_DIGITS if bench.quick else DIGITS, bench.seeds, ten, ten)
    if bench.quick:
        return [digits]
    network = {
        "classifier": NETWORK,
        "weights": str(bench.weights(WEIGHTS)),
        "image_shape": (SIDE, SIDE, 3),
    }
    evenly = set(np.linspace(0, 999, 100).round().astype(int).tolist())
    kept = tuple(sorted(evenly | set(AUTHORS)))
    return [digits, Setting("imagenet", "ImageNet", network, THINGS, bench.seeds[:1], kept, AUTHORS)]
