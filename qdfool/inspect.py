"""A run looked at again: `python -m qdfool.inspect RUN` makes its page anew and opens it; `--cell` or `--class` print
one elite and save its pictures."""

if __name__ == "__main__":  # Before the imports, which take a second; `start` has them made as it likes.
    from qdfool.cli.start import start

    start("qdfool.inspect")

import json
import logging
import sys
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from PIL import Image

from qdfool.analysis import percent
from qdfool.analysis.report import TopClasses, write_report
from qdfool.build import build_classifier, build_measures, is_known
from qdfool.cli.device import check_device
from qdfool.cli.exits import run_and_exit
from qdfool.cli.options import read
from qdfool.errors import InputError, in_range, known_name, named, printable, shown
from qdfool.files.atomic import atomic_write
from qdfool.results import run_folder
from qdfool.results.answers import answers_otherwise
from qdfool.results.loading import load
from qdfool.results.report import asked_about, kept_of, report_of
from qdfool.results.result import Result
from qdfool.results.salvage import salvaged
from qdfool.results.top_classes import top_classes
from qdfool.types import Classifier

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class CommandLine:
    """Makes the page of a run anew, RUN/report.html, and opens it; or prints one of its elites and saves its image, and
    its network where it is a CPPN. The classifier is asked again what it sees."""

    run: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")] = None
    """Run folder, as --out of `python -m qdfool.run` names it."""
    cell: int | None = None
    """Print the elite of this cell of the archive instead."""
    class_name: Annotated[str | None, tyro.conf.arg(name="class", metavar="NAME")] = None
    """Print the elite of this class, that of the highest confidence, instead."""
    out: Path | None = None
    """Folder for the pictures of an elite. Without it, RUN/inspected."""
    open: bool = True
    """Open the page in the browser."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print what is printed of an elite as one JSON object."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and ends the process; `qdfool.cli.exits.run_and_exit` has the exit codes."""
    run_and_exit(
        "qdfool.inspect",
        lambda: _main(list(sys.argv[1:] if arguments is None else arguments)),
    )


def _main(arguments: list[str]) -> None:
    command = read(CommandLine, arguments, prog="python -m qdfool.inspect")
    if command.run is None:
        raise InputError(
            "No run to inspect: give the folder of one, as python -m qdfool.inspect archives/map."
        )
    if command.cell is not None and command.class_name is not None:
        raise InputError("--cell and --class both say which elite is meant. Give one of them.")
    check_device()
    if command.cell is not None or command.class_name is not None:
        elite = inspect_elite(command.run, command.cell, command.class_name, command.out)
        print(json.dumps(elite) if command.json else _as_text(elite))
        return
    page = make_page(command.run)
    print(printable(f"{page} is made anew."))
    if page.name == run_folder.PARTIAL and (command.run / run_folder.REPORT).exists():
        print(f"{run_folder.REPORT}, which may show more, is left as it was.")
    if command.open and not webbrowser.open(page.absolute().as_uri()):
        print("No browser was found: open it yourself.")


def make_page(directory: Path) -> Path:
    """Makes the page of a run folder anew. What cannot be read, or asked, is left out, and the page says so; one that
    was made before may have it, and so stays, and the new one lies beside it.

    Returns:
        The page.

    Raises:
        InputError: it is no run folder, or one of several seeds.
        OSError: the page cannot be written.
    """
    is_whole = False
    try:
        result = load(directory)
    except InputError as error:
        kept = salvaged(directory)
        _LOG.warning(f"Not all of {directory} can be shown: {error}")
    else:
        top, notes = None, []
        try:
            top, is_whole = asked_about(result, classifier_of(result)), True
        except InputError as error:
            notes = [f"What the classifier says of each elite is not here: {error}"]
            _LOG.warning(notes[0])
        kept = kept_of(result, run_folder.read_json(directory / run_folder.CONFIG), top, notes)
    whole, partial = (directory / name for name in run_folder.PAGES)
    page = whole if is_whole else partial
    write_report(page, report_of(kept))
    if is_whole:
        partial.unlink(missing_ok=True)
    return page


def classifier_of(result: Result) -> Classifier:
    """The classifier of a run, built again from its config.

    Raises:
        InputError: it cannot be, or it is another one by now.
    """
    config, record = result.config, result.classifier
    if not is_known(config.classifier):
        raise InputError(
            f"the run was on {shown(config.classifier)}, which no module can be asked for by name."
        )
    classifier = build_classifier(config)
    if (classifier.class_names, classifier.image_shape) != (record.class_names, record.image_shape):
        raise InputError(f"{named(record.name)} has other classes or images by now.")
    if classifier.fingerprint != record.fingerprint:
        raise InputError(f"{named(record.name)} has other weights by now.")
    if how := answers_otherwise(record.answers, classifier):
        raise InputError(f"{named(record.name)} is another classifier by now: {how}.")
    return classifier


def inspect_elite(
    directory: Path, cell: int | None = None, class_name: str | None = None, out: Path | None = None
) -> dict[str, Any]:
    """What --json prints of one elite; saves its image and, of a CPPN, its network.

    Args:
        directory: the run folder.
        cell: of the elite; or
        class_name: of the class whose elite of the highest confidence it is.
        out: folder for the pictures; by default `inspected` in the run folder.

    Raises:
        InputError: the folder cannot be loaded, there is no such cell or class, or it has no elite.
        OSError: a picture cannot be written.
    """
    result = load(directory)
    if cell is None:
        cell = int(result.cell_of(known_name("class", str(class_name), result.class_names))[0])
    in_range("--cell", cell, 0, result.snapshot.size - 1)
    if cell not in result.cells():
        raise InputError(f"Cell {cell} has no elite. {_nearest(result, cell)}")
    rows, one = result.snapshot.take(np.array([cell])), np.array([cell])
    parent = int(rows.parent_class[0])
    elite: dict[str, Any] = {
        "cell": cell,
        "class_index": cell // result.grid_cells(),
        "class_name": result.class_names[cell // result.grid_cells()],
        "log_odds": float(rows.fitness[0]),
        "measures": dict(zip(_measures(result), map(float, rows.measures[0]), strict=True)),
        "birth_generation": int(rows.birth_generation[0]),
        "num_replacements": int(rows.num_replacements[0]),
        "parent_class": None if parent < 0 else result.class_names[parent],
    }
    if rows.origin:
        elite["origin"] = {name: leaf[0].item() for name, leaf in rows.origin._asdict().items()}
    try:
        top = top_classes(classifier_of(result), lambda _: result.images_in(one), 1, 1)
        elite["now"] = [] if top is None else _now(result, top)
    except InputError as error:
        elite["now"], elite["not_asked"] = [], str(error)
    folder = run_folder.no_link(directory / run_folder.INSPECTED) if out is None else out
    elite["files"] = _save(result, cell, folder)
    return elite


def _measures(result: Result) -> list[str]:
    return [measure.name for measure in build_measures(result.config)]


def _nearest(result: Result, cell: int) -> str:
    cells = result.cells()
    if not len(cells):
        return "The archive is empty: no image with finite logits was classified yet."
    return f"The nearest that has one is cell {int(cells[np.argmin(np.abs(cells - cell))])}."


def _now(result: Result, top: TopClasses) -> list[dict[str, Any]]:
    return [
        {"class_index": int(index), "class_name": result.class_names[index], "log_odds": float(odds)}
        for index, odds in zip(top.classes[0], top.log_odds[0], strict=True)
    ]


def _save(result: Result, cell: int, folder: Path) -> list[str]:
    """Saves the pictures of an elite; returns their paths."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise InputError(
            f"{folder} is a file. Expected a folder for pictures; give another `out`."
        ) from error
    image = result.levels(np.array([cell]))[0]
    if image.shape[-1] not in (1, 3):
        raise InputError(f"An image of {image.shape[-1]} channels cannot be saved as PNG. Expected 1 or 3.")
    png = folder / f"cell{cell}.png"
    with atomic_write(png) as file:
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "PNG")
    if result.config.encoding != "cppn":
        return [str(png)]
    network = folder / f"cell{cell}-network.png"
    result.draw_cppn_of(network, cell)
    return [str(png), str(network)]


def _as_text(elite: dict[str, Any]) -> str:
    parent = elite["parent_class"]
    lines = [
        f"{named(elite['class_name'])} (class {elite['class_index']}), cell {elite['cell']}",
        f"  confidence      {percent(log_odds=elite['log_odds'])}",
        *(f"  {named(name):<15} {value:.4g}" for name, value in elite["measures"].items()),
        f"  born            in generation {elite['birth_generation']:,}",
        f"  its cell        changed hands {elite['num_replacements']:,} times",
        f"  parent's class  {'none: first generation' if parent is None else named(parent)}",
    ]
    if origin := elite.get("origin"):
        lines.append(
            f"  began with      picture {origin['picture']:,}, {origin['distance']:.4g} away (root mean square)"
        )
    if elite["now"]:
        lines.append("the classifier now says")
        lines += [
            f"  {percent(log_odds=row['log_odds']):>14}  {row['class_index']:>4}  {named(row['class_name'])}"
            for row in elite["now"]
        ]
    else:
        lines.append(f"the classifier was not asked: {elite['not_asked']}")
    lines += ["saved", *(f"  {printable(path)}" for path in elite["files"])]
    return "\n".join(lines)
