"""Detectors: from what a network says of images to how much each is like those that the network was made for.

Pure functions of arrays, whatever network, data or search they come from. Every score is higher for what is more like a
real image: a monitor lets an image pass from a threshold on (`rates.py`). `SCORES` has them by name.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_softmax, logsumexp, rel_entr
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors

from qdfool.errors import InputError, in_range, known_name

TEMPERATURE = 1000.0
"""Of ODIN, the best of the values that its authors tried."""


class Seen(NamedTuple):
    """What a network, and others beside it, made of B images; None is what was not asked."""

    logits: np.ndarray
    """[B, K]."""
    features: np.ndarray | None = None
    """[B, F], the activations before the last layer."""
    perturbed: np.ndarray | None = None
    """[B, K], the logits of the images after ODIN's step towards the class that they are called."""
    others: np.ndarray | None = None
    """[M, B, K], the logits of other networks."""


class Gaussians(NamedTuple):
    """A normal distribution of features for each class, all of one covariance."""

    means: np.ndarray
    """[K, F]."""
    precision: np.ndarray
    """[F, F], the inverse of the covariance."""


class Reference(NamedTuple):
    """What is kept of training images."""

    gaussians: Gaussians
    neighbours: np.ndarray
    """[n, F], their features, each scaled to length 1."""
    neighbour: int
    """Which neighbour's distance is taken: 1 is the nearest."""


def reference(
    features: ArrayLike | None, labels: ArrayLike | None, classes: int, neighbours: int
) -> Reference:
    """What `mahalanobis` and `nearest_neighbours` compare with.

    The covariance is scikit-learn's of Ledoit and Wolf, of the features less the mean of their class: units that no
    training image excites would leave the empirical one without an inverse.

    Args:
        features: [n, F] of training images.
        labels: [n] integers, their classes.
        classes: K.
        neighbours: which neighbour's distance is taken.

    Raises:
        InputError: there are no training images, fewer than `neighbours`, none of some class, other numbers of features
            and labels, or features that are not finite.
    """
    if features is None or labels is None or np.size(features) == 0:
        raise InputError(
            "mahalanobis and neighbours compare with training images. Expected their features [n, F] and labels [n]; "
            "got none. Give them, or take detectors that need none: max-softmax, max-logit, energy, odin."
        )
    known, labels = np.asarray(features, np.float64), np.asarray(labels)
    if known.ndim != 2 or labels.shape != (len(known),) or not np.isfinite(known).all():
        raise InputError(
            f"Expected finite features [n, F] and labels [n] of training images; got {list(known.shape)} and "
            f"{list(labels.shape)}{'' if np.isfinite(known).all() else ', not all of them finite'}."
        )
    in_range("neighbours (of that many training images)", neighbours, 1, len(known))
    counts = [int((labels == label).sum()) for label in range(classes)]
    if 0 in counts:
        raise InputError(
            f"mahalanobis needs training images of each of {classes} classes; got none of class {counts.index(0)}. "
            "Give more training images."
        )
    means = np.stack([known[labels == label].mean(axis=0) for label in range(classes)])
    fitted = LedoitWolf(assume_centered=True).fit(known - means[labels])
    precision = np.asarray(fitted.get_precision())
    return Reference(Gaussians(means, precision), _of_length_one(known), neighbours)


def maximum_softmax(logits: ArrayLike) -> np.ndarray:
    """[B] the largest softmax, as its log-odds: in the same order, and not rounded to 1 for all that is certain.

    Source: D. Hendrycks, K. Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples in
    Neural Networks", ICLR 2017 (arXiv 1610.02136).
    """
    logits = np.sort(np.asarray(logits, np.float64), axis=1)
    return logits[:, -1] - logsumexp(logits[:, :-1], axis=1)


def maximum_logit(logits: ArrayLike) -> np.ndarray:
    """[B] the largest logit.

    Source: D. Hendrycks et al., "Scaling Out-of-Distribution Detection for Real-World Settings", ICML 2022
    (arXiv 1911.11132).
    """
    return np.asarray(logits, np.float64).max(axis=1)


def energy(logits: ArrayLike, temperature: float = 1.0) -> np.ndarray:
    """[B] the negative free energy T log sum exp(logits / T).

    Source: W. Liu, X. Wang, J. Owens, Y. Li, "Energy-based Out-of-distribution Detection", NeurIPS 2020
    (arXiv 2010.03759).
    """
    return temperature * logsumexp(np.asarray(logits, np.float64) / temperature, axis=1)


def odin(perturbed: ArrayLike, temperature: float = TEMPERATURE) -> np.ndarray:
    """[B] the largest softmax at a temperature, of images that were moved towards the class that they are called.

    Source: S. Liang, Y. Li, R. Srikant, "Enhancing The Reliability of Out-of-distribution Image Detection in Neural
    Networks", ICLR 2018 (arXiv 1706.02690).

    Args:
        perturbed: [B, K] logits of the moved images (`monitor.perturb`).
        temperature: above 0.
    """
    return np.exp(log_softmax(np.asarray(perturbed, np.float64) / temperature, axis=1).max(axis=1))


def mahalanobis(features: ArrayLike, gaussians: Gaussians) -> np.ndarray:
    """[B] the negative square of the Mahalanobis distance to the nearest mean of a class.

    Source: K. Lee, K. Lee, H. Lee, J. Shin, "A Simple Unified Framework for Detecting Out-of-Distribution Samples and
    Adversarial Attacks", NeurIPS 2018 (arXiv 1807.03888), of one layer and without input perturbation.
    """
    features = np.asarray(features, np.float64)
    squares = [_square(features - mean, gaussians.precision) for mean in gaussians.means]
    return -np.min(squares, axis=0)


def nearest_neighbours(features: ArrayLike, known: ArrayLike, count: int) -> np.ndarray:
    """[B] the negative distance to the `count`-th nearest training image, of features scaled to length 1.

    Source: Y. Sun, Y. Ming, X. Zhu, Y. Li, "Out-of-Distribution Detection with Deep Nearest Neighbors", ICML 2022
    (arXiv 2204.06507).

    Args:
        features: [B, F].
        known: [n, F] of training images, of length 1.
        count: 1 is the nearest.
    """
    search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(np.asarray(known))
    distances, _ = search.kneighbors(_of_length_one(np.asarray(features, np.float64)))
    return -distances[:, -1]


def disagreement(logits: ArrayLike) -> np.ndarray:
    """[B] the negative sum over networks of the Kullback-Leibler divergence, in nats, of each one's softmax from the
    mean softmax.

    Source: B. Lakshminarayanan, A. Pritzel, C. Blundell, "Simple and Scalable Predictive Uncertainty Estimation using
    Deep Ensembles", NeurIPS 2017 (arXiv 1612.01474), section 3.5.

    Args:
        logits: [M, B, K] of M networks.
    """
    softmax = np.exp(log_softmax(np.asarray(logits, np.float64), axis=2))
    return -rel_entr(softmax, softmax.mean(axis=0)).sum(axis=(0, 2))


def _by_mahalanobis(seen: Seen, known: Reference | None) -> np.ndarray:
    features, known = _of_training(seen, known, "mahalanobis", known and known.gaussians.means)
    return mahalanobis(features, known.gaussians)


def _by_neighbours(seen: Seen, known: Reference | None) -> np.ndarray:
    features, known = _of_training(seen, known, "neighbours", known and known.neighbours)
    return nearest_neighbours(features, known.neighbours, known.neighbour)


def _by_odin(seen: Seen, known: Reference | None) -> np.ndarray:
    if seen.perturbed is None:
        raise InputError(
            "odin needs the logits of images moved by a step that their gradient gives. Expected `perturbed` [B, K]; "
            "got none: of a classifier that JAX cannot trace there is no gradient. Take max-logit or energy."
        )
    return odin(seen.perturbed)


def _by_disagreement(seen: Seen, known: Reference | None) -> np.ndarray:
    shape = np.shape(seen.others) if seen.others is not None else ()
    if seen.others is None or len(shape) != 3 or shape[0] == 0 or shape[1:] != np.shape(seen.logits):
        raise InputError(
            f"disagreement needs other networks of the same classes. Expected `others` [M, B, K] with B and K of "
            f"{list(np.shape(seen.logits))}; got {list(shape) if shape else 'none'}."
        )
    return disagreement(np.concatenate([np.asarray(seen.logits)[None], seen.others]))


SCORES: dict[str, Callable[[Seen, Reference | None], np.ndarray]] = {
    "max-softmax": lambda seen, known: maximum_softmax(seen.logits),
    "max-logit": lambda seen, known: maximum_logit(seen.logits),
    "energy": lambda seen, known: energy(seen.logits),
    "odin": _by_odin,
    "mahalanobis": _by_mahalanobis,
    "neighbours": _by_neighbours,
    "disagreement": _by_disagreement,
}
"""The detectors by name."""


def scores(
    seen: Seen, known: Reference | None = None, names: Iterable[str] = tuple(SCORES)
) -> dict[str, np.ndarray]:
    """What detectors make of images: name to [B], higher for what is more like a real image.

    Args:
        seen: what networks made of the images.
        known: what is kept of training images; see `reference`.
        names: of `SCORES`.

    Raises:
        InputError: a name is unknown, or a detector needs what is not there: training images, features, other
            networks, perturbed images.
    """
    return {name: SCORES[known_name("detector", name, SCORES)](seen, known) for name in names}


def _of_training(
    seen: Seen, known: Reference | None, name: str, kept: np.ndarray | None
) -> tuple[np.ndarray, Reference]:
    """Features of images, and what they are compared with."""
    if known is None or kept is None:
        raise InputError(
            f"{name} compares with training images. Expected what `reference` makes of their features and labels; got "
            "none. Give it, or take detectors that need none: max-softmax, max-logit, energy, odin."
        )
    width, given = kept.shape[1], None if seen.features is None else np.shape(seen.features)
    if seen.features is None or given != (len(seen.logits), width):
        raise InputError(
            f"{name} needs the features of the layer that the training images' are of. Expected "
            f"{[len(seen.logits), width]}; got {'none' if given is None else list(given)}."
        )
    return seen.features, known


def _square(apart: np.ndarray, precision: np.ndarray) -> np.ndarray:
    return np.einsum("bf,bf->b", apart @ precision, apart)


def _of_length_one(features: np.ndarray) -> np.ndarray:
    """Each of [n, F] divided by its length; one of zeros stays so."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(length > 0, length, 1.0)
