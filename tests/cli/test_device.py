"""What JAX computes on is looked at before anything is begun."""

from types import SimpleNamespace

import fake
import jax
import pytest

import qdfool
from qdfool.cli.device import check_device
from qdfool.errors import InputError


def test_a_device_that_jax_does_not_find_is_said_with_what_the_environment_has(monkeypatch):
    """As for CUDA that is not installed, which is an AssertionError without a word."""

    def devices():
        raise AssertionError

    check_device()
    monkeypatch.setattr(jax, "devices", devices)
    monkeypatch.setenv("JAX_PLATFORMS", "cuda\x1b[31m")
    with pytest.raises(InputError, match=r"no device to compute on\. .* JAX_PLATFORMS='cuda\\x1b\[31m'"):
        check_device()


def test_a_run_in_python_is_refused_too(small):
    with jax.debug_nans(True), pytest.raises(InputError, match="jax_debug_nans is True"):
        qdfool.evolve(small, fake.classifier)


def test_jax_that_is_not_to_compile_is_refused():
    with jax.disable_jit(), pytest.raises(InputError, match="JAX_DISABLE_JIT"):
        check_device()


@pytest.mark.parametrize(
    ("name", "value"),
    [("jax_numpy_rank_promotion", "raise"), ("jax_transfer_guard", "disallow"), ("jax_debug_nans", True)],
)
def test_settings_by_which_jax_refuses_what_is_computed_are_named(monkeypatch, name, value):
    monkeypatch.setattr(jax, "config", SimpleNamespace(**{name: value}))
    with pytest.raises(
        InputError, match=f"{name} is {value!r}.*Unset the environment variable {name.upper()}"
    ):
        check_device()
