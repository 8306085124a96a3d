"""A loop of the paper's algorithm in PyTorch: uniform elites, polynomial mutation of a tenth of the genes, every class.

Written as one would who has PyTorch alone, all of a batch at once and without gradients. The mutation is that of
qdfool's preset: each gene with a probability, then Deb's polynomial step.
"""

from typing import Any

import numpy as np

from benchmarks.peers.search import ETA, RATE, Begin, Peer
from qdfool.classifiers import lenet

BATCH_SIZE = 200


class _Search:
    def __init__(self, torch: Any, network: Any, seed: int) -> None:
        self.torch, self.network = torch, network
        self.random = torch.Generator().manual_seed(seed)
        height, width, channels = lenet.IMAGE_SHAPE
        self.children = torch.rand((BATCH_SIZE, channels, height, width), generator=self.random)
        self.elites = torch.zeros((len(lenet.CLASS_NAMES), *self.children.shape[1:]))
        self.fitness = torch.full((len(self.elites),), -torch.inf, dtype=torch.float64)

    def advance(self, rounds: int) -> int:
        with self.torch.inference_mode():
            for _ in range(rounds):
                self._generation()
        return rounds * BATCH_SIZE

    def _generation(self) -> None:
        torch = self.torch
        # In float64, because in float32 the probability is 1 of thousands of children.
        best, child = torch.log_softmax(self.network(self.children).double(), dim=1).max(dim=0)
        won = best > self.fitness
        self.elites[won], self.fitness[won] = self.children[child[won]], best[won]
        parents = torch.randint(len(self.elites), (BATCH_SIZE,), generator=self.random)
        self.children = self._mutated(self.elites[parents])

    def _mutated(self, genes: Any) -> Any:
        torch = self.torch
        # One draw serves both: what is below the rate mutates, and how far below it is says the step.
        draw = torch.rand(genes.shape, generator=self.random)
        mutates = draw < RATE
        own, u = genes[mutates], draw[mutates] / RATE
        down = (2 * u + (1 - 2 * u) * (1 - own) ** (ETA + 1)) ** (1 / (ETA + 1)) - 1
        up = 1 - (2 * (1 - u) + 2 * (u - 0.5) * own ** (ETA + 1)) ** (1 / (ETA + 1))
        genes[mutates] = (own + torch.where(u < 0.5, down, up)).clamp_(0, 1)
        return genes

    def images(self) -> np.ndarray:
        images = self.elites.numpy().transpose(0, 2, 3, 1).copy()
        images[np.isneginf(self.fitness.numpy())] = np.nan
        return images


def _prepare() -> Begin:
    import torch

    from benchmarks.peers.torch_lenet import torch_lenet

    network = torch_lenet()
    return lambda seed: _Search(torch, network, seed)


PEERS = {"torch-loop": Peer("a PyTorch loop of the paper's algorithm", BATCH_SIZE, ("torch",), _prepare)}
