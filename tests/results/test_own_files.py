"""Parts of a user's own whose file is another when a run goes on."""

import json
from dataclasses import replace
from pathlib import Path

import fake
import own_parts
import pytest

import qdfool
from qdfool.classifiers.weights import fingerprint
from qdfool.config import Crossover, Emitters, Mutation

PARTS = """
from fake import darkness as measure
from own_parts import average as cross, copies as emitter, jitter as mutate, stripes_of_8 as encoding
"""


def with_parts(config, **named):
    """The config with these parts; all belong to an encoding of one's own, but for measures and emitters."""
    settings = {
        "encoding": lambda name: {"encoding": name},
        "mutate": lambda name: {"mutation": Mutation(operators=(name,))},
        "cross": lambda name: {"crossover": Crossover(operators=(name,), probability=0.5)},
        "emitter": lambda name: {"emitters": Emitters((name, "variation"))},
        "measure": lambda name: {"archive": "grid", "cells": (2, 2), "measures": ("ink", name)},
    }
    for part, name in named.items():
        config = replace(config, **settings[part](name))
    return config


def test_they_are_warned_of_once(small, tmp_path, monkeypatch, caplog):
    module = f"parts_of_{tmp_path.name}"  # Another for each test, because modules stay imported.
    file = tmp_path / f"{module}.py"
    file.write_text(PARTS)
    monkeypatch.syspath_prepend(tmp_path)
    named = {part: f"{module}:{part}" for part in ("encoding", "mutate", "cross", "emitter", "measure")}
    folder = tmp_path / "run"
    qdfool.evolve(with_parts(replace(small, generations=1), **named), fake.logits, out=folder)
    assert not caplog.messages

    file.write_text(PARTS + "# another\n")
    assert qdfool.resume(folder, generations=2).generations == 2
    found = {message.partition(" has changed since ")[0] for message in caplog.messages}
    assert found == {f"The file of {name}" for name in named.values()}
    assert len(caplog.messages) == len(named)
    qdfool.resume(folder, generations=3)
    assert len(caplog.messages) == len(named)


def test_a_seed_that_has_not_begun_is_warned_of_too(small, tmp_path, monkeypatch, caplog):
    module = f"parts_of_{tmp_path.name}"
    file = tmp_path / f"{module}.py"
    file.write_text(PARTS)
    monkeypatch.syspath_prepend(tmp_path)
    folder, begun = tmp_path / "seeds", []
    config = with_parts(replace(small, generations=2), emitter=f"{module}:emitter")

    def stop(run: object) -> None:
        begun.append(run)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        qdfool.evolve(config, fake.logits, out=folder, seeds=(0, 1), on_chunk=stop)
    assert len(begun) == 1
    qdfool.resume(folder / "seed0")
    file.write_text(PARTS + "# another\n")
    qdfool.resume_seeds(folder)
    assert [message for message in caplog.messages if f"since {folder} began" in message]


def test_parts_given_as_objects_are_known_by_their_files(small, tmp_path, caplog):
    config = with_parts(replace(small, generations=1), emitter=own_parts.copies)
    qdfool.evolve(config, fake.logits, out=tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text())
    assert settings["own_files"] == {"own_parts:copies": fingerprint(Path(own_parts.__file__))}
    assert qdfool.resume(tmp_path, config=config, generations=2).generations == 2
    assert not caplog.messages


@pytest.mark.parametrize(
    ("files", "said"), [(["own_parts:emitter"], []), ({"own_parts:copies": 7}, ["SHA-256 7 -> "])]
)
def test_what_a_damaged_file_says_of_them_is_no_error(small, tmp_path, caplog, files, said):
    config = with_parts(replace(small, generations=1), emitter="own_parts:copies")
    qdfool.evolve(config, fake.logits, out=tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "own_files": files}))
    assert qdfool.resume(tmp_path, generations=2).generations == 2
    assert len(caplog.messages) == len(said)
    assert all(part in message for part, message in zip(said, caplog.messages, strict=True))
