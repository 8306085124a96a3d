"""The loop of the Stack Overflow question on evolving a seven, what repairs it, and the answers' remedies.

The question is about a 28 x 28 image that a CNN is to call a seven. Its constants that the question leaves out are
those of the repository that it names (github.com/Max-SF1/GA_Mnist_generator).

All variants are one compiled program: what a variant is travels with every individual, as numbers.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from qdfool.api import evolve
from qdfool.classifiers import lenet
from qdfool.data.mnist import Mnist
from qdfool.engine import generational, selection
from qdfool.engine.generational import GeneticAlgorithm, Population, fittest, members
from qdfool.engine.objectives import log_odds
from qdfool.genomes.levels import to_uint8
from qdfool.genomes.pixels import crossover, mutation, repair
from qdfool.presets import preset
from qdfool.types import Array, Classifier, Genome, Image, Key, Parameters

SEVEN, ASKED = 7, 6
"""The class that is wanted, and the one whose probability the question's score reads."""
POPULATION, MUTATED, PAIRS = 40, 30, 5
"""40 images; 75 % are mutated, 25 % are the children of five random pairs, two of each."""
RATE = 0.005
"""Share of pixels that a mutation flips: half a percent."""
ELITISM = 10
"""Best images that the repaired loop keeps as they are."""
BLOCK, PATCH = 6, 9
"""Pixels: sides of the answers' block and patch."""
CHEAT = 0.1
""""Occasionally": the chance that a child of two parents gets a patch of a real seven."""
SLACK = 0.2
""""Significantly" too much or too little ink: beyond this share of the median."""
BLUR = 0.4
"""Pixels: standard deviation of the blur in the repository."""
RESOLUTION = 2.0**-53
"""1 - p is 1 in the double precision of the question where p is less than that."""


class Variant(NamedTuple):
    """A way to make a seven; by default the loop of the question, repaired."""

    title: str
    asked: int = SEVEN
    """The class whose probability is the score."""
    live: bool = True
    """Whether images are scored in every generation, or sorted once, when the population is made."""
    elitism: int = ELITISM
    """Best images that stay as they are; of the best 30, the others are mutated."""
    fitness: str = "probability"
    """`probability`: the question's exp(-(1 - p)). `log-odds`: of the class, which do not round to 0 and 1."""
    scaled: bool = False
    """Whether images are blurred and multiplied by 255 before the network sees them."""
    grey: bool = False
    """Whether pixels are grey: then they are not flipped but drawn anew."""
    mutation: str = "flips"
    """`flips` anywhere, `block`: a block inverted (where pixels are grey, beside what is drawn anew),
    `confined`: as many flips, all within a block."""
    crossovers: tuple[str, ...] = ("row_cuts",)
    """One of them is drawn for every pair."""
    ink: bool = False
    """Whether children are brought back to the ink of real sevens."""
    cheat: bool = False
    """Whether children occasionally get a patch of a real seven."""


class Loop(NamedTuple):
    """A variant as numbers, [] each."""

    asked: Array
    live: Array
    elitism: Array
    log_odds: Array
    scaled: Array
    grey: Array
    mutation: Array
    """Which of the mutations."""
    crossovers: Array
    """[3], which of the crossovers are drawn from."""
    ink: Array
    """Pixels of ink that children are repaired to; 0: they are not."""
    cheat: Array
    """The chance of a patch of a real seven."""


class Member(NamedTuple):
    """An individual."""

    image: Image
    """[28, 28, 1] float32; 0 and 1 where pixels are not grey."""
    loop: Loop
    """What it lives in: the same for all members of a population."""


HONEST: dict[str, Any] = {"mutation": "block", "crossovers": ("dividing_line", "patch_copy"), "ink": True}
"""All remedies but patches of a real seven."""
LOOP = {
    "published": Variant("as published: scores index 6, sorted once", ASKED, live=False, elitism=0),
    "index-seven": Variant("index 7, sorted once", live=False, elitism=0),
    "live-six": Variant("index 6, scores kept up to date", ASKED, elitism=0),
    "live": Variant("index 7, scores kept up to date", elitism=0),
    "repaired": Variant("index 7, up to date, ten best kept: repaired"),
    "log-odds": Variant("repaired, log-odds as fitness", fitness="log-odds"),
    "scaled": Variant("repaired, blurred and times 255", scaled=True),
}
ALONE = {
    "block": Variant("6 x 6 block inverted", mutation="block"),
    "confined": Variant("flips within a 6 x 6 block", mutation="confined"),
    "ink": Variant("ink of a real seven", ink=True),
    "line": Variant("line across or down", crossovers=("dividing_line",)),
    "patch": Variant("9 x 9 patches", crossovers=("patch_copy",)),
    "cheat": Variant("patches of real sevens", cheat=True),
    "grey": Variant("grey", grey=True),
}
TOGETHER = {
    "unrepaired-together": Variant(
        "all remedies, loop sorted once", live=False, elitism=0, cheat=True, **HONEST
    ),
    "together": Variant("all but real patches", **HONEST),
    "together-cheat": Variant("all remedies", cheat=True, **HONEST),
    "together-cheat-log-odds": Variant(
        "all remedies, log-odds as fitness", cheat=True, fitness="log-odds", **HONEST
    ),
    "together-grey": Variant("all but real patches, grey", grey=True, **HONEST),
    "together-cheat-grey": Variant("all remedies, grey", grey=True, cheat=True, **HONEST),
}
PRESETS = {
    "map-elites": ("MAP-Elites", "mnist-binary"),
    "map-elites-grey": ("MAP-Elites, grey", "mnist-direct"),
}
"""Condition to title and the preset that is the engine's own answer."""
CROSSOVERS: dict[str, Callable[..., Genome]] = {
    "row_cuts": crossover.row_cuts,
    "dividing_line": crossover.dividing_line,
    "patch_copy": partial(crossover.patch_copy, patch=PATCH),
}


def flips(key: Key, image: Image) -> Image:
    """Half a percent of the pixels, anywhere, inverted: the mutation of the question."""
    return mutation.bit_flip(key, image, rate=RATE, max_changes=mutation.max_changes(image.size, RATE))


def redraws(key: Key, image: Image) -> Image:
    """Half a percent of the pixels drawn anew: the same for greys."""
    return mutation.reset(key, image, rate=RATE, max_changes=mutation.max_changes(image.size, RATE))


def block(key: Key, image: Image) -> Image:
    """A 6 x 6 block inverted."""
    return mutation.block_flip(key, image, block=BLOCK)


def block_and_redraws(key: Key, image: Image) -> Image:
    """Both, so that there are greys."""
    block_key, redraw_key = jax.random.split(key)
    return redraws(redraw_key, block(block_key, image))


def confined(key: Key, image: Image) -> Image:
    """As many flips as anywhere, on average, but all within a 6 x 6 block."""
    flip_key, block_key = jax.random.split(key)
    rate = min(1.0, RATE * image.size / BLOCK**2)
    flipped = mutation.bit_flip(
        flip_key, image, rate=rate, max_changes=mutation.max_changes(image.size, rate)
    )
    return jnp.where(mutation.random_square(block_key, lenet.IMAGE_SHAPE, BLOCK), flipped, image)


MUTATIONS: dict[tuple[str, bool], Callable[[Key, Image], Image]] = {
    ("flips", False): flips,
    ("flips", True): redraws,
    ("block", False): block,
    ("block", True): block_and_redraws,
    ("confined", False): confined,
}
"""By the variant's mutation and whether pixels are grey."""


def as_numbers(variant: Variant, ink: int) -> Loop:
    """A variant as numbers, of which one compiled program makes the loop.

    Args:
        variant: to translate.
        ink: pixels of ink in a real seven.
    """
    return Loop(
        asked=jnp.int32(variant.asked),
        live=jnp.bool_(variant.live),
        elitism=jnp.int32(variant.elitism),
        log_odds=jnp.bool_(variant.fitness == "log-odds"),
        scaled=jnp.bool_(variant.scaled),
        grey=jnp.bool_(variant.grey),
        mutation=jnp.int32(list(MUTATIONS).index((variant.mutation, variant.grey))),
        crossovers=jnp.array([name in variant.crossovers for name in CROSSOVERS]),
        ink=jnp.int32(ink if variant.ink else 0),
        cheat=jnp.float32(CHEAT if variant.cheat else 0.0),
    )


def seen(images: Image) -> Image:
    """Images [P, 28, 28, 1] blurred and multiplied by 255: what the repository's network is shown."""
    side = math.exp(-1 / (2 * BLUR**2))  # two pixels away it is 4e-6
    for axis in (1, 2):
        edge = jnp.pad(images, [(1, 1) if axis == other else (0, 0) for other in range(4)], mode="edge")
        before, after = (
            jax.lax.slice_in_dim(edge, start, start + images.shape[axis], axis=axis) for start in (0, 2)
        )
        images = (images + side * (before + after)) / (1 + 2 * side)
    return 255 * images


def odds(classifier: Classifier, parameters: Parameters, genome: Member) -> Array:
    """[P, 10] log-odds of every class, as the network sees the images of a population."""
    # No branch: the score's and the record's would not be merged into one.
    images = jnp.where(the(genome.loop).scaled, seen(genome.image), genome.image)
    return jax.vmap(log_odds)(classifier.logits(parameters, images))


def the(loop: Loop) -> Loop:
    """The loop that all members of a population have."""
    return jax.tree.map(lambda leaf: leaf[0], loop)


def cross(key: Key, first: Image, second: Image, allowed: Array) -> Image:
    """[2, ...] both children of a pair: what is the first's in one is the second's in the other."""
    which_key, cross_key = jax.random.split(key)
    which = jax.random.categorical(which_key, jnp.where(allowed, 0.0, -jnp.inf))
    pairs = ((first, second), (second, first))
    return jnp.stack([jax.lax.switch(which, list(CROSSOVERS.values()), cross_key, *pair) for pair in pairs])


def copy_real(key: Key, image: Image, real: Image, loop: Loop) -> Image:
    """The image, occasionally with a 9 x 9 patch of one of the real sevens [n, 28, 28, 1] at its place."""
    whether_key, which_key, patch_key = jax.random.split(key, 3)
    one = real[jax.random.randint(which_key, (), 0, len(real))]
    one = jnp.where(loop.grey, one, jnp.round(one))
    patched = crossover.patch_copy(patch_key, image, one, patch=PATCH)
    return jnp.where(jax.random.bernoulli(whether_key, loop.cheat), patched, image)


def breed(key: Key, generation: Array, population: Population, *, real: Image) -> Member:
    """The next 40 images.

    Where scores are kept up to date, the population is sorted, the best are kept and mutated, and pairs are drawn
    with chances proportional to exp(-(1 - p)). Where it was sorted once, the first 30 of that order are mutated
    again and again, and pairs are drawn, among what there is, with chances proportional to the first scores. All
    images were equal then: the order is that of the list, and the chances are the same.

    Args:
        key: of this generation.
        generation: its number, which no loop depends on.
        population: 40 members.
        real: [n, 28, 28, 1], real sevens that patches are copied from.
    """
    mutate_key, pair_key, cross_key, cheat_key, repair_key = jax.random.split(key, 5)
    loop, images, index = the(population.genome.loop), population.genome.image, jnp.arange(POPULATION)
    images = images[jnp.where(loop.live, fittest(population.fitness, POPULATION), index)]

    elite = index < loop.elitism
    parents = images[jnp.where(elite, index, index - loop.elitism)[:MUTATED]]
    ways = [jax.vmap(way) for way in MUTATIONS.values()]
    mutated = jax.lax.switch(loop.mutation, ways, jax.random.split(mutate_key, MUTATED), parents)
    mutated = jnp.where(elite[:MUTATED, None, None, None], parents, mutated)

    now = jnp.concatenate([mutated, images[MUTATED:]])
    pool = jnp.where(loop.live, population.genome.image, now)
    p = jnp.where(loop.log_odds, jax.nn.sigmoid(population.fitness), population.fitness)
    chances = Population(pool, jnp.where(loop.live, jnp.exp(p - 1.0), 1.0))
    first, second = jnp.split(pool[selection.proportional(pair_key, chances, 2 * PAIRS)], 2)
    pairs = jax.vmap(cross, in_axes=(0, 0, 0, None))(
        jax.random.split(cross_key, PAIRS), first, second, loop.crossovers
    )
    children = jax.vmap(copy_real, in_axes=(0, 0, None, None))(
        jax.random.split(cheat_key, 2 * PAIRS), pairs.reshape(2 * PAIRS, *images.shape[1:]), real, loop
    )

    def mend(images: Image) -> Image:
        mended = jax.vmap(partial(repair.ink, count=loop.ink, tolerance=SLACK))(
            jax.random.split(repair_key, POPULATION), images
        )
        return jnp.where(elite[:, None, None, None], images, mended)

    new = jnp.concatenate([mutated, children])
    new = jax.lax.cond(loop.ink > 0, mend, lambda images: images, new)
    return Member(new, population.genome.loop)


class Maker(NamedTuple):
    """What every variant is run with: made once, so that it is compiled once."""

    classifier: Classifier
    algorithm: GeneticAlgorithm
    record: generational.Record


def maker(classifier: Classifier, real: np.ndarray) -> Maker:
    """The loop against a classifier, with the real sevens [n, 28, 28, 1] that patches are copied from.

    The fitness is p itself where the question has exp(-(1 - p)): the order is the same. Of each generation the
    highest log-odds of a seven and of the class asked for are recorded, and the share of ink.
    """

    def score(parameters: Parameters, key: Key, genome: Member) -> Array:
        loop = the(genome.loop)
        asked = odds(classifier, parameters, genome)[:, loop.asked]
        p = jax.nn.sigmoid(asked)  # 1 from 16.6 on, as the question's single precision has it
        return jnp.where(loop.log_odds, asked, jnp.where(p < RESOLUTION, 0.0, p))

    def record(parameters: Parameters, population: Population) -> dict[str, Array]:
        of_all = odds(classifier, parameters, population.genome)
        return {
            "log_odds": of_all[:, SEVEN].max(),
            "asked": of_all[:, the(population.genome.loop).asked].max(),
            "ink": (population.genome.image > 0.5).mean(),
        }

    return Maker(classifier, GeneticAlgorithm(score, partial(breed, real=jnp.asarray(real))), record)


def evolved(made: Maker, loop: Loop, generations: int, seed: int) -> dict[str, Any]:
    """One run from white images: log-odds and ink of each generation, the last one's best image by its score."""
    rows = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (POPULATION, *leaf.shape)), loop)
    white = Member(jnp.ones((POPULATION, *lenet.IMAGE_SHAPE)), rows)
    last, records = generational.run(
        made.algorithm, made.classifier.parameters, white, jax.random.key(seed), generations, made.record
    )
    best = _best(last)
    final = odds(made.classifier, made.classifier.parameters, best)[0]
    return {
        **records,
        "final": final[SEVEN],
        "final_asked": final[loop.asked],
        "image": to_uint8(best.image[0]),
    }


@jax.jit
def _best(population: Population) -> Member:
    """The first of the members with the best score; leaves [1, ...]."""
    return members(population.genome, fittest(population.fitness, 1))


def map_elites(name: str, generations: int, seed: int) -> dict[str, Any]:
    """The same number of evaluations given to a preset of the engine; recorded on the same axis."""
    config, grid = preset(name), evaluations_of(generations)
    result = evolve(replace(config, generations=None, evaluations=int(grid[-1]), seed=seed))
    row = np.searchsorted(result.history.generation * config.batch_size, grid, side="right") - 1
    best = np.where(row < 0, np.nan, result.history.fitness[np.maximum(row, 0), SEVEN])
    image, final = result.levels(np.array([SEVEN]))[0], result.history.fitness[-1, SEVEN]
    ink = np.full(len(grid), np.mean(image > 127))
    return {"log_odds": best, "asked": best, "ink": ink, "final": final, "final_asked": final, "image": image}


def evaluations_of(generations: int) -> np.ndarray:
    """Images scored when each generation, the first population included, is done."""
    return POPULATION * np.arange(1, generations + 2)


def sevens(data: Mnist) -> np.ndarray:
    """[n, 28, 28, 1] in [0, 1]: the test set's sevens. The references of recognisability are of the training set."""
    return data.test_images[data.test_labels == SEVEN] / np.float32(255)


def median_ink(data: Mnist, digit: int = SEVEN) -> int:
    """Pixels of ink, brighter than 0.5, in the median image of a digit in the training set."""
    return int(np.median((data.train_images[data.train_labels == digit] > 127).sum((1, 2, 3))))
