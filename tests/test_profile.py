"""What benchmarks/profile.py reads out of XLA's text, and that a record has it."""

import json

import jax
import jax.numpy as jnp
import pytest

from benchmarks import profile


def test_operations_that_no_others_are_in():
    def program(x):
        return jax.lax.fori_loop(0, 3, lambda _, x: jnp.sin(x @ x), x) + 1.0

    text = jax.jit(program).lower(jnp.ones((4, 4))).compile().as_text() or ""
    shapes, inner = profile.operations_of(text)
    loops = [name for name in shapes if name.startswith("while") and "(" in shapes[name]]
    products = [name for name in inner if name.startswith("dot")]
    assert loops
    assert not set(loops) & inner
    assert products
    assert {shapes[name] for name in products} == {"f32[4,4]"}


@pytest.mark.slow
@pytest.mark.parametrize("part", ["forward", "generation"])
def test_a_record(part, tmp_path, monkeypatch):
    file = tmp_path / "profile.json"
    arguments = ["--preset", "mnist-direct", "--part", part, "--batch-size", "8", "--repetitions", "2"]
    monkeypatch.setattr("sys.argv", ["profile", *arguments, "--json", str(file)])
    profile.main()
    rows = json.loads(file.read_text())["rows"]
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    assert all(row["calls"] >= 0.5 and row["microseconds"] > 0 for row in rows)
