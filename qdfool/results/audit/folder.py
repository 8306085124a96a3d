"""The folder of an audit: begun there, gone on with from there, and nobody else's.

audit.json     what is audited, and how
pixels/ ...    the runs of each way, a folder of several seeds each
card.json      the result
report.html    the same to look at
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from qdfool.build import build_classifier, with_defaults
from qdfool.config import Config
from qdfool.errors import InputError, listed, named, shown, there_and_here
from qdfool.files.lock import LOCK, FolderLock
from qdfool.results import run_folder
from qdfool.results.answers import answers_otherwise
from qdfool.results.audit.plan import WAYS, Plan, Settings, plan
from qdfool.results.run import Run
from qdfool.results.saved_seeds import SavedSeeds
from qdfool.results.saved_seeds import resume as resume_seeds
from qdfool.results.saved_seeds import start as start_seeds
from qdfool.types import Classifier

AUDIT, CARD = run_folder.AUDIT, "card.json"


class Audit:
    """An audit and its folder."""

    def __init__(self, settings: Settings, directory: Path, overwrite: bool = False) -> None:
        """Begins an audit, or goes on with the one that is in its folder; nothing is evolved yet.

        Args:
            settings: what to audit, and how.
            directory: is made; holds nothing else.
            overwrite: throws away the audit that is there.

        Raises:
            InputError: bad settings, a classifier that cannot be built or returns no logits, a class to reject that it
                has not; or the folder holds something else, or an audit of other settings, or is in use.
            OSError: it cannot be written to.
        """
        settings.check()
        self.settings, self.directory = settings, directory.absolute()
        self._check_free()
        self.classifier: Classifier = build_classifier(replace(Config(), **settings.base()))
        names = self.classifier.class_names
        if missing := [name for name in settings.reject if name not in names]:
            raise InputError(
                f"{named(self.classifier.name)} has no class {shown(missing[0])} to `reject`. It has "
                f"{listed(names, 20)}."
            )
        if len(set(settings.reject)) < len(settings.reject):
            raise InputError(f"`reject` has a class twice: {listed(settings.reject, 20)}. Give each once.")
        if len(names) - len(settings.reject) < 2:
            raise InputError("Expected two classes or more that are not to `reject`.")
        self.plan: Plan = plan(settings, self.classifier)
        if not overwrite:
            self._check_same()
        self._overwrite = overwrite

    def counted(self) -> list[int]:
        """The classes that count, by their indices."""
        names = self.classifier.class_names
        return [index for index, name in enumerate(names) if name not in self.settings.reject]

    def rejected(self) -> list[int]:
        """The classes that do not, by their indices."""
        return [index for index, _ in enumerate(self.classifier.class_names) if index not in self.counted()]

    def evolve(
        self,
        how_to_resume: str = "",
        stop: Callable[[], bool] = lambda: False,
        on_way: Callable[[str, SavedSeeds], Callable[[Sequence[Run]], None] | None] | None = None,
    ) -> bool:
        """Evolves what is not done yet, way after way, until all is or `stop` says so. However it ends, what was found
        is saved.

        Args:
            how_to_resume: what a message tells the user to type.
            stop: asked between chunks of generations.
            on_way: called with a way and its runs when its turn comes; what it returns is called after each chunk.

        Returns:
            Whether all is done.

        Raises:
            InputError: as `SavedSeeds.evolve`, or a folder of a way is damaged or of another config.
            OSError: a file cannot be written.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(self.directory)
        try:
            if self._overwrite:
                self._throw_away()
            run_folder.write_json(self.directory / AUDIT, self._record())
            for way, config in self.plan.configs.items():
                saved = self._saved(way, config, how_to_resume)
                on_chunk = None if on_way is None else on_way(way, saved)
                saved.evolve(stop, on_chunk)
                if saved.to_do():
                    return False
            return True
        finally:
            lock.release()

    def folder(self, way: str) -> Path:
        """Of the runs of a way."""
        return self.directory / way

    def _saved(self, way: str, config: Config, how_to_resume: str) -> SavedSeeds:
        folder, seeds = run_folder.no_link(self.folder(way)), self.settings.seeds
        # Without its config nothing was evolved there yet.
        if not (folder / run_folder.CONFIG).exists():
            return start_seeds(config, seeds, folder, how_to_resume=how_to_resume)
        whole = with_defaults(config, self.classifier.image_shape)
        return resume_seeds(whole, folder, how_to_resume=how_to_resume)

    def _throw_away(self) -> None:
        """What a former audit left, unless one of its runs is on its way: then nothing. A folder that is called like a
        way and has nothing that a run is called like is somebody else's."""
        ways = [run_folder.no_link(self.folder(way)) for way in WAYS]
        runs = [way for way in ways if run_folder.has_run(way)]
        run_folder.throw_away([part for way in runs for part in (*run_folder.folders_of_seeds(way), way)])
        self._overwrite = False
        # What says that it is an audit's goes last: without it the folder would be taken for somebody else's.
        for name in (CARD, run_folder.REPORT, AUDIT):
            (self.directory / name).unlink(missing_ok=True)

    def _record(self) -> dict[str, Any]:
        """What says in the folder whose runs it holds."""
        record = {
            "settings": asdict(self.settings),
            "evaluations": self.plan.evaluations,
            "fingerprint": self.classifier.fingerprint or self.classifier.file_hash,
            "answers": self.classifier.answers,
            "version": version("qdfool"),
        }
        return json.loads(json.dumps(record))

    def _check_free(self) -> None:
        folder = self.directory
        run_folder.check_name(folder)
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file. Expected a folder, or a new name, with `out`.")
        there = sorted({path.name for path in folder.iterdir()} - {LOCK}) if folder.is_dir() else []
        record = run_folder.read_json(folder / AUDIT) if (folder / AUDIT).is_file() else {}
        # Others call a file so, too.
        if there and not (
            isinstance(record.get("settings"), dict) and {"evaluations", "fingerprint"} <= record.keys()
        ):
            raise InputError(
                f"{folder} holds something else than an audit: {listed(there, 5)}. Give another folder with `out`."
            )

    def _check_same(self) -> None:
        path = self.directory / AUDIT
        if not path.exists():
            return
        there, here = (_entries(record) for record in (run_folder.read_json(path), self._record()))
        saved, _ = there.pop("answers", []), here.pop("answers")
        for record in (there, here):
            record.pop("weights", None)  # What they are is compared, not where they lie.
        if not isinstance(saved, list) or not all(isinstance(answer, float) for answer in saved):
            raise InputError(f"{path} is damaged: its answers are {shown(saved)}, and no numbers.")
        if how := answers_otherwise(saved, self.classifier):
            raise InputError(
                f"{self.directory} holds an audit of another classifier: {how}. Give another folder with `out`, or "
                "throw it away with `overwrite`."
            )
        if differing := there_and_here(there, here):
            raise InputError(
                f"{self.directory} holds an audit with other settings, or of a classifier that has changed since "
                f"({differing}). Give another folder with `out`, or throw it away with `overwrite`."
            )


def _entries(record: dict[str, Any]) -> dict[str, Any]:
    """Settings, and what else a record has, side by side."""
    settings = record.get("settings")
    others = {name: value for name, value in record.items() if name != "settings"}
    return {**(settings if isinstance(settings, dict) else {}), **others}
