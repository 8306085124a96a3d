"""The command line: `python -m qdfool.run [PRESET] [options]`, also installed as `qdfool`."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated

import tyro

from qdfool.build import CLASSIFIERS, CROSSOVERS, ENCODINGS, INITIAL, MUTATIONS, SELECTIONS, build_classifier
from qdfool.cli.progress import Progress
from qdfool.config import BUDGET, KEEPING, Config, differences, validate
from qdfool.errors import InputError
from qdfool.genomes.cppn.encoding import ACTIVATIONS
from qdfool.measures import MEASURES
from qdfool.presets import PRESETS, preset
from qdfool.results import run_folder
from qdfool.results.checkpoint import Checkpoints
from qdfool.results.config_file import check_resumable, read_config, write_config
from qdfool.results.run import Run

DESCRIPTION = """Evolves images of nothing that a classifier is certain of.

The first argument may be a preset (default mnist-direct); the options change its settings. Without --out,
the run folder is archives/PRESET-DATE-TIME-seedN/."""


@dataclass(frozen=True)
class CommandLine:
    """Options of the command line; those of `Config` stand beside these."""

    config: Annotated[Config, tyro.conf.arg(name="")]
    out: Path | None = None
    """Run folder."""
    resume: Path | None = None
    """Run folder to go on with, from its newest checkpoint. Its settings hold; the budget may be extended."""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Throw away the run that is in the run folder."""
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print errors only."""
    list: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print presets, classifiers, encodings, operators and measures, a line each, and end."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and ends the process: 0 done, 2 bad input, 1 disk trouble, 130 interrupted."""
    try:
        sys.exit(_main(list(sys.argv[1:] if arguments is None else arguments)))
    except InputError as error:
        print(f"qdfool: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        # Nobody reads standard output any more; what Python still holds for it goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print("qdfool: standard output was closed; a run that was on its way can go on.", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        print(f"qdfool: {_disk_trouble(error)}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("qdfool: interrupted.", file=sys.stderr)
        sys.exit(130)


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
                f"{resume} is a run of another config: preset: {base.preset!r} -> {named!r}. Leave the preset "
                "away, or start a new run with --out."
            )
    command = tyro.cli(
        CommandLine,
        prog="qdfool [PRESET]",
        description=DESCRIPTION,
        args=arguments,
        default=CommandLine(base),
    )
    if command.list:
        print(listing())
        return 0
    return _resume(command, base) if command.resume else _start(command)


def _option(arguments: list[str], option: str) -> str | None:
    """The value of an option that decides what config the other options are read over."""
    for index, argument in enumerate(arguments):
        name, given, value = argument.partition("=")
        if name == option and (given or index + 1 < len(arguments)):
            return value if given else arguments[index + 1]
    return None


def _start(command: CommandLine) -> int:
    config = command.config
    validate(config)
    out = command.out or Path("archives") / (
        f"{config.preset}-{time.strftime('%Y-%m-%d-%H%M%S')}-seed{config.seed}"
    )
    classifier = build_classifier(config)
    run = Run(config, classifier)
    run_folder.prepare(out, command.overwrite)
    write_config(out, run.config, classifier)
    return _evolve(run, out, command.quiet)


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
    validate(command.config)
    _, values = read_config(folder)
    check_resumable(folder, values)
    classifier = build_classifier(command.config)
    if values["classifier"]["fingerprint"] != classifier.fingerprint:
        raise InputError(
            f"{folder} was run with other weights: SHA-256 {values['classifier']['fingerprint'] or 'none'} "
            f"-> {classifier.fingerprint or 'none'}. Give the weights it began with."
        )
    if list(classifier.class_names) != values["classifier"]["class_names"]:
        raise InputError(f"{folder} was run on a classifier with other classes. Give the one it began with.")
    run = Run(command.config, classifier)
    if not (folder / run_folder.CHECKPOINTS).is_dir():
        raise InputError(
            f"No checkpoint in {folder}. Expected the folder of a run that saved one; give that, or start a new run "
            "with another --out."
        )
    checkpoints = Checkpoints(folder / run_folder.CHECKPOINTS)
    try:
        earlier = run_folder.read_metrics(folder / run_folder.METRICS)
        run.restore(checkpoints, earlier, lambda text: print(f"qdfool: {text}", file=sys.stderr))
    finally:
        checkpoints.close()
    write_config(folder, command.config, classifier)
    return _evolve(run, folder, command.quiet)


def _evolve(run: Run, out: Path, quiet: bool) -> int:
    """Evolves, and leaves the folder whole, however it ends."""
    checkpoints = Checkpoints(out / run_folder.CHECKPOINTS)
    saved_at = time.monotonic()
    progress = Progress(run.config, quiet)
    failure: InputError | None = None
    try:
        with _interrupts() as interrupted, progress:
            if not quiet:
                host = "" if run.classifier.traceable else " (called from the host: JAX cannot trace it)"
                progress.say(
                    f"{run.config.preset} on {run.classifier.name}{host}, seed {run.config.seed}, into {out}/"
                )
            try:
                for _ in run.advance(stop=lambda: bool(interrupted)):
                    progress.show(run.metrics[-1])
                    if time.monotonic() - saved_at >= run.config.checkpoint_every:
                        run.save(checkpoints)
                        run_folder.write_metrics(out / run_folder.METRICS, run.metrics)
                        saved_at = time.monotonic()
            except InputError as error:
                failure = error
            if run.generations:
                run.save(checkpoints)
                run.result().write(out)
            checkpoints.finish()
    finally:
        checkpoints.close()
    if failure is not None:
        raise InputError(f"{failure} {_saved(run, out)}") from failure
    if interrupted:
        print(f"qdfool: interrupted. {_saved(run, out)}", file=sys.stderr)
        return 130
    if not quiet:
        print(progress.summary(run.result().summary(), out))
    return 0


def _saved(run: Run, out: Path) -> str:
    if not run.generations:
        return "No generation was complete; there is nothing to go on from."
    return (
        f"Everything until generation {run.generations} is saved; go on with: "
        f"python -m qdfool.run --resume {out}"
    )


@contextlib.contextmanager
def _interrupts() -> Iterator[list[int]]:
    """A list that is empty until Ctrl-C. The second Ctrl-C ends the process at once, as the system does it."""
    received: list[int] = []

    def receive(number: int, frame: FrameType | None) -> None:
        received.append(number)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.write(2, b"\nqdfool: stopping after this chunk and saving; Ctrl-C again stops at once.\n")

    before = signal.signal(signal.SIGINT, receive)
    try:
        yield received
    finally:
        signal.signal(signal.SIGINT, before)


def _disk_trouble(error: OSError) -> str:
    if error.errno is None:
        return str(error)
    return (
        f"{error.strerror}: {error.filename or 'a file of the run'}. What was saved before is whole; make room "
        "or give another --out, and go on with --resume."
    )


def listing() -> str:
    """What --list prints: every name that an option takes, with a line each."""
    tables = {
        "presets": {name: line for name, (line, _) in PRESETS.items()},
        "classifiers (--classifier)": {name: row[0] for name, row in CLASSIFIERS.items()},
        "encodings (--encoding)": {name: row[0] for name, row in ENCODINGS.items()},
        "first images (--initial)": {name: row[0] for name, row in INITIAL.items()},
        "CPPN activation functions (--cppn.activations)": {n: line for n, (line, _) in ACTIVATIONS.items()},
        "mutation (--mutation.operators)": {name: row[0] for name, row in MUTATIONS.items()},
        "crossover (--crossover.operators)": {name: row[0] for name, row in CROSSOVERS.items()},
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
