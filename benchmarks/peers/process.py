"""A peer in a process of its own, which waits for seeds and answers each with a row.

So no peer's threads, allocator or flags are another's, every peer imports and compiles once, and seeds can go round all
peers in turn: a machine that drifts drifts for all.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import IO, Any

import jax
import numpy as np

from benchmarks.peers.clock import Budget, Judge, Row, compile_seconds, measure
from benchmarks.peers.roster import PEERS
from benchmarks.peers.search import Peer
from qdfool.classifiers import lenet
from qdfool.engine.objectives import confidence, log_odds


class Ended(Exception):
    """A peer's process ended before it answered."""


class Process:
    """The parent's end of a peer's process."""

    def __init__(self, name: str, budget: Budget) -> None:
        """Starts it; it imports and compiles when the first seed comes."""
        self.name = name
        command = [sys.executable, "-m", "benchmarks.peers.process", name, json.dumps(asdict(budget))]
        environment = {
            **os.environ,
            # A cache would hide what compilation takes.
            "JAX_ENABLE_COMPILATION_CACHE": "false",
            # All share one GPU, of which JAX would take three quarters for the first.
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        }
        self.child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,  # A Ctrl-C is the parent's, who ends it.
        )

    def row(self, seed: int) -> Row:
        """The row of a seed.

        Raises:
            Ended: the process failed; what it said is on stderr.
        """
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        try:
            print(seed, file=self.child.stdin, flush=True)
            line = self.child.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise Ended(f"{self.name}: its process ended with {self.child.wait()}.")
        return Row(**json.loads(line))

    def end(self) -> None:
        """Ends the process."""
        self.child.terminate()
        self.child.wait()
        for stream in (self.child.stdin, self.child.stdout):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):  # A seed that it has not read.
                stream.close()


def serve(name: str, peer: Peer, budget: Budget, judge: Judge, seeds: Iterable[str], out: IO[str]) -> None:
    """The child's end: a row as a line of JSON for each line that names a seed."""
    prepared = None
    for line in seeds:
        if prepared is None:
            begin = peer.prepare()
            prepared = begin, compile_seconds(begin)
            judge(begin(0).images())
        begin, compiled = prepared
        row = measure(name, peer.batch_size, begin, int(line), compiled, budget, judge)
        row.versions = peer.versions()
        print(json.dumps(vars(row)), file=out, flush=True)


def lenet_judge() -> Judge:
    """The judge of all: qdfool's LeNet."""
    classifier = lenet.classifier()

    @jax.jit
    def own(images: Any) -> Any:
        return jax.numpy.diagonal(jax.vmap(log_odds)(classifier.logits(classifier.parameters, images)))

    def judge(images: np.ndarray) -> np.ndarray:
        there = ~np.isnan(images).any(axis=(1, 2, 3))
        return np.where(there, confidence(own(np.nan_to_num(images))), 0.0)

    return judge


def main() -> None:
    """Answers seeds on standard input with rows on standard output; all else that is printed goes to stderr."""
    name, budget = sys.argv[1:]
    out, sys.stdout = sys.stdout, sys.stderr
    serve(name, PEERS[name], Budget(**json.loads(budget)), lenet_judge(), sys.stdin, out)


if __name__ == "__main__":
    main()
