"""One commented config per published setting. Operators that a preset does not name are the encoding's own."""

from typing import Any

from qdfool.config import Config, Cppn, Crossover, Emitters, GradientAscent, Mutation, Selection, override
from qdfool.errors import known_name

PRESETS: dict[str, tuple[str, Config]] = {
    # Nguyen, Yosinski and Clune 2015, section 3.1: directly encoded images against LeNet, 200 children
    # a generation, polynomial mutation of a tenth of the genes. The paper reports a median of 99.99 %
    # by generation 200.
    "mnist-direct": (
        "the paper's grey pixels against LeNet: one image per digit, 200 generations of 200",
        Config(preset="mnist-direct", generations=200),
    ),
    # The same with black and white pixels; polynomial steps cannot change a bit, so bits are flipped. Half
    # a percent of flips, this encoding's own rate, is what the question "make a seven" used (Stack Overflow).
    "mnist-binary": (
        "black and white pixels against LeNet: one image per digit, 400 generations of 200",
        Config(preset="mnist-binary", generations=400, encoding="binary"),
    ),
    # Ours: not one image a digit but a map of them, over how much ink there is and how far from the centre.
    # Uniform noise is one spot of that map, so the first generation varies. Then CMA-MEGA (Fontaine and Nikolaidis
    # 2021): it fills more of the map than variation, and twice as many cells with certainty (docs/emitters.md).
    "mnist-grid": (
        "a map of images per digit over ink and eccentricity, 20 x 20 cells, 100,000 evaluations",
        Config(
            preset="mnist-grid",
            evaluations=100_000,
            archive="grid",
            initial="varied",
            crossover=Crossover(operators=None),
            emitters=Emitters(operators=("gradient_arborescence",)),
        ),
    ),
    # Nguyen, Yosinski and Clune 2015, section 3.3: gradient ascent on pixels, here from noise and from elites: each
    # digit's elite is followed ten steps a generation.
    "mnist-gradient": (
        "gradient ascent on pixels against LeNet: one image per digit, 10 generations of 10 steps",
        Config(
            preset="mnist-gradient",
            generations=10,
            batch_size=10,
            emitters=Emitters(operators=("gradient_ascent",)),
        ),
    ),
    # Nguyen, Yosinski and Clune 2015, section 3.1: CPPNs against LeNet, 200 children a generation. Weights are
    # within 5 instead of the program's 10: of seeds 0 to 7 that leaves one digit of one just below 99.99 %.
    "mnist-cppn": (
        "the paper's CPPNs against LeNet: one image per digit, 200 generations of 200",
        Config(
            preset="mnist-cppn",
            generations=200,
            encoding="cppn",
            cppn=Cppn(weight_range=5.0),
        ),
    ),
    # Ours: all ten digits certain as soon as can be without gradients. Only the elites below 99.99 % breed, in small
    # generations: of seeds 0 to 9 all were at 99.99 % after 960 to 4,096 evaluations, with mnist-cppn after
    # 2,400 to 22,000 (docs/papers.md). 64 were the fastest of 32 to 96 (docs/speed.md).
    "mnist-cppn-unsure": (
        "CPPNs against LeNet, of digits below 99.99 % alone: one image per digit, 200 generations of 64",
        Config(
            preset="mnist-cppn-unsure",
            generations=200,
            batch_size=64,
            encoding="cppn",
            cppn=Cppn(weight_range=5.0),
            selection=Selection(operator="unsure"),
        ),
    ),
    # The same, section 3.2: CPPNs against an ImageNet network, 5,000 generations of 400. Ours spends the same
    # number of evaluations in generations that suit the device. A median of 88.11 % is recalled of the paper.
    "imagenet-cppn": (
        "the paper's CPPNs against an ImageNet network: an image per class, 2,000,000 evaluations",
        Config(
            preset="imagenet-cppn",
            evaluations=2_000_000,
            batch_size=0,
            classifier="mobilenet_v2",
            encoding="cppn",
        ),
    ),
    # Ours: evolution finds structures, then ascent on their weights makes the most of them. At equal charges it is
    # ahead of evolution that goes on (docs/emitters.md); ascent from the beginning is behind, for want of structure.
    "imagenet-cppn-gradient": (
        "CPPNs against an ImageNet network: evolution for 150,000 evaluations, then ascent on weights, 200,000 in all",
        Config(
            preset="imagenet-cppn-gradient",
            evaluations=200_000,
            batch_size=256,
            classifier="mobilenet_v2",
            encoding="cppn",
            emitters=Emitters(operators=("variation", "gradient_ascent"), turns=(150_000,)),
            gradient_ascent=GradientAscent(
                steps=1, rule="sign", learning_rate=0.06, lengths=4, sigma=0.002, selection="uniform"
            ),
        ),
    ),
    # The same, section 3.2: every pixel a gene; the rate of mutation is halved every 1,000 generations of
    # 400. A median of 21.59 % after 20,000 generations is recalled of the paper.
    "imagenet-direct": (
        "the paper's pixels against an ImageNet network: an image per class, 2,000,000 evaluations",
        Config(
            preset="imagenet-direct",
            evaluations=2_000_000,
            batch_size=0,
            classifier="mobilenet_v2",
            mutation=Mutation(halve_every=400_000),
        ),
    ),
    # Nguyen, Yosinski and Clune 2015, section 3.3, for all classes at once: the classes of the lowest confidence are
    # followed first. Steps are of a length that suits 224 x 224 pixels.
    "imagenet-gradient": (
        "gradient ascent on pixels against an ImageNet network: an image per class, 200,000 evaluations",
        Config(
            preset="imagenet-gradient",
            evaluations=200_000,
            batch_size=0,
            classifier="mobilenet_v2",
            emitters=Emitters(operators=("gradient_ascent",)),
            gradient_ascent=GradientAscent(steps=10, learning_rate=3.0),
        ),
    ),
}


def preset(name: str, /, **settings: Any) -> Config:
    """The config of a preset, with other settings in place of some of its own.

        preset("mnist-direct", seed=3, mutation={"rate": 0.05}, generations=50)

    Args:
        name: of the preset.
        settings: those of `Config` by their names; a group as a dict of those that change, or whole. A budget
            that is given replaces the preset's. What the preset does not name follows the encoding.

    Raises:
        InputError: no preset has that name, no config that setting, or the setting is of another kind.
    """
    return override(PRESETS[known_name("preset", name, PRESETS)][1], settings)
