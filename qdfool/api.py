"""Runs evolution and keeps what it finds: the Python interface."""

import logging
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, overload

import jax
import numpy as np

from qdfool import build
from qdfool.classifiers.logits_check import as_array, check_answer, check_values, in_float32
from qdfool.classifiers.names_check import check_class_names
from qdfool.config import BUDGET, Config, check_seeds, checked_image_shape, override, validate
from qdfool.engine.loop import Chunk, check_valid, jitted_tell
from qdfool.engine.step import ask
from qdfool.errors import InputError, code_of_a_user, shown
from qdfool.hosts import refuse_several
from qdfool.interrupts import exit_code, interrupts
from qdfool.results.config_file import NOT_COMPARED, check_given, read_config, read_config_of_seeds
from qdfool.results.loading import load
from qdfool.results.opening import named_or_own, new_run
from qdfool.results.opening import resume as resume_run
from qdfool.results.opening import start as start_run
from qdfool.results.result import Result
from qdfool.results.run import Run, advance_together
from qdfool.results.run_folder import folder_given
from qdfool.results.saved_run import SavedRun
from qdfool.results.saved_seeds import SavedSeeds
from qdfool.results.saved_seeds import resume as resume_saved_seeds
from qdfool.results.saved_seeds import start as start_seeds
from qdfool.types import Classifier, Record

_LOG = logging.getLogger(__name__)


@overload
def evolve(
    config: Config,
    classifier: Any = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    on_chunk: Callable[[Result], None] | None = None,
    seeds: None = None,
) -> Result: ...


@overload
def evolve(
    config: Config,
    classifier: Any = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    on_chunk: Callable[[Result], None] | None = None,
    *,
    seeds: Iterable[int],
) -> tuple[Result, ...]: ...


def evolve(
    config: Config,
    classifier: Any = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    on_chunk: Callable[[Result], None] | None = None,
    seeds: Iterable[int] | None = None,
) -> Result | tuple[Result, ...]:
    """Evolves images that a classifier is certain of.

    Several processes that `jax.distributed.initialize` has brought together evolve one archive, on the devices of all:
    each calls this with the same arguments, and with a folder `out` that all share; see docs/scale.md.

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
        on_chunk: called with the result so far after every chunk of generations (about a second's work); of several
            seeds side by side with that of each.
        seeds: evolves an archive for each of these seeds instead of the config's, with the same compiled program and
            each with the whole budget, one after the other or side by side, as `seeds_at_once` says; returns their
            results in this order. `out` then has a run folder `seedN` for each, and `summary.json` and `curves.png`
            over them; see `resume_seeds`.

    Raises:
        InputError: bad settings or seeds, a setting that does not apply to your own classifier, a classifier that
            fails, whatever it raises, or does not return finite logits; or another process has the folder. With `out`,
            what was found until then is saved, and the message says so, as do the notes of what `on_chunk` raises.
        KeyboardInterrupt: Ctrl-C; with `out`, its message says what is saved.
        SystemExit: SIGTERM or SIGHUP, with `out`, after all is saved: 128 and the signal's number.
        OSError: a file cannot be written.
    """
    if seeds is not None:
        return _evolved_of_seeds(config, seeds, classifier, out, overwrite, on_chunk)
    if out is not None:
        return _evolved(start_run(config, folder_given("out", out), classifier, overwrite), on_chunk)
    return _advanced([new_run(config, classifier)], on_chunk)[0]


def _evolved_of_seeds(
    config: Config,
    seeds: Iterable[int],
    classifier: Any,
    out: str | Path | None,
    overwrite: bool,
    on_chunk: Callable[[Result], None] | None,
) -> tuple[Result, ...]:
    seeds = check_seeds(seeds)
    refuse_several("evolve `seeds`")
    if out is not None:
        return _evolved_seeds(
            start_seeds(config, seeds, folder_given("out", out), classifier, overwrite), on_chunk
        )
    validate(config)
    config, built = named_or_own(build.with_pictures(config), classifier)
    first = Run(replace(config, seed=seeds[0]), built, begins=False)
    build.warn_of_what_has_no_effect(replace(config, batch_size=first.config.batch_size), built.image_shape)
    evolution, at_once = first.evolution, build.seeds_at_once(first.config, built, len(seeds))

    def evolved(turn: Sequence[int]) -> list[Result]:
        """Of some seeds, whose states end with their turn: what the results hold of them is copied to the host."""
        runs = [Run(replace(config, seed=seed), built, evolution=evolution) for seed in turn]
        results = _advanced(runs, on_chunk)
        for run in runs:
            run.release()
        return results

    turns = (seeds[begin : begin + at_once] for begin in range(0, len(seeds), at_once))
    return tuple(result for turn in turns for result in evolved(turn))


def _advanced(runs: Sequence[Run], on_chunk: Callable[[Result], None] | None) -> list[Result]:
    for _ in advance_together(runs):
        if on_chunk is not None:
            for run in runs:
                on_chunk(run.result())
    return [run.result() for run in runs]


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
    folder = folder_given("directory", directory)
    began, _ = read_config(folder, config)
    check_given(folder, began, config)
    saved = _with_budget(began, generations, evaluations, seconds)
    return _evolved(resume_run(saved, folder, classifier), on_chunk)


def resume_seeds(
    directory: str | Path,
    classifier: Any = None,
    generations: int | None = None,
    evaluations: int | None = None,
    seconds: float | None = None,
    config: Config | None = None,
    on_chunk: Callable[[Result], None] | None = None,
    seeds_at_once: int | None = None,
) -> tuple[Result, ...]:
    """Goes on with all runs of a folder of several seeds, each from its newest checkpoint; those that have spent the
    budget stay as they are.

    Args:
        directory: as `evolve` with `seeds` left it, or the command line.
        classifier: as for `resume`.
        generations: budget of each seed, as for `resume`.
        evaluations: as for `resume`.
        seconds: as for `resume`.
        config: as for `resume`.
        on_chunk: called with the result so far of the seed whose turn it is, or of each of them.
        seeds_at_once: how many go on side by side; without it as the folder's config says.

    Returns:
        The results of all seeds, in their order.

    Raises:
        InputError: as `resume`; or the folder is not of several seeds, or that of one of them is missing, damaged or of
            another config. The message names it.
        KeyboardInterrupt: as `resume` does.
        SystemExit: as `evolve` does.
        OSError: a file cannot be read or written.
    """
    folder = folder_given("directory", directory)
    began, *_ = read_config_of_seeds(folder, config)
    check_given(folder, began, config, (*NOT_COMPARED, "seed"))
    saved = _with_budget(began, generations, evaluations, seconds)
    if seeds_at_once is not None:
        saved = override(saved, {"seeds_at_once": seeds_at_once})
    return _evolved_seeds(resume_saved_seeds(saved, folder, classifier), on_chunk)


def _with_budget(
    config: Config, generations: int | None, evaluations: int | None, seconds: float | None
) -> Config:
    budget = zip(BUDGET, (generations, evaluations, seconds), strict=True)
    return override(config, {name: limit for name, limit in budget if limit is not None})


def _evolved(saved: SavedRun, on_chunk: Callable[[Result], None] | None) -> Result:
    _run(saved, saved.evolve, on_chunk)
    return saved.run.result()


def _evolved_seeds(saved: SavedSeeds, on_chunk: Callable[[Result], None] | None) -> tuple[Result, ...]:
    to_do = saved.to_do()
    # Before the others go on: what cannot be read is said at once.
    results = {seed: load(saved.folder(seed), saved.of(seed)) for seed in saved.seeds if seed not in to_do}
    _run(
        saved,
        partial(saved.evolve, on_end=lambda result: results.update({result.config.seed: result})),
        on_chunk,
    )
    return tuple(results[seed] for seed in saved.seeds)


def _run(
    saved: SavedRun | SavedSeeds, evolve: Callable[..., None], on_chunk: Callable[[Result], None] | None
) -> None:
    """Evolves and saves; a signal ends it after the chunk, with what is saved."""

    def each(runs: Sequence[Run]) -> None:
        if on_chunk is not None:
            for run in runs:
                on_chunk(run.result())

    with interrupts(signal.default_int_handler) as received:
        evolve(stop=lambda: bool(received), on_chunk=each)
    if received == [signal.SIGINT]:
        raise KeyboardInterrupt(saved.what_is_saved())
    if received:
        _LOG.warning(f"{received[0].name}: {saved.what_is_saved()}")
        raise SystemExit(exit_code(received[0]))


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
            InputError: bad settings, or one that goes with a classifier which qdfool calls; an image shape that is not
                three whole numbers in range; or names that are not two or more unique lines of text.
        """
        refuse_several("ask and tell")
        validate(config, needs_budget=False)
        image_shape = checked_image_shape("image_shape", image_shape)
        _check_applies(config, image_shape)
        names = check_class_names("ask/tell", class_names, None)
        classifier = Classifier("ask/tell", image_shape, names, {}, _not_called, traceable=False)
        self._run = Run(replace(config, classifier=classifier.name), classifier, needs_budget=False)
        self._tell = jitted_tell(self._run.evolution)
        self._since = time.perf_counter()
        self._asked = False

    def ask(self) -> np.ndarray:
        """The images [B, H, W, C] float32 in [0, 1] to classify; the same until `tell` is called.

        Raises:
            InputError: of all images so far none could compete, so that there is nothing to breed from.
        """
        if self._run.generations and not self._run.has_elites():
            raise InputError(
                "Of all images so far none could compete, as `tell` said, and there is nothing to breed from. Begin "
                "anew when the cause is gone."
            )
        self._asked = True
        return np.array(ask(self._run.state))

    def tell(self, logits: Any) -> None:
        """Takes the logits of the images that `ask` gave, and breeds the next.

        Args:
            logits: [B, K], in the order of the images; a PyTorch tensor will do.

        Raises:
            InputError: another shape, no floating-point numbers, probabilities, or logits that are not finite, or the
                images have not been asked for; nothing has changed. Or a part of your own made images outside [0, 1],
                parents that are no cells, or measures outside their range: the other images have been taken.
        """
        if not self._asked:
            raise InputError(
                "`tell` takes the logits of the images that `ask` gave last, and these have not been asked for: each "
                "batch is told of once. Call `ask` before."
            )
        expected = (self._run.config.batch_size, len(self._run.classifier.class_names))
        with code_of_a_user("The logits cannot be read", f"Expected logits {list(expected)}."):
            given = as_array(logits)
        check_answer("The caller of tell", given, expected)
        check_values("The caller of tell", given)
        given = in_float32(given)
        check_values("The caller of tell", given)  # Once more: what float32 cannot hold is infinite.
        self._asked = False
        state, record = self._tell(self._run.release(), given)
        records: Record = jax.tree.map(lambda leaf: np.asarray(leaf)[None], record)
        told = time.perf_counter()
        self._run.keep(Chunk(state, records, seconds=told - self._since, compile_seconds=0.0))
        self._since = told
        check_valid(records, self._run.generations - 1, self._run.config.batch_size)

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
    if config.image_shape not in (None, image_shape):
        raise InputError(
            f"AskTell was given images of {list(image_shape)}, but `image_shape` is {list(config.image_shape)}. "
            "Leave `image_shape` away."
        )


def _not_called(parameters: Any, images: Any) -> Any:
    raise NotImplementedError("the classifier of ask/tell is called by the caller")
