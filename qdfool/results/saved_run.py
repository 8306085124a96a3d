"""A run in its folder while it evolves, or several side by side: saved as they go, whole however it ends."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from qdfool import hosts
from qdfool.build import is_known
from qdfool.config import Config, needs_objects
from qdfool.errors import ClassifierInterrupt, InputError
from qdfool.files.lock import FolderLock
from qdfool.results import run_folder
from qdfool.results.checkpoint import Checkpoints
from qdfool.results.run import Run, advance_together
from qdfool.types import Classifier


class SavedRun:
    """A run, and the folder that it is saved in."""

    def __init__(self, run: Run, directory: Path, lock: FolderLock | None, how_to_resume: str = "") -> None:
        """Takes a run whose folder is there; see `qdfool.results.opening`.

        Args:
            run: new, or restored from its newest checkpoint.
            directory: the run folder.
            lock: of the folder; released when it is whole. Of several processes the first one has it.
            how_to_resume: what a message tells the user to type; a call of `qdfool.resume` if empty.
        """
        self.run = run
        self.directory = directory
        self.lock = lock
        given = "" if is_known(run.config.classifier) else ", classifier=..."
        given += ", config=..." if needs_objects(run.config) else ""
        self.how_to_resume = how_to_resume or f"qdfool.resume({str(directory)!r}{given})"
        self.saved_generations = run.generations
        """Of the newest checkpoint."""

    @property
    def config(self) -> Config:
        """Of the run."""
        return self.run.config

    @property
    def classifier(self) -> Classifier:
        """Of the run."""
        return self.run.classifier

    def summary(self) -> dict[str, Any]:
        """The figures of the run's `summary.json`."""
        return self.run.result().summary()

    def evolve(
        self,
        stop: Callable[[], bool] = lambda: False,
        on_chunk: Callable[[Sequence[Run]], None] | None = None,
    ) -> None:
        """Evolves until the budget is spent or `stop` says so, and leaves the folder whole, however it ends; see
        `evolve_together`, which this is for a single run, also for what is raised."""
        evolve_together((self,), self.what_is_saved, stop, on_chunk)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Has the folder to itself, if it is this process that writes into it.

        Raises:
            InputError: another process has it by now.
        """
        if self.lock is not None:
            self.lock.take()
        try:
            yield
        finally:
            if self.lock is not None:
                self.lock.release()

    @contextmanager
    def checkpoints(self) -> Iterator[Checkpoints]:
        """The checkpoints of the folder, all whole at the end, also after an interrupt while files are written.

        Raises:
            OSError: one cannot be written; raised instead of an earlier error, because it says what there is to go on
                from.
        """
        checkpoints = Checkpoints(self.directory / run_folder.CHECKPOINTS)
        try:
            try:
                yield checkpoints
            finally:
                checkpoints.finish()
        finally:
            checkpoints.close()

    def save(self, checkpoints: Checkpoints) -> None:
        """Saves a checkpoint with the metrics until now, if there is anything to go on from.

        Raises:
            OSError: it, or the one before, could not be written.
        """
        # First what is still being saved: a folder that is moved away amid that must not be written into while Orbax
        # makes it anew.
        checkpoints.finish()
        if self.run.has_elites():
            try:
                if hosts.is_first():
                    run_folder.write_metrics(self.directory / run_folder.METRICS, self.run.metrics)
            finally:
                self.run.save(checkpoints)
                self.saved_generations = self.run.generations

    def write(self, checkpoints: Checkpoints) -> None:
        """Writes all numbers that are not in a checkpoint; the summary when the last checkpoint is whole, so that where
        a run has ended, it can be gone on with.

        Raises:
            OSError: a file, or the checkpoint, cannot be written.
        """
        if hosts.is_first() and self.run.has_elites():
            self.run.result().write(self.directory, before_summary=checkpoints.finish)

    def drawing(self, asked: bool) -> Callable[[], None]:
        """What draws all pictures, and the page, of what has been found until now; it raises an OSError if a file
        cannot be written.

        Args:
            asked: whether the classifier can be asked about what was found.
        """
        if not (hosts.is_first() and self.run.has_elites()):
            return lambda: None
        return partial(self.run.result().draw, self.directory, self.classifier if asked else None)

    def what_is_saved(self) -> str:
        """A sentence that says from where the run can go on, and how."""
        if not self.saved_generations:
            return "Nothing is saved yet, and so there is nothing to go on from."
        return (
            f"Everything until generation {self.saved_generations} is saved; go on with: {self.how_to_resume}"
        )


def evolve_together(
    runs: Sequence[SavedRun],
    what_is_saved: Callable[[], str],
    stop: Callable[[], bool] = lambda: False,
    on_chunk: Callable[[Sequence[Run]], None] | None = None,
    draw_later: Callable[[Callable[[], None]], None] | None = None,
) -> None:
    """Evolves one run, or several side by side, until the budget is spent or `stop` says so, and leaves their folders
    whole, however it ends.

    Args:
        runs: as `qdfool.results.run.advance_together` takes them.
        what_is_saved: a sentence for messages.
        stop: asked between chunks of generations.
        on_chunk: called with the runs after every chunk.
        draw_later: given what draws the pictures, when all else is saved, and then gives the folders back; without it
            they are drawn at once, as they are where something failed.

    Raises:
        InputError: the classifier failed, or another process has a folder by now; the message says what is saved.
            Whatever else is raised, by `on_chunk` or an interrupt, has a note that says it.
        ClassifierInterrupt: a KeyboardInterrupt came out of the classifier; its message says what is saved, too.
        OSError: a file cannot be written.
    """
    with ExitStack() as stack:
        for saved in runs:
            stack.enter_context(saved.locked())
        try:
            failure, drawings = _evolve(runs, stop, on_chunk)
            if draw_later is None or failure is not None:
                _each(drawings)
            else:
                for saved in runs:
                    saved.run.copy_results()  # The state will be gone when they are drawn.
                draw_later(partial(_draw_and_close, drawings, stack.pop_all()))
        except OSError:
            raise
        except BaseException as error:
            error.add_note(what_is_saved())
            raise
    if isinstance(failure, InputError | ClassifierInterrupt):
        raise type(failure)(f"{failure} {what_is_saved()}") from failure
    if failure is not None:
        failure.add_note(what_is_saved())
        raise failure


def _evolve(
    runs: Sequence[SavedRun], stop: Callable[[], bool], on_chunk: Callable[[Sequence[Run]], None] | None
) -> tuple[BaseException | None, Sequence[Callable[[], None]]]:
    """Evolves and saves; returns what ended it before its time, and what is left to draw."""
    drawings: list[Callable[[], None]] = []
    with ExitStack() as stack:
        checkpoints = [stack.enter_context(saved.checkpoints()) for saved in runs]
        failure = _advance(runs, checkpoints, stop, on_chunk)
        # The other processes come to save, too, but not where something happened in this one alone.
        others_are_here = hosts.count() == 1 or failure is None or isinstance(failure, InputError)
        if others_are_here and all(saved.run.is_whole() for saved in runs):
            _save_each(runs, checkpoints)
            # Who interrupts although the run is about to stop does not wait for pictures.
            if not (isinstance(failure, KeyboardInterrupt) and stop()):
                _each(partial(saved.write, place) for saved, place in zip(runs, checkpoints, strict=True))
                # One that failed, or whose run is interrupted, is not asked again.
                asked = failure is None and not stop()
                drawings = [saved.drawing(asked) for saved in runs]
    return failure, drawings


def _advance(
    runs: Sequence[SavedRun],
    checkpoints: Sequence[Checkpoints],
    stop: Callable[[], bool],
    on_chunk: Callable[[Sequence[Run]], None] | None,
) -> BaseException | None:
    """Evolves and saves on the way; returns what ended it before its time, whatever that is."""
    saved_at, running = time.monotonic(), [saved.run for saved in runs]
    try:
        for _ in advance_together(running, stop):
            if on_chunk is not None:
                on_chunk(running)
            due = time.monotonic() - saved_at >= running[0].config.checkpoint_every
            if hosts.of_first(due):
                _save_each(runs, checkpoints)
                saved_at = time.monotonic()
    except BaseException as error:
        return error
    return None


def _draw_and_close(drawings: Sequence[Callable[[], None]], folders: ExitStack) -> None:
    with folders:
        _each(drawings)


def _each(acts: Iterable[Callable[[], None]]) -> None:
    """Does all of it, also after a file of one could not be written.

    Raises:
        OSError: the first that was raised.
    """
    failures: list[OSError] = []
    for act in acts:
        try:
            act()
        except OSError as error:
            failures.append(error)
    if failures:
        raise failures[0]


def _save_each(runs: Sequence[SavedRun], checkpoints: Sequence[Checkpoints]) -> None:
    """Saves each run. Of several, none is still being saved when the next one is: the memory has a copy of one state,
    and the disk is asked for room for one at a time."""

    def one(saved: SavedRun, place: Checkpoints) -> None:
        saved.save(place)
        if len(runs) > 1:
            place.finish()

    _each(partial(one, saved, place) for saved, place in zip(runs, checkpoints, strict=True))
