"""DEAP: a toolbox with its own operators, in the shape of its documented loops, and ten elites as the population.

DEAP has no MAP-Elites; its example of one individual a niche is a dictionary of the best. Individuals are arrays of
floats, mutated by `mutPolynomialBounded`, which goes gene by gene in Python; PyTorch evaluates them in one batch.
"""

import random
from array import array
from functools import partial
from typing import Any

import numpy as np

from benchmarks.peers.search import ETA, RATE, Begin, Peer, found
from qdfool.classifiers import lenet

BATCH_SIZE = 200
GENES = int(np.prod(lenet.IMAGE_SHAPE))


class _Search:
    def __init__(self, toolbox: Any, seed: int, every: bool) -> None:
        self.toolbox, self.every = toolbox, every
        random.seed(seed)
        self.offspring = [toolbox.individual() for _ in range(BATCH_SIZE)]
        self.elites: dict[int, Any] = {}
        self.fitness = np.full(len(lenet.CLASS_NAMES), -np.inf)

    def advance(self, rounds: int) -> int:
        for _ in range(rounds):
            self._generation()
        return rounds * BATCH_SIZE

    def _generation(self) -> None:
        scores = self.toolbox.evaluate_all(self.offspring)
        if not self.every:
            scores = np.where(scores == scores.max(axis=1, keepdims=True), scores, -np.inf)
        for number, child in enumerate(scores.argmax(axis=0)):
            if scores[child, number] > self.fitness[number]:
                self.elites[number] = self.offspring[child]
                self.fitness[number] = scores[child, number]
        parents = random.choices(list(self.elites.values()), k=BATCH_SIZE)
        self.offspring = [self.toolbox.mutate(self.toolbox.clone(parent))[0] for parent in parents]

    def images(self) -> np.ndarray:
        return found(len(self.fitness), list(self.elites.items()), lenet.IMAGE_SHAPE)


def _prepare(every: bool) -> Begin:
    import torch
    from deap import base, tools  # pyright: ignore[reportMissingImports]

    from benchmarks.peers.torch_lenet import torch_device, torch_lenet

    network, device = torch_lenet(), torch_device()
    height, width, channels = lenet.IMAGE_SHAPE

    def evaluate_all(individuals: list[Any]) -> np.ndarray:
        images = torch.from_numpy(np.array(individuals, np.float32)).reshape(-1, channels, height, width)
        with torch.inference_mode():
            return torch.log_softmax(network(images.to(device)).double(), dim=1).cpu().numpy()

    toolbox = base.Toolbox()
    toolbox.register("individual", lambda: tools.initRepeat(partial(array, "d"), random.random, GENES))
    toolbox.register("evaluate_all", evaluate_all)
    toolbox.register("mutate", tools.mutPolynomialBounded, eta=ETA, low=0.0, up=1.0, indpb=RATE)
    return lambda seed: _Search(toolbox, seed, every)


def _peer(every: bool, whom: str) -> Peer:
    return Peer(
        f"DEAP, polynomial mutation, a child for {whom}",
        BATCH_SIZE,
        ("deap", "torch"),
        partial(_prepare, every),
    )


PEERS = {
    "deap": _peer(False, "the class that it is called"),
    "deap-every": _peer(True, "every class"),
}
