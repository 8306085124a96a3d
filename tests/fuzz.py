"""Fuzzing of everything that is read from outside, for anyone to run.

    python -m tests.fuzz --minutes 10 --seed 0

Hypothesis damages good files of every reader of `tests/audited/readers.py`, at random but the same for the same seed.
Each reader is fuzzed in a process of its own, which may take 10 s and 1 GB more than before for a file, and has to end
with a value or an InputError of one printable line, the file untouched. A file that does not is kept, and named.
"""

import argparse
import contextlib
import itertools
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

TESTS = Path(__file__).parent
for folder in (TESTS / "audited", TESTS.parent):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from damage import damaged  # noqa: E402 - found in the folder above
from readers import ELITES_PARTS, READERS, RUN_FILES, Fault, Reader, check, run_readers  # noqa: E402

from qdfool.errors import InputError  # noqa: E402

SECONDS_A_FILE = 10
MEMORY_A_FILE = 1 << 30
"""Bytes."""
MEMORY_OF_ALL = 16 << 30
"""Bytes of addresses that a process may have, so that what grows without bound ends it and not the machine."""
EXAMPLES = 100
"""Files with one seed of Hypothesis's."""
SLICE = 15.0
"""Seconds that one process spends on a reader, at most."""
SLOW_BY_NATURE = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)
NAMES = (*READERS, *(f"run, {name}" for name in (*RUN_FILES, *ELITES_PARTS)), "config.json")


def limited_check(reader: Reader, content: bytes, folder: Path) -> str:
    """Reads a file within limits: "read" or "refused". One that takes too long ends the process.

    Raises:
        Fault: as `check` does, or the reader took too much memory.
    """
    # The kernel's mark of the most memory is set anew.
    Path("/proc/self/clear_refs").write_text("5")
    held = _most_memory()
    signal.alarm(SECONDS_A_FILE)
    try:
        outcome = "refused" if isinstance(check(reader, content, folder), InputError) else "read"
    finally:
        signal.alarm(0)
    if _most_memory() - held > MEMORY_A_FILE:
        raise Fault(f"took {(_most_memory() - held) / 1e9:.1f} GB")
    return outcome


def _most_memory() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    raise RuntimeError("this system does not say how much memory a process takes")


def fuzz(name: str, number: int, seconds: float, folder: Path) -> None:
    """Fuzzes one reader in this process; prints the seeds and how the files ended."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_OF_ALL, MEMORY_OF_ALL))
    warnings.simplefilter("ignore")
    reader = READERS.get(name) or run_readers(folder / "run")[name]
    outcomes, until = Counter(), time.monotonic() + seconds
    (folder / "files").mkdir(parents=True)
    good = limited_check(reader, reader.wrap(reader.content), folder / "files")
    assert good == "read", f"{name}: the file that is damaged is not whole"
    for batch in itertools.count():

        @seed(f"{number} {name} {batch}")
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=SLOW_BY_NATURE,
        )
        @given(content=damaged(reader.content, most=4).map(reader.wrap))
        def one(content: bytes) -> None:
            outcomes[limited_check(reader, content, folder / "files")] += 1

        with contextlib.redirect_stdout(sys.stderr):
            one()
        if time.monotonic() > until:
            break
    print(f"{outcomes['read']} {outcomes['refused']}")


def replay(folder: Path) -> list[str]:
    """Reads the corpus in this process; the cases that fell, with how."""
    from corpus import CASES

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_OF_ALL, MEMORY_OF_ALL))
    warnings.simplefilter("ignore")
    found, faults = {**READERS, **run_readers(folder / "run")}, []
    for number, (name, case) in enumerate(CASES.items()):
        print(name, flush=True)  # before it is read, which may end the process
        (folder / str(number)).mkdir()
        reader = found[case.reader]
        try:
            outcome = limited_check(reader, case.make(reader), folder / str(number))
            if outcome not in case.outcomes:
                faults.append(f"{name}: {outcome}")
        except Fault as fault:
            faults.append(f"{name}: {fault}")
    return faults


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="in all (default 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the damage (default 0)")
    parser.add_argument("--only", metavar="READER", help="one reader; an unknown one lists them")
    parser.add_argument("--corpus", action="store_true", help="read the corpus of hostile files instead")
    parser.add_argument("--keep", type=Path, help="folder for the files that a reader fell over")
    parser.add_argument("--here", nargs=3, metavar=("SEED", "SECONDS", "FOLDER"), help=argparse.SUPPRESS)
    return parser


def main() -> None:
    """Fuzzes all readers in turn until the time is over; exits with 1 if one fell."""
    options = parser().parse_args()
    if options.here:
        number, seconds, folder = options.here
        fuzz(options.only, int(number), float(seconds), Path(folder))
        return
    with tempfile.TemporaryDirectory(prefix="qdfool-fuzz-") as scratch:
        if options.corpus:
            faults = replay(Path(scratch))
            raise SystemExit("\n".join(faults) if faults else 0)
        if options.only not in (None, *NAMES):
            raise SystemExit(f"No reader {options.only!r}. There are: {'; '.join(NAMES)}.")
        names = NAMES if options.only is None else (options.only,)
        keep = options.keep or Path(tempfile.gettempdir()) / f"qdfool-fuzz-faults-{options.seed}"
        faults = _fuzz_all(names, options.seed, time.monotonic() + 60 * options.minutes, Path(scratch), keep)
    raise SystemExit(f"{faults} faults; the files are in {keep}/" if faults else 0)


def _fuzz_all(names: tuple[str, ...], number: int, until: float, scratch: Path, keep: Path) -> int:
    faults = rounds = 0
    totals: Counter[str] = Counter()
    share = min(SLICE, (until - time.monotonic()) / len(names))
    while time.monotonic() < until:
        for name in names:
            seconds = min(share, until - time.monotonic())
            if seconds <= 0:
                break
            folder = scratch / f"round {rounds} {name}"
            here = [str(number + (rounds << 32)), str(seconds), str(folder)]
            command = [sys.executable, "-m", "tests.fuzz", "--only", name, "--here", *here]
            ended = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, check=False)
            if ended.returncode == 0:
                read, refused = map(int, ended.stdout.split())
                totals["read"] += read
                totals["refused"] += refused
                print(f"{name}: {read} read, {refused} refused", flush=True)
            else:
                faults += 1
                keep.mkdir(parents=True, exist_ok=True)
                kept = keep / f"{faults}-{name}"
                shutil.copytree(folder / "files", kept, dirs_exist_ok=True)
                said = [line for line in ended.stderr.splitlines() if "Fault: " in line]
                why = said[-1].strip() if said else ended.stderr.strip()[-500:] or "nothing said"
                print(f"{name}: FELL (exit {ended.returncode}): {why}\n  kept in {kept}", flush=True)
            shutil.rmtree(folder, ignore_errors=True)
        rounds += 1
    files = totals["read"] + totals["refused"]
    print(f"{files:,} files: {totals['read']:,} read, {totals['refused']:,} refused, {faults} faults")
    return faults


if __name__ == "__main__":
    main()
