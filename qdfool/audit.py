"""The standard examination of a classifier: `python -m qdfool.audit CLASSIFIER [--budget quick] [--out DIR]`."""

if __name__ == "__main__":  # Before the imports, which take a second; `start` has them made as it likes.
    from qdfool.cli.start import start

    start("qdfool.audit")

import contextlib
import re
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from qdfool.analysis import percent
from qdfool.cli.device import check_device
from qdfool.cli.exits import ABOVE, DONE, run_and_exit
from qdfool.cli.options import read
from qdfool.cli.progress import Progress
from qdfool.config import Preprocessing, seeds_of_text
from qdfool.data.collection import collection
from qdfool.errors import InputError, in_range, named, one_line, printable
from qdfool.interrupts import exit_code, interrupts
from qdfool.results import run_folder
from qdfool.results.audit.card import card_of, command_of
from qdfool.results.audit.findings import read_findings
from qdfool.results.audit.folder import CARD, Audit
from qdfool.results.audit.page import write_page
from qdfool.results.audit.plan import WAYS, Settings
from qdfool.results.audit.real import Real, ask_about
from qdfool.results.run import Run
from qdfool.results.saved_seeds import SavedSeeds


@dataclass(frozen=True)
class CommandLine:
    """Examines how sure a classifier becomes of images of nothing: by pixels, CPPNs, a map of images, and gradients
    where it has any, with several seeds each. Leaves a page, a card with the score (docs/score.md), and the runs. An
    audit that was interrupted goes on with the same command."""

    classifier: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="CLASSIFIER")] = None
    """A classifier of `python -m qdfool.run --list`, or your own: package.module:attribute, an .onnx, .pt, .pt2 or
    .keras file, or http://..."""
    budget: str = "quick"
    """quick, standard or thorough: 10,000, 300,000 or 2,000,000 evaluations a run, for a LeNet about 2, 20 or 120
    minutes on two cores; a quarter of that for images of more than 64 x 64 x 3 values."""
    real: Path | None = None
    """Real images to compare confidences with: a folder of image files, or an IDX file as MNIST's are."""
    out: Path | None = None
    """Folder for all of it. Without it: archives/audit-CLASSIFIER-BUDGET."""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Throw away the audit that is in the folder, and begin anew."""
    fail_above: float | None = None
    """Exit with 5 if the score, which is between 0 and 1, is above this."""
    seeds: str = "0:3"
    """Seeds of each way, 2 or more: as 0:3, which are 0 to 2, or 3,5,8."""
    reject: tuple[str, ...] = ()
    """Names of classes that stand for nothing, as one of noise: to be sure of these is no fault, and they are not
    counted."""
    weights: str | None = None
    """Weights for a classifier of --list, as `python -m qdfool.run --help` says."""
    image_shape: tuple[int, int, int] | None = None
    """Height, width, channels of the images, as `python -m qdfool.run --help` says."""
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print errors only."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and ends the process; `qdfool.cli.exits.run_and_exit` has the exit codes."""
    run_and_exit(
        "qdfool.audit",
        lambda: _main(list(sys.argv[1:] if arguments is None else arguments)),
        after_disk_trouble="What was saved before is whole; make room, and go on with the same command.",
        after_interrupt="An audit that was on its way goes on with the same command.",
    )


def _main(arguments: list[str]) -> int:
    command = read(CommandLine, arguments, prog="python -m qdfool.audit")
    if command.classifier is None:
        raise InputError("No classifier to audit: give one, as python -m qdfool.audit lenet.")
    if command.fail_above is not None:
        in_range("--fail-above", command.fail_above, 0, 1)
    settings = Settings(
        command.classifier,
        command.budget,
        seeds_of_text(command.seeds),
        command.reject,
        command.weights,
        command.image_shape,
        command.preprocessing,
    )
    check_device()
    out = command.out or Path("archives") / _folder_name(settings)
    audit = Audit(settings, out, command.overwrite)
    # Before minutes are spent: what is no image, or no classifier of it, is said at once.
    images = None if command.real is None else collection(command.real, audit.classifier.image_shape)
    how = command_of(settings, str(out), "" if images is None else images.source)
    found = None if images is None else ask_about(audit.classifier, images, audit.rejected())
    # Of the way on alone: the card is the same whatever it has to be below.
    gate = "" if command.fail_above is None else f" --fail-above {command.fail_above!r}"
    ended_by = _evolve(audit, out, how + gate, command.quiet)
    if ended_by:
        return ended_by
    card = _conclude(audit, found, how)
    if not command.quiet:
        print(as_text(card, out))
    if command.fail_above is not None and card["score"] > command.fail_above:
        line = f"qdfool.audit: the score {card['score']:.4f} is above {command.fail_above:g}, as --fail-above has it."
        print(one_line(line), file=sys.stderr)
        return ABOVE
    return DONE


def _folder_name(settings: Settings) -> str:
    name = re.sub(r"[^A-Za-z0-9.]+", "-", settings.classifier).strip("-.")[-60:]
    return f"audit-{name or 'classifier'}-{settings.budget}"


def _evolve(audit: Audit, out: Path, how: str, quiet: bool) -> int:
    """Evolves what is not done; returns the exit code of the signal that ended it, 0 if none has."""
    with interrupts(signal.SIG_DFL) as received, contextlib.ExitStack() as live:

        def on_way(way: str, saved: SavedSeeds) -> Callable[[Sequence[Run]], None]:
            live.close()  # The line of the way before.
            progress = live.enter_context(Progress(saved.config, quiet, saved.to_do()))
            if saved.to_do():
                turn = f"{list(audit.plan.configs).index(way) + 1} of {len(audit.plan.configs)}"
                progress.say(f"{WAYS[way].title} ({turn}): {WAYS[way].line}; into {out / way}/")
            return lambda runs: progress.show({run.config.seed: run.metrics[-1] for run in runs})

        done = audit.evolve(how, lambda: bool(received), on_way)
    if received and not done:
        by = "" if received[0] == signal.SIGINT else f" by {received[0].name}"
        line = f"qdfool.audit: interrupted{by}. What was found is saved; go on with: {how}"
        print(one_line(line), file=sys.stderr)
        return exit_code(received[0])
    return 0


def _conclude(audit: Audit, real: Real | None, how: str) -> dict[str, Any]:
    """Writes the card and the page; returns the card."""
    findings = read_findings(audit)
    card = card_of(audit, findings, real, how)
    run_folder.write_json(audit.directory / CARD, card)
    write_page(audit, findings, real, card)
    return card


def as_text(card: dict[str, Any], out: Path) -> str:
    """The card in a few lines, which a terminal may have."""
    title = f"{named(card['classifier'])}, {card['budget']}: score {card['score']:.4f} "
    lines = [
        title + f"({card['score_low']:.4f} to {card['score_high']:.4f} over {len(card['seeds'])} seeds), of 1"
    ]
    for way, found in card["ways"].items():
        if found is None:
            lines.append(f"  {WAYS[way].title:<10} left out: {card['left_out'][way]}")
            continue
        lines.append(
            f"  {WAYS[way].title:<10} {found['score']:.4f}{'' if found['scored'] else ' (not counted)'}; median "
            f"confidence {percent(found['median_confidence'])}, {found['classes_at_9999']:,.4g} of {card['classes']:,} "
            "classes at 99.99 % or more"
        )
    if (real := card["real"]) is not None:
        given, asked = real["images"], real["asked_about"]
        of_all = "" if asked == given else f" of {given:,}"
        lines.append(
            f"  of {asked:,}{of_all} real images at least {100 * (1 - real['lost']):.3g} % are at "
            f"{percent(real['threshold'])} or more, and so are {100 * real['passing']:.3g} % of those of nothing"
        )
    lines.append(f"{card['evaluations']:,} evaluations; {run_folder.REPORT} and {CARD} are in {out}/")
    return "\n".join(map(printable, lines))
