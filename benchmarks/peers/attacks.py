"""Foolbox and the Adversarial Robustness Toolbox: targeted attacks by gradients, from noise and within all of [0, 1].

One image for each of the ten classes. A round is an attack of some steps that begins where the last one ended, so that
the clock can look in between; plain projected gradient descent remembers nothing else.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.peers.search import GRADIENT_EVALUATIONS, Begin, Peer
from qdfool.classifiers import lenet

CLASSES = len(lenet.CLASS_NAMES)
STEPS = 5
"""Steps of a round."""
STEP = 0.1
"""Of a pixel, by the sign of its gradient: ten of these were enough for seeds 0 and 1. No other was tried."""

Attack = Callable[[np.ndarray], np.ndarray]
"""Images [10, 1, 28, 28], each to become its class, to such images some steps on."""


class _Search:
    def __init__(self, attack: Attack, seed: int) -> None:
        height, width, channels = lenet.IMAGE_SHAPE
        self.current = np.random.default_rng(seed).random((CLASSES, channels, height, width), np.float32)
        self.attack = attack

    def advance(self, rounds: int) -> int:
        for _ in range(rounds):
            self.current = self.attack(self.current)
        return rounds * CLASSES * STEPS * GRADIENT_EVALUATIONS

    def images(self) -> np.ndarray:
        return self.current.transpose(0, 2, 3, 1).copy()


def _foolbox() -> Begin:
    import foolbox  # pyright: ignore[reportMissingImports]
    import torch

    from benchmarks.peers.torch_lenet import torch_device, torch_lenet

    network, device = torch_lenet(), torch_device()
    model = foolbox.PyTorchModel(network, (0, 1), device)  # pyright: ignore[reportPrivateImportUsage]
    wanted = foolbox.criteria.TargetedMisclassification(torch.arange(CLASSES, device=device))
    own = foolbox.attacks.LinfPGD(abs_stepsize=STEP, steps=STEPS, random_start=False)

    def attack(images: np.ndarray) -> np.ndarray:
        # Its call would judge the images and keep none that is not fooled yet; `run` is the attack itself.
        return own.run(model, torch.from_numpy(images).to(device), wanted, epsilon=1.0).cpu().numpy()

    return lambda seed: _Search(attack, seed)


def _art() -> Begin:
    import torch
    from art.attacks.evasion import ProjectedGradientDescentPyTorch  # pyright: ignore[reportMissingImports]
    from art.estimators.classification import PyTorchClassifier  # pyright: ignore[reportMissingImports]

    from benchmarks.peers.torch_lenet import torch_device, torch_lenet

    classifier: Any = PyTorchClassifier(
        model=torch_lenet(),
        loss=torch.nn.CrossEntropyLoss(),
        input_shape=(1, 28, 28),
        nb_classes=CLASSES,
        clip_values=(0.0, 1.0),
        device_type="gpu" if torch_device().type == "cuda" else "cpu",
    )
    own = ProjectedGradientDescentPyTorch(
        classifier,
        norm=np.inf,
        eps=1.0,
        eps_step=STEP,
        max_iter=STEPS,
        targeted=True,
        batch_size=CLASSES,
        verbose=False,
    )
    targets = np.eye(CLASSES, dtype=np.float32)
    return lambda seed: _Search(partial(own.generate, y=targets), seed)


def _peer(name: str, package: str, prepare: Callable[[], Begin]) -> Peer:
    return Peer(f"{name}, targeted PGD from noise (gradients)", CLASSES, (package, "torch"), prepare)


PEERS = {
    "foolbox": _peer("Foolbox", "foolbox", _foolbox),
    "art": _peer("ART", "adversarial-robustness-toolbox", _art),
}
