"""Runs evolution and keeps what it finds: the Python interface."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from qdfool.build import build_classifier
from qdfool.classifiers import custom
from qdfool.config import Config
from qdfool.engine.loop import Chunk, jitted_tell
from qdfool.engine.step import ask
from qdfool.errors import InputError
from qdfool.results.result import Result
from qdfool.results.run import Run
from qdfool.types import Classifier, Record


def evolve(
    config: Config,
    classifier: Any = None,
    on_chunk: Callable[[Result], None] | None = None,
) -> Result:
    """Evolves images that a classifier is sure of.

    Args:
        config: all settings; see `qdfool.preset`.
        classifier: a `qdfool.Classifier`, a Flax NNX module, or any function from images [B, H, W, C] in
            [0, 1] to logits [B, K], traceable by JAX or not; by default the one that the config names.
        on_chunk: called with the result so far after every chunk of generations (about a second's work).

    Raises:
        InputError: bad settings, or a classifier that does not return finite logits.
    """
    if classifier is None:
        classifier = build_classifier(config)
    else:
        name = getattr(classifier, "__name__", type(classifier).__name__)
        classifier = custom.wrap(classifier, name, config.image_shape or (28, 28, 1))
        custom.check(classifier)
    run = Run(config, classifier)
    for _ in run.advance():
        if on_chunk is not None:
            on_chunk(run.result())
    return run.result()


class AskTell:
    """Evolution with the classifier outside: ask for images, tell their logits.

    For a classifier that is not a function to be called (a service, a queue, another process). The
    archive, the operators and the outputs are those of `evolve`; its seconds are those between two calls of
    `tell`, compilation and the classifier's own time included.

        audit = AskTell(config, image_shape=(28, 28, 1), class_names=names)
        for _ in range(200):
            audit.tell(my_service(audit.ask()))
        audit.result().save("archives/my-service")
    """

    def __init__(self, config: Config, image_shape: tuple[int, int, int], class_names: Sequence[str]) -> None:
        """Makes the first children. The config's budget is not looked at: the caller decides when to stop.

        Raises:
            InputError: bad settings.
        """
        classifier = Classifier("ask/tell", image_shape, tuple(class_names), {}, _not_called, traceable=False)
        self._run = Run(config, classifier)
        self._tell = jitted_tell(self._run.evolution)
        self._since = time.perf_counter()

    def ask(self) -> np.ndarray:
        """The images [B, H, W, C] float32 in [0, 1] to classify; the same until `tell` is called."""
        return np.array(ask(self._run.state))

    def tell(self, logits: Any) -> None:
        """Takes the logits of the images that `ask` gave, and breeds the next.

        Args:
            logits: [B, K], in the order of the images.

        Raises:
            InputError: another shape, probabilities, or logits that are not finite; nothing has changed.
        """
        given = np.asarray(logits, np.float32)
        expected = (self._run.config.batch_size, len(self._run.classifier.class_names))
        if given.shape != expected:
            raise InputError(f"Expected logits of shape {list(expected)}; got {list(given.shape)}.")
        custom.check_values("tell", given)
        state, record = self._tell(self._run.release(), given)
        records: Record = jax.tree.map(lambda leaf: np.asarray(leaf)[None], record)
        told = time.perf_counter()
        self._run.keep(Chunk(state, records, seconds=told - self._since, compile_seconds=0.0))
        self._since = told

    def result(self) -> Result:
        """What has been found so far."""
        return self._run.result()


def _not_called(parameters: Any, images: Any) -> Any:
    raise NotImplementedError("the classifier of ask/tell is called by the caller")
