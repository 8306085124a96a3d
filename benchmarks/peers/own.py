"""qdfool's own rows: a preset in the engine's loop, without the host's."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import qdfool
from benchmarks.peers.search import Begin, Peer
from qdfool.build import build_classifier, build_evolution, with_defaults
from qdfool.config import Config
from qdfool.engine.loop import LONGEST_CHUNK, compile_loop, empty_records, jitted_init, run_generations
from qdfool.keys import root_key
from qdfool.types import State


class _Evolution:
    def __init__(self, state: State, run: Callable[[State, int], State], decode: Any, config: Config) -> None:
        self.state, self.run, self.decode, self.charges = state, run, decode, config.charges()
        self.generations = 0

    def advance(self, rounds: int) -> int:
        before = self.charges.of(self.generations)
        for begun in range(0, rounds, LONGEST_CHUNK):
            self.state = self.run(self.state, min(LONGEST_CHUNK, rounds - begun))
        self.generations += rounds
        return self.charges.of(self.generations) - before

    def images(self) -> np.ndarray:
        empty = np.isneginf(np.asarray(self.state.elites.fitness))
        images = np.array(self.decode(self.state.elites.genome))
        images[empty] = np.nan
        return images


def _prepare(preset: str) -> Begin:
    config = qdfool.preset(preset)
    classifier = build_classifier(config)
    config = with_defaults(config, classifier.image_shape)
    evolution = build_evolution(config, classifier)
    loop, init = run_generations(evolution, classifier.logits), jitted_init(evolution)
    decode = jax.jit(jax.vmap(evolution.decode))
    records, compiled = [empty_records(evolution.classes)], []

    def run(state: State, count: int) -> State:
        given = state, records[0], classifier.parameters, jnp.int32(count)
        if not compiled:
            compiled.append(compile_loop(loop.lower(*given), classifier, jax.default_backend()))
        state, records[0] = jax.block_until_ready(compiled[0](*given))
        return state

    def begin(seed: int) -> _Evolution:
        return _Evolution(init(root_key(seed, "evolution")), run, decode, config)

    return begin


def _peer(preset: str, description: str) -> Peer:
    return Peer(description, qdfool.preset(preset).batch_size, (), partial(_prepare, preset))


PEERS = {
    "qdfool": _peer("mnist-direct", "qdfool, the paper's own algorithm (mnist-direct)"),
    "qdfool-cppn": _peer("mnist-cppn", "qdfool, the paper's CPPNs (mnist-cppn)"),
    "qdfool-cppn-unsure": _peer(
        "mnist-cppn-unsure", "qdfool, its fastest preset without gradients (mnist-cppn-unsure)"
    ),
    "qdfool-gradient": _peer("mnist-gradient", "qdfool, its fastest preset (mnist-gradient)"),
}
