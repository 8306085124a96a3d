"""What a checkpoint says is checked before a run goes on from it: else it would become results."""

import copy
from dataclasses import replace
from typing import Any

import fake
import jax
import numpy as np
import pytest

import qdfool
from qdfool.errors import InputError
from qdfool.results import run as runs
from qdfool.results.history import History
from qdfool.results.run import Run
from qdfool.results.state_check import check_state

CLASSES = len(fake.classifier.class_names)


@pytest.fixture(scope="module")
def tree(small) -> tuple[qdfool.Config, dict[str, Any]]:
    """State and history of a grid archive after a few generations, as a checkpoint has them."""
    config = replace(small, generations=4, archive="grid", cells=(4, 4), encoding="pixels")
    run = Run(config, fake.classifier)
    for _ in run.advance():
        pass
    return run.config, jax.tree.map(np.array, runs._tree(run.state, vars(run.history)))


def check(config: qdfool.Config, tree: dict[str, Any]) -> None:
    history = History(**tree["history"])
    check_state(config, fake.classifier.image_shape, CLASSES, tree["state"], history)


def test_what_a_run_made_is_taken(tree):
    check(*tree)


def test_children_may_be_what_no_network_answers_to(tree):
    """An emitter's gradient may be NaN: such a child gets in nowhere, ends the run, and is saved with it."""
    altered = copy.deepcopy(tree[1])
    for name in ("children", "images"):
        altered["state"][name].reshape(-1)[0] = np.nan
    check(tree[0], altered)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"encoding": "cppn"},
        {"encoding": "binary"},
        {"encoding": "black_pixels"},
        {"encoding": "pixels", "archive": "grid", "emitters": qdfool.Emitters(("gradient_arborescence",))},
        {"encoding": "pixels", "emitters": qdfool.Emitters(("gradient_ascent",))},
        {"encoding": "cppn", "emitters": qdfool.Emitters(("gradient_ascent",))},
        {"encoding": "pixels", "batch_size": 20, "emitters": qdfool.Emitters(("evolution_strategy",))},
    ],
    ids=str,
)
def test_what_every_encoding_and_emitter_makes_is_taken(small, changes):
    run = Run(replace(small, generations=4, **changes), fake.classifier)
    for _ in run.advance():
        check(run.config, jax.tree.map(np.array, runs._tree(run.state, vars(run.history))))


def elites(name: str, value: float):
    """Changes the first elite."""

    def change(tree: dict[str, Any]) -> None:
        fields = tree["state"]["elites"]
        first = int(np.argmax(~np.isneginf(fields["fitness"])))
        fields[name][first] = value

    return change


def state(name: str, value: float):
    def change(tree: dict[str, Any]) -> None:
        tree["state"][name].reshape(-1)[0] = value

    return change


def history(name: str, value: float):
    def change(tree: dict[str, Any]) -> None:
        tree["history"][name].reshape(-1)[0] = value

    return change


ALTERED = {
    "fitness NaN": (elites("fitness", np.nan), "of an elite, fitness is not finite"),
    "fitness infinite": (elites("fitness", np.inf), "fitness is not finite"),
    "genome beyond": (elites("genome", 7.0), "of an elite, genome is not between 0 and 1"),
    "genome NaN": (elites("genome", np.nan), "of an elite, genome is not finite"),
    "no replacements": (elites("num_replacements", -1), "num_replacements is below 1"),
    "a parent of no class": (elites("parent_class", CLASSES), "parent_class is not from -1"),
    "born later": (elites("birth_generation", 4), "birth_generation is beyond the 4"),
    "measures elsewhere": (elites("measures", 0.9999), "measures lie in other cells"),
    "children beyond": (state("children", 1e30), "of a child, genome is not between 0 and 1"),
    "children infinite": (state("children", -np.inf), "of a child, genome is not between 0 and 1"),
    "images beyond": (state("images", 1e30), "an image is not between 0 and 1"),
    "a history that is no number": (history("fitness", np.nan), "of the history, fitness is not a number"),
    "a parent beyond": (state("parents", 10**9), "a parent is no cell"),
    "a parent below": (state("parents", -2), "a parent is no cell"),
    "a history from before": (history("generation", -3), "generation does not count up from 1"),
    "updates below": (history("updates", -1), "updates are below 0"),
    "a QD score that is none": (history("qd_score", np.nan), "qd_score is below 0 or not finite"),
    "a coverage beyond": (history("coverage", 2), "coverage is not between 0 and 1"),
}


@pytest.mark.parametrize("how", ALTERED)
def test_what_no_run_has_is_named(tree, how):
    change, said = ALTERED[how]
    config, altered = tree[0], copy.deepcopy(tree[1])
    change(altered)
    with pytest.raises(ValueError, match=said):
        check(config, altered)


def test_a_checkpoint_of_such_values_is_refused_and_nothing_changes(small, tmp_path, monkeypatch):
    monkeypatch.setattr(qdfool.Result, "draw", lambda *_: None)
    made = runs._tree

    def forged(*arguments: Any) -> dict[str, Any]:
        tree = made(*arguments)
        tree["state"]["elites"]["fitness"] = np.full(CLASSES, np.nan, np.float32)
        return tree

    with monkeypatch.context() as patch:
        patch.setattr(runs, "_tree", forged)
        qdfool.evolve(replace(small, generations=3), fake.classifier, out=tmp_path / "run")
    before = (tmp_path / "run" / "elites.npz").read_bytes()
    with pytest.raises(
        InputError, match=r"Checkpoint 3 in .* has values that no run has: of an elite, fitness is not finite"
    ):
        qdfool.resume(tmp_path / "run", fake.classifier, generations=4)
    assert (tmp_path / "run" / "elites.npz").read_bytes() == before
