"""How soon is each sure of all ten digits: `python -m benchmarks.peers`.

Every peer searches images that the packaged LeNet is sure of, one process after another on the same cores, a seed a
round. How the clock works is in `clock.py`; what each peer does, in its own file. Wants the extra `bench`, and says
which peers it leaves out without it.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tyro

from benchmarks.peers.clock import Budget, Row
from benchmarks.peers.process import Ended, Process
from benchmarks.peers.roster import PEERS
from benchmarks.peers.table import markdown, picture
from benchmarks.report import write
from qdfool.errors import InputError, in_range, known_name

GRADIENTS = ("qdfool-gradient", "foolbox", "art")


@dataclass(frozen=True)
class Options:
    """Measures how soon each peer is sure of all ten digits."""

    peers: tuple[str, ...] = tuple(PEERS)
    """Which take part, all without it; --list says what each is."""
    seeds: int = 10
    """Seeds 0 to this, exclusive (>= 1): rounds in which every peer has its turn."""
    seconds: float = 60.0
    """Budget of each search, on its clock (> 0)."""
    give_up: int = 3
    """A peer whose first so many searches (>= 1) all spent their budget has no more."""
    interval: float = 0.02
    """Seconds between two looks at a search (> 0), while which its clock stands: how exact figures are."""
    least: float = 0.5
    """Seconds (>= 0) that each search goes on for at least, for its evaluations a second."""
    json: Path | None = None
    """File for the rows, written anew after each of them, under a header of machine and versions."""
    picture: Path | None = None
    """PNG for the picture."""
    list: bool = False
    """Says what each peer is and ends."""


def main() -> None:
    """Measures, prints the table, and writes the files that were asked for."""
    options = tyro.cli(Options, prog="python -m benchmarks.peers")
    try:
        names = check(options)
    except InputError as error:
        print(f"peers: {error}", file=sys.stderr)
        sys.exit(2)
    if options.list:
        for name in names:
            print(f"{name:22} {PEERS[name].description}")
        return
    rows = measure_all(names, options, Process)
    if rows:
        print(markdown(rows))
        if options.picture:
            picture(options.picture, rows, GRADIENTS)


def check(options: Options) -> list[str]:
    """The peers that take part; says which do not.

    Raises:
        InputError: an unknown name, or a number out of its range.
    """
    in_range("--seeds", options.seeds, 1)
    in_range("--seconds", options.seconds, 1e-3)
    in_range("--give-up", options.give_up, 1)
    in_range("--interval", options.interval, 1e-4)
    in_range("--least", options.least, 0)
    names = [known_name("peer", name, PEERS) for name in dict.fromkeys(options.peers)]
    for name in names:
        if missing := PEERS[name].missing():
            say(f"{name} is left out: pip install {' '.join(missing)}, or the extra bench.")
    return [name for name in names if not PEERS[name].missing()]


def measure_all(names: list[str], options: Options, start: Callable[[str, Budget], Process]) -> list[Row]:
    """The rows of all peers, a seed after the other; a peer that ends by itself, or is given up, has no more."""
    budget = Budget(options.seconds, options.interval, options.least)
    rows: list[Row] = []
    left: dict[str, str] = {}
    processes: dict[str, Process] = {}
    try:
        for seed in range(options.seeds):
            for name in names:
                if name in left:
                    continue
                if name not in processes:
                    processes[name] = start(name, budget)
                try:
                    rows.append(processes[name].row(seed))
                except Ended as error:
                    left[name] = str(error)
                else:
                    own = [row.seconds_to_all_9999 for row in rows if row.peer == name]
                    if len(own) == options.give_up < options.seeds and not any(own):
                        left[name] = f"{name}: none of its first {len(own)} seeds got there; it has no more."
                    say(_told(rows[-1]))
                    if options.json:
                        write(options.json, rows, {"left": left, "described": described(rows)})
                if name in left:
                    say(left[name])
                    processes.pop(name).end()
    except KeyboardInterrupt:
        say("Interrupted; the rows until here are kept.")
    finally:
        for process in processes.values():
            process.end()
    return rows


def described(rows: list[Row]) -> dict[str, str]:
    """What each peer in the rows is."""
    return {row.peer: PEERS[row.peer].description for row in rows if row.peer in PEERS}


def say(line: str) -> None:
    """To stderr: standard output has the table."""
    print(line, file=sys.stderr, flush=True)


def _told(row: Row) -> str:
    reached = row.seconds_to_all_9999
    end = (
        f"all ten in {reached:.2f} s"
        if reached is not None
        else f"never in {row.budget_seconds:g} s: {row.never}"
    )
    return f"{row.peer}, seed {row.seed}: {end}, {row.evaluations_per_second:,.0f} evaluations a second"


if __name__ == "__main__":
    main()
