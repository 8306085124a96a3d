"""CMA-ME of pyribs on the map of digits, in the form that qdfool has it, so that both can be compared.

A `GridArchive` for each digit; every child is offered to each of them, as ours are. As many emitters as the config has
strategies, each in the map of one digit; one that begins anew does so at a random elite of any map, and is then that
map's. The first batch are qdfool's own first images. Genes are brought into [0, 1] before they are decoded and
archived, and the strategy is told of those that it asked for, as with ours.
"""

import math
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np
from ribs.archives import GridArchive
from ribs.emitters import EvolutionStrategyEmitter
from ribs.emitters.opt import SeparableCMAEvolutionStrategy

from qdfool.build import build_classifier, build_evolution
from qdfool.build.defaults import with_defaults
from qdfool.build.measures import build_measures, grid_ranges
from qdfool.compilation import compiler_options
from qdfool.config import Config
from qdfool.engine.objectives import confidence, log_odds
from qdfool.engine.step import init
from qdfool.results.history import VERY_SURE
from qdfool.types import Array, Genome


@dataclass(frozen=True)
class Figures:
    """What an archive came to."""

    coverage: float
    qd_score: float
    cells_at_9999: int
    evaluations: int
    seconds: float
    """Without compilation."""


class StepByLength(SeparableCMAEvolutionStrategy):
    """pyribs' strategy with the step size of evosax, which is that of Hansen 2016 (The CMA evolution strategy: a
    tutorial, equation 44): it follows the length of the path, without a bound; pyribs' own follows its square, and
    grows by a factor of e at most."""

    def tell(self, ranking_indices: np.ndarray, ranking_values: np.ndarray, num_parents: Any) -> None:
        """As pyribs', but for the step size."""
        before, genes = self.sigma, self.solution_dim
        super().tell(ranking_indices, ranking_values, num_parents)
        if num_parents:
            _, selected, _, rate, _, _ = self._calc_strat_params(genes, num_parents)
            damping = 1 + 2 * max(0.0, math.sqrt((selected - 1) / (genes + 1)) - 1) + rate
            expected = math.sqrt(genes) * (1 - 1 / (4 * genes) + 1 / (21 * genes**2))
            path: Any = self.ps
            self.sigma = before * math.exp(rate / damping * (np.linalg.norm(path) / expected - 1))


def pyribs_cma_me(config: Config, strategy: Any = "sep_cma_es") -> Figures:
    """Fills the archives with the config's evaluations.

    Args:
        config: of pixels and a grid archive, with `evolution_strategy` and an evaluation budget.
        strategy: what pyribs' emitter takes for `es`.
    """
    classifier = build_classifier(config)
    config = with_defaults(config, classifier.image_shape)
    evolution = build_evolution(config, classifier)
    classes, shape = len(classifier.class_names), classifier.image_shape

    # The same options of XLA as our own programs have.
    @partial(jax.jit, compiler_options=compiler_options(classifier, jax.default_backend()))
    def evaluate(genes: Genome) -> tuple[Array, Array]:
        images = jax.vmap(evolution.decode)(genes)
        logits = classifier.logits(classifier.parameters, images)
        return jax.vmap(log_odds)(logits), jax.vmap(evolution.measure)(images)

    random = np.random.default_rng(config.seed)
    first = np.asarray(init(evolution, jax.random.key(config.seed)).children)
    jax.block_until_ready(evaluate(first))
    solutions = first.reshape(len(first), -1).astype(np.float64)
    maps = [
        GridArchive(
            solution_dim=solutions.shape[1],
            dims=config.cells,
            ranges=grid_ranges(config, build_measures(config)),
            # Maps of one seed would draw alike: emitters of different digits would begin at elites of the same cells.
            seed=int(random.integers(2**31)),
        )
        for _ in range(classes)
    ]

    def offer(solutions: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[dict[str, np.ndarray]]]:
        """Evaluates solutions, offers each to every map; returns log-odds, measures, and what each map says."""
        within = np.clip(solutions, 0.0, 1.0)
        fitness, measures = (
            np.asarray(part) for part in evaluate(within.reshape(-1, *shape).astype(np.float32))
        )
        return (
            fitness,
            measures,
            [archive.add(within, fitness[:, number], measures) for number, archive in enumerate(maps)],
        )

    def emitter() -> tuple[int, EvolutionStrategyEmitter]:
        """One that begins at a random elite of all maps, with the number of its map."""
        sizes = np.array([archive.stats.num_elites for archive in maps])
        number = int(random.choice(classes, p=sizes / sizes.sum()))
        return number, EvolutionStrategyEmitter(
            maps[number],
            x0=maps[number].sample_elites(1)["solution"][0],
            sigma0=config.evolution_strategy.sigma,
            es=strategy,
            selection_rule="mu",
            restart_rule="no_improvement",
            batch_size=config.batch_size // config.evolution_strategy.strategies,
            seed=int(random.integers(2**31)),
        )

    began = time.perf_counter()
    offer(solutions)
    generations = config.budget_generations() or 1
    emitters = [emitter() for _ in range(config.evolution_strategy.strategies)]
    for _ in range(generations - 1):
        asked = [own.ask() for _, own in emitters]
        fitness, measures, told = offer(np.concatenate(asked))
        begin = 0
        for place, (number, own) in enumerate(emitters):
            rows = slice(begin, begin + len(asked[place]))
            begin = rows.stop
            add_info = {name: values[rows] for name, values in told[number].items()}
            own.tell(asked[place], fitness[rows, number], measures[rows], add_info)
            if own.restarts:
                emitters[place] = emitter()
    seconds = time.perf_counter() - began
    confidences = [np.asarray(confidence(archive.data("objective"))) for archive in maps]
    return Figures(
        coverage=sum(float(archive.stats.coverage) for archive in maps) / classes,
        qd_score=float(sum(part.sum() for part in confidences)),
        cells_at_9999=int(sum((part >= VERY_SURE).sum() for part in confidences)),
        evaluations=generations * config.batch_size,
        seconds=seconds,
    )
