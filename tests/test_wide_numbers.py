"""Where JAX has numbers of 64 bits by default, as another library in the process may want them, evolution has 32."""

from dataclasses import replace
from functools import partial
from typing import Any

import fake
import jax
import jax.numpy as jnp
import pytest

from qdfool.build import build_evolution, with_defaults
from qdfool.config import Emitters, EvolutionStrategy, GradientAscent
from qdfool.engine.step import init, step
from qdfool.keys import root_key
from qdfool.types import Classifier

GRID: dict[str, Any] = {"archive": "grid", "cells": (3, 3)}
STRATEGIES = {"emitters": Emitters(("evolution_strategy",)), "batch_size": 40}
SETTINGS: dict[str, dict[str, Any]] = {
    "pixels": {},
    "varied noise in a grid": {"initial": "varied", **GRID},
    "grey noise": {"initial": "grey"},
    "binary": {"encoding": "binary"},
    "black pixels": {"encoding": "black_pixels"},
    "cppn": {"encoding": "cppn"},
    "cma_es": STRATEGIES,
    "lm_ma_es, annealed": {
        **STRATEGIES,
        **GRID,
        "evolution_strategy": EvolutionStrategy("lm_ma_es", ranking="annealed"),
    },
    "ascent": {"emitters": Emitters(("gradient_ascent",)), "gradient_ascent": GradientAscent(rule="adam")},
    "ascent of cppns": {"encoding": "cppn", "emitters": Emitters(("gradient_ascent",))},
    "branches": {"emitters": Emitters(("gradient_arborescence",)), "batch_size": 40, **GRID},
}


@pytest.fixture
def wide():
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_generation_has_the_types_of_the_one_before_and_images_float32(small, wide, name):
    config = with_defaults(replace(small, **SETTINGS[name]), fake.SHAPE)

    def wide_logits(parameters: Any, images: Any) -> Any:
        assert images.dtype == jnp.float32
        return fake.logits(images).astype(jnp.float64)

    evolution = build_evolution(config, Classifier("wide", fake.SHAPE, tuple("abcd"), {}, wide_logits))
    begun = jax.eval_shape(partial(init, evolution), root_key(0, "evolution"))
    after, _ = jax.eval_shape(partial(step, evolution, wide_logits), {}, begun)
    assert jax.tree.map(lambda leaf: leaf.dtype, after) == jax.tree.map(lambda leaf: leaf.dtype, begun)
    floats = [leaf.dtype for leaf in jax.tree.leaves(begun) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    assert set(floats) == {jnp.dtype("float32")}
