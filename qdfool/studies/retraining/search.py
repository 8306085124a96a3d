"""The rounds: a network is trained, images are evolved against it, the next network learns from them."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from qdfool.config import Config
from qdfool.engine.step import Evolution
from qdfool.genomes.levels import to_uint8
from qdfool.results.run import Run
from qdfool.studies.retraining import report
from qdfool.studies.retraining.conditions import (
    BEFORE,
    DEFENCES,
    DIGITS,
    FULL,
    QUICK,
    Size,
)
from qdfool.studies.retraining.networks import (
    Fooling,
    Network,
    learned,
    network_of,
    training_key,
)
from qdfool.studies.study import Figures, Workbench, fingerprint
from qdfool.types import Classifier

MOST_ROUNDS = 100
"""Seeds of evolution are the study's times this, and the round: every round begins with other images."""


def fool(
    config: Config, classifier: Classifier, evolution: Evolution | None
) -> tuple[Mapping[str, Any], Evolution]:
    """Evolves images against a network: a unit, and the functions that the next one can use, too.

    `fitness` [T, 10] are the digits' best log-odds after `evaluations` [T], as they are charged; `images` the digits'
    elites, `first` and `last` what is learned from, all uint8: see `Fooling`.
    """
    run = Run(config, classifier, evolution=evolution)
    first = np.asarray(to_uint8(run.state.images))
    for _ in run.advance():
        pass
    result = run.result()
    images = result.levels(result.best()[:DIGITS])
    if result.grid_cells() > 1:
        cells = result.cells()
        last = np.unique(result.levels(cells[cells < DIGITS * result.grid_cells()]), axis=0)
    else:
        # What waits to be scored are children of the last elites.
        last = np.concatenate([images, np.asarray(to_uint8(run.state.images))])[: len(first)]
    figures = {
        "evaluations": run.config.charges().of(run.history.generation.astype(np.int64)),
        "fitness": run.history.fitness[:, :DIGITS],
        "images": images,
        "first": first,
        "last": last,
    }
    return figures, run.evolution


class Seed:
    """The rounds of one seed, of all defences."""

    def __init__(self, bench: Workbench, size: Size, seed: int, evolutions: dict[str, Evolution]) -> None:
        """`evolutions` are the functions of each way, which all seeds share."""
        self.networks: dict[tuple[str, int], Figures] = {}
        """By defence (or `BEFORE`) and round; see `learned`."""
        self.fooled: dict[tuple[str, int, str], Figures] = {}
        """By defence, round and way; see `fool`."""
        self._bench, self._size, self._seed, self._evolutions = bench, size, seed, evolutions

    def defend(self, name: str) -> None:
        """All rounds of a defence, from round 0, which all have in common."""
        fooling: list[Fooling] = []
        network: Network | None = None
        for number in range(self._size.rounds_of(name) + 1):
            network = self._network(name, number, network, fooling)
            for way in self._size.ways(name, number):
                self._fool(network, way)
            last = self.fooled[network.row, number, DEFENCES[name].learns]
            fooling.append(Fooling(last["first"], last["last"]))

    def _network(self, name: str, number: int, former: Network | None, fooling: list[Fooling]) -> Network:
        """The network of a round: trained now, or read where it was trained before."""
        defence = DEFENCES[name] if number else None
        row = name if number else BEFORE
        if (row, number) not in self.networks:
            key = training_key(self._seed, row, number)
            parameters = former.parameters if former else {}
            compute = partial(
                learned, defence, parameters, list(fooling), self._bench.mnist(), self._size, key
            )
            inputs = fingerprint(*(images for of_round in fooling for images in of_round))
            inputs += former.classifier.fingerprint if former else ""
            condition = f"{row}-{number:02d}-network"
            self.networks[row, number] = self._bench.unit(condition, self._seed, compute, inputs=inputs)
        figures = self.networks[row, number]
        return network_of(row, number, figures, defence is not None and defence.nothing)

    def _fool(self, network: Network, way: str) -> None:
        key = (network.row, network.number, way)
        if key in self.fooled:
            return
        config = self._size.config(way, MOST_ROUNDS * self._seed + network.number)

        def compute() -> Mapping[str, Any]:
            figures, self._evolutions[way] = fool(config, network.classifier, self._evolutions.get(way))
            return figures

        condition = f"{network.row}-{network.number:02d}-{way}"
        inputs = network.classifier.fingerprint
        self.fooled[key] = self._bench.unit(condition, self._seed, compute, inputs=inputs)


def units_of(size: Size) -> int:
    """Units of a seed."""
    rounds = [(name, number) for name in size.defences for number in range(1, size.rounds_of(name) + 1)]
    return 1 + len(size.ways(BEFORE, 0)) + sum(1 + len(size.ways(*of)) for of in rounds)


def run(bench: Workbench) -> None:
    """Retrains, evolves, and reports."""
    size = QUICK if bench.quick else FULL
    # The defences beyond the paper are of the first seeds alone.
    sizes = {seed: size if seed < size.seeds_of_others else size._replace(others=()) for seed in bench.seeds}
    bench.expect(sum(map(units_of, sizes.values())))
    bench.mnist()  # What is missing is said before anything is computed.
    evolutions: dict[str, Evolution] = {}
    seeds = []
    for seed, of_seed in sizes.items():
        rounds = Seed(bench, of_seed, seed, evolutions)
        for name in of_seed.defences:
            rounds.defend(name)
        seeds.append(rounds)
    report.write(bench, size, [each.networks for each in seeds], [each.fooled for each in seeds])
