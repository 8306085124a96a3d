"""Runs evolution and keeps what it finds: the Python interface."""

import logging
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from qdfool.build import build_classifier, with_classifier
from qdfool.classifiers.logits_check import as_array, check_values
from qdfool.classifiers.names_check import check_class_names
from qdfool.config import BUDGET, Config, override
from qdfool.engine.loop import Chunk, jitted_tell
from qdfool.engine.step import ask
from qdfool.errors import InputError, shown
from qdfool.interrupts import exit_code, interrupts
from qdfool.results.config_file import read_config
from qdfool.results.result import Result
from qdfool.results.run import Run
from qdfool.results.saved_run import SavedRun
from qdfool.results.saved_run import resume as resume_run
from qdfool.results.saved_run import start as start_run
from qdfool.types import Classifier, Record

_LOG = logging.getLogger(__name__)


def evolve(
    config: Config,
    classifier: Any = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    on_chunk: Callable[[Result], None] | None = None,
) -> Result:
    """Evolves images that a classifier is certain of.

    Args:
        config: all settings; see `qdfool.preset`.
        classifier: a `qdfool.Classifier`, a Flax NNX or PyTorch module, or any function from images [B, H, W, C]
            in [0, 1] to logits [B, K], traceable by JAX or not; by default the one that the config names. It
            is called once to be checked. The result's config says what it was instead of `config.classifier`.
        out: run folder, which is made and left as the command line leaves it: a checkpoint every
            `checkpoint_every` seconds and at the end, numbers and pictures at the end. Ctrl-C, SIGTERM and SIGHUP
            then stop after the chunk that is running, and save, where the program has not set handlers of its own
            for them. Without it nothing is written; see `Result.save`.
        overwrite: throw away the run that is in the run folder.
        on_chunk: called with the result so far after every chunk of generations (about a second's work).

    Raises:
        InputError: bad settings, a setting that does not apply to your own classifier, a classifier that fails,
            whatever it raises, or does not return finite logits; or another process has the folder. With `out`,
            what was found until then is saved, and the message says so, as do the notes of what `on_chunk` raises.
        KeyboardInterrupt: Ctrl-C; with `out`, its message says what is saved.
        SystemExit: SIGTERM or SIGHUP, with `out`, after all is saved: 128 and the signal's number.
        OSError: a file cannot be written.
    """
    if out is not None:
        return _evolved(start_run(config, Path(out), classifier, overwrite), on_chunk)
    if classifier is None:
        built = build_classifier(config)
    else:
        config, built = with_classifier(config, classifier)
    run = Run(config, built)
    for _ in run.advance():
        if on_chunk is not None:
            on_chunk(run.result())
    return run.result()


def resume(
    directory: str | Path,
    classifier: Any = None,
    generations: int | None = None,
    evaluations: int | None = None,
    seconds: float | None = None,
    config: Config | None = None,
    on_chunk: Callable[[Result], None] | None = None,
) -> Result:
    """Goes on with the run of a folder, from its newest checkpoint, and saves as `evolve` does with `out`.

    A run that is stopped and resumed ends with the same archive, bit for bit, as one that never stopped.

    Args:
        directory: the run folder.
        classifier: your own that the run began with; needed where it cannot be imported by its name. A file
            of its code that has changed is warned of.
        generations: budget in generations, those before included.
        evaluations: budget in images classified, those before included.
        seconds: budget in seconds of evolution, those before included. If one of the three is given, they take
            the place of the budget that the run had.
        config: the config that the run began with; needed only where it held objects of your own that no module
            can be asked for by name. All else is read from the folder.
        on_chunk: called with the result so far after every chunk of generations.

    Raises:
        InputError: there is no run or checkpoint, a file is damaged, the classifier is not given or has other
            weights, classes or images; and as `evolve` does.
        KeyboardInterrupt: Ctrl-C; its message says what is saved.
        SystemExit: as `evolve` does.
        OSError: a file cannot be read or written.
    """
    saved, _ = read_config(Path(directory), config)
    budget = zip(BUDGET, (generations, evaluations, seconds), strict=True)
    saved = override(saved, {name: limit for name, limit in budget if limit is not None})
    return _evolved(resume_run(saved, Path(directory), classifier), on_chunk)


def _evolved(saved: SavedRun, on_chunk: Callable[[Result], None] | None) -> Result:
    with interrupts(signal.default_int_handler) as received:
        saved.evolve(
            stop=lambda: bool(received),
            on_chunk=None if on_chunk is None else lambda run: on_chunk(run.result()),
        )
    if received == [signal.SIGINT]:
        raise KeyboardInterrupt(saved.what_is_saved())
    if received:
        _LOG.warning(f"{received[0].name}: {saved.what_is_saved()}")
        raise SystemExit(exit_code(received[0]))
    return saved.run.result()


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
        """Makes the first children. The config needs no budget: the caller decides when to stop.

        Raises:
            InputError: bad settings, or one that goes with a classifier which qdfool calls; or names that are not
                two or more unique lines of text.
        """
        _check_applies(config, image_shape)
        names = check_class_names("ask/tell", class_names, None)
        classifier = Classifier("ask/tell", image_shape, names, {}, _not_called, traceable=False)
        self._run = Run(replace(config, classifier=classifier.name), classifier, needs_budget=False)
        self._tell = jitted_tell(self._run.evolution)
        self._since = time.perf_counter()

    def ask(self) -> np.ndarray:
        """The images [B, H, W, C] float32 in [0, 1] to classify; the same until `tell` is called."""
        return np.array(ask(self._run.state))

    def tell(self, logits: Any) -> None:
        """Takes the logits of the images that `ask` gave, and breeds the next.

        Args:
            logits: [B, K], in the order of the images; a PyTorch tensor will do.

        Raises:
            InputError: another shape, probabilities, or logits that are not finite; nothing has changed.
        """
        given = np.asarray(as_array(logits), np.float32)
        expected = (self._run.config.batch_size, len(self._run.classifier.class_names))
        if given.shape != expected:
            raise InputError(f"Expected logits of shape {list(expected)}; got {list(given.shape)}.")
        check_values("tell", given)
        state, record = self._tell(self._run.release(), given)
        records: Record = jax.tree.map(lambda leaf: np.asarray(leaf)[None], record)
        told = time.perf_counter()
        self._run.keep(Chunk(state, records, seconds=told - self._since, compile_seconds=0.0))
        self._since = told

    def result(self) -> Result:
        """What has been found so far."""
        return self._run.result()


def _check_applies(config: Config, image_shape: tuple[int, int, int]) -> None:
    """Checks that no setting is meant for a classifier that qdfool calls."""
    asked = Config()
    for name in ("weights", "precision", "group", "objective"):
        if getattr(config, name) != getattr(asked, name):
            raise InputError(
                f"`{name}` goes with a classifier that qdfool calls, not with ask and tell. Got "
                f"{shown(getattr(config, name))}."
            )
    if config.image_shape not in (None, tuple(image_shape)):
        raise InputError(
            f"AskTell was given images of {list(image_shape)}, but `image_shape` is {list(config.image_shape)}. "
            "Leave `image_shape` away."
        )


def _not_called(parameters: Any, images: Any) -> Any:
    raise NotImplementedError("the classifier of ask/tell is called by the caller")
