"""QDax: its MAPElites, jitted as its documentation has it, with each of its two variations.

An image is filed under the class that it is called, and the line variation is then that of its README. Or, as in the
paper, every image is offered to every class: then what is told are the ten best children, each with its class as the
descriptor, which leaves the same archive as telling all of them ten times, and the line variation has the steps that
were best here. Images begin as uniform noise, as qdfool's do.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers.search import ETA, RATE, SIGMA_ISO, SIGMA_LINE, Begin, Peer
from qdfool.classifiers import lenet
from qdfool.compilation import of_platform
from qdfool.engine.objectives import log_odds
from qdfool.types import Array

BATCH_SIZE = 200
DOCUMENTED = 0.05, 0.1
"""iso_sigma and line_sigma in QDax's README."""


class _Search:
    def __init__(self, carry: Any, loop: Any) -> None:
        self.carry, self.loop, self.begun = carry, loop, False

    def advance(self, rounds: int) -> int:
        self.carry = jax.block_until_ready(self.loop(self.carry, jnp.int32(rounds)))
        rounds += not self.begun
        self.begun = True
        return rounds * BATCH_SIZE

    def images(self) -> np.ndarray:
        repertoire = self.carry[0]
        images = np.array(repertoire.genotypes).reshape(-1, *lenet.IMAGE_SHAPE)
        images[np.isneginf(np.asarray(repertoire.fitnesses)).reshape(-1)] = np.nan
        return images


def _prepare(variation: str, every: bool) -> Begin:
    from qdax.core.emitters.mutation_operators import (  # pyright: ignore[reportMissingImports]
        isoline_variation,
        polynomial_mutation,
    )
    from qdax.core.emitters.standard_emitters import MixingEmitter  # pyright: ignore[reportMissingImports]
    from qdax.core.map_elites import MAPElites  # pyright: ignore[reportMissingImports]

    classifier = lenet.classifier()
    genes = int(np.prod(classifier.image_shape))
    centroids = jnp.arange(len(classifier.class_names), dtype=jnp.float32)[:, None]

    def classified(genotypes: Array) -> Array:
        logits = classifier.logits(classifier.parameters, genotypes.reshape(-1, *classifier.image_shape))
        return jax.vmap(log_odds)(logits)

    def called(genotypes: Any, key: Any) -> Any:
        fitness = classified(genotypes)
        return fitness.max(axis=1), fitness.argmax(axis=1)[:, None].astype(jnp.float32), {}

    def of_every_class(genotypes: Any, key: Any) -> Any:
        fitness = classified(genotypes)
        return fitness.max(axis=0), centroids, {"child": fitness.argmax(axis=0)}

    class OfferedToEvery(MAPElites):
        """Is told the best child of each class. QDax calls both by keywords, of which only these are looked at; so
        neither has its list of parameters."""

        def tell(self, genotypes: Any, *, extra_scores: Any, **settings: Any) -> Any:  # type: ignore[override]
            return super().tell(genotypes[extra_scores["child"]], extra_scores=extra_scores, **settings)

        def init_ask_tell(self, genotypes: Any, *, extra_scores: Any, **settings: Any) -> Any:  # type: ignore[override]
            genotypes = genotypes[extra_scores["child"]]
            return super().init_ask_tell(genotypes, extra_scores=extra_scores, **settings)

    # As its own annotations have it, they would return keys as well.
    mutate: Any = partial(polynomial_mutation, proportion_to_mutate=RATE, eta=ETA, minval=0.0, maxval=1.0)
    iso, along = (SIGMA_ISO, SIGMA_LINE) if every else DOCUMENTED
    line: Any = partial(isoline_variation, iso_sigma=iso, line_sigma=along, minval=0.0, maxval=1.0)
    emitter = MixingEmitter(
        mutation_fn=mutate,
        variation_fn=line,
        variation_percentage=1.0 if variation == "line" else 0.0,
        batch_size=BATCH_SIZE,
    )
    form = OfferedToEvery if every else MAPElites
    algorithm = form(of_every_class if every else called, emitter, metrics_function=lambda repertoire: {})

    # The same options of XLA as our own programs have.
    options = of_platform(jax.default_backend())

    @partial(jax.jit, compiler_options=options)
    def first(seed: Array) -> Any:
        key, images_key, init_key = jax.random.split(jax.random.key(seed), 3)
        genotypes = jax.random.uniform(images_key, (BATCH_SIZE, genes))
        repertoire, state, _ = algorithm.init(genotypes, centroids, init_key)
        return repertoire, state, key

    @partial(jax.jit, donate_argnums=0, compiler_options=options)
    def loop(carry: Any, count: Array) -> Any:
        # Its documentation scans so many; a loop whose length is an argument is compiled once.
        return jax.lax.fori_loop(0, count, lambda _, carry: algorithm.scan_update(carry, None)[0], carry)

    return lambda seed: _Search(jax.block_until_ready(first(seed)), loop)


PEERS = {
    f"qdax-{variation}{suffix}": Peer(
        f"QDax MAPElites, {described}, a child for {whom}",
        BATCH_SIZE,
        ("qdax",),
        partial(_prepare, variation, suffix == "-every"),
    )
    for variation, described in (("polynomial", "polynomial mutation"), ("line", "iso+line variation"))
    for suffix, whom in (("", "the class that it is called"), ("-every", "every class"))
}
