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
    def __init__(self, torch: Any, network: Any, device: Any, seed: int) -> None:
        self.torch, self.network, self.device = torch, network, device
        self.random = torch.Generator(device).manual_seed(seed)
        height, width, channels = lenet.IMAGE_SHAPE
        self.children = self._uniform((BATCH_SIZE, channels, height, width))
        self.elites = torch.zeros((len(lenet.CLASS_NAMES), *self.children.shape[1:]), device=device)
        self.fitness = torch.full((len(self.elites),), -torch.inf, dtype=torch.float64, device=device)

    def advance(self, rounds: int) -> int:
        with self.torch.inference_mode():
            for _ in range(rounds):
                self._generation()
        if self.device.type == "cuda":
            self.torch.cuda.synchronize()
        return rounds * BATCH_SIZE

    def _generation(self) -> None:
        torch = self.torch
        # In float64, because in float32 the probability is 1 of thousands of children.
        best, child = torch.log_softmax(self.network(self.children).double(), dim=1).max(dim=0)
        won = best > self.fitness
        self.elites[won], self.fitness[won] = self.children[child[won]], best[won]
        parents = torch.randint(len(self.elites), (BATCH_SIZE,), generator=self.random, device=self.device)
        self.children = self._mutated(self.elites[parents])

    def _mutated(self, genes: Any) -> Any:
        torch = self.torch
        # One draw serves both: what is below the rate mutates, and how far below it is says the step.
        draw = self._uniform(genes.shape)
        mutates = draw < RATE
        own, u = genes[mutates], draw[mutates] / RATE
        down = (2 * u + (1 - 2 * u) * (1 - own) ** (ETA + 1)) ** (1 / (ETA + 1)) - 1
        up = 1 - (2 * (1 - u) + 2 * (u - 0.5) * own ** (ETA + 1)) ** (1 / (ETA + 1))
        genes[mutates] = (own + torch.where(u < 0.5, down, up)).clamp_(0, 1)
        return genes

    def _uniform(self, shape: Any) -> Any:
        return self.torch.rand(shape, generator=self.random, device=self.device)

    def images(self) -> np.ndarray:
        images = self.elites.cpu().numpy().transpose(0, 2, 3, 1).copy()
        images[np.isneginf(self.fitness.cpu().numpy())] = np.nan
        return images


def _prepare() -> Begin:
    import torch

    from benchmarks.peers.torch_lenet import torch_device, torch_lenet

    network, device = torch_lenet(), torch_device()
    return lambda seed: _Search(torch, network, device, seed)


PEERS = {"torch-loop": Peer("a PyTorch loop of the paper's algorithm", BATCH_SIZE, ("torch",), _prepare)}
