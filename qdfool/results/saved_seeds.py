"""Several seeds in a folder: a run folder for each, evolved in turn or side by side, saved and gone on with together.

They share everything but their seed, also what was compiled, so that each folder is that of a run of its own: bit for
bit in turn, and but for rounding side by side.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax

from qdfool.build import is_known, seeds_at_once
from qdfool.config import BUDGET, KEEPING, Config, check_seeds, differences, needs_objects, validate
from qdfool.engine.step import Evolution
from qdfool.errors import ClassifierInterrupt, InputError, listed
from qdfool.files.lock import FolderLock, released_on_failure
from qdfool.hosts import refuse_several
from qdfool.results import over_seeds, run_folder
from qdfool.results.background import Background
from qdfool.results.checkpoint_files import names_of_checkpoints, newest_whole
from qdfool.results.config_file import check_resumable, read_config, read_config_of_seeds, write_config
from qdfool.results.loading import figures_of, load
from qdfool.results.opening import (
    begin,
    check_budget,
    check_is_given,
    check_same_config,
    named_or_own,
    restored,
    warn_of_own_files,
)
from qdfool.results.result import Result
from qdfool.results.run import Run
from qdfool.results.saved_run import SavedRun, evolve_together
from qdfool.types import Classifier

SHOWN = 4
"""Of seeds, in a message."""


class Standing(NamedTuple):
    """How far the run of a seed has come."""

    begun: bool
    """Whether there is anything to go on from."""
    generations: int
    seconds: float
    """Of evolution."""
    done: bool
    """Whether its budget is spent and its folder whole."""


class SavedSeeds:
    """The runs of several seeds, and the folder that they are saved in."""

    def __init__(
        self,
        config: Config,
        classifier: Classifier,
        seeds: tuple[int, ...],
        directory: Path,
        lock: FolderLock,
        at_once: int,
        evolution: Evolution,
        how_to_resume: str = "",
    ) -> None:
        """Takes a folder of several seeds that is there; see `start` and `resume`.

        Args:
            config: of all runs, but for the seed.
            classifier: of all runs.
            seeds: in the order of their turns.
            directory: has a run folder for each of them.
            lock: of the folder; released when it is whole.
            at_once: how many of them evolve side by side, at most.
            evolution: the functions of all runs.
            how_to_resume: what a message tells the user to type; a call of `qdfool.resume_seeds` if empty.

        Raises:
            InputError: the folder of a seed is missing, damaged, or of another config.
        """
        self.config, self.classifier, self.seeds, self.directory = config, classifier, seeds, directory
        self._lock, self._evolution = lock, evolution
        given = "" if is_known(config.classifier) else ", classifier=..."
        given += ", config=..." if needs_objects(config) else ""
        self.how_to_resume = how_to_resume or f"qdfool.resume_seeds({str(directory)!r}{given})"
        self._at_once = at_once
        self.standing = {seed: standing(self.folder(seed), self.of(seed)) for seed in seeds}
        """Of each seed."""

    def to_do(self) -> dict[int, tuple[int, float]]:
        """The seeds that are not done, with the generations and seconds that they have had."""
        return {
            seed: (stands.generations, stands.seconds)
            for seed, stands in self.standing.items()
            if not stands.done
        }

    def folder(self, seed: int) -> Path:
        """The run folder of a seed."""
        return self.directory / run_folder.name_of_seed(seed)

    def of(self, seed: int) -> Config:
        """The config of the run of a seed."""
        return replace(self.config, seed=seed)

    def evolve(
        self,
        stop: Callable[[], bool] = lambda: False,
        on_chunk: Callable[[Sequence[Run]], None] | None = None,
        on_end: Callable[[Result], None] | None = None,
    ) -> None:
        """Evolves the seeds that are not done, one after the other or several side by side, until all are or `stop`
        says so. However it ends, what was found is saved. While some evolve, the pictures of those before are drawn.

        Args:
            stop: asked between chunks of generations.
            on_chunk: called after each chunk with the runs whose turn it is.
            on_end: called with the result of each seed that was evolved, when its numbers are saved.

        Raises:
            InputError: the classifier failed, or the folder of a seed is damaged or in use by now; the message names
                the seed, or the seeds of its turn, and says what is saved.
            ClassifierInterrupt: a KeyboardInterrupt came out of the classifier; its message says the same.
            OSError: a file cannot be written; if it is a picture, the next seed has been saved by then.
        """
        self._lock.take()
        try:
            try:
                with Background() as background:
                    draw_later = background if self._may_draw_beside() else None
                    if draw_later is not None:
                        draw_later(over_seeds.prepare)
                    waiting = deque(self.seeds)
                    while waiting and not stop():
                        self._evolve(self._next_turn(waiting), stop, on_chunk, on_end, draw_later)
            except InputError:
                self._write_summary()
                raise
            self._write_summary()
        finally:
            self._lock.release()

    def _may_draw_beside(self) -> bool:
        """Whether pictures may be drawn while other seeds evolve. A budget in seconds is for evolution alone; a
        classifier on the host is called by one thread; and the memory of a GPU or TPU is evolution's."""
        on_cpu = jax.default_backend() == "cpu"
        return on_cpu and self.classifier.traceable and self.config.seconds is None

    def _next_turn(self, waiting: deque[int]) -> list[SavedRun]:
        """The runs that evolve next, side by side, taken from those that wait: the first that is not done, and those
        right after it that have come as far. Their folders are locked.

        Raises:
            InputError: the first cannot be gone on with. Another ends the turn before it, and says so in its own.
        """
        turn: list[SavedRun] = []
        with ExitStack() as locks:
            while waiting and len(turn) < self._at_once:
                seed = waiting[0]
                try:
                    # Looked at again: others may have gone on with it since.
                    stands = self.standing[seed] = standing(self.folder(seed), self.of(seed))
                    if stands.done:
                        waiting.popleft()
                        continue
                    if turn and stands.generations != turn[0].run.generations:
                        break
                    saved = self._saved_run(seed, stands.begun)
                except InputError as error:
                    if turn:
                        break
                    raise InputError(f"Seed {seed}: {error} {self.what_is_saved()}") from error
                locks.enter_context(released_on_failure(saved.lock))
                if turn and saved.run.generations != turn[0].run.generations:
                    assert saved.lock is not None
                    saved.lock.release()
                    break
                turn.append(saved)
                waiting.popleft()
        return turn

    def _evolve(
        self,
        runs: Sequence[SavedRun],
        stop: Callable[[], bool],
        on_chunk: Callable[[Sequence[Run]], None] | None,
        on_end: Callable[[Result], None] | None,
        draw_later: Background | None,
    ) -> None:
        """The turn of some seeds, whose runs and states end with it."""
        if not runs:
            return
        turn = [saved.config.seed for saved in runs]
        whose = _seeds(list(map(str, turn))).capitalize()

        def stands_now(saved: SavedRun, written: bool) -> Standing:
            run, until = saved.run, saved.saved_generations
            spent = run.config.spent_budget(until, run.seconds) is not None
            return Standing(until > 0, until, run.seconds, spent and written)

        def said() -> str:
            for seed, saved in zip(turn, runs, strict=True):
                self.standing[seed] = stands_now(saved, written=False)
            return self.what_is_saved()

        try:
            evolve_together(runs, said, stop, on_chunk, draw_later)
        except (InputError, ClassifierInterrupt) as error:
            raise type(error)(f"{whose}: {error}") from error
        for seed, saved in zip(turn, runs, strict=True):
            self.standing[seed] = stands_now(saved, written=True)
            if on_end is not None:
                on_end(saved.run.result())
            saved.run.release()  # The state ends here: what a result holds of it is copied to the host.

    def _saved_run(self, seed: int, begun: bool) -> SavedRun:
        folder = self.folder(seed)
        if begun:
            lock = FolderLock(folder)
            with released_on_failure(lock):
                run = restored(self.of(seed), self.classifier, folder, self._evolution)
            saved = SavedRun(run, folder, lock)
        else:
            # Overwrites what a process left that was killed before its first checkpoint.
            run = Run(self.of(seed), self.classifier, evolution=self._evolution)
            saved = begin(run, folder, overwrite=True)
        return saved

    def summary(self) -> dict[str, Any]:
        """The figures of the `summary.json` over the seeds."""
        done = [seed for seed in self.seeds if self.standing[seed].done]
        return over_seeds.summary(self.directory, self.seeds, done)

    def _write_summary(self) -> None:
        done = [seed for seed in self.seeds if self.standing[seed].done]
        run_folder.write_json(self.directory / run_folder.SUMMARY, self.summary())
        over_seeds.draw(self.directory, self.config, len(self.classifier.class_names), done)

    def what_is_saved(self) -> str:
        """A sentence that says from where the runs can go on, and how."""
        done = sum(stands.done for stands in self.standing.values())
        if done == len(self.seeds):
            return f"All {done:,} seeds are done."
        until: dict[int, list[str]] = {}
        for seed, stands in self.standing.items():
            if stands.generations and not stands.done:
                until.setdefault(stands.generations, []).append(str(seed))
        saved = [
            f"{_seeds(seeds)} {'are' if len(seeds) > 1 else 'is'} saved until generation {generations}"
            for generations, seeds in until.items()
        ]
        said = ", ".join([f"{done:,} of {len(self.seeds):,} seeds are done", *saved[:SHOWN]])
        return f"{said}; go on with: {self.how_to_resume}"


def _seeds(seeds: Sequence[str]) -> str:
    """Some seeds, as a message names them."""
    return f"seeds {listed(seeds, SHOWN)}" if len(seeds) > 1 else f"seed {seeds[0]}"


def start(
    config: Config,
    seeds: Iterable[int],
    directory: Path,
    classifier: Any = None,
    overwrite: bool = False,
    how_to_resume: str = "",
) -> SavedSeeds:
    """New runs of several seeds in a folder of their own.

    Args:
        config: their settings, but for the seed.
        seeds: each once, in the order of their turns.
        directory: is made; one that has a run in it, or in the folder of one of the seeds, is refused unless
            `overwrite` is set.
        classifier: a user's own; if None, the one that the config names.
        overwrite: throws away what was run there.
        how_to_resume: see `SavedSeeds`.

    Raises:
        InputError: bad settings or seeds, a classifier that does not return logits, or a folder that has a run in it,
            is in use or cannot be written to.
        OSError: the disk is full.
    """
    directory = directory.absolute()  # A classifier may change the working directory.
    seeds = check_seeds(seeds)
    refuse_several("evolve `seeds`")
    validate(config)
    # The first is made to see that it can be; it takes its turn as all others do.
    run = Run(*named_or_own(replace(config, seed=seeds[0]), classifier))
    at_once = seeds_at_once(run.config, run.classifier, len(seeds))
    lock = run_folder.prepare(directory, overwrite, seeds)
    with released_on_failure(lock):
        write_config(directory, run.config, run.classifier, seeds)
        return SavedSeeds(
            run.config, run.classifier, seeds, directory, lock, at_once, run.evolution, how_to_resume
        )


def resume(config: Config, directory: Path, classifier: Any = None, how_to_resume: str = "") -> SavedSeeds:
    """The runs of a folder of several seeds; each goes on from its newest whole checkpoint when it is its turn.

    Args:
        config: the settings that are saved there, with another budget where they are to go on.
        directory: the folder.
        classifier: the user's own that the runs began with; needed where it cannot be imported by its name.
        how_to_resume: see `SavedSeeds`.

    Raises:
        InputError: the folder is not of several seeds or is in use, that of a seed is missing or damaged, a seed has
            gone beyond the budget that is given, or the classifier is not given.
        OSError: a file cannot be read or written.
    """
    directory = directory.absolute()  # A classifier may change the working directory.
    refuse_several("evolve `seeds`")
    validate(config)
    run_folder.check_files(directory)
    saved, values, seeds = read_config_of_seeds(directory, config)
    check_resumable(directory, values)
    check_same_config(directory, saved, config)
    check_is_given(directory, config, classifier, "qdfool.resume_seeds")
    lock = FolderLock(directory)
    with released_on_failure(lock):
        config, built = named_or_own(config, classifier)
        try:
            at_once = seeds_at_once(config, built, len(seeds))
        except InputError as error:
            began = config.seeds_at_once == saved.seeds_at_once
            whose = f" That is what {directory} began with." if began else ""
            raise InputError(f"{error}{whose}") from error
        # As all will be; now the user's own parts are imported.
        evolution = Run(replace(config, seed=seeds[0]), built, begins=False).evolution
        runs = SavedSeeds(config, built, seeds, directory, lock, at_once, evolution, how_to_resume)
        warn_of_own_files(directory, config, values)
        write_config(directory, config, built, seeds)
        return runs


def standing(folder: Path, config: Config) -> Standing:
    """How far the run of a seed has come; changes nothing.

    Args:
        folder: its run folder; an empty one is that of a seed whose turn has not come.
        config: of the run that is expected there.

    Raises:
        InputError: the folder is missing, a link or damaged, has a run of another config or one beyond the
            config's budget.
        OSError: it cannot be read.
    """
    if not run_folder.no_link(folder).is_dir():
        raise InputError(
            f"The folder {folder} is missing. Bring it back, or make an empty one in its place, in which its seed "
            "begins anew."
        )
    run_folder.check_files(folder)
    summary, checkpoints = folder / run_folder.SUMMARY, folder / run_folder.CHECKPOINTS
    if not summary.exists() and not names_of_checkpoints(checkpoints):
        return Standing(False, 0, 0.0, False)
    saved, values = read_config(folder, config)
    check_resumable(folder, values)
    # A classifier may have another name by now, or other files; that it is the same is checked where the run goes on.
    differing = differences(saved, config, ignoring=(*BUDGET, *KEEPING, "classifier", "weights"))
    if differing:
        raise InputError(
            f"{folder} is a run of another config than its folder of seeds: {'; '.join(differing)}. Bring the run back "
            "that was there, or make an empty folder in its place, in which its seed begins anew."
        )
    figures = {"generations": 0, "seconds": 0.0}
    if summary.exists():
        figures = figures_of(summary)
        over_seeds.check_summary(summary, run_folder.read_json(summary))
    generations, seconds = figures["generations"], figures["seconds"]
    check_budget(folder, saved, config, generations, seconds)
    spent = config.spent_budget(generations, seconds) is not None
    if spent and _is_whole(folder, config):
        return Standing(True, generations, seconds, True)
    newest = newest_whole(checkpoints)
    if newest is None:
        raise InputError(
            f"No checkpoint in {checkpoints} is whole. Bring one back, from a copy or a repaired disk, or make an "
            f"empty folder in the place of {folder}, in which its seed begins anew."
        )
    check_budget(folder, saved, config, newest, seconds)
    return Standing(True, newest, seconds, False)


def _is_whole(folder: Path, config: Config) -> bool:
    """Whether a run folder has all numbers, undamaged, and the picture that is drawn last; a run that was killed while
    they were written has not, and a checkpoint has what it takes to write them again."""
    try:
        load(folder, config)
    except InputError:
        return False
    return (folder / run_folder.PICTURES[-1]).exists()
