"""pyribs: its own recipe for this task, and stronger forms of it.

The recipe is the tutorial "Generating Images to Fool an MNIST Classifier" (docs.pyribs.org): a GridArchive of ten
cells, a GaussianEmitter of sigma 0.5 and batch 30 that begins with grey, PyTorch, an image for the digit that it is
called, and the probability of it as the objective; here with the packaged LeNet in the place of its own network. The
stronger forms have our jitted LeNet, batches of 200, log-odds (a probability in float32 is 1 for thousands of images),
other steps, and every child offered to every class.
"""

from functools import partial
from typing import Any

import jax
import numpy as np

from benchmarks.peers.search import SIGMA_ISO, SIGMA_LINE, Begin, Peer, found
from qdfool.classifiers import lenet
from qdfool.compilation import compiler_options
from qdfool.engine.objectives import log_odds

SHAPE = lenet.IMAGE_SHAPE
CLASSES = len(lenet.CLASS_NAMES)
GENES = int(np.prod(SHAPE))


class _Search:
    def __init__(self, archive: Any, emitter: Any, evaluate: Any, every: bool) -> None:
        self.archive, self.emitter, self.evaluate, self.every = archive, emitter, evaluate, every

    def advance(self, rounds: int) -> int:
        evaluations = 0
        for _ in range(rounds):
            solutions = self.emitter.ask()
            scores = self.evaluate(solutions)
            if self.every:
                # The best child of each class: the archive that adding all of them ten times would leave, and far
                # cheaper. These emitters remember nothing that they could be told.
                self.archive.add(
                    solutions[scores.argmax(axis=0)], scores.max(axis=0), np.arange(CLASSES)[:, None]
                )
            else:
                called = scores.argmax(axis=1)
                add_info = self.archive.add(solutions, scores.max(axis=1), called[:, None])
                self.emitter.tell(solutions, scores.max(axis=1), called[:, None], add_info)
            evaluations += len(solutions)
        return evaluations

    def images(self) -> np.ndarray:
        elites = self.archive.data(["index", "solution"])
        return found(CLASSES, list(zip(elites["index"], elites["solution"], strict=True)), SHAPE)


def _probabilities_of_torch() -> Any:
    import torch

    from benchmarks.peers.torch_lenet import torch_device, torch_lenet

    network, device = torch_lenet(), torch_device()

    def evaluate(solutions: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            images = torch.tensor(solutions.reshape(-1, 1, *SHAPE[:2]), dtype=torch.float32, device=device)
            return torch.softmax(network(images), dim=1).cpu().numpy()

    return evaluate


def _log_odds_of_ours() -> Any:
    classifier = lenet.classifier()

    # The same options of XLA as our own programs have.
    @partial(jax.jit, compiler_options=compiler_options(classifier, jax.default_backend()))
    def jitted(images: Any) -> Any:
        return jax.vmap(log_odds)(classifier.logits(classifier.parameters, images))

    return lambda solutions: np.asarray(jitted(solutions.reshape(-1, *SHAPE).astype(np.float32)))


def _prepare(emitter: str, sigma: float, batch_size: int, every: bool, torch: bool) -> Begin:
    from ribs.archives import GridArchive
    from ribs.emitters import GaussianEmitter, IsoLineEmitter

    evaluate = _probabilities_of_torch() if torch else _log_odds_of_ours()

    def begin(seed: int) -> _Search:
        archive = GridArchive(solution_dim=GENES, dims=[CLASSES], ranges=[(0, CLASSES)], seed=seed)
        settings: dict[str, Any] = {
            "x0": np.full(GENES, 0.5),
            "lower_bounds": np.zeros(GENES),
            "upper_bounds": np.ones(GENES),
            "batch_size": batch_size,
            "seed": seed,
        }
        if emitter == "line":
            own = IsoLineEmitter(archive, iso_sigma=sigma, line_sigma=SIGMA_LINE, **settings)
        else:
            own = GaussianEmitter(archive, sigma=sigma, **settings)
        return _Search(archive, own, evaluate, every)

    return begin


def _peer(
    description: str,
    emitter: str,
    sigma: float,
    batch_size: int = 200,
    every: bool = True,
    torch: bool = False,
) -> Peer:
    prepare = partial(_prepare, emitter, sigma, batch_size, every, torch)
    return Peer(f"pyribs, {description}", batch_size, ("torch",) if torch else (), prepare)


PEERS = {
    "pyribs-recipe": _peer(
        "its tutorial's recipe: PyTorch, batch 30, sigma 0.5, a child for the class that it is called",
        "gaussian",
        0.5,
        batch_size=30,
        every=False,
        torch=True,
    ),
    "pyribs-recipe-jax": _peer(
        "the recipe with our jitted LeNet and log-odds, batch 200, a child for the class that it is called",
        "gaussian",
        0.5,
        every=False,
    ),
    "pyribs-gaussian": _peer(
        "our jitted LeNet, Gaussian of sigma 0.03, a child for the class that it is called",
        "gaussian",
        0.03,
        every=False,
    ),
    "pyribs-gaussian-every": _peer(
        "our jitted LeNet, Gaussian of sigma 0.03, a child for every class", "gaussian", 0.03
    ),
    "pyribs-line-every": _peer(
        "our jitted LeNet, iso+line variation, a child for every class", "line", SIGMA_ISO
    ),
}
