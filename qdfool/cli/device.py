"""What JAX computes on, as the environment has it."""

import os

import jax

from qdfool.build.jax_settings import check_jax
from qdfool.errors import InputError, shown, text_of

VARIABLES = ("JAX_PLATFORMS", "JAX_PLATFORM_NAME", "JAX_NUM_CPU_DEVICES", "CUDA_VISIBLE_DEVICES", "XLA_FLAGS")
"""Those that decide which devices JAX finds."""


def check_device() -> None:
    """Checks that JAX finds a device, and compiles what it computes there.

    Raises:
        InputError: it does not, or is set to refuse it.
    """
    check_jax()
    try:
        jax.devices()
    except (
        Exception
    ) as error:  # An AssertionError of JAX's own, where only CUDA is asked for and is not installed.
        given = [f"{name}={shown(os.environ[name])}" for name in VARIABLES if name in os.environ]
        why = f" The environment has {', '.join(given)}: mend or unset it." if given else ""
        raise InputError(
            f"JAX finds no device to compute on{f': {text}' if (text := text_of(error)) else ''}.{why} With "
            "JAX_PLATFORMS=cpu it computes on the processor."
        ) from error
