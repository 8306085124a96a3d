"""The command line of the studies: `python -m qdfool.studies NAME [options]`."""

if __name__ == "__main__":  # Before the imports, which take a second; `start` has them made as it likes.
    from qdfool.cli.start import start

    start("qdfool.studies.__main__")

import importlib
import os
import platform
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import jax
import tyro

from qdfool.cli.device import check_device
from qdfool.cli.exits import run_and_exit
from qdfool.cli.options import read
from qdfool.errors import InputError, known_name, one_line, shown
from qdfool.studies.study import REPORT, Study, Workbench, check_can_be_written

STUDIES = {
    "decision-boundary": "decision_boundary",
    "make-a-seven": "make_a_seven",
    "negative-class": "negative_class",
    "ga-operators": "ga_operators",
    "repeats": "repeats",
    "detection": "detection",
    "lineage": "lineage",
    "transfer": "transfer",
    "gradient-ascent": "gradient_ascent",
    "retraining": "retraining",
}
"""Name to the file that has it, as `STUDY`."""
USAGE = "python -m qdfool.studies NAME [options], or --list; NAME --help has the options"
Settings = TypeVar("Settings")


@dataclass(frozen=True)
class CommandLine(Generic[Settings]):
    """Options that all studies have; those of the one study stand beside them."""

    settings: Annotated[Settings, tyro.conf.arg(name="")]
    seeds: int | None = None
    """Seeds 0 to SEEDS - 1, 2 to 100. Without it, the study's own number, 5 or 10."""
    quick: tyro.conf.FlagCreatePairsOff[bool] = False
    """A small form, minutes on two cores; its figures only show that everything runs."""
    data: Path | None = None
    """Folder of MNIST. Without it: $QDFOOL_DATA, then the cache; what is nowhere is fetched."""
    weights: Path | None = None
    """Folder of pretrained networks. Without it: $QDFOOL_WEIGHTS."""
    out: Path | None = None
    """Folder of the report. Without it: archives/studies/NAME, or archives/studies/NAME-quick."""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Compute everything anew; without it, saved units are read, where code, data and versions are the same."""
    publish: Path | None = None
    """Folder that gets the report as NAME.md, too, with its pictures in NAME/."""
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print errors only."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and ends the process; `qdfool.cli.exits.run_and_exit` has the exit codes."""
    run_and_exit(
        "qdfool.studies",
        lambda: _main(list(sys.argv[1:] if arguments is None else arguments)),
        after_disk_trouble="Units that are done are saved; make room, or give another --out.",
        after_interrupt="Units that are done are saved; go on with the same command.",
    )


def listing() -> str:
    """What --list prints: every study with a line."""
    width = max(map(len, STUDIES))
    return "\n".join(f"{name:<{width}}  {study(name).line}" for name in STUDIES)


def study(name: str) -> Study:
    """The study of that name.

    Raises:
        InputError: there is none.
    """
    module = STUDIES[known_name("study", name, STUDIES)]
    return importlib.import_module(f"qdfool.studies.{module}").STUDY


def _main(arguments: list[str]) -> None:
    if "--list" in arguments:
        print(listing())
        return
    if not arguments or arguments[0].startswith("-"):
        if arguments[:1] in (["-h"], ["--help"]):
            print(f"{USAGE}\n\n{listing()}")
            return
        given = f"got {shown(arguments[0])} first" if arguments else "got nothing"
        raise InputError(f"Expected the name of a study ({', '.join(STUDIES)}); {given}. {USAGE}.")
    chosen = study(arguments[0])
    kind: Any = CommandLine[type(chosen.settings)]
    command = read(
        kind,
        arguments[1:],
        prog=f"python -m qdfool.studies {chosen.name}",
        description=chosen.line,
        default=kind(chosen.settings),
    )
    _run(chosen, command, shlex.join(["python", "-m", "qdfool.studies", *arguments]))


def _run(chosen: Study, command: CommandLine, command_line: str) -> None:
    name = f"{chosen.name}-quick" if command.quick else chosen.name
    out = command.out or Path("archives") / "studies" / name
    log = (lambda text: None) if command.quiet else (lambda text: print(one_line(text), flush=True))
    if command.publish is not None and command.publish.exists() and not command.publish.is_dir():
        raise InputError(f"{command.publish} is a file. Expected a folder, or a new name, with --publish.")
    if command.publish is not None:
        check_can_be_written(command.publish, "--publish")
    check_device()
    workbench = Workbench(
        chosen,
        out,
        settings=command.settings,
        seeds=command.seeds,
        quick=command.quick,
        data=command.data,
        weights=command.weights,
        overwrite=command.overwrite,
        log=log,
    )
    log(
        f"{chosen.name}: {len(workbench.seeds)} seeds, into {out}; Ctrl-C ends it after the unit that is running, "
        "and the same command goes on"
    )
    chosen.run(workbench)
    report = workbench.report
    report.section("How this was made")
    form = (
        " This is the quick form: it shows that everything runs, its figures answer nothing."
        if command.quick
        else ""
    )
    report.text(
        f"`{command_line}`, {time.strftime('%Y-%m-%d')}, {len(workbench.seeds)} seeds; the units took "
        f"{workbench.seconds / 60:.1f} minutes in all, compilation included, on {os.cpu_count()} "
        f"{platform.machine()} cores ({jax.default_backend()}), Python {platform.python_version()}, jax "
        f"{jax.__version__}, qdfool {version('qdfool')}. The same command gives the same numbers, and writes "
        f"them as `results.json` into {out}.{form}"
    )
    report.text(
        "An interval is the mean over seeds ± the half-width of its 95 % Student t interval, each for itself. What is "
        "said to be beyond chance is a t test at 5 %, of several comparisons that answer one question together: "
        "corrected by Holm's step-down method (S. Holm, Scandinavian Journal of Statistics 6(2), 1979, 65-70)."
    )
    workbench.write_results()
    report.write(out / REPORT)
    if command.publish is not None:
        _publish(workbench, command.publish)
    log(f"{chosen.name}: the report is {out / REPORT}")


def _publish(workbench: Workbench, folder: Path) -> None:
    pictures = folder / workbench.study.name
    pictures.mkdir(parents=True, exist_ok=True)
    for name in workbench.report.pictures:
        shutil.copyfile(workbench.out / name, pictures / name)
    workbench.report.write(folder / f"{workbench.study.name}.md", pictures=f"{workbench.study.name}/")
