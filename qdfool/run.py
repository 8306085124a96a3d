"""The command line: `python -m qdfool.run [PRESET] [options]`, also installed as `qdfool`."""

if __name__ == "__main__":  # Before the imports, which take a second; `start` has them made as it likes.
    from qdfool.cli.start import start

    start("qdfool.run")

import shlex
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import tyro

from qdfool import hosts
from qdfool.build import (
    CLASSIFIERS,
    CROSSOVERS,
    DEFAULT_MUTATIONS,
    EMITTERS,
    ENCODINGS,
    INITIAL,
    MUTATIONS,
    SELECTIONS,
)
from qdfool.cli.device import check_device
from qdfool.cli.exits import DONE, run_and_exit
from qdfool.cli.options import read, registry, typed_settings
from qdfool.cli.processes import Processes, Watch, check_options, together
from qdfool.cli.progress import Progress
from qdfool.config import Config, override, seeds_of_text
from qdfool.errors import InputError, listed, one_line, shown
from qdfool.genomes.cppn.evaluation import ACTIVATIONS
from qdfool.interrupts import exit_code, interrupts
from qdfool.measures import MEASURES
from qdfool.presets import PRESETS, preset
from qdfool.results.config_file import is_of_seeds, read_config, read_config_of_seeds
from qdfool.results.opening import resume, start
from qdfool.results.saved_run import SavedRun
from qdfool.results.saved_seeds import SavedSeeds
from qdfool.results.saved_seeds import resume as resume_seeds
from qdfool.results.saved_seeds import start as start_seeds

DESCRIPTION = """Evolves images of nothing that a classifier is certain of.

The first argument may be a preset (default mnist-direct); the options change its settings. A budget that is
given (--generations, --evaluations, --seconds) replaces the preset's; of several seeds, each has it. Without --out, the
run folder is archives/PRESET-DATE-TIME-seedN/."""


FLAGS = ("--overwrite", "--quiet", "--list")
"""Options that take no value."""


@dataclass(frozen=True)
class CommandLine:
    """Options of the command line; those of `Config` stand beside these."""

    config: Annotated[Config, tyro.conf.arg(name="")]
    processes: Annotated[Processes, tyro.conf.arg(name="")] = field(default_factory=Processes)
    out: Path | None = None
    """Run folder; of several seeds, the folder in which each has one."""
    seeds: str | None = None
    """Several seeds, each evolved into a run folder of its own, seedN, with a summary over them: numbers and ranges
    without their ends, as 0:10 (which are 0 to 9), 3,5,8 or 0:3,7."""
    resume: Path | None = None
    """Run folder to go on with, from its newest checkpoint, or folder of several seeds, of which those go on that are
    not done. Its settings hold; a budget that is given replaces its own."""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Throw away the run that is in the run folder, or those of the seeds."""
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
    several = _option(arguments, "--seeds") is not None
    if arguments and not arguments[0].startswith("-"):
        if named is not None:
            raise InputError(_two_presets(arguments[0], named))
        named = arguments.pop(0)
    _check_no_preset(arguments, named)
    if resume is None:
        base = preset(named or "mnist-direct")
    else:
        if several:
            raise InputError("--resume goes on with the seeds that are in its folder. Leave --seeds away.")
        several = is_of_seeds(Path(resume))
        base = read_config_of_seeds(Path(resume))[0] if several else read_config(Path(resume))[0]
        if named is not None and named != base.preset:
            raise InputError(
                f"{resume} is a run of another config: preset: {shown(base.preset)} -> {shown(named)}. Leave the "
                "preset away, or start a new run with --out."
            )
    if several and _option(arguments, "--seed") is not None:
        raise InputError("--seed is of a single run, and this one is of several seeds. Leave --seed away.")
    command = parse(arguments, base)
    if not several and command.config.seeds_at_once != base.seeds_at_once:
        raise InputError(
            "--seeds-at-once is of several seeds, and this is a single run. Leave it away, or give --seeds."
        )
    if command.list:
        print(listing())
        return 0
    check_options(command.processes)
    if command.processes.coordinator is not None and several:
        raise InputError("Several processes cannot evolve `seeds`: leave `coordinator` away.")
    with together(command.processes, "qdfool") as watch:
        check_device()
        return _resume(command, several, watch) if command.resume else _start(command, watch)


def parse(arguments: Sequence[str], base: Config) -> CommandLine:
    """The command line over a config: what is typed replaces what the config has, as `override` says.

    Raises:
        SystemExit: an option that there is not, or a value of another kind; tyro has said which.
    """
    command = read(
        CommandLine,
        arguments,
        prog="qdfool [PRESET]",
        description=DESCRIPTION,
        default=CommandLine(base),
        registry=registry,
    )
    return replace(command, config=override(base, typed_settings(arguments, command.config)))


def _option(arguments: list[str], option: str) -> str | None:
    """The value of an option that decides what config the other options are read over.

    Raises:
        InputError: it is given twice, of which tyro would take the last.
    """
    values = []
    for index, argument in enumerate(arguments):
        name, given, value = argument.partition("=")
        if name == option and (given or index + 1 < len(arguments)):
            values.append(value if given else arguments[index + 1])
    if len(values) > 1:
        raise InputError(
            f"{option} is there {len(values)} times: {listed(map(shown, values))}. Give it once."
        )
    return values[0] if values else None


def _check_no_preset(options: Sequence[str], named: str | None) -> None:
    """Checks what is typed after the preset.

    Args:
        options: all that is.
        named: the preset, if there is one.

    Raises:
        InputError: there is a preset where no option takes a value.
    """
    for before, argument in pairwise(["", *options]):
        if argument in PRESETS and (not before.startswith("-") or before in FLAGS or "=" in before):
            if named is not None:
                raise InputError(_two_presets(named, argument))
            raise InputError(
                f"The preset {shown(argument)} stands after options. Give it first: python -m qdfool.run {argument} ..."
            )


def _two_presets(one: str, other: str) -> str:
    return f"Two presets are given: {shown(one)} and {shown(other)}. Give one of them."


def _start(command: CommandLine, watch: Watch | None) -> int:
    config = command.config
    seeds = None if command.seeds is None else seeds_of_text(command.seeds)
    which = f"seed{config.seed}" if seeds is None else f"{len(seeds)}seeds"
    out = command.out or Path("archives") / f"{config.preset}-{time.strftime('%Y-%m-%d-%H%M%S')}-{which}"
    if command.out is None:
        out = Path(hosts.exchanged(str(out))[0])  # Clocks differ.
    how = {"overwrite": command.overwrite, "how_to_resume": _resume_command(out)}
    saved = start(config, out, **how) if seeds is None else start_seeds(config, seeds, out, **how)
    return _evolve(saved, command, out, watch)


def _resume(command: CommandLine, several: bool, watch: Watch | None) -> int:
    folder = command.resume
    assert folder is not None
    if command.out is not None and command.out.resolve() != folder.resolve():
        raise InputError(
            f"--resume goes on in its own folder, {folder}; got --out {command.out}. Leave --out away."
        )
    if command.overwrite:
        raise InputError("--resume goes on with a run, --overwrite throws it away; give one of them.")
    go_on = resume_seeds if several else resume
    return _evolve(
        go_on(command.config, folder, how_to_resume=_resume_command(folder)), command, folder, watch
    )


def _resume_command(folder: Path) -> str:
    named = str(folder)
    given = [f"--resume={named}"] if named.startswith("-") else ["--resume", named]
    return shlex.join(["python", "-m", "qdfool.run", *given])


def _evolve(saved: SavedRun | SavedSeeds, command: CommandLine, out: Path, watch: Watch | None) -> int:
    """Evolves while progress is shown; a signal ends it after a chunk, a second at once, as the system does it. Of
    several processes the first one shows progress, and a signal to one ends all."""
    config, classifier = saved.config, saved.classifier
    quiet = command.quiet or not hosts.is_first()
    if watch is not None:
        watch.advise(f"From the last checkpoint, all can go on with: {saved.how_to_resume}")
    progress = Progress(config, quiet, saved.to_do() if isinstance(saved, SavedSeeds) else None)
    with interrupts(signal.SIG_DFL) as received, progress:
        if not quiet:
            host = "" if classifier.traceable else " (called from the host: JAX cannot trace it)"
            several = isinstance(saved, SavedSeeds)
            which = f"{len(saved.seeds):,} seeds" if several else f"seed {config.seed}"
            progress.say(f"{config.preset} on {classifier.name}{host}, {which}, into {out}/")
            if _is_done(saved):
                progress.say(
                    "The budget is spent already, so nothing evolves: with a larger --generations, --evaluations or "
                    "--seconds it goes on."
                )
        saved.evolve(
            lambda: bool(received),
            lambda runs: progress.show({run.config.seed: run.metrics[-1] for run in runs}),
        )
    ended_by = hosts.highest(received[0] if received else 0)
    if ended_by:
        by = "" if ended_by == signal.SIGINT else f" by {signal.Signals(ended_by).name}"
        print(one_line(f"qdfool: interrupted{by}. {saved.what_is_saved()}"), file=sys.stderr)
        return exit_code(ended_by)
    if not quiet:
        print(progress.summary(saved.summary(), out))
    return DONE


def _is_done(saved: SavedRun | SavedSeeds) -> bool:
    if isinstance(saved, SavedSeeds):
        return not saved.to_do()
    return saved.config.spent_budget(saved.run.generations, saved.run.seconds) is not None


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
        "emitters (--emitters.operators)": {name: row[0] for name, row in EMITTERS.items()},
        "selection (--selection.operator)": {name: row[0] for name, row in SELECTIONS.items()},
        "measures (--measures)": {name: measure.description for name, measure in MEASURES.items()},
    }
    blocks = []
    for title, rows in tables.items():
        width = max(map(len, rows))
        blocks.append("\n".join([title, *(f"  {name:<{width}}  {line}" for name, line in rows.items())]))
    return "\n\n".join(blocks)
