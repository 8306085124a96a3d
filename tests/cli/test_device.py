"""What JAX computes on is looked at before anything is begun."""

import jax
import pytest

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


def test_jax_that_is_not_to_compile_is_refused():
    with jax.disable_jit(), pytest.raises(InputError, match="JAX_DISABLE_JIT"):
        check_device()
