"""The command line: `python -m qdfool.run [PRESET] [options]`, also installed as `qdfool`."""

import shlex
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from qdfool.build import CLASSIFIERS, CROSSOVERS, DEFAULT_MUTATIONS, ENCODINGS, INITIAL, MUTATIONS, SELECTIONS
from qdfool.cli.exits import DONE, run_and_exit
from qdfool.cli.options import registry, typed_settings
from qdfool.cli.progress import Progress
from qdfool.config import BUDGET, KEEPING, Config, differences, override
from qdfool.errors import InputError, one_line, shown
from qdfool.genomes.cppn.encoding import ACTIVATIONS
from qdfool.interrupts import exit_code, interrupts
from qdfool.measures import MEASURES
from qdfool.presets import PRESETS, preset
from qdfool.results.config_file import read_config
from qdfool.results.saved_run import SavedRun, resume, start

DESCRIPTION = """Evolves images of nothing that a classifier is certain of.

The first argument may be a preset (default mnist-direct); the options change its settings. A budget that is
given (--generations, --evaluations, --seconds) replaces the preset's. Without --out, the run folder is
archives/PRESET-DATE-TIME-seedN/."""


@dataclass(frozen=True)
class CommandLine:
    """Options of the command line; those of `Config` stand beside these."""

    config: Annotated[Config, tyro.conf.arg(name="")]
    out: Path | None = None
    """Run folder."""
    resume: Path | None = None
    """Run folder to go on with, from its newest checkpoint. Its settings hold; a budget that is given replaces
    its own."""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Throw away the run that is in the run folder."""
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print errors only."""
    list: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print presets, classifiers, encodings, operators and measures, a line each, and end."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and ends the process; `qdfool.cli.exits.run_and_exit` has the exit codes."""
    run_and_exit(
        "qdfool",
        lambda: _main(list(sys.argv[1:] if arguments is None else arguments)),
        after_disk_trouble="What was saved before is whole; make room or give another --out, and go on with --resume.",
        after_interrupt="A run that was on its way can go on with --resume.",
    )


def _main(arguments: list[str]) -> int:
    resume, named = _option(arguments, "--resume"), _option(arguments, "--preset")
    if arguments and not arguments[0].startswith("-"):
        named = arguments.pop(0)
    if resume is None:
        base = preset(named or "mnist-direct")
    else:
        base, _ = read_config(Path(resume))
        if named is not None and named != base.preset:
            raise InputError(
                f"{resume} is a run of another config: preset: {shown(base.preset)} -> {shown(named)}. Leave the "
                "preset away, or start a new run with --out."
            )
    command = parse(arguments, base)
    if command.list:
        print(listing())
        return 0
    return _resume(command, base) if command.resume else _start(command)


def parse(arguments: Sequence[str], base: Config) -> CommandLine:
    """The command line over a config: what is typed replaces what the config has, as `override` says.

    Raises:
        SystemExit: an option that there is not, or a value of another kind; tyro has said which.
    """
    command = tyro.cli(
        CommandLine,
        prog="qdfool [PRESET]",
        description=DESCRIPTION,
        args=arguments,
        default=CommandLine(base),
        registry=registry,
    )
    return replace(command, config=override(base, typed_settings(arguments, command.config)))


def _option(arguments: list[str], option: str) -> str | None:
    """The value of an option that decides what config the other options are read over."""
    for index, argument in enumerate(arguments):
        name, given, value = argument.partition("=")
        if name == option and (given or index + 1 < len(arguments)):
            return value if given else arguments[index + 1]
    return None


def _start(command: CommandLine) -> int:
    config = command.config
    out = command.out or Path("archives") / (
        f"{config.preset}-{time.strftime('%Y-%m-%d-%H%M%S')}-seed{config.seed}"
    )
    return _evolve(
        start(config, out, overwrite=command.overwrite, how_to_resume=_resume_command(out)), command
    )


def _resume(command: CommandLine, saved: Config) -> int:
    folder = command.resume
    assert folder is not None
    if command.out is not None and command.out.resolve() != folder.resolve():
        raise InputError(
            f"--resume goes on in its own folder, {folder}; got --out {command.out}. Leave --out away."
        )
    if command.overwrite:
        raise InputError("--resume goes on with a run, --overwrite throws it away; give one of them.")
    differing = differences(saved, command.config, ignoring=(*BUDGET, *KEEPING))
    if differing:
        raise InputError(
            f"{folder} is a run of another config: {'; '.join(differing)}. Leave these options away, or start "
            "a new run with --out."
        )
    return _evolve(resume(command.config, folder, how_to_resume=_resume_command(folder)), command)


def _resume_command(folder: Path) -> str:
    return shlex.join(["python", "-m", "qdfool.run", "--resume", str(folder)])


def _evolve(saved: SavedRun, command: CommandLine) -> int:
    """Evolves while progress is shown; a signal ends it after a chunk, a second at once, as the system does it."""
    run, out = saved.run, saved.directory
    progress = Progress(run.config, command.quiet)
    with interrupts(signal.SIG_DFL) as received, progress:
        if not command.quiet:
            host = "" if run.classifier.traceable else " (called from the host: JAX cannot trace it)"
            progress.say(
                f"{run.config.preset} on {run.classifier.name}{host}, seed {run.config.seed}, into {out}/"
            )
        saved.evolve(lambda: bool(received), lambda run: progress.show(run.metrics[-1]))
    if received:
        by = "" if received[0] == signal.SIGINT else f" by {received[0].name}"
        print(one_line(f"qdfool: interrupted{by}. {saved.what_is_saved()}"), file=sys.stderr)
        return exit_code(received[0])
    if not command.quiet:
        print(progress.summary(run.result().summary(), out))
    return DONE


def listing() -> str:
    """What --list prints: every name that an option takes, with a line each."""
    encodings = {
        name: f"{row[0]}; mutation: {', '.join(DEFAULT_MUTATIONS[name])}" for name, row in ENCODINGS.items()
    }
    mutations, crossovers = (
        {name: f"{line} ({', '.join(suits)})" for name, (line, suits, _) in table.items()}
        for table in (MUTATIONS, CROSSOVERS)
    )
    tables = {
        "presets": {name: line for name, (line, _) in PRESETS.items()},
        "classifiers (--classifier)": {name: row[0] for name, row in CLASSIFIERS.items()},
        "encodings (--encoding)": encodings,
        "first images (--initial)": {name: row[0] for name, row in INITIAL.items()},
        "CPPN activation functions (--cppn.activations)": {n: line for n, (line, _) in ACTIVATIONS.items()},
        "mutation (--mutation.operators) of the encodings in brackets": mutations,
        "crossover (--crossover.operators) of the encodings in brackets": crossovers,
        "selection (--selection.operator)": {name: row[0] for name, row in SELECTIONS.items()},
        "measures (--measures)": {name: measure.description for name, measure in MEASURES.items()},
    }
    blocks = []
    for title, rows in tables.items():
        width = max(map(len, rows))
        blocks.append("\n".join([title, *(f"  {name:<{width}}  {line}" for name, line in rows.items())]))
    return "\n\n".join(blocks)


if __name__ == "__main__":
    main()
